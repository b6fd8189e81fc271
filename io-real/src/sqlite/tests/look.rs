use super::world::{World, image};
use engine::replicate::{HandOver, SourceAnswer, SourceError, SourceJob, TailPlace};
use engine::types::{FrameChecksum, Pgno};
use rusqlite::Connection;

#[test]
fn nothing_new_is_no_tail_and_moves_the_anchor() {
    let mut world = World::new();
    let _app = world.app_with_table();
    world.start();
    let looked = world.look();
    assert_eq!(looked.tail, None);
    assert!(looked.handed_over);
    assert_eq!(looked.snapshot.end, world.replica.position);
    assert_eq!(looked.wal_bytes, std::fs::metadata(world.beside("-wal")).unwrap().len());
}

#[test]
fn only_committed_frames_are_read() {
    let mut world = World::new();
    let app = world.app_with_table();
    world.start();
    // A small cache spills the open transaction into the log.
    app.execute_batch("PRAGMA cache_size = 2; BEGIN").unwrap();
    app.execute_batch("INSERT INTO t (b) SELECT randomblob(9000) FROM (VALUES (1), (2), (3), (4), (5), (6))")
        .unwrap();
    let open = world.look();
    let measured = world.session.run(SourceJob::Measure).unwrap();
    assert!(
        matches!(measured, SourceAnswer::Measured(log) if log.wal_bytes == open.wal_bytes),
        "{measured:?}"
    );
    assert!(open.wal_bytes > 32 + 4120 * 4 && open.tail.is_none(), "{open:?}");
    app.execute_batch("COMMIT").unwrap();
    assert!(world.look().tail.is_some());
    world.assert_same();
}

#[test]
fn tail_is_cut_at_a_commit_and_the_anchor_stays() {
    let mut world = World::new();
    let app = world.app_with_table();
    world.start();
    let mut images = Vec::new();
    for _ in 0..6 {
        app.execute("INSERT INTO t (b) VALUES (randomblob(9000))", []).unwrap();
        images.push(image(&app));
    }
    let mut looks = 0;
    loop {
        let looked = world.try_look(40_000, HandOver::Allowed).unwrap();
        let Some(tail) = looked.tail else { break };
        let bytes = tail.pages.len() * 4096;
        assert!(bytes <= 40_000, "{bytes} bytes");
        assert!(tail.pages.values().all(|page| matches!(page.place, TailPlace::Memory(_))));
        assert_eq!(looked.handed_over, tail.end == looked.snapshot.end);
        assert!(images.contains(&world.replica.pages), "not as after any commit");
        looks += 1;
    }
    assert!(looks > 2, "{looks} looks");
    world.assert_same();
}

#[test]
fn transaction_beyond_the_budget_is_given_as_frames() {
    let mut world = World::new();
    let app = world.app_with_table();
    world.start();
    app.execute_batch(
        "WITH RECURSIVE n (i) AS (VALUES (1) UNION ALL SELECT i + 1 FROM n WHERE i < 200)
         INSERT INTO t (b) SELECT randomblob(9000) FROM n",
    )
    .unwrap();
    app.execute("INSERT INTO t (b) VALUES (1)", []).unwrap();
    // The helper reads the frames through an object and compares.
    let looked = world.try_look(50_000, HandOver::Allowed).unwrap();
    let tail = looked.tail.unwrap();
    assert!(!looked.handed_over && tail.pages.len() > 400);
    assert!(tail.pages.values().all(|page| matches!(page.place, TailPlace::Frame(_))));
    assert!(tail.end.frames < looked.snapshot.end.frames, "only the transaction that does not fit");
    assert!(world.try_look(50_000, HandOver::Allowed).unwrap().handed_over);
    world.assert_same();
}

#[test]
fn look_without_hand_over_keeps_the_anchor() {
    let mut world = World::new();
    let app = world.app_with_table();
    world.start();
    app.execute("INSERT INTO t (b) VALUES (1)", []).unwrap();
    assert!(!world.try_look(u64::MAX, HandOver::Never).unwrap().handed_over);
    // The anchor still holds the log: it cannot be emptied, nor can it be restarted.
    let (busy, log): (i64, i64) =
        app.query_row("PRAGMA wal_checkpoint(truncate)", [], |row| Ok((row.get(0)?, row.get(1)?))).unwrap();
    assert!(busy == 1 && log > 0);
    assert!(world.look().handed_over);
    world.assert_same();
}

#[test]
fn another_chain_at_the_position_is_a_bad_frame() {
    let mut world = World::new();
    let app = world.app_with_table();
    world.start();
    let right = world.replica.position;
    world.replica.position.checksum = FrameChecksum(1, 2);
    assert!(matches!(world.try_look(u64::MAX, HandOver::Allowed), Err(SourceError::BadFrame { .. })));
    app.execute("INSERT INTO t (b) VALUES (1)", []).unwrap();
    assert!(matches!(world.try_look(u64::MAX, HandOver::Allowed), Err(SourceError::BadFrame { .. })));
    world.replica.position.frames = right.frames + 100;
    assert!(matches!(world.try_look(u64::MAX, HandOver::Allowed), Err(SourceError::BadFrame { .. })));
    world.replica.position = right;
    world.look();
    world.assert_same();
}

#[test]
fn foreign_truncate_needs_two_hand_overs() {
    let mut world = World::new();
    let app = world.app_with_table();
    app.execute("INSERT INTO t (b) VALUES (1)", []).unwrap();
    world.start();
    app.execute("INSERT INTO t (b) VALUES (2)", []).unwrap();
    let truncate = || -> (i64, i64, i64) {
        app.query_row("PRAGMA wal_checkpoint(truncate)", [], |row| {
            Ok((row.get(0)?, row.get(1)?, row.get(2)?))
        })
        .unwrap()
    };
    // Without waiting, each try gets as far as the pin lets it: to the anchor, to the end, through.
    let (busy, log, copied) = truncate();
    assert!(busy == 1 && copied < log);
    assert!(!world.look().backfilled);
    let (busy, log, copied) = truncate();
    assert!(busy == 1 && copied == log);
    world.look();
    assert_eq!(truncate(), (0, 0, 0));
    // Another generation, and nothing in it.
    let looked = world.look();
    assert!(looked.tail.is_none() && looked.handed_over && looked.snapshot.end.frames == 0);
    app.execute("INSERT INTO t (b) VALUES (3)", []).unwrap();
    assert_eq!(world.look().tail.unwrap().start.frames, 0);
    world.assert_same();
}

#[test]
fn waiting_truncate_gets_through_while_we_hand_over() {
    let mut world = World::new();
    let app = world.app_with_table();
    world.start();
    app.execute("INSERT INTO t (b) VALUES (2)", []).unwrap();
    let waiting = world.app();
    waiting.busy_timeout(std::time::Duration::from_secs(60)).unwrap();
    let done = std::thread::spawn(move || {
        waiting.query_row("PRAGMA wal_checkpoint(truncate)", [], |row| row.get::<_, i64>(0)).unwrap()
    });
    while !done.is_finished() {
        match world.try_look(u64::MAX, HandOver::Allowed) {
            Ok(_) | Err(SourceError::Busy) => std::thread::yield_now(),
            Err(e) => panic!("{e:?}"),
        }
    }
    assert_eq!(done.join().unwrap(), 0);
    assert_eq!(std::fs::metadata(world.beside("-wal")).unwrap().len(), 0);
}

#[test]
fn backfilled_is_said_only_of_what_two_looks_saw() {
    let mut world = World::new();
    let app = world.app_with_table();
    world.start();
    app.execute("INSERT INTO t (b) VALUES (2)", []).unwrap();
    assert!(!world.look().backfilled);
    app.execute_batch("PRAGMA wal_checkpoint(passive)").unwrap();
    assert!(!world.look().backfilled);
    assert!(world.look().backfilled);
    app.execute("INSERT INTO t (b) VALUES (3)", []).unwrap();
    assert!(!world.look().backfilled);
}

/// Only writes through `sqlite_dbpage`, as `sqlite3_rsync` does them, leave new pages out of the log.
fn grow_without_frames(app: &Connection, to: u32) {
    let mut first: Vec<u8> =
        app.query_row("SELECT data FROM sqlite_dbpage WHERE pgno = 1", [], |row| row.get(0)).unwrap();
    first[28..32].copy_from_slice(&to.to_be_bytes());
    let page = vec![7; first.len()];
    app.execute_batch("BEGIN IMMEDIATE").unwrap();
    app.execute("INSERT INTO sqlite_dbpage (pgno, data) VALUES (?1, ?2)", (to, page)).unwrap();
    app.execute("UPDATE sqlite_dbpage SET data = ?1 WHERE pgno = 1", [first]).unwrap();
    app.execute_batch("COMMIT").unwrap();
}

#[test]
fn new_pages_without_frames_are_read_as_sqlite_reads_them() {
    // Where SQLite finds them: in older frames of the same log, in the database file (which has those frames
    // and is longer than the database), or nowhere.
    for (place, cut) in [("log", false), ("log", true), ("file", false), ("file", true), ("nowhere", false)] {
        let mut world = World::new();
        let app = world.app_with_table();
        app.execute("INSERT INTO t (b) VALUES (randomblob(60000))", []).unwrap();
        world.start();
        if place == "file" {
            app.execute_batch("PRAGMA wal_checkpoint(passive)").unwrap();
        }
        app.execute_batch("DELETE FROM t; VACUUM").unwrap();
        world.look();
        if place == "nowhere" {
            app.execute_batch("PRAGMA wal_checkpoint(passive)").unwrap();
            world.look();
        }
        let small = world.replica.pages.len() as u32;
        grow_without_frames(&app, small + 9);
        if cut {
            app.execute("INSERT INTO t (b) VALUES (randomblob(9000))", []).unwrap();
        }
        let expected = if cut { None } else { Some(image(&app)) };
        let looked = world.try_look(if cut { 3 * 4096 } else { u64::MAX }, HandOver::Allowed).unwrap();
        let tail = looked.tail.unwrap();
        assert_eq!(cut, tail.end != looked.snapshot.end, "{place}");
        assert_eq!(tail.commit, small + 9);
        assert!((small + 1..=small + 9).all(|n| tail.pages.contains_key(&Pgno::new(n).unwrap())));
        if let Some(expected) = expected {
            assert!(expected == world.replica.pages, "{place}");
            let found = expected[small as usize..].iter().any(|page| page.iter().any(|b| *b != 0 && *b != 7));
            assert_eq!(found, place != "nowhere", "the case is not what it says");
        }
        while !world.look().handed_over {}
        world.assert_same();
    }
}

/// A checkpoint leaves out the pages beyond the end of a shrunk database, and counts their frames as copied. When
/// the database grows back over them, SQLite reads what the file had before those frames.
#[test]
fn pages_cut_off_and_regained_in_one_look_are_read_again() {
    let mut world = World::new();
    let app = world.app_with_table();
    app.execute("INSERT INTO t (b) VALUES (randomblob(60000))", []).unwrap();
    app.execute_batch("PRAGMA wal_checkpoint(truncate); UPDATE t SET b = randomblob(60000)").unwrap();
    world.start();
    let (pages, before) = (world.replica.pages.len() as u32, world.replica.pages.clone());
    app.execute_batch("DELETE FROM t; VACUUM; PRAGMA wal_checkpoint(passive)").unwrap();
    grow_without_frames(&app, pages);
    world.look();
    world.assert_same();
    let changed = world.replica.pages.iter().zip(&before).skip(4).filter(|(now, then)| now != then);
    assert!(changed.count() > 5, "the case is not what it says");
}

#[test]
fn new_pages_beyond_the_budget_stay_where_they_are() {
    let mut world = World::new();
    let app = world.app_with_table();
    app.execute("INSERT INTO t (b) VALUES (randomblob(60000))", []).unwrap();
    world.start();
    app.execute_batch("DELETE FROM t; VACUUM").unwrap();
    world.look();
    grow_without_frames(&app, world.replica.pages.len() as u32 + 9);
    let looked = world.try_look(3 * 4096, HandOver::Allowed).unwrap();
    let places: Vec<_> = looked.tail.unwrap().pages.into_values().map(|page| page.place).collect();
    assert!(places.iter().any(|place| matches!(place, TailPlace::Memory(_))));
    assert!(places.iter().any(|place| !matches!(place, TailPlace::Memory(_))));
    assert!(!looked.handed_over);
    world.assert_same();
}

#[test]
fn look_after_close_is_an_error_and_opening_again_works() {
    let mut world = World::new();
    let app = world.app_with_table();
    world.start();
    world.session.run(SourceJob::Close).unwrap();
    assert!(matches!(world.try_look(0, HandOver::Allowed), Err(SourceError::Io(_))));
    app.execute("INSERT INTO t (b) VALUES (1)", []).unwrap();
    world.start();
    world.assert_same();
}
