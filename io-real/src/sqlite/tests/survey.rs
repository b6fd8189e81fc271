use super::world::{Dice, World, image, sums};
use engine::ltx::WalSpan;
use engine::replicate::{CheckpointMode, SourceAnswer, SourceJob};
use engine::types::{Salts, WalPosition};
use rusqlite::Connection;

/// A span that ends at a position.
fn span(position: WalPosition) -> WalSpan {
    WalSpan::new(32, u64::from(position.frames) * FRAME_BYTES, position.salts).unwrap()
}

/// Of the page size that these tests use.
const FRAME_BYTES: u64 = 24 + 4096;

#[test]
fn sums_are_those_of_the_pages_that_sqlite_reads() {
    let mut world = World::new();
    let app = world.app_with_table();
    let mut dice = Dice::new(5);
    world.open();
    let (mut in_log, mut not_in_log) = (0, 0);
    for _ in 0..60 {
        match dice.roll(5) {
            0 => app.execute_batch("DELETE FROM t WHERE a % 3 = 0; VACUUM").unwrap(),
            1 => app.execute_batch("PRAGMA wal_checkpoint(passive)").unwrap(),
            2 => drop(world.session.run(SourceJob::Checkpoint(CheckpointMode::Truncate)).unwrap()),
            _ => drop(app.execute("INSERT INTO t (b) VALUES (randomblob(20000))", []).unwrap()),
        }
        let surveyed = world.survey(None).unwrap();
        let image = image(&app);
        assert_eq!(surveyed.sums, sums(&image));
        let pages = world.read_all(&surveyed);
        assert!(pages.into_iter().map(|(_, page)| page).eq(image));
        *if surveyed.frames.is_empty() { &mut not_in_log } else { &mut in_log } += 1;
    }
    assert!(in_log > 10 && not_in_log > 10, "{in_log} and {not_in_log}");
}

#[test]
fn survey_is_of_one_moment_while_others_write() {
    let mut world = World::new();
    let app = world.app_with_table();
    app.execute_batch("INSERT INTO t (b) VALUES (randomblob(90000))").unwrap();
    world.open();
    let writer = world.app();
    std::thread::scope(|scope| {
        let writing = scope.spawn(move || {
            for _ in 0..400 {
                let _ = writer.execute("UPDATE t SET b = randomblob(90000)", []);
                let _ = writer.execute_batch("PRAGMA wal_checkpoint(passive)");
            }
        });
        let mut surveys = 0;
        while !writing.is_finished() || surveys == 0 {
            // Reading everything again through an object gives the same, and so does the frames' map.
            match world.survey(None) {
                Ok(surveyed) => {
                    let pages = world.read_all(&surveyed);
                    assert_eq!(pages.len(), surveyed.snapshot.pages as usize);
                    assert_eq!(whole(&pages), Ok("ok".to_owned()));
                    surveys += 1;
                }
                Err(e) => assert_eq!(e, engine::replicate::SourceError::Busy),
            }
        }
    });
}

/// What SQLite thinks of an image: an impossible mix of two moments breaks the overflow chain or the index.
fn whole(pages: &[(engine::types::Pgno, Vec<u8>)]) -> rusqlite::Result<String> {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("copy.db");
    std::fs::write(&path, pages.iter().flat_map(|(_, page)| page.clone()).collect::<Vec<u8>>()).unwrap();
    Connection::open(path)?.query_row("PRAGMA integrity_check", [], |row| row.get(0))
}

#[test]
fn earlier_position_of_the_log_is_surveyed_too() {
    let mut world = World::new();
    let app = world.app_with_table();
    app.execute("INSERT INTO t (b) VALUES (randomblob(60000))", []).unwrap();
    world.start();
    let then = world.replica.position;
    let before = image(&app);
    app.execute_batch("UPDATE t SET b = randomblob(30000); INSERT INTO t (b) VALUES (randomblob(90000))")
        .unwrap();
    app.execute_batch("DELETE FROM t; VACUUM").unwrap();
    let surveyed = world.survey(Some(span(then))).unwrap();
    assert_eq!(surveyed.sums, sums(&image(&app)));
    assert_eq!(surveyed.as_of, Some((then, sums(&before))));
    // From there on it can be followed.
    world.look();
    world.assert_same();
}

#[test]
fn position_at_the_end_is_the_anchor_itself() {
    let mut world = World::new();
    let app = world.app_with_table();
    world.start();
    for checkpoint in [false, true] {
        if checkpoint {
            app.execute_batch("PRAGMA wal_checkpoint(passive)").unwrap();
        }
        let surveyed = world.survey(Some(span(world.replica.position))).unwrap();
        assert_eq!(surveyed.as_of, Some((surveyed.snapshot.end, surveyed.sums)));
    }
}

#[test]
fn position_is_not_taken_when_newer_pages_may_be_in_the_database() {
    let mut world = World::new();
    let app = world.app_with_table();
    app.execute_batch("INSERT INTO t (b) VALUES (randomblob(60000))").unwrap();
    // In the database alone, then changed: that page's earlier content is gone with the next checkpoint.
    app.execute_batch("PRAGMA wal_checkpoint(truncate)").unwrap();
    app.execute_batch("CREATE TABLE other (a)").unwrap();
    world.start();
    let then = world.replica.position;
    app.execute_batch("UPDATE t SET b = randomblob(60000)").unwrap();
    world.look();
    assert!(world.survey(Some(span(then))).unwrap().as_of.is_some());
    app.execute_batch("PRAGMA wal_checkpoint(passive); INSERT INTO t (b) VALUES (1)").unwrap();
    let surveyed = world.survey(Some(span(then))).unwrap();
    assert!(!surveyed.frames.is_empty());
    assert_eq!(surveyed.as_of, None);
}

#[test]
fn position_after_a_recovery_is_taken_only_if_the_log_alone_has_it() {
    let mut world = World::new();
    let app = world.app_with_table();
    app.execute_batch("INSERT INTO t (b) VALUES (randomblob(60000)); PRAGMA wal_checkpoint(truncate)")
        .unwrap();
    app.execute_batch("INSERT INTO t (b) VALUES (1)").unwrap();
    world.start();
    let then = world.replica.position;
    app.execute_batch("UPDATE t SET b = randomblob(50000) WHERE a = 1").unwrap();
    drop(app);
    world.session.run(SourceJob::Close).unwrap();
    std::fs::remove_file(world.beside("-shm")).unwrap();
    // Nothing says any more what of the log a checkpoint has copied.
    world.open();
    assert_eq!(world.survey(Some(span(then))).unwrap().as_of, None);
}

#[test]
fn span_that_is_no_commit_of_this_log_is_not_taken() {
    let mut world = World::new();
    let app = world.app_with_table();
    app.execute("INSERT INTO t (b) VALUES (randomblob(60000))", []).unwrap();
    world.start();
    let end = world.replica.position;
    app.execute("INSERT INTO t (b) VALUES (randomblob(60000))", []).unwrap();
    let right = span(end);
    let size = right.size();
    let wrong = [
        (32, size, Salts(1, 2)),
        (32, size, Salts(0, 0)),
        (32, size - 1, end.salts),
        (32, size - FRAME_BYTES, end.salts),
        (32, size + FRAME_BYTES * 1000, end.salts),
        (i64::MAX as u64, 0, end.salts),
        (1, 0, end.salts),
        (32, 0, end.salts),
    ];
    let wrong = wrong.map(|(offset, size, salts)| WalSpan::new(offset, size, salts).unwrap());
    for span in wrong {
        assert_eq!(world.survey(Some(span)).unwrap().as_of, None, "{span:?}");
    }
    assert!(world.survey(Some(right)).unwrap().as_of.is_some());
}

#[test]
fn survey_moves_the_anchor_to_the_newest_commit() {
    let mut world = World::new();
    let app = world.app_with_table();
    let opened = world.open();
    app.execute("INSERT INTO t (b) VALUES (1)", []).unwrap();
    let surveyed = world.survey(None).unwrap();
    assert!(surveyed.snapshot.end.frames > opened.snapshot.end.frames);
    // Everything can be copied: nothing holds the old end any more.
    let answer = world.session.run(SourceJob::Checkpoint(CheckpointMode::Passive)).unwrap();
    let SourceAnswer::Checkpointed(done) = answer else { panic!("{answer:?}") };
    assert_eq!(done.backfilled, Some(surveyed.snapshot.end.frames));
}
