//! Full images beside the slots: when they come, what they hold, and what they give way to.

use super::source::FakeDatabase;
use super::world::{A, Fate, SECOND, World};
use engine::replicate::{
    DatabaseConfig, Event, Notice, OnStartup, SnapshotFailure, SnapshotSchedule, SourceError, SourceId,
    SourceJob, Status, StoreRequest,
};
use engine::store::StoreError;
use std::time::Duration;

const HOUR: Duration = Duration::from_secs(3600);

fn following(configure: impl FnOnce(&mut DatabaseConfig)) -> World {
    let mut world = World::empty();
    world.add(A, "a", FakeDatabase::new(1, 10), configure);
    world.run_for(SECOND);
    assert_eq!(world.status(A), Status::Following);
    world
}

fn hourly(config: &mut DatabaseConfig) {
    config.snapshots = SnapshotSchedule { interval: Some(HOUR), ..SnapshotSchedule::default() };
}

/// The last slots of the full images in the store.
fn snapshots(world: &World) -> Vec<u64> {
    let keys = (1..100).map(|txid| (txid, format!("a/0009/0000000000000001-{txid:016x}.ltx")));
    keys.filter(|(_, key)| world.store.bytes(key).is_some()).map(|(txid, _)| txid).collect()
}

/// What was said of full images: the slot of one that is there, 0 for one that was refused or failed.
fn said(world: &World) -> Vec<u64> {
    let of = |notice: &Notice| match notice {
        Notice::Snapshot { txid, .. } => Some(txid.into_inner()),
        Notice::SnapshotRefused { .. } | Notice::SnapshotFailed { .. } => Some(0),
        _ => None,
    };
    world.host(A).notices.iter().filter_map(|(_, notice)| of(notice)).collect()
}

fn failures(world: &World) -> Vec<SnapshotFailure> {
    let of = |notice: &Notice| match notice {
        Notice::SnapshotFailed { why } => Some(why.clone()),
        _ => None,
    };
    world.host(A).notices.iter().filter_map(|(_, notice)| of(notice)).collect()
}

fn request(world: &mut World) {
    world.handle(Event::SnapshotRequested(A));
}

/// The image in the store is the one that a restore of its slot gives without it.
fn assert_restores(world: &World, txid: u64) {
    let place = &world.host(A).config.place;
    let with = world.store.restored_at(place, txid);
    let mut without = world.store.clone();
    without.erase(&format!("a/0009/0000000000000001-{txid:016x}.ltx"));
    assert_eq!(with, without.restored_at(place, txid));
}

#[test]
fn interval_brings_one_of_the_head_and_none_while_nothing_changes() {
    let mut world = following(hourly);
    world.run_for(3 * HOUR);
    assert_eq!(snapshots(&world), [1], "the claim changes nothing");
    world.commit(A, &[3, 4]);
    world.run_for(60 * SECOND);
    assert_eq!((snapshots(&world), world.durable(A)), (vec![1, 3], 3), "it was due: the commit goes with it");
    assert_restores(&world, 3);
    world.commit(A, &[5]);
    world.run_for(HOUR / 2);
    assert_eq!(snapshots(&world), [1, 3]);
    world.run_for(HOUR);
    assert_eq!(snapshots(&world), [1, 3, 4]);
    assert_restores(&world, 4);
    world.run_for(5 * HOUR);
    assert_eq!((snapshots(&world), said(&world)), (vec![1, 3, 4], vec![3, 4]));
    assert!(!world.host(A).database.is_image_pinned());
    world.assert_store_equals_database(A);
}

#[test]
fn idleness_brings_one() {
    let on_idle = |config: &mut DatabaseConfig| config.snapshots.on_idle = Some(60 * SECOND);
    let mut world = following(on_idle);
    for page in 1..=5 {
        world.commit(A, &[page]);
        world.run_for(30 * SECOND);
    }
    assert_eq!(snapshots(&world), [1]);
    world.run_for(40 * SECOND);
    assert_eq!((snapshots(&world), world.durable(A)), (vec![1, 7], 7));
    world.run_for(HOUR);
    assert_eq!(snapshots(&world), [1, 7]);
}

#[test]
fn commit_during_the_image_is_not_in_it() {
    let mut world = following(hourly);
    world.on_store = Box::new(|_, request| match request {
        StoreRequest::Put { key, .. } if key.contains("/0009/") => Fate::Hangs(2 * SECOND),
        _ => Fate::Answered,
    });
    world.commit(A, &[3]);
    request(&mut world);
    world.run_until(|world| world.host(A).database.is_image_pinned());
    world.commit(A, &[3, 9]);
    world.on_store = Box::new(|_, _| Fate::Answered);
    world.run_for(10 * SECOND);
    assert_eq!((snapshots(&world), said(&world), world.durable(A)), (vec![1, 3], vec![3], 4));
    assert_restores(&world, 3);
    world.assert_store_equals_database(A);
}

#[test]
fn slots_go_up_while_the_image_does_and_both_in_parts() {
    let mut world = following(|config| (config.part_bytes, config.memory_bytes_max) = (1024, 1 << 20));
    world.on_store = Box::new(|_, request| match request {
        StoreRequest::Stage { key, .. } if key.contains("/0009/") => Fate::Hangs(30 * SECOND),
        _ => Fate::Answered,
    });
    request(&mut world);
    world.commit(A, &[3]);
    world.run_for(2 * SECOND);
    for page in 1..=8 {
        world.commit(A, &[page, page + 1, page + 2]);
        world.run_for(SECOND);
    }
    assert_eq!(snapshots(&world), [1]);
    assert!(world.durable(A) >= 6, "{} while the image goes up", world.durable(A));
    world.on_store = Box::new(|_, _| Fate::Answered);
    world.run_for(60 * SECOND);
    assert_eq!((snapshots(&world), said(&world)), (vec![1, 3], vec![3]));
    assert_restores(&world, 3);
    world.assert_store_equals_database(A);
}

#[test]
fn request_is_answered_once_and_an_unchanged_database_sends_nothing() {
    let mut world = following(|_| {});
    world.commit(A, &[3]);
    request(&mut world);
    world.run_for(10 * SECOND);
    assert_eq!((snapshots(&world), said(&world)), (vec![1, 3], vec![3]));
    world.forget_requests();
    request(&mut world);
    // The first has begun; these two have not.
    request(&mut world);
    request(&mut world);
    world.run_for(10 * SECOND);
    assert_eq!((said(&world), world.host(A).requests.len()), (vec![3, 3, 3], 0));
    let last = world.host(A).notices.iter().rev().find_map(|(_, notice)| match notice {
        Notice::Snapshot { size_bytes, .. } => Some(*size_bytes),
        _ => None,
    });
    assert_eq!(last, Some(None), "it was there");
}

#[test]
fn request_before_following_waits_for_it_and_one_that_nobody_follows_is_refused() {
    let mut world = World::new();
    request(&mut world);
    world.run_for(10 * SECOND);
    assert_eq!(said(&world), [1]);

    let mut world = World::empty();
    world.on_source =
        Box::new(|_, job| matches!(job, SourceJob::Open { .. }).then_some(SourceError::Missing));
    world.add(A, "a", FakeDatabase::new(1, 10), |_| {});
    request(&mut world);
    world.run_for(10 * SECOND);
    assert_eq!(failures(&world), [SnapshotFailure::NotFollowed]);
    request(&mut world);
    assert_eq!(failures(&world).len(), 2);
}

#[test]
fn rotten_page_refuses_the_image_and_slots_go_on() {
    let mut world = following(hourly);
    world.commit(A, &[3]);
    world.run_for(2 * SECOND);
    let before = world.store.restored_at(&world.host(A).config.place, 3);
    world.hosts.get_mut(&A).unwrap().database.rot(7);
    world.forget_requests();
    request(&mut world);
    world.run_for(10 * SECOND);
    let refused = |notice: &Notice| match notice {
        Notice::SnapshotRefused { pages, count } => {
            *count == 1 && pages.iter().map(|pgno| pgno.into_inner()).eq([7])
        }
        _ => false,
    };
    assert!(world.has_notice(A, refused));
    assert_eq!((snapshots(&world), world.host(A).requests.len()), (vec![1], 0), "nothing went up");
    world.commit(A, &[5]);
    world.run_for(HOUR / 2);
    assert_eq!((world.durable(A), snapshots(&world)), (4, vec![1]));
    assert_eq!(world.store.restored_at(&world.host(A).config.place, 3), before);
    assert_eq!(said(&world).len(), 1, "the next attempt comes with the interval");
    world.run_for(HOUR);
    assert_eq!(said(&world).len(), 2);
    // Whoever writes the page mends it.
    world.commit(A, &[7]);
    world.run_for(2 * HOUR);
    assert_eq!(snapshots(&world), [1, 5]);
}

#[test]
fn interval_goes_on_across_a_restart_and_asks_nothing_of_the_store() {
    let mut world = following(hourly);
    world.commit(A, &[3]);
    world.run_for(HOUR * 3 / 4);
    world.forget_requests();
    world.restart(|| true);
    world.run_for(60 * SECOND);
    let reads = |(_, request): &(_, StoreRequest)| matches!(request, StoreRequest::Get { key, .. } if key.contains("/0009/"));
    assert!(!world.host(A).requests.iter().any(reads));
    assert_eq!(snapshots(&world), [1]);
    world.run_for(HOUR / 4);
    assert_eq!(snapshots(&world), [1, 3], "an hour after the first, not after the start");
}

#[test]
fn start_takes_one_where_it_is_to_and_none_where_nothing_has_changed() {
    let always = |config: &mut DatabaseConfig| config.snapshots.on_startup = OnStartup::Always;
    let mut world = following(always);
    world.commit(A, &[3]);
    world.run_for(10 * SECOND);
    assert_eq!(snapshots(&world), [1], "this start had nothing to take");
    world.restart(|| true);
    world.run_for(10 * SECOND);
    assert_eq!(snapshots(&world), [1, 3]);
    world.restart(|| true);
    world.commit(A, &[4]);
    world.run_for(10 * SECOND);
    world.forget_requests();
    world.restart(|| true);
    world.run_for(10 * SECOND);
    assert!(snapshots(&world).len() <= 3);
}

#[test]
fn image_gives_way_to_a_checkpoint_that_keeps_the_writers_out() {
    let mut world = following(|config| config.part_bytes = 1024);
    let hangs = |_: SourceId, request: &StoreRequest| match request {
        StoreRequest::Stage { key, .. } if key.contains("/0009/") => Fate::Hangs(20 * SECOND),
        _ => Fate::Answered,
    };
    world.on_store = Box::new(hangs);
    world.commit(A, &[3]);
    request(&mut world);
    world.run_until(|world| world.host(A).database.is_image_pinned());
    world.hosts.get_mut(&A).unwrap().database.waits = true;
    world.run_for(SECOND / 2);
    assert!(!world.host(A).database.is_image_pinned());
    assert_eq!(failures(&world), [SnapshotFailure::InTheWay]);
    world.run_for(40 * SECOND);
    assert_eq!(snapshots(&world), [1]);
    assert_eq!(world.store.open_uploads(), 0, "and nothing of it is left");
}

#[test]
fn image_gives_way_to_a_store_that_is_away_and_to_a_log_that_becomes_long() {
    let mut world = following(|_| {});
    world.on_store = Box::new(|_, _| Fate::Fails(StoreError::Retryable("away".into())));
    world.commit(A, &[3]);
    request(&mut world);
    world.run_for(60 * SECOND);
    assert_eq!(failures(&world), [SnapshotFailure::StoreAway]);
    assert!(!world.host(A).database.is_image_pinned());
    world.on_store = Box::new(|_, _| Fate::Answered);
    world.run_for(60 * SECOND);
    assert_eq!(world.durable(A), 3);

    let mut world = following(|config| (config.part_bytes, config.max_wal_bytes) = (1024, 50 * 536));
    world.on_store = Box::new(|_, request| match request {
        StoreRequest::Stage { key, .. } if key.contains("/0009/") => Fate::Hangs(60 * SECOND),
        _ => Fate::Answered,
    });
    request(&mut world);
    for page in 0..60 {
        world.commit(A, &[1 + page % 10]);
        world.run_for(SECOND / 4);
    }
    assert_eq!(failures(&world), [SnapshotFailure::LongLog]);
    assert!(!world.host(A).database.is_image_pinned());
}

#[test]
fn stop_does_not_wait_for_an_image() {
    let mut world = following(|config| config.part_bytes = 1024);
    world.on_store = Box::new(|_, request| match request {
        StoreRequest::Stage { key, .. } if key.contains("/0009/") => Fate::Hangs(600 * SECOND),
        _ => Fate::Answered,
    });
    world.commit(A, &[3]);
    request(&mut world);
    world.run_until(|world| world.host(A).database.is_image_pinned());
    world.handle(Event::StopRequested(A));
    world.run_for(10 * SECOND);
    assert_eq!((world.stopped(A), failures(&world)), (Some(true), vec![SnapshotFailure::NotFollowed]));
}

#[test]
fn image_waits_for_the_answers_that_one_given_up_before_still_awaits() {
    let mut world = following(|config| config.part_bytes = 1024);
    world.on_store = Box::new(|_, request| match request {
        StoreRequest::Stage { key, .. } if key.contains("/0009/") => Fate::Hangs(60 * SECOND),
        _ => Fate::Answered,
    });
    world.commit(A, &[3]);
    request(&mut world);
    world.run_until(|world| world.host(A).database.is_image_pinned());
    for _ in 0..5 {
        let mut once = true;
        world.on_source = Box::new(move |_, job| {
            let changed = matches!(job, SourceJob::Look { .. }) && std::mem::take(&mut once);
            changed.then(|| SourceError::Unstable("it changed".into()))
        });
        world.run_for(5 * SECOND);
    }
    assert_eq!(stagings(&world), 1, "each would wait for as long as a request may take");
    assert_eq!((said(&world), world.status(A)), (vec![], Status::Following));
    world.on_store = Box::new(|_, _| Fate::Answered);
    world.run_for(60 * SECOND);
    assert_eq!((snapshots(&world), said(&world), stagings(&world)), (vec![1, 3], vec![3], 2));
    assert_restores(&world, 3);
}

/// How often an image was begun to be sent in parts.
fn stagings(world: &World) -> usize {
    let staged = |request: &StoreRequest| match request {
        StoreRequest::Stage { key, .. } => key.contains("/0009/") && !key.ends_with("-0000000000000001.ltx"),
        _ => false,
    };
    world.host(A).requests.iter().filter(|(_, request)| staged(request)).count()
}

#[test]
fn image_that_is_there_already_is_done_and_another_one_is_not() {
    let mut world = following(|_| {});
    world.commit(A, &[3]);
    world.on_store = Box::new(|_, request| match request {
        StoreRequest::Put { key, .. } if key.contains("/0009/") => {
            Fate::DoneBut(StoreError::Ambiguous("lost".into()))
        }
        _ => Fate::Answered,
    });
    request(&mut world);
    world.run_for(20 * SECOND);
    assert_eq!((snapshots(&world), said(&world)), (vec![1, 3], vec![3]));

    let mut world = following(|_| {});
    let stranger = world.store.bytes("a/0009/0000000000000001-0000000000000001.ltx").unwrap().clone();
    world.store.plant("a/0009/0000000000000001-0000000000000003.ltx", stranger);
    world.commit(A, &[3]);
    request(&mut world);
    world.run_for(20 * SECOND);
    assert!(matches!(failures(&world)[..], [SnapshotFailure::Contradicted { .. }]), "{:?}", failures(&world));
}

#[test]
fn idle_place_is_listed_before_an_image_is_written() {
    // What is known of the place is older than half the retention: a claim of another's could have come and gone.
    let mut world = following(|_| {});
    world.commit(A, &[3]);
    world.run_for(HOUR);
    world.forget_requests();
    request(&mut world);
    world.run_for(10 * SECOND);
    assert_eq!(snapshots(&world), [1, 3]);
    let kinds: Vec<&str> = world.host(A).requests.iter().map(|(_, request)| kind(request)).collect();
    assert_eq!(kinds, ["list", "put"]);
}

fn kind(request: &StoreRequest) -> &'static str {
    match request {
        StoreRequest::List { .. } => "list",
        StoreRequest::Put { .. } => "put",
        _ => "other",
    }
}

/// What becomes of a request for an image of unsent changes while the slot takes its time.
fn requested_beside_a_slow_slot() -> World {
    let mut world = following(|_| {});
    world.on_store = Box::new(|_, request| match request {
        StoreRequest::Put { key, .. } if key.contains("/0000/") => Fate::Hangs(SECOND),
        _ => Fate::Answered,
    });
    world.commit(A, &[3]);
    world.run_for(SECOND / 2);
    request(&mut world);
    // The look that sees it is that of the pin.
    world.commit(A, &[4]);
    world.run_for(SECOND / 5);
    world.on_store = Box::new(|_, _| Fate::Answered);
    world
}

#[test]
fn image_is_nowhere_before_its_slot_is_confirmed() {
    let mut world = requested_beside_a_slow_slot();
    assert_eq!((world.durable(A), snapshots(&world)), (2, vec![1]));
    world.run_for(5 * SECOND);
    assert_eq!((world.durable(A), said(&world)), (3, vec![3]));
    assert_restores(&world, 3);
}

#[cfg(feature = "mutants")]
mod mutants {
    use super::*;
    use engine::mutants::{Mutant, set_mutant};

    fn under(mutant: Mutant) -> World {
        set_mutant(Some(mutant));
        let world = requested_beside_a_slow_slot();
        set_mutant(None);
        world
    }

    #[test]
    fn image_before_its_slot_is_seen() {
        let world = under(Mutant::SnapshotBeforeConfirmed);
        assert_eq!((world.durable(A), snapshots(&world)), (2, vec![1, 3]));
    }

    #[test]
    fn image_behind_its_slot_is_not_what_the_checksums_say() {
        let mut world = under(Mutant::ImagePinnedLate);
        world.run_for(5 * SECOND);
        assert_eq!(said(&world), [0]);
    }
}
