//! One time for both: madsim's, which timers follow, and that of the simulated world, which disk operations take.

use engine::types::{Instant, Now};
use io_real::port::Clock;
use io_sim::clock::SimClock;
use madsim::time::TimeHandle;
use std::time::Duration;

/// Both clocks, in step.
#[derive(Clone)]
pub(super) struct Time {
    clock: SimClock,
}

impl Time {
    pub(super) fn new(clock: &SimClock) -> Time {
        Time { clock: clock.clone() }
    }

    /// Brings the clock that is behind up to the other. Whoever lets time pass on one of them calls this.
    pub(super) fn in_step(&self) -> Instant {
        let timers = TimeHandle::current();
        let (here, there) = (Duration::from_micros(self.clock.mono().as_micros()), timers.elapsed());
        match here.checked_sub(there) {
            Some(behind) => timers.advance(behind),
            None => {
                let us = u64::try_from(there.as_micros()).expect("less than half a million years");
                self.clock.advance_to(Instant::from_micros(us));
            }
        }
        self.clock.mono()
    }
}

impl Clock for Time {
    fn now(&self) -> Now {
        self.in_step();
        self.clock.now()
    }
}
