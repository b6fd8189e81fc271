//! What is known of objects beyond their names, and what must still be fetched.

use crate::key::{ObjectKey, PlaceListing};
use crate::ltx::Header;
use crate::manifest::Manifest;
use crate::types::{Checksum, Level, LockByte, PageSize, Pgno, Timestamp};
use std::collections::BTreeMap;

/// What planning needs from an object's header. Whoever reads a header checks that it carries the TXIDs of
/// the object's name; if not, the object is damaged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Facts {
    /// Size of every page in it.
    pub page_size: PageSize,
    /// Pages in the database after applying it.
    pub commit: u32,
    /// When the last sync in it was sealed.
    pub timestamp: Timestamp,
    /// Checksum of the database that it applies to; `None` where another tool wrote it, or where it starts
    /// a history of its own.
    pub before: Option<Checksum>,
    /// Checksum of the database after applying it; `None` where another tool wrote it.
    pub after: Option<Checksum>,
    /// Whether it is a claim slot.
    pub claim: bool,
}

impl From<&Header> for Facts {
    fn from(header: &Header) -> Facts {
        Facts {
            page_size: header.page_size(),
            commit: header.commit().into_inner(),
            timestamp: header.timestamp(),
            before: header.chain().and_then(|chain| chain.before),
            after: header.chain().map(|chain| chain.after),
            claim: header.chain().is_some_and(|chain| chain.claim),
        }
    }
}

/// Everything learned so far about the objects of one listing. Answers are kept, so that each object is asked
/// about at most once.
#[derive(Clone, Debug, Default)]
pub struct Knowledge {
    headers: BTreeMap<ObjectKey, Facts>,
    damaged: BTreeMap<ObjectKey, Box<str>>,
    full_images: BTreeMap<ObjectKey, bool>,
    indexed_times: BTreeMap<ObjectKey, Timestamp>,
}

impl Knowledge {
    /// Takes the answer to [`Needs::headers`]. What followed from another header is forgotten.
    pub fn learn_header(&mut self, key: ObjectKey, facts: Facts) {
        if self.headers.insert(key, facts).is_some_and(|before| before != facts) {
            self.full_images.remove(&key);
        }
    }

    /// Takes the answer to [`Needs::page_indexes`]; [`is_full_image`] tells.
    pub fn learn_full_image(&mut self, key: ObjectKey, full: bool) {
        self.full_images.insert(key, full);
    }

    /// Takes note that an object cannot be what its name says: it is planned around, and its header tells nothing any more.
    pub fn learn_damage(&mut self, key: ObjectKey, why: impl Into<Box<str>>) {
        self.headers.remove(&key);
        self.damaged.insert(key, why.into());
    }

    /// Takes the times of the manifest's index, for objects whose size is still what the index says.
    pub fn learn_index(&mut self, manifest: &Manifest, listing: &PlaceListing) {
        for entry in &manifest.objects {
            if listing.get(entry.key).is_some_and(|info| info.size_bytes == entry.size_bytes) {
                self.indexed_times.insert(entry.key, entry.time);
            }
        }
    }

    /// The objects that are damaged.
    pub(crate) fn damaged(&self) -> impl Iterator<Item = ObjectKey> {
        self.damaged.keys().copied()
    }

    /// Takes every object for what its name says again.
    pub fn forget_damage(&mut self) {
        self.damaged.clear();
    }

    /// Forgets what was learned of other objects than these.
    pub fn retain(&mut self, keep: impl Fn(&ObjectKey) -> bool) {
        self.headers.retain(|key, _| keep(key));
        self.damaged.retain(|key, _| keep(key));
        self.full_images.retain(|key, _| keep(key));
        self.indexed_times.retain(|key, _| keep(key));
    }

    /// Forgets what was learned of objects that are gone or are not the same version any more, after a place
    /// was listed again.
    pub fn forget_changed(&mut self, old: &PlaceListing, new: &PlaceListing) {
        let same = |key: &ObjectKey| old.get(*key).is_some() && old.get(*key) == new.get(*key);
        self.retain(same);
    }

    /// A header, once learned.
    pub fn header(&self, key: ObjectKey) -> Option<&Facts> {
        self.headers.get(&key)
    }

    /// The time of the state that an object leads to: from its header, else from the index.
    pub fn time(&self, key: ObjectKey) -> Option<Timestamp> {
        self.headers.get(&key).map(|facts| facts.timestamp).or_else(|| self.indexed_times.get(&key).copied())
    }

    /// Why an object does not count, if it is damaged.
    pub fn damage(&self, key: ObjectKey) -> Option<&str> {
        self.damaged.get(&key).map(|why| &**why)
    }

    /// Whether an object holds every page; `None` before anybody looked.
    pub(crate) fn full_image(&self, key: ObjectKey) -> Option<bool> {
        self.full_images.get(&key).copied()
    }

    /// How many slots turned out to be no full image, or too damaged to tell.
    pub(super) fn page_indexes_in_vain(&self) -> usize {
        let damaged = self.damaged.keys().filter(|key| key.level() == Level::L0).count();
        damaged + self.full_images.values().filter(|full| !**full).count()
    }
}

/// The result, or what to fetch before asking again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step<T> {
    /// Nothing more is needed.
    Done(T),
    /// Fetch these, add them to the [`Knowledge`] (as damage, if they cannot be read), ask again. Each one
    /// is new, so asking again comes to an end.
    Need(Needs),
}

/// Facts to fetch: never empty inside [`Step::Need`].
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Needs {
    /// Objects whose header is needed: the first 100 bytes.
    pub headers: Vec<ObjectKey>,
    /// Objects of which must be known whether they hold every page: header and page index.
    pub page_indexes: Vec<ObjectKey>,
}

impl Needs {
    /// Whether nothing is needed.
    pub fn is_empty(&self) -> bool {
        self.headers.is_empty() && self.page_indexes.is_empty()
    }
}

/// Whether a page index (ascending page numbers) lists every page of a database of `commit` pages, except the
/// lock page, which is never stored.
pub fn is_full_image(
    commit: u32,
    page_size: PageSize,
    lock_byte: LockByte,
    pages: impl IntoIterator<Item = Pgno>,
) -> bool {
    let lock = lock_byte.pgno(page_size).into_inner();
    let mut next: u64 = 1;
    for pgno in pages {
        let pgno = pgno.into_inner();
        if pgno == lock {
            continue;
        }
        if next == u64::from(lock) {
            next += 1;
        }
        if u64::from(pgno) != next {
            return false;
        }
        next += 1;
    }
    if next == u64::from(lock) {
        next += 1;
    }
    next > u64::from(commit)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn full(commit: u32, lock_byte: LockByte, pages: impl IntoIterator<Item = u32>) -> bool {
        let page_size = PageSize::new(65536).unwrap();
        is_full_image(commit, page_size, lock_byte, pages.into_iter().map(|p| Pgno::new(p).unwrap()))
    }

    #[test]
    fn a_full_image_lacks_nothing_but_the_lock_page() {
        let lock_is_2 = LockByte::moved(65536);
        assert!(full(3, LockByte::SQLITE, [1, 2, 3]));
        assert!(full(3, lock_is_2, [1, 3]));
        assert!(full(2, lock_is_2, [1]));
        assert!(full(0, LockByte::SQLITE, []));
        assert!(!full(3, LockByte::SQLITE, [1, 3]));
        assert!(!full(3, LockByte::SQLITE, [2, 3]));
        assert!(!full(3, LockByte::SQLITE, [1, 2]));
        assert!(!full(3, lock_is_2, [1]));
    }
}
