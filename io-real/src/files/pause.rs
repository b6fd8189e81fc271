//! Pauses of less than a millisecond.

use std::time::{Duration, Instant};

/// Sleeps for as long as it says, and gives how long it was. Linux adds 50 microseconds to what a thread asks for,
/// unless it says otherwise.
pub fn pause(duration: Duration) -> Duration {
    #[cfg(target_os = "linux")]
    {
        // Where it cannot be said pauses are longer.
        let _ = rustix::thread::set_current_timer_slack(std::num::NonZero::new(1));
    }
    let began = Instant::now();
    std::thread::sleep(duration);
    began.elapsed()
}
