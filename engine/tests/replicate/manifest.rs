//! What `manifest.json` says of the writer, from the first claim on.

use super::source::FakeDatabase;
use super::store::slot_key;
use super::world::{A, B, Fate, SECOND, World};
use engine::key::ObjectKey;
use engine::manifest::{IndexEntry, Manifest};
use engine::replicate::{Event, Fenced, Notice, SourceId, Status, StoreRequest, TakeOver};
use engine::store::{Condition, StoreError};
use engine::types::{Timestamp, Txid};
use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

const C: SourceId = SourceId(3);
const DAY: Duration = Duration::from_secs(24 * 3600);

#[test]
fn place_that_was_taken_over_names_its_writer() {
    for (take_over, database) in [(TakeOver::IfIdentical, 1), (TakeOver::Always, 2), (TakeOver::Insist, 2)] {
        let mut world = World::following();
        let before = manifest(&world);
        let index = IndexEntry {
            key: ObjectKey::snapshot(Txid::ONE),
            time: Timestamp::from_millis(5),
            size_bytes: 6,
            sha256: None,
        };
        let indexed = Manifest { objects: vec![index], ..before.clone() };
        world.store.plant(KEY, indexed.encode().into());
        take_over_by_b(&mut world, take_over, database);
        let after = manifest(&world);
        assert_eq!(
            (after.writer.id, &*after.writer.host),
            (world.host(B).config.node, "host 2"),
            "{take_over:?}"
        );
        let kept = Manifest { writer: before.writer, ..after };
        assert_eq!(kept, indexed, "all else stays: {take_over:?}");
        assert_eq!(rewrites(&world, B).len(), 1, "{take_over:?}");
    }
}

#[test]
fn history_that_cannot_be_continued_and_a_place_without_one_name_who_took_them_over() {
    for objects in ["a/0000/0000000000000002-0000000000000002.ltx", "a/0"] {
        let mut world = World::following();
        world.handle(Event::StopRequested(A));
        world.run_for(SECOND);
        world.store.erase_all(objects);
        take_over_by_b(&mut world, TakeOver::Always, 2);
        assert_eq!(manifest(&world).writer.host, "host 2", "{objects}");
        world.assert_store_equals_database(B);
    }
}

#[test]
fn manifest_is_rewritten_only_when_the_take_over_counts() {
    let mut world = World::following();
    take_over_by_b(&mut world, TakeOver::Always, 2);
    let requests = &world.host(B).requests;
    let at =
        |is: &dyn Fn(&StoreRequest) -> bool| requests.iter().rposition(|(_, request)| is(request)).unwrap();
    let place = &world.host(B).config.place;
    let (claim, newest) = (slot_key(place, 3), slot_key(place, world.store.newest_slot(place)));
    let puts =
        |key: String| move |r: &StoreRequest| matches!(r, StoreRequest::Put { key: at, .. } if *at == key);
    let listed = at(&|request| matches!(request, StoreRequest::List { .. }));
    let rewritten = at(&is_rewrite);
    assert!(at(&puts(claim)) < listed && listed < rewritten, "the claim was looked at again before");
    assert!(at(&puts(newest)) < rewritten, "and so did the difference go up");
}

#[test]
fn refusal_names_the_host_that_took_over() {
    let mut world = World::following();
    take_over_by_b(&mut world, TakeOver::Always, 2);
    world.commit(A, &[3]);
    world.add(C, "a", FakeDatabase::new(3, 10), |_| {});
    world.run_for(10 * SECOND);
    for refused in [A, C] {
        let fenced = fenced(&world, refused);
        assert_eq!((fenced.host.as_deref(), fenced.claimed_by), (Some("host 2"), None), "{refused:?}");
    }
    // A later life of B has an id of its own.
    world.restart(|| true);
    world.run_for(5 * SECOND);
    world.commit(B, &[4]);
    world.run_for(5 * SECOND);
    world.restart(|| true);
    world.run_for(10 * SECOND);
    for refused in [A, C] {
        let fenced = fenced(&world, refused);
        assert_eq!((fenced.host, fenced.claimed_by.as_deref()), (None, Some("host 2")), "{refused:?}");
    }
}

#[test]
fn later_life_of_the_writer_that_is_named_rewrites_nothing() {
    let mut world = World::following();
    let before = manifest(&world);
    world.forget_requests();
    world.restart(|| true);
    world.commit(A, &[3]);
    world.run_for(2 * DAY);
    assert_eq!((rewrites(&world, A).len(), manifest(&world)), (0, before));
}

#[test]
fn longest_time_that_a_writer_keeps_level_0_stays() {
    for (l0_s, kept_ms, count) in [(100, 300_000, 0), (300, 300_000, 0), (900, 900_000, 1)] {
        let mut world = World::following();
        let before = manifest(&world);
        world.hosts.get_mut(&A).unwrap().config.l0_retention = Duration::from_secs(l0_s);
        world.forget_requests();
        world.restart(|| true);
        world.run_for(5 * SECOND);
        assert_eq!(rewrites(&world, A).len(), count, "{l0_s}");
        assert_eq!(manifest(&world), Manifest { l0_ms: kept_ms, ..before }, "{l0_s}");
    }
}

#[test]
fn rewrite_that_fails_holds_nothing_up_and_comes_again_with_the_next_listing() {
    let mut world = World::following();
    let fails = failing_rewrites(&mut world, Fate::Fails(StoreError::Retryable("busy".into())));
    take_over_by_b(&mut world, TakeOver::Always, 2);
    world.commit(B, &[3]);
    world.run_for(5 * SECOND);
    assert_eq!((world.status(B), manifest(&world).writer.host.as_str()), (Status::Following, "host 1"));
    world.assert_store_equals_database(B);
    assert!(world.has_notice(B, |n| matches!(n, Notice::Store { key, .. } if key == KEY)), "it is told");
    assert_eq!(rewrites(&world, B).len(), 1, "not again at once");
    world.run_for(DAY);
    assert_eq!(rewrites(&world, B).len(), 2, "with the listing of the day");
    fails.set(false);
    world.run_for(DAY);
    assert_eq!((rewrites(&world, B).len(), manifest(&world).writer.host.as_str()), (3, "host 2"));
    world.run_for(2 * DAY);
    assert_eq!(rewrites(&world, B).len(), 3, "it is done");
}

#[test]
fn rewrite_that_failed_comes_again_with_the_next_start() {
    let mut world = World::following();
    let fails = failing_rewrites(&mut world, Fate::Fails(StoreError::Retryable("busy".into())));
    take_over_by_b(&mut world, TakeOver::Always, 2);
    fails.set(false);
    world.restart(|| true);
    world.run_for(5 * SECOND);
    assert_eq!(manifest(&world).writer.id, world.host(B).config.node);
}

#[test]
fn rewrite_whose_answer_is_lost_is_done_when_it_is_refused() {
    let mut world = World::following();
    failing_rewrites(&mut world, Fate::DoneBut(StoreError::Ambiguous("no answer".into())));
    take_over_by_b(&mut world, TakeOver::Always, 2);
    world.run_for(3 * DAY);
    assert_eq!((rewrites(&world, B).len(), manifest(&world).writer.host.as_str()), (2, "host 2"));
}

#[test]
fn manifest_that_somebody_else_changed_meanwhile_is_left_alone() {
    let mut world = World::following();
    let others = Manifest { l0_ms: 4711, ..manifest(&world) };
    failing_rewrites(&mut world, Fate::Fails(StoreError::Refused));
    take_over_by_b(&mut world, TakeOver::Always, 2);
    world.store.plant(KEY, others.encode().into());
    world.on_store = Box::new(|_, _| Fate::Answered);
    world.run_for(2 * DAY);
    assert_eq!((rewrites(&world, B).len(), manifest(&world)), (1, others));
    assert_eq!(world.status(B), Status::Following);
}

#[test]
fn manifest_is_never_written_over_where_conditions_are_ignored() {
    let mut world = World::empty();
    world.store.ignores_conditions = true;
    world.add(A, "a", FakeDatabase::new(1, 10), |config| config.conditional_writes = false);
    world.run_for(5 * SECOND);
    world.add(B, "a", FakeDatabase::new(2, 10), |config| {
        config.take_over = TakeOver::Always;
        config.conditional_writes = false;
    });
    world.run_for(2 * DAY);
    assert_eq!(world.status(B), Status::Following);
    assert_eq!((rewrites(&world, B).len(), manifest(&world).writer.host.as_str()), (0, "host 1"));
}

#[test]
fn emptied_place_belongs_to_the_writer_that_had_taken_it_over() {
    let mut world = World::following();
    take_over_by_b(&mut world, TakeOver::Always, 2);
    world.hosts.get_mut(&B).unwrap().config.take_over = TakeOver::Never;
    let newest = world.durable(B);
    // What is confirmed is saved when it is quiet.
    world.run_for(10 * SECOND);
    world.store.erase_all("a/0");
    world.restart(|| true);
    world.run_for(10 * SECOND);
    assert_eq!((world.status(A), world.status(B)), (Status::Fenced, Status::Following));
    assert_eq!(world.durable(B), newest + 1);
    world.assert_store_equals_database(B);
}

/// Whether a request changes what the manifest says.
pub(crate) fn is_rewrite(request: &StoreRequest) -> bool {
    matches!(request, StoreRequest::Put { condition: Condition::IfMatch(_), .. })
}

const KEY: &str = "a/manifest.json";

fn manifest(world: &World) -> Manifest {
    Manifest::decode(world.store.bytes(KEY).expect("the place was claimed")).unwrap()
}

fn rewrites(world: &World, by: SourceId) -> Vec<&StoreRequest> {
    world.host(by).requests.iter().map(|(_, request)| request).filter(|r| is_rewrite(r)).collect()
}

/// What becomes of rewrites, while it is set.
fn failing_rewrites(world: &mut World, fate: Fate) -> Rc<Cell<bool>> {
    let fails = Rc::new(Cell::new(true));
    let still = fails.clone();
    world.on_store = Box::new(move |_, request| match is_rewrite(request) && still.get() {
        true => fate.clone(),
        false => Fate::Answered,
    });
    fails
}

/// B, with its own pages, comes to follow the place that A has.
fn take_over_by_b(world: &mut World, take_over: TakeOver, database: u32) {
    world.add(B, "a", FakeDatabase::new(database, 10), |config| config.take_over = take_over);
    world.run_for(10 * SECOND);
    assert_eq!(world.status(B), Status::Following);
}

/// What the newest refusal said.
fn fenced(world: &World, refused: SourceId) -> Fenced {
    let told = world.host(refused).notices.iter().rev().find_map(|(_, notice)| match notice {
        Notice::Fenced(fenced) => Some(fenced.clone()),
        _ => None,
    });
    told.expect("it is refused")
}
