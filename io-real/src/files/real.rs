//! `stat`, and lock files with `flock`.

use crate::port::{FileIdentity, FileLock, Files, LockError};
use rustix::fs::{FlockOperation, OFlags, flock};
use rustix::io::Errno;
use std::fs::{File, Metadata, OpenOptions};
use std::io::{self, Read as _, Seek as _, Write as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

/// The real file system.
#[derive(Clone, Debug)]
pub struct RealFiles {
    /// Written into lock files.
    host: String,
}

impl RealFiles {
    /// `host` is this machine's name, for the people who wonder who holds a lock.
    pub fn new(host: impl Into<String>) -> RealFiles {
        RealFiles { host: host.into() }
    }
}

impl Files for RealFiles {
    fn real_path(&self, path: &Path) -> io::Result<PathBuf> {
        std::fs::canonicalize(path)
    }

    fn identity(&self, path: &Path) -> io::Result<Option<FileIdentity>> {
        let found = match std::fs::metadata(path) {
            Ok(found) => found,
            Err(e) if matches!(e.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
                return Ok(None);
            }
            Err(e) => return Err(e),
        };
        Ok(Some(identity_of(&found)))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        std::fs::rename(from, to)
    }

    fn lock(&self, path: &Path) -> Result<Box<dyn FileLock>, LockError> {
        // Opened without truncation: the text in it belongs to the holder until the lock is ours.
        // Never through a link: whoever may write beside the database must not choose the file that is written here.
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false).custom_flags(NO_LINKS);
        let mut file = options.open(path)?;
        match flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => {}
            Err(Errno::WOULDBLOCK) => return Err(LockError::Held { holder: holder(&file) }),
            Err(errno) => return Err(LockError::Io(errno.into())),
        }
        // The lock is what counts; what the file says is for people, so a full disk does not matter.
        let text = format!("pid {} on {}\n", std::process::id(), self.host);
        let _ = file.set_len(0).and_then(|()| file.rewind()).and_then(|()| file.write_all(text.as_bytes()));
        Ok(Box::new(Flock { file }))
    }
}

/// What the system says about a file.
pub(crate) fn identity_of(found: &Metadata) -> FileIdentity {
    let born = found.created().ok().and_then(|at| at.duration_since(UNIX_EPOCH).ok());
    FileIdentity {
        device: found.dev(),
        inode: found.ino(),
        regular: found.is_file(),
        size_bytes: found.len(),
        modified_ns: nanoseconds(found.mtime(), found.mtime_nsec()),
        changed_ns: nanoseconds(found.ctime(), found.ctime_nsec()),
        born_ns: born.and_then(|since| i64::try_from(since.as_nanos()).ok()),
    }
}

/// The end of the process releases it, however it ends.
struct Flock {
    file: File,
}

impl FileLock for Flock {}

impl Drop for Flock {
    fn drop(&mut self) {
        // Closing is not enough: a child between fork and exec holds a copy of the file, and with it the lock.
        let _ = flock(&self.file, FlockOperation::Unlock);
    }
}

fn nanoseconds(seconds: i64, nanoseconds: i64) -> i128 {
    i128::from(seconds) * 1_000_000_000 + i128::from(nanoseconds)
}

/// What a holder wrote about itself; anybody may have written anything there.
fn holder(file: &File) -> String {
    let mut bytes = Vec::new();
    let read = file.take(HOLDER_BYTES_MAX).read_to_end(&mut bytes);
    let text: String = String::from_utf8_lossy(&bytes).chars().filter(|c| !c.is_control()).collect();
    match read {
        Ok(_) if !text.is_empty() => text,
        _ => "another process".to_owned(),
    }
}

const NO_LINKS: i32 = OFlags::NOFOLLOW.bits().cast_signed();
/// What is read of a lock file.
const HOLDER_BYTES_MAX: u64 = 300;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn released_lock_is_free_although_a_fork_has_a_copy_of_its_file() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("lock");
        let file = File::create(&path).unwrap();
        flock(&file, FlockOperation::NonBlockingLockExclusive).unwrap();
        let copy = file.try_clone().unwrap();
        drop(Flock { file });
        RealFiles::new("test-host").lock(&path).unwrap();
        drop(copy);
    }
}
