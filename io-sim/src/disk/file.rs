//! An open file of a process, without SQLite.

use super::error::DiskResult;
use super::machine::HandleId;
use super::sim_disk::SimDisk;
use super::stat::FileStat;

/// What may be there when a file is opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OpenMode {
    /// It must exist.
    Existing,
    /// It is created when it does not exist.
    Create,
    /// It must not exist.
    New,
}

/// An open file. Dropping closes it, and with it goes every POSIX lock of its process on that file, as in
/// reality: opening and closing a database beside SQLite unpins it.
pub struct SimFile {
    disk: SimDisk,
    handle: HandleId,
}

impl SimFile {
    pub(super) fn new(disk: SimDisk, handle: HandleId) -> SimFile {
        SimFile { disk, handle }
    }

    /// Reads from `offset` on and says how many bytes: 0 at the end, and perhaps fewer than there are.
    pub fn read_at(&self, offset: u64, buffer: &mut [u8]) -> DiskResult<usize> {
        self.disk.read(self.handle, offset, buffer)
    }

    /// Writes all of `bytes`, or nothing.
    pub fn write_at(&self, offset: u64, bytes: &[u8]) -> DiskResult<()> {
        self.disk.write(self.handle, offset, bytes)
    }

    /// Sets the length; new bytes are zeros.
    pub fn truncate(&self, size_bytes: u64) -> DiskResult<()> {
        self.disk.truncate(self.handle, size_bytes)
    }

    /// Makes the content durable, not the name.
    pub fn fsync(&self) -> DiskResult<()> {
        self.disk.fsync(self.handle)
    }

    /// What the file is, whatever its path names by now.
    pub fn stat(&self) -> DiskResult<FileStat> {
        self.disk.describe(self.handle)
    }
}

impl Drop for SimFile {
    fn drop(&mut self) {
        self.disk.close(self.handle);
    }
}
