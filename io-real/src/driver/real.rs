//! The real clock and the real threads.

use crate::port::{Clock, Work};
use engine::types::{Instant, Now, Timestamp};
use rustix::time::{ClockId, clock_gettime};

/// The system's clocks. The zero of the monotonic one is the machine's start.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

/// Goes on while the machine sleeps.
#[cfg(target_os = "linux")]
const MONOTONIC: ClockId = ClockId::Boottime;
/// On macOS it goes on while the machine sleeps.
#[cfg(not(target_os = "linux"))]
const MONOTONIC: ClockId = ClockId::Monotonic;

impl Clock for SystemClock {
    fn now(&self) -> Now {
        let mono = clock_gettime(MONOTONIC);
        let wall = clock_gettime(ClockId::Realtime);
        let mono_us = mono.tv_sec.saturating_mul(1_000_000).saturating_add(mono.tv_nsec / 1_000);
        let wall_ms = wall.tv_sec.saturating_mul(1_000).saturating_add(wall.tv_nsec / 1_000_000);
        Now {
            mono: Instant::from_micros(u64::try_from(mono_us).unwrap_or(0)),
            wall: Timestamp::from_millis(wall_ms),
        }
    }
}

/// The runtime's threads for blocking work. Made within the runtime that it uses.
#[derive(Clone, Debug)]
pub struct TokioWork(tokio::runtime::Handle);

impl TokioWork {
    /// The pool of the current runtime.
    ///
    /// # Panics
    /// Outside of a runtime.
    pub fn current() -> TokioWork {
        TokioWork(tokio::runtime::Handle::current())
    }
}

impl Work for TokioWork {
    fn start(&self, job: Box<dyn FnOnce() + Send>) {
        self.0.spawn_blocking(job);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_monotonic_clock_does_not_go_back() {
        let times: Vec<Instant> = (0..1000).map(|_| SystemClock.now().mono).collect();
        assert!(times.is_sorted());
    }

    #[test]
    fn the_wall_clock_counts_milliseconds() {
        let year_2020_ms = 1_577_836_800_000;
        let year_2200_ms = 7_258_118_400_000;
        assert!((year_2020_ms..year_2200_ms).contains(&SystemClock.now().wall.as_millis()));
    }
}
