//! How often everything is looked at anew: at once for the first doubt, slower and slower while doubts go on.
//!
//! A doubt costs a listing of the store or a read of the whole database. A cause that stays (a page that
//! cannot be read, a store whose listing and objects disagree) must not repeat that as fast as it can.

use super::backoff::Backoff;
use crate::types::{Instant, NodeId};
use std::time::Duration;

/// The doubts of one database, counted until none came for a while.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Doubts {
    backoff: Backoff,
    last: Instant,
}

/// After this long without a doubt the next one counts as the first; longer than any pause between two.
const MEMORY: Duration = Duration::from_secs(60);
/// A stop waits for this many doubts in a row to be settled.
const STOP_PATIENCE: u32 = 4;

impl Doubts {
    /// Counts a doubt; when to act on it, if not now.
    pub(super) fn raise(&mut self, now: Instant, node: NodeId) -> Option<Instant> {
        if now.since(self.last) > MEMORY {
            self.backoff = Backoff::default();
        }
        self.last = now;
        let first = self.backoff.attempt() == 0;
        let until = self.backoff.next(now, node, Duration::ZERO);
        (!first).then_some(until)
    }

    /// Whether a stop should no longer wait for them to be settled.
    pub(super) fn are_hopeless(self) -> bool {
        self.backoff.attempt() > STOP_PATIENCE
    }
}
