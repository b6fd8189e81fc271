//! The clock of one machine.

use crate::shared::Shared;
use engine::types::{Instant, Now, Timestamp};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// A machine's clocks. The monotonic one is the same for all machines of a world; the wall clock is its own
/// and may jump and drift. Cloning gives another handle to the same machine's clock.
#[derive(Clone)]
pub struct SimClock {
    mono_us: Arc<AtomicU64>,
    wall: Shared<Wall>,
}

/// The wall clock as a line through the moment at which it was last set.
struct Wall {
    set_at_mono_us: u64,
    set_to_us: i64,
    drift_ppm: i32,
}

impl SimClock {
    /// A world's first clock: monotonic zero, 2023-11-14 22:13:20 UTC.
    pub fn new() -> SimClock {
        SimClock { mono_us: Arc::new(AtomicU64::new(0)), wall: Shared::new(Wall::at(0, WALL_START_US)) }
    }

    /// The clock of another machine of the same world: it shows the same time until it is set.
    pub fn machine(&self) -> SimClock {
        let wall = Wall::at(self.mono_us(), self.wall_us());
        SimClock { mono_us: Arc::clone(&self.mono_us), wall: Shared::new(wall) }
    }

    /// Both clocks.
    pub fn now(&self) -> Now {
        Now { mono: self.mono(), wall: Timestamp::from_millis(self.wall_us().div_euclid(1000)) }
    }

    /// The monotonic clock.
    pub fn mono(&self) -> Instant {
        Instant::from_micros(self.mono_us())
    }

    /// The wall clock in microseconds since the epoch, as file times have it.
    pub fn wall_us(&self) -> i64 {
        let wall = self.wall.lock();
        let passed = signed(self.mono_us().saturating_sub(wall.set_at_mono_us));
        let drift = i128::from(passed) * i128::from(wall.drift_ppm) / 1_000_000;
        wall.set_to_us + passed + i64::try_from(drift).expect("drift is smaller than the time that passed")
    }

    /// Lets time pass for the whole world.
    pub fn advance(&self, by: Duration) {
        let by_us = u64::try_from(by.as_micros()).expect("less than half a million years");
        self.mono_us.fetch_add(by_us, Ordering::Relaxed);
    }

    /// Lets time pass until `to`; nothing happens when that has passed already (an operation took longer
    /// than the time to the next event).
    pub fn advance_to(&self, to: Instant) {
        self.mono_us.fetch_max(to.as_micros(), Ordering::Relaxed);
    }

    /// Sets this machine's wall clock forward or back; the monotonic clock does not notice.
    pub fn jump_wall_ms(&self, by_ms: i64) {
        let now_us = self.wall_us();
        let mut wall = self.wall.lock();
        *wall = Wall { drift_ppm: wall.drift_ppm, ..Wall::at(self.mono_us(), now_us + by_ms * 1000) };
    }

    /// Lets this machine's wall clock run faster (or slower) by so many microseconds per second.
    ///
    /// # Panics
    /// At a million or more: a clock that stands still or runs back is a jump.
    pub fn set_wall_drift_ppm(&self, drift_ppm: i32) {
        assert!(drift_ppm.unsigned_abs() < 1_000_000, "drift of {drift_ppm} ppm");
        let now_us = self.wall_us();
        *self.wall.lock() = Wall { drift_ppm, ..Wall::at(self.mono_us(), now_us) };
    }

    fn mono_us(&self) -> u64 {
        self.mono_us.load(Ordering::Relaxed)
    }
}

impl Default for SimClock {
    fn default() -> SimClock {
        SimClock::new()
    }
}

impl Wall {
    fn at(set_at_mono_us: u64, set_to_us: i64) -> Wall {
        Wall { set_at_mono_us, set_to_us, drift_ppm: 0 }
    }
}

fn signed(us: u64) -> i64 {
    i64::try_from(us).expect("less than 292,000 years")
}

/// Where wall clocks start.
const WALL_START_US: i64 = 1_700_000_000_000_000;
