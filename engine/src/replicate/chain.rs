//! Which objects lead to a state, by their names alone: what a comparison downloads, and the proof that the head can
//! still be restored (docs/design.md section 4, rule 4).
//!
//! Whether their checksums link is the question of whoever reads them.

use crate::key::{ModifiedIs, ObjectKey, PlaceListing};
use crate::types::{Level, Txid};
use std::collections::BTreeSet;

/// A chain by names from a full image to `head`, oldest first: the newest snapshot, then always the object
/// that reaches furthest. `None`: a gap, or nothing to begin with.
///
/// If any chain reaches the head, one from the newest full image does: an object that leads past that image from an
/// older one leads on from it as well. One sweep over the objects by their first TXID, so it costs n log n.
pub(super) fn chain(listing: &PlaceListing, head: Txid) -> Option<Vec<ObjectKey>> {
    let objects = || listing.objects().iter().map(|o| o.key).filter(|k| (*k).max() <= head);
    let base = objects().filter(|k| k.starts_at_one()).max_by_key(|k| (k.range().max(), k.level()))?;
    let mut later: Vec<ObjectKey> =
        objects().filter(|k| k.level() < Level::SNAPSHOT && k.range().max() > base.max()).collect();
    later.sort_unstable_by_key(|k| k.range().min());
    let mut later = later.into_iter().peekable();
    let mut chain = vec![base];
    let mut reached = base.max();
    let mut furthest = base;
    while reached < head {
        while let Some(next) = later.next_if(|k| k.range().min() <= reached + 1) {
            if (next.max(), next.level()) > (furthest.max(), furthest.level()) {
                furthest = next;
            }
        }
        if furthest.max() <= reached {
            return None;
        }
        reached = furthest.max();
        chain.push(furthest);
    }
    Some(chain)
}

/// Whether nothing needs a slot that was written: the store took it after an object that contains it. Where the store does
/// not tell, its number was compacted, and nothing that came after it is reached through it. That the head is not, or that an
/// image contains it, would be too little: another may have claimed on top of it, and put an image above that since.
pub(super) fn is_dead(listing: &PlaceListing, slot: ObjectKey, modified: ModifiedIs) -> bool {
    if modified == ModifiedIs::StoreTime {
        return listing.late_arrivals().iter().any(|o| o.key == slot);
    }
    let is_merged = |key: ObjectKey| Level::L0 < key.level() && key.level() < Level::SNAPSHOT;
    let contains = |key: ObjectKey| is_merged(key) && key.range().contains(slot.max());
    let without = ends(listing, Some(slot));
    listing.objects().iter().any(|o| contains(o.key))
        && ends(listing, None).difference(&without).all(|end| *end <= slot.max())
}

/// Where chains by names end, in one sweep: what ends later goes on from the last end that is reached, if from any.
fn ends(listing: &PlaceListing, without: Option<ObjectKey>) -> BTreeSet<Txid> {
    let mut objects: Vec<ObjectKey> =
        listing.objects().iter().map(|o| o.key).filter(|k| Some(*k) != without).collect();
    objects.sort_unstable_by_key(|k| k.range().max());
    let mut ends = BTreeSet::new();
    for key in objects {
        let goes_on = ends.last().is_some_and(|last: &Txid| key.range().min() <= *last + 1);
        if key.starts_at_one() || key.level() < Level::SNAPSHOT && goes_on {
            ends.insert(key.range().max());
        }
    }
    ends
}

/// The level-0 objects from `min` to `max`, if all are there.
pub(super) fn slots(listing: &PlaceListing, min: Txid, max: Txid) -> Option<Vec<ObjectKey>> {
    (min.into_inner()..=max.into_inner())
        .map(|n| {
            let key = ObjectKey::slot(Txid::new(n).ok()?);
            listing.get(key).map(|o| o.key)
        })
        .collect()
}

#[cfg(test)]
mod tests;
