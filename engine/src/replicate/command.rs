//! What the engine asks for: one output type, imperative, data only.
//!
//! Every [`Command`] but a notice carries a [`RequestId`] and is answered exactly once by an
//! [`Event`](super::Event) with the same id, success or failure.

use super::notice::Notice;
use super::pages::PageSet;
use super::state::StateChange;
use crate::key::ObjectKey;
use crate::ltx::{Header, WalSpan};
use crate::store::{Attributes, Condition, ETag};
use crate::types::{Pgno, WalPosition};
use bytes::Bytes;
use std::ops::Range;

/// Joins a command to its answer. Never reused within a process life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RequestId(pub(crate) u64);

impl RequestId {
    /// The number, for traces.
    pub fn get(self) -> u64 {
        self.0
    }
}

/// One database of a fleet. Given by the driver, never reused within a process life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SourceId(pub u32);

/// Something to do.
#[derive(Clone, Debug)]
pub enum Command {
    /// Work on the source database; jobs of one database run one after the other, in order, and never on an
    /// async worker (a call may block for seconds).
    Source(RequestId, SourceId, SourceJob),
    /// Read or write the local state, durable when answered.
    State(RequestId, SourceId, StateJob),
    /// A request to the store.
    Store(RequestId, SourceId, StoreRequest),
    /// Tell the outside; not answered.
    Notice(SourceId, Notice),
}

/// Work on the source database through SQLite (docs/design.md section 3).
#[derive(Clone, Debug, PartialEq)]
pub enum SourceJob {
    /// Take the single-daemon lock, open two connections, enter WAL mode where allowed, pin (the anchor) and
    /// report what is there. An earlier session of this database is closed first, without a checkpoint.
    Open {
        /// May the journal mode be changed to WAL?
        enter_wal_mode: bool,
    },
    /// Begin on the second connection, read every committed frame after `from`, and, when all of it was
    /// taken into memory (or there was none) and `hand_over` allows it, end the first: the second is the anchor.
    Look {
        /// Everything before it has been read. Its generation was pinned ever since.
        from: WalPosition,
        /// Pages in the database at `from`: pages up to the new size that no frame holds are read at the pin.
        pages_before: u32,
        /// Page bytes that may be taken into memory. What does not fit is cut at a commit boundary; a first
        /// transaction that alone does not fit is given as frame numbers, to be read under the anchor.
        bytes_max: u64,
        /// May the anchor move?
        hand_over: HandOver,
    },
    /// Compute the checksum of every page of the image at the anchor, and of the image as it was at `as_of`,
    /// if the WAL still holds that position. Moves the anchor to the newest commit first.
    Survey {
        /// A position of the WAL, taken from an object's header.
        as_of: Option<WalSpan>,
    },
    /// Read every committed frame after `from` as a look does, and pin the image at the end of that on a connection of
    /// its own: the image pin, which stays whatever becomes of the anchor, until it is ended, another one is taken, or
    /// the database is closed. Not where the frames do not fit into memory. The anchor does not move.
    PinImage {
        /// As of a look.
        from: WalPosition,
        /// As of a look.
        pages_before: u32,
        /// As of a look.
        bytes_max: u64,
    },
    /// End the image pin, if there is one.
    UnpinImage,
    /// Encode pages into an object in memory.
    Seal {
        /// The object's header.
        header: Header,
        /// The pages.
        pages: PageSet,
    },
    /// Whether the files are still those that were opened, and how long the log is, which grows also while nothing more is
    /// read.
    Measure,
    /// A checkpoint on the free connection. The anchor stays.
    Checkpoint(CheckpointMode),
    /// End the pin, close both connections, release the lock.
    Close,
}

/// What a look may do with the anchor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HandOver {
    /// Nothing: an upload reads under it.
    Never,
    /// Move it.
    Allowed,
    /// Move it, and with the writers kept out for some milliseconds copy the rest of the log into the database, so that
    /// the next commit begins the log anew. Where they would have to wait for longer, or somebody else reads, as
    /// `Allowed`.
    Restart,
}

/// How to checkpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CheckpointMode {
    /// Copies what no reader pins; blocks nobody.
    Passive,
    /// Idle and everything read: empties the log. Never waits for readers.
    Truncate,
}

/// Work on the local state.
#[derive(Clone, Debug)]
pub enum StateJob {
    /// Read everything about this database.
    Load,
    /// Write, durable when answered.
    Save(Box<StateChange>),
}

/// One object of a merge.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MergeInput {
    /// What it is.
    pub object: ObjectKey,
    /// Where.
    pub key: String,
    /// The version that was planned.
    pub etag: ETag,
    /// Its length.
    pub size_bytes: u64,
}

/// A request to the store. Keys are relative to the store's root.
#[derive(Clone, Debug, PartialEq)]
pub enum StoreRequest {
    /// Write a whole object.
    Put {
        /// Where.
        key: String,
        /// What.
        body: Bytes,
        /// Beside it.
        attributes: Attributes,
        /// When.
        condition: Condition,
    },
    /// Encode pages, read under the anchor or the image pin, into an upload in parts; nothing becomes visible. The
    /// upload is kept under this request's id for [`StoreRequest::Complete`]. An upload into the same folder that the
    /// database staged before is forgotten: it is given up.
    Stage {
        /// Where it will be.
        key: String,
        /// The object's header.
        header: Header,
        /// The pages.
        pages: PageSet,
        /// Beside it.
        attributes: Attributes,
    },
    /// Make a staged upload visible, if the key is absent.
    Complete {
        /// The id of the [`StoreRequest::Stage`].
        staged: RequestId,
    },
    /// Give a staged upload up.
    Discard {
        /// The id of the [`StoreRequest::Stage`].
        staged: RequestId,
    },
    /// Read an object or a range of it (clipped to its end).
    Get {
        /// Where.
        key: String,
        /// Which bytes; all when `None`.
        range: Option<Range<u64>>,
    },
    /// One page of a listing.
    List {
        /// Below this, ending in `/`.
        prefix: String,
        /// After this key.
        after: Option<String>,
    },
    /// SHA-256 of a whole object, downloaded and decoded: where the download does not agree with the object's own
    /// checksum, or with the SHA-256 that the store keeps beside it, it is answered
    /// [`Fatal::Unsupported`](crate::store::Fatal::Unsupported), as a digest is.
    Hash {
        /// Where.
        key: String,
    },
    /// One page, from the newest of these objects that has it.
    Page {
        /// The objects, newest first.
        keys: Vec<String>,
        /// Which page.
        pgno: Pgno,
    },
    /// Page checksums of objects, oldest first: each is downloaded, verified and decoded.
    Digest {
        /// The objects.
        keys: Vec<String>,
    },
    /// Merge objects into an upload; nothing becomes visible. It is kept under this request's id for
    /// [`StoreRequest::Complete`]. Inputs are read as streams, in bounded memory. What lies beside the object follows from its
    /// header.
    Merge {
        /// Where it will be.
        key: String,
        /// What is merged, oldest first, contiguous. An input that is gone, or another version by now, is
        /// [`StoreError::Missing`](crate::store::StoreError::Missing).
        inputs: Vec<MergeInput>,
    },
    /// Delete objects, whatever version they have. A missing one is deleted.
    Delete {
        /// Where.
        keys: Vec<String>,
    },
    /// Delete one version.
    DeleteIfMatch {
        /// Where.
        key: String,
        /// Which version.
        etag: ETag,
    },
}
