//! Which objects of higher levels contain an object.
//!
//! Both questions are one sweep over TXIDs, so that they cost n log n whatever a listing says.

use crate::key::ObjectKey;
use crate::mutants::{Mutant, mutated};
use crate::types::{Level, Timestamp, Txid};
use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};

/// For each object below the snapshots, the container of a higher level that ends first: the finest that makes up for it.
///
/// `objects` ascend; `containers` are those of levels 1 to 8 that may stand for others.
pub(super) fn smallest(objects: &[ObjectKey], containers: &[ObjectKey]) -> BTreeMap<ObjectKey, ObjectKey> {
    let mut found = BTreeMap::new();
    for level in Level::all().filter(|level| *level < Level::SNAPSHOT) {
        let mut waiting: Vec<ObjectKey> =
            containers.iter().copied().filter(|container| container.level() > level).collect();
        waiting.sort_by_key(|container| Reverse((*container).min()));
        let mut begun: BTreeMap<Txid, ObjectKey> = BTreeMap::new();
        for object in objects.iter().copied().filter(|object| object.level() == level) {
            while let Some(next) = waiting.pop_if(|container| (*container).min() <= object.min()) {
                let same_end = begun.entry(next.max()).or_insert(next);
                *same_end = Ord::max(next, *same_end);
            }
            let mut around = begun.range(object.max()..);
            let chosen =
                if mutated(Mutant::RetentionLargestContainer) { around.next_back() } else { around.next() };
            if let Some((_, container)) = chosen {
                found.insert(object, *container);
            }
        }
    }
    found
}

/// For each of `slots` (ascending), when the first of `containers` had arrived that contains it.
pub(super) fn first_arrival(
    slots: &[ObjectKey],
    containers: &[(ObjectKey, Timestamp)],
) -> BTreeMap<ObjectKey, Timestamp> {
    let mut waiting: Vec<(ObjectKey, Timestamp)> = containers.to_vec();
    waiting.sort_by_key(|(container, _)| Reverse((*container).min()));
    let mut begun: BinaryHeap<Reverse<(Timestamp, Txid)>> = BinaryHeap::new();
    let mut found = BTreeMap::new();
    for slot in slots.iter().copied() {
        while let Some((next, at)) = waiting.pop_if(|(container, _)| (*container).min() <= slot.min()) {
            begun.push(Reverse((at, next.max())));
        }
        while begun.peek().is_some_and(|Reverse((_, max))| *max < slot.max()) {
            begun.pop();
        }
        if let Some(Reverse((first, _))) = begun.peek() {
            found.insert(slot, *first);
        }
    }
    found
}
