//! Which slots can be restored when somebody else has deleted objects: an independent count by keys alone.

use engine::key::{Layout, ObjectKey, Place};
use engine::ltx::{HEADER_BYTES, Header};
use engine::types::Txid;
use io_sim::s3::SimS3;

/// How far down from a slot everything is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Base {
    /// Down to a snapshot.
    Snapshot,
    /// Down to a full image in a slot, whose snapshot is not there.
    SlotOnly,
    /// To a hole.
    Nothing,
}

/// What a restore of `txid` could begin with.
pub fn base(store: &SimS3, place: &Place, txid: Txid) -> Base {
    let object = |key| store.peek(&place.object_key(Layout::S3, key));
    let mut at = txid;
    loop {
        // The first image counts only under the claim in slot 2.
        let counts = at > Txid::ONE || object(ObjectKey::slot(Txid::ONE + 1)).is_some();
        if counts && object(ObjectKey::snapshot(at)).is_some() {
            return Base::Snapshot;
        }
        let Some(slot) = object(ObjectKey::slot(at)) else { return Base::Nothing };
        let header = Header::decode(&slot.bytes[..HEADER_BYTES.min(slot.bytes.len())]).ok();
        if header.and_then(|header| header.chain()).is_some_and(|chain| chain.before.is_none()) {
            return Base::SlotOnly;
        }
        match Txid::new(at.into_inner() - 1) {
            Ok(before) => at = before,
            Err(_) => return Base::Nothing,
        }
    }
}
