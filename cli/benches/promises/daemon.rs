//! The real binary beside a database: started, watched, stopped.

use rustix::process::{Pid, Signal, kill_process};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use tests::s3::{ACCESS_KEY, S3Server, SECRET_KEY};

/// Where it replicates to.
pub(crate) enum Store<'s> {
    S3(&'s S3Server),
    Directory(PathBuf),
}

/// The bucket of the in-process server.
pub(crate) const BUCKET: &str = "backups";

/// A running `walsync watch`; killed when dropped.
pub(crate) struct Daemon {
    process: Child,
}

impl Daemon {
    /// Starts to follow a database with these settings (`WALSYNC_<SECTION>_<KEY>`).
    pub(crate) fn watch(database: &Path, store: &Store<'_>, settings: &[(&str, &str)]) -> Daemon {
        let mut command = command(database, store);
        command.arg("watch").arg(database).args(store_arguments(store));
        command.envs(settings.iter().copied()).stdin(Stdio::null()).stdout(Stdio::null());
        Daemon { process: command.spawn().expect("the binary was built with this benchmark") }
    }

    /// Resident memory now, and its peak, in bytes.
    pub(crate) fn resident_bytes(&self) -> (u64, u64) {
        let status =
            std::fs::read_to_string(format!("/proc/{}/status", self.process.id())).expect("it lives");
        (field_kib(&status, "VmRSS:") * 1024, field_kib(&status, "VmHWM:") * 1024)
    }

    /// Processor time of its threads so far, in seconds. The clock ticks of `stat` are too coarse for one that is idle.
    pub(crate) fn cpu_seconds(&self) -> f64 {
        let threads = std::fs::read_dir(format!("/proc/{}/task", self.process.id())).expect("it lives");
        let nanoseconds = threads.filter_map(|thread| {
            let schedstat = std::fs::read_to_string(thread.ok()?.path().join("schedstat")).ok()?;
            schedstat.split_whitespace().next()?.parse::<f64>().ok()
        });
        nanoseconds.sum::<f64>() / 1e9
    }

    /// SIGTERM, and waits: all that is pending is in the store then.
    pub(crate) fn terminate(mut self) {
        kill_process(Pid::from_child(&self.process), Signal::TERM).expect("it lives");
        let status = self.process.wait().expect("our child");
        assert!(status.success(), "walsync watch ended with {status}");
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// A one-shot command beside `database`; gives its peak of resident memory in bytes.
pub(crate) fn run(database: &Path, store: &Store<'_>, arguments: &[&str]) -> u64 {
    let mut command = command(database, store);
    command.args(arguments).args(store_arguments(store)).stdout(Stdio::null());
    let mut child = command.spawn().expect("the binary was built with this benchmark");
    let path = format!("/proc/{}/status", child.id());
    let mut peak = 0;
    loop {
        if let Ok(status) = std::fs::read_to_string(&path) {
            peak = peak.max(field_kib(&status, "VmHWM:") * 1024);
        }
        if let Some(status) = child.try_wait().expect("our child") {
            assert!(status.success(), "walsync {arguments:?} ended with {status}");
            return peak;
        }
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
}

fn command(database: &Path, store: &Store<'_>) -> Command {
    let folder = database.parent().expect("a file in a folder");
    let mut command = Command::new(env!("CARGO_BIN_EXE_walsync"));
    command.current_dir(folder).env_clear().env("HOME", folder);
    if matches!(store, Store::S3(_)) {
        command.env("AWS_ACCESS_KEY_ID", ACCESS_KEY).env("AWS_SECRET_ACCESS_KEY", SECRET_KEY);
    }
    command
}

fn store_arguments(store: &Store<'_>) -> Vec<String> {
    let mut arguments =
        vec!["--state-dir".to_owned(), "state".to_owned(), "-q".to_owned(), "--store".to_owned()];
    match store {
        Store::Directory(path) => arguments.push(format!("file://{}", path.display())),
        Store::S3(server) => {
            let endpoint = [format!("s3://{BUCKET}"), "--endpoint".to_owned(), server.endpoint()];
            arguments.extend(endpoint);
            arguments.extend(["--region".to_owned(), "us-east-1".to_owned()]);
        }
    }
    arguments
}

fn field_kib(status: &str, name: &str) -> u64 {
    let line = status.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_default();
    line.split_whitespace().next().and_then(|kib| kib.parse().ok()).unwrap_or_default()
}
