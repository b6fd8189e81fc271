//! Restoring 1 GiB, an image and a thousand increments, beside copying the finished file on the same disk.

use super::daemon::{Daemon, Store, run};
use super::figure::mb;
use super::writer;
use std::path::Path;
use std::time::{Duration, Instant};

const DATABASE_BYTES: u64 = 1 << 30;
const INCREMENTS: usize = 1000;
const ROUNDS: usize = 3;

pub(crate) fn measure() {
    let folder = tempfile::tempdir().expect("a scratch folder");
    let database = folder.path().join("app.db");
    let store = Store::Directory(folder.path().join("store"));
    let connection = writer::open(&database);
    fill(&connection);

    let daemon = Daemon::watch(&database, &store, &[("WALSYNC_SYNC_MAX_INTERVAL", "1ms")]);
    let slots = folder.path().join("store/app/ltx/0");
    let count = || std::fs::read_dir(&slots).map_or(0, Iterator::count);
    while count() == 0 {
        std::thread::sleep(Duration::from_millis(50));
    }
    let before = count();
    while count() < before + INCREMENTS {
        connection
            .execute("UPDATE t SET b = randomblob(3000) WHERE a % 997 = ?1", [count() as i64 % 997])
            .expect("nobody holds the lock for that long");
    }
    daemon.terminate();
    drop(connection);

    let output = folder.path().join("restored.db");
    for _ in 0..ROUNDS {
        let started = Instant::now();
        let peak = run(&database, &store, &["restore", "app", "-o", "restored.db", "--force"]);
        let restored = started.elapsed();
        let bytes = std::fs::metadata(&output).expect("restored").len();
        let copied = copy_and_sync(&output, &folder.path().join("copy.db"));
        let rate = |elapsed: Duration| mb(bytes) / elapsed.as_secs_f64();
        println!(
            "restore of {:.0} MB, {} objects: {:.0} MB/s, peak {:.0} MB; cp and fsync {:.0} MB/s; {:.2} times cp",
            mb(bytes),
            count() + 1,
            rate(restored),
            mb(peak),
            rate(copied),
            restored.as_secs_f64() / copied.as_secs_f64()
        );
    }
}

/// Rows that compress about as text does: half of each is random.
fn fill(connection: &rusqlite::Connection) {
    let page_bytes: u64 = 4096;
    while u64::from(writer::pages(connection)) * page_bytes < DATABASE_BYTES {
        connection
            .execute_batch(
                "BEGIN;
                 WITH RECURSIVE n (i) AS (VALUES (1) UNION ALL SELECT i + 1 FROM n WHERE i < 5000)
                 INSERT INTO t (b) SELECT CAST(randomblob(1500) || hex(zeroblob(750)) AS BLOB) FROM n;
                 COMMIT; PRAGMA wal_checkpoint(TRUNCATE)",
            )
            .expect("room on the disk");
    }
}

fn copy_and_sync(from: &Path, to: &Path) -> Duration {
    let started = Instant::now();
    std::fs::copy(from, to).expect("room on the disk");
    std::fs::File::open(to).and_then(|file| file.sync_all()).expect("a healthy disk");
    let elapsed = started.elapsed();
    std::fs::remove_file(to).expect("just written");
    elapsed
}
