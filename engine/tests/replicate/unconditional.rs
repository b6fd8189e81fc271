//! Stores that take every write, as if no condition had come with it: each write is looked for before and after.

use super::source::FakeDatabase;
use super::store::slot_key;
use super::world::{A, B, Fate, SECOND, World};
use engine::replicate::{Notice, Status, StoreRequest, TakeOver};
use engine::store::StoreError;
use engine::types::Timestamp;

#[test]
fn one_writer_replicates_as_ever() {
    let mut world = world();
    for n in 0..10 {
        world.commit(A, &[3 + n % 4]);
        world.run_for(2 * SECOND);
    }
    assert_eq!((world.status(A), world.durable(A)), (Status::Following, 12));
    world.assert_store_equals_database(A);
}

#[test]
fn lost_answers_are_no_second_writer() {
    let mut world = world();
    let mut count = 0;
    world.on_store = Box::new(move |_, request| {
        count += 1;
        match request {
            StoreRequest::Put { .. } if count % 2 == 0 => {
                Fate::DoneBut(StoreError::Ambiguous("no answer".into()))
            }
            _ if count % 5 == 0 => Fate::Fails(StoreError::Retryable("busy".into())),
            _ => Fate::Answered,
        }
    });
    for _ in 0..10 {
        world.commit(A, &[3]);
        world.run_for(10 * SECOND);
    }
    assert_eq!((world.status(A), world.durable(A)), (Status::Following, 12));
    world.assert_store_equals_database(A);
}

#[test]
fn writer_that_was_taken_over_finds_the_other_before_it_writes() {
    let mut world = world();
    world.add(B, "a", FakeDatabase::new(2, 7), |config| {
        config.take_over = TakeOver::Always;
        config.conditional_writes = false;
    });
    world.run_for(10 * SECOND);
    assert_eq!(world.status(B), Status::Following);
    let place = world.host(A).config.place.clone();
    let before = world.store.bytes(&slot_key(&place, 3)).cloned();
    world.commit(A, &[2]);
    world.run_for(5 * SECOND);
    assert_eq!((world.status(A), world.durable(A)), (Status::Fenced, 2));
    assert_eq!(world.store.bytes(&slot_key(&place, 3)).cloned(), before, "nothing was written over");
    world.assert_store_equals_database(B);
}

#[test]
fn machine_that_slept_between_the_look_and_the_write_lists_first() {
    let mut world = world();
    let place = world.host(A).config.place.clone();
    let own = slot_key(&place, 3);
    world.forget_requests();
    world.commit(A, &[3]);
    let looks = |request: &StoreRequest| matches!(request, StoreRequest::Get { key, .. } if *key == own);
    world.run_until(|world| world.host(A).requests.iter().any(|(_, request)| looks(request)));
    world.now.wall = Timestamp::from_millis(world.now.wall.as_millis() + 86_400_000);
    world.forget_requests();
    world.run_for(5 * SECOND);
    let asked: Vec<_> = world.host(A).requests.iter().map(|(_, request)| request).collect();
    let at = |is: &dyn Fn(&StoreRequest) -> bool| asked.iter().position(|request| is(request)).unwrap();
    let listed = at(&|request| matches!(request, StoreRequest::List { .. }));
    assert!(listed < at(&|request| matches!(request, StoreRequest::Put { key, .. } if *key == own)));
    assert_eq!(world.durable(A), 3);
}

#[test]
fn slot_that_another_wrote_over_is_not_called_durable() {
    let mut world = world();
    world.add(B, "b", FakeDatabase::new(2, 10), |config| config.conditional_writes = false);
    world.run_for(5 * SECOND);
    world.commit(B, &[3]);
    world.run_for(5 * SECOND);
    let place = world.host(A).config.place.clone();
    let others = world.store.bytes(&slot_key(&world.host(B).config.place, 3)).unwrap().clone();
    world.commit(A, &[3]);
    world.run_until(|world| world.store.slot(&place, 3).is_some());
    world.store.plant(&slot_key(&place, 3), others);
    world.run_for(10 * SECOND);
    assert_eq!((world.status(A), world.durable(A)), (Status::Fenced, 2));
    let by = world.host(B).config.node;
    assert!(world.has_notice(A, |n| matches!(n, Notice::Fenced(f) if f.by == Some(by))));
}

#[test]
fn slot_that_another_wrote_over_later_fences_with_the_next_one() {
    let mut world = world();
    world.add(B, "b", FakeDatabase::new(2, 10), |config| config.conditional_writes = false);
    world.run_for(5 * SECOND);
    for host in [A, B] {
        world.commit(host, &[3]);
    }
    world.run_for(5 * SECOND);
    assert_eq!(world.durable(A), 3);
    let place = world.host(A).config.place.clone();
    let others = world.store.bytes(&slot_key(&world.host(B).config.place, 3)).unwrap().clone();
    world.store.plant(&slot_key(&place, 3), others);
    world.commit(A, &[4]);
    world.run_for(10 * SECOND);
    assert_eq!((world.status(A), world.durable(A)), (Status::Fenced, 3));
    assert!(world.store.slot(&place, 4).is_none(), "nothing on top of what is another's");
}

#[test]
fn claim_that_another_wrote_over_is_not_ours() {
    let mut world = World::empty();
    world.store.ignores_conditions = true;
    world.add(B, "b", FakeDatabase::new(2, 10), |config| config.conditional_writes = false);
    world.run_for(5 * SECOND);
    let others = world.store.bytes("b/manifest.json").unwrap().clone();
    world.add(A, "a", FakeDatabase::new(1, 10), |config| config.conditional_writes = false);
    world.run_until(|world| world.store.bytes("a/manifest.json").is_some());
    world.store.plant("a/manifest.json", others);
    world.run_for(10 * SECOND);
    assert_eq!((world.status(A), world.durable(A)), (Status::Fenced, 0));
}

fn world() -> World {
    let mut world = World::empty();
    world.store.ignores_conditions = true;
    world.add(A, "a", FakeDatabase::new(1, 10), |config| config.conditional_writes = false);
    world.run_for(5 * SECOND);
    assert_eq!((world.status(A), world.durable(A)), (Status::Following, 2));
    world
}
