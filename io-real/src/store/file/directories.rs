//! Whose entries are on the disk: what is known of each directory's syncs in this life.
//!
//! An object is durable when its directory was synced after it got its name. Somebody may see the name before
//! that: a life that was killed between the two, or a sync that failed. So nothing is read, and nothing said to
//! be there, before its directory was synced in this life ([`Directories::settle`]).
//!
//! After a sync that failed the next one may succeed and have written nothing: the kernel reports an error once
//! and takes the pages for clean. Only one that has something new to write counts then.

use super::error::classify;
use crate::store::unique::unique;
use engine::store::StoreError;
use std::collections::HashMap;
use std::fs::{File, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// The directories of a store, as far as it touched them.
pub(super) struct Directories {
    sync: SyncDir,
    known: Mutex<HashMap<PathBuf, Known>>,
}

/// Makes the entries of a directory durable.
pub(super) type SyncDir = Box<dyn Fn(&Path) -> io::Result<()> + Send + Sync>;

#[derive(Clone, Copy, Default)]
struct Known {
    /// Syncs that failed.
    failures: u64,
    /// Synced in this life, and none has failed since.
    clean: bool,
}

/// Taken before an entry is made or removed: a sync that failed after that may have lost it.
#[derive(Clone, Copy)]
pub(super) struct Begun(u64);

impl Directories {
    pub(super) fn new(sync: SyncDir) -> Directories {
        Directories { sync, known: Mutex::default() }
    }

    /// Before an entry of `dir` changes.
    pub(super) fn begin(&self, dir: &Path) -> Begun {
        Begun(self.known(dir).failures)
    }

    /// Syncs `dir` after an entry has changed.
    pub(super) fn sync_since(&self, begun: Begun, dir: &Path) -> io::Result<()> {
        let synced = (self.sync)(dir);
        let mut all = self.lock();
        let known = all.entry(dir.to_owned()).or_default();
        match synced {
            Ok(()) if known.failures == begun.0 => {
                known.clean = true;
                Ok(())
            }
            Ok(()) => Err(io::Error::other("another sync of the directory failed meanwhile")),
            Err(error) => {
                *known = Known { failures: known.failures + 1, clean: false };
                Err(error)
            }
        }
    }

    /// Whatever has a name in `dir` keeps it from here on. Costs something once in a life, and after failures.
    /// A directory that is not there, or that cannot be synced at all, is for the read that follows.
    pub(super) fn settle(&self, dir: &Path) -> io::Result<()> {
        let known = self.known(dir);
        if known.clean {
            return Ok(());
        }
        match self.sync_all_of(dir, known) {
            Err(error) if known.failures == 0 && is_no_failure(&error) => {
                self.lock().remove(dir);
                Ok(())
            }
            done => done,
        }
    }

    /// The same for the directories above `dir`, which hold its name and theirs.
    pub(super) fn settle_above(&self, dir: &Path) -> io::Result<()> {
        dir.ancestors()
            .skip(1)
            .filter(|above| !above.as_os_str().is_empty())
            .try_for_each(|dir| self.settle(dir))
    }

    /// The object at `path`, which somebody else made, and its name keep from here on.
    pub(super) fn settle_object(&self, path: &Path) -> Result<(), StoreError> {
        let synced = match File::open(path) {
            Ok(file) => file.sync_all(),
            // Gone again: who reads it back finds that out.
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            Err(error) => Err(error),
        };
        let dir = parent(path);
        synced.and_then(|()| self.sync_all_of(dir, self.known(dir))).map_err(|error| classify(path, &error))
    }

    /// Syncs everything that is in `dir` now, in such a way that an earlier failure cannot hide.
    fn sync_all_of(&self, dir: &Path, known: Known) -> io::Result<()> {
        if known.failures == 0 {
            return self.sync_since(Begun(0), dir);
        }
        let path = dir.join(format!("sync#{:016x}", unique()));
        let new = OpenOptions::new().write(true).create_new(true).open(&path)?;
        let synced = self.sync_since(Begun(known.failures), dir);
        drop(new);
        // What stays is swept like an object that was not finished.
        let _ = std::fs::remove_file(&path);
        synced
    }

    fn known(&self, dir: &Path) -> Known {
        self.lock().get(dir).copied().unwrap_or_default()
    }

    /// Nothing panics while it is locked; a poisoned map is whole.
    fn lock(&self) -> MutexGuard<'_, HashMap<PathBuf, Known>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Nothing was lost: there is nothing, it cannot be opened, or this kind of file system has no such sync. Who
/// wants to write there hears of it all the same.
fn is_no_failure(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::NotFound
            | io::ErrorKind::NotADirectory
            | io::ErrorKind::PermissionDenied
            | io::ErrorKind::ReadOnlyFilesystem
            | io::ErrorKind::InvalidInput
            | io::ErrorKind::Unsupported
    )
}

/// The sync of the real file system.
pub(super) fn sync_dir(dir: &Path) -> io::Result<()> {
    File::open(dir)?.sync_all()
}

/// The directory that holds the name of `path`.
pub(super) fn parent(path: &Path) -> &Path {
    path.parent().filter(|dir| !dir.as_os_str().is_empty()).unwrap_or(Path::new("."))
}
