//! What happened: one input type, past tense.

use super::command::{RequestId, SourceId};
use super::config::DatabaseConfig;
use super::pages::{Snapshot, Tail};
use super::state::{FileId, LocalState};
use crate::compact::{MergeError, Merged};
use crate::db::PageSums;
use crate::ltx::Header;
use crate::mutants::{Mutant, mutated};
use crate::store::{Attributes, ETag, ObjectMeta, Sha256, StoreError};
use crate::types::{Checksum, Pgno, Timestamp, WalPosition};
use bytes::Bytes;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Something that happened.
#[derive(Clone, Debug)]
pub enum Event {
    /// A database was added to the fleet.
    Added(SourceId, Box<DatabaseConfig>),
    /// A database's configuration was changed. What may change in flight (intervals, limits, `take_over`) counts from now
    /// on; what belongs to its history or its store stays as it was added.
    Reconfigured(SourceId, Box<DatabaseConfig>),
    /// The files of a database may have changed: a hint; losing or repeating it is harmless.
    Poked(SourceId, Hint),
    /// The deadline of [`Output::Wait`](super::Output::Wait) passed, or anything else: look at the clock.
    TimePassed,
    /// Sync what is committed by now, without waiting for an interval. Where the database is not followed yet, it is when
    /// it is. Answered by [`Notice::Synced`](super::Notice::Synced) with this number or a larger one, unless the database
    /// comes to an end before.
    SyncRequested(SourceId, SyncId),
    /// Sync what is pending, then stop following this database.
    StopRequested(SourceId),
    /// A full image is wanted now. Answered by a notice: [`Snapshot`](super::Notice::Snapshot),
    /// [`SnapshotRefused`](super::Notice::SnapshotRefused) or [`SnapshotFailed`](super::Notice::SnapshotFailed); one
    /// answer for all that came before the image was begun.
    SnapshotRequested(SourceId),
    /// Answer to [`Command::Source`](super::Command::Source).
    Source(RequestId, Result<SourceAnswer, SourceError>),
    /// Answer to [`Command::State`](super::Command::State).
    State(RequestId, Result<Option<Box<LocalState>>, StateError>),
    /// Answer to [`Command::Store`](super::Command::Store).
    Store(RequestId, Result<StoreAnswer, StoreError>),
    /// One part of an object that goes up in parts ([`StoreRequest::Stage`](super::StoreRequest::Stage)) is in the store, or
    /// failed and is sent again: told before the answer, of every attempt. Losing it costs what it tells, and no more.
    Part(RequestId, Result<(), StoreError>),
}

/// Numbers the syncs that are requested of a database: a later one has a larger number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct SyncId(pub u64);

/// Which file may have changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Hint {
    /// The log, or it is not known: a commit.
    Log,
    /// The database itself, which in WAL mode is written by checkpoints.
    Database,
}

/// A finished [`SourceJob`](super::SourceJob), by the job's name.
#[derive(Clone, Debug)]
pub enum SourceAnswer {
    /// Opened and pinned.
    Opened(Opened),
    /// Looked.
    Looked(Looked),
    /// Surveyed.
    Surveyed(Box<Surveyed>),
    /// Looked, and perhaps pinned the image there.
    ImagePinned(ImagePinned),
    /// The image pin is gone.
    ImageUnpinned,
    /// Encoded.
    Sealed(Sealed),
    /// Measured.
    Measured(Measured),
    /// Checkpointed.
    Checkpointed(Checkpointed),
    /// Closed.
    Closed,
}

/// A database that was opened and pinned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Opened {
    /// What it is at the anchor.
    pub snapshot: Snapshot,
    /// Whether the journal mode was changed.
    pub entered_wal_mode: bool,
    /// The database file.
    pub file: FileId,
}

/// How long a log is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Measured {
    /// Length of the file. It stays as long as it once was.
    pub wal_bytes: u64,
    /// Bytes up to the end of what is committed, whatever is pinned; 0 where that could not be read.
    pub committed_bytes: u64,
}

impl Measured {
    /// Bytes that are in use, of which so many were known when the file was that long: a file grows only by what is in use,
    /// committed or not.
    pub(super) fn in_use(self, wal_bytes_then: u64, known: u64) -> u64 {
        let grown = if self.wal_bytes > wal_bytes_then { self.wal_bytes } else { 0 };
        let committed = if mutated(Mutant::FileLengthOnly) { 0 } else { self.committed_bytes };
        known.max(grown).max(committed)
    }
}

/// What a look found.
#[derive(Clone, Debug)]
pub struct Looked {
    /// The committed end now.
    pub snapshot: Snapshot,
    /// New frames, if any. Its `end` equals the snapshot's unless `bytes_max` cut it.
    pub tail: Option<Tail>,
    /// Whether the anchor moved to `snapshot`.
    pub handed_over: bool,
    /// Whether all of the WAL was already copied into the database when the pin was taken (mark 0): a
    /// checkpoint of anybody's is not held up by it.
    pub backfilled: bool,
    /// Whether somebody else is copying all of it just now, and the anchor will be in the way of the commit that
    /// could begin it anew.
    pub copying: bool,
    /// Whether a checkpoint that keeps the writers out waits for readers while an image is pinned, which may be what it
    /// waits for. False where no image is pinned.
    pub image_in_the_way: bool,
    /// Length of the WAL file.
    pub wal_bytes: u64,
}

/// What [`SourceJob::PinImage`](super::SourceJob::PinImage) found.
#[derive(Clone, Debug)]
pub struct ImagePinned {
    /// What a look finds; the anchor has not moved.
    pub looked: Looked,
    /// The image at the end of the tail (at the snapshot, where nothing was new): its pages that lie in the WAL, with
    /// their newest frame. `None`: not pinned, because there is more than was read into memory.
    pub frames: Option<Arc<BTreeMap<Pgno, u32>>>,
}

/// The page checksums of a pinned image.
#[derive(Clone, Debug)]
pub struct Surveyed {
    /// The anchor now.
    pub snapshot: Snapshot,
    /// Checksums of the image at the anchor.
    pub sums: PageSums,
    /// Pages that lie in the WAL, with their newest frame (see [`PinnedPages`](super::PinnedPages)).
    pub frames: BTreeMap<Pgno, u32>,
    /// The image at `as_of`: its exact position and its checksums; `None` when the WAL no longer holds it,
    /// or the database file may already hold newer pages.
    pub as_of: Option<(WalPosition, PageSums)>,
}

/// An object in memory.
#[derive(Clone, Debug, PartialEq)]
pub struct Sealed {
    /// Its bytes.
    pub body: Bytes,
    /// Their hash.
    pub sha256: Sha256,
}

/// What a checkpoint did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Checkpointed {
    /// A reader or writer was in the way.
    pub busy: bool,
    /// Frames in the WAL; `None` when SQLite did not say.
    pub frames: Option<u32>,
    /// Frames of it that are in the database now.
    pub backfilled: Option<u32>,
}

/// Why a job on the source failed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SourceError {
    /// The file does not exist (yet, or any more), or is empty: a database that nobody has written to, which is
    /// left alone until somebody does.
    #[error("the database does not exist, or is an empty file")]
    Missing,
    /// No right to read or write it.
    #[error("no permission: {0}")]
    Denied(Box<str>),
    /// Not a SQLite database, or an encrypted one.
    #[error("not a database: {0}")]
    NotADatabase(Box<str>),
    /// Another process follows it.
    #[error("held by another walsync: {0}")]
    Held(Box<str>),
    /// Not in WAL mode, and it must not or cannot be changed now.
    #[error("not in WAL mode: {0}")]
    NotWal(Box<str>),
    /// SQLite said busy or protocol: try again.
    #[error("busy")]
    Busy,
    /// The files are not those that were opened, or changed without a checkpoint: nothing may be written or
    /// checkpointed; reopen and compare pages.
    #[error("replaced under us: {0}")]
    Replaced(Box<str>),
    /// A frame below the committed end is not what it must be: try again, then reopen.
    #[error("bad WAL frame {frame}: {reason}")]
    BadFrame {
        /// 1-based.
        frame: u32,
        /// What is wrong.
        reason: Box<str>,
    },
    /// The pages read under the anchor are not those that were surveyed.
    #[error("pages changed under the pin: {0}")]
    Unstable(Box<str>),
    /// Pages of the image are not what they were when they were last written or read, no frame has touched them, and the
    /// files are still those that were opened: the medium has lost them.
    #[error("{}", rotten_text(pages, *count))]
    Rotten {
        /// The first of them, at most [`ROTTEN_PAGES_MAX`].
        pages: Vec<Pgno>,
        /// How many there are.
        count: u32,
    },
    /// The SQLite library has the WAL-reset bug, or lacks something.
    #[error("unsuitable SQLite library: {0}")]
    Library(Box<str>),
    /// Anything else that SQLite or the system said.
    #[error("{0}")]
    Io(Box<str>),
}

/// So many rotten pages are named.
pub const ROTTEN_PAGES_MAX: usize = 16;

fn rotten_text(pages: &[Pgno], count: u32) -> String {
    let named: Vec<String> = pages.iter().map(Pgno::to_string).collect();
    let more = if (named.len() as u64) < u64::from(count) { ", ..." } else { "" };
    format!("{count} pages have changed without being written: {}{more}", named.join(", "))
}

/// Why the local state could not be read or written.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("local state: {0}")]
pub struct StateError(pub Box<str>);

/// A finished [`StoreRequest`](super::StoreRequest), by the request's name.
#[derive(Clone, Debug)]
pub enum StoreAnswer {
    /// Written: a Put or a Complete.
    Put {
        /// The new version.
        etag: ETag,
    },
    /// Staged, nothing visible yet.
    Staged {
        /// Of the whole object.
        sha256: Sha256,
        /// Its length.
        size_bytes: u64,
    },
    /// Not staged: the pages could not be read.
    Unreadable(SourceError),
    /// Given up.
    Discarded,
    /// Read.
    Got(Got),
    /// One page of a listing.
    Listed {
        /// The objects, in key order.
        objects: Vec<ObjectMeta>,
        /// Go on after this key.
        next: Option<String>,
        /// The store's clock when it answered, where it tells.
        time: Option<Timestamp>,
    },
    /// Hashed.
    Hashed {
        /// Of the whole object.
        sha256: Sha256,
        /// Whether the store keeps the same beside the object.
        is_compared: bool,
    },
    /// A page's content; `None` when no object has it.
    Page(Option<Bytes>),
    /// The headers and page checksums of objects, in the order asked for.
    Digested(Vec<ObjectDigest>),
    /// Merged and staged, nothing visible yet.
    Merged(Merged),
    /// Not merged: an input is not what it was taken for, where it lies or as it came.
    Unmergeable(MergeError),
    /// Deleted.
    Deleted,
    /// What became of each of many, in the order asked for.
    DeletedMany(Vec<Result<(), StoreError>>),
}

/// Bytes of an object.
#[derive(Clone, Debug)]
pub struct Got {
    /// The bytes asked for.
    pub bytes: Bytes,
    /// Length of the whole object.
    pub object_bytes: u64,
    /// Its version.
    pub etag: ETag,
    /// When the store took it.
    pub modified: Timestamp,
    /// Beside it.
    pub attributes: Attributes,
}

/// What an object does to the page checksums.
#[derive(Clone, Debug)]
pub struct ObjectDigest {
    /// Its header.
    pub header: Header,
    /// Its pages.
    pub pages: Vec<(Pgno, Checksum)>,
}
