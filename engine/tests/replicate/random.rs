//! Random trouble, restarts and commits: the world's checks hold throughout, and when the trouble is over the
//! store ends up with exactly what the application committed.

use super::source::FakeDatabase;
use super::world::{A, B, Fate, SECOND, World};
use engine::replicate::{
    DatabaseConfig, Event, Hint, SourceError, SourceId, SourceJob, Status, StoreRequest,
};
use engine::store::{Fatal, StoreError};
use proptest::prelude::*;
use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_history_of_trouble_ends_with_store_and_database_equal(
        luck in prop::collection::vec(any::<u8>(), 1..200),
        deeds in prop::collection::vec(deed(), 1..40),
        memory_pages in prop_oneof![Just(0u64), 1..8u64, Just(1000)],
        part_pages in prop_oneof![Just(2u64), Just(1000)],
    ) {
        let mut world = World::empty();
        for (id, place) in [(A, "a"), (B, "b")] {
            world.add(id, place, FakeDatabase::new(id.0, 10), |config| {
                config.memory_bytes_max = memory_pages * 512;
                config.part_bytes = part_pages * 512;
                config.checkpoint_pages = 20;
                // So short that answers are sometimes too old to count.
                config.l0_retention = 20 * SECOND;
            });
        }
        let luck = Luck::new(luck);
        trouble(&mut world, &luck);
        for deed in deeds {
            deed.happen(&mut world, &luck);
        }
        world.on_store = Box::new(|_, _| Fate::Answered);
        world.on_source = Box::new(|_, _| None);
        world.state_fails = Box::new(|_| false);
        let patient = luck.draw().is_multiple_of(2);
        if patient {
            world.run_for(120 * SECOND);
            for id in [A, B] {
                prop_assert!(world.is_all_synced(id), "a sync was not answered");
            }
        }
        for id in [A, B] {
            world.handle(Event::StopRequested(id));
        }
        world.run_for(600 * SECOND);
        for id in [A, B] {
            prop_assert_eq!(world.status(id), Status::Stopped);
            // Without patience the stop may come while a file counts as missing: then it must say so.
            if patient || world.stopped(id) == Some(true) {
                let notices = &world.host(id).notices;
                prop_assert_eq!(world.stopped(id), Some(true), "{:?}", &notices[notices.len().saturating_sub(12)..]);
                world.assert_store_equals_database(id);
            }
        }
    }
}

#[derive(Clone, Debug)]
enum Deed {
    Commit(SourceId, Vec<u32>, u32),
    Wait(Duration),
    Poke(SourceId),
    Sync(SourceId),
    Restart,
    Reconfigure(SourceId, Setting),
}

/// What a person changes while a database is followed.
#[derive(Clone, Copy, Debug)]
enum Setting {
    Interval(u64),
    Guard(u64),
    Frames(u32),
    MemoryPages(u64),
    CheckpointPages(u32),
    WalBytes(u64),
    L0Seconds(u32),
}

fn deed() -> impl Strategy<Value = Deed> {
    let id = prop_oneof![Just(A), Just(B)];
    let commit = (id.clone(), prop::collection::vec(1..20u32, 1..12), 1..20u32);
    prop_oneof![
        6 => commit.prop_map(|(id, pages, size)| Deed::Commit(id, pages, size)),
        6 => (0..4000u64).prop_map(|ms| Deed::Wait(Duration::from_millis(ms))),
        1 => (0..60u64).prop_map(|s| Deed::Wait(Duration::from_secs(s))),
        1 => id.clone().prop_map(Deed::Poke),
        2 => id.clone().prop_map(Deed::Sync),
        1 => Just(Deed::Restart),
        2 => (id, setting()).prop_map(|(id, setting)| Deed::Reconfigure(id, setting)),
    ]
}

fn setting() -> impl Strategy<Value = Setting> {
    prop_oneof![
        (0..5000u64).prop_map(Setting::Interval),
        (0..5000u64).prop_map(Setting::Guard),
        (0..10u32).prop_map(Setting::Frames),
        prop_oneof![Just(0u64), 1..8u64, Just(1000)].prop_map(Setting::MemoryPages),
        (1..100u32).prop_map(Setting::CheckpointPages),
        prop_oneof![Just(4096u64), Just(1 << 30)].prop_map(Setting::WalBytes),
        (1..600u32).prop_map(Setting::L0Seconds),
    ]
}

impl Setting {
    fn set(self, config: &mut DatabaseConfig) {
        match self {
            Setting::Interval(ms) => config.max_interval = Duration::from_millis(ms),
            Setting::Guard(ms) => config.min_interval = Duration::from_millis(ms),
            Setting::Frames(frames) => config.max_changes = frames,
            Setting::MemoryPages(pages) => config.memory_bytes_max = pages * 512,
            Setting::CheckpointPages(pages) => config.checkpoint_pages = pages,
            Setting::WalBytes(bytes) => config.max_wal_bytes = bytes,
            Setting::L0Seconds(seconds) => config.l0_retention = seconds * SECOND,
        }
    }
}

impl Deed {
    fn happen(self, world: &mut World, luck: &Luck) {
        match self {
            Deed::Commit(id, pages, size) => {
                let database = &mut world.hosts.get_mut(&id).unwrap().database;
                let pages: Vec<u32> = pages.into_iter().map(|page| page.min(size)).collect();
                database.commit(&pages, size);
                world.handle(Event::Poked(id, Hint::Log));
            }
            Deed::Wait(time) => world.run_for(time),
            Deed::Poke(id) => world.handle(Event::Poked(id, Hint::Log)),
            Deed::Sync(id) => drop(world.sync(id)),
            Deed::Reconfigure(id, setting) => world.reconfigure(id, |config| setting.set(config)),
            Deed::Restart => world.restart(|| luck.draw().is_multiple_of(2)),
        }
    }
}

/// The bytes that decide, over and over.
#[derive(Clone)]
struct Luck(Rc<RefCell<(Vec<u8>, usize)>>);

impl Luck {
    fn new(bytes: Vec<u8>) -> Luck {
        Luck(Rc::new(RefCell::new((bytes, 0))))
    }

    fn draw(&self) -> u8 {
        let mut inner = self.0.borrow_mut();
        inner.1 += 1;
        let (bytes, at) = &*inner;
        // The round mixes in, so that a short list does not repeat one pattern for ever.
        bytes[at % bytes.len()].wrapping_add((at / bytes.len()).wrapping_mul(41) as u8)
    }
}

fn trouble(world: &mut World, luck: &Luck) {
    let of_store = luck.clone();
    world.on_store = Box::new(move |_, request| fate(&of_store, request));
    let of_source = luck.clone();
    world.on_source = Box::new(move |_, job| source_error(&of_source, job));
    let of_state = luck.clone();
    world.state_fails = Box::new(move |_| of_state.draw() < 16);
}

fn fate(luck: &Luck, request: &StoreRequest) -> Fate {
    let writes = matches!(request, StoreRequest::Put { .. } | StoreRequest::Complete { .. });
    match luck.draw() {
        0..=15 => Fate::Fails(StoreError::Retryable("down".into())),
        16..=22 => {
            Fate::Fails(StoreError::Throttled { retry_after: Some(u32::from(luck.draw() % 30) * SECOND) })
        }
        23 => Fate::Fails(StoreError::Throttled { retry_after: None }),
        24..=27 => Fate::Fails(StoreError::Fatal { kind: Fatal::Denied, message: "denied".into() }),
        28..=45 if writes => Fate::Fails(StoreError::Ambiguous("lost".into())),
        46..=65 if writes => Fate::DoneBut(StoreError::Ambiguous("lost".into())),
        66..=75 if writes => {
            let delay = Duration::from_millis(u64::from(luck.draw()) * 20);
            Fate::LandsLate(StoreError::Ambiguous("lost".into()), delay)
        }
        76..=85 if writes => Fate::DoneBut(StoreError::Refused),
        86..=92 if writes => Fate::Fails(StoreError::Conflict),
        93..=97 if writes => Fate::Fails(StoreError::Refused),
        _ => Fate::Answered,
    }
}

fn source_error(luck: &Luck, job: &SourceJob) -> Option<SourceError> {
    match luck.draw() {
        0..=11 => Some(SourceError::Busy),
        12..=15 => Some(SourceError::Io("read error".into())),
        16..=19 => Some(SourceError::BadFrame { frame: 1, reason: "torn".into() }),
        20..=22 => Some(SourceError::Replaced("cp".into())),
        23..=25 => Some(SourceError::Unstable("changed".into())),
        26 if matches!(job, SourceJob::Open { .. }) => Some(SourceError::Missing),
        27 if matches!(job, SourceJob::Open { .. }) => Some(SourceError::Held("another".into())),
        _ => None,
    }
}
