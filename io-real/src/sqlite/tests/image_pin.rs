//! A whole image under a pin of its own, while everything else goes on.

use super::world::{World, image, image_header, sums};
use crate::sqlite::Progress;
use engine::db::PageSums;
use engine::ltx::read_any;
use engine::replicate::{
    CheckpointMode, HandOver, ImagePages, ImagePinned, PageSet, SourceAnswer, SourceError, SourceJob,
};
use engine::types::{LockByte, Pgno};
use rusqlite::Connection;
use std::sync::Arc;
use std::time::Duration;

/// A table of some 400 pages, followed, with a log that nobody has copied.
fn followed() -> (World, Connection) {
    let mut world = World::new();
    let app = world.app_with_table();
    app.execute_batch(
        "WITH RECURSIVE n (i) AS (VALUES (1) UNION ALL SELECT i + 1 FROM n WHERE i < 150)
         INSERT INTO t (b) SELECT randomblob(9000) FROM n",
    )
    .unwrap();
    world.start();
    (world, app)
}

fn pin_up_to(world: &mut World, bytes_max: u64) -> Result<ImagePinned, SourceError> {
    let (from, pages_before) = (world.replica.position, world.replica.pages.len() as u32);
    match world.session.run(SourceJob::PinImage { from, pages_before, bytes_max })? {
        SourceAnswer::ImagePinned(pinned) => Ok(pinned),
        other => panic!("{other:?}"),
    }
}

/// Pins, and gives the image that the application sees there.
fn pin(world: &mut World, app: &Connection) -> (ImagePinned, Vec<Vec<u8>>) {
    let pinned = pin_up_to(world, u64::MAX).unwrap();
    match &pinned.looked.tail {
        Some(tail) => world.apply(tail, pinned.looked.snapshot.page_size),
        None => world.replica.position = pinned.looked.snapshot.end,
    }
    (pinned, image(app))
}

fn whole(pinned: &ImagePinned, sums: PageSums) -> (engine::ltx::Header, PageSet) {
    let header = image_header(&pinned.looked.snapshot, sums.checksum());
    let frames = pinned.frames.clone().expect("it was pinned");
    (header, PageSet::Image(ImagePages { sums: Arc::new(sums), frames }))
}

/// Encodes the image, and lets others act before each step.
fn read(
    world: &mut World,
    pinned: &ImagePinned,
    sums: PageSums,
    mut meanwhile: impl FnMut(&mut World, u32),
) -> Result<Vec<Vec<u8>>, SourceError> {
    let (header, pages) = whole(pinned, sums);
    let mut stager = world.session.stage(&header, pages);
    let (mut object, mut step) = (Vec::new(), 0);
    loop {
        meanwhile(world, step);
        step += 1;
        if let Progress::Done(_) = stager.step(&mut world.session, &mut object)? {
            break;
        }
    }
    let mut pages = Vec::new();
    read_any(&object, LockByte::SQLITE, |_, page| pages.push(page.to_vec())).unwrap();
    Ok(pages)
}

#[test]
fn pinned_image_stays_while_commits_checkpoints_and_hand_overs_go_on() {
    let (mut world, app) = followed();
    app.execute_batch("UPDATE t SET b = randomblob(9000) WHERE a % 5 = 0").unwrap();
    let (pinned, expected) = pin(&mut world, &app);
    assert!(pinned.looked.tail.is_some() && !pinned.looked.handed_over);
    let read = read(&mut world, &pinned, sums(&expected), |world, step| {
        // None of these waits: who is in the way finds it out at once.
        app.execute_batch(
            "UPDATE t SET b = randomblob(9000) WHERE a % 7 = 0; DELETE FROM t WHERE a % 50 = 3",
        )
        .unwrap();
        app.execute_batch("PRAGMA wal_checkpoint(passive)").unwrap();
        let looked = world.look();
        assert!(looked.handed_over && !looked.image_in_the_way);
        let mode = if step % 2 == 0 { CheckpointMode::Passive } else { CheckpointMode::Truncate };
        world.session.run(SourceJob::Checkpoint(mode)).unwrap();
        world.assert_same();
    });
    assert!(read.unwrap() == expected);
    // And when it is gone, it is in nobody's way.
    world.session.run(SourceJob::UnpinImage).unwrap();
    for _ in 0..3 {
        world.session.run(SourceJob::Checkpoint(CheckpointMode::Passive)).unwrap();
        world.look();
    }
    world.session.run(SourceJob::Checkpoint(CheckpointMode::Truncate)).unwrap();
    assert_eq!(std::fs::metadata(world.beside("-wal")).unwrap().len(), 0);
}

#[test]
fn image_that_is_all_in_the_database_file_stays_while_the_log_begins_anew() {
    let (mut world, app) = followed();
    world.look();
    app.execute_batch("PRAGMA wal_checkpoint(passive)").unwrap();
    world.look();
    let (pinned, expected) = pin(&mut world, &app);
    assert!(pinned.looked.tail.is_none());
    assert_eq!(pinned.frames.as_ref().map(|frames| frames.len()), Some(0));
    let before = pinned.looked.snapshot.end.salts;
    let read = read(&mut world, &pinned, sums(&expected), |world, _| {
        app.execute_batch("UPDATE t SET b = randomblob(9000) WHERE a % 7 = 0").unwrap();
        app.execute_batch("PRAGMA wal_checkpoint(passive)").unwrap();
        world.look();
    });
    assert!(read.unwrap() == expected);
    assert_ne!(world.replica.position.salts, before, "a log of its own meanwhile");
    world.assert_same();
}

#[test]
fn more_than_fits_into_memory_is_not_pinned() {
    let (mut world, app) = followed();
    app.execute_batch("UPDATE t SET b = randomblob(9000)").unwrap();
    let pinned = pin_up_to(&mut world, 8192).unwrap();
    assert_eq!(pinned.frames, None);
    assert!(pinned.looked.tail.is_some());
    // Nobody reads: the log can be copied and begun anew.
    world.look();
    app.execute_batch("PRAGMA wal_checkpoint(passive)").unwrap();
    assert!(world.look().handed_over);
}

#[test]
fn pages_that_the_medium_has_lost_are_named() {
    let (mut world, app) = followed();
    world.look();
    app.execute_batch("PRAGMA wal_checkpoint(passive)").unwrap();
    world.look();
    let (pinned, expected) = pin(&mut world, &app);
    for pgno in [5, 200] {
        flip(&world, pgno);
    }
    let lost = read(&mut world, &pinned, sums(&expected), |_, _| {});
    let pages = [5, 200].map(|n| Pgno::new(n).unwrap()).to_vec();
    assert_eq!(lost, Err(SourceError::Rotten { pages, count: 2 }));
}

#[test]
fn other_content_in_the_same_file_is_a_replacement_and_no_rot() {
    let (mut world, app) = followed();
    world.look();
    app.execute_batch("PRAGMA wal_checkpoint(passive)").unwrap();
    world.look();
    let (pinned, expected) = pin(&mut world, &app);
    let mut other = std::fs::read(world.path()).unwrap();
    other[100 * 4096..].fill(7);
    std::fs::write(world.path(), other).unwrap();
    let replaced = read(&mut world, &pinned, sums(&expected), |_, _| {});
    assert!(matches!(replaced, Err(SourceError::Replaced(_))), "{replaced:?}");
}

#[test]
fn image_does_not_survive_its_pin() {
    let (mut world, app) = followed();
    let (pinned, expected) = pin(&mut world, &app);
    for end in [SourceJob::UnpinImage, SourceJob::Close] {
        let (header, pages) = whole(&pinned, sums(&expected));
        pin_up_to(&mut world, u64::MAX).unwrap();
        let mut stager = world.session.stage(&header, pages);
        assert_eq!(stager.step(&mut world.session, &mut Vec::new()), Ok(Progress::More));
        world.session.run(end).unwrap();
        let gone = stager.step(&mut world.session, &mut Vec::new());
        assert!(matches!(gone, Err(SourceError::Unstable(_))), "{gone:?}");
    }
    // Where nothing is open nothing is pinned.
    world.session.run(SourceJob::UnpinImage).unwrap();
}

#[test]
fn checkpoint_that_keeps_the_writers_out_is_seen_to_wait() {
    let (mut world, app) = followed();
    let (_pinned, _) = pin(&mut world, &app);
    app.execute_batch("UPDATE t SET b = 1 WHERE a = 1").unwrap();
    let path = world.path();
    let waiting = std::thread::spawn(move || {
        let other = Connection::open(path).unwrap();
        other.busy_timeout(Duration::from_secs(60)).unwrap();
        let busy: i64 = other.query_row("PRAGMA wal_checkpoint(truncate)", [], |row| row.get(0)).unwrap();
        busy
    });
    let mut looks = 0;
    while !world.look().image_in_the_way {
        looks += 1;
        assert!(looks < 100_000 && !waiting.is_finished(), "it was never seen");
        std::thread::yield_now();
    }
    world.session.run(SourceJob::UnpinImage).unwrap();
    while !waiting.is_finished() {
        assert!(!world.look().image_in_the_way);
    }
    assert_eq!(waiting.join().unwrap(), 0, "it went through");
    assert!(!world.try_look(u64::MAX, HandOver::Allowed).unwrap().image_in_the_way);
}

/// One bit of a page of the database file, as a medium loses it: no time of the file tells.
fn flip(world: &World, pgno: u64) {
    use std::io::{Read as _, Seek as _, SeekFrom, Write as _};
    let mut file = std::fs::File::options().read(true).write(true).open(world.path()).unwrap();
    let modified = file.metadata().unwrap().modified().unwrap();
    let mut byte = [0];
    file.seek(SeekFrom::Start((pgno - 1) * 4096 + 77)).unwrap();
    file.read_exact(&mut byte).unwrap();
    byte[0] ^= 16;
    file.seek(SeekFrom::Start((pgno - 1) * 4096 + 77)).unwrap();
    file.write_all(&byte).unwrap();
    file.set_modified(modified).unwrap();
}
