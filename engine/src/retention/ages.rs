//! How long objects have been there.

use super::{Arrivals, Policy};
use crate::key::{ObjectKey, PlaceListing};
use crate::mutants::{Mutant, mutated};
use crate::types::{Timestamp, Txid};
use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::time::Duration;

/// Ages by the store's clock.
#[derive(Clone, Copy)]
pub(super) struct Ages<'a> {
    pub(super) arrivals: &'a Arrivals,
    pub(super) policy: &'a Policy,
    /// The store's time.
    pub(super) now: Timestamp,
}

impl Ages<'_> {
    /// Whether an object has been there for `l0`; what nobody can tell of has not.
    pub(super) fn is_aged(&self, key: ObjectKey) -> bool {
        self.arrivals.get(key).is_some_and(|at| self.is_past(at))
    }

    /// Whether something was `l0` ago.
    pub(super) fn is_past(&self, at: Timestamp) -> bool {
        age(at, self.now) >= millis(self.policy.l0) || mutated(Mutant::RetentionIgnoresL0)
    }

    /// For each TXID where an object ends, when the store had one that holds that state or a later one. Slots arrive one
    /// after the other, so the state itself was there by then.
    pub(super) fn taken_at(&self, listing: &PlaceListing) -> BTreeMap<Txid, Timestamp> {
        let mut ends: Vec<(Txid, Option<Timestamp>)> =
            listing.objects().iter().map(|info| (info.key.max(), self.arrivals.get(info.key))).collect();
        ends.sort_by_key(|(end, _)| Reverse(*end));
        let mut earliest: Option<Timestamp> = None;
        let mut taken = BTreeMap::new();
        for (txid, at) in ends {
            earliest = earliest.into_iter().chain(at).min();
            if let Some(earliest) = earliest {
                taken.insert(txid, earliest);
            }
        }
        taken
    }
}

/// Milliseconds between two times; negative if the first is the later one.
pub(super) fn age(since: Timestamp, until: Timestamp) -> i64 {
    until.as_millis().saturating_sub(since.as_millis())
}

/// A duration in milliseconds, at most the end of time.
pub(super) fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}
