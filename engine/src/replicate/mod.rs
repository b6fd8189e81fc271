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
mod start;
mod state;
mod tail;
mod take_over;
mod upload;

pub use command::{
    CheckpointMode, Command, HandOver, RequestId, SourceId, SourceJob, StateJob, StoreRequest,
};
pub use config::{DatabaseConfig, TakeOver};
pub use event::{
    Checkpointed, Event, Got, Hint, Looked, Measured, ObjectDigest, Opened, Sealed, SourceAnswer,
    SourceError, StateError, StoreAnswer, Surveyed,
};
pub use fleet::{Fleet, Output};
pub use notice::{Fenced, HealReason, Notice, RestoredHere, Status};
pub use pages::{PageSet, PinnedPages, Select, Snapshot, Tail, TailPage, TailPlace};
pub use state::{CachedSums, Confirmed, FileId, LocalState, PendingRecord, RestoreProof, StateChange};
