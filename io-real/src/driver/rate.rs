//! The bandwidth of uploads: a body is let go when those before it would have gone through a line of that many bytes per
//! second. What one request sends it sends as fast as it can; over parts and slots the mean is kept.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::Instant;

/// A line of so many bytes per second, shared by all uploads of a driver.
pub(super) struct UploadRate {
    /// 0: no bound.
    bytes_per_second: watch::Sender<u64>,
    /// When the line has sent everything that was let go; `None`: long ago.
    free_at: Mutex<Option<Instant>>,
}

/// Longer waits are cut: some timers cannot count further.
const WAIT_MAX: Duration = Duration::from_secs(30 * 24 * 3600);

impl UploadRate {
    /// `bytes_per_second` 0: no bound.
    pub(super) fn new(bytes_per_second: u64) -> UploadRate {
        UploadRate { bytes_per_second: watch::Sender::new(bytes_per_second), free_at: Mutex::new(None) }
    }

    /// Another bandwidth from now on, also for what waits.
    pub(super) fn set(&self, bytes_per_second: u64) {
        self.bytes_per_second.send_if_modified(|rate| {
            let changes = *rate != bytes_per_second;
            *rate = bytes_per_second;
            if changes {
                *self.lock() = None;
            }
            changes
        });
    }

    /// Waits until a body of so many bytes may go. First come, first served.
    pub(super) async fn admit(&self, bytes: u64) {
        let mut rate = self.bytes_per_second.subscribe();
        loop {
            let bytes_per_second = *rate.borrow_and_update();
            let Some(at) = self.reserve(bytes, bytes_per_second) else { return };
            tokio::select! {
                () = tokio::time::sleep_until(at) => return,
                // The sender lives as long as this does.
                _ = rate.changed() => {}
            }
        }
    }

    /// When the line is free for it, `None`: now. From then on it is taken for as long as the body needs.
    fn reserve(&self, bytes: u64, bytes_per_second: u64) -> Option<Instant> {
        if bytes_per_second == 0 || bytes == 0 {
            return None;
        }
        let now = Instant::now();
        let seconds = bytes as f64 / bytes_per_second as f64;
        let needs = Duration::try_from_secs_f64(seconds).unwrap_or(WAIT_MAX);
        let mut free_at = self.lock();
        let at = free_at.unwrap_or(now).max(now);
        *free_at = Some((at + needs.min(WAIT_MAX)).min(now + WAIT_MAX));
        (at > now).then_some(at)
    }

    /// Nothing panics while it is locked.
    fn lock(&self) -> std::sync::MutexGuard<'_, Option<Instant>> {
        self.free_at.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bodies_go_at_the_pace_of_the_line() {
        let rate = UploadRate::new(1000);
        assert_eq!(rate.reserve(500, 1000), None, "the line is free");
        let second = rate.reserve(2000, 1000).unwrap();
        let third = rate.reserve(1, 1000).unwrap();
        assert_eq!(third - second, Duration::from_secs(2), "it waits for what goes before it");
    }

    #[test]
    fn no_bound_and_no_bytes_wait_for_nothing() {
        let rate = UploadRate::new(0);
        for _ in 0..3 {
            assert_eq!(rate.reserve(u64::MAX, 0), None);
            assert_eq!(rate.reserve(0, 1), None);
        }
    }

    #[test]
    fn a_day_of_debt_is_no_panic() {
        let rate = UploadRate::new(1);
        for _ in 0..3 {
            rate.reserve(u64::MAX, 1);
        }
        let at = rate.reserve(1, 1).unwrap();
        assert!(at <= Instant::now() + WAIT_MAX);
    }

    #[test]
    fn what_waits_goes_on_when_the_bound_is_lifted() {
        super::super::tests::block_on(async {
            let rate = UploadRate::new(1);
            rate.admit(1 << 20).await;
            let waiting = rate.admit(1);
            let lifted = async { rate.set(0) };
            futures::future::join(waiting, lifted).await;
        });
    }
}
