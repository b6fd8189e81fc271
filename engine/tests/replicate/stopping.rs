//! Ends on request: in every phase, and never with a false word about what is in the store.

use super::source::FakeDatabase;
use super::world::{A, B, Fate, SECOND, World};
use engine::replicate::{CheckpointMode, Event, SourceError, SourceJob, Status, StoreRequest};
use engine::store::StoreError;
use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

#[test]
fn stop_is_obeyed_at_every_moment_of_a_life() {
    for us in (0..2_000_000).step_by(7_001) {
        let mut world = World::new();
        world.run_for(Duration::from_micros(us / 2));
        world.commit(A, &[5]);
        world.run_for(Duration::from_micros(us / 2));
        world.handle(Event::StopRequested(A));
        world.run_for(60 * SECOND);
        assert_eq!(world.stopped(A), Some(true), "stopped after {us} us");
        assert_eq!(world.status(A), Status::Stopped);
        world.assert_store_equals_database(A);
    }
}

#[test]
fn commit_during_the_last_hand_over_does_not_hold_up_the_end() {
    let mut world = World::following();
    world.handle(Event::StopRequested(A));
    let last_checkpoint = |world: &World| {
        let jobs = &world.host(A).jobs;
        jobs.iter().any(|(_, job)| matches!(job, SourceJob::Checkpoint(CheckpointMode::Passive)))
    };
    while !last_checkpoint(&world) {
        world.run_for(Duration::from_micros(50));
    }
    let database = &mut world.hosts.get_mut(&A).unwrap().database;
    database.commit(&[3], 10);
    world.run_for(10 * SECOND);
    assert_eq!(world.stopped(A), Some(false), "the last commit is not in the store");
}

#[test]
fn busy_application_does_not_hold_up_the_end() {
    let mut world = World::following();
    world.handle(Event::StopRequested(A));
    for i in 0..3000 {
        world.commit(A, &[i % 10 + 1]);
        world.run_for(Duration::from_millis(1));
    }
    assert!(world.stopped(A).is_some(), "still not stopped after three seconds");
}

#[test]
fn fenced_database_stops_and_is_not_called_complete() {
    let mut world = World::following();
    world.add(B, "a", FakeDatabase::new(2, 10), |_| {});
    world.run_for(5 * SECOND);
    assert_eq!(world.status(B), Status::Fenced);
    world.handle(Event::StopRequested(B));
    assert_eq!(world.stopped(B), Some(false));
}

#[test]
fn missing_database_stops_at_once() {
    let mut world = World::new();
    world.on_source =
        Box::new(|_, job| matches!(job, SourceJob::Open { .. }).then_some(SourceError::Missing));
    world.run_for(5 * SECOND);
    assert_eq!(world.status(A), Status::Missing);
    world.handle(Event::StopRequested(A));
    world.run_for(SECOND / 10);
    assert_eq!(world.stopped(A), Some(false));
}

#[test]
fn no_place_is_claimed_for_a_file_that_is_no_database() {
    let mut world = World::new();
    let sound = Rc::new(Cell::new(false));
    let open = sound.clone();
    world.on_source = Box::new(move |_, job| {
        let opens = matches!(job, SourceJob::Open { .. }) && !open.get();
        opens.then(|| SourceError::NotADatabase("text".into()))
    });
    world.run_for(3600 * SECOND);
    assert_eq!(world.status(A), Status::Failed);
    let manifest = world.host(A).config.place.manifest_key();
    assert_eq!(world.store.bytes(&manifest), None);
    assert_eq!(
        world.host(A).requests.len(),
        2,
        "one look at the place, not one with every look for the file"
    );
    sound.set(true);
    world.run_for(60 * SECOND);
    assert_eq!((world.status(A), world.durable(A)), (Status::Following, 2));
}

#[test]
fn stop_during_an_outage_waits_for_the_store_and_loses_nothing() {
    let mut world = World::following();
    world.commit(A, &[8]);
    world.on_store = Box::new(|_, request| match request {
        StoreRequest::Put { .. } => Fate::Fails(StoreError::Retryable("down".into())),
        _ => Fate::Answered,
    });
    world.run_for(2 * SECOND);
    world.handle(Event::StopRequested(A));
    world.run_for(60 * SECOND);
    assert_eq!(world.stopped(A), None);
    world.on_store = Box::new(|_, _| Fate::Answered);
    world.run_for(60 * SECOND);
    assert_eq!(world.stopped(A), Some(true));
    world.assert_store_equals_database(A);
}

#[test]
fn busy_checkpoints_do_not_hold_up_the_end() {
    let mut world = World::following();
    world.commit(A, &[8]);
    world.on_source = Box::new(|_, job| {
        matches!(job, SourceJob::Checkpoint(_) | SourceJob::Close).then_some(SourceError::Busy)
    });
    world.handle(Event::StopRequested(A));
    world.run_for(60 * SECOND);
    assert_eq!(world.stopped(A), Some(true));
}
