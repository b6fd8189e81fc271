//! What the parts of the driver tell its loop, and what the loop tells the caller.

use super::sources::Task;
use crate::port::State;
use engine::key::Place;
use engine::replicate::{DatabaseConfig, Notice, SourceId, Standing, SyncId};
use engine::store::StoreError;
use std::collections::BTreeMap;
use tokio::sync::oneshot::Sender;

/// To the loop. How many there can be is bounded by what the loop itself started and by the caller's databases.
pub(super) enum Message<S> {
    /// Follow a database; the text is its key in the local state.
    Add(SourceId, Box<DatabaseConfig>, S, String),
    /// Sync what is committed by now.
    Sync(SourceId, SyncId),
    /// A full image is wanted now.
    Snapshot(SourceId),
    /// Other values for a database that is followed.
    Reconfigure(SourceId, Box<DatabaseConfig>),
    /// Other bounds for all requests to the store.
    Bound {
        /// At least 1.
        requests_in_flight: usize,
        /// 0: no bound.
        upload_bytes_per_second: u64,
    },
    /// Sync what is pending, then stop following it.
    Stop(SourceId),
    /// The same for all, then end the loop.
    Finish,
    /// Say how all databases stand.
    Standings(Sender<BTreeMap<SourceId, Standing>>),
    /// A source is back from its job.
    SourceBack(SourceId, S),
    /// More work on a source: the next step of an object.
    SourceTask(SourceId, Task<S>),
    /// The state is back from its batch.
    StateBack(Box<dyn State>),
}

/// To the caller.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Report {
    /// What the engine says about a database.
    Notice(SourceId, Notice),
    /// The local state has something to say.
    StateWarning(String),
    /// What killed lives left in a place could not be removed. Nothing else suffers from it.
    SweepFailed {
        /// The place's folder.
        place: Place,
        /// Why.
        error: StoreError,
        /// How many places that is so far: what is wrong with one is as a rule wrong with all, and said once.
        count: u64,
    },
}
