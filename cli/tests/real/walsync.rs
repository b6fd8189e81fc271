//! The real binary, as a person or a service manager runs it.

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};
use tests::s3::{ACCESS_KEY, S3Server, SECRET_KEY};

/// Where and how `walsync` is run: one working directory, one store, one state directory.
pub(crate) struct Walsync {
    folder: PathBuf,
    store: String,
    endpoint: Option<String>,
}

/// A running `walsync watch`.
pub(crate) struct Daemon {
    process: Child,
    log: PathBuf,
}

impl Walsync {
    /// With a directory as the store.
    pub(crate) fn on_directory(folder: &Path) -> Walsync {
        let store = format!("file://{}", folder.join("store").display());
        Walsync { folder: folder.to_owned(), store, endpoint: None }
    }

    /// With the tests' S3 server as the store; its bucket is `backups`.
    pub(crate) fn on_s3(folder: &Path, server: &S3Server) -> Walsync {
        let store = "s3://backups/some/prefix".to_owned();
        Walsync { folder: folder.to_owned(), store, endpoint: Some(server.endpoint()) }
    }

    /// Starts to follow a database.
    pub(crate) fn watch(&self, database: &Path) -> Daemon {
        self.watch_with(database, &[])
    }

    /// Starts to follow a database, with more arguments.
    pub(crate) fn watch_with(&self, database: &Path, arguments: &[&str]) -> Daemon {
        let log = self.folder.join("watch.log");
        let file = std::fs::File::options().create(true).append(true).open(&log).unwrap();
        let mut command = self.command(&["watch", "-v"]);
        command.arg(database).args(arguments).stdin(Stdio::null()).stdout(Stdio::null()).stderr(file);
        Daemon { process: command.spawn().unwrap(), log }
    }

    /// Runs a one-shot command that must succeed, and gives its JSON document.
    pub(crate) fn json(&self, arguments: &[&str]) -> Value {
        let output = self.run(arguments);
        assert!(output.status.success(), "walsync {arguments:?}: {}", text(&output.stderr));
        serde_json::from_slice(&output.stdout).unwrap()
    }

    /// Runs a one-shot command under `--json`.
    pub(crate) fn run(&self, arguments: &[&str]) -> Output {
        self.command(arguments).arg("--json").stdin(Stdio::null()).output().unwrap()
    }

    /// The points of a database that restore now, oldest first; none if the store does not know it yet.
    pub(crate) fn points(&self, name: &str) -> Vec<String> {
        let output = self.run(&["list", name, "--points"]);
        if output.status.code() == Some(NO) {
            return Vec::new();
        }
        assert!(output.status.success(), "list: {}", text(&output.stderr));
        let document: Value = serde_json::from_slice(&output.stdout).unwrap();
        let points = document["points"].as_array().unwrap();
        points.iter().map(|point| point["txid"].as_str().unwrap().to_owned()).collect()
    }

    /// Waits until there are more points than that.
    pub(crate) fn await_points(&self, name: &str, more_than: usize, daemon: &mut Daemon) -> Vec<String> {
        let started = Instant::now();
        loop {
            let points = self.points(name);
            if points.len() > more_than {
                return points;
            }
            daemon.assert_running();
            assert!(started.elapsed() < PATIENCE, "{points:?} after {PATIENCE:?}:\n{}", daemon.log());
        }
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_walsync"));
        command.current_dir(&self.folder).env_clear().env("HOME", &self.folder);
        command.args(arguments).args(["--store", &self.store, "--state-dir", "state"]);
        if let Some(endpoint) = &self.endpoint {
            command.args(["--endpoint", endpoint, "--region", "us-east-1"]);
            command.env("AWS_ACCESS_KEY_ID", ACCESS_KEY).env("AWS_SECRET_ACCESS_KEY", SECRET_KEY);
        }
        // The application checkpoints; the daemon only when everything is quiet.
        command.env("WALSYNC_SYNC_CHECKPOINT_PAGES", "1000000");
        command.env("WALSYNC_SYNC_MAX_INTERVAL", "20ms");
        // On a machine that is busy with other things an end takes its time.
        command.env("WALSYNC_SYNC_SHUTDOWN_TIMEOUT", "60s");
        command
    }
}

impl Daemon {
    /// `kill -9`.
    pub(crate) fn kill(mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }

    /// SIGTERM: it must end by itself, with everything in the store.
    pub(crate) fn terminate(mut self) {
        self.signal(Signal::TERM);
        let status = self.process.wait().unwrap();
        assert!(status.success(), "{status}:\n{}", self.log());
    }

    /// Sends it a signal.
    pub(crate) fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.process), signal).unwrap();
    }

    /// What it said so far.
    pub(crate) fn log(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// How it ended, if it did.
    pub(crate) fn exit_code(&mut self) -> Option<i32> {
        self.process.try_wait().unwrap().map(|status| status.code().expect("it ends by itself"))
    }

    /// Fails with its log if it has ended.
    pub(crate) fn assert_running(&mut self) {
        assert!(self.process.try_wait().unwrap().is_none(), "the daemon ended:\n{}", self.log());
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        // Of a test that failed: whether it still ran does not matter.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// What a process printed.
pub(crate) fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// The exit code for "the answer is no".
const NO: i32 = 1;
/// Far beyond what a loaded machine needs: only a hang takes that long.
pub(crate) const PATIENCE: Duration = Duration::from_secs(120);
