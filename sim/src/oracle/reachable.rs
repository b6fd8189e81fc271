//! Which slots can be restored when somebody else has deleted objects: an independent count, by keys and by what each
//! slot says it was written on top of.

use super::mirror::take_apart;
use engine::key::{Layout, ObjectKey, Place};
use engine::types::{Checksum, LockByte, Txid};
use io_sim::s3::SimS3;
use std::collections::BTreeSet;

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

/// What a restore of `txid`, which leads to the database checksum `after`, could begin with.
pub fn base(store: &SimS3, place: &Place, lock_byte: LockByte, txid: Txid, after: Option<Checksum>) -> Base {
    base_without(&BTreeSet::new(), store, place, lock_byte, txid, after)
}

/// The same for a reader for whom these objects are not what they are.
pub fn base_without(
    lost: &BTreeSet<String>,
    store: &SimS3,
    place: &Place,
    lock_byte: LockByte,
    txid: Txid,
    mut after: Option<Checksum>,
) -> Base {
    let object = |key| {
        let key = place.object_key(Layout::S3, key);
        store.peek(&key).filter(|_| !lost.contains(&key))
    };
    let chain = |key| {
        let bytes = object(key)?.bytes;
        take_apart(&bytes, lock_byte).ok()?.header.chain()
    };
    let mut at = txid;
    loop {
        // A write that lands late may fill the hole of a slot that was deleted.
        // The first image counts only under the claim in slot 2.
        let counts = at > Txid::ONE || object(ObjectKey::slot(Txid::ONE + 1)).is_some();
        let links = |key| chain(key).filter(|chain| after.is_none_or(|after| after == chain.after));
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
