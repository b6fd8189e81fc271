//! When which place is checked (`[verify] interval`): a pure plan.
//!
//! Each place is due an interval after its last check. However many are due at once, as after a long pause, checks begin at
//! least half an interval's share apart, so that they spread over the interval and stay so.

use engine::types::Timestamp;
use std::time::Duration;

/// A place, and what is known of its last check.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Candidate {
    /// When it ended; `None`: never.
    pub(super) last: Option<Timestamp>,
    /// The store could be read then.
    pub(super) was_made: bool,
}

/// Whose turn it is now, by its index; `None`: nobody's. `begun`: how long ago the last check of any place began.
pub(super) fn next(
    candidates: &[Candidate],
    interval: Duration,
    begun: Option<Duration>,
    now: Timestamp,
) -> Option<usize> {
    let share = interval / u32::try_from(candidates.len()).unwrap_or(u32::MAX).max(1) / 2;
    if begun.is_some_and(|ago| ago < share) {
        return None;
    }
    let overdue = |candidate: &Candidate| {
        // A check in the future says that a clock was wrong, then or now.
        let age = candidate.last.and_then(|last| now.as_millis().checked_sub(last.as_millis()));
        let Some(age) = age.filter(|age| *age >= 0) else { return Some(i64::MAX) };
        // One that could not be made is tried again sooner, but the others come first.
        let interval = if candidate.was_made { interval } else { interval / RETRIES };
        age.checked_sub(i64::try_from(interval.as_millis()).unwrap_or(i64::MAX)).filter(|over| *over >= 0)
    };
    let due =
        candidates.iter().enumerate().filter_map(|(index, candidate)| Some((overdue(candidate)?, index)));
    due.max_by_key(|(over, index)| (*over, std::cmp::Reverse(*index))).map(|(_, index)| index)
}

/// So often within an interval a check is tried that could not be made.
const RETRIES: u32 = 4;

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: Duration = Duration::from_secs(3600);

    fn at(minutes: i64) -> Timestamp {
        Timestamp::from_millis(1_700_000_000_000 + minutes * 60_000)
    }

    fn checked(minutes: i64) -> Candidate {
        Candidate { last: Some(at(minutes)), was_made: true }
    }

    const NEVER: Candidate = Candidate { last: None, was_made: false };

    fn ago(minutes: u64) -> Option<Duration> {
        Some(Duration::from_secs(minutes * 60))
    }

    #[test]
    fn place_is_due_an_interval_after_its_check() {
        assert_eq!(next(&[checked(0)], HOUR, ago(59), at(59)), None);
        assert_eq!(next(&[checked(0)], HOUR, ago(60), at(60)), Some(0));
        assert_eq!(next(&[], HOUR, None, at(60)), None);
    }

    #[test]
    fn who_was_never_checked_is_due_at_once_and_comes_first() {
        assert_eq!(next(&[checked(-500), NEVER, NEVER], HOUR, None, at(0)), Some(1));
        assert_eq!(
            next(&[checked(-61), checked(-70)], HOUR, None, at(0)),
            Some(1),
            "then the longest overdue"
        );
    }

    #[test]
    fn many_that_are_due_spread_over_the_interval() {
        let mut candidates = [NEVER; 6];
        let (mut begun, mut starts) = (None, Vec::new());
        for minute in 0..180 {
            let since = begun.map(|then: i64| Duration::from_secs(60 * (minute - then) as u64));
            if let Some(index) = next(&candidates, HOUR, since, at(minute)) {
                candidates[index] = checked(minute);
                begun = Some(minute);
                starts.push((minute, index));
            }
        }
        let first: Vec<_> = (0..6).map(|n| (n as i64 * 5, n)).collect();
        assert_eq!(starts[..6], first, "half an interval's share apart");
        let second: Vec<_> = first.iter().map(|(minute, n)| (minute + 60, *n)).collect();
        assert_eq!(starts[6..12], second, "and each an interval later");
    }

    #[test]
    fn check_that_could_not_be_made_is_tried_again_sooner_and_holds_nobody_up() {
        let failed = Candidate { last: Some(at(0)), was_made: false };
        assert_eq!(next(&[failed], HOUR, None, at(14)), None);
        assert_eq!(next(&[failed], HOUR, None, at(15)), Some(0));
        assert_eq!(next(&[failed, checked(-60)], HOUR, None, at(20)), Some(1));
    }

    #[test]
    fn clock_that_went_back_postpones_nothing() {
        assert_eq!(next(&[checked(600)], HOUR, None, at(0)), Some(0));
    }
}
