//! Why a place cannot be read or restored, by what the caller must do about it.

use super::set_aside::Moved;
use engine::key::ObjectKey;
use engine::manifest::FORMAT;
use engine::restore::PlanError;
use engine::store::StoreError;
use engine::types::{Checksum, Txid};
use std::io;
use std::path::PathBuf;

/// The store did not give an answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{error}")]
pub struct ReadError {
    /// The key or prefix that was asked for.
    pub key: Box<str>,
    /// The answer to the last attempt.
    pub error: StoreError,
    /// How often it was tried.
    pub attempts: u32,
}

/// Why nothing was restored. Nothing was left behind, and what was there before is untouched, but for what
/// [`OutputError::SetAside`] tells.
#[derive(Debug, thiserror::Error)]
pub enum RestoreError {
    /// There is no such state, or what there is does not lead to it.
    #[error(transparent)]
    Plan(#[from] PlanError),
    /// The store does not answer.
    #[error("{key}: {error} (tried {attempts} times)", key = .0.key, error = .0.error, attempts = .0.attempts)]
    Store(#[from] ReadError),
    /// Objects vanished or changed as often as the place was listed.
    #[error("objects go away while they are read: listed {listings} times")]
    Restless {
        /// How often it was listed.
        listings: u32,
    },
    /// A newer version wrote the place.
    #[error("manifest.json has format {format}, this version knows up to {FORMAT}")]
    NewerFormat {
        /// The number in it.
        format: u64,
    },
    /// Every object is whole, but together they do not make the database that its writer had.
    #[error("TXID {txid}: the database's checksum is {found} instead of {expected}")]
    NotProven {
        /// The state.
        txid: Txid,
        /// The checksum in the last object's header.
        expected: Checksum,
        /// The checksum of what came out.
        found: Checksum,
    },
    /// `PRAGMA integrity_check` found something.
    #[error("TXID {txid}: integrity_check: {}", problems.join("; "))]
    Integrity {
        /// The state.
        txid: Txid,
        /// What it said.
        problems: Vec<String>,
    },
    /// The output.
    #[error(transparent)]
    Output(#[from] OutputError),
}

/// Why the output cannot be written.
#[derive(Debug, thiserror::Error)]
pub enum OutputError {
    /// These files exist and may not be replaced.
    #[error("{} exists", list(.0, |path| path.display().to_string()))]
    Exists(Vec<PathBuf>),
    /// It cannot be replaced by a file: a directory, a device.
    #[error("{} is not a regular file", .0.display())]
    NotAFile(PathBuf),
    /// There is no directory to write it to.
    #[error("there is no directory {}", .0.display())]
    NoDirectory(PathBuf),
    /// A running walsync follows the database that would be replaced.
    #[error("{} is replicated by walsync, {holder}", path.display())]
    Followed {
        /// The database.
        path: PathBuf,
        /// Who.
        holder: String,
    },
    /// Not permitted.
    #[error("{}: {error}", path.display())]
    Denied {
        /// Where.
        path: PathBuf,
        /// What the system said.
        error: io::Error,
    },
    /// No space, or a disk that fails.
    #[error("{}: {error}", path.display())]
    Disk {
        /// Where.
        path: PathBuf,
        /// What the system said.
        error: io::Error,
    },
    /// It failed half-way and could not be undone: the old database is whole, but not all of it has its names.
    #[error("{error}; {}", list(.moved, Moved::to_string))]
    SetAside {
        /// Why it failed.
        error: Box<OutputError>,
        /// Where the old database is now. What is not named here has its name.
        moved: Vec<Moved>,
    },
}

impl OutputError {
    /// What an error of the file system means.
    pub(super) fn of(path: &std::path::Path, error: io::Error) -> OutputError {
        let path = path.to_owned();
        match error.kind() {
            io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => {
                OutputError::Denied { path, error }
            }
            _ => OutputError::Disk { path, error },
        }
    }
}

/// Why the reading of one object came to an end.
#[derive(Debug)]
pub(crate) enum Fault {
    /// It is gone, or another version than was listed: list again.
    Gone(ObjectKey),
    /// It is not what it claims to be: plan around it.
    Damaged(ObjectKey, String),
    /// The store does not answer.
    Store(ReadError),
    /// The output cannot be written.
    Output(OutputError),
}

impl From<OutputError> for Fault {
    fn from(error: OutputError) -> Fault {
        Fault::Output(error)
    }
}

fn list<T>(all: &[T], show: impl Fn(&T) -> String) -> String {
    let shown: Vec<String> = all.iter().map(show).collect();
    shown.join(", ")
}
