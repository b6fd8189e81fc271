//! The directory in which it all happens, and this very program as a tool in it.

use crate::exit::{Failure, Kind};
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// Whether everything must end.
#[derive(Clone, Debug, Default)]
pub(crate) struct Stop(Arc<AtomicBool>);

impl Stop {
    pub(super) fn now(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    pub(super) fn is_now(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// A directory that goes away with it.
pub(super) struct Scratch {
    dir: TempDir,
    program: PathBuf,
    stop: Stop,
}

impl Scratch {
    pub(super) fn new(stop: Stop) -> Result<Scratch, Failure> {
        let dir = tempfile::Builder::new().prefix("walsync-demo-").tempdir();
        let dir = dir.map_err(|error| unusable("no scratch directory can be made").because(&error))?;
        let program = std::env::current_exe();
        let program = program.map_err(|error| unusable("this program cannot be found").because(&error))?;
        let scratch = Scratch { dir, program, stop };
        // A configuration of its own: whatever this machine has does not count.
        let configuration = "[store]\nurl = \"store\"\n[state]\ndir = \"state\"\n[sync]\nmax_interval = \"100ms\"\n\
                             [[databases]]\npath = \"app.db\"\n";
        let written = std::fs::write(scratch.path("walsync.toml"), configuration);
        written.map_err(|error| unusable("the scratch directory cannot be written to").because(&error))?;
        Ok(scratch)
    }

    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub(super) fn dir(&self) -> &Path {
        self.dir.path()
    }

    /// This program, to be run in the directory, with its log in a file there.
    pub(super) fn command(&self, arguments: &[&str], log: &str) -> Result<Command, Failure> {
        let log = File::options().create(true).append(true).open(self.path(log));
        let log = log.map_err(|error| unusable("no log can be written").because(&error))?;
        let mut command = Command::new(&self.program);
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("WALSYNC_") {
                command.env_remove(name);
            }
        }
        command.args(arguments).args(["--json", "--config", "walsync.toml"]).current_dir(self.dir());
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(log);
        Ok(command)
    }

    /// Runs a command of this program to its end and reads its JSON document.
    pub(super) fn run(&self, arguments: &[&str]) -> Result<serde_json::Value, Failure> {
        let shown = format!("walsync {}", arguments.join(" "));
        let output = self.command(arguments, "commands.log")?.output();
        let output = output.map_err(|error| unusable(format!("{shown}: cannot be run")).because(&error))?;
        if !output.status.success() {
            let failure = unusable(format!("{shown}: {}", output.status));
            return Err(failure.cause(self.last_line("commands.log")));
        }
        serde_json::from_slice(&output.stdout)
            .map_err(|error| Failure::new(Kind::Bug, format!("{shown}: no JSON")).because(&error))
    }

    /// Waits until something is so.
    pub(super) fn until(
        &self,
        what: &str,
        mut is_so: impl FnMut() -> Result<bool, Failure>,
    ) -> Result<(), Failure> {
        let began = Instant::now();
        while !is_so()? {
            if self.stop.is_now() {
                return Err(unusable("interrupted"));
            }
            if began.elapsed() > PATIENCE {
                let failure = unusable(format!("waited in vain until {what}"));
                return Err(failure.cause(self.last_line("watch.log")));
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        Ok(())
    }

    /// What a log said last.
    pub(super) fn last_line(&self, log: &str) -> String {
        let text = std::fs::read_to_string(self.path(log)).unwrap_or_default();
        text.lines().last().unwrap_or("the log is empty").to_owned()
    }
}

/// This machine does not allow the demo.
pub(super) fn unusable(what: impl Into<String>) -> Failure {
    Failure::new(Kind::Unavailable, what).hint("TMPDIR=/another/directory walsync demo")
}

/// No wait of the tour takes this long.
const PATIENCE: Duration = Duration::from_secs(10);
