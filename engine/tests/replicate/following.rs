//! The quiet days: first start, commits, idleness, several databases.

use super::source::FakeDatabase;
use super::world::{A, B, Fate, SECOND, World};
use engine::replicate::{
    CheckpointMode, Event, HandOver, Hint, Notice, SourceError, SourceJob, Status, StoreRequest,
};
use engine::store::StoreError;
use engine::types::Instant;
use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

#[test]
fn first_start_announces_the_claim_slot_and_nothing_before() {
    let world = World::following();
    assert_eq!(world.durable(A), 2);
    let place = &world.host(A).config.place;
    assert!(world.store.slot(place, 2).unwrap().chain().unwrap().claim);
    assert!(world.store.bytes("a/0009/0000000000000001-0000000000000001.ltx").is_some());
    assert!(world.store.bytes("a/manifest.json").is_some());
    world.assert_store_equals_database(A);
}

#[test]
fn every_slot_says_where_the_log_was_read_to() {
    // Litestream continues there, and cannot where a header says 0.
    let mut world = World::following();
    world.commit(A, &[3]);
    world.run_for(30 * SECOND);
    let place = &world.host(A).config.place;
    let [claim, commit] = [2, 3].map(|txid| world.store.slot(place, txid).unwrap().wal().unwrap());
    assert_eq!((claim.offset(), claim.size()), (32, 0), "it does not hold the newest frames");
    assert_eq!((commit.offset(), commit.size()), (32, 24 + 512), "one frame");
}

#[test]
fn commits_during_an_upload_go_into_one_next_slot() {
    let mut world = World::following();
    world.on_store = Box::new(slow_puts());
    for page in 1..=10 {
        world.commit(A, &[page]);
        world.run_for(SECOND / 10);
    }
    world.on_store = Box::new(|_, _| Fate::Answered);
    world.run_for(10 * SECOND);
    assert!(world.durable(A) <= 2 + 3, "{} slots for a second of commits", world.durable(A) - 2);
    world.assert_store_equals_database(A);
}

#[test]
fn idle_database_asks_nothing_of_the_store_for_an_hour() {
    let mut world = World::following();
    world.commit(A, &[3]);
    world.run_for(30 * SECOND);
    assert_eq!(world.durable(A), 3);
    world.forget_requests();
    world.run_for(Duration::from_secs(3600));
    assert_eq!(world.host(A).requests, []);
    assert!(world.host(A).jobs.len() <= 3700, "{} looks in an idle hour", world.host(A).jobs.len());
}

#[test]
fn idle_log_is_emptied_without_waiting_for_the_store() {
    let mut world = World::following();
    world.commit(A, &[3]);
    world.run_for(20 * SECOND);
    let truncated = |(_, job): &(_, SourceJob)| {
        matches!(job, SourceJob::Checkpoint(engine::replicate::CheckpointMode::Truncate))
    };
    assert!(world.host(A).jobs.iter().any(truncated));
    world.assert_store_equals_database(A);
}

/// Beside a writer that commits every two milliseconds and never checkpoints, with a log that is long from the start.
fn beside_a_writer_without_rest(has_reader: bool) -> (usize, usize) {
    let mut world = World::empty();
    world.add(A, "a", FakeDatabase::new(1, 10), |config| config.checkpoint_pages = 1);
    world.run_for(SECOND);
    world.hosts.get_mut(&A).unwrap().database.has_reader = has_reader;
    world.forget_requests();
    for _ in 0..5_000 {
        world.commit(A, &[3]);
        world.run_for(Duration::from_millis(2));
    }
    let restart = |job: &SourceJob| matches!(job, SourceJob::Look { hand_over: HandOver::Restart, .. });
    let (host, copies) = (world.host(A), |job: &SourceJob| matches!(job, SourceJob::Checkpoint(_)));
    let count = |is: &dyn Fn(&SourceJob) -> bool| host.jobs.iter().filter(|(_, job)| is(job)).count();
    let counts = (count(&restart), count(&copies));
    world.run_for(10 * SECOND);
    world.assert_store_equals_database(A);
    counts
}

#[test]
fn log_beside_a_writer_that_never_rests_begins_anew_four_times_a_second() {
    let (restarts, copies) = beside_a_writer_without_rest(false);
    assert!((25..=40).contains(&restarts), "{restarts} in ten seconds");
    assert!(copies <= 2 * restarts + 8, "{copies} checkpoints for {restarts}");
}

#[test]
fn writers_are_not_kept_out_where_a_reader_is_in_the_way() {
    let (restarts, copies) = beside_a_writer_without_rest(true);
    assert!(restarts == 0 && copies <= 12, "{restarts} attempts, {copies} checkpoints");
}

#[test]
fn storm_of_hints_is_no_storm_of_looks() {
    let mut world = World::following();
    world.forget_requests();
    for _ in 0..10_000 {
        world.handle(Event::Poked(A, Hint::Log));
        world.run_for(Duration::from_micros(100));
    }
    let looks = world.host(A).jobs.len();
    assert!((40..=55).contains(&looks), "{looks} looks in a second of hints");
}

#[test]
fn storm_of_checkpoints_is_no_storm_of_looks() {
    let mut world = World::following();
    world.forget_requests();
    for _ in 0..10_000 {
        world.handle(Event::Poked(A, Hint::Database));
        world.run_for(Duration::from_micros(100));
    }
    let looks = world.host(A).jobs.len();
    assert!((40..=60).contains(&looks), "{looks} looks in a second of hints");
}

/// When the next look begins after a hint, in tenths of milliseconds.
fn look_after(world: &mut World, hint: Hint) -> u32 {
    world.forget_requests();
    world.handle(Event::Poked(A, hint));
    (0..1000)
        .find(|_| {
            world.run_for(Duration::from_micros(100));
            !world.host(A).jobs.is_empty()
        })
        .expect("a hint leads to a look")
}

#[test]
fn log_that_is_copied_is_looked_at_sooner_than_one_that_grows() {
    let mut world = World::following();
    // Frames that are not copied, and a look just now.
    world.commit(A, &[3]);
    world.run_for(Duration::from_millis(45));
    world.commit(A, &[4]);
    look_after(&mut world, Hint::Log);
    world.run_for(Duration::from_millis(2));
    let growing = look_after(&mut world, Hint::Log);
    world.run_for(Duration::from_millis(2));
    let copied = look_after(&mut world, Hint::Database);
    assert!(copied < 10 && (100..200).contains(&growing), "{copied} {growing}");
}

#[test]
fn end_of_a_checkpoint_is_looked_for_at_once_and_does_not_hold_up_our_own_end() {
    let mut world = World::following();
    world.hosts.get_mut(&A).unwrap().database.copying = true;
    look_after(&mut world, Hint::Database);
    world.run_for(Duration::from_millis(10));
    let looks = world.host(A).jobs.len();
    // Each takes a while, too.
    assert!((10..=60).contains(&looks), "{looks} looks in ten milliseconds");
    world.handle(Event::StopRequested(A));
    world.run_for(SECOND / 10);
    assert_eq!(world.status(A), Status::Stopped);
}

#[test]
fn commit_after_the_log_began_anew_is_looked_at_soon() {
    let mut world = World::following();
    world.commit(A, &[3]);
    world.run_for(Duration::from_millis(45));
    world.hosts.get_mut(&A).unwrap().database.copy_log();
    look_after(&mut world, Hint::Database);
    world.run_for(Duration::from_millis(2));
    let at_mark_0 = look_after(&mut world, Hint::Log);
    assert!(at_mark_0 < 15, "{at_mark_0}");
}

#[test]
fn storm_of_hints_at_a_file_that_cannot_be_opened_is_no_storm_of_attempts() {
    let mut world = World::new();
    let held = engine::replicate::SourceError::Held("pid 1".into());
    world.on_source = Box::new(move |_, job| matches!(job, SourceJob::Open { .. }).then(|| held.clone()));
    world.run_for(SECOND);
    world.forget_requests();
    for _ in 0..10_000 {
        world.handle(Event::Poked(A, Hint::Log));
        world.run_for(Duration::from_micros(100));
    }
    let opens = world.host(A).jobs.len();
    assert!((1..=11).contains(&opens), "{opens} attempts in a second of hints");
}

#[test]
fn file_that_cannot_be_opened_is_told_once_and_tried_less_and_less() {
    let mut world = World::new();
    let error = Rc::new(RefCell::new(SourceError::Held("pid 1".into())));
    let current = error.clone();
    world.on_source =
        Box::new(move |_, job| matches!(job, SourceJob::Open { .. }).then(|| current.borrow().clone()));
    hints(&mut world, 60);
    let told = |world: &World| {
        let is = |(_, n): &&(_, Notice)| matches!(n, Notice::Source { fatal: true, .. });
        world.host(A).notices.iter().filter(is).count()
    };
    let opens = world.host(A).jobs.len();
    assert_eq!((told(&world), world.status(A)), (1, Status::Failed));
    assert!((5..=20).contains(&opens), "{opens} attempts in a minute of hints");
    *error.borrow_mut() = SourceError::Denied("mode 000".into());
    hints(&mut world, 60);
    assert_eq!(told(&world), 2, "a change is told");
    world.on_source = Box::new(|_, _| None);
    hints(&mut world, 12);
    assert_eq!(world.status(A), Status::Following);
}

#[test]
fn database_without_pages_is_waited_for() {
    let mut world = World::empty();
    world.add(A, "a", FakeDatabase::new(1, 0), |_| {});
    world.run_for(5 * SECOND);
    assert_eq!(world.status(A), Status::Missing);
    world.hosts.get_mut(&A).unwrap().database.commit(&[1], 3);
    world.handle(Event::Poked(A, Hint::Log));
    world.run_for(5 * SECOND);
    assert_eq!(world.status(A), Status::Following);
    world.assert_store_equals_database(A);
}

/// The files change ten times a second.
fn hints(world: &mut World, seconds: u32) {
    for _ in 0..seconds * 10 {
        world.handle(Event::Poked(A, Hint::Log));
        world.run_for(SECOND / 10);
    }
}

#[test]
fn hint_during_a_look_leads_to_another_look() {
    let mut world = World::following();
    world.run_for(60 * SECOND);
    world.forget_requests();
    world.handle(Event::Poked(A, Hint::Log));
    while world.host(A).jobs.is_empty() {
        world.run_for(Duration::from_micros(100));
    }
    // The look is under way and may have read its bound already.
    world.handle(Event::Poked(A, Hint::Log));
    world.run_for(Duration::from_millis(45));
    assert_eq!(world.host(A).jobs.len(), 2);
}

#[test]
fn transaction_beyond_the_memory_budget_is_read_under_the_anchor() {
    let mut world = World::empty();
    world.add(A, "a", FakeDatabase::new(1, 100), |config| {
        config.memory_bytes_max = 4 * 512;
        config.part_bytes = 16 * 512;
    });
    world.run_for(SECOND);
    world.commit(A, &[1, 2]);
    world.commit(A, &(1..=50).collect::<Vec<_>>());
    world.commit(A, &[7]);
    world.run_for(10 * SECOND);
    assert!(world.host(A).requests.iter().any(|(_, r)| matches!(r, StoreRequest::Stage { .. })));
    world.assert_store_equals_database(A);
}

#[test]
fn spent_memory_budget_is_sent_at_once_and_not_after_the_interval() {
    let mut world = World::empty();
    world.add(A, "a", FakeDatabase::new(1, 400), |config| {
        config.memory_bytes_max = 8 * 512;
        config.max_interval = 10 * SECOND;
    });
    world.run_for(5 * SECOND);
    for n in 0..600 {
        world.commit(A, &[1 + n % 399, 2 + (n * 7) % 390]);
        world.run_for(SECOND / 10);
    }
    // The rest waits for its interval; what did not fit must not have waited for many.
    world.run_for(11 * SECOND);
    world.assert_store_equals_database(A);
}

/// One database, followed each minute, for whose changed pages there is so much memory.
fn following_with_memory(pages: u64, memory_pages: u64) -> World {
    let mut world = World::empty();
    world.add(A, "a", FakeDatabase::new(1, pages), |config| {
        config.memory_bytes_max = memory_pages * 512;
        config.max_interval = 60 * SECOND;
    });
    world.run_for(5 * SECOND);
    world
}

#[test]
fn page_that_is_written_over_and_over_takes_memory_once() {
    let mut world = following_with_memory(10, 4);
    world.forget_requests();
    for _ in 0..20 {
        world.commit(A, &[3]);
        world.run_for(SECOND);
    }
    assert!(world.host(A).requests.is_empty(), "no budget is spent that would send it before the interval");
    world.run_for(60 * SECOND);
    world.assert_store_equals_database(A);
}

#[test]
fn what_is_held_under_the_anchor_does_not_wait_for_an_interval() {
    let mut world = following_with_memory(100, 8);
    world.commit(A, &[1, 2]);
    world.run_for(SECOND);
    world.commit(A, &(1..=50).collect::<Vec<_>>());
    world.run_for(5 * SECOND);
    world.assert_store_equals_database(A);
}

#[test]
fn what_waits_in_memory_is_taken_off_the_budget() {
    let mut world = following_with_memory(10, 8);
    world.commit(A, &[1, 2, 3]);
    world.run_for(SECOND);
    world.forget_requests();
    world.commit(A, &[4]);
    world.run_for(SECOND / 4);
    let bytes_max = |(_, job): &(_, SourceJob)| match job {
        SourceJob::Look { bytes_max, .. } => Some(*bytes_max),
        _ => None,
    };
    assert_eq!(world.host(A).jobs.iter().find_map(bytes_max), Some(5 * 512));
    // What is cut off waits no more.
    world.hosts.get_mut(&A).unwrap().database.commit(&[1], 2);
    world.handle(Event::Poked(A, Hint::Log));
    world.run_for(SECOND);
    world.forget_requests();
    world.commit(A, &[2]);
    world.run_for(SECOND / 4);
    assert_eq!(world.host(A).jobs.iter().find_map(bytes_max), Some(6 * 512));
}

#[test]
fn spent_memory_budget_that_holds_the_pin_is_told_and_so_is_its_end() {
    let mut world = World::empty();
    world.add(A, "a", FakeDatabase::new(1, 400), |config| config.memory_bytes_max = 2 * 512);
    world.run_for(5 * SECOND);
    world.on_store = Box::new(|_, request| match request {
        // Answered in a minute.
        StoreRequest::Put { .. } => Fate::Fails(StoreError::Throttled { retry_after: Some(20 * SECOND) }),
        _ => Fate::Answered,
    });
    for n in 1..50 {
        world.commit(A, &[n, n + 1]);
        world.run_for(SECOND / 2);
    }
    let told = |world: &World| {
        let spent = |(_, n): &&(_, Notice)| matches!(n, Notice::BudgetSpent { bytes_max: 1024 });
        world.host(A).notices.iter().filter(spent).count()
    };
    assert_eq!(told(&world), 1, "once, not with every look");
    assert_eq!(world.status(A), Status::Degraded);
    world.on_store = Box::new(|_, _| Fate::Answered);
    world.run_for(60 * SECOND);
    assert_eq!((told(&world), world.status(A)), (1, Status::Following));
    world.assert_store_equals_database(A);
}

#[test]
fn all_of_the_budget_is_for_a_store_that_is_slow() {
    let mut world = World::empty();
    world.add(A, "a", FakeDatabase::new(1, 400), |config| config.memory_bytes_max = 64 << 20);
    world.run_for(5 * SECOND);
    world.on_store = Box::new(|_, request| match request {
        StoreRequest::Put { .. } => Fate::Fails(StoreError::Throttled { retry_after: Some(20 * SECOND) }),
        _ => Fate::Answered,
    });
    let most = |world: &mut World, page| {
        world.forget_requests();
        world.commit(A, &[page]);
        world.run_for(SECOND / 2);
        let bytes = |(_, job): &(_, SourceJob)| match job {
            SourceJob::Look { bytes_max, .. } => Some(*bytes_max),
            _ => None,
        };
        world.host(A).jobs.iter().filter_map(bytes).max().expect("a look")
    };
    let at_first = most(&mut world, 3);
    world.run_for(SECOND);
    most(&mut world, 4);
    world.run_for(2 * SECOND);
    let beside_a_slow_store = most(&mut world, 5);
    assert!(at_first <= 8 << 20 && beside_a_slow_store > 60 << 20, "{at_first} {beside_a_slow_store}");
}

#[test]
fn log_that_becomes_too_long_while_a_heal_cannot_go_up_is_let_go() {
    let mut world = World::empty();
    world.add(A, "a", FakeDatabase::new(1, 400), |config| config.max_wal_bytes = 40_000);
    world.run_for(5 * SECOND);
    world.on_store = Box::new(|_, request| match request {
        StoreRequest::Put { .. } => Fate::Fails(StoreError::Retryable("away".into())),
        _ => Fate::Answered,
    });
    // Restarted, with something to heal.
    world.hosts.get_mut(&A).unwrap().database.commit(&[7], 400);
    world.hosts.get_mut(&A).unwrap().database.restart_log();
    world.restart(|| false);
    for n in 1..100 {
        world.commit(A, &[n, n + 1]);
        world.run_for(SECOND);
    }
    assert!(world.has_notice(A, |n| matches!(n, Notice::LogLetGo { .. })));
    world.on_store = Box::new(|_, _| Fate::Answered);
    world.run_for(60 * SECOND);
    assert_eq!(world.status(A), Status::Following);
    world.assert_store_equals_database(A);
}

#[test]
fn log_that_becomes_too_long_inside_a_file_that_was_longer_is_let_go() {
    let mut world = World::empty();
    world.add(A, "a", FakeDatabase::new(1, 400), |config| {
        // Nothing more is read while what was read waits, so the log is only measured.
        config.memory_bytes_max = 2 * 512;
        config.max_wal_bytes = 40_000;
    });
    world.run_for(5 * SECOND);
    // Nobody cuts the file.
    world.on_source = Box::new(|_, job| match job {
        SourceJob::Checkpoint(CheckpointMode::Truncate) => Some(SourceError::Busy),
        _ => None,
    });
    world.commit(A, &(1..=200).collect::<Vec<_>>());
    world.run_for(5 * SECOND);
    let database = &mut world.hosts.get_mut(&A).unwrap().database;
    database.copy_log();
    database.restart_log();
    world.restart(|| false);
    world.run_for(5 * SECOND);
    world.on_store = Box::new(|_, _| Fate::Fails(StoreError::Retryable("away".into())));
    for n in 1..=100 {
        world.commit(A, &[n]);
        world.run_for(SECOND);
    }
    assert!(world.has_notice(A, |n| matches!(n, Notice::LogLetGo { .. })));
    world.on_store = Box::new(|_, _| Fate::Answered);
    world.run_for(60 * SECOND);
    world.assert_store_equals_database(A);
}

#[test]
fn log_is_not_let_go_while_a_stop_waits_for_the_store() {
    let mut world = World::empty();
    world.add(A, "a", FakeDatabase::new(1, 400), |config| config.max_wal_bytes = 40_000);
    world.run_for(5 * SECOND);
    world.on_store = Box::new(|_, _| Fate::Fails(StoreError::Retryable("away".into())));
    world.commit(A, &[1]);
    world.run_for(100 * SECOND);
    world.commit(A, &(1..=100).collect::<Vec<_>>());
    world.handle(Event::StopRequested(A));
    world.run_for(100 * SECOND);
    assert!(!world.has_notice(A, |n| matches!(n, Notice::LogLetGo { .. })));
    world.on_store = Box::new(|_, _| Fate::Answered);
    world.run_for(60 * SECOND);
    assert_eq!(world.status(A), Status::Stopped);
    world.assert_store_equals_database(A);
}

#[test]
fn short_log_is_kept_however_long_a_heal_cannot_go_up() {
    let mut world = World::following();
    world.on_store = Box::new(|_, request| match request {
        StoreRequest::Put { .. } => Fate::Fails(StoreError::Retryable("away".into())),
        _ => Fate::Answered,
    });
    let database = &mut world.hosts.get_mut(&A).unwrap().database;
    database.commit(&[7], 10);
    database.copy_log();
    database.restart_log();
    world.restart(|| false);
    world.run_for(100 * SECOND);
    assert!(!world.has_notice(A, |n| matches!(n, Notice::LogLetGo { .. })));
    world.on_store = Box::new(|_, _| Fate::Answered);
    world.run_for(60 * SECOND);
    world.assert_store_equals_database(A);
}

#[test]
fn long_file_of_a_log_that_began_anew_is_no_long_log() {
    let mut world = World::empty();
    world.add(A, "a", FakeDatabase::new(1, 400), |config| {
        // Of pages that need a pin while they go up, only the length of the file is measured.
        config.memory_bytes_max = 2 * 512;
        config.max_wal_bytes = 40_000;
    });
    world.run_for(5 * SECOND);
    // Nobody cuts the file.
    world.on_source = Box::new(|_, job| match job {
        SourceJob::Checkpoint(CheckpointMode::Truncate) => Some(SourceError::Busy),
        _ => None,
    });
    world.commit(A, &(1..=100).collect::<Vec<_>>());
    world.run_for(5 * SECOND);
    let database = &mut world.hosts.get_mut(&A).unwrap().database;
    database.copy_log();
    database.restart_log();
    world.restart(|| false);
    world.run_for(5 * SECOND);
    world.on_store = Box::new(|_, _| Fate::Fails(StoreError::Retryable("away".into())));
    for n in 1..=10 {
        world.commit(A, &[n, n + 1, n + 2, n + 3]);
        world.run_for(10 * SECOND);
    }
    let is_measured = |(_, job): &(_, SourceJob)| matches!(job, SourceJob::Measure);
    assert!(world.host(A).jobs.iter().any(is_measured));
    assert!(!world.has_notice(A, |n| matches!(n, Notice::LogLetGo { .. })));
    world.on_store = Box::new(|_, _| Fate::Answered);
    world.run_for(60 * SECOND);
    world.assert_store_equals_database(A);
}

#[test]
fn replaced_file_is_let_go_at_once_however_long_the_store_is_away() {
    let mut world = World::following();
    world.on_store = Box::new(|_, _| Fate::Fails(StoreError::Retryable("away".into())));
    world.commit(A, &[4]);
    world.run_for(5 * SECOND);
    world.on_source = Box::new(|_, job| match job {
        SourceJob::Look { .. } => Some(SourceError::Replaced("another file has the database's path".into())),
        _ => None,
    });
    world.commit(A, &[5]);
    world.run_for(SECOND);
    assert!(!world.host(A).database.is_pinned());
    world.on_source = Box::new(|_, _| None);
    world.on_store = Box::new(|_, _| Fate::Answered);
    world.run_for(60 * SECOND);
    assert_eq!(world.status(A), Status::Following);
    world.assert_store_equals_database(A);
}

#[test]
fn log_that_becomes_too_long_while_a_place_cannot_be_listed_is_let_go() {
    let mut world = World::empty();
    world.add(A, "a", FakeDatabase::new(1, 400), |config| config.max_wal_bytes = 40_000);
    // So long that the place is listed before the next slot.
    world.run_for(1000 * SECOND);
    world.on_store = Box::new(|_, request| match request {
        StoreRequest::List { .. } => Fate::Fails(StoreError::Retryable("away".into())),
        _ => Fate::Answered,
    });
    for n in 1..100 {
        world.commit(A, &[n, n + 1]);
        world.run_for(SECOND);
    }
    assert!(world.has_notice(A, |n| matches!(n, Notice::LogLetGo { .. })));
    world.on_store = Box::new(|_, _| Fate::Answered);
    world.run_for(60 * SECOND);
    assert_eq!(world.status(A), Status::Following);
    world.assert_store_equals_database(A);
}

#[test]
fn log_that_becomes_too_long_while_the_parts_of_an_object_fail_is_let_go_and_not_while_they_get_through() {
    let away = || StoreError::Retryable("away".into());
    // What becomes of the parts of an object that is not answered for.
    let parts = [vec![Err(away())], vec![Err(away()), Ok(())], vec![]];
    for (parts, lets_go) in parts.into_iter().zip([true, false, false]) {
        let mut world = World::empty();
        world.add(A, "a", FakeDatabase::new(1, 400), |config| {
            config.part_bytes = 4 * 512;
            config.max_wal_bytes = 40_000;
        });
        world.run_for(5 * SECOND);
        world.on_store = Box::new(|_, request| match request {
            StoreRequest::Stage { .. } => Fate::Hangs(300 * SECOND),
            _ => Fate::Answered,
        });
        for n in 1..100 {
            world.commit(A, &(n..n + 10).collect::<Vec<_>>());
            world.run_for(2 * SECOND);
            let told = world.staging().into_iter().flat_map(|id| parts.iter().map(move |part| (id, part)));
            for (id, part) in told.collect::<Vec<_>>() {
                world.handle(Event::Part(id, part.clone()));
            }
        }
        assert!(world.staging().is_some() || lets_go, "it still goes up");
        assert_eq!(world.has_notice(A, |n| matches!(n, Notice::LogLetGo { .. })), lets_go, "{parts:?}");
        world.on_store = Box::new(|_, _| Fate::Answered);
        world.run_for(600 * SECOND);
        world.assert_store_equals_database(A);
    }
}

#[test]
fn heal_that_lets_the_log_go_while_its_parts_fail_begins_no_other_object_before_that_one_is_answered() {
    let mut world = World::empty();
    world.add(A, "a", FakeDatabase::new(1, 400), |config| {
        config.part_bytes = 4 * 512;
        config.max_wal_bytes = 40_000;
    });
    world.on_store = Box::new(|_, request| match request {
        StoreRequest::Stage { .. } => Fate::Hangs(150 * SECOND),
        _ => Fate::Answered,
    });
    world.run_for(2 * SECOND);
    let staged = world.staging().expect("the first image goes up in parts");
    while !world.has_notice(A, |n| matches!(n, Notice::LogLetGo { .. })) {
        world.commit(A, &(1..=10).collect::<Vec<_>>());
        world.handle(Event::Part(staged, Err(StoreError::Retryable("away".into()))));
        world.run_for(2 * SECOND);
        assert!(world.now.mono < Instant::from_micros(100_000_000), "it is let go");
    }
    world.run_for(SECOND);
    assert!(!world.host(A).database.is_pinned(), "the application may begin its log anew");
    // The world sees that no other one begins.
    world.run_for(20 * SECOND);
    assert_eq!(world.staging(), Some(staged));
    world.on_store = Box::new(|_, _| Fate::Answered);
    world.run_for(300 * SECOND);
    assert_eq!(world.status(A), Status::Following);
    world.assert_store_equals_database(A);
    assert_eq!(world.store.open_uploads(), 0, "what was staged in vain is discarded");
}

#[test]
fn log_that_becomes_too_long_while_the_store_is_away_is_let_go_and_compared_later() {
    for memory_bytes_max in [2 * 512, 1 << 20] {
        let mut world = World::empty();
        world.add(A, "a", FakeDatabase::new(1, 400), |config| {
            config.memory_bytes_max = memory_bytes_max;
            config.max_wal_bytes = 40_000;
        });
        world.run_for(5 * SECOND);
        world.on_store = Box::new(|_, _| Fate::Fails(StoreError::Retryable("away".into())));
        let let_go = |n: &Notice| matches!(n, Notice::LogLetGo { wal_bytes, wal_bytes_max: 40_000 } if *wal_bytes > 40_000);
        for n in 1..100 {
            assert!(!world.has_notice(A, let_go) || n > 30, "not before it is too long");
            world.commit(A, &[n, n + 1]);
            world.run_for(2 * SECOND);
        }
        assert!(world.has_notice(A, let_go));
        assert!(!world.host(A).database.is_pinned(), "the application may begin its log anew");
        world.on_store = Box::new(|_, _| Fate::Answered);
        world.run_for(60 * SECOND);
        assert_eq!(world.status(A), Status::Following);
        let place = &world.host(A).config.place;
        let images = (3..=world.durable(A)).filter_map(|n| world.store.slot(place, n));
        assert!(
            images.into_iter().all(|slot| slot.chain().unwrap().before.is_some()),
            "a page diff, no image"
        );
        world.assert_store_equals_database(A);
    }
}

#[test]
fn database_is_followed_without_any_memory_budget() {
    let mut world = World::empty();
    world.add(A, "a", FakeDatabase::new(1, 10), |config| config.memory_bytes_max = 0);
    world.run_for(SECOND);
    world.commit(A, &[4]);
    world.run_for(5 * SECOND);
    assert_eq!(world.durable(A), 3);
    world.assert_store_equals_database(A);
}

#[test]
fn database_that_shrinks_and_grows_again_is_followed() {
    let mut world = World::following();
    for size in [4, 20, 3, 3, 12] {
        world.hosts.get_mut(&A).unwrap().database.commit(&[1], size);
        world.handle(Event::Poked(A, Hint::Log));
        world.run_for(SECOND / 3);
    }
    world.run_for(5 * SECOND);
    world.assert_store_equals_database(A);
}

#[test]
fn restart_continues_without_an_upload() {
    let mut world = World::following();
    world.commit(A, &[3]);
    world.run_for(30 * SECOND);
    let slot = world.durable(A);
    world.forget_requests();
    world.restart(|| true);
    world.run_for(10 * SECOND);
    assert_eq!(world.status(A), Status::Following);
    assert_eq!(world.store.newest_slot(&world.host(A).config.place), slot);
    let writes =
        |(_, r): &(_, StoreRequest)| matches!(r, StoreRequest::Put { .. } | StoreRequest::Stage { .. });
    assert!(!world.host(A).requests.iter().any(writes));
}

#[test]
fn database_whose_store_is_down_does_not_disturb_the_other() {
    let mut world = World::empty();
    world.add(A, "a", FakeDatabase::new(1, 10), |_| {});
    world.add(B, "b", FakeDatabase::new(2, 10), |_| {});
    world.on_store = Box::new(|db, _| match db {
        A => Fate::Fails(StoreError::Retryable("down".into())),
        _ => Fate::Answered,
    });
    world.run_for(SECOND);
    for page in 1..=5 {
        world.commit(A, &[page]);
        world.commit(B, &[page]);
        world.run_for(2 * SECOND);
    }
    assert_eq!((world.durable(A), world.durable(B)), (0, 7));
    world.assert_store_equals_database(B);
    assert!(!world.has_notice(B, |n| matches!(n, Notice::Store { .. })));
    world.on_store = Box::new(|_, _| Fate::Answered);
    world.run_for(60 * SECOND);
    world.assert_store_equals_database(A);
}

/// Every first attempt to write fails: an upload takes a while.
fn slow_puts() -> impl FnMut(engine::replicate::SourceId, &StoreRequest) -> Fate {
    let mut failed = 0;
    move |_, request| match request {
        StoreRequest::Put { .. } if failed < 3 => {
            failed += 1;
            Fate::Fails(StoreError::Retryable("slow".into()))
        }
        _ => Fate::Answered,
    }
}
