//! What a file and a disk tell about themselves.

/// A file's identity and times, as `stat` gives them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FileStat {
    /// The machine's number.
    pub device: u64,
    /// Unique among the files that exist; with [`crate::faults::Faults::reuse_inodes`] not over time.
    pub inode: u64,
    /// Length in bytes.
    pub size_bytes: u64,
    /// When the content last changed, in microseconds of the machine's wall clock.
    pub modified_us: i64,
    /// When content, size or name last changed.
    pub changed_us: i64,
}

/// What happened on a disk so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DiskStats {
    /// Operations, without those of observers.
    pub operations: u64,
    /// Reads.
    pub reads: u64,
    /// Writes.
    pub writes: u64,
    /// Bytes of the writes.
    pub bytes_written: u64,
    /// Fsyncs of files and directories.
    pub fsyncs: u64,
    /// Time for which SQLite waited: busy handlers and its own retries.
    pub slept_us: u64,
    /// Faults that struck.
    pub faults: u64,
    /// Of these, writes for which there was no room.
    pub refused_for_space: u64,
    /// Of these, fsyncs that failed.
    pub failed_fsyncs: u64,
    /// Of these, names that were not moved.
    pub failed_renames: u64,
    /// Of these, names that were not removed.
    pub failed_unlinks: u64,
    /// Power cuts.
    pub power_cuts: u64,
    /// Processes killed.
    pub kills: u64,
    /// Unsynced sectors that a power cut kept.
    pub sectors_kept: u64,
    /// Unsynced sectors that a power cut tore.
    pub sectors_torn: u64,
    /// Unsynced sectors that a power cut dropped.
    pub sectors_dropped: u64,
    /// Unsynced size changes that a power cut dropped.
    pub sizes_lost: u64,
    /// Unsynced directory operations that a power cut dropped.
    pub directory_changes_lost: u64,
}
