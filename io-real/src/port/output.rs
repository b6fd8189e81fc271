//! The port for what a restore does with files: the new database beside its output, and the names around it.
//!
//! Nothing here decides what is replaced or when: that is `restore::Output`'s business. Every call may block.

use super::{FileLock, LockError};
use engine::replicate::FileId;
use std::ffi::OsString;
use std::fmt::Debug;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The file system, as far as a restore changes it.
pub trait OutputFiles: Debug + Send + Sync {
    /// The path of a file with all symbolic links resolved: SQLite names companions after it.
    fn real_path(&self, path: &Path) -> io::Result<PathBuf>;

    /// The same of a folder; [`io::ErrorKind::NotADirectory`] if it is something else.
    fn real_folder(&self, path: &Path) -> io::Result<PathBuf>;

    /// What has a name, links not followed; `None` if nothing.
    fn look(&self, path: &Path) -> io::Result<Option<FileKind>>;

    /// Makes an empty file that is locked while its process lives. Nobody may read it who may not read what is at
    /// `output`, not even while it is written.
    ///
    /// # Errors
    /// Also when the name is taken.
    fn create(&self, path: &Path, output: &Path) -> io::Result<Arc<dyn OutputFile>>;

    /// Whether [`OutputFiles::create`] made the file for a process that does not live any more.
    fn is_abandoned(&self, path: &Path) -> io::Result<bool>;

    /// Digits and `-`, different each time, also from those of other processes.
    fn tag(&self) -> String;

    /// The names in a folder.
    fn names(&self, folder: &Path) -> io::Result<Vec<OsString>>;

    /// Gives a file another name in the same folder, replacing what has it.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;

    /// Gives a file another name in the same folder; [`io::ErrorKind::AlreadyExists`] if something has it.
    fn rename_to_new(&self, from: &Path, to: &Path) -> io::Result<()>;

    /// Removes a name.
    fn remove(&self, path: &Path) -> io::Result<()>;

    /// Makes the names in a folder durable.
    fn sync_folder(&self, folder: &Path) -> io::Result<()>;

    /// Takes the lock that a file stands for, without waiting. `None`: there is no such file, and none is made.
    fn lock_if_there(&self, path: &Path) -> Result<Option<Box<dyn FileLock>>, LockError>;

    /// The SQLite VFS through which these files are seen; `None`: SQLite's own.
    fn vfs(&self) -> Option<&str> {
        None
    }
}

/// A database that is being written. Calls come from any thread; parts that are written at one time do not overlap.
pub trait OutputFile: Debug + Send + Sync {
    /// Writes all of `bytes` from `offset` on.
    fn write_all_at(&self, bytes: &[u8], offset: u64) -> io::Result<()>;

    /// Sets the length; new bytes are zeros.
    fn set_len(&self, size_bytes: u64) -> io::Result<()>;

    /// Makes the content durable, not the name.
    fn sync(&self) -> io::Result<()>;

    /// What tells it from other files that ever have its path.
    fn id(&self) -> io::Result<FileId>;

    /// Lets those use it who may use the file at `old`, as far as we may say so.
    fn take_after(&self, old: &Path);

    /// Removes the name that it was made with, in the folder that it was made in, whatever that is called by now.
    fn discard(&self);
}

/// What a name stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FileKind {
    /// A regular file.
    File,
    /// A symbolic link, be it to nothing.
    Link,
    /// A folder, a device.
    Other,
}
