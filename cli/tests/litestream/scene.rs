//! One database, one place, both tools; and the states of the source that both must give back.

use crate::litestream::{Litestream, Replication};
use crate::real::application::Application;
use crate::real::walsync::{Daemon, PATIENCE, Walsync, text};
use crate::source::image;
use serde_json::Value;
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Instant;
use tempfile::TempDir;
use tests::s3::{Operation, S3Server};

/// What a test plays in.
pub(crate) struct Scene {
    folder: TempDir,
    /// The store, if it is not a directory.
    server: Option<S3Server>,
    pub(crate) database: PathBuf,
    pub(crate) walsync: Walsync,
    pub(crate) litestream: Litestream,
    /// States of the source, by the TXID that they had in the place.
    states: BTreeMap<String, Vec<u8>>,
    restores: usize,
}

/// Whoever replicates at the moment.
pub(crate) enum Writer<'a> {
    Walsync(&'a mut Daemon),
    Litestream(&'a mut Replication),
}

/// How much a place holds, or how much came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Stock {
    pub(crate) objects: usize,
    pub(crate) snapshots: usize,
    pub(crate) bytes: u64,
}

impl Stock {
    /// What came since then; nothing went.
    pub(crate) fn since(self, before: Stock) -> Stock {
        Stock {
            objects: self.objects - before.objects,
            snapshots: self.snapshots - before.snapshots,
            bytes: self.bytes - before.bytes,
        }
    }
}

/// A point as `list --points` tells it.
struct Point {
    txid: String,
    timestamp: String,
}

impl Scene {
    pub(crate) fn in_a_directory() -> Scene {
        let folder = tempfile::tempdir().unwrap();
        let database = folder.path().join("app.db");
        let walsync = Walsync::on_directory(folder.path());
        let place = folder.path().join("store/app");
        let litestream = Litestream::on_directory(folder.path(), &database, &place);
        Scene { folder, server: None, database, walsync, litestream, states: BTreeMap::new(), restores: 0 }
    }

    pub(crate) fn on_s3() -> Scene {
        let folder = tempfile::tempdir().unwrap();
        let server = S3Server::start(&["backups"]);
        let database = folder.path().join("app.db");
        let walsync = Walsync::on_s3(folder.path(), &server);
        let litestream = Litestream::on_s3(folder.path(), &database, &server, "some/prefix/app");
        let states = BTreeMap::new();
        Scene { folder, server: Some(server), database, walsync, litestream, states, restores: 0 }
    }

    /// Starts the application. It leaves checkpoints to others: its SQLite may be one that loses commits when
    /// two processes checkpoint.
    pub(crate) fn application(&self, page_size: u32) -> Application {
        let mut application = Application::start(&self.database, page_size);
        application.run("leave_checkpoints", &[]);
        application
    }

    /// Starts walsync in a place whose newest slot is Litestream's, and waits until it is walsync's.
    pub(crate) fn take_over(&self, mode: &str) -> Daemon {
        let points = self.points().len();
        let mut daemon = self.walsync.watch_with(&self.database, &[mode]);
        self.walsync.await_points("app", points, &mut daemon);
        daemon
    }

    /// Waits until the place holds what the application has committed, and remembers that state.
    pub(crate) fn settle(&mut self, application: &mut Application, mut writer: Writer<'_>) {
        let started = Instant::now();
        loop {
            writer.sync();
            // Anew each time: Litestream writes to the database, too.
            let source = image(application, &self.database);
            if let Some(point) = self.points().pop() {
                let restored = self.restored_by_walsync(&["--txid", &point.txid]);
                if restored == source {
                    self.states.insert(point.txid, source);
                    return;
                }
            }
            writer.assert_running();
            let log = || writer.log();
            assert!(started.elapsed() < PATIENCE, "the place does not become the source\n{}", log());
        }
    }

    /// Asserts that both tools restore the newest state, which is the source's, and every point.
    pub(crate) fn assert_both_restore(&mut self) {
        let newest = self.points().pop().expect("something restores");
        let restored = self.restored_by_litestream(&[]);
        assert!(Some(&restored) == self.states.get(&newest.txid), "{} is not the source", newest.txid);
        self.assert_points_agree();
    }

    /// Asserts that both tools restore every point to the same bytes, by TXID and by time, and that the points
    /// whose state is known are that state.
    pub(crate) fn assert_points_agree(&mut self) {
        let points = self.points();
        let (by_walsync, by_litestream) = (self.restored_by_walsync(&[]), self.restored_by_litestream(&[]));
        assert!(by_walsync == by_litestream, "the newest state differs");
        for point in &points {
            let by_walsync = self.restored_by_walsync(&["--txid", &point.txid]);
            let by_litestream = self.restored_by_litestream(&["-txid", &point.txid]);
            assert!(by_walsync == by_litestream, "{} differs", point.txid);
            if let Some(state) = self.states.get(&point.txid) {
                assert!(by_walsync == *state, "{} is not the source", point.txid);
            }
        }
        for point in &points {
            // Litestream takes what is older than the time, walsync also what is as old.
            let by_walsync = self.restored_by_walsync(&["--timestamp", &point.timestamp]);
            let by_litestream = self.restored_by_litestream(&["-timestamp", &after(&point.timestamp)]);
            assert!(by_walsync == by_litestream, "{} differs", point.timestamp);
        }
    }

    /// How many of the remembered states still restore.
    pub(crate) fn known_points(&self) -> usize {
        self.points().iter().filter(|point| self.states.contains_key(&point.txid)).count()
    }

    /// The objects of the place: level, smallest and largest TXID.
    pub(crate) fn objects(&self) -> Vec<(u64, u64, u64)> {
        let listed = self.walsync.json(&["list", "app", "--points"]);
        let objects = listed["objects"].as_array().unwrap().iter();
        let txid = |value: &Value| u64::from_str_radix(value.as_str().unwrap(), 16).unwrap();
        objects
            .map(|object| {
                let level = object["level"].as_u64().unwrap();
                (level, txid(&object["min_txid"]), txid(&object["max_txid"]))
            })
            .collect()
    }

    /// What the place holds.
    pub(crate) fn stock(&self) -> Stock {
        let listed = self.walsync.json(&["list", "app", "--points"]);
        let objects = listed["objects"].as_array().unwrap();
        let bytes = objects.iter().map(|object| object["size_bytes"].as_u64().unwrap()).sum();
        let snapshots = objects.iter().filter(|object| object["level"] == 9).count();
        Stock { objects: objects.len(), snapshots, bytes }
    }

    /// How many snapshots the place has.
    pub(crate) fn images(&self) -> usize {
        self.objects().iter().filter(|(level, ..)| *level == 9).count()
    }

    /// How many objects went up in parts.
    pub(crate) fn uploads_in_parts(&self) -> usize {
        self.server.as_ref().map_or(0, |server| server.count(Operation::CompleteUpload))
    }

    fn points(&self) -> Vec<Point> {
        let run = self.walsync.run(&["list", "app", "--points"]);
        // Nothing there yet.
        if run.status.code() == Some(1) {
            return Vec::new();
        }
        assert!(run.status.success(), "walsync list: {}", text(&run.stderr));
        let listed: Value = serde_json::from_slice(&run.stdout).unwrap();
        let string = |value: &Value| value.as_str().unwrap().to_owned();
        let points = listed["points"].as_array().unwrap().iter();
        points
            .map(|point| Point { txid: string(&point["txid"]), timestamp: string(&point["timestamp"]) })
            .collect()
    }

    fn restored_by_walsync(&mut self, point: &[&str]) -> Vec<u8> {
        let output = self.output();
        let mut arguments = vec!["restore", "app", "-o", output.to_str().unwrap()];
        arguments.extend(point);
        self.walsync.json(&arguments);
        take(&output)
    }

    fn restored_by_litestream(&mut self, point: &[&str]) -> Vec<u8> {
        let output = self.output();
        self.litestream.restore(&output, point);
        take(&output)
    }

    fn output(&mut self) -> PathBuf {
        self.restores += 1;
        self.folder.path().join(format!("restored-{}.db", self.restores))
    }
}

impl Writer<'_> {
    /// walsync does so by itself.
    fn sync(&mut self) {
        if let Writer::Litestream(replication) = self {
            replication.sync();
        }
    }

    fn assert_running(&mut self) {
        match self {
            Writer::Walsync(daemon) => daemon.assert_running(),
            Writer::Litestream(replication) => replication.assert_running(),
        }
    }

    fn log(&self) -> String {
        match self {
            Writer::Walsync(daemon) => daemon.log(),
            Writer::Litestream(replication) => replication.log(),
        }
    }
}

fn take(file: &Path) -> Vec<u8> {
    let bytes = fs::read(file).unwrap();
    fs::remove_file(file).unwrap();
    bytes
}

/// The instant right after a time with milliseconds.
fn after(timestamp: &str) -> String {
    let (milliseconds, zone) = timestamp.split_at(timestamp.len() - 1);
    assert_eq!(zone, "Z");
    format!("{milliseconds}000001Z")
}
