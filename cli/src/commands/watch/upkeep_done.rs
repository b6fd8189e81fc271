//! When the place of a database was kept in shape in this run.

use crate::control::{UpkeepReport, WhenDone};
use crate::output::{earlier, format_timestamp, later};
use engine::replicate::{Notice, Standing};
use engine::types::{Level, Timestamp};
use std::time::{Duration, Instant};

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

    /// When each was done last; `wall`: what the clock on the wall shows at `now`.
    pub(super) fn report(&self, now: Instant, wall: Timestamp) -> UpkeepReport {
        let ago = |at: Instant| format_timestamp(earlier(wall, now.duration_since(at)));
        let when = |done: Option<Instant>| WhenDone { last_at: done.map(ago), next_at: None };
        UpkeepReport {
            snapshot: when(self.snapshot),
            levels: self.levels.iter().copied().map(when).collect(),
            retention: when(self.retention),
        }
    }
}

/// With what is due. A snapshot's time is told by its schedule.
pub(super) fn with_due(report: UpkeepReport, standing: &Standing, wall: Timestamp) -> UpkeepReport {
    let ahead = |due: Option<Duration>| due.map(|due| format_timestamp(later(wall, due)));
    let due = |when: WhenDone, due| WhenDone { next_at: ahead(due), ..when };
    let levels = report.levels.into_iter().zip(standing.levels_due);
    UpkeepReport {
        levels: levels.map(|(level, at)| due(level, at)).collect(),
        retention: due(report.retention, standing.retention_due),
        ..report
    }
}
