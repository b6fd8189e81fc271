//! Whether the application checkpoints by itself (docs/design.md section 3, rule 3).

use crate::types::{Instant, Salts};
use std::time::Duration;

/// The checkpoints of others, as the log shows them: it begins anew and no checkpoint of ours is the reason.
///
/// One of ours takes SQLite's checkpoint lock, for which no other waits: a TRUNCATE of the application that comes in
/// that moment answers "busy". So ours are for applications that make none.
#[derive(Debug, Default)]
pub(super) struct Others {
    salts: Option<Salts>,
    /// We checkpointed since the log began.
    ours: bool,
    seen_at: Option<Instant>,
    interval: Duration,
}

impl Others {
    /// After each look.
    pub(super) fn looked(&mut self, now: Instant, salts: Salts) {
        let restarted = self.salts.is_some_and(|before| before != salts);
        if restarted && !self.ours {
            self.interval = self.seen_at.map_or(Duration::ZERO, |seen| now.since(seen));
            self.seen_at = Some(now);
        }
        self.ours &= !restarted;
        self.salts = Some(salts);
    }

    /// One of ours was made.
    pub(super) fn checkpointed(&mut self) {
        self.ours = true;
    }

    /// Until when the next one of theirs is waited for.
    pub(super) fn expected_until(&self) -> Option<Instant> {
        Some(self.seen_at?.after((self.interval * 3).clamp(WAIT_MIN, WAIT_MAX)))
    }
}

/// An application that has checkpointed is expected to do so again within three of its intervals, and these bounds.
const WAIT_MIN: Duration = Duration::from_secs(5);
const WAIT_MAX: Duration = Duration::from_secs(60);

#[cfg(test)]
mod tests {
    use super::Others;
    use crate::types::{Instant, Salts};

    const fn second(n: u64) -> Instant {
        Instant::from_micros(n * 1_000_000)
    }

    #[test]
    fn a_log_that_others_begin_anew_is_left_to_them_for_three_of_their_intervals() {
        let mut others = Others::default();
        others.looked(second(0), Salts(1, 0));
        assert_eq!(others.expected_until(), None, "nobody was seen to do it");
        others.looked(second(10), Salts(2, 0));
        assert_eq!(others.expected_until(), Some(second(15)), "at least for a while");
        others.looked(second(12), Salts(2, 0));
        others.looked(second(14), Salts(3, 0));
        assert_eq!(others.expected_until(), Some(second(14 + 12)));
        others.looked(second(200), Salts(4, 0));
        assert_eq!(others.expected_until(), Some(second(260)), "and not for ever");
    }

    #[test]
    fn a_log_that_begins_anew_after_a_checkpoint_of_ours_says_nothing() {
        let mut others = Others::default();
        others.looked(second(0), Salts(1, 0));
        others.checkpointed();
        others.looked(second(1), Salts(2, 0));
        assert_eq!(others.expected_until(), None);
        others.looked(second(2), Salts(3, 0));
        assert!(others.expected_until().is_some());
    }
}
