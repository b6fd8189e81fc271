//! An object that is being written: a file beside its final name, complete and synced before it gets it.

use super::directories::{Directories, parent};
use super::disk::Stat;
use super::error::{ambiguous, classify};
use super::lock::ObjectLock;
use crate::port::PutDone;
use crate::store::unique::unique;
use engine::store::{Attributes, Condition, StoreError};
use rustix::fs::{CWD, RenameFlags, renameat_with};
use std::fs::{File, FileTimes, OpenOptions};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

/// Removed when dropped, unless it was published. A crash leaves it to the sweep of unfinished uploads.
pub(super) struct Staged {
    target: PathBuf,
    path: PathBuf,
    file: File,
    directories: Arc<Directories>,
}

impl Staged {
    /// Creates the file beside `target`, and the directories up to there.
    pub(super) fn create(target: &Path, directories: &Arc<Directories>) -> Result<Staged, StoreError> {
        let dir = parent(target);
        create_dirs(dir, directories).map_err(|error| classify(dir, &error))?;
        let mut path = target.as_os_str().to_owned();
        path.push(format!("#{:016x}", unique()));
        let path = PathBuf::from(path);
        let file = OpenOptions::new().write(true).create_new(true).open(&path);
        let file = file.map_err(|error| classify(&path, &error))?;
        Ok(Staged { target: target.to_owned(), path, file, directories: directories.clone() })
    }

    /// Appends.
    pub(super) fn write(&mut self, bytes: &[u8]) -> Result<(), StoreError> {
        self.file.write_all(bytes).map_err(|error| classify(&self.path, &error))
    }

    /// Gives the file its name if the condition holds. Until it does the file stays staged.
    pub(super) fn publish(
        &mut self,
        attributes: &Attributes,
        condition: &Condition,
    ) -> Result<PutDone, StoreError> {
        if let Some(timestamp) = attributes.timestamp {
            let times = FileTimes::new().set_modified(system_time(timestamp.as_millis()));
            self.file.set_times(times).map_err(|error| classify(&self.path, &error))?;
        }
        self.file.sync_all().map_err(|error| classify(&self.path, &error))?;
        let dir = parent(&self.target);
        let begun = self.directories.begin(dir);
        match condition {
            Condition::IfAbsent => match link_new(&self.path, &self.target) {
                Ok(()) => {}
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                    // Perhaps by us, and the sync failed: whoever reads it back and finds its own bytes takes
                    // them for durable.
                    self.directories.settle_object(&self.target)?;
                    return Err(StoreError::Refused);
                }
                Err(error) => return Err(classify(&self.path, &error)),
            },
            Condition::IfMatch(etag) => {
                let _lock = ObjectLock::take(&self.target)?;
                match Stat::of(&self.target) {
                    Ok(stat) if stat.etag() == *etag => {}
                    Ok(_) | Err(StoreError::Missing) => return Err(StoreError::Refused),
                    Err(error) => return Err(error),
                }
                std::fs::rename(&self.path, &self.target).map_err(|error| classify(&self.path, &error))?;
            }
        }
        // A second name is swept later if it cannot be removed now.
        let _ = std::fs::remove_file(&self.path);
        self.directories.sync_since(begun, dir).map_err(|error| ambiguous(&self.target, &error))?;
        let metadata = self.file.metadata().map_err(|error| ambiguous(&self.target, &error))?;
        let stat = Stat::from(&metadata);
        Ok(PutDone { etag: stat.etag(), store_time: Some(stat.changed) })
    }
}

impl Drop for Staged {
    fn drop(&mut self) {
        // After publishing there is nothing of that name.
        let _ = std::fs::remove_file(&self.path);
    }
}

/// Gives `from` the name `to` unless that is taken. Leaves `from` as a second name where links exist.
fn link_new(from: &Path, to: &Path) -> io::Result<()> {
    match std::fs::hard_link(from, to) {
        // FAT and some network file systems have no links.
        Err(error) if matches!(error.raw_os_error(), Some(NO_LINKS_EPERM | NO_LINKS_EOPNOTSUPP)) => {
            rename_new(from, to)
        }
        done => done,
    }
}

fn rename_new(from: &Path, to: &Path) -> io::Result<()> {
    renameat_with(CWD, from, CWD, to, RenameFlags::NOREPLACE).map_err(io::Error::from)
}

const NO_LINKS_EPERM: i32 = rustix::io::Errno::PERM.raw_os_error();
const NO_LINKS_EOPNOTSUPP: i32 = rustix::io::Errno::OPNOTSUPP.raw_os_error();

/// Creates what is missing. The names of all directories up to there are durable afterwards: an earlier life may
/// have made some and been killed before it synced them.
fn create_dirs(dir: &Path, directories: &Directories) -> io::Result<()> {
    if dir.is_dir() {
        return directories.settle_above(dir);
    }
    let above = parent(dir);
    create_dirs(above, directories)?;
    let begun = directories.begin(above);
    match std::fs::create_dir(dir) {
        // Made by another writer meanwhile, or there is a file in its place, which the next step finds.
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(error),
        _ => directories.sync_since(begun, above),
    }
}

fn system_time(ms: i64) -> SystemTime {
    let distance = Duration::from_millis(ms.unsigned_abs());
    let time = match ms {
        0.. => SystemTime::UNIX_EPOCH.checked_add(distance),
        _ => SystemTime::UNIX_EPOCH.checked_sub(distance),
    };
    time.unwrap_or(SystemTime::UNIX_EPOCH)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::file::directories::sync_dir;

    #[test]
    fn without_links_a_name_that_is_taken_stays_as_it_is() {
        let dir = tempfile::tempdir().unwrap();
        let (from, to) = (dir.path().join("from"), dir.path().join("to"));
        std::fs::write(&from, "new").unwrap();
        std::fs::write(&to, "old").unwrap();
        let refused = rename_new(&from, &to).unwrap_err();
        assert_eq!(refused.kind(), io::ErrorKind::AlreadyExists);
        assert_eq!(std::fs::read_to_string(&to).unwrap(), "old");
        std::fs::remove_file(&to).unwrap();
        rename_new(&from, &to).unwrap();
        assert_eq!(std::fs::read_to_string(&to).unwrap(), "new");
    }

    #[test]
    fn a_staged_file_that_is_given_up_leaves_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let directories = Arc::new(Directories::new(Box::new(sync_dir)));
        let mut staged = Staged::create(&dir.path().join("a/b"), &directories).unwrap();
        staged.write(b"bytes").unwrap();
        drop(staged);
        assert_eq!(std::fs::read_dir(dir.path().join("a")).unwrap().count(), 0);
    }
}
