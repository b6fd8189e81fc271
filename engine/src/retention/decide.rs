//! What becomes of each object.
//!
//! An object is needed by a point if it ends at or before it and after the point's base, and no object of a higher level
//! that also ends at or before the point contains it. Only a single object makes up for another, never several together, and
//! only one that has been there for `l0`. So what makes up for an object may itself go only where something makes up for
//! both: planners that see different listings cannot take from each other what their deletes were built on.

use super::ages::Ages;
use super::broken::Broken;
use super::chains::Chains;
use super::containers::{first_arrival, smallest};
use super::outcome::{Action, Decision, Delete, Keep};
use super::promise::{Grade, Promise, Promises, State, promises};
use super::trouble::{Trouble, begin};
use crate::key::{ObjectInfo, ObjectKey, PlaceListing};
use crate::mutants::{Mutant, mutated};
use crate::restore::{Facts, Point};
use crate::types::{Level, Timestamp, Txid};
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;

/// What is known of a place, worked out once.
pub(super) struct Planner<'a> {
    listing: &'a PlaceListing,
    ages: Ages<'a>,
    chains: Chains<'a>,
    /// Bases that have been there for `l0`, by where they end; of several the one of the highest level.
    bases: BTreeMap<Txid, ObjectKey>,
    /// For each object below the snapshots, the one that makes up for it.
    stand_ins: BTreeMap<ObjectKey, ObjectKey>,
    /// For each slot in a compacted object, since when.
    compacted_at: BTreeMap<ObjectKey, Timestamp>,
    pub(super) promises: Promises,
    pub(super) troubles: Vec<Trouble>,
    broken: Broken,
    /// Late arrivals that must stay, because what convicts them is not sound or something is wrong around them.
    late_stays: BTreeSet<Txid>,
}

impl<'a> Planner<'a> {
    /// Works out what the policy keeps, and where something is wrong.
    pub(super) fn new(
        listing: &'a PlaceListing,
        chains: Chains<'a>,
        ages: Ages<'a>,
        points: &[Point],
    ) -> Planner<'a> {
        let keys: Vec<ObjectKey> = listing.objects().iter().map(|o| o.key).collect();
        let may_contain = |key: &ObjectKey| {
            let is_merge = key.level() > Level::L0 && key.level() < Level::SNAPSHOT;
            is_merge && (!chains.crosses_image(*key) || mutated(Mutant::RetentionAcrossFullImage))
        };
        let sound = keys.iter().copied().filter(|key| chains.facts(*key).is_some());
        let merges: Vec<ObjectKey> = sound.clone().filter(may_contain).collect();
        let aged: Vec<ObjectKey> = merges.iter().copied().filter(|key| ages.is_aged(*key)).collect();
        let bases = sound.clone().filter(|key| chains.is_base(*key) && ages.is_aged(*key));
        let snapshots = sound.clone().filter(|key| key.level() == Level::SNAPSHOT);
        let uppers = merges.iter().copied().chain(snapshots);
        let dated: Vec<(ObjectKey, Timestamp)> =
            uppers.filter_map(|key| ages.arrivals.get(key).map(|at| (key, at))).collect();
        let slots: Vec<ObjectKey> = keys.iter().copied().filter(|key| key.level() == Level::L0).collect();
        let mut planner = Planner {
            listing,
            ages,
            bases: by_end(bases),
            stand_ins: smallest(&keys, &aged),
            compacted_at: first_arrival(&slots, &dated),
            promises: Promises { kept: BTreeMap::new(), unreached: BTreeMap::new() },
            troubles: chains.troubles(listing),
            broken: Broken::default(),
            late_stays: BTreeSet::new(),
            chains,
        };
        let states = planner.states(points, &smallest(&slots, &merges));
        planner.promises = promises(&states, ages.policy, ages.now);
        planner.troubles.extend(planner.gaps());
        planner.broken = Broken::new(&planner.troubles, &planner.bases);
        planner.late_stays = planner.late_to_stay(&dated);
        planner
    }

    /// Every state that an object would lead to, with what the policy asks about it.
    fn states(&self, points: &[Point], inside: &BTreeMap<ObjectKey, ObjectKey>) -> Vec<State> {
        let taken = self.ages.taken_at(self.listing);
        let state = |(txid, objects): (Txid, &[(ObjectKey, &Facts)])| {
            let point = points.binary_search_by_key(&txid, |point| point.txid).ok().map(|at| points[at]);
            let youngest = objects.iter().map(|(_, facts)| facts.timestamp).max();
            let time = point.and_then(|point| point.time).or(youngest);
            let slots = objects.iter().map(|(key, _)| *key).filter(|key| key.level() == Level::L0);
            let is_merged = slots.clone().all(|slot| inside.contains_key(&slot));
            let grade = match objects.iter().any(|(key, _)| key.level() > Level::L0) {
                true => Grade::End,
                false if is_merged => Grade::Sync,
                false => Grade::Uncompacted,
            };
            State {
                txid,
                time: time.expect("some object ends where an object ends"),
                taken: taken.get(&txid).copied(),
                is_point: point.is_some(),
                grade,
                is_loose_slot: slots.clone().any(|slot| !self.compacted_at.contains_key(&slot)),
                is_lately_compacted: slots.clone().any(|slot| self.is_fresh(slot)),
            }
        };
        self.chains.ends().map(state).collect()
    }

    /// Whether a slot is not compacted, or was less than `l0` ago.
    fn is_fresh(&self, slot: ObjectKey) -> bool {
        self.compacted_at.get(&slot).is_none_or(|at| !self.ages.is_past(*at))
    }

    /// Objects that lead to states that the policy keeps and that cannot be reached. A claim slot alone is no sign of a gap:
    /// it stays when everything around it has gone, as the policy wanted.
    fn gaps(&self) -> Vec<Trouble> {
        let head = self.listing.head();
        let mut gaps = Vec::new();
        for (txid, objects) in self.chains.ends() {
            let only_claims = objects.iter().all(|(_, facts)| facts.claim) && head != Some(txid);
            if self.promises.unreached.contains_key(&txid) && !only_claims {
                gaps.push(Trouble::Gap { object: objects[0].0 });
            }
        }
        gaps
    }

    fn late_to_stay(&self, convicting: &[(ObjectKey, Timestamp)]) -> BTreeSet<Txid> {
        let late = self.listing.late_arrivals();
        let keys: Vec<ObjectKey> = late.iter().map(|info| info.key).collect();
        let convicted_by = first_arrival(&keys, convicting);
        let is_convicted =
            |info: &ObjectInfo| convicted_by.get(&info.key).is_some_and(|at| *at < info.modified);
        let stays = late.iter().filter(|info| {
            !is_convicted(info)
                || self.broken.within(info.key.min(), info.key.max()).is_some()
                || mutated(Mutant::RetentionLateStays)
        });
        stays.map(|info| info.key.max()).collect()
    }

    /// What becomes of each object, by level, min and max.
    pub(super) fn decisions(&self) -> Vec<Decision> {
        let newest_slot =
            self.listing.level(Level::L0).iter().map(|info| info.key).max_by_key(|key| (*key).max());
        let mut counting: Vec<Decision> = self
            .listing
            .objects()
            .iter()
            .map(|info| {
                let action = self.action(info.key, newest_slot);
                Decision { info: info.clone(), is_late: false, action }
            })
            .collect();
        self.keep_images(&mut counting);
        let late = self.listing.late_arrivals().iter().map(|info| Decision {
            info: info.clone(),
            is_late: true,
            action: self.action_late(info.key),
        });
        let mut all: Vec<Decision> = counting.into_iter().chain(late).collect();
        all.sort_by_key(|decision| decision.info.key);
        let waits = mutated(Mutant::RetentionTwoPasses);
        if waits && all.iter().any(|one| one.is_delete() && one.info.key.level() < Level::SNAPSHOT) {
            for one in all.iter_mut().filter(|one| one.info.key.level() == Level::SNAPSHOT) {
                one.action = Action::Keep(Keep::Young);
            }
        }
        all
    }

    /// A full image stays as long as an object that was merged across it: nothing else shows that this object stands for
    /// nothing but itself.
    fn keep_images(&self, decisions: &mut [Decision]) {
        let stays = decisions.iter().filter(|one| !one.is_delete()).map(|one| one.info.key);
        let across: Vec<ObjectKey> =
            stays.filter(|key| key.level() < Level::SNAPSHOT && self.chains.crosses_image(*key)).collect();
        let goes = decisions.iter().filter(|one| one.is_delete()).map(|one| one.info.key);
        let images: Vec<ObjectKey> = goes.filter(|key| self.chains.is_image(*key)).collect();
        let crossed = smallest(&images, &across);
        for one in decisions.iter_mut() {
            if let Some(within) = crossed.get(&one.info.key).copied() {
                one.action = Action::Keep(Keep::Crossed { within });
            }
        }
    }

    fn action(&self, key: ObjectKey, newest_slot: Option<ObjectKey>) -> Action {
        let by_itself =
            if key.level() == Level::L0 { self.slot_stays(key, newest_slot) } else { self.upper_stays(key) };
        let broken = self.broken.within(begin(key), key.max());
        if let Some(keep) = broken.map(|trouble| Keep::Broken(trouble.clone())).or(by_itself) {
            return Action::Keep(keep);
        }
        if let Some((txid, promise)) = self.needed_for(key) {
            return Action::Keep(Keep::Needed { txid, promise });
        }
        let within = self.stand_ins.get(&key).copied();
        Action::Delete(within.map_or(Delete::OutOfPolicy, |within| Delete::Contained { within }))
    }

    fn action_late(&self, key: ObjectKey) -> Action {
        if !self.late_stays.contains(&key.max()) {
            return Action::Delete(Delete::Late);
        }
        let trouble = self.broken.within(key.min(), key.max()).cloned();
        Action::Keep(trouble.map_or(Keep::AgeUnknown, Keep::Broken))
    }

    /// Why a slot stays whatever the policy says of points.
    fn slot_stays(&self, slot: ObjectKey, newest_slot: Option<ObjectKey>) -> Option<Keep> {
        let is_claim = self.chains.facts(slot).is_some_and(|facts| facts.claim);
        if is_claim && !mutated(Mutant::RetentionClaimDeleted) {
            return Some(Keep::Claim);
        }
        if newest_slot == Some(slot) && !mutated(Mutant::RetentionNewestSlotDeleted) {
            return Some(Keep::NewestSlot);
        }
        if !self.is_fresh(slot) {
            return None;
        }
        let is_compacted = self.compacted_at.contains_key(&slot);
        Some(if is_compacted { Keep::CompactedLately } else { Keep::NotCompacted })
    }

    /// Why an object above level 0 stays whatever the policy says of points.
    fn upper_stays(&self, key: ObjectKey) -> Option<Keep> {
        if self.ages.arrivals.get(key).is_none() {
            return Some(Keep::AgeUnknown);
        }
        if !self.ages.is_aged(key) {
            return Some(Keep::Young);
        }
        let is_witness = self.late_stays.range(key.min()..=key.max()).next().is_some();
        is_witness.then_some(Keep::Convicts)
    }

    /// The newest point that stays and needs an object.
    fn needed_for(&self, key: ObjectKey) -> Option<(Txid, Promise)> {
        let end = key.max();
        let until = if self.chains.is_base(key) {
            if self.bases.get(&end).is_some_and(|base| *base > key) {
                return None;
            }
            let has_older = self.bases.range(..end).next().is_some();
            if has_older && mutated(Mutant::RetentionOlderCovers) {
                return None;
            }
            self.bases.range((Bound::Excluded(end), Bound::Unbounded)).next().map(|(next, _)| *next)
        } else {
            let base = self.bases.range(end..).next().map(|(next, _)| *next);
            let stand_in = self.stand_ins.get(&key).map(|stand_in| (*stand_in).max());
            base.into_iter().chain(stand_in).min()
        };
        let kept = &self.promises.kept;
        let newest = match until {
            Some(until) => kept.range(end..until).next_back(),
            None => kept.range(end..).next_back(),
        };
        newest.map(|(txid, promise)| (*txid, *promise))
    }
}

/// Of several bases that end at one TXID, the one of the highest level.
fn by_end(bases: impl Iterator<Item = ObjectKey>) -> BTreeMap<Txid, ObjectKey> {
    let mut by_end: BTreeMap<Txid, ObjectKey> = BTreeMap::new();
    for base in bases {
        let highest = by_end.entry(base.max()).or_insert(base);
        *highest = Ord::max(base, *highest);
    }
    by_end
}
