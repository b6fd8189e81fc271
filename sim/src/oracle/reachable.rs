//! Which slots can be restored when somebody else has deleted objects: an independent count, by keys and by what each
//! slot says it was written on top of.

use super::mirror::take_apart;
use bytes::Bytes;
use engine::key::{Layout, ObjectKey, Place};
use engine::ltx::Chain;
use engine::types::{Checksum, LockByte, Txid};
use io_sim::s3::SimS3;
use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};

/// How far down from a slot everything is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Base {
    /// Down to a snapshot.
    Snapshot,
    /// Down to a full image in a slot, whose snapshot is not there.
    SlotOnly,
    /// To this slot, which is not there, or not what it claims to be.
    Nothing(Txid),
}

/// The newest slot that an object of the place leads to, announced or not.
pub fn newest(store: &SimS3, place: &Place) -> Option<Txid> {
    let objects = store.peek_below(&place.prefix()).into_keys();
    objects.filter_map(|key| Some(ObjectKey::parse(Layout::S3, place.name_of(&key)?)?.max())).max()
}

/// A place of which is asked again and again what reaches down to a base.
pub struct Reachable {
    store: SimS3,
    place: Place,
    lock_byte: LockByte,
    /// What each object was written on top of. Taking one apart is slow; the bytes say for what it is true.
    chains: RefCell<BTreeMap<String, (Bytes, Option<Chain>)>>,
}

impl Reachable {
    /// Of a place.
    pub fn new(store: &SimS3, place: &Place, lock_byte: LockByte) -> Reachable {
        Reachable { store: store.clone(), place: place.clone(), lock_byte, chains: RefCell::default() }
    }

    /// What a restore of `txid`, which leads to the database checksum `after`, could begin with.
    pub fn base(&self, txid: Txid, after: Option<Checksum>) -> Base {
        self.base_without(&BTreeSet::new(), txid, after)
    }

    /// The same for a reader for whom these objects are not what they are.
    pub fn base_without(&self, lost: &BTreeSet<String>, txid: Txid, mut after: Option<Checksum>) -> Base {
        let is_there = |key| {
            let key = self.place.object_key(Layout::S3, key);
            !lost.contains(&key) && self.store.peek(&key).is_some()
        };
        let mut at = txid;
        loop {
            // A write that lands late may fill the hole of a slot that was deleted.
            // The first image counts only under the claim in slot 2.
            let counts = at > Txid::ONE || is_there(ObjectKey::slot(Txid::ONE + 1));
            let links =
                |key| self.chain(lost, key).filter(|chain| after.is_none_or(|after| after == chain.after));
            if counts && links(ObjectKey::snapshot(at)).is_some() {
                return Base::Snapshot;
            }
            let Some(slot) = links(ObjectKey::slot(at)) else { return Base::Nothing(at) };
            let Some(before) = slot.before else { return Base::SlotOnly };
            after = Some(before);
            match Txid::new(at.into_inner() - 1) {
                Ok(below) => at = below,
                Err(_) => return Base::Nothing(at),
            }
        }
    }

    fn chain(&self, lost: &BTreeSet<String>, key: ObjectKey) -> Option<Chain> {
        let key = self.place.object_key(Layout::S3, key);
        let bytes = self.store.peek(&key).filter(|_| !lost.contains(&key))?.bytes;
        let mut chains = self.chains.borrow_mut();
        // Kept bytes are never freed, so another object's cannot be where they are.
        let is_known = |known: &Bytes| known.as_ptr() == bytes.as_ptr() && known.len() == bytes.len();
        if let Some((_, chain)) = chains.get(&key).filter(|(known, _)| is_known(known)) {
            return *chain;
        }
        let object = take_apart(&bytes, self.lock_byte).ok();
        let chain = object.and_then(|object| object.header.chain());
        chains.insert(key, (bytes, chain));
        chain
    }
}
