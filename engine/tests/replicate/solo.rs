//! `compact` and `cleanup`: upkeep of a place by itself.

use super::source::FakeDatabase;
use super::store::FakeStore;
use super::world::{A, SECOND, World};
use engine::compact::Levels;
use engine::key::ObjectKey;
use engine::replicate::{Outcome, Solo, SoloOutput, StoreAnswer, StoreRequest, Task};
use engine::retention::Policy;
use engine::store::StoreError;
use engine::types::{Level, Now, Timestamp};
use std::collections::BTreeSet;
use std::time::Duration;

/// A place with slots and the levels that hold them, which nobody tidied up.
fn untidy() -> World {
    let mut world = World::empty();
    world.add(A, "a", FakeDatabase::new(1, 10), |config| {
        let level = |(number, seconds)| (Level::new(number).unwrap(), Duration::from_secs(seconds));
        config.upkeep.levels = Levels::new([(1, 2), (2, 10)].map(level)).unwrap();
    });
    for page in 1..=6 {
        world.commit(A, &[page]);
        world.run_for(2 * SECOND);
    }
    world.run_for(30 * SECOND);
    world
}

/// Runs a cleanup that keeps the newest state alone; `answer` may answer in place of the store, which counts deletes.
fn clean_up(
    world: &mut World,
    answer: impl FnMut(&mut FakeStore, u32, &[String]) -> Option<StoreAnswer>,
) -> Outcome {
    clean_up_where_a_proof_takes(Duration::from_millis(10), world, answer)
}

fn clean_up_where_a_proof_takes(
    proof: Duration,
    world: &mut World,
    mut answer: impl FnMut(&mut FakeStore, u32, &[String]) -> Option<StoreAnswer>,
) -> Outcome {
    let mut config = world.host(A).config.clone();
    config.upkeep.policy = Some(Policy::default());
    let (database, mut now) = (FakeDatabase::new(1, 10), world.now);
    let mut solo = Solo::start(now, config, Task::Retain, false);
    let mut deletes = 0;
    for _ in 0..10_000 {
        match solo.poll() {
            SoloOutput::Request(id, request) => {
                let is_proof = matches!(request, StoreRequest::Hash { .. });
                now = later(now, if is_proof { proof } else { Duration::from_millis(10) });
                let special = match &request {
                    StoreRequest::Delete { keys } => {
                        deletes += 1;
                        answer(&mut world.store, deletes, keys)
                    }
                    _ => None,
                };
                let result = match special {
                    Some(answer) => Ok(answer),
                    None => world.store.perform(id, &request, &database),
                };
                solo.answered(now, id, result.map(aged));
            }
            SoloOutput::Notice(_) => {}
            SoloOutput::Wait(until) => {
                now = later(now, until.expect("nothing is under way").since(now.mono));
                solo.time_passed(now);
            }
            SoloOutput::Done(outcome) => return *outcome,
        }
    }
    panic!("it does not end");
}

/// A day later, by the store's clock.
fn aged(answer: StoreAnswer) -> StoreAnswer {
    match answer {
        StoreAnswer::Listed { objects, next, time: None } => {
            let newest = objects.iter().map(|object| object.arrived.as_millis()).max();
            let time = newest.map(|newest| Timestamp::from_millis(newest + DAY_MS));
            StoreAnswer::Listed { objects, next, time }
        }
        answer => answer,
    }
}

fn later(now: Now, by: Duration) -> Now {
    Now { mono: now.mono.after(by), ..now }
}

fn keys(world: &World) -> BTreeSet<ObjectKey> {
    world.store.keys(&world.host(A).config.place.clone()).collect()
}

#[test]
fn what_is_said_to_be_gone_is_gone_and_nothing_else() {
    let mut world = untidy();
    let before = keys(&world);
    let outcome = clean_up(&mut world, |_, _, _| None);
    assert!(outcome.deleted.len() > 3, "{outcome:?}");
    assert_eq!(outcome.deleted, &before - &keys(&world));
}

#[test]
fn what_went_before_a_pass_was_given_up_is_told_as_well() {
    let mut world = untidy();
    let before = keys(&world);
    // One object goes, and then none for as long as the pass tries.
    let outcome = clean_up(&mut world, |store, count, keys| {
        let fails = |_| Err(StoreError::Retryable("500".into()));
        let (first, others) = keys.split_first().expect("somebody asks");
        match count {
            1 => {
                store.erase(first);
                Some(StoreAnswer::DeletedMany(
                    std::iter::once(Ok(())).chain(others.iter().map(fails)).collect(),
                ))
            }
            2..=8 => Some(StoreAnswer::DeletedMany(keys.iter().map(fails).collect())),
            _ => None,
        }
    });
    assert!(!outcome.gave_up && outcome.deleted.len() > 3, "{outcome:?}");
    assert_eq!(outcome.deleted, &before - &keys(&world));
    let retention = outcome.retention.unwrap();
    let told: BTreeSet<ObjectKey> = retention.deletes().map(|decision| decision.info.key).collect();
    assert_eq!(told, outcome.deleted);
    let undisturbed = clean_up(&mut untidy(), |_, _, _| None).retention.unwrap();
    assert_eq!(retention.points_removed, undisturbed.points_removed);
}

#[test]
fn what_took_an_hour_to_prove_is_not_read_again_when_the_place_is_listed_once_more() {
    let mut world = untidy();
    let before = keys(&world);
    let outcome = clean_up_where_a_proof_takes(Duration::from_secs(3600), &mut world, |_, _, _| None);
    assert!(!outcome.gave_up && outcome.deleted.len() > 3, "{outcome:?}");
    assert_eq!(outcome.deleted, &before - &keys(&world));
}

const DAY_MS: i64 = 24 * 3_600_000;
