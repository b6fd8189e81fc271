//! The file port: what the session must know about files beside what SQLite does with them.
//!
//! Nothing here opens the database or its `-shm`: closing any descriptor of a file drops all POSIX locks that
//! this process holds on it, and with them SQLite's pin (docs/design.md section 3, rule 6).

use engine::replicate::FileId;
use std::io;
use std::path::{Path, PathBuf};

/// The file system, as far as one followed database needs it.
pub trait Files: Send + Sync {
    /// The path with all symbolic links resolved: SQLite names `-wal` and `-shm` after it.
    fn real_path(&self, path: &Path) -> io::Result<PathBuf>;

    /// What a path names now, symbolic links followed; `None` if nothing. Never opens the file.
    fn identity(&self, path: &Path) -> io::Result<Option<FileIdentity>>;

    /// Gives a file another name in the same folder, replacing what has it. Nothing is opened.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;

    /// Takes the exclusive lock that a file stands for, without waiting. The file is created if missing and
    /// names its holder; it is never removed, because between the removal and the next holder's opening two
    /// processes could each lock a file of that name.
    fn lock(&self, path: &Path) -> Result<Box<dyn FileLock>, LockError>;
}

/// A lock that is held until dropped, or until the process ends.
pub trait FileLock: Send {}

/// Which file a path names, and what changes when somebody writes to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FileIdentity {
    /// The file system.
    pub device: u64,
    /// The file in it.
    pub inode: u64,
    /// Whether it is a regular file.
    pub regular: bool,
    /// Its length.
    pub size_bytes: u64,
    /// When its content was changed: nanoseconds since 1970.
    pub modified_ns: i128,
    /// When its content or its attributes were changed: nanoseconds since 1970; nobody can set it back.
    pub changed_ns: i128,
    /// When the file was made: nanoseconds since 1970; `None` where the file system does not say.
    pub born_ns: Option<i64>,
}

impl FileIdentity {
    /// Whether both are the same file, whatever its content.
    pub fn same_file(&self, other: &FileIdentity) -> bool {
        (self.device, self.inode) == (other.device, other.inode)
    }

    /// What tells the file from others that ever have its path. Not the device: its number may be another after the
    /// machine was started again.
    pub fn id(&self) -> FileId {
        FileId { inode: self.inode, born_ns: self.born_ns }
    }
}

/// Why a lock was not taken.
#[derive(Debug, thiserror::Error)]
pub enum LockError {
    /// Another process, or another session of this one, holds it.
    #[error("held by {holder}")]
    Held {
        /// What the holder wrote into the file.
        holder: String,
    },
    /// The file could not be made, opened or locked.
    #[error(transparent)]
    Io(#[from] io::Error),
}
