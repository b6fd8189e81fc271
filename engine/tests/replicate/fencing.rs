//! Two writers, one place.

use super::manifest::is_rewrite;
use super::source::{FakeDatabase, page};
use super::store::slot_key;
use super::world::{A, B, Fate, SECOND, World};
use bytes::Bytes;
use engine::key::{Layout, ObjectKey, Place};
use engine::ltx::Header;
use engine::replicate::{
    Event, Fenced, Notice, PageSet, SourceError, SourceJob, Status, StoreRequest, TakeOver,
};
use engine::store::StoreError;
use engine::types::{Level, PageSize, Pgno, Timestamp, Txid, TxidRange};
use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

#[test]
fn never_refuses_another_database_and_says_so() {
    let world = second_writer(TakeOver::Never, FakeDatabase::new(2, 10));
    assert_eq!(world.status(B), Status::Fenced);
    let fenced = fenced(&world);
    assert_eq!(fenced.identical, Some(false));
    assert_eq!((fenced.txid.into_inner(), fenced.by), (2, Some(world.host(A).config.node)));
    assert_eq!(fenced.host.as_deref(), Some("host 1"));
    assert!(!fenced.copied_state);
    assert_eq!(world.store.newest_slot(&world.host(A).config.place), 2, "a refusal writes nothing");
}

#[test]
fn never_refuses_an_identical_database_and_says_that_it_is() {
    let world = second_writer(TakeOver::Never, FakeDatabase::new(1, 10));
    assert_eq!(world.status(B), Status::Fenced);
    assert_eq!(fenced(&world).identical, Some(true));
}

#[test]
fn refusal_downloads_no_history() {
    for take_over in [TakeOver::Never, TakeOver::IfIdentical] {
        let mut world = World::following();
        for _ in 0..10 {
            world.commit(A, &[3]);
            world.run_for(2 * SECOND);
        }
        world.add(B, "a", FakeDatabase::new(2, 10), |config| config.take_over = take_over);
        world.run_for(10 * SECOND);
        assert_eq!((world.status(B), fenced(&world).identical), (Status::Fenced, Some(false)));
        let objects = |(_, request): &(_, StoreRequest)| match request {
            StoreRequest::Digest { keys } => keys.len(),
            _ => 0,
        };
        let downloaded: usize = world.host(B).requests.iter().map(objects).sum();
        assert_eq!(downloaded, 1, "the head, as the proof of its header; {take_over:?}");
    }
}

#[test]
fn database_that_is_refused_is_not_put_into_wal_mode() {
    let mut world = World::following();
    world.on_source = Box::new(|db, job| match job {
        SourceJob::Open { enter_wal_mode: false } if db == B => Some(SourceError::NotWal("delete".into())),
        _ => None,
    });
    world.add(B, "a", FakeDatabase::new(2, 10), |_| {});
    world.run_for(10 * SECOND);
    assert_eq!((world.status(B), fenced(&world).identical), (Status::Fenced, None));
    let enters = |(_, job): &(_, SourceJob)| matches!(job, SourceJob::Open { enter_wal_mode: true });
    assert!(!world.host(B).jobs.iter().any(enters));
}

#[test]
fn if_identical_refuses_another_database() {
    let world = second_writer(TakeOver::IfIdentical, FakeDatabase::new(2, 10));
    assert_eq!(world.status(B), Status::Fenced);
    assert_eq!(fenced(&world).identical, Some(false));
}

#[test]
fn host_of_the_claim_is_not_named_for_the_head_of_another_life() {
    let mut world = World::following();
    // The manifest goes on naming A.
    world.on_store = Box::new(|_, request| match is_rewrite(request) {
        true => Fate::Fails(StoreError::Retryable("busy".into())),
        false => Fate::Answered,
    });
    world.add(B, "a", FakeDatabase::new(2, 10), |config| config.take_over = TakeOver::Always);
    world.run_for(5 * SECOND);
    world.commit(A, &[3]);
    world.run_for(5 * SECOND);
    let told = world.host(A).notices.iter().find_map(|(_, notice)| match notice {
        Notice::Fenced(fenced) => Some(fenced.clone()),
        _ => None,
    });
    let fenced = told.expect("A is fenced");
    assert_eq!((fenced.by, fenced.host), (Some(world.host(B).config.node), None), "the claim is A's own");
    assert_eq!(fenced.claimed_by, None);
}

#[test]
fn later_life_of_the_claimer_is_told_with_the_host_that_claimed() {
    let mut world = World::following();
    world.restart(|| true);
    world.run_for(5 * SECOND);
    world.commit(A, &[3]);
    world.run_for(5 * SECOND);
    world.add(B, "a", FakeDatabase::new(2, 10), |_| {});
    world.run_for(10 * SECOND);
    let fenced = fenced(&world);
    assert_eq!((fenced.host, fenced.claimed_by.as_deref()), (None, Some("host 1")));
}

#[test]
fn if_identical_claims_and_continues() {
    let mut world = second_writer(TakeOver::IfIdentical, FakeDatabase::new(1, 10));
    assert_eq!(world.status(B), Status::Following);
    let claim = world.store.slot(&world.host(B).config.place, 3).unwrap().chain().unwrap();
    assert!(claim.claim && claim.before == Some(claim.after), "a claim changes nothing");
    world.commit(B, &[6]);
    world.run_for(5 * SECOND);
    world.assert_store_equals_database(B);
}

#[test]
fn place_of_another_tool_is_taken_over_without_an_upload_if_identical() {
    let mut world = World::empty();
    let database = FakeDatabase::new(1, 10);
    let pages = (1..).zip(database.committed()).map(|(n, content)| (Pgno::new(n).unwrap(), page(content)));
    let pages = PageSet::Memory(pages.collect());
    let size = PageSize::new(u32::try_from(page(0).len()).unwrap()).unwrap();
    let (commit, txids) = (Pgno::new(10).unwrap(), TxidRange::single(Txid::ONE));
    let untagged = Header::new(size, commit, txids, Timestamp::from_millis(0));
    let (image, _) = database.encode(&untagged, &pages);
    world.add(A, "a", database, |config| config.take_over = TakeOver::IfIdentical);
    let place = world.host(A).config.place.clone();
    world.store.plant(&slot_key(&place, 1), image);
    world.run_for(10 * SECOND);
    assert_eq!(world.status(A), Status::Following);
    let claim = world.store.slot(&place, 2).unwrap().chain().unwrap();
    assert!(claim.claim && claim.before == Some(claim.after), "a claim changes nothing");
    assert_eq!(world.store.newest_slot(&place), 2, "no image after the claim");
    assert!(!world.has_notice(A, |n| matches!(n, Notice::Healed { .. })));
}

/// No restore accepts the first image any more, so a claim on top would announce what nobody can restore.
#[test]
fn first_claim_that_another_tool_wrote_over_is_followed_by_an_image() {
    for (take_over, status) in
        [(TakeOver::IfIdentical, Status::Fenced), (TakeOver::Insist, Status::Following)]
    {
        let mut world = World::following();
        world.handle(Event::StopRequested(A));
        world.run_for(SECOND);
        let place = world.host(A).config.place.clone();
        world.store.plant(&slot_key(&place, 2), untagged(TxidRange::single(txid(2))));
        world.add(B, "a", FakeDatabase::new(1, 10), |config| config.take_over = take_over);
        world.run_for(10 * SECOND);
        assert_eq!(world.status(B), status, "{take_over:?}");
        let next = world.store.slot(&place, 3).map(|header| header.chain().unwrap().before);
        assert_eq!(next, (status == Status::Following).then_some(None), "an image, or nothing");
    }
}

#[test]
fn always_claims_and_uploads_what_differs() {
    let world = second_writer(TakeOver::Always, FakeDatabase::new(2, 7));
    assert_eq!(world.status(B), Status::Following);
    assert!(world.store.slot(&world.host(B).config.place, 3).unwrap().chain().unwrap().claim);
    world.assert_store_equals_database(B);
}

/// The owner goes on past the claim's number, compacts, and deletes the slot: the claim lands where nothing needs it.
/// Its snapshot would count all the same, and give the database of the claimer to who restores the owner's history.
#[test]
fn image_that_claims_too_late_gets_no_snapshot_and_is_taken_away() {
    // A clock that was never set is no reason to look less.
    for wall_ms in [1_700_000_000_000, 0] {
        for compacted in [2..=4, 2..=3] {
            let (mut world, place) = world_without_a_base(wall_ms);
            world.add(B, "a", FakeDatabase::new(2, 10), |config| config.take_over = TakeOver::Always);
            world
                .run_until(|world| world.host(B).requests.iter().any(|(_, r)| puts(r, &slot_key(&place, 3))));
            let range = TxidRange::new(txid(*compacted.start()), txid(*compacted.end())).unwrap();
            let key = ObjectKey::new(Level::new(1).unwrap(), range).unwrap();
            world.store.plant(&place.object_key(Layout::S3, key), untagged(range));
            world.run_until(|world| world.store.slot(&place, 3).is_some());
            world.run_for(30 * SECOND);
            let snapshot = place.object_key(Layout::S3, ObjectKey::snapshot(txid(3)));
            let requests = &world.host(B).requests;
            assert!(!requests.iter().any(|(_, r)| puts(r, &snapshot)), "{wall_ms} {compacted:?}");
            assert!(world.store.slot(&place, 3).is_none(), "it is taken away: {wall_ms} {compacted:?}");
            assert_eq!(world.status(B), Status::Following, "it began anew: {wall_ms} {compacted:?}");
            world.assert_store_equals_database(B);
        }
    }
}

#[test]
fn image_that_claims_an_empty_place_is_looked_at_before_its_snapshot() {
    let mut world = World::following();
    let place = world.host(A).config.place.clone();
    world.handle(Event::StopRequested(A));
    world.run_for(SECOND);
    world.store.erase_all("a/0");
    world.add(B, "a", FakeDatabase::new(2, 10), |config| config.take_over = TakeOver::Always);
    world.run_for(10 * SECOND);
    let requests: Vec<&StoreRequest> = world.host(B).requests.iter().map(|(_, r)| r).collect();
    let claim = requests.iter().position(|r| puts(r, &slot_key(&place, 2))).unwrap();
    let snapshot = place.object_key(Layout::S3, ObjectKey::snapshot(txid(2)));
    let snapshot = requests.iter().position(|r| puts(r, &snapshot)).unwrap();
    let between = &requests[claim..snapshot];
    assert!(between.iter().any(|r| matches!(r, StoreRequest::List { .. })), "{between:?}");
    world.assert_store_equals_database(B);
}

#[test]
fn writer_that_was_taken_over_is_fenced_by_its_next_write() {
    let mut world = second_writer(TakeOver::Always, FakeDatabase::new(2, 7));
    let durable = world.durable(A);
    world.commit(A, &[2]);
    world.run_for(5 * SECOND);
    assert_eq!(world.status(A), Status::Fenced);
    assert_eq!(world.durable(A), durable, "nothing more was called durable");
    let by = world.host(B).config.node;
    assert!(world.has_notice(A, |n| matches!(n, Notice::Fenced(f) if f.by == Some(by) && !f.copied_state)));
    assert_eq!(world.host(A).state.fenced_by, Some(by));
    world.assert_store_equals_database(B);
}

#[test]
fn always_does_not_apply_against_the_one_that_fenced_us() {
    let mut world = second_writer(TakeOver::Always, FakeDatabase::new(2, 7));
    world.hosts.get_mut(&A).unwrap().config.take_over = TakeOver::Always;
    world.hosts.get_mut(&B).unwrap().config.take_over = TakeOver::Never;
    world.commit(A, &[2]);
    world.run_for(5 * SECOND);
    assert_eq!(world.status(A), Status::Fenced);
    world.handle(Event::StopRequested(B));
    world.run_for(5 * SECOND);
    world.restart(|| true);
    world.run_for(10 * SECOND);
    assert_eq!((world.status(A), world.status(B)), (Status::Fenced, Status::Following));
}

#[test]
fn always_does_not_apply_against_a_later_life_of_the_one_that_fenced_us() {
    let mut world = second_writer(TakeOver::Always, FakeDatabase::new(2, 7));
    world.hosts.get_mut(&A).unwrap().config.take_over = TakeOver::Always;
    world.commit(A, &[2]);
    world.run_for(5 * SECOND);
    assert_eq!(world.status(A), Status::Fenced);
    for _ in 0..2 {
        world.restart(|| true);
        world.run_for(5 * SECOND);
        world.commit(B, &[3]);
        world.run_for(5 * SECOND);
    }
    assert_eq!((world.status(A), world.status(B)), (Status::Fenced, Status::Following));
    world.assert_store_equals_database(B);
}

#[test]
fn always_does_not_apply_after_a_loss_to_who_leaves_no_id() {
    let mut world = World::following();
    world.hosts.get_mut(&A).unwrap().config.take_over = TakeOver::Always;
    world.restart(|| true);
    world.run_for(5 * SECOND);
    assert_eq!(world.status(A), Status::Following);
    let place = world.host(A).config.place.clone();
    let next = txid(world.store.newest_slot(&place) + 1);
    world.store.plant(&slot_key(&place, next.into_inner()), untagged(TxidRange::single(next)));
    world.commit(A, &[2]);
    world.run_for(5 * SECOND);
    assert_eq!(world.status(A), Status::Fenced);
    world.restart(|| true);
    world.run_for(5 * SECOND);
    assert_eq!(world.status(A), Status::Fenced);
    world.hosts.get_mut(&A).unwrap().config.take_over = TakeOver::Insist;
    world.restart(|| true);
    world.run_for(10 * SECOND);
    assert_eq!(world.status(A), Status::Following);
    world.assert_store_equals_database(A);
}

/// A sent that number too, and was told that another had been faster.
#[test]
fn damaged_head_at_the_number_where_another_was_faster_is_not_ours() {
    for take_over in [TakeOver::Never, TakeOver::IfIdentical, TakeOver::Always] {
        let mut world = second_writer(TakeOver::IfIdentical, FakeDatabase::new(1, 10));
        assert_eq!(world.status(B), Status::Following);
        world.commit(A, &[2]);
        world.run_for(5 * SECOND);
        assert_eq!(world.status(A), Status::Fenced);
        world.handle(Event::StopRequested(B));
        world.run_for(SECOND);
        let place = world.host(A).config.place.clone();
        let head = world.store.newest_slot(&place);
        assert!(world.host(A).state.pending.iter().any(|sent| sent.txid == txid(head)), "A sent it");
        world.store.plant(&slot_key(&place, head), vec![0; 50].into());
        world.hosts.get_mut(&A).unwrap().config.take_over = take_over;
        world.hosts.remove(&B);
        world.restart(|| true);
        world.run_for(120 * SECOND);
        assert_eq!(world.store.newest_slot(&place), head, "{take_over:?}: nothing is written on top of it");
    }
}

#[test]
fn two_writers_that_may_always_take_over_do_not_fight() {
    for take_over in [TakeOver::IfIdentical, TakeOver::Always, TakeOver::Insist] {
        let mut world = World::empty();
        world.add(A, "a", FakeDatabase::new(1, 10), |config| config.take_over = take_over);
        world.run_for(5 * SECOND);
        world.add(B, "a", FakeDatabase::new(1, 10), |config| config.take_over = take_over);
        world.run_for(5 * SECOND);
        for _ in 0..10 {
            world.commit(A, &[2]);
            world.commit(B, &[3]);
            world.run_for(5 * SECOND);
        }
        assert_eq!((world.status(A), world.status(B)), (Status::Fenced, Status::Following), "{take_over:?}");
        let place = &world.host(A).config.place;
        let slots = (2..=world.store.newest_slot(place)).filter_map(|n| world.store.slot(place, n));
        assert_eq!(slots.filter(|slot| slot.chain().unwrap().claim).count(), 2, "{take_over:?}");
        world.assert_store_equals_database(B);
    }
}

#[test]
fn only_a_person_takes_the_place_back_and_only_once() {
    let mut world = second_writer(TakeOver::Always, FakeDatabase::new(2, 7));
    world.commit(A, &[2]);
    world.run_for(5 * SECOND);
    assert_eq!(world.status(A), Status::Fenced);
    world.hosts.get_mut(&A).unwrap().config.take_over = TakeOver::Insist;
    world.restart(|| true);
    world.run_for(10 * SECOND);
    // B finds it out by its next write, and `always` does not help it: the place was its own.
    world.commit(B, &[3]);
    world.run_for(10 * SECOND);
    assert_eq!((world.status(A), world.status(B)), (Status::Following, Status::Fenced));
    world.assert_store_equals_database(A);
}

#[test]
fn refusal_of_a_writer_that_never_had_the_place_does_not_spend_always() {
    let mut world = second_writer(TakeOver::Never, FakeDatabase::new(2, 10));
    assert_eq!(world.status(B), Status::Fenced);
    assert_eq!(world.host(B).state.fenced_by, None);
    world.hosts.get_mut(&B).unwrap().config.take_over = TakeOver::Always;
    world.handle(Event::StopRequested(A));
    world.run_for(5 * SECOND);
    world.restart(|| true);
    world.run_for(10 * SECOND);
    assert_eq!(world.status(B), Status::Following);
}

#[test]
fn end_of_a_fenced_writer_waits_until_it_is_known_who_fenced_it() {
    let mut world = second_writer(TakeOver::Always, FakeDatabase::new(2, 7));
    let broken = Rc::new(Cell::new(false));
    let fails = broken.clone();
    world.state_fails = Box::new(move |db| db == A && fails.get());
    world.commit(A, &[2]);
    while !world.has_notice(A, |n| matches!(n, Notice::Fenced(_))) {
        // Records before a write must be saved; from the moment it is fenced the disk is full.
        world.run_for(Duration::from_millis(1));
        broken.set(world.has_notice(A, |n| matches!(n, Notice::Fenced(_))));
    }
    world.run_for(30 * SECOND);
    assert!(world.has_notice(A, |n| matches!(n, Notice::State { .. })), "the trouble is told");
    assert_ne!(world.status(A), Status::Fenced, "an end that a restart would not know of");
    broken.set(false);
    world.run_for(60 * SECOND);
    assert_eq!(world.status(A), Status::Fenced);
    assert_eq!(world.host(A).state.fenced_by, Some(world.host(B).config.node));
}

#[test]
fn fenced_writer_that_cannot_save_who_fenced_it_still_stops() {
    let mut world = second_writer(TakeOver::Always, FakeDatabase::new(2, 7));
    world.commit(A, &[2]);
    while !world.has_notice(A, |n| matches!(n, Notice::Fenced(_))) {
        world.run_for(Duration::from_millis(1));
    }
    world.state_fails = Box::new(|_| true);
    world.run_for(10 * SECOND);
    world.handle(Event::StopRequested(A));
    world.run_for(60 * SECOND);
    assert_eq!(world.stopped(A), Some(false));
}

#[test]
fn place_that_another_claimed_anew_is_not_taken_from_it_by_the_writer_that_lost_it() {
    let mut world = World::empty();
    world.add(A, "a", FakeDatabase::new(1, 10), |config| config.take_over = TakeOver::Always);
    world.run_for(5 * SECOND);
    // Everything is erased, and another claims the place before it writes its first image.
    world.add(B, "b", FakeDatabase::new(2, 10), |_| {});
    world.run_for(5 * SECOND);
    let claim = world.store.bytes("b/manifest.json").unwrap().clone();
    world.store.erase_all("a/");
    world.store.plant("a/manifest.json", claim);
    world.run_for(200 * SECOND);
    world.commit(A, &[3]);
    world.run_for(10 * SECOND);
    assert_eq!(world.status(A), Status::Fenced);
    let by = world.host(B).config.node;
    assert_eq!(world.host(A).state.fenced_by, Some(by));
    world.restart(|| true);
    world.run_for(10 * SECOND);
    assert_eq!(world.status(A), Status::Fenced, "`always` against the one that fenced us");
}

#[test]
fn copied_state_is_told_from_another_writer() {
    let mut world = World::following();
    world.add(B, "a", FakeDatabase::new(1, 10), |_| {});
    // B is A's host, cloned: same ids, same records.
    let state = world.host(A).state.clone();
    world.hosts.get_mut(&B).unwrap().state = state;
    world.run_for(5 * SECOND);
    assert_eq!(world.status(B), Status::Following, "a copy may start: nothing tells it apart yet");
    world.commit(A, &[1]);
    world.run_for(5 * SECOND);
    world.commit(B, &[2]);
    world.run_for(5 * SECOND);
    assert_eq!(world.status(B), Status::Fenced);
    assert!(fenced(&world).copied_state);
    world.assert_store_equals_database(A);
}

/// A listing in pages takes time: the image of a slot may be in it, and not the slot.
#[test]
fn copied_state_owns_no_image_of_what_came_after_it_was_made() {
    let mut world = World::following();
    let state = world.host(A).state.clone();
    world.commit(A, &[1]);
    world.run_for(5 * SECOND);
    world.handle(Event::SnapshotRequested(A));
    world.run_for(5 * SECOND);
    let (place, txid) = (world.host(A).config.place.clone(), world.durable(A));
    let newest = ObjectKey::snapshot(Txid::new(txid).unwrap());
    assert!(world.store.bytes(&place.object_key(Layout::S3, newest)).is_some());
    world.store.erase(&slot_key(&place, txid));
    world.add(B, "a", FakeDatabase::new(1, 10), |_| {});
    world.hosts.get_mut(&B).unwrap().state = state;
    world.run_for(5 * SECOND);
    assert_eq!(world.status(B), Status::Fenced);
    assert!(fenced(&world).copied_state);
    assert!(world.store.bytes(&slot_key(&place, txid + 1)).is_none(), "a copy of the state writes nothing");
}

#[test]
fn hostile_number_at_the_end_of_all_numbers_is_refused() {
    let mut world = World::empty();
    world.add(A, "a", FakeDatabase::new(1, 10), |config| config.take_over = TakeOver::Always);
    let header = engine::ltx::Header::new(
        engine::types::PageSize::new(512).unwrap(),
        engine::types::Pgno::ONE,
        engine::types::TxidRange::single(Txid::new(u64::MAX).unwrap()),
        engine::types::Timestamp::from_millis(i64::MAX),
    );
    let key = super::store::slot_key(&world.host(A).config.place, u64::MAX);
    world.store.plant(&key, header.encode().to_vec().into());
    world.run_for(60 * SECOND);
    assert!(world.has_notice(A, |n| matches!(n, Notice::Corrupt { key: at, .. } if *at == key)));
    assert_eq!(world.status(A), Status::Degraded);
}

/// A has stopped, and its history cannot be continued: only an image claims the place.
fn world_without_a_base(wall_ms: i64) -> (World, Place) {
    let mut world = World::empty();
    world.now.wall = Timestamp::from_millis(wall_ms);
    world.add(A, "a", FakeDatabase::new(1, 10), |_| {});
    world.run_for(5 * SECOND);
    world.handle(Event::StopRequested(A));
    world.run_for(SECOND);
    let place = world.host(A).config.place.clone();
    world.store.erase(&place.object_key(Layout::S3, ObjectKey::snapshot(Txid::ONE)));
    (world, place)
}

/// An object of another tool, with page 1.
fn untagged(txids: TxidRange) -> Bytes {
    let size = PageSize::new(u32::try_from(page(0).len()).unwrap()).unwrap();
    let header = Header::new(size, Pgno::new(10).unwrap(), txids, Timestamp::from_millis(0));
    let pages = PageSet::Memory([(Pgno::ONE, page(7))].into());
    FakeDatabase::new(3, 10).encode(&header, &pages).0
}

fn puts(request: &StoreRequest, key: &str) -> bool {
    matches!(request, StoreRequest::Put { key: at, .. } if at == key)
}

fn txid(n: u64) -> Txid {
    Txid::new(n).unwrap()
}

/// A follows the place; then B comes.
fn second_writer(take_over: TakeOver, database: FakeDatabase) -> World {
    let mut world = World::following();
    world.add(B, "a", database, |config| config.take_over = take_over);
    world.run_for(10 * SECOND);
    world
}

fn fenced(world: &World) -> Fenced {
    let fenced = world.host(B).notices.iter().find_map(|(_, notice)| match notice {
        Notice::Fenced(fenced) => Some(fenced.clone()),
        _ => None,
    });
    fenced.expect("B is fenced")
}
