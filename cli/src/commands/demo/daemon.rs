//! `walsync watch` as a process of its own.

use super::scratch::{Scratch, unusable};
use crate::exit::Failure;
use rustix::process::{Pid, Signal, kill_process};
use std::io::{BufRead as _, BufReader};
use std::process::{Child, ChildStdout, ExitStatus};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// The running daemon; killed when dropped.
pub(super) struct Daemon {
    child: Child,
    durable: Arc<AtomicU64>,
}

impl Daemon {
    pub(super) fn start(scratch: &Scratch) -> Result<Daemon, Failure> {
        let child = scratch.command(&["watch"], "watch.log")?.spawn();
        let mut child = child.map_err(|error| unusable("walsync watch cannot be run").because(&error))?;
        let durable = Arc::new(AtomicU64::new(0));
        if let Some(events) = child.stdout.take() {
            let durable = durable.clone();
            std::thread::spawn(move || count_durable(events, &durable));
        }
        Ok(Daemon { child, durable })
    }

    /// Syncs that this daemon announced as durable.
    pub(super) fn durable(&self) -> u64 {
        self.durable.load(Ordering::Relaxed)
    }

    /// Fails if it has ended.
    pub(super) fn check(&mut self, scratch: &Scratch) -> Result<(), Failure> {
        match self.child.try_wait() {
            Ok(None) => Ok(()),
            Ok(Some(status)) => {
                Err(unusable(format!("walsync watch: {status}")).cause(scratch.last_line("watch.log")))
            }
            Err(error) => Err(unusable("walsync watch").because(&error)),
        }
    }

    /// SIGKILL: it gets no chance to do anything.
    pub(super) fn kill(mut self) -> Result<(), Failure> {
        let killed = self.child.kill().and_then(|()| self.child.wait());
        killed.map(drop).map_err(|error| unusable("walsync watch cannot be killed").because(&error))
    }

    /// SIGTERM: it syncs what is pending and ends.
    pub(super) fn end(mut self) -> Result<ExitStatus, Failure> {
        let mut ended = || -> std::io::Result<ExitStatus> {
            kill_process(Pid::from_child(&self.child), Signal::TERM)?;
            self.child.wait()
        };
        ended().map_err(|error| unusable("walsync watch does not end").because(&error))
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn count_durable(events: ChildStdout, durable: &AtomicU64) {
    for line in BufReader::new(events).lines().map_while(Result::ok) {
        let event = serde_json::from_str::<serde_json::Value>(&line).unwrap_or_default();
        if event["event"] == "durable" {
            durable.fetch_add(1, Ordering::Relaxed);
        }
    }
}
