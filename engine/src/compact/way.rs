//! Which objects follow each other, by their names alone.

use crate::key::{ObjectInfo, ObjectKey, PlaceListing};
use crate::mutants::{Mutant, mutated};
use crate::restore::Knowledge;
use crate::types::{Level, Txid, TxidRange};
use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

/// What may go into a level, and what may bridge a hole in it.
pub(super) struct Ways<'a> {
    /// The inputs, by the TXID of the state that they apply to; none is empty.
    inputs: BTreeMap<u64, Vec<&'a ObjectInfo>>,
    /// Objects that hold a whole database, by the TXID that they lead to.
    bases: BTreeMap<u64, ObjectKey>,
}

/// Where a level goes on behind a hole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Behind {
    /// From this state, to which an object leads if it ends just there.
    State(u64, Option<ObjectKey>),
    /// There are objects, and nothing leads to them.
    Nothing {
        /// What is not there.
        missing: TxidRange,
        /// The first object behind it.
        next: ObjectKey,
    },
    /// There is no object that leads further than what bridges it.
    End,
}

impl<'a> Ways<'a> {
    /// Takes the objects below `target` that may be compacted: up to the newest one of level `source` or above that
    /// ends at `confirmed` or before. What lower levels have beyond it is not theirs yet.
    pub(super) fn new(
        listing: &'a PlaceListing,
        known: &Knowledge,
        (source, target): (Level, Level),
        confirmed: Txid,
    ) -> Ways<'a> {
        let is_confirmed = |max| max <= confirmed || mutated(Mutant::CompactAboveConfirmed);
        let lower = listing.objects().iter().take_while(|o| o.key.level() < target);
        let lower = lower.filter(|o| is_confirmed(o.key.max()));
        let ripe = lower.clone().filter(|o| o.key.level() >= source).map(|o| o.key.max()).max();
        let mut inputs: BTreeMap<u64, Vec<&ObjectInfo>> = BTreeMap::new();
        for object in lower.filter(|o| Some(o.key.max()) <= ripe && known.damage(o.key).is_none()) {
            // A first image stays where it is: every level would store the whole database once more.
            if !object.key.starts_at_one() || mutated(Mutant::CompactFirstImageCopied) {
                inputs.entry(state_before(object.key)).or_default().push(object);
            }
        }
        let whole = listing.objects().iter().map(|o| o.key).filter(|key| key.starts_at_one());
        let whole = whole.filter(|key| known.damage(*key).is_none());
        Ways { inputs, bases: whole.map(|key| (key.max().into_inner(), key)).collect() }
    }

    /// The fewest objects that lead from a state as far as objects follow each other without a hole or an overlap,
    /// oldest first; ties to the higher level.
    pub(super) fn from(&self, start: u64) -> Vec<&'a ObjectInfo> {
        let mut reached: BTreeMap<u64, Hop<'a>> = BTreeMap::new();
        let mut state = start;
        loop {
            let objects_count = 1 + reached.get(&state).map_or(0, |hop| hop.objects_count);
            for object in self.inputs.get(&state).into_iter().flatten().copied() {
                let hop = Hop { objects_count, object };
                match reached.entry(object.key.max().into_inner()) {
                    Entry::Vacant(free) => _ = free.insert(hop),
                    Entry::Occupied(mut best) if hop.is_better_than(best.get()) => _ = best.insert(hop),
                    Entry::Occupied(_) => {}
                }
            }
            match reached.range(state..).map(|(end, _)| *end).find(|end| *end > state) {
                Some(next) => state = next,
                None => break,
            }
        }
        let mut way = Vec::new();
        while let Some(hop) = reached.get(&state) {
            way.push(hop.object);
            state = state_before(hop.object.key);
        }
        way.reverse();
        way
    }

    /// Where to go on when no input applies to `state`: behind the first hole that something bridges. That is what
    /// holds a whole database, or an input that reaches across `state` because somebody drew other bounds.
    pub(super) fn behind(&self, state: u64) -> Behind {
        let mut bridges = self.bases.clone();
        let begun = self.inputs.range(..state).flat_map(|(_, objects)| objects);
        let across = begun.map(|o| o.key).filter(|key| (*key).max().into_inner() > state);
        bridges.extend(across.map(|key| (key.max().into_inner(), key)));
        let mut reached = state;
        for (before, objects) in self.inputs.range(state..).filter(|(before, _)| **before > state) {
            match bridges.range(before..).next() {
                Some((end, bridge)) if objects.iter().any(|object| object.key.max().into_inner() > *end) => {
                    return Behind::State(*before, (before == end).then_some(*bridge));
                }
                // It leads nowhere that the bridge does not: after a heal there is nothing behind the image yet.
                Some((end, _)) => reached = *end,
                None if mutated(Mutant::CompactGapAccepted) => return Behind::State(*before, None),
                None => return nothing_between(reached, *before, objects[0].key),
            }
        }
        Behind::End
    }
}

/// Nothing leads from one state to a later one, to which an object applies.
fn nothing_between(state: u64, later: u64, next: ObjectKey) -> Behind {
    let first = Txid::new(state + 1).expect("there is a later state");
    let last = Txid::new(later).expect("it comes after another state");
    let missing = TxidRange::new(first, last).expect("what ends at the later state bridges the hole");
    Behind::Nothing { missing, next }
}

/// The best last step to a state.
#[derive(Clone, Copy)]
struct Hop<'a> {
    objects_count: usize,
    object: &'a ObjectInfo,
}

impl Hop<'_> {
    fn is_better_than(&self, other: &Hop<'_>) -> bool {
        let level = |hop: &Hop<'_>| hop.object.key.level();
        self.objects_count < other.objects_count
            || self.objects_count == other.objects_count && level(self) > level(other)
    }
}

/// The TXID of the state that an object applies to; 0 is the empty database.
fn state_before(key: ObjectKey) -> u64 {
    key.min().into_inner() - 1
}
