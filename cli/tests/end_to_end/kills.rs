//! The daemon is killed every few seconds beside a busy application, and started again: nothing is lost, and every
//! point between is a state that was.
//!
//! 30 s for each store, and `WALSYNC_TEST_KILL_SECONDS` for longer runs. The application lives in this process and
//! has SQLite 3.51.3 or newer: with several connections that checkpoint, an older one loses commits by itself.

use crate::real::database::{assert_same_pages, rows_of_sound_database};
use crate::real::walsync::{Daemon, Walsync};
use rusqlite::{Connection, ErrorCode};
use serde_json::json;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::{Duration, Instant};
use tests::s3::S3Server;

#[test]
fn nothing_is_lost_to_kills_in_a_directory() {
    let folder = tempfile::tempdir().unwrap();
    kill_again_and_again(&Walsync::on_directory(folder.path()), folder.path());
}

#[test]
fn nothing_is_lost_to_kills_on_s3() {
    let (folder, server) = (tempfile::tempdir().unwrap(), S3Server::start(&["backups"]));
    kill_again_and_again(&Walsync::on_s3(folder.path(), &server), folder.path());
}

fn kill_again_and_again(walsync: &Walsync, folder: &Path) {
    let source = folder.join("app.db");
    open(&source)
        .execute_batch(
            "CREATE TABLE log (id INTEGER PRIMARY KEY, b); CREATE TABLE t (a INTEGER PRIMARY KEY, b)",
        )
        .unwrap();
    let ended = AtomicBool::new(false);
    let (kills, busy) = (AtomicU32::new(0), AtomicU32::new(0));
    std::thread::scope(|scope| {
        // A failure anywhere ends the others.
        let application = [
            scope.spawn(|| until(&ended, || append(&source, &ended))),
            scope.spawn(|| until(&ended, || change(&source, &ended))),
            scope.spawn(|| until(&ended, || read(&source, &ended))),
            scope.spawn(|| until(&ended, || read(&source, &ended))),
            scope.spawn(|| until(&ended, || checkpoint(&source, &ended, &busy))),
        ];
        let killing = scope.spawn(|| until(&ended, || kill(walsync, &source, &ended, &kills)));
        let started = Instant::now();
        while started.elapsed() < duration() && !ended.load(Ordering::Relaxed) {
            std::thread::sleep(Duration::from_millis(50));
        }
        ended.store(true, Ordering::Relaxed);
        for thread in application.into_iter().chain([killing]) {
            let log = std::fs::read_to_string(folder.join("watch.log")).unwrap_or_default();
            assert!(thread.join().is_ok(), "a thread failed; the daemons said:\n{log}");
        }
    });

    let mut daemon = walsync.watch(&source);
    walsync.await_points("app", 0, &mut daemon);
    daemon.terminate();
    let report = walsync.json(&["restore", "app", "-o", "copy.db", "--verify", "full"]);
    assert_same_pages(&source, &folder.join("copy.db"), 4096);
    let rows = rows_of_sound_database(&folder.join("copy.db"));
    let points = walsync.points("app");
    assert_eq!(json!(points.last()), report["txid"]);
    states_between(walsync, folder, &points, rows);
    let kills = kills.into_inner();
    let wanted = u32::try_from(duration().as_secs() / 5).unwrap();
    assert!(kills >= wanted, "only {kills} kills: this proves little");
    eprintln!(
        "{kills} kills, {} points, {rows} rows, {} checkpoints answered busy",
        points.len(),
        busy.into_inner()
    );
}

/// Points from the whole run: each is sound, and none goes back.
fn states_between(walsync: &Walsync, folder: &Path, points: &[String], rows: i64) {
    let mut rows_before = 0;
    for index in (0..POINTS_RESTORED).map(|n| n * (points.len() - 1) / POINTS_RESTORED) {
        let name = format!("at-{index}.db");
        walsync.json(&["restore", "app", "-o", &name, "--txid", &points[index]]);
        let rows_then = rows_of_sound_database(&folder.join(&name));
        assert!((rows_before..=rows).contains(&rows_then), "{rows_then} rows at {}", points[index]);
        rows_before = rows_then;
        std::fs::remove_file(folder.join(&name)).unwrap();
    }
}

/// Starts the daemon, lets it live for 0.2 to 4 seconds, kills it; now and then it ends in order.
fn kill(walsync: &Walsync, source: &Path, ended: &AtomicBool, kills: &AtomicU32) {
    let mut dice = Dice(7);
    while !ended.load(Ordering::Relaxed) {
        let daemon: Daemon = walsync.watch(source);
        let life = Duration::from_millis(200 + dice.roll(3800));
        let born = Instant::now();
        while born.elapsed() < life && !ended.load(Ordering::Relaxed) {
            std::thread::sleep(Duration::from_millis(20));
        }
        if dice.roll(10) == 0 {
            daemon.terminate();
        } else {
            daemon.kill();
            kills.fetch_add(1, Ordering::Relaxed);
        }
    }
}

/// One row after the other, without a gap.
fn append(source: &Path, ended: &AtomicBool) {
    let (app, mut dice) = (open(source), Dice(1));
    while !ended.load(Ordering::Relaxed) {
        let bytes = [20, 300, 5000][dice.roll(3) as usize];
        let started = Instant::now();
        let done = app.execute("INSERT INTO log (b) VALUES (randomblob(?1))", [bytes]);
        assert!(done.is_ok(), "{done:?} after {:?}", started.elapsed());
        std::thread::sleep(Duration::from_millis(dice.roll(4)));
    }
}

/// Growth, shrinking, rollbacks and VACUUM.
fn change(source: &Path, ended: &AtomicBool) {
    let (app, mut dice) = (open(source), Dice(2));
    while !ended.load(Ordering::Relaxed) {
        let sql = match dice.roll(12) {
            0..=4 => "INSERT INTO t (b) SELECT randomblob(2000) FROM (VALUES (1), (2), (3), (4), (5), (6))",
            5..=6 => "UPDATE t SET b = randomblob(900) WHERE a % 7 = 3",
            7 => "BEGIN IMMEDIATE; UPDATE t SET b = randomblob(900) WHERE a % 3 = 1; ROLLBACK",
            8 => "DELETE FROM t WHERE a % 2 = 0",
            9 => "INSERT INTO t (b) VALUES (randomblob(400000))",
            10 => "DELETE FROM t WHERE length(b) > 100000",
            _ => "VACUUM",
        };
        match app.execute_batch(sql) {
            Err(e) if e.sqlite_error_code() == Some(ErrorCode::DatabaseBusy) => {}
            done => done.unwrap(),
        }
        std::thread::sleep(Duration::from_millis(dice.roll(30)));
    }
}

/// Read transactions that last for a while.
fn read(source: &Path, ended: &AtomicBool) {
    let (app, mut dice) = (open(source), Dice(3));
    while !ended.load(Ordering::Relaxed) {
        app.execute_batch("BEGIN").unwrap();
        // Quick, however long the table: what a reader takes for its work is no pause.
        let newest =
            || app.query_row("SELECT coalesce(max(id), 0) FROM log", [], |row| row.get::<_, i64>(0)).unwrap();
        let before = newest();
        std::thread::sleep(Duration::from_millis(dice.roll(60)));
        assert_eq!(newest(), before, "a reader keeps its snapshot");
        app.execute_batch("COMMIT").unwrap();
        // Readers without a pause hand a slot to each other, and can hold up a checkpoint for ever by themselves.
        std::thread::sleep(Duration::from_millis(5 + dice.roll(20)));
    }
}

/// Checkpoints of every mode.
fn checkpoint(source: &Path, ended: &AtomicBool, busy: &AtomicU32) {
    let (app, mut dice) = (open(source), Dice(4));
    while !ended.load(Ordering::Relaxed) {
        let mode = ["PASSIVE", "FULL", "RESTART", "TRUNCATE"][dice.roll(4) as usize];
        let sql = format!("PRAGMA wal_checkpoint({mode})");
        let answer = app.query_row(&sql, [], |row| row.get::<_, i64>(0)).unwrap();
        busy.fetch_add(answer as u32, Ordering::Relaxed);
        std::thread::sleep(Duration::from_millis(dice.roll(400)));
    }
}

fn open(source: &Path) -> Connection {
    let app = Connection::open(source).unwrap();
    app.busy_timeout(Duration::from_secs(20)).unwrap();
    app.execute_batch("PRAGMA journal_mode = wal; PRAGMA synchronous = normal").unwrap();
    app
}

/// Runs `work`; if it fails, everybody ends.
fn until(ended: &AtomicBool, work: impl FnOnce()) {
    struct End<'e>(&'e AtomicBool);
    impl Drop for End<'_> {
        fn drop(&mut self) {
            self.0.store(true, Ordering::Relaxed);
        }
    }
    let _end = End(ended);
    work();
}

fn duration() -> Duration {
    let told = std::env::var("WALSYNC_TEST_KILL_SECONDS").ok();
    Duration::from_secs(told.map_or(30, |seconds| seconds.parse().expect("a number of seconds")))
}

/// Numbers that vary and are the same in every run.
struct Dice(u64);

impl Dice {
    /// Below `sides`.
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % sides
    }
}

const POINTS_RESTORED: usize = 12;
