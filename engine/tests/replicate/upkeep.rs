//! Compaction of a place that is followed: when it is made, what it asks, and what it believes.

use super::source::FakeDatabase;
use super::world::{A, Fate, SECOND, World};
use engine::compact::Levels;
use engine::key::{Layout, ObjectKey};
use engine::replicate::{DatabaseConfig, Notice, Status, StoreRequest};
use engine::retention::Policy;
use engine::store::{Fatal, StoreError};
use engine::types::Level;
use std::time::Duration;

/// Level 1 every 2 seconds, level 2 every 10.
pub(super) fn quick(config: &mut DatabaseConfig) {
    let levels = [(1, 2), (2, 10)];
    let level = |(number, seconds)| (Level::new(number).unwrap(), Duration::from_secs(seconds));
    config.upkeep.levels = Levels::new(levels.map(level)).unwrap();
}

fn followed() -> World {
    let mut world = World::empty();
    world.add(A, "a", FakeDatabase::new(1, 10), quick);
    world.run_for(SECOND);
    assert_eq!(world.status(A), Status::Following);
    world
}

/// Where the objects of a level end, ascending.
fn ends(world: &World, level: u8) -> Vec<u64> {
    let place = &world.host(A).config.place;
    let of_level = |key: &ObjectKey| key.level().get() == level;
    let mut ends: Vec<u64> =
        world.store.keys(place).filter(of_level).map(|key| key.max().into_inner()).collect();
    ends.sort_unstable();
    ends
}

#[test]
fn slots_become_levels_and_nothing_is_asked_while_nothing_changes() {
    let mut world = followed();
    for page in 1..=6 {
        world.commit(A, &[page]);
        world.run_for(2 * SECOND);
    }
    world.run_for(30 * SECOND);
    assert_eq!(world.durable(A), 8);
    assert!(ends(&world, 1).len() > 2, "{:?}", ends(&world, 1));
    assert_eq!((ends(&world, 1).last(), ends(&world, 2).last()), (Some(&8), Some(&8)));
    world.assert_store_equals_database(A);
    world.forget_requests();
    world.run_for(Duration::from_secs(4 * 3600));
    assert_eq!(world.host(A).requests.len(), 0, "{:?}", world.host(A).requests);
}

#[test]
fn a_restart_asks_for_nothing_more_where_everything_is_compacted() {
    let mut world = followed();
    world.commit(A, &[3]);
    world.run_for(60 * SECOND);
    assert_eq!(ends(&world, 2).last(), Some(&3));
    world.restart(|| true);
    world.run_for(5 * SECOND);
    world.forget_requests();
    world.run_for(Duration::from_secs(3600));
    assert_eq!(world.host(A).requests.len(), 0, "{:?}", world.host(A).requests);
    world.commit(A, &[4]);
    world.run_for(60 * SECOND);
    assert_eq!(ends(&world, 2).last(), Some(&4));
}

#[test]
fn what_does_not_read_back_is_told_and_counts_for_nothing() {
    let mut world = followed();
    world.on_store = Box::new(|_, request| match request {
        StoreRequest::Hash { key } if key.contains("/0001/") => {
            let kind = Fatal::Unsupported;
            Fate::Fails(StoreError::Fatal { kind, message: "it does not decode".into() })
        }
        _ => Fate::Answered,
    });
    world.commit(A, &[3]);
    world.run_for(Duration::from_secs(300));
    assert!(world.has_notice(A, |notice| matches!(notice, Notice::ObjectDamaged { .. })));
    assert!(!world.has_notice(A, |notice| matches!(notice, Notice::Compacted { .. })));
    assert_eq!(world.status(A), Status::Following);
    world.commit(A, &[4]);
    world.run_for(5 * SECOND);
    assert_eq!(world.durable(A), 4, "slots go on");
}

#[test]
fn a_header_that_contradicts_what_follows_is_proven_before_it_stops_a_level() {
    let mut world = followed();
    world.commit(A, &[3]);
    world.run_for(60 * SECOND);
    let last = *ends(&world, 1).last().unwrap();
    let place = world.host(A).config.place.clone();
    let ends_last = |key: &ObjectKey| key.level().get() == 1 && key.range().max().into_inner() == last;
    let name = place.object_key(Layout::S3, world.store.keys(&place).find(ends_last).unwrap());
    // The checksum of the database that it leads to.
    let mut bytes = world.store.bytes(&name).unwrap().to_vec();
    bytes[95] ^= 1;
    world.store.plant(&name, bytes.into());
    world.on_store = Box::new(move |_, request| match request {
        StoreRequest::Hash { key } if *key == name => Fate::Fails(StoreError::Fatal {
            kind: Fatal::Unsupported,
            message: "an object is damaged".into(),
        }),
        _ => Fate::Answered,
    });
    // Nothing is known of it any more.
    world.restart(|| true);
    world.run_for(5 * SECOND);
    world.commit(A, &[4]);
    world.run_for(120 * SECOND);
    assert!(world.has_notice(A, |notice| matches!(notice, Notice::ObjectDamaged { .. })));
    assert!(!world.has_notice(A, |notice| matches!(notice, Notice::CompactionStopped { .. })));
    assert_eq!(ends(&world, 1).last(), Some(&(last + 1)));
}

#[test]
fn an_upload_that_nobody_completes_is_given_up_when_following_ends() {
    let mut world = followed();
    world.on_store = Box::new(|_, request| match request {
        StoreRequest::Complete { .. } => Fate::Fails(StoreError::Retryable("away".into())),
        _ => Fate::Answered,
    });
    world.commit(A, &[3]);
    world.run_for(20 * SECOND);
    assert_eq!(world.store.open_uploads(), 1);
    world.handle(engine::replicate::Event::StopRequested(A));
    world.run_for(20 * SECOND);
    assert_eq!(world.stopped(A), Some(true));
    assert_eq!(world.store.open_uploads(), 0);
}

#[test]
fn a_snapshot_interval_that_is_changed_counts_at_once() {
    let mut world = followed();
    world.reconfigure(A, |config| config.snapshots.interval = Some(Duration::from_secs(3600)));
    world.commit(A, &[3]);
    world.run_for(60 * SECOND);
    assert_eq!(ends(&world, 9), [1]);
    world.reconfigure(A, |config| config.snapshots.interval = Some(30 * SECOND));
    world.run_for(60 * SECOND);
    assert_eq!(ends(&world, 9), [1, 3]);
}

/// What makes up for others was read whole when it was made; put there anew by somebody, it is read again before they go.
#[test]
fn a_container_that_was_replaced_is_read_again_before_what_it_contains_goes() {
    let mut world = World::empty();
    world.add(A, "a", FakeDatabase::new(1, 10), |config| {
        quick(config);
        config.l0_retention = 60 * SECOND;
        let (l0, pitr) = (60 * SECOND, Duration::ZERO);
        config.upkeep.policy = Some(Policy { l0, pitr, hourly: 0, daily: 0, weekly: 0, monthly: 0 });
    });
    world.run_for(SECOND);
    for page in 1..=3 {
        world.commit(A, &[page]);
        world.run_for(15 * SECOND);
    }
    let place = world.host(A).config.place.clone();
    let made: Vec<ObjectKey> =
        world.store.keys(&place).filter(|key| (1..9).contains(&key.level().get())).collect();
    let made: Vec<String> = made.into_iter().map(|key| place.object_key(Layout::S3, key)).collect();
    for key in &made {
        let bytes = world.store.bytes(key).unwrap().clone();
        world.store.plant(key, bytes);
    }
    world.forget_requests();
    // A store that does not tell its time is as old as what came last.
    for page in 1..=6 {
        world.commit(A, &[page]);
        world.run_for(30 * SECOND);
    }
    let requests = &world.host(A).requests;
    let is_read =
        |request: &StoreRequest| matches!(request, StoreRequest::Hash { key } if made.contains(key));
    let read_at = requests.iter().position(|(_, request)| is_read(request));
    let gone_at = requests.iter().position(|(_, request)| matches!(request, StoreRequest::Delete { .. }));
    assert!(read_at.is_some() && gone_at.is_some() && read_at < gone_at, "{requests:?}");
}
