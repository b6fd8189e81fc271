//! Where chains begin, and where they break.
//!
//! A base begins a chain, and what follows it up to the next base needs it. Where headers say that something is wrong, or
//! where nothing leads to a state that the policy keeps, the whole chain around it is left alone: somebody may still mend
//! it, from a version that the store kept or from another copy.

use super::trouble::Trouble;
use crate::key::{ObjectKey, PlaceListing};
use crate::restore::{Facts, Knowledge, is_first_image_unclaimed};
use crate::types::{Checksum, Level, Txid};
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;

/// The objects of a listing, by what their headers say.
pub(super) struct Chains<'a> {
    known: &'a Knowledge,
    /// A first image that never won its place: it is nobody's base.
    unclaimed: Option<ObjectKey>,
    /// Slots with all pages, which begin anew in the middle of a place.
    images: BTreeSet<Txid>,
    /// The objects that count, by where they end.
    ends: BTreeMap<Txid, Vec<(ObjectKey, &'a Facts)>>,
}

impl<'a> Chains<'a> {
    /// Sorts the objects. What is damaged is in none of the answers but [`Chains::troubles`].
    pub(super) fn new(listing: &PlaceListing, known: &'a Knowledge) -> Chains<'a> {
        let first = ObjectKey::snapshot(Txid::ONE);
        let is_unclaimed = listing.get(first).is_some() && is_first_image_unclaimed(listing, known);
        let unclaimed = is_unclaimed.then_some(first);
        let mut chains = Chains { known, unclaimed, images: BTreeSet::new(), ends: BTreeMap::new() };
        for key in listing.objects().iter().map(|object| object.key) {
            let Some(facts) = chains.facts(key) else { continue };
            if is_image(key, facts, known) {
                chains.images.insert(key.max());
            }
            chains.ends.entry(key.max()).or_default().push((key, facts));
        }
        chains
    }

    /// The header of an object that can be used; `None` for the others.
    pub(super) fn facts(&self, key: ObjectKey) -> Option<&'a Facts> {
        let usable = self.known.damage(key).is_none() && self.unclaimed != Some(key);
        self.known.header(key).filter(|_| usable)
    }

    /// Whether an object can be used and holds a whole database.
    pub(super) fn is_base(&self, key: ObjectKey) -> bool {
        let is_whole = key.starts_at_one() || self.known.full_image(key) == Some(true);
        is_whole && self.facts(key).is_some()
    }

    /// Whether an object is a slot that begins anew.
    pub(super) fn is_image(&self, key: ObjectKey) -> bool {
        key.level() == Level::L0 && self.images.contains(&key.max())
    }

    /// Whether an object was merged across a full image: such a merge is none of ours, and stands for nothing but itself.
    pub(super) fn crosses_image(&self, key: ObjectKey) -> bool {
        let inside = (Bound::Excluded(key.min()), Bound::Included(key.max()));
        key.min() < key.max() && self.images.range(inside).next().is_some()
    }

    /// Every state that an object would lead to, with the objects that end there.
    pub(super) fn ends(&self) -> impl Iterator<Item = (Txid, &[(ObjectKey, &'a Facts)])> {
        self.ends.iter().map(|(txid, objects)| (*txid, &**objects))
    }

    /// Slots of which must be known whether they hold a whole database: ours say that they begin anew. Of another tool's, the
    /// page size is not that of the state before; or nothing leads there any more: the state before may have gone, as the
    /// policy wanted, and with it what told.
    pub(super) fn possible_images(&self) -> Vec<ObjectKey> {
        let slots = self.ends.values().flatten().filter(|(key, _)| key.level() == Level::L0);
        let unknown = slots
            .filter(|(key, _)| !key.starts_at_one() && self.known.full_image(*key).is_none())
            .filter(|(key, facts)| {
                let is_other_size = self.before(*key).any(|(_, left)| left.page_size != facts.page_size);
                let is_loose = facts.after.is_none() && self.before(*key).next().is_none();
                is_other_size || is_loose || is_image(*key, facts, self.known)
            });
        unknown.map(|(key, _)| *key).collect()
    }

    /// What is wrong by the headers, each with the TXIDs that it concerns.
    pub(super) fn troubles(&self, listing: &PlaceListing) -> Vec<Trouble> {
        let keys = listing.objects().iter().map(|object| object.key);
        let damaged = keys.filter_map(|object| {
            self.known.damage(object).map(|why| Trouble::Damaged { object, why: why.into() })
        });
        let mut troubles: Vec<Trouble> = damaged.collect();
        troubles.extend(self.undecided());
        troubles.extend(self.ends.values().flat_map(|objects| other_states(objects)));
        troubles.extend(self.broken_links());
        troubles.extend(self.other_starts());
        troubles
    }

    /// A first image of which nobody can tell whether it won its place.
    fn undecided(&self) -> Option<Trouble> {
        let object = self.unclaimed?;
        let claim = ObjectKey::slot(Txid::ONE + 1);
        self.facts(claim).is_none().then_some(Trouble::Unclaimed { object })
    }

    /// Objects that do not continue the state before them.
    fn broken_links(&self) -> Vec<Trouble> {
        let mut troubles = Vec::new();
        for (right, facts) in self.ends.values().flatten() {
            let wrong = self.before(*right).find(|(_, left)| {
                let is_another = differ(left.after, facts.before);
                is_another || left.page_size != facts.page_size && !is_image(*right, facts, self.known)
            });
            troubles.extend(wrong.map(|(left, _)| Trouble::Contradiction { left: *left, right: *right }));
        }
        troubles
    }

    /// Objects that begin at the same TXID, on top of different states.
    fn other_starts(&self) -> Vec<Trouble> {
        let mut first: BTreeMap<Txid, (ObjectKey, Checksum)> = BTreeMap::new();
        let mut troubles = Vec::new();
        for (right, facts) in self.ends.values().flatten() {
            let Some(before) = facts.before else { continue };
            let (left, other) = *first.entry((*right).min()).or_insert((*right, before));
            if other != before {
                troubles.push(Trouble::Contradiction { left, right: *right });
            }
        }
        troubles
    }

    /// The objects that end where another begins.
    fn before(&self, key: ObjectKey) -> impl Iterator<Item = &(ObjectKey, &'a Facts)> {
        let state = Txid::new(key.min().into_inner() - 1).ok();
        state.and_then(|state| self.ends.get(&state)).into_iter().flatten()
    }
}

/// Whether a slot begins anew: our header says so by naming no state before it, of others the page index tells.
fn is_image(key: ObjectKey, facts: &Facts, known: &Knowledge) -> bool {
    let is_ours = facts.after.is_some() && facts.before.is_none();
    key.level() == Level::L0 && !key.starts_at_one() && (is_ours || known.full_image(key) == Some(true))
}

/// Objects that lead to the same TXID, and to another database.
fn other_states(objects: &[(ObjectKey, &Facts)]) -> Vec<Trouble> {
    let (left, first) = objects[0];
    let told = objects.iter().find_map(|(key, facts)| facts.after.map(|after| (*key, after)));
    let contradiction = |(right, facts): &(ObjectKey, &Facts)| {
        if facts.page_size != first.page_size || facts.commit != first.commit {
            return Some(Trouble::Contradiction { left, right: *right });
        }
        let (left, after) = told?;
        differ(Some(after), facts.after).then_some(Trouble::Contradiction { left, right: *right })
    };
    objects.iter().filter_map(contradiction).collect()
}

fn differ(left: Option<Checksum>, right: Option<Checksum>) -> bool {
    matches!((left, right), (Some(left), Some(right)) if left != right)
}
