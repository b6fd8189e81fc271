//! A plan: the facts that it takes, the decisions, and the proof that what stays restores.

use super::ages::Ages;
use super::chains::Chains;
use super::decide::Planner;
use super::outcome::{Action, Decision, Keep, Retention};
use super::trouble::Trouble;
use super::{Arrivals, Policy};
use crate::key::{ObjectKey, PlaceListing};
use crate::mutants::{Mutant, mutated};
use crate::restore::{Knowledge, Needs, Point, Step, points};
use crate::types::{Level, Timestamp};
use std::collections::BTreeSet;

/// Plans what of a place goes under a policy.
///
/// Every header is asked for, because what may go depends on every link. `now` is the store's time at the listing, never
/// that of a local clock. The policy's `l0` must be at least what `manifest.json` promises
/// ([`Policy::with_promised_l0`]).
pub fn plan(
    listing: &PlaceListing,
    known: &Knowledge,
    arrivals: &Arrivals,
    policy: &Policy,
    now: Timestamp,
) -> Step<Retention> {
    let is_new = |key: &ObjectKey| known.header(*key).is_none() && known.damage(*key).is_none();
    let headers: Vec<ObjectKey> = listing.objects().iter().map(|o| o.key).filter(is_new).collect();
    if !headers.is_empty() {
        return Step::Need(Needs { headers, page_indexes: Vec::new() });
    }
    let chains = Chains::new(listing, known);
    let page_indexes = chains.possible_images();
    if !page_indexes.is_empty() {
        return Step::Need(Needs { headers: Vec::new(), page_indexes });
    }
    let points_before = match points(listing, known) {
        Step::Done(points) => points,
        Step::Need(needs) => return Step::Need(needs),
    };
    let planner = Planner::new(listing, chains, Ages { arrivals, policy, now }, &points_before);
    let mut decisions = planner.decisions();
    let goes: BTreeSet<ObjectKey> =
        decisions.iter().filter(|decision| decision.is_delete()).map(|decision| decision.info.key).collect();
    let points_after = match points(&listing.without(|key| goes.contains(&key)), known) {
        Step::Done(points) => points,
        Step::Need(needs) => return Step::Need(needs),
    };
    let Planner { mut troubles, promises, .. } = planner;
    let mut points_removed = without(points_before, &points_after);
    if let Some(lost) = points_removed.iter().find(|point| promises.kept.contains_key(&point.txid)) {
        let trouble = Trouble::Unproven { txid: lost.txid };
        refuse(&mut decisions, &trouble);
        troubles.push(trouble);
        points_removed.clear();
    }
    if mutated(Mutant::RetentionTellsSome) {
        points_removed.retain(|point| point.timed_by.level() > Level::L0);
    }
    let promised = promises.kept.into_iter().collect();
    Step::Done(Retention { decisions, points_removed, promised, troubles })
}

/// Lets everything stay.
fn refuse(decisions: &mut [Decision], trouble: &Trouble) {
    for decision in decisions.iter_mut().filter(|decision| decision.is_delete()) {
        decision.action = Action::Keep(Keep::Broken(trouble.clone()));
    }
}

/// The points that are not in a second list.
fn without(before: Vec<Point>, after: &[Point]) -> Vec<Point> {
    let is_left = |point: &Point| after.binary_search_by_key(&point.txid, |left| left.txid).is_ok();
    before.into_iter().filter(|point| !is_left(point)).collect()
}
