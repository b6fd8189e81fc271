//! How long to wait before trying again.

use crate::mutants::{Mutant, mutated};
use crate::store::StoreError;
use crate::types::{Instant, NodeId};
use std::time::Duration;

/// Exponential backoff with jitter, never longer than [`DELAY_MAX`], whatever a store asks for. The jitter
/// comes from the writer's id and the attempt, so that a fleet spreads and a simulation repeats.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Backoff {
    attempt: u32,
}

const FIRST_DELAY: Duration = Duration::from_millis(100);
const DELAY_MAX: Duration = Duration::from_secs(30);
/// A floor above this would leave no room for jitter.
pub(super) const FLOOR_MAX: Duration = Duration::from_secs(20);
/// What a store that is too busy gets where it does not say more.
pub(super) const UNTOLD_PAUSE: Duration = Duration::from_secs(1);
const DOUBLINGS_MAX: u32 = 9;

impl Backoff {
    pub(super) fn attempt(self) -> u32 {
        self.attempt
    }

    /// Counts a failure; when to try again.
    pub(super) fn failed(&mut self, now: Instant, node: NodeId, error: &StoreError) -> Instant {
        let floor = match error {
            StoreError::Throttled { .. } if mutated(Mutant::RetryAfterIgnored) => Duration::ZERO,
            StoreError::Throttled { retry_after } => retry_after.unwrap_or(UNTOLD_PAUSE),
            StoreError::Fatal { .. } => Duration::from_secs(10),
            StoreError::Refused
            | StoreError::Conflict
            | StoreError::Missing
            | StoreError::Retryable(_)
            | StoreError::Ambiguous(_) => Duration::ZERO,
        };
        self.next(now, node, floor)
    }

    /// Counts a failure that is not the store's; when to try again.
    pub(super) fn next(&mut self, now: Instant, node: NodeId, floor: Duration) -> Instant {
        if mutated(Mutant::RetriesAtOnce) {
            return now;
        }
        let floor = floor.min(FLOOR_MAX);
        let doublings = if mutated(Mutant::PausesDoNotGrow) { 0 } else { self.attempt.min(DOUBLINGS_MAX) };
        let full = FIRST_DELAY.saturating_mul(1 << doublings).min(DELAY_MAX).max(floor);
        self.attempt = self.attempt.saturating_add(1);
        // Between half and the whole of the delay, or from the floor up to half of it more.
        let base = (full / 2).max(floor);
        let spread = u64::from(self.attempt).wrapping_mul(0x9E37_79B9_7F4A_7C15) ^ node.get();
        let jitter_max = (full / 2).min(DELAY_MAX - base);
        let jitter_us_max = u64::try_from(jitter_max.as_micros()).expect("at most 30 s");
        let jitter = Duration::from_micros(spread.wrapping_mul(0xBF58_476D_1CE4_E5B9) % jitter_us_max.max(1));
        now.after(base + jitter)
    }
}
