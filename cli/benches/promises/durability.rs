//! From the commit to the object in the store, with the in-process S3 server on loopback.
//!
//! Every commit makes the database longer by at least a page, so an object's page count tells which commits are in
//! it: a commit is durable when the first object with at least its page count is in the store.

use super::daemon::{BUCKET, Daemon, Store};
use super::figure::Durations;
use super::writer;
use engine::ltx::{HEADER_BYTES, Header};
use std::collections::VecDeque;
use std::path::Path;
use std::time::{Duration, Instant};
use tests::s3::S3Server;

pub(crate) fn measure() {
    sync_of_a_small_file();
    one("5ms", Duration::from_millis(7), 1500);
    one("1s", Duration::from_millis(10), 1500);
}

fn one(max_interval: &str, pause: Duration, commits: usize) {
    let folder = tempfile::tempdir().expect("a scratch folder");
    let database = folder.path().join("app.db");
    let server = S3Server::start(&[BUCKET]);
    let connection = writer::open(&database);
    let store = Store::S3(&server);
    let daemon = Daemon::watch(&database, &store, &[("WALSYNC_SYNC_MAX_INTERVAL", max_interval)]);
    let mut slots = Slots { server: &server, next: 2, pages: 0 };
    while !slots.poll() {
        std::thread::sleep(Duration::from_millis(1));
    }

    let mut waiting: VecDeque<(u32, Instant)> = VecDeque::new();
    let mut durations = Durations::default();
    let mut made = 0;
    let mut due = Instant::now();
    while durations.len() < commits {
        if made < commits && due <= Instant::now() {
            writer::insert(&connection, 5000);
            waiting.push_back((writer::pages(&connection), Instant::now()));
            made += 1;
            // Not in step with the daemon's intervals.
            due = Instant::now() + pause + Duration::from_micros((made as u64 * 7919) % 3000);
        }
        slots.poll();
        while waiting.front().is_some_and(|(pages, _)| *pages <= slots.pages) {
            durations.push(waiting.pop_front().expect("just seen").1.elapsed());
        }
        std::thread::sleep(Duration::from_micros(200));
    }
    println!("commit to object, max_interval {max_interval}: {durations}");
    drop(daemon);
}

/// The slots as they appear in the store.
struct Slots<'s> {
    server: &'s S3Server,
    next: u64,
    /// Pages of the database as of the newest.
    pages: u32,
}

impl Slots<'_> {
    /// Whether there was a new one.
    fn poll(&mut self) -> bool {
        let n = self.next;
        let Some(object) = self.server.object(BUCKET, &format!("app/0000/{n:016x}-{n:016x}.ltx")) else {
            return false;
        };
        let header = Header::decode(&object[..HEADER_BYTES]).expect("walsync's own object");
        self.pages = header.commit().into_inner();
        self.next += 1;
        true
    }
}

/// What the record before each slot costs at least on this disk: the sync of a small write.
fn sync_of_a_small_file() {
    let folder = tempfile::tempdir().expect("a scratch folder");
    let mut durations = Durations::default();
    let path = folder.path().join("record");
    std::fs::write(&path, [0; 8192]).expect("room on the disk");
    for n in 0..300_u64 {
        durations.push(sync_once(&path, n));
    }
    println!("fdatasync of a 4 KiB write on this disk: {durations}");
}

fn sync_once(path: &Path, n: u64) -> Duration {
    use std::os::unix::fs::FileExt as _;
    let file = std::fs::File::options().write(true).open(path).expect("written above");
    let started = Instant::now();
    file.write_all_at(&[n as u8; 4096], n % 2 * 4096)
        .and_then(|()| file.sync_data())
        .expect("a healthy disk");
    started.elapsed()
}
