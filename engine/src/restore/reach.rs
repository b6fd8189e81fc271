//! Which states the objects of a listing lead to, and by which objects best: one pass over all of them.
//!
//! Best is: the newest base; then the fewest objects; then the higher level. Each of these is decided by the
//! best way to the predecessor plus one object, so one pass in TXID order finds the best way to every state.

use super::Knowledge;
use super::link::{is_broken, joins};
use crate::key::{ObjectInfo, ObjectKey, PlaceListing};
use crate::mutants::{Mutant, mutated};
use crate::types::{Level, Txid};
use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

/// Whether what headers say against an object counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Faults {
    /// It does: the truth.
    Count,
    /// It does not: to find out which fault keeps a state from being reached.
    Ignore,
}

/// The best way to every state, for one listing and what is known of it.
pub(crate) struct Reach<'a> {
    objects: &'a [ObjectInfo],
    known: &'a Knowledge,
    faults: Faults,
    unclaimed_first_image: bool,
    /// Damaged objects that are taken for full images.
    presumed_images: BTreeSet<ObjectKey>,
    /// Per object, the best way that ends with it; `None` when nothing leads to it.
    hops: Vec<Option<Hop>>,
    /// Per TXID, the objects that end there.
    all_ends: BTreeMap<Txid, Vec<usize>>,
    /// The same without those that nothing leads to.
    ends: BTreeMap<Txid, Vec<usize>>,
    /// TXIDs inside reachable objects.
    covered: Ranges,
    /// TXIDs inside those whose best way begins at TXID 1.
    rooted: Ranges,
}

/// The last step of the best way to an object.
#[derive(Clone, Copy, Debug)]
struct Hop {
    base: usize,
    previous: Option<usize>,
    objects_count: usize,
}

/// Larger is better; the last two only make the choice unique.
type Rank = (Txid, Level, Reverse<usize>, Level, Txid, Txid);

impl<'a> Reach<'a> {
    pub(crate) fn new(listing: &'a PlaceListing, known: &'a Knowledge, faults: Faults) -> Reach<'a> {
        Reach::from_bases(listing, known, faults, BTreeSet::new())
    }

    /// Ignores faults, and takes for a full image what is too damaged to tell. `None` where nothing is.
    pub(super) fn presuming(&self, listing: &'a PlaceListing) -> Option<Reach<'a>> {
        let presumed: BTreeSet<ObjectKey> = self.untold_bases().collect();
        let is_any = !presumed.is_empty();
        is_any.then(|| Reach::from_bases(listing, self.known, Faults::Ignore, presumed))
    }

    fn from_bases(
        listing: &'a PlaceListing,
        known: &'a Knowledge,
        faults: Faults,
        presumed_images: BTreeSet<ObjectKey>,
    ) -> Reach<'a> {
        let objects = listing.objects();
        let mut reach = Reach {
            objects,
            known,
            faults,
            unclaimed_first_image: is_first_image_unclaimed(listing, known),
            presumed_images,
            hops: vec![None; objects.len()],
            all_ends: BTreeMap::new(),
            ends: BTreeMap::new(),
            covered: Ranges::default(),
            rooted: Ranges::default(),
        };
        let mut order: Vec<usize> = (0..objects.len()).collect();
        order.sort_by_key(|&i| objects[i].key.max());
        for (object, info) in objects.iter().enumerate() {
            reach.all_ends.entry(info.key.max()).or_default().push(object);
        }
        for object in order {
            if let Some(hop) = reach.best_hop(object) {
                reach.hops[object] = Some(hop);
                reach.ends.entry(objects[object].key.max()).or_default().push(object);
            }
        }
        reach.covered = reach.cover(|_| true);
        reach.rooted = reach.cover(|hop| objects[hop.base].key.starts_at_one());
        reach
    }

    /// Every reachable state, ascending, with the last object of the best way to it.
    pub(crate) fn states(&self) -> impl Iterator<Item = (Txid, ObjectKey)> {
        self.ends.iter().map(|(txid, objects)| (*txid, self.objects[self.best(objects)].key))
    }

    /// The objects that lead to a state in one more step, reachable ones only.
    pub(super) fn ending_at(&self, txid: Txid) -> impl Iterator<Item = ObjectKey> {
        self.ends.get(&txid).into_iter().flatten().map(|&i| self.objects[i].key)
    }

    /// The best way to a state, base first; `None` if nothing leads there.
    pub(super) fn path(&self, txid: Txid) -> Option<Vec<&'a ObjectInfo>> {
        let mut next = Some(self.best(self.ends.get(&txid)?));
        let mut path = Vec::new();
        while let Some(object) = next {
            path.push(&self.objects[object]);
            next = self.hops[object].expect("only reachable objects are linked").previous;
        }
        path.reverse();
        assert!(self.is_base(path[0].key));
        assert!(path.windows(2).all(|pair| joins(pair[0].key, pair[1].key)));
        Some(path)
    }

    /// The earlier object that keeps `right` from following `left`, by what is known of headers.
    pub(crate) fn contradiction(&self, left: ObjectKey, right: ObjectKey) -> Option<ObjectKey> {
        self.contradiction_with(self.witness_against(right), left, right)
    }

    /// The objects that tell whether one that starts above TXID 1 belongs to this history.
    pub(super) fn witnesses(&self, key: ObjectKey) -> impl Iterator<Item = ObjectKey> {
        let ending = self.all_ends.get(&state_before(key)).into_iter().flatten();
        ending.map(|&i| self.objects[i].key).filter(|left| !self.is_faulty(*left))
    }

    /// Whether a TXID lies inside a reachable object: its own state may be gone, but nothing is missing.
    pub(crate) fn covers(&self, txid: Txid) -> bool {
        self.covered.contains(txid)
    }

    /// Whether something leads to an object, or it is a base.
    pub(crate) fn is_reached(&self, key: ObjectKey) -> bool {
        self.objects.binary_search_by_key(&key, |o| o.key).is_ok_and(|object| self.hops[object].is_some())
    }

    /// The newest reachable object that one above TXID 1 could follow by name.
    pub(crate) fn joining(&self, key: ObjectKey) -> Option<ObjectKey> {
        let (_, objects) = self.ends.range(state_before(key)..key.max()).next_back()?;
        objects.last().map(|&object| self.objects[object].key)
    }

    /// Reachable objects that contain a TXID, the narrowest first.
    pub(super) fn narrowest_around(&self, txid: Txid) -> Option<ObjectKey> {
        let width = |key: ObjectKey| key.max().into_inner() - key.min().into_inner();
        let keys = self.objects.iter().zip(&self.hops).filter(|(_, hop)| hop.is_some()).map(|(o, _)| o.key);
        keys.filter(|key| key.range().contains(txid)).min_by_key(|key| (width(*key), *key))
    }

    /// Sound objects that may begin a chain. Ascending.
    pub(super) fn possible_bases(&self) -> impl Iterator<Item = ObjectKey> {
        self.unread_slots().filter(|key| self.known.damage(*key).is_none())
    }

    /// Damaged ones: nobody can tell any more.
    fn untold_bases(&self) -> impl Iterator<Item = ObjectKey> {
        self.unread_slots().filter(|key| self.known.damage(*key).is_some())
    }

    /// Level-0 objects that nothing leads to, and of which nobody knows whether they hold a whole database: behind a gap
    /// one of them may begin a new chain. Not what a chain from TXID 1 contains; but what one contains that begins behind
    /// the same gap, for which of them is asked first is chance.
    fn unread_slots(&self) -> impl Iterator<Item = ObjectKey> {
        let unreached =
            self.objects.iter().zip(&self.hops).filter(|(_, hop)| hop.is_none()).map(|(o, _)| o.key);
        unreached
            .filter(|key| key.level() == Level::L0 && !key.starts_at_one())
            .filter(|key| self.known.full_image(*key).is_none())
            .filter(|key| !self.rooted.contains((*key).max()))
    }

    /// What headers say against an object by itself.
    pub(super) fn is_faulty(&self, key: ObjectKey) -> bool {
        self.known.damage(key).is_some() || self.is_unclaimed(key)
    }

    /// Whether it is a first image whose writer never won the claim slot.
    pub(crate) fn is_unclaimed(&self, key: ObjectKey) -> bool {
        self.unclaimed_first_image && key == ObjectKey::snapshot(Txid::ONE)
    }

    fn is_base(&self, key: ObjectKey) -> bool {
        key.starts_at_one() || self.known.full_image(key) == Some(true) || self.presumed_images.contains(&key)
    }

    fn best_hop(&self, object: usize) -> Option<Hop> {
        let key = self.objects[object].key;
        if self.faults == Faults::Count && self.is_faulty(key) {
            return None;
        }
        if self.is_base(key) {
            return Some(Hop { base: object, previous: None, objects_count: 1 });
        }
        // A base starts at 1, so here min is at least 2 and the state before it has a number.
        let first = if mutated(Mutant::RestoreGapAccepted) { Txid::ONE } else { state_before(key) };
        let ends = self.ends.range(first..key.max()).flat_map(|(_, objects)| objects);
        let witness = self.witness_against(key);
        let may_follow = |left: ObjectKey| match self.faults {
            Faults::Ignore => true,
            Faults::Count => self.contradiction_with(witness, left, key).is_none(),
        };
        let usable = ends.copied().filter(|&left| may_follow(self.objects[left].key));
        let previous = usable.max_by_key(|&left| self.rank(left))?;
        let hop = self.hops[previous].expect("only reachable objects have ends");
        Some(Hop { base: hop.base, previous: Some(previous), objects_count: hop.objects_count + 1 })
    }

    /// An object that ends where `key` starts and leaves another database than `key` applies to, if every one
    /// that ends there and tells does. Objects that overlap have no pair of checksums between them; without
    /// this they would smuggle another history in. Nothing is said before all of them are known, and whether
    /// anything leads to them is not asked: so what is learned later never takes it back.
    fn witness_against(&self, key: ObjectKey) -> Option<ObjectKey> {
        let before = self.known.header(key)?.before?;
        if self.witnesses(key).any(|left| self.known.header(left).is_none()) {
            return None;
        }
        let after = |left: &ObjectKey| self.known.header(*left).and_then(|facts| facts.after);
        let mut telling = self.witnesses(key).filter(|left| after(left).is_some());
        let first = telling.next()?;
        let all_differ = after(&first) != Some(before) && telling.all(|left| after(&left) != Some(before));
        all_differ.then_some(first)
    }

    fn contradiction_with(
        &self,
        witness: Option<ObjectKey>,
        left: ObjectKey,
        right: ObjectKey,
    ) -> Option<ObjectKey> {
        assert!(joins(left, right));
        if is_broken(left, right, self.known) {
            return Some(left);
        }
        let overlaps = right.min() <= left.max();
        witness.filter(|_| overlaps)
    }

    fn best(&self, objects: &[usize]) -> usize {
        *objects.iter().max_by_key(|&&i| self.rank(i)).expect("an end has an object")
    }

    fn rank(&self, object: usize) -> Rank {
        let hop = self.hops[object].expect("only reachable objects are ranked");
        let (base, key) = (self.objects[hop.base].key, self.objects[object].key);
        (base.max(), base.level(), Reverse(hop.objects_count), key.level(), key.max(), key.min())
    }

    fn cover(&self, counts: impl Fn(Hop) -> bool) -> Ranges {
        let reached = self.objects.iter().zip(&self.hops).filter(|(_, hop)| hop.is_some_and(&counts));
        reached.map(|(o, _)| (o.key.min().into_inner(), o.key.max().into_inner())).collect()
    }
}

/// Disjoint ascending ranges of TXIDs.
#[derive(Default)]
struct Ranges(Vec<(u64, u64)>);

impl FromIterator<(u64, u64)> for Ranges {
    fn from_iter<T: IntoIterator<Item = (u64, u64)>>(ranges: T) -> Ranges {
        let mut ranges: Vec<(u64, u64)> = ranges.into_iter().collect();
        ranges.sort_unstable();
        let mut merged: Vec<(u64, u64)> = Vec::new();
        for (min, max) in ranges {
            match merged.last_mut() {
                Some(last) if min <= last.1 => last.1 = last.1.max(max),
                _ => merged.push((min, max)),
            }
        }
        Ranges(merged)
    }
}

impl Ranges {
    fn contains(&self, txid: Txid) -> bool {
        let number = txid.into_inner();
        let after = self.0.partition_point(|range| range.0 <= number);
        after > 0 && number <= self.0[after - 1].1
    }
}

/// The state that an object applies to at the latest.
///
/// # Panics
/// For an object that starts at TXID 1.
fn state_before(key: ObjectKey) -> Txid {
    Txid::new(key.min().into_inner() - 1).expect("min is above 1")
}

/// Whether the first image is one of ours and slot 2 does not prove that its writer won the place. Unknown
/// headers prove and disprove nothing; another tool's image needs no claim.
pub(crate) fn is_first_image_unclaimed(listing: &PlaceListing, known: &Knowledge) -> bool {
    let image = ObjectKey::snapshot(Txid::ONE);
    let claim = ObjectKey::slot(Txid::ONE + 1);
    let Some(after) = known.header(image).and_then(|facts| facts.after) else { return false };
    if listing.get(claim).is_none() || known.damage(claim).is_some() {
        return true;
    }
    known.header(claim).is_some_and(|facts| facts.before != Some(after))
}
