//! Group commit of the local state.

use super::{FakeSource, FakeState, Held};
use crate::driver::message::Message;
use crate::driver::promise::of_state;
use crate::driver::records::{Record, Records};
use engine::replicate::{Command, DatabaseConfig, Event, Fleet, Output, RequestId, SourceId};
use engine::types::Now;
use std::sync::Arc;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

struct World {
    work: Held,
    records: Records<FakeSource>,
    messages: UnboundedReceiver<Message<FakeSource>>,
    answers: UnboundedReceiver<Event>,
    sender: UnboundedSender<Event>,
    ids: Vec<RequestId>,
}

impl World {
    fn new(state: FakeState) -> World {
        let (to_loop, messages) = unbounded_channel();
        let (sender, answers) = unbounded_channel();
        let work = Held::default();
        let records = Records::new(Box::new(state), Arc::new(work.clone()), to_loop, unbounded_channel().0);
        World { work, records, messages, answers, sender, ids: request_ids(16) }
    }

    fn save(&mut self, key: &str) {
        let promise = of_state(self.ids.pop().unwrap(), self.sender.clone());
        self.records.push(Record::Save(promise, key.to_owned(), Box::default()));
    }

    fn load(&mut self, key: &str) {
        let promise = of_state(self.ids.pop().unwrap(), self.sender.clone());
        self.records.push(Record::Load(promise, key.to_owned()));
    }

    fn round(&mut self) {
        self.records.start();
        self.work.release();
        while let Ok(Message::StateBack(state)) = self.messages.try_recv() {
            self.records.back(state);
        }
    }

    /// Whether each answer so far was a success.
    fn answered(&mut self) -> Vec<bool> {
        let mut out = Vec::new();
        while let Ok(Event::State(_, result)) = self.answers.try_recv() {
            out.push(result.is_ok());
        }
        out
    }
}

/// Ids as the engine gives them.
pub(super) fn request_ids(count: u32) -> Vec<RequestId> {
    let mut fleet = Fleet::new();
    let add = |fleet: &mut Fleet, id| fleet.handle(Now::default(), Event::Added(SourceId(id), config()));
    (0..count).for_each(|id| add(&mut fleet, id));
    let mut ids = Vec::new();
    while let Output::Command(command) = fleet.poll() {
        if let Command::State(id, ..) = command {
            ids.push(id);
        }
    }
    ids
}

pub(super) fn config() -> Box<DatabaseConfig> {
    use engine::key::{Layout, ModifiedIs, Place};
    use engine::types::{LockByte, NodeId};
    use std::time::Duration;
    Box::new(DatabaseConfig {
        place: Place::new("app").unwrap(),
        layout: Layout::Tree,
        modified_is: ModifiedIs::HeaderTime,
        node: NodeId::new(1).unwrap(),
        database: engine::manifest::DatabaseId::from_random([7; 16]),
        host: "host".to_owned(),
        store_name: "store".to_owned(),
        max_interval: Duration::from_secs(1),
        max_changes: 0,
        min_interval: Duration::ZERO,
        enter_wal_mode: true,
        checkpoint_pages: 1000,
        max_wal_bytes: 1 << 30,
        memory_bytes_max: 1 << 20,
        take_over: engine::replicate::TakeOver::Never,
        l0_retention: Duration::from_secs(300),
        conditional_writes: true,
        list_interval: Duration::from_secs(24 * 3600),
        lock_byte: LockByte::SQLITE,
        part_bytes: 8 << 20,
        upkeep: engine::replicate::UpkeepConfig::none(),
        snapshots: Default::default(),
    })
}

#[test]
fn saves_that_queue_up_behind_a_save_go_together() {
    let state = FakeState::default();
    let batches = state.batches.clone();
    let mut world = World::new(state);
    world.save("a");
    world.records.start();
    ["b", "c", "d"].into_iter().for_each(|key| world.save(key));
    world.round();
    world.round();
    assert_eq!(*batches.lock().unwrap(), [1, 3]);
    assert_eq!(world.answered(), [true; 4]);
}

#[test]
fn a_load_finds_what_was_saved_before_it_and_not_what_comes_after() {
    let state = FakeState::default();
    let saved = state.saved.clone();
    let mut world = World::new(state);
    world.save("a");
    world.load("a");
    world.save("b");
    world.round();
    assert_eq!(*saved.lock().unwrap(), ["save a", "load a", "save b"]);
    assert_eq!(world.answered(), [true; 3]);
}

#[test]
fn a_change_that_cannot_be_saved_does_not_hold_the_others_up() {
    let mut world = World::new(FakeState { refused: Some("b"), ..FakeState::default() });
    ["a", "b", "c"].into_iter().for_each(|key| world.save(key));
    world.round();
    assert_eq!(world.answered(), [true, false, true]);
}

#[test]
fn a_panic_answers_every_job_of_the_batch_once_and_the_state_comes_back() {
    let mut world = World::new(FakeState { panics: true, ..FakeState::default() });
    world.save("a");
    world.load("b");
    world.round();
    assert_eq!(world.answered(), [false; 2]);
    world.save("c");
    world.round();
    assert_eq!(world.answered(), [false]);
}
