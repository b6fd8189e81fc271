//! Everything a place holds, gathered from pages of listings.
//!
//! It says what is there, what is the head and what came too late to count. What can be restored from it is
//! `restore`'s question.

use super::{Layout, ObjectKey, Place, is_of_litestream_0_3};
use crate::mutants::{Mutant, mutated};
use crate::store::{ETag, ObjectMeta};
use crate::types::{Level, Timestamp, Txid};
use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, BinaryHeap};

/// One object of a place, as the listing shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ObjectInfo {
    /// Level and TXIDs.
    pub key: ObjectKey,
    /// Length of the object.
    pub size_bytes: u64,
    /// When it was modified; what that means depends on the store, see [`ModifiedIs`].
    pub modified: Timestamp,
    /// When it had arrived, at the latest, by the store's clock.
    pub arrived: Timestamp,
    /// Its version.
    pub etag: ETag,
}

/// What a store's modification times tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum ModifiedIs {
    /// When the object arrived, by the store's clock: late arrivals show.
    StoreTime,
    /// The header's timestamp, set on purpose (files: Litestream's point-in-time restore reads it). It says
    /// nothing about arrival, so no object is taken for a late one.
    #[default]
    HeaderTime,
}

/// Gathers the pages of all levels of one place, in any order; a repeated entry replaces the earlier one.
#[derive(Clone, Debug)]
pub struct ListingBuilder {
    place: Place,
    layout: Layout,
    objects: BTreeMap<ObjectKey, ObjectInfo>,
    strangers: BTreeSet<String>,
    manifest: Option<ObjectMeta>,
    has_generations: bool,
}

impl ListingBuilder {
    /// Starts with nothing.
    pub fn new(place: Place, layout: Layout) -> ListingBuilder {
        let (objects, strangers) = (BTreeMap::new(), BTreeSet::new());
        ListingBuilder { place, layout, objects, strangers, manifest: None, has_generations: false }
    }

    /// Takes one page. Keys that are neither an object nor the manifest of the place are ignored; of those in the folder of
    /// a level the first ones are remembered.
    pub fn page<'a>(&mut self, page: impl IntoIterator<Item = &'a ObjectMeta>) {
        for meta in page {
            if let Some(info) = self.place.object_info(self.layout, meta) {
                self.objects.insert(info.key, info);
            } else if meta.key == self.place.manifest_key() {
                self.manifest = Some(meta.clone());
            } else if self.strangers.len() < STRANGERS_MAX && self.place.is_in_level(self.layout, &meta.key) {
                self.strangers.insert(meta.key.clone());
            } else if self.place.name_of(&meta.key).is_some_and(is_of_litestream_0_3) {
                self.has_generations = true;
            }
        }
    }

    /// Whether a page ends level 0: its last key comes behind all slots of the place. A later slot would have had to be
    /// on it, whatever the pages that follow take.
    pub fn ends_slots(&self, page: &[ObjectMeta]) -> bool {
        let is_slot = |meta: &ObjectMeta| {
            self.place.object_info(self.layout, meta).is_some_and(|info| info.key.level() == Level::L0)
        };
        !page.last().is_some_and(is_slot)
    }

    /// The listing, once every level was read to its end.
    pub fn finish(self, modified: ModifiedIs) -> PlaceListing {
        let listing = PlaceListing::new(self.objects.into_values().collect(), self.manifest, modified);
        let strangers = self.strangers.into_iter().collect();
        PlaceListing { strangers, has_generations: self.has_generations, ..listing }
    }
}

/// The objects of a place, ordered by level, min and max, late arrivals apart.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct PlaceListing {
    objects: Vec<ObjectInfo>,
    late: Vec<ObjectInfo>,
    strangers: Vec<String>,
    manifest: Option<ObjectMeta>,
    modified: ModifiedIs,
    has_generations: bool,
}

impl PlaceListing {
    /// Orders `objects` and sets the late arrivals apart: a level-0 object that the store took after a
    /// compacted one that contains its TXIDs was written by somebody who did not know that these were
    /// settled; it is dead.
    fn new(mut objects: Vec<ObjectInfo>, manifest: Option<ObjectMeta>, modified: ModifiedIs) -> PlaceListing {
        objects.sort_by_key(|o| o.key);
        let late_keys = match modified {
            ModifiedIs::StoreTime if mutated(Mutant::LateSlotCounts) => Vec::new(),
            ModifiedIs::StoreTime => late_arrivals(&objects),
            ModifiedIs::HeaderTime => Vec::new(),
        };
        let (late, objects) = objects.into_iter().partition(|o| late_keys.binary_search(&o.key).is_ok());
        PlaceListing { objects, late, strangers: Vec::new(), manifest, modified, has_generations: false }
    }

    /// What it would be without the objects that `goes` names, late arrivals among them. What counted before counts still.
    pub fn without(&self, goes: impl Fn(ObjectKey) -> bool) -> PlaceListing {
        let left = |objects: &[ObjectInfo]| objects.iter().filter(|o| !goes(o.key)).cloned().collect();
        PlaceListing { objects: left(&self.objects), late: left(&self.late), ..self.clone() }
    }

    /// What it would be with one more object, or with another version of one. What counted before counts still.
    #[must_use]
    pub fn with(mut self, info: ObjectInfo) -> PlaceListing {
        match self.objects.binary_search_by_key(&info.key, |o| o.key) {
            Ok(at) => self.objects[at] = info,
            Err(at) => self.objects.insert(at, info),
        }
        self
    }

    /// What the times of its objects tell.
    pub fn modified_is(&self) -> ModifiedIs {
        self.modified
    }

    /// Every object that counts, by level, min and max.
    pub fn objects(&self) -> &[ObjectInfo] {
        &self.objects
    }

    /// The objects of one level that count, by min and max.
    pub fn level(&self, level: Level) -> &[ObjectInfo] {
        let start = self.objects.partition_point(|o| o.key.level() < level);
        let end = self.objects.partition_point(|o| o.key.level() <= level);
        &self.objects[start..end]
    }

    /// Level-0 objects that arrived after a compacted object that contains them: never restored, to be
    /// deleted at the next pass.
    pub fn late_arrivals(&self) -> &[ObjectInfo] {
        &self.late
    }

    /// Keys in the folders of levels that are no object's: nobody reads them. Not all of very many.
    pub fn strangers(&self) -> &[String] {
        &self.strangers
    }

    /// `manifest.json`, if the root of the place was listed and has it.
    pub fn manifest(&self) -> Option<&ObjectMeta> {
        self.manifest.as_ref()
    }

    /// Whether all there is was written by Litestream 0.3, if the root of the place was listed.
    pub fn is_of_litestream_0_3(&self) -> bool {
        self.has_generations && self.objects.is_empty() && self.late.is_empty() && self.manifest.is_none()
    }

    /// Whether there is no object that counts.
    pub fn is_empty(&self) -> bool {
        self.objects.is_empty()
    }

    /// The object with this key, if it counts.
    pub fn get(&self, key: ObjectKey) -> Option<&ObjectInfo> {
        self.objects.binary_search_by_key(&key, |o| o.key).ok().map(|i| &self.objects[i])
    }

    /// The largest TXID over all levels. Numbers up to it are used up. (A late arrival lies inside a compacted
    /// object, so it never decides.)
    pub fn head(&self) -> Option<Txid> {
        let slots_only = mutated(Mutant::HeadOfSlotsOnly);
        let counts = |key: &ObjectKey| !slots_only || *key == ObjectKey::slot(key.range().max());
        self.objects.iter().map(|o| o.key).filter(counts).map(|key| key.range().max()).max()
    }

    /// The object with the largest TXID over all levels, at the lowest level that has it: a slot's own object
    /// tells its writer.
    pub fn newest(&self) -> Option<&ObjectInfo> {
        let top = self.head()?;
        self.objects.iter().find(|o| o.key.max() == top)
    }

    /// The objects that contain a TXID, by level, min and max.
    pub fn covering(&self, txid: Txid) -> impl Iterator<Item = &ObjectInfo> {
        self.objects.iter().filter(move |o| o.key.range().contains(txid))
    }
}

/// Keys of the level-0 objects that are younger than a compacted object that contains them, ascending.
///
/// One sweep over TXIDs: the heap holds the compacted objects begun so far, the oldest on top; one that ends
/// before the sweep never matters again. So it costs n log n, whatever a listing says.
fn late_arrivals(sorted: &[ObjectInfo]) -> Vec<ObjectKey> {
    let split = sorted.partition_point(|o| o.key.level() == Level::L0);
    let (slots, compacted) = sorted.split_at(split);
    let mut waiting: Vec<&ObjectInfo> = compacted.iter().collect();
    waiting.sort_by_key(|o| Reverse(o.key.min()));
    let mut begun: BinaryHeap<Reverse<(Timestamp, Txid)>> = BinaryHeap::new();
    let mut late = Vec::new();
    for slot in slots {
        while let Some(next) = waiting.pop_if(|o| o.key.min() <= slot.key.min()) {
            begun.push(Reverse((next.modified, next.key.max())));
        }
        while begun.peek().is_some_and(|Reverse((_, max))| *max < slot.key.max()) {
            begun.pop();
        }
        if begun.peek().is_some_and(|Reverse((oldest, _))| *oldest < slot.modified) {
            late.push(slot.key);
        }
    }
    late
}

/// More strangers need no names: somebody uses the folder for something else.
const STRANGERS_MAX: usize = 256;

#[cfg(test)]
mod tests;
