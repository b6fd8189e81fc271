//! Memory, processor and requests of the daemon: one idle database, and one under full write load.

use super::daemon::{BUCKET, Daemon, Store};
use super::figure::mb;
use super::writer;
use std::time::{Duration, Instant};
use tests::s3::S3Server;

const IDLE: Duration = Duration::from_secs(60);
const LOAD: Duration = Duration::from_secs(20);

pub(crate) fn measure() {
    let folder = tempfile::tempdir().expect("a scratch folder");
    let database = folder.path().join("app.db");
    let server = S3Server::start(&[BUCKET]);
    let connection = writer::open(&database);
    for _ in 0..100 {
        writer::insert(&connection, 2000);
    }
    let store = Store::S3(&server);
    let daemon = Daemon::watch(&database, &store, &[]);
    while server.keys(BUCKET).len() < 3 {
        std::thread::sleep(Duration::from_millis(5));
    }
    // Its last look, its checkpoint of the idle log, its save.
    std::thread::sleep(Duration::from_secs(15));

    let (requests, cpu) = (server.count_all(), daemon.cpu_seconds());
    std::thread::sleep(IDLE);
    let (resident, peak) = daemon.resident_bytes();
    let share = (daemon.cpu_seconds() - cpu) / IDLE.as_secs_f64() * 100.0;
    println!(
        "idle for {} s: {:.1} MB resident (peak {:.1} MB), {} requests, {share:.3} % of a core",
        IDLE.as_secs(),
        mb(resident),
        mb(peak),
        server.count_all() - requests
    );

    let started = Instant::now();
    let mut rows = 0;
    while started.elapsed() < LOAD {
        connection.execute_batch("BEGIN").expect("a free connection");
        for _ in 0..50 {
            writer::insert(&connection, 1000);
        }
        connection.execute_batch("COMMIT").expect("nobody holds the lock for that long");
        rows += 50;
    }
    let (resident, peak) = daemon.resident_bytes();
    let per_second = rows as f64 / started.elapsed().as_secs_f64();
    println!(
        "under {per_second:.0} rows of 1000 bytes a second: {:.1} MB resident, peak {:.1} MB",
        mb(resident),
        mb(peak)
    );
    daemon.terminate();
}
