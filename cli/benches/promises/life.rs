//! What a replica of 500 MB stores beside its first image, and what the daemon's memory is while levels are made of much.

use super::daemon::{BUCKET, Daemon, Store};
use super::figure::mb;
use super::writer::{self, ROW_BYTES};
use rusqlite::Connection;
use std::time::{Duration, Instant};
use tests::s3::{Operation, S3Server};

const ROWS: usize = 500;
/// How long rows are written over.
const BUSY: Duration = Duration::from_secs(60);
/// Levels are made by then.
const LEVELS: &str = "2s,8s,24s";
const SETTLED: Duration = Duration::from_secs(30);

pub(crate) fn measure() {
    let folder = tempfile::tempdir().expect("a scratch folder");
    let database = folder.path().join("app.db");
    let server = S3Server::start(&[BUCKET]);
    let connection = writer::open_with(&database, ROWS);
    let store = Store::S3(&server);
    let settings = [("WALSYNC_COMPACTION_LEVELS", LEVELS), ("WALSYNC_SNAPSHOTS_ON_STARTUP", "false")];
    let daemon = Daemon::watch(&database, &store, &settings);
    while stored(&server).iter().all(|(_, bytes)| *bytes < ROW_BYTES) {
        std::thread::sleep(Duration::from_millis(50));
    }
    let image = stored(&server).iter().map(|(_, bytes)| *bytes).max().expect("an image is there");

    // A few small commits, so that each level has something to do.
    for _ in 0..20 {
        let _ = writer::insert(&connection, 1000);
        std::thread::sleep(Duration::from_secs(2));
    }
    std::thread::sleep(SETTLED);
    tell("a fresh replica, its levels made", &server, image, &daemon);
    server.clear_log();
    std::thread::sleep(SETTLED);
    println!("requests in {} s without a commit: {}", SETTLED.as_secs(), server.count_all());

    let started = Instant::now();
    let mut row = 0;
    while started.elapsed() < BUSY {
        write_over(&connection, row);
        row = (row + 7) % ROWS;
        std::thread::sleep(Duration::from_millis(100));
    }
    std::thread::sleep(SETTLED);
    tell("after a minute of rows written over", &server, image, &daemon);
    println!("objects read back: {} GET", server.count(Operation::GetObject));
    daemon.terminate();
}

fn write_over(connection: &Connection, row: usize) {
    let mut update =
        connection.prepare_cached("UPDATE t SET b = randomblob(?1) WHERE a = ?2").expect("legal");
    update.execute([ROW_BYTES as i64, row as i64 + 1]).expect("nobody holds the lock for that long");
}

/// Keys and their sizes in bytes.
fn stored(server: &S3Server) -> Vec<(String, usize)> {
    let keys = server.keys(BUCKET).into_iter();
    keys.filter_map(|key| server.object(BUCKET, &key).map(|bytes| (key, bytes.len()))).collect()
}

fn tell(when: &str, server: &S3Server, image: usize, daemon: &Daemon) {
    let objects = stored(server);
    let all: usize = objects.iter().map(|(_, bytes)| *bytes).sum();
    let (now, peak) = daemon.resident_bytes();
    println!(
        "{when}: {:.0} MB stored, {:.2} times the first image of {:.0} MB; memory {:.0} MB, {:.0} MB at most",
        mb(all as u64),
        all as f64 / image as f64,
        mb(image as u64),
        mb(now),
        mb(peak)
    );
    for level in 0..=9 {
        let folder = format!("/000{level}/");
        let of_level: Vec<usize> =
            objects.iter().filter(|(key, _)| key.contains(&folder)).map(|(_, bytes)| *bytes).collect();
        if !of_level.is_empty() {
            let bytes: usize = of_level.iter().sum();
            println!("  level {level}: {} objects, {:.1} MB", of_level.len(), mb(bytes as u64));
        }
    }
}
