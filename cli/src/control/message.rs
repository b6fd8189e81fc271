//! What is asked of a daemon, and what it answers: the documents of the control socket.
//!
//! Unknown fields are passed over, so that later versions can say more; a request that is unknown is answered so.

use super::report::DaemonReport;
use crate::exit::{Failure, Kind};
use engine::types::parse_txid_hex;
use serde::{Deserialize, Serialize};

/// The version of the documents.
pub(super) const PROTOCOL: u32 = 1;

/// Something that is asked of a daemon.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "request", rename_all = "snake_case")]
pub(crate) enum Request {
    /// How it and its databases stand.
    Status,
    /// Sync what is committed now.
    Sync {
        /// Which databases.
        databases: Selection,
        /// Answer when it is in the store, not before.
        wait: bool,
        /// Give up when nothing has come of it for this long.
        patience_ms: u64,
    },
    /// Take a full image now.
    Snapshot {
        /// Which databases.
        databases: Selection,
        /// Give up when nothing has come of it for this long.
        patience_ms: u64,
    },
}

/// Databases of a daemon, by NAME.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Selection {
    /// All that it follows.
    All,
    /// This one.
    One(String),
}

/// What a daemon answers. [`Answer::Waiting`] may come any number of times before one of the others.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "answer", rename_all = "snake_case")]
pub(crate) enum Answer {
    /// To [`Request::Status`].
    Status(Box<DaemonReport>),
    /// It is at it.
    Waiting,
    /// To [`Request::Sync`].
    Synced {
        /// What came of each database.
        databases: Vec<Done>,
    },
    /// To [`Request::Snapshot`].
    Snapshots {
        /// What came of each database.
        databases: Vec<Done>,
    },
    /// It was not done.
    Failed(Failed),
}

/// What came of one database.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Done {
    /// Its NAME.
    pub(crate) name: String,
    /// Its file.
    pub(crate) path: String,
    /// The newest slot that the store is known to have, 16 hex digits.
    pub(crate) txid: Option<String>,
    /// Everything committed before the request is in it.
    pub(crate) durable: bool,
    /// The full image, where one was wanted.
    #[serde(default)]
    pub(crate) snapshot: Option<Image>,
    /// Why not, where it was waited for.
    pub(crate) failed: Option<Failed>,
}

/// A full image that the store has.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Image {
    /// The slot that it is of, 16 hex digits.
    pub(crate) txid: String,
    /// That slot's time, RFC 3339.
    pub(crate) timestamp: String,
    /// Bytes that went up; `None`: it was there already, and nothing has changed since.
    pub(crate) size_bytes: Option<u64>,
}

/// A [`Failure`] on its way.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Failed {
    kind: String,
    error: String,
    #[serde(default)]
    database: Option<String>,
    #[serde(default)]
    object: Option<String>,
    #[serde(default)]
    txid: Option<String>,
    #[serde(default)]
    causes: Vec<String>,
    #[serde(default)]
    hint: Option<String>,
}

impl From<&Failure> for Failed {
    fn from(failure: &Failure) -> Failed {
        Failed {
            kind: failure.kind().name().to_owned(),
            error: failure.what().to_owned(),
            database: failure.database_name().map(str::to_owned),
            object: failure.object_key().map(str::to_owned),
            txid: failure.transaction().map(|txid| txid.to_string()),
            causes: failure.causes().to_vec(),
            hint: Some(failure.hint_text().to_owned()),
        }
    }
}

impl From<Failed> for Failure {
    fn from(failed: Failed) -> Failure {
        let known = Kind::ALL.into_iter().find(|kind| kind.name() == failed.kind);
        // A later version may know more kinds; what it could not do was not done.
        let mut failure = Failure::new(known.unwrap_or(Kind::Unavailable), failed.error);
        if let Some(name) = failed.database {
            failure = failure.database(name);
        }
        if let Some(key) = failed.object {
            failure = failure.object(key);
        }
        if let Some(txid) = failed.txid.and_then(|text| parse_txid_hex(&text).ok()) {
            failure = failure.txid(txid);
        }
        failure = failed.causes.into_iter().fold(failure, Failure::cause);
        match failed.hint {
            Some(hint) => failure.hint(hint),
            None => failure,
        }
    }
}
