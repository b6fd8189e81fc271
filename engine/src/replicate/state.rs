//! What is kept on this host about one database: a cache, plus the proof of which objects are ours.
//!
//! Losing it costs local reads, never data. The driver keeps it in one SQLite file for all databases.

use crate::db::PageSums;
use crate::manifest::DatabaseId;
use crate::store::Sha256;
use crate::types::{Checksum, NodeId, PageSize, Txid, WalPosition};

/// Everything known about one database.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct LocalState {
    /// The writer ids of this host's lives, for this database.
    pub own: Vec<NodeId>,
    /// The last slot that the store confirmed.
    pub confirmed: Option<Confirmed>,
    /// Slots that were sent and not confirmed.
    pub pending: Vec<PendingRecord>,
    /// Page checksums as of a slot, not necessarily the last.
    pub sums: Option<CachedSums>,
    /// Who fenced us last; since then `take_over = "always"` from the configuration does not apply.
    pub fenced_by: Option<NodeId>,
    /// What a restore to the database's path left; whether it still counts is decided where it is used.
    pub restored: Option<RestoreProof>,
}

impl LocalState {
    /// The largest number of a place that now ends at `head`. Where it has lost slots, one that was sent may have been
    /// there, too; else such a slot has not landed, and its number is the next one. It was recorded when the one before
    /// it was there.
    pub fn last_used(&self, head: Option<Txid>) -> Option<Txid> {
        let confirmed = self.confirmed.map(|c| c.txid);
        let sent = self.pending.iter().map(|p| p.txid).max();
        match head {
            Some(head) if Some(head) >= confirmed && sent <= Some(head + 1) => Some(head),
            _ => confirmed.max(sent),
        }
    }
}

/// A confirmed slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Confirmed {
    /// The slot.
    pub txid: Txid,
    /// Database checksum after it.
    pub after: Checksum,
    /// Where the WAL stood.
    pub wal: WalPosition,
    /// Bytes per page.
    pub page_size: PageSize,
    /// Pages in the database.
    pub pages: u32,
}

/// A slot that may or may not be in the store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PendingRecord {
    /// The slot.
    pub txid: Txid,
    /// The id in its header.
    pub node: NodeId,
    /// Of the whole object.
    pub sha256: Sha256,
}

/// Page checksums of one state of the database.
#[derive(Clone, Debug, PartialEq)]
pub struct CachedSums {
    /// The state.
    pub txid: Txid,
    /// Bytes per page.
    pub page_size: PageSize,
    /// Its pages.
    pub sums: PageSums,
}

/// What `restore` leaves of a file that it wrote: the state that the file continues, whatever was written to it since.
///
/// It permits a take-over only where that state still is the place's newest, and it is never believed of a page: every
/// page of the file is read and compared.
#[derive(Clone, Debug, PartialEq)]
pub struct RestoreProof {
    /// The history that it comes from; `None`: its place had no manifest.
    pub database: Option<DatabaseId>,
    /// The file. Another one that has its path now was not restored.
    pub file: FileId,
    /// The state. A checksum in a header vouched for the whole.
    pub cached: CachedSums,
}

/// Which file it is, among all that ever have the same path, through renames and restarts of the machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FileId {
    /// Its number in the file system. It may be given to another file when this one is gone.
    pub inode: u64,
    /// When it was made: nanoseconds since 1970; `None` where the file system does not say.
    pub born_ns: Option<i64>,
}

/// A change of the local state, atomic and durable.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct StateChange {
    /// This life's id.
    pub add_own: Option<NodeId>,
    /// A slot that is about to be sent.
    pub add_pending: Option<PendingRecord>,
    /// A slot that the store confirmed: drops pending records up to it.
    pub confirmed: Option<Confirmed>,
    /// New page checksums: the whole, with the chunks that changed since the last save marked dirty. They are worth
    /// more than a restore's, which are dropped.
    pub sums: Option<CachedSums>,
    /// Who fenced us.
    pub fenced_by: Option<NodeId>,
}
