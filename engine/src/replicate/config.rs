//! What the engine must be told about a database.

use super::upkeep::UpkeepConfig;
use crate::key::{Layout, ModifiedIs, Place};
use crate::manifest::DatabaseId;
use crate::types::{LockByte, NodeId};
use std::time::Duration;

/// When another writer's object is the newest of a place.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum TakeOver {
    /// Refuse.
    #[default]
    Never,
    /// Continue if this database equals the newest state.
    IfIdentical,
    /// Continue with a full image, unless a writer has fenced this host before.
    Always,
    /// Continue with a full image, whoever it is: a person said so just now.
    Insist,
}

/// Configuration of one database; every value is legal (checked by the reader of the configuration).
#[derive(Clone, Debug, PartialEq)]
pub struct DatabaseConfig {
    /// The folder of its objects below the store's root.
    pub place: Place,
    /// How keys are laid out in this kind of store.
    pub layout: Layout,
    /// What the store's modification times tell.
    pub modified_is: ModifiedIs,
    /// This life's writer id: random, never used before.
    pub node: NodeId,
    /// The identity of the history, if the place is claimed now.
    pub database: DatabaseId,
    /// This host's name, for the claim.
    pub host: String,
    /// What the manifest says the place was made for (the store's URL).
    pub store_name: String,
    /// Upload at most this long after a commit.
    pub max_interval: Duration,
    /// Or after this many frames; 0: off.
    pub max_changes: u32,
    /// But never more often than this.
    pub min_interval: Duration,
    /// May the journal mode be changed to WAL?
    pub enter_wal_mode: bool,
    /// Checkpoint when the application has not and the WAL has this many frames.
    pub checkpoint_pages: u32,
    /// Past this the WAL is let go.
    pub max_wal_bytes: u64,
    /// Page bytes of unacknowledged tails in memory.
    pub memory_bytes_max: u64,
    /// The store refuses to create what is there. Where it does not, every write is looked for before and after: what
    /// another writer overwrites between the two looks is lost, and what it writes later is noticed.
    pub conditional_writes: bool,
    /// What another writer's head means.
    pub take_over: TakeOver,
    /// How long level-0 objects stay: half of it bounds the age of a confirmation.
    pub l0_retention: Duration,
    /// The place is listed at least this often, also when nothing happens: objects may have been deleted.
    pub list_interval: Duration,
    /// Where SQLite's lock page is.
    pub lock_byte: LockByte,
    /// Objects above this many page bytes go up in parts.
    pub part_bytes: u64,
    /// What is compacted, and what stays.
    pub upkeep: UpkeepConfig,
    /// When full images are written.
    pub snapshots: SnapshotSchedule,
}

/// When full images go to level 9, beside what correctness demands (a place without an image, a page size that changed, a
/// history that must begin anew).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SnapshotSchedule {
    /// So long after the one before, if something has changed since.
    pub interval: Option<Duration>,
    /// When nothing was committed for so long, if something has changed since the one before.
    pub on_idle: Option<Duration>,
    /// What a start of the process means.
    pub on_startup: OnStartup,
}

/// Whether a start takes a snapshot.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnStartup {
    /// Not for its own sake; one whose time came while nobody followed is taken at once.
    #[default]
    Auto,
    /// When following begins, if something has changed since the one before.
    Always,
    /// Not at once: also one whose time has come waits for a whole interval.
    Never,
}
