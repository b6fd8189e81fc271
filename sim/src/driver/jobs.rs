//! The work port: a blocking job is a task of its own that runs some time later, in one piece.

#![expect(
    clippy::disallowed_types,
    reason = "ports must be Sync; a world has one thread, and nobody ever waits"
)]

use super::mischief::Mischief;
use super::time::Time;
use io_real::port::Work;
use io_sim::disk::{Pid, SimDisk};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::watch;

/// The threads of one life; cheap to clone.
#[derive(Clone)]
pub(super) struct Jobs(Arc<Inner>);

struct Inner {
    time: Time,
    mischief: Mischief,
    disk: SimDisk,
    pid: Pid,
    pending: Mutex<usize>,
    /// How many are pending, for who waits.
    told: watch::Sender<usize>,
    /// The process died: what has not begun never will.
    died: watch::Sender<bool>,
}

impl Jobs {
    pub(super) fn new(time: &Time, mischief: &Mischief, disk: &SimDisk, pid: Pid) -> Jobs {
        Jobs(Arc::new(Inner {
            time: time.clone(),
            mischief: mischief.clone(),
            disk: disk.clone(),
            pid,
            pending: Mutex::new(0),
            told: watch::Sender::new(0),
            died: watch::Sender::new(false),
        }))
    }

    /// Started and not over.
    pub(super) fn pending(&self) -> usize {
        *self.lock()
    }

    /// Drops what has not begun.
    pub(super) fn die(&self) {
        self.0.died.send_replace(true);
    }

    /// Waits until none is pending.
    pub(super) async fn are_over(&self) {
        let mut told = self.0.told.subscribe();
        // The sender is in this very value.
        let _ = told.wait_for(|pending| *pending == 0).await;
    }

    fn count(&self, by: isize) {
        let mut pending = self.lock();
        *pending = pending.checked_add_signed(by).expect("no job ends that did not start");
        self.0.told.send_replace(*pending);
    }

    fn run(&self, job: Box<dyn FnOnce() + Send>) {
        let Inner { time, mischief, disk, pid, .. } = &*self.0;
        mischief.step();
        time.in_step();
        job();
        time.in_step();
        mischief.step();
        // It may have died at one of its disk operations.
        if !disk.is_alive(*pid) {
            mischief.doom();
        }
    }

    fn lock(&self) -> MutexGuard<'_, usize> {
        self.0.pending.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Work for Jobs {
    fn start(&self, job: Box<dyn FnOnce() + Send>) {
        self.count(1);
        let (jobs, delay) = (self.clone(), self.0.mischief.delay());
        let mut died = self.0.died.subscribe();
        tokio::task::spawn(async move {
            let waits = async {
                match delay {
                    Some(delay) => tokio::time::sleep(delay).await,
                    None => tokio::task::yield_now().await,
                }
            };
            tokio::select! {
                biased;
                _ = died.wait_for(|died| *died) => drop(job),
                () = waits => jobs.run(job),
            }
            jobs.count(-1);
        });
    }
}
