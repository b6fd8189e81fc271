//! What a policy promises at the end of the day, told by what was committed when, and the list of points: nothing here knows
//! how objects are compacted, or why they are deleted.

use crate::clock::{DAY_MS, HOUR_MS};
use crate::history::Slot;
use engine::retention::Policy;
use std::collections::BTreeMap;
use std::ops::Range;
use std::time::Duration;

/// What the real binary lists.
pub(crate) struct Listed {
    /// Time of each point.
    pub(crate) points: BTreeMap<u64, i64>,
    /// Level, first and last TXID of each object.
    pub(crate) objects: Vec<(u64, u64, u64)>,
    /// Of all objects.
    pub(crate) bytes: u64,
}

/// Level 1 is made so often, and a step of the day later at most.
const LEVEL_1_MS: i64 = 30_000 + LATE_MS;
const LATE_MS: i64 = 6_000;

impl Listed {
    /// Every point that is promised is there.
    pub(crate) fn assert_keeps(&self, slots: &BTreeMap<u64, Slot>, policy: &Policy, now_ms: i64) {
        let (newest, newest_slot) = slots.last_key_value().unwrap();
        assert!(self.points.contains_key(newest), "the newest state");
        let younger = |age: Duration| slots.iter().filter(move |(_, slot)| now_ms - slot.sealed_ms < ms(age));
        for (txid, slot) in younger(policy.l0) {
            assert!(self.points.contains_key(txid), "sync {txid}, {} ms old", now_ms - slot.sealed_ms);
        }
        for (txid, slot) in younger(policy.pitr) {
            let in_time = self.has(*txid, slot.sealed_ms..slot.sealed_ms + LEVEL_1_MS);
            assert!(in_time, "none within half a minute after {txid}, {} ms old", now_ms - slot.sealed_ms);
        }
        for (period_ms, count) in [(HOUR_MS, policy.hourly), (DAY_MS, policy.daily)] {
            let last = newest_slot.sealed_ms / period_ms;
            for period in last + 1 - i64::from(count)..=last {
                let (begin, end) = (period * period_ms, (period + 1) * period_ms);
                // What is committed in the last half minute may be compacted in the next period.
                let in_period = |slot: &Slot| (begin..end - LEVEL_1_MS).contains(&slot.sealed_ms);
                let Some((txid, _)) = slots.iter().rfind(|(_, slot)| in_period(slot)) else { continue };
                assert!(
                    self.has(*txid, begin..end),
                    "the last of period {period} of {period_ms} ms, {txid} or later"
                );
            }
        }
    }

    /// Whether there is a point at that TXID or after it, of these times.
    fn has(&self, txid: u64, times: Range<i64>) -> bool {
        self.points.range(txid..).any(|(_, ms)| times.contains(ms))
    }

    /// What is not promised any more is gone, grade by grade. What is needed for another point may stay a point itself.
    pub(crate) fn assert_lets_go(&self, slots: &BTreeMap<u64, Slot>, policy: &Policy) {
        let newest_ms = slots.last_key_value().unwrap().1.sealed_ms;
        let older = |ms: i64| self.points.iter().filter(move |(_, at)| newest_ms - **at > ms);
        let ends = |level: u64| move |object: &&(u64, u64, u64)| object.0 >= level && object.0 <= 9;
        let is_end =
            |txid: u64, level: u64| self.objects.iter().filter(ends(level)).any(|object| object.2 == txid);
        // The claim stays for ever.
        let is_claim = |txid: u64| txid <= 2;
        for (txid, _) in older(ms(policy.l0) + LEVEL_1_MS + 60_000) {
            assert!(is_end(*txid, 1) || is_claim(*txid), "{txid} is a single sync");
        }
        for (txid, _) in older(ms(policy.pitr) + HOUR_MS + LEVEL_1_MS) {
            let stays = is_end(*txid, 3) || is_claim(*txid) || self.is_last_of_hour(*txid);
            assert!(stays, "{txid} is neither the end of an hour nor needed");
        }
        let first_kept_ms = (newest_ms / HOUR_MS + 1 - i64::from(policy.hourly)) * HOUR_MS;
        // What is kept of this day begins with the last full image before; only the last point of the day before is older.
        let images = self.objects.iter().filter(|object| object.0 == 9).map(|object| self.points[&object.2]);
        let base_ms = images.filter(|ms| *ms < first_kept_ms).max().unwrap();
        let nothing = newest_ms / DAY_MS * DAY_MS + HOUR_MS..base_ms;
        let between: Vec<_> = self.points.iter().filter(|(_, ms)| nothing.contains(ms)).collect();
        assert!(
            nothing.end - nothing.start > 2 * HOUR_MS && between.is_empty(),
            "no policy keeps {between:?}"
        );
    }

    fn is_last_of_hour(&self, txid: u64) -> bool {
        let hour = self.points[&txid] / HOUR_MS;
        self.points.range(txid + 1..).next().is_none_or(|(_, next)| next / HOUR_MS != hour)
    }
}

fn ms(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap()
}
