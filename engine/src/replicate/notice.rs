//! What the engine tells the outside: states, progress and trouble.

use super::event::{SourceError, SyncId};
use crate::compact::Stop;
use crate::key::ObjectKey;
use crate::retention::Trouble;
use crate::store::StoreError;
use crate::types::{Level, NodeId, Pgno, Timestamp, Txid};
use std::time::Duration;

/// The state of one database, as `status` shows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// Finding out where the store and the database stand.
    Starting,
    /// Every commit goes up.
    Following,
    /// It goes on, but something is in the way: the store, the disk, a budget.
    Degraded,
    /// Another writer owns the place.
    Fenced,
    /// The file does not exist.
    Missing,
    /// It cannot go on without a person.
    Failed,
    /// Stopped on request.
    Stopped,
}

/// A full image was needed, or a slot came from comparing pages: why.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HealReason {
    /// First image of an empty place.
    FirstImage,
    /// The WAL no longer holds the position.
    LogGone,
    /// The database is behind what the store has (a power cut rolled it back).
    StoreAhead,
    /// The files were replaced or written to without us.
    Replaced,
    /// The page size changed.
    PageSize,
    /// An earlier sync was found in the store although its answer was lost.
    Adopted,
    /// The newest objects of the place were gone.
    HeadLost,
    /// Another writer's place was taken over.
    TakeOver,
    /// Somebody overwrote our newest object: another tool replicates to the same place.
    Overwritten,
}

/// Something worth telling.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Notice {
    /// The state changed.
    Status(Status),
    /// Every commit up to this slot is in the store.
    Durable {
        /// The slot.
        txid: Txid,
        /// Its time.
        timestamp: Timestamp,
    },
    /// What was committed before this request, and before those with smaller numbers, is in the store.
    Synced {
        /// The newest request of which that is true.
        id: SyncId,
        /// A slot that holds all of it.
        txid: Txid,
    },
    /// WAL mode was entered.
    EnteredWalMode,
    /// Continuity was healed; `pages` of `of` went up.
    Healed {
        /// Why.
        reason: HealReason,
        /// The slot that heals.
        txid: Txid,
        /// Pages that differed.
        pages: u32,
        /// Pages of the database.
        of: u32,
    },
    /// Another writer owns the place.
    Fenced(Fenced),
    /// The source is in trouble; `fatal`: it is not retried.
    Source {
        /// What happened.
        error: SourceError,
        /// Whether it ends here.
        fatal: bool,
    },
    /// The store is in trouble; it is retried.
    Store {
        /// What happened.
        error: StoreError,
        /// The object.
        key: String,
        /// How often in a row.
        attempt: u32,
    },
    /// The store takes nothing and the WAL has become too long: the application has it back. What changed is compared,
    /// page by page, when the store is there again.
    LogLetGo {
        /// How long it has become.
        wal_bytes: u64,
        /// How long it may be.
        wal_bytes_max: u64,
    },
    /// Committed pages take more memory than they may, so they stay in the WAL until some went up: a checkpoint of
    /// the application that resets the WAL waits meanwhile.
    BudgetSpent {
        /// What this database may take.
        bytes_max: u64,
    },
    /// The newest slot's time is far ahead of this host's clock: told once.
    ClockBehind {
        /// That time.
        head: Timestamp,
        /// How far it is ahead.
        ahead: Duration,
    },
    /// The local state is in trouble; it is retried.
    State {
        /// What happened.
        message: Box<str>,
    },
    /// An object, or the place, is not what it claims to be.
    Corrupt {
        /// The object.
        key: String,
        /// What is wrong.
        message: Box<str>,
    },
    /// The format of the place is newer than this version knows: nothing was written.
    TooNew {
        /// Its format.
        format: u32,
    },
    /// Objects were merged into one of a higher level, which is there and was read back.
    Compacted {
        /// It.
        object: ObjectKey,
        /// What it was merged from.
        inputs: usize,
        /// Its length.
        bytes: u64,
    },
    /// An object of the place is damaged; following does not need it.
    ObjectDamaged {
        /// The object.
        key: String,
        /// What is wrong with it.
        message: Box<str>,
    },
    /// A level cannot be made any further: told once. Nothing around it is deleted.
    CompactionStopped {
        /// The level.
        level: Level,
        /// What is wrong.
        stop: Stop,
    },
    /// Objects that no point needs that stays were deleted.
    Retained {
        /// How many.
        objects: usize,
        /// Their bytes.
        bytes: u64,
        /// Points that went with them.
        points: usize,
        /// Objects that the store refused to delete: this host's credentials may not.
        refused: usize,
    },
    /// Something is wrong in the place: told once. Nothing of the chain around it is deleted.
    RetentionStopped {
        /// What.
        trouble: Trouble,
    },
    /// Litestream 0.3 wrote the place, in a format that is not read: nothing was written.
    OfLitestream03,
    /// A full image up to this slot is in the store.
    Snapshot {
        /// The slot.
        txid: Txid,
        /// Its time.
        timestamp: Timestamp,
        /// Bytes that went up; `None`: it was there already, and nothing has changed since.
        size_bytes: Option<u64>,
    },
    /// No full image was written, because pages of the database file are not what they were: bit rot, unless somebody has
    /// written to the file and covered it up. The history in the store is as it was.
    SnapshotRefused {
        /// The first of the pages.
        pages: Vec<Pgno>,
        /// How many there are.
        count: u32,
    },
    /// No full image was written. It comes again by the schedule, if there is one; nothing else stops.
    SnapshotFailed {
        /// Why.
        why: SnapshotFailure,
    },
    /// When the next full image is due, if something changes until then; told when it changes.
    SnapshotDue {
        /// By the wall clock; `None`: no interval is configured.
        at: Option<Timestamp>,
    },
    /// Following ended on request; what the store has.
    Stopped {
        /// The last confirmed slot.
        durable: Option<Txid>,
        /// Whether everything committed is in it.
        complete: bool,
    },
}

/// Why a full image was not written.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SnapshotFailure {
    /// A checkpoint of the application waited for it, and with that checkpoint the writers.
    #[error("a checkpoint of the application waited for it")]
    InTheWay,
    /// The log would have become longer than it may.
    #[error("the log has become too long meanwhile")]
    LongLog,
    /// The store takes nothing.
    #[error("the store takes nothing")]
    StoreAway,
    /// The pages could not be read.
    #[error("{0}")]
    Source(SourceError),
    /// Another object has its name, and says otherwise of the same slots.
    #[error("another object is at {key}")]
    Contradicted {
        /// Its key.
        key: String,
    },
    /// The database is not followed, or not any more.
    #[error("the database is not followed now")]
    NotFollowed,
}

/// Who owns the place, and why we do not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fenced {
    /// The newest slot.
    pub txid: Txid,
    /// Its writer; `None`: a file without our tag (Litestream's).
    pub by: Option<NodeId>,
    /// When it was written.
    pub at: Option<Timestamp>,
    /// That writer's host, where the manifest names it: each life of a host has an id of its own.
    pub host: Option<String>,
    /// Else the host that claimed the place last, if it is not this one: mostly an earlier life of the writer.
    pub claimed_by: Option<String>,
    /// Whether this database equals the place's newest state; `None`: not known.
    pub identical: Option<bool>,
    /// Only an image may go on top, whatever the database holds.
    pub needs_image: bool,
    /// Our own id under bytes that we did not send: a copy of this state directory is running.
    pub copied_state: bool,
    /// The database was restored here from this place; `None`: nothing tells.
    pub restored: Option<RestoredHere>,
}

/// How the state that a database was restored from stands to the place's newest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RestoredHere {
    /// The state.
    pub txid: Txid,
    /// It is the newest, by its checksum too.
    pub is_newest: bool,
}
