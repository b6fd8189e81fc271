//! Staging, completing and discarding uploads.

use super::records::{config, request_ids};
use super::store::FakeStore;
use super::{FakeSource, Inline};
use crate::driver::message::Message;
use crate::driver::perform::{Format, Performer};
use crate::driver::promise::StoreResult;
use crate::driver::requests::Requests;
use crate::driver::uploads::Uploads;
use engine::ltx::Header;
use engine::replicate::{Event, PageSet, RequestId, SourceError, SourceId, StoreAnswer, StoreRequest};
use engine::store::{Attributes, Sha256, StoreError};
use engine::types::{PageSize, Pgno, Timestamp, Txid, TxidRange};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

struct World {
    store: FakeStore,
    performer: Performer<FakeSource>,
    ids: Vec<RequestId>,
    runtime: tokio::runtime::Runtime,
    told: UnboundedReceiver<Event>,
}

const DATABASE: SourceId = SourceId(0);

impl World {
    /// A world with one source, which takes the tasks that are sent to it.
    fn new(mut source: FakeSource) -> World {
        let store = FakeStore::default();
        let (messages, mut tasks) = unbounded_channel();
        let (answers, told) = unbounded_channel();
        let performer = Performer {
            requests: Requests::new(Arc::new(store.clone()), 8, 0, Duration::from_secs(60)),
            uploads: Uploads::default(),
            work: Arc::new(Inline),
            seals: Arc::new(tokio::sync::Semaphore::new(1)),
            merges: Arc::new(tokio::sync::Semaphore::new(1)),
            messages,
            answers,
        };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        runtime.spawn(async move {
            while let Some(Message::SourceTask(_, task)) = tasks.recv().await {
                task(&mut source);
            }
        });
        World { store, performer, ids: request_ids(8), runtime, told }
    }

    fn perform(&mut self, request: StoreRequest) -> (RequestId, StoreResult) {
        let id = self.ids.pop().unwrap();
        let format = Format { lock_byte: config().lock_byte, part_bytes: 25 };
        let work = self.performer.clone().perform(id, DATABASE, format, request);
        (id, self.runtime.block_on(work))
    }

    fn stage(&mut self) -> (RequestId, StoreResult) {
        self.stage_at("k")
    }

    fn stage_at(&mut self, key: &str) -> (RequestId, StoreResult) {
        let txids = TxidRange::single(Txid::ONE);
        let (page_size, commit) = (PageSize::new(512).unwrap(), Pgno::new(1).unwrap());
        self.perform(StoreRequest::Stage {
            key: key.to_owned(),
            header: Header::new(page_size, commit, txids, Timestamp::from_millis(1)),
            pages: PageSet::Memory(BTreeMap::new()),
            attributes: Attributes::default(),
        })
    }

    /// Whether each attempt at a part that was told of got through.
    fn parts_told(&mut self, id: RequestId) -> Vec<bool> {
        let mut parts = Vec::new();
        while let Ok(Event::Part(of, part)) = self.told.try_recv() {
            assert_eq!(of, id);
            parts.push(part.is_ok());
        }
        parts
    }

    fn complete(&mut self, staged: RequestId) -> StoreResult {
        self.perform(StoreRequest::Complete { staged }).1
    }
}

/// A checksum, which an object ends with, has its highest bit set.
fn object(bytes: u8) -> Vec<u8> {
    (0..bytes).map(|byte| byte | 0x80).collect()
}

fn source(bytes: u8) -> FakeSource {
    FakeSource { object: object(bytes), ..FakeSource::new() }
}

#[test]
fn all_parts_but_the_last_have_the_same_size_and_together_they_are_the_object() {
    for (bytes, parts) in [(64, vec![25, 25, 14]), (50, vec![25, 25]), (25, vec![25]), (9, vec![9])] {
        let mut world = World::new(source(bytes));
        let (id, staged) = world.stage();
        let Ok(StoreAnswer::Staged { sha256, size_bytes }) = staged else { panic!("{staged:?}") };
        let object = object(bytes);
        assert_eq!((sha256, size_bytes), (Sha256::of(&object), u64::from(bytes)));
        assert_eq!(world.store.with(|s| s.parts.clone()), parts);
        assert_eq!(world.store.with(|s| s.objects.len()), 0, "nothing is visible yet");
        assert!(matches!(world.complete(id), Ok(StoreAnswer::Put { .. })));
        assert_eq!(world.store.with(|s| s.objects["k"].to_vec()), object);
    }
}

#[test]
fn pages_that_cannot_be_read_are_told_apart_from_trouble_of_the_store() {
    for broken_step in [0, 4] {
        let mut world = World::new(FakeSource { broken_step: Some(broken_step), ..source(64) });
        let (id, staged) = world.stage();
        let Ok(StoreAnswer::Unreadable(SourceError::Unstable(_))) = staged else { panic!("{staged:?}") };
        // Before the first part there is no upload to give up.
        assert_eq!(world.store.with(|s| s.aborted), u32::from(broken_step > 0));
        assert_eq!(world.complete(id).unwrap_err(), StoreError::Missing);
    }
}

#[test]
fn a_part_is_sent_again_before_the_object_is_given_up() {
    let mut world = World::new(source(64));
    let busy = || Some(StoreError::Retryable("as scripted".into()));
    world.store.with(|s| s.script.extend([None, busy(), None]));
    let (id, staged) = world.stage();
    assert!(matches!(staged, Ok(StoreAnswer::Staged { .. })), "{staged:?}");
    assert_eq!(world.store.with(|s| s.parts.clone()), [25, 25, 14]);
    assert_eq!(world.parts_told(id), [false, true, true, true], "the engine hears of each attempt");
}

#[test]
fn a_lost_part_gives_the_object_up() {
    let mut world = World::new(source(64));
    world.store.with(|s| s.script.extend([None, Some(StoreError::Missing)]));
    let (_, staged) = world.stage();
    assert_eq!(staged.unwrap_err(), StoreError::Missing);
    assert_eq!(world.store.with(|s| s.aborted), 1);
}

#[test]
fn an_upload_stays_after_an_unknown_outcome_and_goes_after_a_conflict() {
    let mut world = World::new(source(64));
    let (id, _) = world.stage();
    let unknown = StoreError::Ambiguous("as scripted".into());
    world.store.with(|s| s.script.push_back(Some(unknown.clone())));
    assert_eq!(world.complete(id).unwrap_err(), unknown);
    world.store.with(|s| s.script.push_back(Some(StoreError::Conflict)));
    assert_eq!(world.complete(id).unwrap_err(), StoreError::Conflict);
    assert_eq!(world.complete(id).unwrap_err(), StoreError::Missing, "it must be staged again");
}

#[test]
fn a_refused_upload_is_ended_at_once() {
    let mut world = World::new(source(64));
    let (id, _) = world.stage();
    world.store.with(|s| s.script.push_back(Some(StoreError::Refused)));
    assert_eq!(world.complete(id).unwrap_err(), StoreError::Refused);
    assert_eq!(world.store.with(|s| s.aborted), 1);
    let (_, discarded) = world.perform(StoreRequest::Discard { staged: id });
    assert!(matches!(discarded, Ok(StoreAnswer::Discarded)));
}

#[test]
fn a_new_upload_of_a_database_ends_the_one_that_was_forgotten() {
    let mut world = World::new(source(64));
    let (first, _) = world.stage();
    let (second, _) = world.stage();
    assert_eq!(world.store.with(|s| s.aborted), 1);
    assert_eq!(world.complete(first).unwrap_err(), StoreError::Missing);
    assert!(world.complete(second).is_ok());
}

#[test]
fn uploads_of_two_levels_go_on_beside_each_other() {
    let mut world = World::new(FakeSource { object: object(64), ..FakeSource::new() });
    let (slot, _) = world.stage_at("app/0000/1-1.ltx");
    let (image, _) = world.stage_at("app/0009/1-1.ltx");
    assert_eq!(world.store.with(|s| s.aborted), 0);
    let (next, _) = world.stage_at("app/0000/2-2.ltx");
    assert_eq!(world.store.with(|s| s.aborted), 1, "of its own level one was forgotten");
    assert_eq!(world.complete(slot).unwrap_err(), StoreError::Missing);
    assert!(world.complete(image).is_ok() && world.complete(next).is_ok());
}

#[test]
fn encoding_lets_other_jobs_of_the_source_come_in_between() {
    // A part takes more steps than one turn does, and goes on where it was.
    let mut world = World::new(FakeSource { step_bytes: 1, ..source(64) });
    let (id, staged) = world.stage();
    assert!(matches!(staged, Ok(StoreAnswer::Staged { .. })), "{staged:?}");
    assert_eq!(world.store.with(|s| s.parts.clone()), [25, 25, 14]);
    assert!(world.complete(id).is_ok());
    assert_eq!(world.store.with(|s| s.objects["k"].to_vec()), object(64));
}

#[test]
fn a_discarded_upload_is_aborted_once_however_often_it_is_asked() {
    let mut world = World::new(source(64));
    let (staged, _) = world.stage();
    for _ in 0..2 {
        let (_, discarded) = world.perform(StoreRequest::Discard { staged });
        assert!(matches!(discarded, Ok(StoreAnswer::Discarded)));
    }
    assert_eq!(world.store.with(|s| s.aborted), 1);
}

#[test]
fn a_range_behind_the_end_of_an_object_has_no_bytes() {
    let mut world = World::new(source(1));
    world.store.with(|s| s.objects.insert("k".to_owned(), vec![1, 2, 3].into()));
    let mut get = |range| world.perform(StoreRequest::Get { key: "k".to_owned(), range: Some(range) }).1;
    let Ok(StoreAnswer::Got(got)) = get(8..16) else { panic!("an answer") };
    assert_eq!((got.bytes.len(), got.object_bytes), (0, 3));
    let Ok(StoreAnswer::Got(got)) = get(1..16) else { panic!("an answer") };
    assert_eq!(got.bytes, [2, 3][..]);
}
