//! What is done to the driver from outside: the step at which it is dropped, panics, jobs that take long.

#![expect(
    clippy::disallowed_types,
    reason = "ports must be Sync; a world has one thread, and nobody ever waits"
)]

use crate::coverage::{Coverage, Reached};
use crate::outcome::Violation;
use io_sim::random::{Random, Stream};
use std::collections::BTreeMap;
use std::panic::panic_any;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::Notify;

/// Shared by all ports of one life; cheap to clone.
#[derive(Clone)]
pub(super) struct Mischief(Arc<Inner>);

struct Inner {
    state: Mutex<State>,
    doom: Notify,
}

struct State {
    random: Random,
    steps: u64,
    dies_at: Option<u64>,
    is_doomed: bool,
    /// The next so many jobs, or requests, panic.
    panics_in_jobs: u32,
    panics_in_requests: u32,
    slow_jobs_ppm: u32,
    coverage: Coverage,
    /// Looks at each database.
    looks: BTreeMap<usize, u64>,
    broken: Option<Violation>,
}

/// What an injected panic carries.
pub(super) struct Injected;

/// Where a panic may come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum At {
    Job,
    Request,
}

impl Mischief {
    pub(super) fn new(seed: u64, life: u32, slow_jobs_ppm: u32) -> Mischief {
        let state = State {
            random: Random::indexed(seed, Stream::Driver, FIRST_LIFE + life),
            steps: 0,
            dies_at: None,
            is_doomed: false,
            panics_in_jobs: 0,
            panics_in_requests: 0,
            slow_jobs_ppm,
            coverage: Coverage::default(),
            looks: BTreeMap::new(),
            broken: None,
        };
        Mischief(Arc::new(Inner { state: Mutex::new(state), doom: Notify::new() }))
    }

    /// Something moved: the driver was polled, a request was sent or answered, a job began or ended. At some step
    /// the driver is dropped.
    ///
    /// # Panics
    /// With a violation, after more steps than a run can need.
    pub(super) fn step(&self) {
        let mut state = self.lock();
        state.steps += 1;
        let dies = state.dies_at.is_some_and(|at| state.steps >= at);
        let steps = state.steps;
        drop(state);
        if dies {
            self.doom();
        }
        if steps > STEPS_MAX {
            panic_any(Violation::new(31, format!("more than {STEPS_MAX} steps in one life")));
        }
    }

    /// Drops the driver so many steps from now.
    pub(super) fn dies_in(&self, steps: u64) {
        let mut state = self.lock();
        state.dies_at = Some(state.steps + steps);
        drop(state);
        if steps == 0 {
            self.doom();
        }
    }

    /// Drops the driver at its next await.
    pub(super) fn doom(&self) {
        self.lock().is_doomed = true;
        self.0.doom.notify_one();
    }

    pub(super) fn is_doomed(&self) -> bool {
        self.lock().is_doomed
    }

    /// Waits for the step at which the driver is dropped.
    pub(super) async fn doomed(&self) {
        self.0.doom.notified().await;
    }

    /// The next job, or request, panics.
    pub(super) fn panic_next(&self, at: At) {
        let mut state = self.lock();
        match at {
            At::Job => state.panics_in_jobs += 1,
            At::Request => state.panics_in_requests += 1,
        }
    }

    /// Nothing more is done to the driver.
    pub(super) fn calm(&self) {
        let mut state = self.lock();
        state.panics_in_jobs = 0;
        state.panics_in_requests = 0;
        state.slow_jobs_ppm = 0;
        state.dies_at = None;
    }

    /// Panics here, before or after the act, if that is due.
    pub(super) fn may_panic(&self, at: At) {
        let mut state = self.lock();
        let due = match at {
            At::Job => &mut state.panics_in_jobs,
            At::Request => &mut state.panics_in_requests,
        };
        // Half of them after the act.
        if *due == 0 || state.random.ppm(HALF) {
            return;
        }
        let (due, reached) = match at {
            At::Job => (&mut state.panics_in_jobs, Reached::JobPanicked),
            At::Request => (&mut state.panics_in_requests, Reached::RequestPanicked),
        };
        *due -= 1;
        state.coverage.reached(reached);
        drop(state);
        panic_any(Injected);
    }

    /// How long a job waits for a thread; `None`: not at all.
    pub(super) fn delay(&self) -> Option<Duration> {
        let mut state = self.lock();
        let slow_ppm = state.slow_jobs_ppm;
        if state.random.ppm(slow_ppm) {
            state.coverage.reached(Reached::SlowJob);
            return Some(Duration::from_micros(state.random.below(SLOW_US_MAX)));
        }
        (!state.random.ppm(HALF)).then(|| Duration::from_micros(state.random.below(DISPATCH_US_MAX)))
    }

    pub(super) fn reached(&self, state: Reached) {
        self.lock().coverage.reached(state);
    }

    pub(super) fn take_coverage(&self) -> Coverage {
        std::mem::take(&mut self.lock().coverage)
    }

    /// Somebody looks at a database.
    pub(super) fn looked(&self, database: usize) {
        *self.lock().looks.entry(database).or_default() += 1;
    }

    /// How often somebody has looked at each.
    pub(super) fn looks(&self) -> BTreeMap<usize, u64> {
        self.lock().looks.clone()
    }

    /// A promise is broken; the first one is told.
    pub(super) fn broken(&self, violation: Violation) {
        self.lock().broken.get_or_insert(violation);
    }

    pub(super) fn check(&self) -> Result<(), Violation> {
        self.lock().broken.take().map_or(Ok(()), Err)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Sub-streams below are the plan's and the settings'.
const FIRST_LIFE: u32 = 16;
const HALF: u32 = 500_000;
/// More is a loop that never rests.
const STEPS_MAX: u64 = 300_000;
const DISPATCH_US_MAX: u64 = 3_000;
const SLOW_US_MAX: u64 = 20_000_000;
