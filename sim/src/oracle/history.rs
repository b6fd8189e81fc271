//! Properties 2 and 6 of the store itself: no object is ever written over, no claim slot ever goes.

use crate::outcome::Violation;
use bytes::Bytes;
use engine::key::{Layout, ObjectKey, Place};
use engine::types::Txid;
use io_sim::s3::{ChangeKind, SimS3};
use std::collections::{BTreeMap, BTreeSet};

/// Looks at every change of the store since the last time.
#[derive(Default)]
pub struct History {
    seen: usize,
    /// Keys that somebody else deleted.
    deleted: Vec<String>,
    /// Slots that rotted.
    rotted: BTreeSet<Txid>,
    /// What each key holds, where the store keeps that: the same bytes may be put down twice.
    written: BTreeMap<String, Bytes>,
}

impl History {
    /// Somebody else deletes an object: no promise of ours.
    pub fn somebody_deletes(&mut self, key: &str) {
        self.deleted.push(key.to_owned());
    }

    /// A slot rots where it lies.
    pub fn rots(&mut self, slot: Txid) {
        self.rotted.insert(slot);
    }

    /// Whether somebody else ever deleted or damaged anything.
    pub fn was_tampered_with(&self) -> bool {
        self.has_gaps() || self.has_rotted()
    }

    /// Whether somebody else ever deleted anything.
    pub fn has_gaps(&self) -> bool {
        !self.deleted.is_empty()
    }

    /// Whether an object ever rotted. Only what is read at a start is noticed without a `verify`.
    pub fn has_rotted(&self) -> bool {
        !self.rotted.is_empty()
    }

    /// Whether somebody else deleted this object.
    pub fn was_deleted(&self, key: &str) -> bool {
        self.deleted.iter().any(|deleted| deleted == key)
    }

    /// The keys of what somebody else deleted, and of what rotted.
    pub fn lost(&self, place: &Place) -> BTreeSet<String> {
        let rotted = self.rotted.iter().map(|slot| place.object_key(Layout::S3, ObjectKey::slot(*slot)));
        rotted.chain(self.deleted.iter().cloned()).collect()
    }

    /// Whether this slot ever rotted.
    pub fn rotted_at(&self, slot: Txid) -> bool {
        self.rotted.contains(&slot)
    }

    /// Checks what changed since; `newest` is the newest slot that was announced.
    pub fn check(&mut self, store: &SimS3, newest: Option<Txid>) -> Result<(), Violation> {
        let changes = store.changes_from(self.seen);
        self.seen += changes.len();
        for change in changes {
            let object = change.key.ends_with(".ltx");
            let same =
                change.bytes.as_ref().is_some_and(|bytes| self.written.get(&change.key) == Some(bytes));
            if let Some(bytes) = change.bytes {
                self.written.insert(change.key.clone(), bytes);
            }
            if object && change.kind == ChangeKind::Replaced && !same {
                return Err(Violation::new(6, format!("{} was written over", change.key)));
            }
            let foreign = self.deleted.contains(&change.key);
            // A claim that came too late is taken away again before it counts.
            let counts = slot(&change.key).is_none_or(|txid| newest.is_some_and(|newest| txid <= newest));
            if object && change.kind == ChangeKind::Deleted && counts && !foreign {
                return Err(Violation::new(8, format!("{} was deleted", change.key)));
            }
        }
        Ok(())
    }
}

/// The slot that a key of level 0 names.
fn slot(key: &str) -> Option<Txid> {
    let (folder, name) = key.rsplit_once('/')?;
    let (first, _) = name.split_once('-')?;
    let txid = u64::from_str_radix(first, 16).ok().filter(|_| folder.ends_with("0000"))?;
    Txid::new(txid).ok()
}
