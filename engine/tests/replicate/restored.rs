//! A database that was restored here, and perhaps written to, before it was watched (docs/design.md section 5).

use super::source::{FakeDatabase, Image, sums_of};
use super::world::{A, B, SECOND, World};
use engine::manifest::DatabaseId;
use engine::replicate::{
    CachedSums, Fenced, FileId, Notice, PageSet, RestoreProof, RestoredHere, Select, SourceError, SourceId,
    SourceJob, Status, StoreRequest, TakeOver,
};
use engine::types::{Checksum, PageSize, Pgno, Txid};

/// A followed the place up to slot 4, and page 3 changed with each; then its process went away for good.
struct Story {
    world: World,
    /// What each slot holds.
    images: Vec<(u64, Image)>,
}

impl Story {
    fn new() -> Story {
        let mut world = World::following();
        let mut images = Vec::new();
        for slot in 3..=4 {
            world.commit(A, &[3]);
            world.run_for(3 * SECOND);
            assert_eq!(world.durable(A), slot);
            images.push((slot, world.host(A).database.committed()));
        }
        Story { world, images }
    }

    /// Slot `slot` was restored on B, `written` was written to it, and B starts.
    fn start(self, take_over: TakeOver, slot: u64, written: &[u32]) -> World {
        self.start_with(take_over, slot, written, |_, _| {})
    }

    fn start_with(
        self,
        take_over: TakeOver,
        slot: u64,
        written: &[u32],
        meanwhile: impl FnOnce(&mut RestoreProof, &mut FakeDatabase),
    ) -> World {
        let Story { mut world, images } = self;
        let (_, image) = images.into_iter().find(|(at, _)| *at == slot).unwrap();
        let mut database = FakeDatabase::new(7, 1);
        database.replace(image.clone());
        let mut proof = proof(slot, &image, database.id);
        if !written.is_empty() {
            database.commit(written, database.page_count());
        }
        meanwhile(&mut proof, &mut database);
        world.add(B, "a", database, |config| config.take_over = take_over);
        world.hosts.get_mut(&B).unwrap().state.restored = Some(proof);
        world.run_for(10 * SECOND);
        world
    }
}

#[test]
fn what_was_written_since_a_restore_of_the_newest_state_goes_up_alone_after_a_claim() {
    let mut world = Story::new().start(TakeOver::IfIdentical, 4, &[6, 9]);
    assert_eq!(world.status(B), Status::Following);
    let place = world.host(B).config.place.clone();
    let claim = world.store.slot(&place, 5).unwrap().chain().unwrap();
    assert!(claim.claim && claim.before == Some(claim.after), "a claim changes nothing");
    assert_eq!(world.store.newest_slot(&place), 6, "the claim, and what differs");
    assert_eq!(uploaded_pages(&world, B), [1, 6, 9], "page 1 for the claim");
    assert_eq!(digests(&world, B), [1], "the head, as the proof of its header");
    world.assert_store_equals_database(B);
    world.commit(B, &[2]);
    world.run_for(5 * SECOND);
    world.assert_store_equals_database(B);
    assert_eq!(world.status(A), Status::Following, "it notices with its next slot");
    world.commit(A, &[5]);
    world.run_for(5 * SECOND);
    assert_eq!(world.status(A), Status::Fenced);
}

#[test]
fn always_uploads_no_more_than_what_was_written_since_a_restore_of_the_newest_state() {
    let world = Story::new().start(TakeOver::Always, 4, &[6]);
    assert_eq!((world.status(B), uploaded_pages(&world, B)), (Status::Following, vec![1, 6]));
    world.assert_store_equals_database(B);
}

#[test]
fn always_goes_on_from_an_older_restore_and_reads_only_the_slots_since() {
    let world = Story::new().start(TakeOver::Always, 3, &[6]);
    assert_eq!((world.status(B), uploaded_pages(&world, B)), (Status::Following, vec![1, 3, 6]));
    assert_eq!(digests(&world, B), [1, 1], "the proof of the head's header, then slot 4");
    world.assert_store_equals_database(B);
}

#[test]
fn never_refuses_a_restored_database_and_says_that_it_continues_the_newest_state() {
    let world = Story::new().start(TakeOver::Never, 4, &[6]);
    let told = fenced(&world);
    assert_eq!((told.identical, told.restored), (Some(false), Some(here(4, true))));
    let world = Story::new().start(TakeOver::Never, 4, &[]);
    let told = fenced(&world);
    assert_eq!((told.identical, told.restored), (Some(true), Some(here(4, true))));
}

#[test]
fn restore_of_an_older_state_is_no_reason_to_take_over() {
    for written in [&[6][..], &[]] {
        let world = Story::new().start(TakeOver::IfIdentical, 3, written);
        let told = fenced(&world);
        assert_eq!((told.identical, told.restored), (Some(false), Some(here(3, false))));
        assert_eq!(world.store.newest_slot(&world.host(B).config.place), 4, "nothing is written");
    }
}

#[test]
fn restore_of_a_state_with_another_checksum_is_no_reason_to_take_over() {
    let world = Story::new().start_with(TakeOver::IfIdentical, 4, &[6], |proof, _| {
        proof.cached.sums.set(Pgno::new(2).unwrap(), Checksum::new(1));
    });
    assert_eq!(fenced(&world).restored, Some(here(4, false)));
    let world = Story::new().start_with(TakeOver::IfIdentical, 4, &[6], |proof, _| {
        proof.cached.page_size = PageSize::new(1024).unwrap();
    });
    assert_eq!(fenced(&world).restored, Some(here(4, false)));
}

#[test]
fn file_that_was_not_the_restored_one_is_no_reason_to_take_over() {
    let world = Story::new().start_with(TakeOver::IfIdentical, 4, &[6], |_, database| {
        database.id = FileId { born_ns: Some(2), ..database.id };
    });
    assert_eq!((fenced(&world).identical, fenced(&world).restored), (Some(false), None));
}

#[test]
fn restore_from_another_history_is_no_reason_to_take_over() {
    for history in [None, Some(DatabaseId::from_random([9; 16]))] {
        let world = Story::new().start_with(TakeOver::IfIdentical, 4, &[6], |proof, _| {
            proof.database = history;
        });
        assert_eq!((fenced(&world).identical, fenced(&world).restored), (Some(false), None));
    }
}

#[test]
fn restored_database_whose_source_is_in_trouble_at_first_is_continued_all_the_same() {
    let Story { mut world, images } = Story::new();
    let mut denied = 2;
    world.on_source = Box::new(move |db, job| {
        let opens = db == B && matches!(job, SourceJob::Open { .. }) && denied > 0;
        denied -= i32::from(opens);
        opens.then(|| SourceError::Denied("mode 0000".into()))
    });
    let mut world = Story { world, images }.start(TakeOver::IfIdentical, 4, &[6]);
    world.run_for(60 * SECOND);
    assert_eq!((world.status(B), uploaded_pages(&world, B)), (Status::Following, vec![1, 6]));
}

#[test]
fn claim_whose_life_died_is_continued_from_the_restore_without_the_history() {
    let Story { mut world, images } = Story::new();
    world.on_source = Box::new(|db, job| {
        let seals = matches!(job, SourceJob::Seal { header, .. } if header.txids().max().into_inner() == 6);
        (db == B && seals).then(|| SourceError::Io("it dies here".into()))
    });
    let mut world = Story { world, images }.start(TakeOver::IfIdentical, 4, &[6]);
    let place = world.host(B).config.place.clone();
    assert_eq!(world.store.newest_slot(&place), 5, "claimed, and no more");
    world.hosts.remove(&A);
    world.hosts.get_mut(&B).unwrap().config.take_over = TakeOver::Never;
    world.on_source = Box::new(|_, _| None);
    world.forget_requests();
    world.restart(|| false);
    world.run_for(10 * SECOND);
    assert_eq!((world.status(B), uploaded_pages(&world, B)), (Status::Following, vec![6]));
    assert_eq!(digests(&world, B), [1], "the claim");
    world.assert_store_equals_database(B);
}

#[test]
fn own_place_whose_newest_state_was_restored_over_the_database_is_continued_by_a_page_diff() {
    for cache_is_lost in [false, true] {
        let Story { mut world, mut images } = Story::new();
        let image = images.pop().unwrap().1;
        world.run_for(60 * SECOND);
        let host = world.hosts.get_mut(&A).unwrap();
        assert_eq!(host.state.sums.as_ref().unwrap().txid.into_inner(), 4);
        host.database.replace(image.clone());
        host.database.id.born_ns = Some(5);
        host.database.commit(&[8], 10);
        host.state.restored = Some(proof(4, &image, host.database.id));
        if cache_is_lost {
            host.state.sums = None;
        }
        world.forget_requests();
        world.restart(|| false);
        world.run_for(10 * SECOND);
        assert_eq!((world.status(A), uploaded_pages(&world, A)), (Status::Following, vec![8]));
        assert_eq!(digests(&world, A), Vec::<usize>::new(), "{cache_is_lost}");
        world.assert_store_equals_database(A);
    }
}

#[test]
fn own_place_whose_older_state_was_restored_over_the_database_is_compared_with_what_this_host_knows_of_the_newest()
 {
    let Story { mut world, images } = Story::new();
    let image = images[0].1.clone();
    world.run_for(60 * SECOND);
    let host = world.hosts.get_mut(&A).unwrap();
    assert_eq!(host.state.sums.as_ref().unwrap().txid.into_inner(), 4);
    host.database.replace(image.clone());
    host.state.restored = Some(proof(3, &image, host.database.id));
    world.forget_requests();
    world.restart(|| false);
    world.run_for(10 * SECOND);
    assert_eq!((world.status(A), uploaded_pages(&world, A)), (Status::Following, vec![3]));
    assert_eq!(digests(&world, A), Vec::<usize>::new());
    world.assert_store_equals_database(A);
}

/// What a restore of a slot of A's place leaves.
fn proof(slot: u64, image: &Image, file: FileId) -> RestoreProof {
    let (txid, page_size) = (Txid::new(slot).unwrap(), PageSize::new(512).unwrap());
    let cached = CachedSums { txid, page_size, sums: sums_of(image) };
    RestoreProof { database: Some(DatabaseId::from_random([A.0 as u8; 16])), file, cached }
}

/// How many objects each request for page checksums was about.
fn digests(world: &World, db: SourceId) -> Vec<usize> {
    let count = |(_, request): &(_, StoreRequest)| match request {
        StoreRequest::Digest { keys } => Some(keys.len()),
        _ => None,
    };
    world.host(db).requests.iter().filter_map(count).collect()
}

/// The pages that a host's objects hold, in the order of the objects.
fn uploaded_pages(world: &World, db: SourceId) -> Vec<u32> {
    let jobs = world.host(db).jobs.iter();
    let pages = jobs.filter_map(|(_, job)| match job {
        SourceJob::Seal { pages: PageSet::Memory(pages), .. } => Some(pages.keys().copied().collect()),
        SourceJob::Seal { pages: PageSet::Pinned(pinned), .. } => match &pinned.select {
            Select::Some(pages) => Some(pages.clone()),
            Select::All(_) => panic!("a full image"),
        },
        _ => None,
    });
    pages.flat_map(|pages: Vec<Pgno>| pages).map(|pgno| pgno.into_inner()).collect()
}

fn here(slot: u64, is_newest: bool) -> RestoredHere {
    RestoredHere { txid: Txid::new(slot).unwrap(), is_newest }
}

fn fenced(world: &World) -> Fenced {
    assert_eq!(world.status(B), Status::Fenced);
    let told = world.host(B).notices.iter().find_map(|(_, notice)| match notice {
        Notice::Fenced(fenced) => Some(fenced.clone()),
        _ => None,
    });
    told.expect("B is fenced")
}
