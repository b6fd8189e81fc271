//! What was found by reading objects, for one listing.

use crate::key::{ObjectKey, PlaceListing};
use crate::manifest::Manifest;
use crate::restore::{Facts, Knowledge, Step, points};
use crate::store::Sha256;
use crate::types::{Checksum, Txid};
use std::collections::BTreeMap;

/// How much is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Depth {
    /// Listings, headers and page indexes.
    Shallow,
    /// Every object whole, and every snapshot and the newest point restored.
    Deep,
}

/// What `manifest.json` turned out to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Recorded {
    /// There is none.
    Missing,
    /// It cannot be read.
    Damaged(Box<str>),
    /// It says this.
    Read(Manifest),
}

/// What an object's header and page index told. The page index fits the object's length, lists pages in order and, in an
/// object from TXID 1, all of them: else the object is damaged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Look {
    /// Its header, for the TXIDs in its name.
    pub facts: Facts,
    /// Whether it holds every page.
    pub full: bool,
    /// Its SHA-256: computed where all of it was read, else as its metadata has it.
    pub digest: Option<Sha256>,
}

/// What an object told that was read whole, and whose own checksum fits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Whole {
    /// The checksum of a database of just its pages.
    pub pages: Checksum,
    /// Its SHA-256, where something was there to compare it with.
    pub digest: Option<Sha256>,
}

/// Everything found so far. Answers are kept, so nothing is asked twice.
#[derive(Clone, Debug, Default)]
pub struct Findings {
    pub(super) known: Knowledge,
    looks: BTreeMap<ObjectKey, Look>,
    wholes: BTreeMap<ObjectKey, Whole>,
    restored: BTreeMap<Txid, Result<(), Box<str>>>,
}

impl Findings {
    /// Takes the answer to [`super::Needs::page_indexes`].
    pub fn learn_look(&mut self, key: ObjectKey, look: Look) {
        self.known.learn_header(key, look.facts);
        self.looks.insert(key, look);
    }

    /// Takes the answer to [`super::Needs::whole_objects`].
    pub fn learn_whole(&mut self, key: ObjectKey, whole: Whole) {
        self.wholes.insert(key, whole);
    }

    /// Takes note that an object is not what its name says.
    pub fn learn_damage(&mut self, key: ObjectKey, why: impl Into<Box<str>>) {
        self.known.learn_damage(key, why);
    }

    /// Takes the answer to [`super::Needs::restores`]: why the point cannot be restored, if it cannot.
    pub fn learn_restored(&mut self, txid: Txid, outcome: Result<(), Box<str>>) {
        self.restored.insert(txid, outcome);
    }

    /// Forgets what was found of objects that are gone or are not the same version any more, after a place was listed again.
    pub fn forget_changed(&mut self, old: &PlaceListing, new: &PlaceListing) {
        let same = |key: &ObjectKey| old.get(*key).is_some() && old.get(*key) == new.get(*key);
        self.known.forget_changed(old, new);
        self.looks.retain(|key, _| same(key));
        self.wholes.retain(|key, _| same(key));
        self.restored.clear();
    }

    /// What a restore would know. It asks for images only where nothing else leads on: one that happens to hold every page
    /// is no base for it elsewhere, and must be none here.
    pub(super) fn settled(&self, listing: &PlaceListing) -> Knowledge {
        let mut known = self.known.clone();
        while let Step::Need(needs) = points(listing, &known) {
            assert!(needs.headers.is_empty(), "each one is known, or damaged");
            for key in needs.page_indexes {
                known.learn_full_image(key, self.looks.get(&key).is_some_and(|look| look.full));
            }
        }
        known
    }

    pub(super) fn look(&self, key: ObjectKey) -> Option<&Look> {
        self.looks.get(&key).filter(|_| self.known.damage(key).is_none())
    }

    pub(super) fn whole(&self, key: ObjectKey) -> Option<&Whole> {
        self.wholes.get(&key)
    }

    pub(super) fn restored(&self, txid: Txid) -> Option<&Result<(), Box<str>>> {
        self.restored.get(&txid)
    }

    /// The SHA-256 of an object: the best that is known.
    pub(super) fn digest(&self, key: ObjectKey) -> Option<Sha256> {
        let whole = self.wholes.get(&key).and_then(|whole| whole.digest);
        whole.or_else(|| self.looks.get(&key).and_then(|look| look.digest))
    }
}
