//! Which points stay how long, in words (docs/retention.md).

use super::triggers::span;
use crate::config::{CompactionSettings, RetentionSettings};
use serde::Serialize;
use std::time::Duration;

/// One kind of points, and for how long they stay.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Outcome {
    /// Which.
    pub points: String,
    /// How long.
    pub stay: String,
}

/// What the policy keeps of a database that is written to all the time, finest first. The newest state stays always.
pub fn outcome(retention: &RetentionSettings, compaction: &CompactionSettings) -> Vec<Outcome> {
    let RetentionSettings { l0, pitr, hourly, daily, weekly, monthly } = retention;
    let mut rows = vec![Outcome {
        points: "every sync".to_owned(),
        stay: format!("{} after it was compacted", span(*l0)),
    }];
    if let Some(level_1) = compaction.intervals.first().filter(|_| !pitr.is_zero()) {
        rows.push(Outcome { points: format!("one every {}", span(*level_1)), stay: span(*pitr) });
    }
    let mut covered = *pitr;
    for (count, period, name) in
        [(hourly, HOUR, "hour"), (daily, DAY, "day"), (weekly, WEEK, "week"), (monthly, MONTH, "month")]
    {
        let reach = period.saturating_mul(u32::try_from(*count).unwrap_or(u32::MAX));
        if *count == 0 {
            continue;
        }
        let adds = if reach <= covered { "; adds nothing to what stays anyway" } else { "" };
        covered = covered.max(reach);
        rows.push(Outcome {
            points: format!("the last one of each {name} (UTC)"),
            stay: format!("{count} {name}{}{adds}", if *count == 1 { "" } else { "s" }),
        });
    }
    rows.push(Outcome { points: "the newest state".to_owned(), stay: "always".to_owned() });
    rows
}

pub(super) const HOUR: Duration = Duration::from_secs(3600);
pub(super) const DAY: Duration = Duration::from_secs(24 * 3600);
pub(super) const WEEK: Duration = Duration::from_secs(7 * 24 * 3600);
/// A twelfth of a year.
pub(super) const MONTH: Duration = Duration::from_secs(2_629_746);
