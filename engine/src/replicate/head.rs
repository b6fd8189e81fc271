//! The newest object of a place, and whose it is (docs/design.md section 4, rules 3, 4 and 6).

use super::state::LocalState;
use crate::key::{ObjectInfo, ObjectKey, PlaceListing};
use crate::ltx::{Header, WalSpan};
use crate::mutants::{Mutant, mutated};
use crate::store::Sha256;
use crate::types::{Checksum, Level, NodeId, PageSize, Timestamp, Txid};

/// Where the history of a place ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Head {
    pub(super) txid: Txid,
    pub(super) level: Level,
    pub(super) timestamp: Timestamp,
    pub(super) page_size: PageSize,
    /// Pages in the database.
    pub(super) commit: u32,
    /// `None`: a file without our tag.
    pub(super) node: Option<NodeId>,
    /// Database checksum; `None`: a file without our tag.
    pub(super) after: Option<Checksum>,
    pub(super) wal: Option<WalSpan>,
    /// It begins a chain: a full image in a slot, which must be followed by its snapshot.
    pub(super) full: bool,
    /// An image that only a claim slot on top makes count.
    pub(super) unclaimed: bool,
    /// It leaves the database as it was: a claim.
    pub(super) changes_nothing: bool,
}

/// Whose a head is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Owner {
    /// This host's, confirmed earlier.
    Ours,
    /// This host's by its id; its bytes must be one of those that were sent. There may be several: after
    /// trouble with the source a slot is encoded anew, and any of its writes may have landed.
    IfHashIsAmong(Vec<Sha256>),
    /// Our id on bytes that we did not send: a copy of the local state is running.
    Copied,
    /// Another's.
    Foreign,
}

impl Head {
    pub(super) fn new(object: &ObjectInfo, header: &Header) -> Head {
        let slot = object.key.level() == Level::L0;
        let chain = header.chain();
        Head {
            txid: object.key.max(),
            level: object.key.level(),
            timestamp: header.timestamp(),
            page_size: header.page_size(),
            commit: header.commit().into_inner(),
            node: chain.map(|c| c.node),
            after: chain.map(|c| c.after),
            wal: header.wal().filter(|_| slot),
            full: slot && chain.is_some_and(|c| c.before.is_none()),
            unclaimed: object.key.level() == Level::SNAPSHOT && object.key.max() == Txid::ONE,
            changes_nothing: slot && chain.is_some_and(|c| c.before == Some(c.after)),
        }
    }

    /// What a slot of ours makes the head.
    pub(super) fn of_slot(header: &Header) -> Head {
        let chain = header.chain().expect("our objects are tagged");
        Head {
            txid: header.txids().max(),
            level: Level::L0,
            timestamp: header.timestamp(),
            page_size: header.page_size(),
            commit: header.commit().into_inner(),
            node: Some(chain.node),
            after: Some(chain.after),
            wal: header.wal(),
            full: chain.before.is_none(),
            unclaimed: false,
            changes_nothing: chain.before == Some(chain.after),
        }
    }

    /// Whether it begins a chain whose snapshot, which must come before the next slot, is not there.
    pub(super) fn lacks_snapshot(&self, listing: &PlaceListing) -> bool {
        let looks = self.full && !mutated(Mutant::MissingSnapshotIgnored);
        looks && !listing.level(Level::SNAPSHOT).iter().any(|o| o.key.max() >= self.txid)
    }

    /// Whether another tool has written over the claim without which a first image of ours does not count. One of its own
    /// has its first slot beside it.
    pub(super) fn is_in_place_of_a_claim(&self, listing: &PlaceListing) -> bool {
        let has = |key| listing.get(key).is_some();
        let is_second = self.level == Level::L0 && self.txid == Txid::ONE + 1 && self.after.is_none();
        is_second && has(ObjectKey::snapshot(Txid::ONE)) && !has(ObjectKey::slot(Txid::ONE))
    }

    /// Whose it is, as far as its header tells.
    pub(super) fn owner(&self, local: &LocalState) -> Owner {
        let Some(node) = self.node else { return Owner::Foreign };
        if mutated(Mutant::ForeignHeadContinued) {
            return Owner::Ours;
        }
        if !local.own.contains(&node) {
            return Owner::Foreign;
        }
        // Levels above 0 hold acknowledged slots only, and the first image comes before any slot. Of a slot that this host has
        // sent it has a record, or knows that it is there: a copy of its state does not know what came after it was made.
        if self.level > Level::L0 {
            let has_sent = local.pending.iter().any(|p| p.txid == self.txid && p.node == node);
            let is_known = has_sent || local.confirmed.is_some_and(|c| self.txid <= c.txid);
            return if self.unclaimed || is_known { Owner::Ours } else { Owner::Copied };
        }
        let confirmed = local.confirmed.filter(|c| self.txid <= c.txid);
        if let Some(confirmed) = confirmed {
            let same = self.txid < confirmed.txid || self.after == Some(confirmed.after);
            return if same { Owner::Ours } else { Owner::Copied };
        }
        let records = local.pending.iter().filter(|p| p.txid == self.txid && p.node == node);
        let sent: Vec<Sha256> = records.map(|p| p.sha256).collect();
        if sent.is_empty() && mutated(Mutant::OwnIdAdopted) {
            return Owner::Ours;
        }
        if sent.is_empty() { Owner::Copied } else { Owner::IfHashIsAmong(sent) }
    }
}
