//! The replication machine: facts in, commands out.
//!
//! [`Fleet::handle`] takes what happened, [`Fleet::poll`] says what to do, until it says how long to wait.
//! Nothing here does IO; what each command means is in [`command`](Command).

mod attach;
mod backoff;
mod catchup;
mod chain;
mod claim;
mod clock;
mod command;
mod config;
mod context;
mod database;
mod decision;
mod doubt;
mod draft;
mod ending;
mod event;
mod fleet;
mod follow;
mod head;
mod manifest;
mod notice;
mod origin;
mod pages;
mod pauses;
mod plan;
mod probe;
mod reconfigure;
mod retrying;
mod sighting;
mod standing;
mod start;
mod state;
mod sync;
mod tail;
mod take_over;
mod upkeep;
mod upload;

pub use command::{
    CheckpointMode, Command, HandOver, MergeInput, RequestId, SourceId, SourceJob, StateJob, StoreRequest,
};
pub use config::{DatabaseConfig, OnStartup, SnapshotSchedule, TakeOver};
pub use event::{
    Checkpointed, Event, Got, Hint, ImagePinned, Looked, Measured, ObjectDigest, Opened, ROTTEN_PAGES_MAX,
    Sealed, SourceAnswer, SourceError, StateError, StoreAnswer, Surveyed, SyncId,
};
pub use fleet::{Fleet, Output};
pub use notice::{Fenced, HealReason, Notice, RestoredHere, SnapshotFailure, Status};
pub use pages::{ImagePages, PageSet, PinnedPages, Select, Snapshot, Tail, TailPage, TailPlace};
pub use standing::Standing;
pub use state::{CachedSums, Confirmed, FileId, LocalState, PendingRecord, RestoreProof, StateChange};
pub use upkeep::{Outcome, Solo, SoloOutput, Task, UpkeepConfig};
