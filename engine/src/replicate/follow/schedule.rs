//! When a full image is due: a pure question of times. Whether one can be made at that moment is asked elsewhere.

use crate::key::PlaceListing;
use crate::replicate::config::{OnStartup, SnapshotSchedule};
use crate::replicate::head::Head;
use crate::replicate::sighting::elapsed;
use crate::types::{Instant, Level, Now, Timestamp, Txid};
use std::time::Duration;

/// The newest full image of a place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::replicate) struct LastSnapshot {
    pub(in crate::replicate) txid: Txid,
    /// When the store took it, as far as that is known.
    pub(in crate::replicate) at: Timestamp,
}

impl LastSnapshot {
    /// As a listing has it; nothing is read for it.
    pub(in crate::replicate) fn of(listing: &PlaceListing) -> Option<LastSnapshot> {
        let newest = listing.level(Level::SNAPSHOT).iter().max_by_key(|object| object.key.max())?;
        Some(LastSnapshot { txid: newest.key.max(), at: newest.modified })
    }

    /// Whether it holds what this head does.
    pub(in crate::replicate) fn is_of(&self, head: &Head) -> bool {
        self.txid >= head.txid || head.changes_nothing && self.txid + 1 == head.txid
    }
}

/// When full images of one database are due. Outlives one time of following, not the process.
#[derive(Clone, Debug)]
pub(in crate::replicate) struct Schedule {
    rule: SnapshotSchedule,
    last: LastSnapshot,
    /// The interval ends so long after this moment.
    since: Now,
    left: Option<Duration>,
    /// One that failed is not tried again for so long.
    failed_at: Now,
    pause: Duration,
    failures: u32,
    /// One is due because the process has started.
    at_startup: bool,
    /// Somebody asked for one.
    requested: bool,
    /// And for the one that is under way.
    serves_request: bool,
}

/// What the schedule must know of the database.
#[derive(Clone, Copy, Debug)]
pub(super) struct Standing {
    /// Something is newer than the newest full image.
    pub(super) changed: bool,
    /// When something was committed last.
    pub(super) frames_at: Instant,
}

/// One that failed comes again after a minute, then two, up to this.
const PAUSE_MIN: Duration = Duration::from_secs(60);
const PAUSE_MAX: Duration = Duration::from_secs(3600);
/// Where no interval is configured, one that was refused is not tried again sooner.
const DAY: Duration = Duration::from_secs(24 * 3600);

impl Schedule {
    /// When the process follows the database for the first time; `changed`: `last` is not that of the head.
    pub(in crate::replicate) fn starting(
        now: Now,
        rule: SnapshotSchedule,
        last: LastSnapshot,
        changed: bool,
    ) -> Schedule {
        let (none, at_startup) = (Duration::ZERO, changed && rule.on_startup == OnStartup::Always);
        let mut schedule = Schedule {
            rule,
            last,
            since: now,
            left: None,
            failed_at: now,
            pause: none,
            failures: 0,
            at_startup,
            requested: false,
            serves_request: false,
        };
        schedule.left = match rule.on_startup {
            OnStartup::Never => rule.interval,
            OnStartup::Auto | OnStartup::Always => schedule.left_of_interval(now),
        };
        schedule
    }

    /// When it is followed again; the place may have another newest one.
    pub(in crate::replicate) fn following(self, now: Now, last: LastSnapshot) -> Schedule {
        let mut schedule = Schedule { last, ..self };
        if last.txid > self.last.txid {
            (schedule.since, schedule.left) = (now, schedule.left_of_interval(now));
        }
        schedule
    }

    /// Another rule; an interval that stays goes on.
    pub(super) fn reconfigure(&mut self, now: Now, rule: SnapshotSchedule) {
        let is_new = rule.interval != self.rule.interval;
        self.rule = rule;
        if is_new {
            (self.since, self.left) = (now, self.left_of_interval(now));
        }
    }

    fn left_of_interval(&self, now: Now) -> Option<Duration> {
        let passed = now.wall.as_millis().saturating_sub(self.last.at.as_millis());
        let passed = Duration::from_millis(u64::try_from(passed).unwrap_or(0));
        self.rule.interval.map(|interval| interval.saturating_sub(passed))
    }

    pub(in crate::replicate) fn last(&self) -> LastSnapshot {
        self.last
    }

    /// Whether somebody asked for one that has not begun.
    pub(in crate::replicate) fn is_requested(&self) -> bool {
        self.requested
    }

    /// Whether somebody asked for the one that is under way.
    pub(super) fn serves_request(&self) -> bool {
        self.serves_request
    }

    pub(super) fn request(&mut self) {
        self.requested = true;
    }

    /// One begins.
    pub(super) fn begins(&mut self) {
        self.serves_request |= std::mem::take(&mut self.requested);
    }

    /// It was given up for a moment: who asked asks still.
    pub(super) fn put_off(&mut self) {
        self.requested |= std::mem::take(&mut self.serves_request);
    }

    /// When the next one is due; `None`: not before something changes.
    pub(super) fn at(&self, standing: Standing) -> Option<Instant> {
        if self.requested {
            return Some(self.since.mono);
        }
        let startup = self.at_startup.then_some(self.since.mono);
        let interval = self.left.map(|left| self.since.mono.after(left));
        let idle = self.rule.on_idle.map(|idle| standing.frames_at.after(idle));
        let due = [startup, interval, idle].into_iter().flatten().min().filter(|_| standing.changed)?;
        Some(due.max(self.failed_at.mono.after(self.pause)))
    }

    /// Whether one is due; a machine that slept has missed no interval.
    pub(super) fn is_due(&self, now: Now, standing: Standing) -> bool {
        let slept = self.left.is_some_and(|left| elapsed(now, self.since) >= left);
        let by_wall = slept && standing.changed && elapsed(now, self.failed_at) >= self.pause;
        by_wall || self.at(standing).is_some_and(|at| at <= now.mono)
    }

    /// When the interval ends, by the wall clock.
    pub(super) fn due(&self) -> Option<Timestamp> {
        let left = i64::try_from(self.left?.as_millis()).unwrap_or(i64::MAX);
        let pause = i64::try_from(self.pause.as_millis()).unwrap_or(i64::MAX);
        let end = |from: Now, ms: i64| from.wall.as_millis().saturating_add(ms);
        let due = end(self.since, left);
        let due = if pause == 0 { due } else { due.max(end(self.failed_at, pause)) };
        Some(Timestamp::from_millis(due))
    }

    /// One is in the store.
    pub(super) fn made(&mut self, now: Now, txid: Txid) {
        self.last = LastSnapshot { txid, at: now.wall };
        self.begin_interval(now);
        (self.failures, self.pause) = (0, Duration::ZERO);
    }

    /// Nothing has changed since the newest one.
    pub(super) fn unchanged(&mut self) {
        (self.at_startup, self.serves_request) = (false, false);
    }

    /// One was not made, and may be when it is tried again.
    pub(super) fn failed(&mut self, now: Now) {
        self.serves_request = false;
        self.failed_at = now;
        self.pause = (PAUSE_MIN * (1 << self.failures.min(6))).min(PAUSE_MAX);
        self.failures += 1;
    }

    /// One will not be made as things are: the next attempt is that of the next interval.
    pub(super) fn refused(&mut self, now: Now) {
        self.begin_interval(now);
        self.failed_at = now;
        self.pause = self.rule.interval.unwrap_or(DAY);
    }

    fn begin_interval(&mut self, now: Now) {
        (self.since, self.left) = (now, self.rule.interval);
        self.unchanged();
    }
}

#[cfg(test)]
mod tests;
