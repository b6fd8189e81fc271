//! The real Litestream binary, as its users run it: with a configuration file, one database, one replica.

use crate::real::walsync::{PATIENCE, text};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::LazyLock;
use std::time::Instant;
use tests::s3::{ACCESS_KEY, S3Server, SECRET_KEY};

/// Litestream for one database and one place.
pub(crate) struct Litestream {
    folder: PathBuf,
    database: PathBuf,
    /// The part of its configuration that says where the place is.
    replica: String,
}

/// A running `litestream replicate`.
pub(crate) struct Replication {
    process: Child,
    database: PathBuf,
    socket: PathBuf,
    log: PathBuf,
}

/// How much it does by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Pace {
    /// It replicates, and nothing else: no checkpoint, and no compaction but at the start.
    Calm,
    /// Checkpoints often; compaction, snapshots and retention within seconds.
    Hurried,
}

impl Litestream {
    /// With a directory as the place.
    pub(crate) fn on_directory(folder: &Path, database: &Path, place: &Path) -> Litestream {
        let replica = format!("{{ type: file, path: '{}'", place.display());
        Litestream { folder: folder.to_owned(), database: database.to_owned(), replica }
    }

    /// With the tests' S3 server; the place is a prefix of its bucket `backups`.
    pub(crate) fn on_s3(folder: &Path, database: &Path, server: &S3Server, place: &str) -> Litestream {
        let replica = format!(
            "{{ type: s3, bucket: backups, path: '{place}', endpoint: '{}', region: us-east-1, \
             force-path-style: true",
            server.endpoint()
        );
        Litestream { folder: folder.to_owned(), database: database.to_owned(), replica }
    }

    /// Starts to replicate, and waits until it has begun.
    pub(crate) fn replicate(&self, pace: Pace) -> Replication {
        let log = self.folder.join("litestream.log");
        let file = fs::File::options().create(true).append(true).open(&log).unwrap();
        let mut command = command(&self.folder);
        command.args(["replicate", "-config"]).arg(self.configure(pace));
        command.stdin(Stdio::null()).stdout(file.try_clone().unwrap()).stderr(file);
        let (database, socket) = (self.database.clone(), self.socket());
        let mut replication = Replication { process: command.spawn().unwrap(), database, socket, log };
        replication.sync();
        replication
    }

    /// Restores a point, or the newest state, to a file that is not there yet.
    pub(crate) fn restore(&self, output: &Path, point: &[&str]) {
        let mut command = command(&self.folder);
        command.args(["restore", "-config"]).arg(self.configure(Pace::Calm)).args(point);
        let run = command.arg("-o").arg(output).arg(&self.database).output().unwrap();
        assert!(run.status.success(), "litestream restore {point:?}: {}", said(&run));
    }

    /// Has it forget what it knows of the database.
    pub(crate) fn reset(&self) {
        let mut command = command(&self.folder);
        command.args(["reset", "-config"]).arg(self.configure(Pace::Calm));
        let run = command.arg(&self.database).output().unwrap();
        assert!(run.status.success(), "litestream reset: {}", said(&run));
    }

    fn configure(&self, pace: Pace) -> PathBuf {
        let path = self.folder.join(format!("{pace:?}.yml"));
        let (periods, checkpoint_pages) = match pace {
            Pace::Calm => (CALM, 1_000_000),
            Pace::Hurried => (HURRIED, 50),
        };
        let (socket, database) = (self.socket(), &self.database);
        // It looks at the database when it is told to: never while the application, whose SQLite may be an old one,
        // writes. A checkpoint of a new one then could lose commits.
        let text = format!(
            "{periods}socket: {{ enabled: true, path: '{}' }}\ndbs:\n- path: '{}'\n  monitor-interval: 24h\n  \
             checkpoint-interval: 24h\n  min-checkpoint-page-count: {checkpoint_pages}\n  \
             replica: {}, sync-interval: 100ms }}\n",
            socket.display(),
            database.display(),
            self.replica
        );
        fs::write(&path, text).unwrap();
        path
    }

    fn socket(&self) -> PathBuf {
        self.folder.join("litestream.sock")
    }
}

impl Replication {
    /// Has everything that is committed replicated.
    pub(crate) fn sync(&mut self) {
        let started = Instant::now();
        loop {
            let folder = self.log.parent().unwrap();
            let mut command = command(folder);
            command.args(["sync", "-wait", "-json", "-socket"]).arg(&self.socket).arg(&self.database);
            let run = command.output().unwrap();
            let synced = run.status.success().then(|| serde_json::from_slice::<Value>(&run.stdout).unwrap());
            if synced.is_some_and(|synced| synced["txid"] == synced["replica_txid"] && synced["txid"] != 0) {
                return;
            }
            self.assert_running();
            let log = || self.log();
            assert!(started.elapsed() < PATIENCE, "litestream does not sync: {}\n{}", said(&run), log());
        }
    }

    /// SIGTERM: it must end by itself, with everything in the place.
    pub(crate) fn stop(mut self) {
        kill_process(Pid::from_child(&self.process), Signal::TERM).unwrap();
        let status = self.process.wait().unwrap();
        assert!(status.success(), "{status}:\n{}", self.log());
    }

    /// Fails with its log if it has ended.
    pub(crate) fn assert_running(&mut self) {
        assert!(self.process.try_wait().unwrap().is_none(), "litestream ended:\n{}", self.log());
    }

    /// What it said so far.
    pub(crate) fn log(&self) -> String {
        fs::read_to_string(&self.log).unwrap_or_default()
    }
}

impl Drop for Replication {
    fn drop(&mut self) {
        // Of a test that failed: whether it still ran does not matter.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn command(folder: &Path) -> Command {
    let binary = BINARY.as_ref().unwrap_or_else(|why| panic!("{why}"));
    let mut command = Command::new(binary);
    command.current_dir(folder).env_clear().env("HOME", folder);
    command.env("AWS_ACCESS_KEY_ID", ACCESS_KEY).env("AWS_SECRET_ACCESS_KEY", SECRET_KEY);
    command
}

fn said(run: &Output) -> String {
    format!("{}{}", text(&run.stdout), text(&run.stderr))
}

/// The binary, of the version that walsync promises to work with.
static BINARY: LazyLock<Result<PathBuf, String>> = LazyLock::new(|| {
    let Some(binary) = std::env::var_os("LITESTREAM_BIN") else {
        let why =
            "LITESTREAM_BIN is not set: `./test` installs Litestream 0.5.17 into target/tools and sets it";
        return Err(why.to_owned());
    };
    let run = Command::new(&binary).arg("version").output();
    let version = run.map_err(|error| format!("LITESTREAM_BIN {}: {error}", binary.display()))?;
    match text(&version.stdout).trim() {
        "0.5.17" => Ok(binary.into()),
        other => Err(format!("LITESTREAM_BIN is version {other:?}, not 0.5.17, which `./test` installs")),
    }
});

const CALM: &str = "levels: [{ interval: 24h }]\n";
const HURRIED: &str = "levels: [{ interval: 1s }, { interval: 2s }]\n\
    snapshot: { interval: 2s, retention: 3s }\n\
    l0-retention: 1s\n\
    l0-retention-check-interval: 500ms\n";
