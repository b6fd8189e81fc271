//! The file port of `io-real` on the simulated disk.

use io_real::port::{FileIdentity, FileLock, Files, LockError};
use io_sim::disk::{DiskError, Pid, SimDisk};
use std::io;
use std::path::{Path, PathBuf};

/// One simulated process's view of its disk.
pub struct SimFiles {
    /// The machine's disk.
    pub disk: SimDisk,
    /// The process.
    pub pid: Pid,
}

struct SimLock {
    disk: SimDisk,
    pid: Pid,
    path: String,
}

impl FileLock for SimLock {}

impl Drop for SimLock {
    fn drop(&mut self) {
        if self.disk.is_alive(self.pid) {
            self.disk.unlock(self.pid, &self.path);
        }
    }
}

impl Files for SimFiles {
    fn real_path(&self, path: &Path) -> io::Result<PathBuf> {
        match self.disk.stat(self.pid, text(path)) {
            Ok(_) => Ok(path.to_owned()),
            Err(error) => Err(failed(error)),
        }
    }

    fn identity(&self, path: &Path) -> io::Result<Option<FileIdentity>> {
        match self.disk.stat(self.pid, text(path)) {
            Ok(stat) => Ok(Some(FileIdentity {
                device: stat.device,
                inode: stat.inode,
                regular: true,
                size_bytes: stat.size_bytes,
                modified_ns: i128::from(stat.modified_us) * 1000,
                changed_ns: i128::from(stat.changed_us) * 1000,
                born_ns: None,
            })),
            Err(DiskError::NotFound) => Ok(None),
            Err(error) => Err(failed(error)),
        }
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.disk.rename(self.pid, text(from), text(to)).map_err(failed)
    }

    fn lock(&self, path: &Path) -> Result<Box<dyn FileLock>, LockError> {
        let path = text(path).to_owned();
        match self.disk.lock_exclusive(self.pid, &path) {
            Ok(()) => Ok(Box::new(SimLock { disk: self.disk.clone(), pid: self.pid, path })),
            Err(DiskError::Locked) => Err(LockError::Held { holder: "another simulated process".to_owned() }),
            Err(error) => Err(LockError::Io(failed(error))),
        }
    }
}

pub(super) fn text(path: &Path) -> &str {
    path.to_str().expect("simulated paths are text")
}

pub(super) fn failed(error: DiskError) -> io::Error {
    let kind = match error {
        DiskError::NotFound => io::ErrorKind::NotFound,
        DiskError::Exists => io::ErrorKind::AlreadyExists,
        DiskError::NoSpace => io::ErrorKind::StorageFull,
        _ => io::ErrorKind::Other,
    };
    io::Error::new(kind, format!("{error:?}"))
}
