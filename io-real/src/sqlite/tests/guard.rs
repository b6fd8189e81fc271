//! Between looks no checkpoint of the application waits for us in vain.

use super::world::World;
use crate::sqlite::connection::lock_of;
use crate::sqlite::raw::{FileHandle, ShmLock, shm_lock};
use crate::sqlite::wal_index::{MARK_NOT_USED, WalIndex};
use engine::replicate::HandOver;
use rusqlite::Connection;

/// The reader slots that a checkpoint could have for itself now, besides slot 0.
fn free_slots(app: &Connection) -> Vec<usize> {
    let free = |slot: &usize| {
        let lock = lock_of(*slot);
        let had = shm_lock(app, lock, ShmLock::Exclude).unwrap();
        if had {
            shm_lock(app, lock, ShmLock::Readmit).unwrap();
        }
        had
    };
    (1..5).filter(free).collect()
}

/// (busy, frames in the log, frames in the database)
fn checkpoint(app: &Connection, mode: &str) -> (i64, i64, i64) {
    let sql = format!("PRAGMA wal_checkpoint({mode})");
    app.query_row(&sql, [], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?))).unwrap()
}

/// A checkpoint that read the mark of a slot a moment too early waits for the slot, whatever is in it now.
#[test]
fn every_slot_that_readers_use_is_let_go_after_a_look() {
    let mut world = World::new();
    let app = world.app_with_table();
    world.start();
    let pinned = free_slots(&app);
    assert_eq!(pinned.len(), 3, "the pin of the survey holds one");
    for n in 0..6 {
        if n % 2 == 0 {
            app.execute("INSERT INTO t (b) VALUES (1)", []).unwrap();
        }
        assert!(world.look().handed_over);
        let at_rest = free_slots(&app);
        assert!(
            (1..5).all(|slot| pinned.contains(&slot) || at_rest.contains(&slot)),
            "{pinned:?} {at_rest:?}"
        );
    }
}

#[test]
fn the_log_is_copied_but_not_restarted_at_rest() {
    let mut world = World::new();
    let app = world.app_with_table();
    world.start();
    app.execute("INSERT INTO t (b) VALUES (1)", []).unwrap();
    world.look();
    world.look();
    let salts = world.replica.position.salts;
    let (busy, frames, backfilled) = checkpoint(&app, "restart");
    assert!(busy == 1 && frames == backfilled, "busy {busy}, {backfilled} of {frames}");
    app.execute("INSERT INTO t (b) VALUES (2)", []).unwrap();
    app.execute("INSERT INTO t (b) VALUES (3)", []).unwrap();
    assert!(world.look().tail.is_some());
    assert_eq!(world.replica.position.salts, salts);
    world.assert_same();
}

#[test]
fn the_next_look_lets_a_truncating_checkpoint_through() {
    let mut world = World::new();
    let app = world.app_with_table();
    world.start();
    app.execute("INSERT INTO t (b) VALUES (1)", []).unwrap();
    world.look();
    world.look();
    assert_eq!(checkpoint(&app, "truncate").0, 1);
    world.look();
    assert_eq!(checkpoint(&app, "truncate"), (0, 0, 0));
    app.execute("INSERT INTO t (b) VALUES (2)", []).unwrap();
    world.look();
    world.assert_same();
}

#[test]
fn a_transaction_beyond_the_budget_after_a_rest_is_read_whole() {
    let mut world = World::new();
    let app = world.app_with_table();
    world.start();
    app.execute("INSERT INTO t (b) VALUES (1)", []).unwrap();
    world.look();
    world.look();
    app.execute_batch(
        "WITH RECURSIVE n (i) AS (VALUES (1) UNION ALL SELECT i + 1 FROM n WHERE i < 60)
         INSERT INTO t (b) SELECT randomblob(9000) FROM n",
    )
    .unwrap();
    app.execute("INSERT INTO t (b) VALUES (2)", []).unwrap();
    // The helper reads the frames through an object and compares.
    assert!(!world.try_look(50_000, HandOver::Allowed).unwrap().handed_over);
    assert!(world.try_look(50_000, HandOver::Allowed).unwrap().handed_over);
    world.assert_same();
}

#[test]
fn every_slot_taken_by_readers_leaves_the_pin() {
    let mut world = World::new();
    let app = world.app_with_table();
    world.start();
    // Readers at different ends of the log: each has a slot with a mark of its own.
    let readers: Vec<Connection> = (0..5)
        .map(|n| {
            app.execute("INSERT INTO t (b) VALUES (?1)", [n]).unwrap();
            let reader = world.app();
            reader.execute_batch("BEGIN; SELECT count(*) FROM t").unwrap();
            world.look();
            reader
        })
        .collect();
    for _ in 0..3 {
        assert!(world.look().handed_over);
    }
    app.execute("INSERT INTO t (b) VALUES (9)", []).unwrap();
    world.look();
    world.assert_same();
    drop(readers);
}

fn marks(app: &Connection) -> [u32; 5] {
    app.execute_batch("BEGIN; SELECT count(*) FROM t").unwrap();
    let index = WalIndex::read(&FileHandle::database(app).unwrap()).unwrap().unwrap();
    app.execute_batch("COMMIT").unwrap();
    index.marks
}

#[test]
fn readers_that_are_gone_and_have_left_no_slot_unused_keep_no_checkpoint_waiting() {
    let mut world = World::new();
    let app = world.app_with_table();
    let readers: Vec<Connection> = (0..4)
        .map(|n| {
            app.execute("INSERT INTO t (b) VALUES (?1)", [n]).unwrap();
            let reader = world.app();
            reader.execute_batch("BEGIN; SELECT count(*) FROM t").unwrap();
            reader
        })
        .collect();
    drop(readers);
    world.start();
    app.execute("INSERT INTO t (b) VALUES (4)", []).unwrap();
    world.look();
    let marks = marks(&app);
    assert!(marks[1..].iter().all(|mark| *mark != MARK_NOT_USED), "{marks:?}");
    let newest = (1..5).max_by_key(|slot| marks[*slot]).unwrap();
    let taken = |app: &Connection| (1..5).filter(|slot| !free_slots(app).contains(slot)).collect::<Vec<_>>();
    let first = taken(&app);
    assert!(first.len() == 1 && first != [newest], "{first:?} of {marks:?}");
    for _ in 0..4 {
        world.look();
    }
    let second = taken(&app);
    assert!(second.len() == 1 && second != first && second != [newest], "{second:?} of {marks:?}");
    std::thread::scope(|scope| {
        let full = scope.spawn(move || {
            app.busy_timeout(std::time::Duration::from_secs(10)).unwrap();
            checkpoint(&app, "full").0
        });
        while !full.is_finished() {
            world.look();
            std::thread::sleep(std::time::Duration::from_millis(50));
        }
        assert_eq!(full.join().unwrap(), 0, "busy for ten seconds");
    });
    world.assert_same();
}
