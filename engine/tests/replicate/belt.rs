//! The second belt: what was seen long ago is not built on, for a deleted key is a winnable key (docs/design.md
//! section 4, rule 8).

use super::foreign::plant;
use super::source::FakeDatabase;
use super::world::{A, B, Fate, SECOND, World};
use engine::key::ModifiedIs;
use engine::replicate::{Event, SourceError, SourceJob, Status, StoreRequest, TakeOver};
use engine::store::StoreError;
use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

const HOUR: Duration = Duration::from_secs(3600);

#[test]
fn file_that_comes_back_after_an_hour_is_no_reason_to_believe_the_store() {
    let mut world = following_with_a_slot();
    let missing = Rc::new(Cell::new(true));
    let gone = missing.clone();
    world.on_source = Box::new(move |_, job| match job {
        SourceJob::Look { .. } | SourceJob::Open { .. } if gone.get() => Some(SourceError::Missing),
        _ => None,
    });
    world.run_for(10 * SECOND);
    overtake(&mut world);
    world.run_for(HOUR);
    missing.set(false);
    world.commit(A, &[4]);
    world.run_for(10 * SECOND);
    assert_overtaken(&world);
}

#[test]
fn file_that_is_missing_at_the_start_is_no_reason_to_believe_the_store() {
    let mut world = following_with_a_slot();
    let missing = Rc::new(Cell::new(true));
    let gone = missing.clone();
    world.on_source = Box::new(move |_, job| {
        (matches!(job, SourceJob::Open { .. }) && gone.get()).then_some(SourceError::Missing)
    });
    world.restart(|| true);
    world.run_for(10 * SECOND);
    overtake(&mut world);
    world.run_for(HOUR);
    world.commit(A, &[4]);
    missing.set(false);
    world.run_for(10 * SECOND);
    assert_overtaken(&world);
}

#[test]
fn slot_that_waited_out_an_outage_is_not_sent_before_a_look_at_the_place() {
    let mut world = following_with_a_slot();
    let down = Rc::new(Cell::new(true));
    let is_down = down.clone();
    world.on_store = Box::new(move |_, _| match is_down.get() {
        true => Fate::Fails(StoreError::Retryable("down".into())),
        false => Fate::Answered,
    });
    world.commit(A, &[4]);
    world.run_for(HOUR);
    overtake(&mut world);
    down.set(false);
    world.run_for(40 * SECOND);
    assert_overtaken(&world);
}

#[test]
fn machine_that_slept_is_found_out_by_the_wall_clock() {
    let mut world = following_with_a_slot();
    overtake(&mut world);
    world.now.wall = engine::types::Timestamp::from_millis(world.now.wall.as_millis() + 3_600_000);
    world.commit(A, &[4]);
    world.run_for(10 * SECOND);
    assert_overtaken(&world);
}

#[test]
fn place_that_nobody_touched_during_an_outage_costs_one_listing() {
    let mut world = following_with_a_slot();
    let down = Rc::new(Cell::new(true));
    let is_down = down.clone();
    world.on_store = Box::new(move |_, _| match is_down.get() {
        true => Fate::Fails(StoreError::Retryable("down".into())),
        false => Fate::Answered,
    });
    world.commit(A, &[4]);
    world.run_for(HOUR);
    down.set(false);
    world.forget_requests();
    world.run_for(40 * SECOND);
    assert_eq!((world.durable(A), world.status(A)), (4, Status::Following));
    let lists = world.host(A).requests.iter().filter(|(_, r)| matches!(r, StoreRequest::List { .. }));
    assert_eq!(lists.count(), 1);
    world.assert_store_equals_database(A);
}

#[test]
fn image_that_takes_longer_than_a_sighting_counts_is_sent_once() {
    let mut world = World::empty();
    world.add(A, "a", FakeDatabase::new(1, 100), |config| config.part_bytes = 10 * 512);
    // Staging takes 20 minutes, each time.
    let since = Rc::new(Cell::new(None));
    let clock = Rc::new(Cell::new(0));
    let time = clock.clone();
    world.on_store = Box::new(move |_, request| match request {
        StoreRequest::Stage { .. }
            if time.get() < since.get().unwrap_or(time.get()) + 1200 || since.get().is_none() =>
        {
            since.set(Some(since.get().unwrap_or(time.get())));
            Fate::Fails(StoreError::Retryable("slow".into()))
        }
        StoreRequest::Stage { .. } => {
            since.set(None);
            Fate::Answered
        }
        _ => Fate::Answered,
    });
    for _ in 0..3000 {
        world.run_for(SECOND);
        clock.set(clock.get() + 1);
    }
    assert_eq!((world.durable(A), world.status(A)), (2, Status::Following));
    world.handle(Event::StopRequested(A));
    world.run_for(10 * SECOND);
    world.assert_store_equals_database(A);
}

#[test]
fn claim_on_a_key_that_had_become_free_is_taken_away_again() {
    let mut world = claim_that_comes_too_late();
    world.run_for(20 * SECOND);
    let place = world.host(A).config.place.clone();
    assert!(world.store.slot(&place, 4).is_none(), "a late claim must not stand in the history");
    assert_eq!(world.status(B), Status::Following);
    assert!(world.store.slot(&place, 7).unwrap().chain().unwrap().claim);
}

#[test]
fn late_claim_that_was_overwritten_meanwhile_is_left_alone() {
    let mut world = claim_that_comes_too_late();
    world.on_store = Box::new(|_, request| match request {
        StoreRequest::DeleteIfMatch { .. } => Fate::Fails(StoreError::Refused),
        _ => Fate::Answered,
    });
    world.run_for(20 * SECOND);
    assert_eq!(world.status(B), Status::Following);
}

#[test]
fn claim_that_was_claimed_upon_stays() {
    let mut world = following_with_a_slot();
    world.add(B, "a", FakeDatabase::new(2, 10), |config| config.take_over = TakeOver::Always);
    let place = world.host(B).config.place.clone();
    while world.store.slot(&place, 4).is_none() {
        world.run_for(Duration::from_millis(1));
    }
    // Another comes between the claim and the look whether it counts.
    plant(&mut world, 0, 5, 5, &[(1, 7)]);
    world.run_for(20 * SECOND);
    assert!(world.store.slot(&place, 4).unwrap().chain().unwrap().claim, "the history would have a gap");
}

#[test]
fn claim_that_was_claimed_upon_stays_in_a_directory_though_an_image_came_since() {
    let mut world = following_with_a_slot();
    world.add(B, "a", FakeDatabase::new(2, 10), |config| {
        (config.take_over, config.modified_is) = (TakeOver::Always, ModifiedIs::HeaderTime);
    });
    let place = world.host(B).config.place.clone();
    while world.store.slot(&place, 4).is_none() {
        world.run_for(Duration::from_millis(1));
    }
    // Another takes the place over between the claim and the look whether it counts, and sends all of its pages.
    plant(&mut world, 0, 5, 5, &[(1, 7)]);
    plant(&mut world, 0, 6, 6, &[(1, 8)]);
    let pages: Vec<(u32, u64)> = (1..=10).map(|page| (page, 8)).collect();
    plant(&mut world, 9, 1, 6, &pages);
    world.run_for(20 * SECOND);
    assert!(world.store.slot(&place, 4).is_some_and(|slot| slot.chain().unwrap().claim), "5 stands on it");
}

/// B claims a key that is free again, because what was there was compacted since B listed the place.
fn claim_that_comes_too_late() -> World {
    let mut world = following_with_a_slot();
    world.handle(Event::StopRequested(A));
    world.run_for(SECOND);
    world.add(B, "a", FakeDatabase::new(2, 10), |config| config.take_over = TakeOver::Always);
    let asks_page = |world: &World| {
        world.host(B).requests.iter().any(|(_, request)| matches!(request, StoreRequest::Page { .. }))
    };
    while !asks_page(&world) {
        world.run_for(Duration::from_micros(100));
    }
    overtake(&mut world);
    world
}

fn following_with_a_slot() -> World {
    let mut world = World::following();
    world.commit(A, &[3]);
    world.run_for(20 * SECOND);
    assert_eq!(world.durable(A), 3);
    world
}

/// Another tool goes on to slot 6, compacts, and deletes its level-0 objects but the newest: our next key is free.
fn overtake(world: &mut World) {
    plant(world, 0, 6, 6, &[(1, 7)]);
    plant(world, 1, 4, 6, &[(1, 7)]);
}

fn assert_overtaken(world: &World) {
    assert_eq!(world.status(A), Status::Fenced);
    assert!(world.durable(A) <= 3, "{} was called durable", world.durable(A));
    let place = &world.host(A).config.place;
    assert!(world.store.slot(place, 4).is_none(), "the free key was taken");
}

#[test]
fn listing_of_many_pages_is_as_young_as_the_page_that_ends_the_slots() {
    let mut world = World::empty();
    // A page takes 15 ms and holds 7 keys; what is older than 30 ms is not built on.
    world.add(A, "a", FakeDatabase::new(1, 10), |config| config.l0_retention = Duration::from_millis(60));
    world.run_for(5 * SECOND);
    for _ in 0..40 {
        world.commit(A, &[3]);
        world.run_for(2 * SECOND);
    }
    assert_eq!((world.status(A), world.durable(A)), (Status::Following, 42));
    world.restart(|| true);
    world.commit(A, &[4]);
    world.run_for(10 * SECOND);
    assert_eq!((world.status(A), world.durable(A)), (Status::Following, 43));
    world.assert_store_equals_database(A);
}
