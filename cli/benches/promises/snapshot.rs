//! How long commits take while a snapshot of a database of 260 MB is made, beside a writer and three readers, and what the
//! daemon's memory is.

use super::daemon::{BUCKET, Daemon, Store};
use super::figure::{Durations, mb};
use super::writer;
use rusqlite::Connection;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};
use tests::s3::S3Server;

const ROWS: usize = 260;
/// Snapshots that follow each other.
const SNAPSHOTS: usize = 8;

pub(crate) fn measure() {
    let without = one("24h", 0);
    let with = one("1s", SNAPSHOTS);
    let ratio = |percent| {
        let [with, without] = [&with, &without].map(|all| all.percentile(percent).as_secs_f64());
        with / without
    };
    println!("during by without: p50 {:.2} times, p99 {:.2} times (goal 2)", ratio(50), ratio(99));
}

/// Durations of commits, of those while snapshots were made where `snapshots` are waited for.
fn one(interval: &str, snapshots: usize) -> Durations {
    let folder = tempfile::tempdir().expect("a scratch folder");
    let database = folder.path().join("app.db");
    let server = S3Server::start(&[BUCKET]);
    let connection = writer::open_with(&database, ROWS);
    let store = Store::S3(&server);
    let daemon = Daemon::watch(&database, &store, &[("WALSYNC_SNAPSHOTS_INTERVAL", interval)]);
    while server.keys(BUCKET).len() < 3 {
        std::thread::sleep(Duration::from_millis(5));
    }
    let (_, first_image) = daemon.resident_bytes();
    let images = || server.keys(BUCKET).iter().filter(|key| key.contains("/0009/")).count();
    let (ended, reads) = (AtomicBool::new(false), AtomicUsize::new(0));
    let (mut waits, started, before) = (Durations::default(), Instant::now(), images());
    std::thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| read(&database, &ended, &reads));
        }
        while images() < before + snapshots || snapshots == 0 && started.elapsed() < QUIET {
            waits.push(writer::insert(&connection, 500));
            std::thread::sleep(Duration::from_millis(2));
        }
        ended.store(true, Ordering::Relaxed);
    });
    let seconds = started.elapsed().as_secs_f64();
    let (_, peak) = daemon.resident_bytes();
    daemon.terminate();
    println!(
        "snapshots.interval {interval}: {snapshots} snapshots in {seconds:.1} s; commits {waits}; {} reads; memory {:.0} MB, {:.0} MB with the first image",
        reads.into_inner(),
        mb(peak),
        mb(first_image)
    );
    waits
}

/// Short read transactions.
fn read(database: &Path, ended: &AtomicBool, reads: &AtomicUsize) {
    let connection = Connection::open(database).expect("it is there");
    while !ended.load(Ordering::Relaxed) {
        let mut newest = connection.prepare_cached("SELECT max(a) FROM t").expect("legal");
        let _: Option<i64> = newest.query_row([], |row| row.get(0)).expect("readers never wait");
        reads.fetch_add(1, Ordering::Relaxed);
        std::thread::sleep(Duration::from_millis(3));
    }
}

/// So long commits are measured without snapshots.
const QUIET: Duration = Duration::from_secs(20);
