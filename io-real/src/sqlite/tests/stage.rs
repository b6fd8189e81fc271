use super::world::{World, header, image_header};
use crate::sqlite::Progress;
use engine::ltx::{Header, read_any};
use engine::replicate::{HandOver, PageSet, PinnedPages, Select, SourceError, SourceJob, Surveyed};
use engine::types::{Checksum, LockByte, PageSize, Pgno};
use std::collections::BTreeMap;

fn big(world: &mut World) -> (rusqlite::Connection, Surveyed) {
    let app = world.app_with_table();
    app.execute_batch(
        "WITH RECURSIVE n (i) AS (VALUES (1) UNION ALL SELECT i + 1 FROM n WHERE i < 150)
         INSERT INTO t (b) SELECT randomblob(9000) FROM n",
    )
    .unwrap();
    world.open();
    let surveyed = world.survey(None).unwrap();
    (app, surveyed)
}

fn everything(surveyed: &Surveyed) -> (Header, PageSet) {
    let checksum = surveyed.sums.checksum();
    let pinned = PinnedPages {
        select: Select::All(surveyed.snapshot.pages),
        frames: surveyed.frames.clone(),
        memory: BTreeMap::new(),
        checksum,
        fingerprint: super::world::fingerprint_of(surveyed),
    };
    (image_header(&surveyed.snapshot, checksum), PageSet::Pinned(pinned))
}

#[test]
fn steps_are_bounded_and_the_application_may_write_between_them() {
    let mut world = World::new();
    let (app, surveyed) = big(&mut world);
    let (header, pages) = everything(&surveyed);
    let mut stager = world.session.stage(&header, pages);
    let (mut object, mut steps) = (Vec::new(), 0);
    let staged = loop {
        let mut part = Vec::new();
        let progress = stager.step(&mut world.session, &mut part).unwrap();
        assert!(part.len() < 80 * 4200, "{} bytes in one step", part.len());
        object.extend(part);
        steps += 1;
        app.execute_batch(
            "UPDATE t SET b = randomblob(9000) WHERE a % 7 = 0; PRAGMA wal_checkpoint(passive)",
        )
        .unwrap();
        if let Progress::Done(staged) = progress {
            break staged;
        }
    };
    assert!(steps > 5);
    assert_eq!(staged.size_bytes, object.len() as u64);
    assert_eq!(staged.sha256, engine::store::Sha256::of(&object));
    let mut pages = 0;
    let (decoded, _) = read_any(&object, LockByte::SQLITE, |pgno, page| {
        assert_eq!(surveyed.sums.get(pgno), Some(engine::db::page_checksum(pgno, page)));
        pages += 1;
    })
    .unwrap();
    assert_eq!(pages, surveyed.snapshot.pages);
    assert_eq!(decoded, header);
}

#[test]
fn pages_that_are_not_those_surveyed_are_refused() {
    let mut world = World::new();
    let (_app, surveyed) = big(&mut world);
    let (_, PageSet::Pinned(pinned)) = everything(&surveyed) else { unreachable!() };
    let wrong = PinnedPages { select: Select::Some(vec![Pgno::new(2).unwrap()]), ..pinned };
    let job = SourceJob::Seal {
        header: header(surveyed.snapshot.page_size, surveyed.snapshot.pages),
        pages: PageSet::Pinned(wrong),
    };
    assert!(matches!(world.session.run(job), Err(SourceError::Unstable(_))));
}

#[test]
fn stager_does_not_survive_its_anchor() {
    let mut world = World::new();
    let (app, surveyed) = big(&mut world);
    world.replica.position = surveyed.snapshot.end;
    let (header, pages) = everything(&surveyed);
    let mut stager = world.session.stage(&header, pages);
    let mut out = Vec::new();
    assert_eq!(stager.step(&mut world.session, &mut out), Ok(Progress::More));
    app.execute("INSERT INTO t (b) VALUES (1)", []).unwrap();
    world.try_look(u64::MAX, HandOver::Never).unwrap();
    assert_eq!(stager.step(&mut world.session, &mut out), Ok(Progress::More));
    world.try_look(u64::MAX, HandOver::Allowed).unwrap();
    assert!(matches!(stager.step(&mut world.session, &mut out), Err(SourceError::Unstable(_))));
}

#[test]
fn pages_in_memory_are_sealed_without_a_database() {
    let mut world = World::new();
    let page_size = PageSize::new(512).unwrap();
    let pages: BTreeMap<Pgno, bytes::Bytes> =
        [(3, 1), (9, 2)].map(|(n, b)| (Pgno::new(n).unwrap(), vec![b; 512].into())).into();
    let sealed = world.seal(header(page_size, 9), PageSet::Memory(pages.clone())).unwrap();
    assert!(sealed.into_iter().eq(pages.into_iter().map(|(pgno, page)| (pgno, page.to_vec()))));
}

#[test]
fn frame_that_holds_another_page_is_a_bad_frame() {
    let mut world = World::new();
    let (_app, surveyed) = big(&mut world);
    let frames = BTreeMap::from([(Pgno::new(2).unwrap(), 1)]);
    let pinned = PinnedPages {
        select: Select::Some(vec![Pgno::new(2).unwrap()]),
        frames,
        memory: BTreeMap::new(),
        checksum: Checksum::new(1),
        fingerprint: Default::default(),
    };
    let job = SourceJob::Seal {
        header: header(surveyed.snapshot.page_size, surveyed.snapshot.pages),
        pages: PageSet::Pinned(pinned),
    };
    assert!(matches!(world.session.run(job), Err(SourceError::BadFrame { frame: 1, .. })));
}

#[test]
fn pages_in_memory_and_pages_to_be_read_make_one_object() {
    let mut world = World::new();
    let (_app, surveyed) = big(&mut world);
    let (_, PageSet::Pinned(pinned)) = everything(&surveyed) else { unreachable!() };
    let all = world.read_all(&surveyed);
    let memory = all.iter().filter(|(pgno, _)| pgno.into_inner() % 3 == 0);
    let memory = memory.map(|(pgno, page)| (*pgno, page.clone().into())).collect();
    // What is in memory is not read again: there is no such frame.
    let mut frames = pinned.frames.clone();
    frames.insert(Pgno::new(3).unwrap(), 1_000_000);
    let mixed = PageSet::Pinned(PinnedPages { memory, frames, ..pinned });
    let header = image_header(&surveyed.snapshot, surveyed.sums.checksum());
    assert!(world.seal(header, mixed).unwrap() == all);
}
