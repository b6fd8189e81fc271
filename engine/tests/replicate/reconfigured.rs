//! New values for a database that is followed: they count from now on, and nothing is let go for them.

use super::source::FakeDatabase;
use super::world::{A, Fate, SECOND, World};
use engine::key::Place;
use engine::replicate::{Event, Notice, SourceError, SourceJob, Status, StoreRequest, TakeOver};
use engine::types::NodeId;
use std::time::Duration;

/// A database that was followed, and whose source was not opened again since.
fn assert_kept_open(world: &World) {
    let opened = |(_, job): &&(_, SourceJob)| matches!(job, SourceJob::Open { .. } | SourceJob::Close);
    assert_eq!(world.host(A).jobs.iter().filter(opened).count(), 0, "the pin was let go");
    assert_eq!(world.status(A), Status::Following);
}

#[test]
fn intervals_count_at_once_for_what_is_pending_and_the_pin_stays() {
    let mut world = World::following();
    world.reconfigure(A, |config| config.max_interval = Duration::from_secs(3600));
    world.forget_requests();
    world.commit(A, &[3]);
    world.run_for(60 * SECOND);
    assert_eq!(world.durable(A), 2, "an upload is due in an hour");
    world.reconfigure(A, |config| config.max_interval = SECOND);
    world.run_for(SECOND);
    assert_eq!(world.durable(A), 3);
    assert_kept_open(&world);
    world.assert_store_equals_database(A);
}

#[test]
fn a_guard_on_request_cost_counts_at_once() {
    let mut world = World::following();
    world.reconfigure(A, |config| {
        (config.min_interval, config.max_interval) = (Duration::from_secs(60), Duration::from_secs(60));
    });
    world.commit(A, &[3]);
    world.run_for(61 * SECOND);
    assert_eq!(world.durable(A), 3);
    world.commit(A, &[4]);
    world.run_for(30 * SECOND);
    assert_eq!(world.durable(A), 3);
    world.reconfigure(A, |config| (config.min_interval, config.max_interval) = (Duration::ZERO, SECOND));
    world.run_for(2 * SECOND);
    assert_eq!(world.durable(A), 4);
}

#[test]
fn number_of_frames_counts_at_once() {
    let mut world = World::following();
    world.reconfigure(A, |config| config.max_interval = Duration::from_secs(3600));
    world.commit(A, &[3, 4, 5]);
    world.run_for(10 * SECOND);
    assert_eq!(world.durable(A), 2);
    world.reconfigure(A, |config| config.max_changes = 2);
    world.run_for(SECOND);
    assert_eq!(world.durable(A), 3);
}

#[test]
fn less_memory_leaves_changes_in_the_log_and_loses_none() {
    let mut world = World::following();
    world.on_store = Box::new(|_, request| match request {
        StoreRequest::Put { .. } => Fate::Hangs(60 * SECOND),
        _ => Fate::Answered,
    });
    world.commit(A, &[3, 4, 5]);
    world.run_for(10 * SECOND);
    world.reconfigure(A, |config| config.memory_bytes_max = 512);
    world.commit(A, &[6, 7, 8]);
    world.run_for(10 * SECOND);
    assert!(world.has_notice(A, |notice| *notice == Notice::BudgetSpent { bytes_max: 512 }));
    world.on_store = Box::new(|_, _| Fate::Answered);
    world.run_for(120 * SECOND);
    world.assert_store_equals_database(A);
}

#[test]
fn a_log_that_is_too_long_by_the_new_bound_is_let_go() {
    let mut world = World::following();
    world.on_store = Box::new(|_, _| Fate::Fails(engine::store::StoreError::Retryable("down".into())));
    for _ in 0..10 {
        world.commit(A, &[3, 4, 5]);
        world.run_for(2 * SECOND);
    }
    let let_go = |notice: &Notice| matches!(notice, Notice::LogLetGo { .. });
    assert!(!world.has_notice(A, let_go));
    world.reconfigure(A, |config| config.max_wal_bytes = 4096);
    world.run_for(5 * SECOND);
    assert!(world.has_notice(A, let_go));
    world.on_store = Box::new(|_, _| Fate::Answered);
    world.run_for(600 * SECOND);
    world.assert_store_equals_database(A);
}

#[test]
fn what_a_history_is_known_by_stays_whatever_is_said() {
    let mut world = World::following();
    let before = world.host(A).config.clone();
    world.forget_requests();
    world.reconfigure(A, |config| {
        config.place = Place::new("elsewhere").unwrap();
        config.node = NodeId::new(4711).unwrap();
        config.part_bytes = 1;
        config.conditional_writes = false;
    });
    world.hosts.get_mut(&A).unwrap().config = before;
    world.commit(A, &[3]);
    world.run_for(3 * SECOND);
    assert_eq!(world.durable(A), 3);
    assert_kept_open(&world);
    world.assert_store_equals_database(A);
}

#[test]
fn a_longer_l0_makes_no_confirmation_younger_before_the_next_start() {
    let mut world = World::empty();
    world.add(A, "a", FakeDatabase::new(1, 10), |config| config.l0_retention = 20 * SECOND);
    world.run_for(SECOND);
    world.reconfigure(A, |config| config.l0_retention = 3600 * SECOND);
    world.run_for(60 * SECOND);
    world.forget_requests();
    world.commit(A, &[3]);
    world.run_for(3 * SECOND);
    let listed = |(_, request): &&(_, StoreRequest)| matches!(request, StoreRequest::List { .. });
    assert_eq!(world.host(A).requests.iter().filter(listed).count(), 1, "the head is looked at first");
    assert_eq!(world.durable(A), 3);
}

#[test]
fn a_shorter_l0_counts_at_once() {
    let mut world = World::following();
    world.run_for(60 * SECOND);
    world.reconfigure(A, |config| config.l0_retention = 20 * SECOND);
    world.forget_requests();
    world.commit(A, &[3]);
    world.run_for(3 * SECOND);
    let listed = |(_, request): &&(_, StoreRequest)| matches!(request, StoreRequest::List { .. });
    assert_eq!(world.host(A).requests.iter().filter(listed).count(), 1);
}

#[test]
fn a_database_that_may_now_enter_wal_mode_is_opened_at_once() {
    let mut world = World::empty();
    world.on_source = Box::new(|_, job| {
        let refused = matches!(job, SourceJob::Open { enter_wal_mode: false });
        refused.then(|| SourceError::NotWal("the journal mode is delete".into()))
    });
    world.add(A, "a", FakeDatabase::new(1, 10), |config| config.enter_wal_mode = false);
    world.run_for(20 * SECOND);
    assert_eq!(world.status(A), Status::Failed);
    world.reconfigure(A, |config| config.enter_wal_mode = true);
    world.run_for(SECOND);
    assert_eq!(world.status(A), Status::Following);
}

#[test]
fn an_end_state_and_a_database_that_is_gone_take_new_values_in_silence() {
    let mut world = World::following();
    world.handle(Event::StopRequested(A));
    world.reconfigure(A, |config| config.take_over = TakeOver::Always);
    world.run_for(10 * SECOND);
    assert_eq!(world.stopped(A), Some(true));
    world.reconfigure(A, |config| config.max_changes = 7);
    world.run_for(SECOND);
}
