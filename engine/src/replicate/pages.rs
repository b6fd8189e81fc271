//! Sets of pages on their way from the database into an object, and tails of the WAL.

use crate::db::{Fingerprint, PageSums};
use crate::types::{Checksum, PageSize, Pgno, WalPosition};
use bytes::Bytes;
use std::collections::BTreeMap;
use std::sync::Arc;

/// The pages of one object: bytes already in memory, or to be read under the anchor.
#[derive(Clone, Debug, PartialEq)]
pub enum PageSet {
    /// A tail that was read early.
    Memory(BTreeMap<Pgno, Bytes>),
    /// Pages of the image at the anchor. Valid only while the anchor that gave `frames` stays.
    Pinned(PinnedPages),
    /// All pages of the image at the image pin. Valid only while the pin that gave `frames` stays.
    Image(ImagePages),
}

/// A whole image to be read under the image pin, and what it must hold.
#[derive(Clone, Debug, PartialEq)]
pub struct ImagePages {
    /// The checksum of each page. Each that is read is compared: another one is
    /// [`SourceError::Rotten`](super::SourceError::Rotten).
    pub sums: Arc<PageSums>,
    /// Pages that lie in the WAL, with the frame to take (1-based).
    pub frames: Arc<BTreeMap<Pgno, u32>>,
}

/// Pages to be read under the anchor.
#[derive(Clone, Debug, PartialEq)]
pub struct PinnedPages {
    /// Which pages.
    pub select: Select,
    /// Pages that lie in the WAL, with the frame to take (1-based). All others lie in the database file;
    /// beyond its end they are zeros.
    pub frames: BTreeMap<Pgno, u32>,
    /// Pages of the selection whose content is already in memory.
    pub memory: BTreeMap<Pgno, Bytes>,
    /// XOR of the page checksums of the selection, as surveyed: what is read must give the same, else
    /// the read failed.
    pub checksum: Checksum,
    /// Of the same checksums, for what their XOR cannot see.
    pub fingerprint: Fingerprint,
}

/// Which pages of an image.
#[derive(Clone, Debug, PartialEq)]
pub enum Select {
    /// Pages 1 to this, without the lock page.
    All(u32),
    /// These, ascending.
    Some(Vec<Pgno>),
}

/// What the database is at one moment, as SQLite says (`sqlite3_snapshot_get` under the pin).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Snapshot {
    /// The committed end of the WAL.
    pub end: WalPosition,
    /// Pages in the database.
    pub pages: u32,
    /// Bytes per page.
    pub page_size: PageSize,
}

/// Committed frames read from the WAL, the newest of each page.
#[derive(Clone, Debug, PartialEq)]
pub struct Tail {
    /// Where reading began: the position asked for, or the start of a newer generation.
    pub start: WalPosition,
    /// Where it ended: always after a commit.
    pub end: WalPosition,
    /// Pages in the database there.
    pub commit: u32,
    /// Pages that differ from `start`, none past `commit`, growth filled in, lock page excluded.
    pub pages: BTreeMap<Pgno, TailPage>,
}

/// One page of a tail.
#[derive(Clone, Debug, PartialEq)]
pub struct TailPage {
    /// Of its content.
    pub checksum: Checksum,
    /// Its content, or where it is.
    pub place: TailPlace,
}

/// Where a tail's page is.
#[derive(Clone, Debug, PartialEq)]
pub enum TailPlace {
    /// In memory.
    Memory(Bytes),
    /// In this frame (1-based), under the anchor.
    Frame(u32),
    /// In the database file, under the anchor (growth without a frame).
    Database,
}
