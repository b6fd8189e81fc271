//! Which versions of objects what was learned is of.

use crate::key::{ObjectKey, PlaceListing};
use crate::manifest::IndexEntry;
use crate::restore::Knowledge;
use crate::store::ETag;
use std::collections::BTreeMap;

/// The versions of the last listing, and of what was made since.
#[derive(Debug, Default)]
pub(super) struct Versions(BTreeMap<ObjectKey, ETag>);

impl Versions {
    /// An object came since the listing.
    pub(super) fn insert(&mut self, object: ObjectKey, etag: ETag) {
        self.0.insert(object, etag);
    }

    /// Forgets what was learned, and what was read whole, of versions that are not there any more. What is learned from now
    /// on is of the versions that are listed.
    pub(super) fn listed(
        &mut self,
        listing: &PlaceListing,
        known: &mut Knowledge,
        made: &mut BTreeMap<ObjectKey, IndexEntry>,
    ) {
        self.0.retain(|key, etag| listing.get(*key).is_some_and(|info| info.etag == *etag));
        known.retain(|key| self.0.contains_key(key));
        made.retain(|key, _| self.0.contains_key(key));
        self.0 = listing.objects().iter().map(|info| (info.key, info.etag.clone())).collect();
    }
}
