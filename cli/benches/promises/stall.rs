//! How long the application's own checkpoints wait, beside a writer and three readers.

use super::daemon::{BUCKET, Daemon, Store};
use super::figure::Durations;
use super::writer;
use rusqlite::Connection;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};
use tests::s3::S3Server;

const CHECKPOINTS: usize = 60;
const MODES: [&str; 4] = ["PASSIVE", "FULL", "RESTART", "TRUNCATE"];

pub(crate) fn measure() {
    for (max_interval, with_daemon) in [("1s", true), ("10s", true), ("1s", false)] {
        one("TRUNCATE", max_interval, with_daemon, CHECKPOINTS);
    }
    for mode in MODES {
        one(mode, "1s", true, CHECKPOINTS / 4);
    }
}

fn one(mode: &str, max_interval: &str, with_daemon: bool, checkpoints: usize) {
    let folder = tempfile::tempdir().expect("a scratch folder");
    let database = folder.path().join("app.db");
    let server = S3Server::start(&[BUCKET]);
    let connection = writer::open(&database);
    let store = Store::S3(&server);
    let settings = [("WALSYNC_SYNC_MAX_INTERVAL", max_interval)];
    let daemon = with_daemon.then(|| Daemon::watch(&database, &store, &settings));
    while with_daemon && server.keys(BUCKET).len() < 3 {
        std::thread::sleep(Duration::from_millis(5));
    }
    let (ended, commits, mut longest) = (AtomicBool::new(false), AtomicUsize::new(0), Duration::ZERO);
    let mut waits = Durations::default();
    let mut busy = 0;
    std::thread::scope(|scope| {
        let writing = scope.spawn(|| write(&connection_to(&database), &ended, &commits));
        for _ in 0..3 {
            scope.spawn(|| read(&connection_to(&database), &ended));
        }
        for _ in 0..checkpoints {
            std::thread::sleep(Duration::from_secs(1));
            let started = Instant::now();
            busy += usize::from(checkpoint(&connection, mode));
            waits.push(started.elapsed());
        }
        ended.store(true, Ordering::Relaxed);
        longest = writing.join().expect("the writer does not panic");
    });
    drop(daemon);
    let beside =
        if with_daemon { format!("walsync, max_interval {max_interval}") } else { "nobody".to_owned() };
    let (commits, longest_ms) = (commits.into_inner(), longest.as_secs_f64() * 1000.0);
    println!(
        "wal_checkpoint({mode}) beside {beside}: {waits}, {busy} busy; longest of {commits} commits {longest_ms:.0} ms"
    );
}

fn connection_to(database: &Path) -> Connection {
    let connection = writer::open(database);
    connection.execute_batch("PRAGMA wal_autocheckpoint = 0").expect("an open connection");
    connection
}

fn checkpoint(connection: &Connection, mode: &str) -> bool {
    let sql = format!("PRAGMA wal_checkpoint({mode})");
    let busy: i64 = connection.query_row(&sql, [], |row| row.get(0)).expect("a healthy database");
    busy != 0
}

/// Commits every few milliseconds; the longest that one took.
fn write(connection: &Connection, ended: &AtomicBool, commits: &AtomicUsize) -> Duration {
    let mut longest = Duration::ZERO;
    while !ended.load(Ordering::Relaxed) {
        longest = longest.max(writer::insert(connection, 500));
        commits.fetch_add(1, Ordering::Relaxed);
        std::thread::sleep(Duration::from_millis(2));
    }
    longest
}

/// Short read transactions.
fn read(connection: &Connection, ended: &AtomicBool) {
    while !ended.load(Ordering::Relaxed) {
        let mut newest = connection.prepare_cached("SELECT max(a) FROM t").expect("legal");
        let _: Option<i64> = newest.query_row([], |row| row.get(0)).expect("readers never wait");
        std::thread::sleep(Duration::from_millis(3));
    }
}
