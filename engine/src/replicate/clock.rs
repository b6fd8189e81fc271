//! Whether the wall clock may be wrong (docs/design.md section 4, rule 11).
//!
//! Times of slots only grow: behind a head that is far ahead each gets the head's and a millisecond, and restores by time
//! tell nothing until the clock is past it. Nothing else depends on it, so it is told, and that is all.

use super::context::Context;
use super::database::Database;
use super::notice::Notice;
use crate::types::Timestamp;
use std::time::Duration;

/// How far the newest slot may be ahead without a word: clocks of two hosts differ a little.
const AHEAD_MAX: Duration = Duration::from_secs(300);

impl Database {
    /// Tells, once in a life, that the newest slot's time is far ahead of the clock.
    pub(super) fn compare_clock(&mut self, cx: &mut Context<'_>, head: Timestamp) {
        let ahead_ms = head.as_millis().saturating_sub(cx.now.wall.as_millis());
        let ahead = Duration::from_millis(u64::try_from(ahead_ms).unwrap_or(0));
        if ahead > AHEAD_MAX && !self.clock_told {
            self.clock_told = true;
            cx.notice(Notice::ClockBehind { head, ahead });
        }
    }
}
