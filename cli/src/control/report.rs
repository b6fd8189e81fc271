//! How a daemon and its databases stand: the data of `status`, and of everything else that shows it.

use serde::{Deserialize, Serialize};

/// A running daemon.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct DaemonReport {
    /// Its process.
    pub(crate) pid: u32,
    /// Its version of walsync.
    pub(crate) version: String,
    /// The URL of its store.
    pub(crate) store: String,
    /// How long it has been running.
    pub(crate) running_for_ms: u64,
    /// It was asked to end.
    pub(crate) ending: bool,
    /// The databases that it follows or has refused, in no order.
    pub(crate) databases: Vec<DatabaseReport>,
}

/// One database of a daemon. What is not known is `None`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct DatabaseReport {
    /// Its NAME.
    pub(crate) name: String,
    /// Its file.
    pub(crate) path: String,
    /// `starting|following|cold|paused|degraded|fenced|missing|failed`.
    pub(crate) state: String,
    /// The slot that what was read from it will be in, 16 hex digits; the next field where all of it is durable.
    pub(crate) txid: Option<String>,
    /// The newest slot that the store is known to have, 16 hex digits.
    pub(crate) durable_txid: Option<String>,
    /// For how long the oldest commit waits that was seen and is not durable; 0: there is none.
    pub(crate) lag_ms: Option<u64>,
    /// Bytes of its WAL that are in use.
    pub(crate) wal_bytes: Option<u64>,
    /// The time of the newest durable slot, RFC 3339.
    pub(crate) last_sync_at: Option<String>,
    /// When the next full image is due, RFC 3339.
    pub(crate) next_snapshot_at: Option<String>,
    /// Who owns its place.
    pub(crate) fenced_by: Option<String>,
    /// What is wrong, as long as it is.
    pub(crate) last_error: Option<String>,
    /// How long it has been in this state.
    pub(crate) state_for_ms: u64,
    /// Pages that were read and are not durable.
    pub(crate) unsent_pages: Option<u32>,
    /// What the last check by `[verify] interval` found.
    pub(crate) verify: Option<VerifyReport>,
    /// When its place was kept in shape, and will be.
    #[serde(default)]
    pub(crate) upkeep: UpkeepReport,
}

/// When a place was kept in shape, and will be; RFC 3339. `None`: not in this run of the daemon; nothing is due.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct UpkeepReport {
    /// The last full image.
    pub(crate) snapshot: WhenDone,
    /// From level 1 up.
    pub(crate) levels: Vec<WhenDone>,
    /// What the policy does not keep was deleted.
    pub(crate) retention: WhenDone,
}

/// When something was done last, and is due next.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct WhenDone {
    pub(crate) last_at: Option<String>,
    pub(crate) next_at: Option<String>,
}

/// What a check of what is stored found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct VerifyReport {
    /// When it ended, RFC 3339.
    pub(crate) at: String,
    /// Whether everything was read and points were restored.
    pub(crate) deep: bool,
    /// Whether nothing is wrong; `None`: it could not be told.
    pub(crate) ok: Option<bool>,
    /// Objects that were looked at.
    pub(crate) objects_checked: u64,
    /// What is wrong, or why nothing could be told, each one line.
    pub(crate) problems: Vec<String>,
}

impl DatabaseReport {
    /// Whether it goes on as it should, or is about to.
    pub(crate) fn goes_on(&self) -> bool {
        matches!(self.state.as_str(), "starting" | "following" | "cold" | "paused")
    }

    /// Whether the last check found that something is wrong with what is stored.
    pub(crate) fn is_faulty(&self) -> bool {
        self.verify.as_ref().is_some_and(|verify| verify.ok == Some(false))
    }
}
