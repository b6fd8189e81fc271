//! The binary under test, in a directory of its own.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
#![allow(dead_code, reason = "not every test program uses all of it")]

use rusqlite::Connection;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use std::ffi::OsStr;
use std::io::{BufRead as _, BufReader, Read as _, Seek as _, SeekFrom, Write as _};
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;
use tempfile::TempDir;
use tests::s3::{ACCESS_KEY, S3Server, SECRET_KEY};

/// A directory with databases, a store in `store` and the state in `state`.
pub(crate) struct World {
    dir: TempDir,
}

impl World {
    pub(crate) fn new() -> World {
        World { dir: TempDir::new().unwrap() }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// A new database in WAL mode with the table `t`.
    pub(crate) fn database(&self, name: &str) -> Connection {
        let connection = Connection::open(self.path(name)).unwrap();
        connection.busy_timeout(Duration::from_secs(30)).unwrap();
        connection.execute_batch("PRAGMA journal_mode = WAL; CREATE TABLE t(x)").unwrap();
        connection
    }

    /// Flips one bit of a page of 4096 bytes; no time of the file tells.
    pub(crate) fn flip_bit(&self, name: &str, pgno: u64) {
        let mut file = std::fs::File::options().read(true).write(true).open(self.path(name)).unwrap();
        let modified = file.metadata().unwrap().modified().unwrap();
        let (at, mut byte) = (SeekFrom::Start((pgno - 1) * 4096 + 500), [0]);
        file.seek(at).unwrap();
        file.read_exact(&mut byte).unwrap();
        byte[0] ^= 4;
        file.seek(at).unwrap();
        file.write_all(&byte).unwrap();
        file.set_modified(modified).unwrap();
    }

    /// The names of the files in a folder, sorted.
    pub(crate) fn objects(&self, folder: &str) -> Vec<String> {
        let entries = std::fs::read_dir(self.path(folder)).unwrap();
        let mut names: Vec<String> =
            entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    pub(crate) fn watch(&self, databases: &[&str]) -> Run {
        self.watch_with(databases, &[])
    }

    /// Starts `watch --json`.
    pub(crate) fn watch_with(&self, databases: &[&str], environment: &[(&str, &str)]) -> Run {
        let mut command = self.command(&["watch", "--json"]);
        command.args(databases).envs(environment.iter().copied());
        command.stdout(Stdio::piped()).stderr(Stdio::null());
        Run::start(command)
    }

    /// Starts `watch --json` with any arguments, on a server or in the directory; what it logs is in `log`.
    pub(crate) fn start(
        &self,
        server: Option<&S3Server>,
        arguments: &[&str],
        environment: &[(&str, &str)],
        log: &str,
    ) -> Run {
        let arguments = [&["watch", "--json"], arguments].concat();
        let mut command = match server {
            Some(server) => self.command_on_s3(server, "bucket", &arguments),
            None => self.command(&arguments),
        };
        command.envs(environment.iter().copied());
        let file = std::fs::File::options().create(true).append(true).open(self.path(log)).unwrap();
        command.stdout(Stdio::piped()).stderr(file);
        Run::start(command)
    }

    /// Starts any command, its output into a file.
    pub(crate) fn spawn(&self, arguments: &[&str], out: &str) -> Child {
        let file = std::fs::File::create(self.path(out)).unwrap();
        self.command(arguments).stdout(file).stderr(Stdio::null()).spawn().unwrap()
    }

    /// The text of a file.
    pub(crate) fn text(&self, name: &str) -> String {
        std::fs::read_to_string(self.path(name)).unwrap_or_default()
    }

    pub(crate) fn once(&self, arguments: &[&str]) -> Output {
        let mut all = vec!["watch", "--once"];
        all.extend(arguments);
        self.run(&all)
    }

    pub(crate) fn run(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().unwrap()
    }

    /// `watch` with a store on an S3 server.
    pub(crate) fn s3(
        &self,
        server: &S3Server,
        bucket: &str,
        arguments: &[&str],
        environment: &[(&str, &str)],
    ) -> Output {
        self.run_on_s3(server, bucket, &[&["watch"], arguments].concat(), environment)
    }

    /// The same with any command.
    pub(crate) fn run_on_s3(
        &self,
        server: &S3Server,
        bucket: &str,
        arguments: &[&str],
        environment: &[(&str, &str)],
    ) -> Output {
        self.command_on_s3(server, bucket, arguments).envs(environment.iter().copied()).output().unwrap()
    }

    /// Starts any command there.
    pub(crate) fn start_on_s3(&self, server: &S3Server, bucket: &str, arguments: &[&str]) -> Child {
        let mut command = self.command_on_s3(server, bucket, arguments);
        command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
    }

    fn command_on_s3(&self, server: &S3Server, bucket: &str, arguments: &[&str]) -> Command {
        let mut command = self.command(arguments);
        command.env("WALSYNC_STORE", format!("s3://{bucket}"));
        command.env("AWS_ENDPOINT_URL", server.endpoint());
        command.env("AWS_ACCESS_KEY_ID", ACCESS_KEY).env("AWS_SECRET_ACCESS_KEY", SECRET_KEY);
        command
    }

    fn command<A: AsRef<OsStr>>(&self, arguments: &[A]) -> Command {
        // Another user may not reach the build directory: `.ci/system` puts a copy elsewhere.
        let binary = std::env::var_os("WALSYNC_BIN").unwrap_or(env!("CARGO_BIN_EXE_walsync").into());
        let mut command = Command::new(binary);
        command.args(arguments).current_dir(self.dir.path()).env_clear();
        command.env("WALSYNC_STORE", self.path("store")).env("WALSYNC_STATE_DIR", self.path("state"));
        command.stdin(Stdio::null());
        command
    }
}

/// A running `watch --json`. Killed when dropped.
pub(crate) struct Run {
    child: Child,
    lines: Receiver<String>,
}

/// Longer than any of these tests needs on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

impl Run {
    fn start(mut command: Command) -> Run {
        let mut child = command.spawn().unwrap();
        let out = BufReader::new(child.stdout.take().unwrap());
        let (sender, lines) = channel();
        std::thread::spawn(move || out.lines().map_while(Result::ok).try_for_each(|line| sender.send(line)));
        Run { child, lines }
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Waits for an event.
    pub(crate) fn until(&mut self, event: &str, wanted: impl Fn(&Value) -> bool) -> Value {
        let mut seen = Vec::new();
        loop {
            let Ok(line) = self.lines.recv_timeout(PATIENCE) else {
                panic!("no `{event}` as wanted among {seen:#?}")
            };
            let line: Value = serde_json::from_str(&line).unwrap();
            if line["event"] == event && wanted(&line) {
                return line;
            }
            seen.push(line);
        }
    }

    pub(crate) fn signal(&self, signal: Signal) {
        let pid = Pid::from_raw(i32::try_from(self.pid()).unwrap()).unwrap();
        kill_process(pid, signal).unwrap();
    }

    pub(crate) fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    pub(crate) fn exit_code(&mut self) -> i32 {
        self.child.wait().unwrap().code().unwrap()
    }
}

impl Drop for Run {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

pub(crate) fn exit_code(output: &Output) -> i32 {
    output.status.code().unwrap()
}

pub(crate) fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}
