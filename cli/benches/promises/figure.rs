//! Percentiles and ratios, as they are printed.

use std::time::Duration;

/// Durations of one kind.
#[derive(Default)]
pub(crate) struct Durations(Vec<Duration>);

impl Durations {
    pub(crate) fn push(&mut self, duration: Duration) {
        self.0.push(duration);
    }

    /// The smallest that at least `percent` of all do not exceed.
    pub(crate) fn percentile(&self, percent: usize) -> Duration {
        let mut sorted = self.0.clone();
        sorted.sort_unstable();
        let index = (sorted.len() * percent).div_ceil(100).max(1) - 1;
        sorted.get(index).copied().unwrap_or_default()
    }

    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }
}

impl std::fmt::Display for Durations {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let ms = |percent| self.percentile(percent).as_secs_f64() * 1000.0;
        write!(f, "{} times: p50 {:.2} ms, p99 {:.2} ms, most {:.2} ms", self.len(), ms(50), ms(99), ms(100))
    }
}

/// Bytes as MB of 10^6.
pub(crate) fn mb(bytes: u64) -> f64 {
    bytes as f64 / 1e6
}
