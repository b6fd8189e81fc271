//! What killed lives left in the store, and credentials that may not do everything: replication goes on, and says what
//! it could not do. The real program against an S3 server whose clock and answers are scripted.
#![allow(clippy::unwrap_used, missing_docs, reason = "a failing test is the report")]

#[path = "real/mod.rs"]
mod real;

use engine::store::Attributes;
use io_real::store::{Secret, StoreOptions, StoreUrl, open};
use real::walsync::{Daemon, PATIENCE, Walsync, text};
use rusqlite::Connection;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use tempfile::TempDir;
use tests::s3::{ACCESS_KEY, Fault, Operation, Rule, S3Server, SECRET_KEY};

struct World {
    folder: TempDir,
    server: S3Server,
    walsync: Walsync,
}

impl World {
    fn new() -> World {
        let folder = tempfile::tempdir().unwrap();
        let server = S3Server::start(&["backups"]);
        let walsync = Walsync::on_s3(folder.path(), &server);
        World { folder, server, walsync }
    }

    fn database(&self, name: &str) -> (PathBuf, Connection) {
        let path = self.folder.path().join(name);
        let connection = Connection::open(&path).unwrap();
        connection.busy_timeout(Duration::from_secs(30)).unwrap();
        connection.execute_batch("PRAGMA journal_mode = WAL; CREATE TABLE t(x)").unwrap();
        (path, connection)
    }

    /// Begins an upload in parts below `some/prefix/`, as a life that was killed leaves it.
    fn begin_upload(&self, key: &str) {
        let options = StoreOptions {
            endpoint: Some(self.server.endpoint()),
            region: Some("us-east-1".to_owned()),
            access_key_id: Some(ACCESS_KEY.to_owned()),
            secret_access_key: Some(Secret::new(SECRET_KEY)),
            ..StoreOptions::default()
        };
        let store = open(&StoreUrl::parse("s3://backups/some/prefix").unwrap(), &options).unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let mut upload = store.upload(key, &Attributes::default()).await.unwrap();
            upload.part("part".into()).await.unwrap();
            std::mem::forget(upload);
        });
    }

    fn unfinished(&self) -> Vec<String> {
        let mut keys = self.server.unfinished_uploads();
        keys.sort();
        keys.iter().map(|key| key.strip_prefix("some/prefix/").unwrap().to_owned()).collect()
    }

    /// Waits until the daemon has said this.
    fn until_said(&self, daemon: &mut Daemon, what: &str) {
        self.until(daemon, |daemon| daemon.log().contains(what));
    }

    fn until(&self, daemon: &mut Daemon, is_so: impl Fn(&Daemon) -> bool) {
        let started = Instant::now();
        while !is_so(daemon) {
            daemon.assert_running();
            assert!(started.elapsed() < PATIENCE, "{}", daemon.log());
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// What is committed now reaches the store.
    fn assert_goes_on(&self, daemon: &mut Daemon, writer: &Connection) {
        let points = self.walsync.points("app").len();
        writer.execute_batch("INSERT INTO t VALUES (1)").unwrap();
        self.walsync.await_points("app", points, daemon);
    }
}

const DAY: Duration = Duration::from_secs(24 * 3600);
/// How a failure to sweep is told.
const STAYS: &str = "unfinished uploads of earlier lives stay in the store";

#[test]
fn a_start_ends_what_this_place_left_unfinished_for_a_day_by_the_stores_clock() {
    let world = World::new();
    let (path, writer) = world.database("app.db");
    for key in [
        "app/0000/0000000000000009-0000000000000009.ltx",
        "app/0009/0000000000000001-0000000000000009.ltx",
        // Places whose names begin alike, or lie inside; and the prefix's own.
        "app2/0009/0000000000000001-0000000000000009.ltx",
        "app/inner/0009/0000000000000001-0000000000000009.ltx",
        "0009/0000000000000001-0000000000000009.ltx",
    ] {
        world.begin_upload(key);
    }
    world.server.advance_clock(DAY + Duration::from_secs(60));
    // Somebody is at it.
    world.begin_upload("app/0000/0000000000000010-0000000000000010.ltx");
    let mut daemon = world.walsync.watch(&path);
    let left = [
        "0009/0000000000000001-0000000000000009.ltx",
        "app/0000/0000000000000010-0000000000000010.ltx",
        "app/inner/0009/0000000000000001-0000000000000009.ltx",
        "app2/0009/0000000000000001-0000000000000009.ltx",
    ];
    world.until(&mut daemon, |_| world.unfinished().len() <= left.len());
    world.assert_goes_on(&mut daemon, &writer);
    daemon.terminate();
    assert_eq!(world.unfinished(), left);
}

#[test]
fn cleanup_ends_what_the_place_left_unfinished_and_a_dry_run_does_not() {
    let world = World::new();
    let (path, _writer) = world.database("app.db");
    let mut daemon = world.walsync.watch(&path);
    world.walsync.await_points("app", 0, &mut daemon);
    daemon.terminate();
    world.begin_upload("app/0009/0000000000000001-0000000000000009.ltx");
    world.server.advance_clock(DAY + Duration::from_secs(60));
    let unfinished = || world.unfinished().iter().filter(|key| key.starts_with("app/")).count();
    assert_eq!(unfinished(), 1);
    let dry = world.walsync.run(&["cleanup", "app", "--dry-run"]);
    assert_eq!((dry.status.code(), unfinished()), (Some(0), 1), "{}", text(&dry.stderr));
    let done = world.walsync.run(&["cleanup", "app"]);
    assert_eq!((done.status.code(), unfinished()), (Some(0), 0), "{}", text(&done.stderr));

    // That it may not be done keeps nothing from being cleaned up.
    world.server.inject(Rule::on(Operation::ListUploads, Fault::DENIED).always());
    let done = world.walsync.run(&["cleanup", "app"]);
    assert_eq!(done.status.code(), Some(0), "{}", text(&done.stderr));
    assert!(text(&done.stderr).contains(STAYS), "{}", text(&done.stderr));
}

#[test]
fn without_the_right_to_list_uploads_it_is_said_once_and_replication_goes_on() {
    let world = World::new();
    let (path, writer) = world.database("app.db");
    let (other, _other_writer) = world.database("other.db");
    world.server.inject(Rule::on(Operation::ListUploads, Fault::DENIED).always());
    let mut daemon = world.walsync.watch_with(&path, &[other.to_str().unwrap()]);
    world.until_said(&mut daemon, STAYS);
    world.until(&mut daemon, |_| world.server.count(Operation::ListUploads) == 2);
    world.assert_goes_on(&mut daemon, &writer);
    world.walsync.await_points("other", 0, &mut daemon);
    let log = daemon.log();
    daemon.terminate();
    assert_eq!(log.matches(STAYS).count(), 1, "{log}");
    assert!(log.contains("AccessDenied") || log.contains("scripted"), "{log}");
}

#[test]
fn without_the_right_to_end_uploads_it_is_said_once_and_replication_goes_on() {
    let world = World::new();
    let (path, writer) = world.database("app.db");
    for n in 1..4 {
        world.begin_upload(&format!("app/0000/000000000000000{n}-000000000000000{n}.ltx"));
    }
    world.server.advance_clock(DAY + Duration::from_secs(60));
    world.server.inject(Rule::on(Operation::AbortUpload, Fault::DENIED).always());
    let mut daemon = world.walsync.watch(&path);
    world.until_said(&mut daemon, STAYS);
    world.assert_goes_on(&mut daemon, &writer);
    let log = daemon.log();
    daemon.terminate();
    // Beside those of the place stays what the question about conditional writes had begun.
    let of_the_place = world.unfinished().iter().filter(|key| key.starts_with("app/")).count();
    assert_eq!((log.matches(STAYS).count(), of_the_place), (1, 3), "{log}");
}

/// One that cannot be ended for another reason keeps no other from it.
#[test]
fn an_upload_that_cannot_be_ended_keeps_no_other_from_it() {
    let world = World::new();
    let (path, _writer) = world.database("app.db");
    for n in 1..4 {
        world.begin_upload(&format!("app/0000/000000000000000{n}-000000000000000{n}.ltx"));
    }
    world.server.advance_clock(DAY + Duration::from_secs(60));
    let broken = Fault::Refuse { status: 500, code: "InternalError", retry_after_s: None };
    world.server.inject(Rule::on(Operation::AbortUpload, broken).for_keys(|key| key.contains("1-")));
    let mut daemon = world.walsync.watch(&path);
    world.until_said(&mut daemon, STAYS);
    daemon.terminate();
    assert_eq!(world.unfinished(), ["app/0000/0000000000000001-0000000000000001.ltx"]);
}

/// What is read back of an object of a level may be 100 GB: an end does not wait for it.
#[test]
fn an_end_does_not_wait_for_what_is_only_read() {
    let world = World::new();
    let (path, writer) = world.database("app.db");
    std::fs::write(world.folder.path().join("walsync.toml"), "[compaction]\nlevels = [\"1s\"]\n").unwrap();
    // Longer than any request may take.
    let hangs = Fault::Delay(Duration::from_secs(3600));
    let is_read = Arc::new(AtomicBool::new(false));
    let rule = Rule::on(Operation::GetObject, hangs).for_keys({
        let is_read = is_read.clone();
        move |key| {
            key.contains("/0001/") && {
                is_read.store(true, Ordering::SeqCst);
                true
            }
        }
    });
    world.server.inject(rule.always());
    let mut daemon = world.walsync.watch_with(&path, &["--config", "walsync.toml"]);
    world.until_said(&mut daemon, "following");
    writer.execute_batch("INSERT INTO t VALUES (1)").unwrap();
    world.until(&mut daemon, |_| is_read.load(Ordering::SeqCst));
    let asked = Instant::now();
    daemon.terminate();
    assert!(asked.elapsed() < Duration::from_secs(20), "{:?}", asked.elapsed());
}

#[test]
fn credentials_that_may_not_delete_replicate() {
    let world = World::new();
    let (path, writer) = world.database("app.db");
    for operation in [Operation::DeleteObject, Operation::DeleteObjects, Operation::AbortUpload] {
        world.server.inject(Rule::on(operation, Fault::DENIED).always());
    }
    let mut daemon = world.walsync.watch(&path);
    world.assert_goes_on(&mut daemon, &writer);
    daemon.terminate();
    let restored = world.folder.path().join("restored.db");
    world.walsync.json(&["restore", "app", "-o", restored.to_str().unwrap()]);
    assert_eq!(std::fs::read(restored).unwrap(), std::fs::read(path).unwrap());
}

/// Whose the newest object is decides who may write: without a listing nobody knows.
#[test]
fn without_the_right_to_list_objects_nothing_is_written_and_it_is_said_why() {
    let world = World::new();
    let (path, writer) = world.database("app.db");
    world.server.inject(Rule::on(Operation::ListObjects, Fault::DENIED).always());
    let run = world.walsync.run(&["watch", "--once", path.to_str().unwrap()]);
    let said = text(&run.stderr);
    assert_eq!(run.status.code(), Some(3), "{said}");
    assert!(said.contains("access was refused") && said.contains("app/"), "{said}");
    assert!(world.server.keys("backups").is_empty(), "{:?}", world.server.keys("backups"));

    // The daemon says so and waits for the right.
    let mut daemon = world.walsync.watch(&path);
    world.until_said(&mut daemon, "AccessDenied");
    world.server.clear_faults();
    world.walsync.await_points("app", 0, &mut daemon);
    world.assert_goes_on(&mut daemon, &writer);
    daemon.terminate();
}
