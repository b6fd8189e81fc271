//! The port of `io-real` for what a restore does with files, on the simulated disk.
//!
//! Directories there exist by themselves, and nothing has an owner or is a link.

use super::files::{failed, text};
use engine::replicate::FileId;
use io_real::port::{FileKind, FileLock, LockError, OutputFile, OutputFiles};
use io_sim::disk::{DiskError, OpenMode, Pid, SimDisk, SimFile};
use std::ffi::OsString;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// One simulated process's view of its disk.
pub(crate) struct SimOutputFiles {
    disk: SimDisk,
    pid: Pid,
    vfs: String,
    tags: AtomicU64,
}

impl SimOutputFiles {
    /// Of a process, whose SQLite VFS has this name.
    pub(crate) fn new(disk: &SimDisk, pid: Pid, vfs: &str) -> SimOutputFiles {
        SimOutputFiles { disk: disk.clone(), pid, vfs: vfs.to_owned(), tags: AtomicU64::new(0) }
    }

    fn exists(&self, path: &Path) -> io::Result<bool> {
        match self.disk.stat(self.pid, text(path)) {
            Ok(_) => Ok(true),
            Err(DiskError::NotFound) => Ok(false),
            Err(error) => Err(failed(error)),
        }
    }
}

impl OutputFiles for SimOutputFiles {
    fn real_path(&self, path: &Path) -> io::Result<PathBuf> {
        if self.exists(path)? { Ok(path.to_owned()) } else { Err(io::ErrorKind::NotFound.into()) }
    }

    fn real_folder(&self, path: &Path) -> io::Result<PathBuf> {
        Ok(path.to_owned())
    }

    fn look(&self, path: &Path) -> io::Result<Option<FileKind>> {
        Ok(self.exists(path)?.then_some(FileKind::File))
    }

    fn create(&self, path: &Path, _output: &Path) -> io::Result<Arc<dyn OutputFile>> {
        let file = self.disk.open(self.pid, text(path), OpenMode::New).map_err(failed)?;
        self.disk.lock_exclusive(self.pid, text(path)).map_err(failed)?;
        Ok(Arc::new(SimOutputFile {
            file,
            disk: self.disk.clone(),
            pid: self.pid,
            path: text(path).to_owned(),
        }))
    }

    fn is_abandoned(&self, path: &Path) -> io::Result<bool> {
        match self.disk.lock_exclusive(self.pid, text(path)) {
            Ok(()) => {
                self.disk.unlock(self.pid, text(path));
                Ok(true)
            }
            Err(DiskError::Locked) => Ok(false),
            Err(error) => Err(failed(error)),
        }
    }

    fn tag(&self) -> String {
        format!("{}-{}", self.pid.0, self.tags.fetch_add(1, Ordering::Relaxed))
    }

    fn names(&self, folder: &Path) -> io::Result<Vec<OsString>> {
        let prefix = format!("{}/", text(folder));
        let paths = self.disk.list(self.pid, &prefix).map_err(failed)?;
        Ok(paths.iter().map(|path| OsString::from(&path[prefix.len()..])).collect())
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.disk.rename(self.pid, text(from), text(to)).map_err(failed)
    }

    fn rename_to_new(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.disk.rename_to_new(self.pid, text(from), text(to)).map_err(failed)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        self.disk.unlink(self.pid, text(path)).map_err(failed)
    }

    fn sync_folder(&self, folder: &Path) -> io::Result<()> {
        self.disk.fsync_directory(self.pid, text(folder)).map_err(failed)
    }

    fn lock_if_there(&self, path: &Path) -> Result<Option<Box<dyn FileLock>>, LockError> {
        // Nobody follows what is restored here.
        assert!(!self.exists(path)?, "{} exists", path.display());
        Ok(None)
    }

    fn vfs(&self) -> Option<&str> {
        Some(&self.vfs)
    }
}

impl fmt::Debug for SimOutputFiles {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SimOutputFiles(pid {})", self.pid.0)
    }
}

struct SimOutputFile {
    file: SimFile,
    disk: SimDisk,
    pid: Pid,
    path: String,
}

impl OutputFile for SimOutputFile {
    fn write_all_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        self.file.write_at(offset, bytes).map_err(failed)
    }

    fn set_len(&self, size_bytes: u64) -> io::Result<()> {
        self.file.truncate(size_bytes).map_err(failed)
    }

    fn sync(&self) -> io::Result<()> {
        self.file.fsync().map_err(failed)
    }

    fn id(&self) -> io::Result<FileId> {
        let stat = self.file.stat().map_err(failed)?;
        Ok(FileId { inode: stat.inode, born_ns: None })
    }

    fn take_after(&self, _old: &Path) {}

    fn discard(&self) {
        let _ = self.disk.unlink(self.pid, &self.path);
    }
}

impl fmt::Debug for SimOutputFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SimOutputFile({})", self.path)
    }
}
