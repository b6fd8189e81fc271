//! A lock beside one object's file: compare-and-replace is a read and a rename, and needs both in one step.

use super::error::classify;
use engine::store::StoreError;
use std::fs::{File, OpenOptions, TryLockError};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

/// Held until dropped. Processes on the same machine exclude each other, and other machines where the file
/// system forwards locks.
pub(super) struct ObjectLock {
    path: PathBuf,
    // Closing it releases the lock, also when the process dies.
    _file: File,
}

impl ObjectLock {
    /// Takes the lock of the object at `target`. [`StoreError::Conflict`] if another holds it.
    pub(super) fn take(target: &Path) -> Result<ObjectLock, StoreError> {
        let mut path = target.as_os_str().to_owned();
        path.push("#lock");
        let path = PathBuf::from(path);
        for _ in 0..ATTEMPTS_MAX {
            let file = OpenOptions::new().write(true).create(true).truncate(false).open(&path);
            let file = file.map_err(|error| classify(&path, &error))?;
            match file.try_lock() {
                Ok(()) => {}
                Err(TryLockError::WouldBlock) => return Err(StoreError::Conflict),
                Err(TryLockError::Error(error)) => return Err(classify(&path, &error)),
            }
            // The previous holder removes the file: the lock of a removed file excludes nobody.
            let ours = file.metadata().map_err(|error| classify(&path, &error))?.ino();
            if path.metadata().is_ok_and(|named| named.ino() == ours) {
                return Ok(ObjectLock { path, _file: file });
            }
        }
        Err(StoreError::Conflict)
    }
}

impl Drop for ObjectLock {
    fn drop(&mut self) {
        // Removed while still held. If that fails, an empty file stays that listings do not show.
        let _ = std::fs::remove_file(&self.path);
    }
}

/// Others may remove the file between our opening and locking it, each at most once per lock of theirs.
const ATTEMPTS_MAX: u32 = 100;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_held_lock_is_a_conflict_and_a_released_one_leaves_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let target = dir.path().join("manifest.json");
        let held = ObjectLock::take(&target).unwrap();
        assert_eq!(ObjectLock::take(&target).err(), Some(StoreError::Conflict));
        drop(held);
        drop(ObjectLock::take(&target).unwrap());
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0);
    }
}
