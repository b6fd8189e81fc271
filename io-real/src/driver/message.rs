//! What the parts of the driver tell its loop, and what the loop tells the caller.

use super::sources::Task;
use crate::port::State;
use engine::replicate::{DatabaseConfig, Notice, SourceId};
use engine::store::StoreError;

/// To the loop. How many there can be is bounded by what the loop itself started and by the caller's databases.
pub(super) enum Message<S> {
    /// Follow a database; the text is its key in the local state.
    Add(SourceId, Box<DatabaseConfig>, S, String),
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
    /// What killed lives left in the store could not be removed; said once. Nothing else suffers from it.
    SweepFailed {
        /// Where below the store.
        prefix: String,
        /// Why.
        error: StoreError,
    },
}
