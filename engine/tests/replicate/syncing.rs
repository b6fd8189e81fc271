//! Syncs on request: everything committed before the request is in the store when it is answered.

use super::source::FakeDatabase;
use super::world::{A, Fate, SECOND, World};
use engine::replicate::{Event, Notice, SourceError, SourceJob, Standing, StoreRequest};
use engine::store::StoreError;
use engine::types::Txid;
use std::time::Duration;

const HOUR: Duration = Duration::from_secs(3600);

/// Followed, and nothing is due for an hour.
fn patient() -> World {
    let mut world = World::empty();
    world.add(A, "a", FakeDatabase::new(1, 10), |config| {
        config.max_interval = HOUR;
        config.min_interval = HOUR / 2;
    });
    world.run_for(SECOND);
    world
}

fn txid(n: u64) -> Option<Txid> {
    Txid::new(n).ok()
}

#[test]
fn sync_waits_for_no_interval() {
    let mut world = patient();
    for (page, slot) in [(3, 3), (4, 4)] {
        world.commit(A, &[page]);
        world.run_for(SECOND);
        assert_eq!(world.durable(A), slot - 1);
        let sync = world.sync(A);
        world.run_for(SECOND);
        assert!(world.is_synced(A, sync));
        assert_eq!(world.durable(A), slot);
        world.assert_store_equals_database(A);
    }
}

#[test]
fn sync_of_a_database_without_changes_sends_nothing() {
    let mut world = patient();
    world.forget_requests();
    let sync = world.sync(A);
    world.run_for(SECOND / 10);
    assert!(world.is_synced(A, sync));
    assert_eq!(world.host(A).requests, []);
}

#[test]
fn look_that_was_under_way_does_not_count() {
    let mut world = patient();
    world.commit(A, &[3]);
    let is_look = |job: &SourceJob| matches!(job, SourceJob::Look { .. });
    world.forget_requests();
    while !world.host(A).jobs.iter().any(|(_, job)| is_look(job)) {
        world.run_for(Duration::from_micros(100));
    }
    let (asked_at, sync) = (world.now.mono, world.sync(A));
    world.run_for(SECOND);
    assert!(world.is_synced(A, sync));
    let later = world.host(A).jobs.iter().filter(|(at, job)| *at > asked_at && is_look(job)).count();
    assert!(later > 0, "it began before the request");
}

#[test]
fn commits_since_the_request_are_not_waited_for() {
    let mut world = patient();
    world.commit(A, &[3]);
    world.on_store = Box::new(|_, request| match request {
        StoreRequest::Put { .. } => Fate::Hangs(SECOND),
        _ => Fate::Answered,
    });
    let sync = world.sync(A);
    for page in 0..40 {
        world.commit(A, &[page % 10 + 1]);
        world.run_for(SECOND / 10);
        if page == 20 {
            world.on_store = Box::new(|_, _| Fate::Answered);
        }
    }
    assert!(world.is_synced(A, sync), "a busy application does not hold it up");
    assert_eq!(world.durable(A), 3, "what came later waits for its interval");
}

#[test]
fn sync_during_an_outage_is_answered_when_the_store_is_back() {
    let mut world = patient();
    world.commit(A, &[3]);
    world.on_store = Box::new(|_, _| Fate::Fails(StoreError::Retryable("down".into())));
    let first = world.sync(A);
    world.run_for(5 * SECOND);
    world.commit(A, &[4]);
    let second = world.sync(A);
    world.run_for(5 * SECOND);
    assert!(!world.is_synced(A, first));
    world.on_store = Box::new(|_, _| Fate::Answered);
    world.run_for(60 * SECOND);
    assert!(world.is_synced(A, second));
    world.assert_store_equals_database(A);
}

#[test]
fn sync_outlives_a_file_that_is_replaced() {
    let mut world = patient();
    let mut replaced = false;
    world.on_source = Box::new(move |_, job| {
        let first = matches!(job, SourceJob::Look { .. }) && !std::mem::replace(&mut replaced, true);
        first.then(|| SourceError::Replaced("cp".into()))
    });
    world.commit(A, &[3]);
    let sync = world.sync(A);
    world.run_for(60 * SECOND);
    assert!(world.is_synced(A, sync));
}

#[test]
fn sync_before_the_first_look_is_answered_when_the_database_is_followed() {
    let mut world = World::new();
    let sync = world.sync(A);
    world.run_for(SECOND);
    assert!(world.is_synced(A, sync));
}

#[test]
fn sync_and_stop_leave_nothing_open() {
    let mut world = patient();
    world.commit(A, &[3]);
    world.sync(A);
    world.handle(Event::StopRequested(A));
    world.run_for(SECOND);
    assert_eq!(world.stopped(A), Some(true));
}

#[test]
fn standing_tells_what_was_read_and_how_long_it_waits() {
    let world = World::new();
    let unknown = Standing::default();
    assert_eq!(world.standing(A), unknown, "it is not followed yet");
    let mut world = patient();
    let idle = world.standing(A);
    assert_eq!((idle.durable, idle.read, idle.lag), (txid(2), txid(2), Some(Duration::ZERO)));
    world.commit(A, &[3, 4]);
    world.run_for(10 * SECOND);
    let behind = world.standing(A);
    assert_eq!((behind.durable, behind.read, behind.unsent_pages), (txid(2), txid(3), 2));
    assert!(behind.lag > Some(9 * SECOND) && behind.lag <= Some(10 * SECOND), "{:?}", behind.lag);
    assert!(behind.wal_bytes > idle.wal_bytes, "{behind:?}");
    world.sync(A);
    world.run_for(SECOND);
    let synced = world.standing(A);
    assert_eq!((synced.durable, synced.read, synced.lag), (txid(3), txid(3), Some(Duration::ZERO)));
    assert!(world.has_notice(A, |n| matches!(n, Notice::Synced { txid, .. } if txid.into_inner() == 3)));
}
