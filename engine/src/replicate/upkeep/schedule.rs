//! When a level, or retention, is due.

use crate::compact::{Levels, Pending, due};
use crate::key::{ObjectKey, PlaceListing};
use crate::mutants::{Mutant, mutated};
use crate::replicate::config::DatabaseConfig;
use crate::store::Sha256;
use crate::types::{Instant, Level, Now, Timestamp, Txid};
use std::collections::BTreeMap;
use std::time::Duration;

/// What waits.
#[derive(Debug, Default)]
pub(super) struct Schedule {
    /// What waits for each level.
    pending: BTreeMap<Level, Waiting>,
    /// Something changed that retention has not seen grow old: since when, and last.
    changed: Option<(Instant, Instant)>,
    /// An earlier life left what may go: who never lives for as long as `l0` would never delete anything.
    is_left_over: bool,
    /// No level before then, and no retention: neither keeps the other from being done.
    levels: Postponed,
    retention: Postponed,
}

/// The last attempt came to nothing, and so did so many before it.
#[derive(Debug, Default)]
struct Postponed {
    to: Instant,
    in_vain: u32,
}

impl Postponed {
    fn postpone(&mut self, now: Instant) {
        self.to = now.after(POSTPONED * (1 << self.in_vain.min(DOUBLINGS_MAX)));
        self.in_vain += 1;
    }
}

/// Inputs of a level.
#[derive(Clone, Copy, Debug)]
struct Waiting {
    /// The oldest.
    first: Pending,
    /// The newest, and where it ends: it may have come after the place was listed.
    last: Pending,
    end: Txid,
}

/// Long enough that what made a pass useless has passed, or that somebody hears of it.
const POSTPONED: Duration = Duration::from_secs(30);
/// An hour at most.
const DOUBLINGS_MAX: u32 = 7;
/// After a start; a life that is shorter deletes nothing.
const LEFT_OVER: Duration = Duration::from_secs(600);
/// Arrivals are told in whole seconds.
const ROUNDING: Duration = Duration::from_secs(2);

impl Schedule {
    /// A slot was confirmed, or an object of a level made.
    pub(super) fn came(&mut self, now: Now, levels: &Levels, object: ObjectKey, sealed: Timestamp) {
        let above = levels.iter().map(|(level, _)| level).find(|level| *level > object.level());
        if let Some(level) = above {
            let (last, end) = (Pending { sealed, seen: now.mono }, object.max());
            let waiting = self.pending.entry(level).or_insert(Waiting { first: last, last, end });
            (waiting.last, waiting.end) = (last, end);
        }
        let first = self.changed.map_or(now.mono, |(first, _)| first);
        self.changed = Some((first, now.mono));
    }

    /// What a listing shows that was not compacted, and whether something waits to be deleted.
    pub(super) fn listed(&mut self, now: Now, levels: &Levels, listing: &PlaceListing) {
        let made =
            |level: Level| move |key: &ObjectKey| key.level() >= level && key.level() < Level::SNAPSHOT;
        for (level, _) in levels.iter() {
            let keys = || listing.objects().iter().map(|object| object.key);
            let end = keys().filter(made(level)).map(ObjectKey::max).max();
            let waits = |key: ObjectKey| key.level() < level && end.is_none_or(|end| key.min() > end);
            let oldest =
                listing.objects().iter().filter(|object| waits(object.key)).min_by_key(|o| o.key.min());
            if let Some(oldest) = oldest {
                let first = Pending { sealed: oldest.modified, seen: now.mono };
                self.pending.entry(level).or_insert(Waiting { first, last: first, end: oldest.key.max() });
            }
        }
        let may_go = !listing.late_arrivals().is_empty()
            || listing.level(Level::L0).iter().any(|slot| {
                let covers = |object: &&crate::key::ObjectInfo| object.key.level() > Level::L0;
                listing.covering(slot.key.max()).find(covers).is_some()
            });
        if may_go {
            self.changed.get_or_insert((now.mono, now.mono));
            self.is_left_over = true;
        }
    }

    /// An object of a level was made.
    pub(super) fn progressed(&mut self) {
        self.levels.in_vain = 0;
    }

    /// The lowest level above `after` that is due.
    pub(super) fn due_level(&self, now: Now, config: &DatabaseConfig, after: Option<Level>) -> Option<Level> {
        let levels = config.upkeep.levels.iter().map(|(level, _)| level).filter(|level| Some(*level) > after);
        levels.into_iter().find(|level| self.level_at(now, config, *level).is_some_and(|at| at <= now.mono))
    }

    /// A level was brought up to date with everything up to `confirmed`.
    pub(super) fn made(&mut self, level: Level, confirmed: Txid) {
        self.levels.in_vain = 0;
        let waiting = self.pending.remove(&level).filter(|waiting| waiting.end > confirmed);
        if let Some(Waiting { last, end, .. }) = waiting.filter(|_| !mutated(Mutant::LateSlotForgotten)) {
            self.pending.insert(level, Waiting { first: last, last, end });
        }
    }

    /// When retention is due: as soon as what changed first is old enough to let something go.
    pub(super) fn retention_at(&self, config: &DatabaseConfig) -> Option<Instant> {
        let policy = config.upkeep.policy?;
        let (first, _) = self.changed?;
        let wait = policy.l0.max(RETENTION_INTERVAL_MIN) + ROUNDING;
        let wait = if self.is_left_over { wait.min(LEFT_OVER) } else { wait };
        Some(first.after(wait).max(self.retention.to))
    }

    /// Retention looked at everything that had come until then.
    pub(super) fn retained(&mut self, began: Instant, config: &DatabaseConfig) {
        let Some(policy) = config.upkeep.policy else { return };
        self.retention.in_vain = 0;
        // The store does what it is asked: levels need not wait any longer.
        self.levels = Postponed::default();
        self.is_left_over = false;
        let wait = policy.l0.max(RETENTION_INTERVAL_MIN) + ROUNDING;
        // What came later than that was too young.
        self.changed = self.changed.and_then(|(first, last)| {
            let is_old = last.after(wait) <= began;
            (!is_old).then(|| (if first.after(wait) <= began { last } else { first }, last))
        });
    }

    /// Retention looked, and will see more then.
    pub(super) fn hold_retention(&mut self, to: Instant) {
        self.retention = Postponed { to, in_vain: 0 };
    }

    /// The last attempt at a level came to nothing.
    pub(super) fn postpone_levels(&mut self, now: Instant) {
        self.levels.postpone(now);
    }

    /// The last attempt at retention came to nothing.
    pub(super) fn postpone_retention(&mut self, now: Instant) {
        self.retention.postpone(now);
    }

    /// When anything is due.
    pub(super) fn at(&self, now: Now, config: &DatabaseConfig) -> Option<Instant> {
        let levels = self.pending.keys().filter_map(|level| self.level_at(now, config, *level));
        levels.chain(self.retention_at(config)).min()
    }

    /// When a level is due, if anything waits for it.
    pub(super) fn level_at(&self, now: Now, config: &DatabaseConfig, level: Level) -> Option<Instant> {
        let interval = config.upkeep.levels.interval(level)?;
        let pending = self.pending.get(&level)?.first;
        if mutated(Mutant::LevelNeverDue) && level > Level::new(1).expect("a level") {
            return None;
        }
        let at = due(interval, offset(config), Some(pending), now)?;
        Some(at.max(self.levels.to))
    }
}

/// More often costs requests, and nobody would see the difference.
const RETENTION_INTERVAL_MIN: Duration = Duration::from_secs(5);

/// The same for all levels of a database, in each of its lives; different for each, so that they do not come at once.
fn offset(config: &DatabaseConfig) -> Duration {
    let shortest = config.upkeep.levels.iter().map(|(_, interval)| interval).min().unwrap_or_default();
    let hash = Sha256::of(config.place.folder().as_bytes());
    let [a, b, c, d, ..] = hash.0;
    let spread = u64::from(u32::from_be_bytes([a, b, c, d]));
    let shortest_ms = u64::try_from(shortest.as_millis()).unwrap_or(u64::MAX).max(1);
    Duration::from_millis(spread % shortest_ms)
}
