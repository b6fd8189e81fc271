//! Every state that can be restored.

use super::Knowledge;
use super::knowledge::{Needs, Step};
use super::reach::{Faults, Reach};
use crate::key::{ObjectKey, PlaceListing};
use crate::mutants::{Mutant, mutated};
use crate::types::{Level, Timestamp, Txid};

/// A state that restores exactly.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Point {
    /// The state.
    pub txid: Txid,
    /// When it was sealed, as far as known: the header's timestamp of `timed_by`.
    pub time: Option<Timestamp>,
    /// The object whose header tells the time.
    pub timed_by: ObjectKey,
}

/// Lists every restorable state in TXID order: the end of each object that a base leads to.
///
/// Links count as sound until headers contradict them, so a point may still fall when it is planned; with the
/// headers of all objects known, none does. Ask for the headers of `timed_by` where `time` is missing.
pub fn points(listing: &PlaceListing, known: &Knowledge) -> Step<Vec<Point>> {
    match settle(listing, known) {
        Ok(settled) => Step::Done(settled.points),
        Err(needs) => Step::Need(needs),
    }
}

/// The points of a listing and the ways to them, once nothing that could add or remove a point is unknown,
/// but for links.
pub(super) struct Settled<'a> {
    pub(super) reach: Reach<'a>,
    pub(super) points: Vec<Point>,
}

pub(super) fn settle<'a>(listing: &'a PlaceListing, known: &'a Knowledge) -> Result<Settled<'a>, Needs> {
    let reach = Reach::new(listing, known, Faults::Count);
    let needs =
        Needs { headers: claim_headers(listing, known), page_indexes: bases_to_look_at(&reach, known) };
    if !needs.is_empty() {
        return Err(needs);
    }
    let points = reach.states().map(|(txid, last)| point(&reach, known, txid, last)).collect();
    Ok(Settled { reach, points })
}

fn point(reach: &Reach<'_>, known: &Knowledge, txid: Txid, last: ObjectKey) -> Point {
    // Litestream stamps a snapshot with the moment it was taken, which is after the state was sealed (observed
    // on 0.5.17), so anything else that ends there tells better. Of these the index knows the compacted ones.
    let dullness = |key: &ObjectKey| (key.level() == Level::SNAPSHOT, key.level() == Level::L0, key.level());
    let timed_by = reach.ending_at(txid).min_by_key(dullness).unwrap_or(last);
    Point { txid, time: known.time(timed_by), timed_by }
}

/// The first image counts by what slot 2 says about it.
fn claim_headers(listing: &PlaceListing, known: &Knowledge) -> Vec<ObjectKey> {
    let image = ObjectKey::snapshot(Txid::ONE);
    if listing.get(image).is_none() {
        return Vec::new();
    }
    let both = [image, ObjectKey::slot(Txid::ONE + 1)].into_iter();
    let unknown = |key: &ObjectKey| known.header(*key).is_none() && known.damage(*key).is_none();
    both.filter(|key| listing.get(*key).is_some()).filter(unknown).collect()
}

fn bases_to_look_at(reach: &Reach<'_>, known: &Knowledge) -> Vec<ObjectKey> {
    if known.page_indexes_in_vain() >= PAGE_INDEXES_IN_VAIN_MAX || mutated(Mutant::ImageBehindGapPassedOver) {
        return Vec::new();
    }
    reach.possible_bases().take(PAGE_INDEXES_PER_STEP_MAX).collect()
}

/// Page indexes to ask for at once.
const PAGE_INDEXES_PER_STEP_MAX: usize = 32;

/// After so many objects behind a gap without a full image among them, the search ends: what is behind the
/// gap is given up, with an error.
const PAGE_INDEXES_IN_VAIN_MAX: usize = 256;

#[cfg(test)]
mod tests;
