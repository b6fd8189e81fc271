//! When the store took the objects of a place, by the store's own clock.

use crate::key::{ObjectKey, PlaceListing};
use crate::types::Timestamp;
use std::collections::BTreeMap;

/// Times of arrival, as far as anybody knows them. An object without one is never old enough to let another go.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Arrivals {
    times: BTreeMap<ObjectKey, Timestamp>,
}

impl Arrivals {
    /// What a listing tells.
    pub fn of(listing: &PlaceListing) -> Arrivals {
        Arrivals { times: listing.objects().iter().map(|object| (object.key, object.arrived)).collect() }
    }

    /// Takes note that an object was there at a time of the store's clock: the first listing that showed it, or, for a file,
    /// the last change of its inode. Of two times the earlier one counts.
    pub fn learn(&mut self, key: ObjectKey, there_at: Timestamp) {
        let known = self.times.entry(key).or_insert(there_at);
        *known = there_at.min(*known);
    }

    /// When an object had arrived, at the latest.
    pub fn get(&self, key: ObjectKey) -> Option<Timestamp> {
        self.times.get(&key).copied()
    }
}
