//! When the place of a database was kept in shape in this run.

use crate::control::{UpkeepReport, WhenDone};
use crate::output::format_timestamp;
use engine::replicate::{Notice, Standing};
use engine::types::{Level, Timestamp};
use std::time::{Duration, Instant, SystemTime};

/// What was done last, and when.
#[derive(Debug, Default)]
pub(super) struct UpkeepDone {
    snapshot: Option<Instant>,
    /// From level 1 up.
    levels: [Option<Instant>; Level::MERGED_MAX],
    retention: Option<Instant>,
}

impl UpkeepDone {
    /// Takes note of what is said of it.
    pub(super) fn note(&mut self, notice: &Notice, now: Instant) {
        match notice {
            Notice::Snapshot { .. } => self.snapshot = Some(now),
            Notice::Compacted { object, .. } => {
                let below = usize::from(object.level().get()).checked_sub(1);
                if let Some(at) = below.and_then(|below| self.levels.get_mut(below)) {
                    *at = Some(now);
                }
            }
            Notice::Retained { .. } => self.retention = Some(now),
            _ => {}
        }
    }

    /// When each was done last.
    pub(super) fn report(&self, now: Instant) -> UpkeepReport {
        let ago = |at: Instant| SystemTime::now().checked_sub(now.duration_since(at));
        let when = |done: Option<Instant>| WhenDone { last_at: done.and_then(ago).map(text), next_at: None };
        UpkeepReport {
            snapshot: when(self.snapshot),
            levels: self.levels.iter().copied().map(when).collect(),
            retention: when(self.retention),
        }
    }
}

/// With what is due. A snapshot's time is told by its schedule.
pub(super) fn with_due(report: UpkeepReport, standing: &Standing) -> UpkeepReport {
    let ahead = |due: Option<Duration>| due.and_then(|due| SystemTime::now().checked_add(due)).map(text);
    let due = |when: WhenDone, due| WhenDone { next_at: ahead(due), ..when };
    UpkeepReport {
        levels: report
            .levels
            .into_iter()
            .zip(standing.levels_due)
            .map(|(level, at)| due(level, at))
            .collect(),
        retention: due(report.retention, standing.retention_due),
        ..report
    }
}

fn text(time: SystemTime) -> String {
    let since = time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    format_timestamp(Timestamp::from_millis(i64::try_from(since.as_millis()).unwrap_or(i64::MAX)))
}
