//! Which states the policy keeps.
//!
//! Only the end of a compacted object or of a snapshot puts an earlier point out of its place as the last one of an hour, a
//! day, a week or a month. A single sync is the last one of its hour for a while, and goes when it was compacted into an
//! object that ends in the next hour: what it had put out of its place would be missing then.
//!
//! Ages are those of the state's header, or of the oldest object that holds it, whichever is less: a writer whose clock was
//! slow makes nothing old. They are measured up to the newest point, never beyond the store's time: a clock that runs ahead
//! makes nothing old either, and a database that rests keeps what it has.

use super::Policy;
use super::ages::{age, millis};
use super::calendar::Period;
use crate::mutants::{Mutant, mutated};
use crate::types::{Timestamp, Txid};
use std::collections::BTreeMap;
use std::fmt;

/// Why a point stays, the longest-lived last.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Promise {
    /// A single sync that is not compacted, or was lately.
    Slot,
    /// The end of a compacted object within `pitr`.
    Pitr,
    /// The last point of a period that the policy counts.
    Last(Period),
    /// The newest state.
    Newest,
}

impl fmt::Display for Promise {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Promise::Slot => f.write_str("a single sync within `l0`"),
            Promise::Pitr => f.write_str("a point within `pitr`"),
            Promise::Last(period) => write!(f, "the last point of its {period}"),
            Promise::Newest => f.write_str("the newest state"),
        }
    }
}

/// A state that some object would lead to.
#[derive(Clone, Copy, Debug)]
pub(super) struct State {
    pub(super) txid: Txid,
    /// When it was sealed, by the header.
    pub(super) time: Timestamp,
    /// When the store had an object that holds it, if it tells.
    pub(super) taken: Option<Timestamp>,
    /// Whether it restores.
    pub(super) is_point: bool,
    /// What leads to it.
    pub(super) grade: Grade,
    /// Whether a slot ends here that is in nothing else.
    pub(super) is_loose_slot: bool,
    /// Whether a slot ends here that came into something else less than `l0` ago.
    pub(super) is_lately_compacted: bool,
}

impl State {
    /// Whether it stays as a single sync. Of what cannot be reached the object may have gone that was the first to contain
    /// it, and then the next one makes it look as if it had been compacted lately.
    fn is_fresh(&self) -> bool {
        let tells = self.is_point || mutated(Mutant::RetentionGapByArrival);
        self.is_loose_slot || self.is_lately_compacted && tells
    }
}

/// What leads to a state, which decides how long it may stay.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Grade {
    /// A slot inside a compacted object that ends later.
    Sync,
    /// A slot that no compacted object contains, if perhaps a snapshot.
    Uncompacted,
    /// A compacted object or a snapshot.
    End,
}

/// Which states the policy keeps: those that restore, and those that would if objects were not missing.
pub(super) struct Promises {
    /// Points that stay, ascending.
    pub(super) kept: BTreeMap<Txid, Promise>,
    /// States that would stay, and cannot be reached, ascending.
    pub(super) unreached: BTreeMap<Txid, Promise>,
}

/// Applies the policy to `states` (ascending). The last point is the newest; what lies beyond it is in any case missed.
pub(super) fn promises(states: &[State], policy: &Policy, now: Timestamp) -> Promises {
    let newest = states.iter().rev().find(|state| state.is_point);
    let until = newest.map_or(now, |newest| now.min(newest.time));
    let until = if mutated(Mutant::RetentionBelievesNow) { now } else { until };
    let last = last_of_periods(states);
    let mut promises = Promises { kept: BTreeMap::new(), unreached: BTreeMap::new() };
    for state in states {
        let is_newest = newest.is_none_or(|newest| state.txid >= newest.txid)
            && !mutated(Mutant::RetentionNewestByPolicy);
        let promise = if is_newest { Some(Promise::Newest) } else { promise(state, policy, until, &last) };
        if let Some(promise) = promise {
            let list = if state.is_point { &mut promises.kept } else { &mut promises.unreached };
            list.insert(state.txid, promise);
        }
    }
    promises
}

fn promise(state: &State, policy: &Policy, until: Timestamp, last: &Last) -> Option<Promise> {
    if state.grade == Grade::Sync {
        return state.is_fresh().then_some(Promise::Slot);
    }
    // Of what cannot be reached the objects that told when it arrived may have gone, as the policy wanted.
    let tells = state.is_point || mutated(Mutant::RetentionGapByArrival);
    let time = state.taken.filter(|_| tells && !mutated(Mutant::RetentionBelievesHeaders));
    let time = time.map_or(state.time, |taken| taken.max(state.time));
    let stays = |period: &Period| {
        let oldest = period.number(until).saturating_sub(i64::from(policy.count(*period)));
        last.is_last(*period, state) && period.number(time) > oldest
    };
    let longest = Period::ALL.into_iter().rev().find(|period| policy.count(*period) > 0 && stays(period));
    let in_time = || (age(time, until) < millis(policy.pitr)).then_some(Promise::Pitr);
    let fresh = || state.is_fresh().then_some(Promise::Slot);
    longest.map(Promise::Last).or_else(in_time).or_else(fresh)
}

/// The last point of each period that has one.
#[derive(Default)]
struct Last {
    /// Of the ends of objects.
    ends: BTreeMap<(Period, i64), Txid>,
    /// Of these and of slots that are not compacted.
    any: BTreeMap<(Period, i64), Txid>,
}

impl Last {
    /// Whether a state is the last one of its period.
    fn is_last(&self, period: Period, state: &State) -> bool {
        let last = if state.grade == Grade::End { &self.ends } else { &self.any };
        last.get(&(period, period.number(state.time))).is_none_or(|last| *last <= state.txid)
    }
}

/// Only what restores stands for a period: a state that cannot be reached puts nothing else out of its place.
fn last_of_periods(states: &[State]) -> Last {
    let mut last = Last::default();
    for state in states.iter().filter(|state| state.is_point && state.grade != Grade::Sync) {
        for period in Period::ALL {
            let number = (period, period.number(state.time));
            last.any.insert(number, state.txid);
            if state.grade == Grade::End {
                last.ends.insert(number, state.txid);
            }
        }
    }
    last
}
