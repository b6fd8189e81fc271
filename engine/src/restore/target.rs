//! Which state is meant.

use super::error::{Nearest, PlanError, Wanted};
use super::knowledge::{Knowledge, Needs};
use super::points::{Point, Settled};
use super::reach::{Faults, Reach};
use crate::key::{ObjectKey, PlaceListing};
use crate::mutants::{Mutant, mutated};
use crate::types::{Level, Timestamp, Txid, TxidRange};

/// What to restore.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target {
    /// The newest state that the store ever held.
    Latest,
    /// Exactly this state.
    Txid(Txid),
    /// The newest point that is not younger.
    Timestamp(Timestamp),
}

/// The outcome of finding a target, when it is not an error: the state, or headers needed to tell.
pub(super) type Found = Result<Txid, Needs>;

/// Finds the state that a target means.
pub(super) struct Finder<'a, 'b> {
    pub(super) listing: &'a PlaceListing,
    pub(super) known: &'a Knowledge,
    pub(super) settled: &'b Settled<'a>,
}

impl Finder<'_, '_> {
    pub(super) fn find(&self, target: Target) -> Result<Found, PlanError> {
        let head = self.listing.head().ok_or(PlanError::Empty)?;
        match target {
            Target::Latest => self.exactly(head, Wanted::Latest).map(Ok),
            Target::Txid(txid) => self.exactly(txid, Wanted::Txid(txid)).map(Ok),
            Target::Timestamp(time) => self.newest_until(time, head),
        }
    }

    fn exactly(&self, txid: Txid, wanted: Wanted) -> Result<Txid, PlanError> {
        if self.points().binary_search_by_key(&txid, |p| p.txid).is_ok() {
            return Ok(txid);
        }
        if let Some(last) = self.points().last()
            && wanted == Wanted::Latest
            && mutated(Mutant::RestoreNewestPassedOver)
        {
            return Ok(last.txid);
        }
        let head = self.listing.head().expect("an empty place was refused before");
        if let Some(fault) = self.fault_on_the_way_to(txid, wanted) {
            return Err(fault);
        }
        if txid > head {
            return Err(PlanError::BeyondNewest { wanted, nearest: self.nearest(txid) });
        }
        match self.settled.reach.narrowest_around(txid) {
            Some(inside) => {
                let presuming = self.lenient().presuming(self.listing);
                let fault = presuming.and_then(|presuming| self.fault_along(&presuming, txid, wanted));
                let nearest = self.nearest(txid);
                Err(fault.unwrap_or(PlanError::Compacted { wanted, inside, nearest }))
            }
            None => Err(self.gap(wanted, txid)),
        }
    }

    /// The newest point whose time is not after `time`, unless a later state may have been that is lost.
    fn newest_until(&self, time: Timestamp, head: Txid) -> Result<Found, PlanError> {
        let wanted = Wanted::Timestamp(time);
        let count = match self.count_until(time) {
            Ok(count) if mutated(Mutant::RestoreTimeRoundsUp) => (count + 1).min(self.points().len()),
            Ok(count) => count,
            Err(needs) => return Ok(Err(needs)),
        };
        if let Some(unproven) = self.unproven_around(count) {
            return Ok(Err(headers(unproven)));
        }
        let Some(point) = count.checked_sub(1).map(|last| self.points()[last]) else {
            return match self.points().first() {
                Some(first) => Err(PlanError::BeforeFirst { wanted, first: first.txid }),
                None => Err(self.fault_on_the_way_to(head, wanted).unwrap_or_else(|| self.gap(wanted, head))),
            };
        };
        if point.txid == head || point.time == Some(time) {
            return Ok(Ok(point.txid));
        }
        if let Some(outcome) = self.untold_after(count, time, wanted) {
            return outcome;
        }
        let lenient = self.lenient();
        if let Some(outcome) = self.spoiled_after(&lenient, point, time, wanted) {
            return outcome;
        }
        // What lies between two ends that are there was let go; what nothing contains was lost, and its time
        // with it.
        let next = point.txid + 1;
        if !lenient.covers(next) {
            return Err(self.gap(wanted, next));
        }
        // Unless it began anew in between, and nobody can tell any more: then there was a point. It was sealed too late
        // where a slot before it was.
        let presuming = lenient.presuming(self.listing);
        let spoiled = presuming.and_then(|reach| self.spoiled_after(&reach, point, time, wanted));
        spoiled.unwrap_or(Ok(Ok(point.txid)))
    }

    /// How many points are not younger than `time`; points are in TXID order, and so are their times, but for those that
    /// are told late. Looks at the newest and the oldest first: most targets lie beyond one of them.
    fn count_until(&self, time: Timestamp) -> Result<usize, Needs> {
        let points = self.points();
        let known = |index: usize| points[index].time.ok_or_else(|| headers(points[index].timed_by));
        let (mut low, mut high) = (0, points.len());
        let mut probe = high.saturating_sub(1);
        while low < high {
            let mut at = probe;
            let mut told = known(at)?;
            // That one is told to be younger says nothing of those after it, if it is told late.
            while told > time && at + 1 < high && self.is_told_late(points[at])? {
                at += 1;
                told = known(at)?;
            }
            if told <= time {
                low = at + 1;
            } else {
                high = probe;
            }
            let is_second = high + 1 == points.len() && low == 0;
            probe = if is_second { 0 } else { low + (high - low) / 2 };
        }
        Ok(low)
    }

    /// Whether only a snapshot of another tool tells the time of a point: that is when it was taken, and the state was sealed
    /// before.
    fn is_told_late(&self, point: Point) -> Result<bool, Needs> {
        if point.timed_by.level() != Level::SNAPSHOT {
            return Ok(false);
        }
        let facts = self.known.header(point.timed_by).ok_or_else(|| headers(point.timed_by))?;
        Ok(facts.after.is_none())
    }

    /// Whether the point after the first `count` may have been sealed by `time`, and what would tell is damaged: then the one
    /// before it would be less than was asked for.
    fn untold_after(
        &self,
        count: usize,
        time: Timestamp,
        wanted: Wanted,
    ) -> Option<Result<Found, PlanError>> {
        let next = self.points().get(count).filter(|next| self.is_told_late(**next) == Ok(true))?;
        let ending =
            self.listing.objects().iter().map(|object| object.key).filter(|key| (*key).max() == next.txid);
        // Also what nothing leads to: nobody has looked at it, yet.
        let is_unread =
            |key: &ObjectKey| self.known.header(*key).is_none() && self.known.damage(*key).is_none();
        if let Some(unread) = ending.clone().find(is_unread) {
            return Some(Ok(Err(headers(unread))));
        }
        // An index is asked only about what nobody can read any more.
        let is_untold = |key: &ObjectKey| self.known.time(*key).is_none_or(|sealed| sealed <= time);
        let object = ending.filter(|key| self.known.damage(*key).is_some()).find(is_untold)?;
        let before = self.points()[count.checked_sub(1)?].txid;
        match self.is_sealed_late(before, next.txid, time) {
            Err(needs) => return Some(Ok(Err(needs))),
            Ok(true) => return None,
            Ok(false) => {}
        }
        let why = self.known.damage(object)?.into();
        Some(Err(PlanError::Damaged { wanted, object, why, nearest: self.nearest(next.txid) }))
    }

    /// One of the two points between which a time lies that only the manifest's index told of: what it says is a hint, a header
    /// decides.
    fn unproven_around(&self, count: usize) -> Option<ObjectKey> {
        if mutated(Mutant::RestoreIndexBelieved) {
            return None;
        }
        let around = self.points().iter().take(count + 1).skip(count.saturating_sub(1));
        around.map(|point| point.timed_by).find(|key| self.known.header(*key).is_none())
    }

    /// Whether the next state after `point` is one that only a damaged object or a broken link keeps from
    /// being restored, and that is not younger than `time`: then `point` would be less than was asked for.
    fn spoiled_after(
        &self,
        lenient: &Reach<'_>,
        point: Point,
        time: Timestamp,
        wanted: Wanted,
    ) -> Option<Result<Found, PlanError>> {
        let (next, _) = lenient.states().find(|(txid, _)| *txid > point.txid)?;
        if self.points().binary_search_by_key(&next, |p| p.txid).is_ok() {
            return None;
        }
        // Whatever ends there tells when it was sealed, whether it can be used or not.
        let known =
            lenient.ending_at(next).find_map(|key| self.known.header(key)).map(|facts| facts.timestamp);
        if known.is_none() {
            match self.is_sealed_late(point.txid, next, time) {
                Err(needs) => return Some(Ok(Err(needs))),
                Ok(true) => return None,
                Ok(false) => {}
            }
        }
        let untold = lenient.ending_at(next).find(|key| self.known.damage(*key).is_none());
        // An index is asked only about what nobody can read any more.
        let indexed = lenient.ending_at(next).find_map(|key| self.known.time(key));
        match (known, untold, indexed) {
            (None, Some(key), _) => Some(Ok(Err(headers(key)))),
            (Some(sealed), ..) | (None, None, Some(sealed)) if sealed > time => None,
            _ => self.fault_along(lenient, next, wanted).map(Err),
        }
    }

    /// Whether the last sound object that ends after the first state and not after the second says that it was sealed after
    /// `time`: then so was the second. Snapshots of another tool say when they were taken.
    fn is_sealed_late(&self, first: Txid, second: Txid, time: Timestamp) -> Result<bool, Needs> {
        let keys = self.listing.objects().iter().map(|object| object.key);
        let between = keys.filter(|key| key.range().max() > first && key.range().max() <= second);
        let sound = between.filter(|key| key.level() != Level::SNAPSHOT && self.known.damage(*key).is_none());
        let Some(last) = sound.max_by_key(|key| key.range().max()) else { return Ok(false) };
        Ok(self.known.header(last).ok_or_else(|| headers(last))?.timestamp > time)
    }

    /// If only faults keep `txid` from being reached: the first of them on the best way.
    fn fault_on_the_way_to(&self, txid: Txid, wanted: Wanted) -> Option<PlanError> {
        self.fault_along(&self.lenient(), txid, wanted)
    }

    fn fault_along(&self, lenient: &Reach<'_>, txid: Txid, wanted: Wanted) -> Option<PlanError> {
        let path = lenient.path(txid)?;
        let nearest = self.nearest(txid);
        let reach = &self.settled.reach;
        let mut left: Option<ObjectKey> = None;
        for right in path.iter().map(|object| object.key) {
            if let Some(why) = self.known.damage(right) {
                return Some(PlanError::Damaged { wanted, object: right, why: why.into(), nearest });
            }
            if reach.is_unclaimed(right) {
                let claim = ObjectKey::slot(Txid::ONE + 1);
                return Some(match self.known.damage(claim) {
                    Some(why) => PlanError::Damaged { wanted, object: claim, why: why.into(), nearest },
                    None => PlanError::Unclaimed { wanted, nearest },
                });
            }
            if let Some(left) = left.and_then(|left| reach.contradiction(left, right)) {
                return Some(PlanError::Unlinked { wanted, left, right, nearest });
            }
            left = Some(right);
        }
        None
    }

    fn lenient(&self) -> Reach<'_> {
        Reach::new(self.listing, self.known, Faults::Ignore)
    }

    /// The error for a state that is lost: names the TXIDs that nothing reachable contains, up to the next
    /// object that is there.
    fn gap(&self, wanted: Wanted, txid: Txid) -> PlanError {
        let nearest = self.nearest(txid);
        let first = nearest.before.map_or(Txid::ONE, |before| before + 1);
        let later = self.listing.objects().iter().map(|o| o.key.min()).filter(|min| *min > first).min();
        let last = later.and_then(|min| Txid::new(min.into_inner() - 1).ok()).unwrap_or(first);
        let missing = TxidRange::new(first, last).expect("the next object starts after the gap does");
        PlanError::Gap { wanted, missing, nearest }
    }

    fn nearest(&self, txid: Txid) -> Nearest {
        let before = self.points().iter().rev().map(|p| p.txid).find(|t| *t < txid);
        let after = self.points().iter().map(|p| p.txid).find(|t| *t > txid);
        Nearest { before, after }
    }

    fn points(&self) -> &[Point] {
        &self.settled.points
    }
}

fn headers(key: ObjectKey) -> Needs {
    Needs { headers: vec![key], page_indexes: Vec::new() }
}
