//! Faults of a disk, and what a power cut leaves.

/// Rates in parts per million of the operations that they can strike. The default strikes none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DiskFaults {
    /// A read fails.
    pub read_eio_ppm: u32,
    /// A write fails and writes nothing.
    pub write_eio_ppm: u32,
    /// An fsync fails, and the kernel forgets that the pages were dirty: they stay visible and will never be
    /// written again, as on Linux. A process that sees this must be crashed (SQLite trusts a later fsync),
    /// and in one run with power cuts it corrupts SQLite's own database.
    pub fsync_eio_ppm: u32,
    /// A plain read returns fewer bytes than there are. SQLite's reads never do: its VFS reads on.
    pub short_read_ppm: u32,
    /// One bit of what a read returns is wrong; the medium is right. In the application's reads this can
    /// corrupt the database itself, so it is for the daemon's process.
    pub read_flip_ppm: u32,
    /// An fsync succeeds and makes nothing durable. Beyond what anybody can promise to survive.
    pub lying_fsync_ppm: u32,
    /// A name is not moved: an IO error, or no room for the new name in its directory. Nothing has changed.
    pub rename_fails_ppm: u32,
    /// A name is not removed, by an IO error.
    pub unlink_fails_ppm: u32,
    /// An operation takes up to [`DiskFaults::SLOW_US_MAX`].
    pub slow_ppm: u32,
}

impl DiskFaults {
    /// The longest that a slow operation takes.
    pub const SLOW_US_MAX: u64 = 2_000_000;
}

/// What a power cut does with what no fsync has covered. Each decision is a draw of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CrashPolicy {
    /// The unit that is kept, torn or dropped; also what SQLite is told. A power of two from 512 on.
    pub sector_bytes: u32,
    /// How often a sector that was written has reached the medium.
    pub keep_ppm: u32,
    /// How often one that has not is torn: its first bytes new, the others old.
    pub torn_ppm: u32,
    /// How often a change of a file's size has reached the medium.
    pub keep_size_ppm: u32,
    /// How often an operation on a directory has.
    pub keep_directory_ppm: u32,
    /// Directory operations survive as a prefix (a journalling file system), not as any subset.
    pub directory_in_order: bool,
    /// A file that became longer without its data shows old garbage there, not zeros.
    pub garbage_in_holes: bool,
}

impl Default for CrashPolicy {
    fn default() -> CrashPolicy {
        CrashPolicy {
            sector_bytes: 512,
            keep_ppm: 500_000,
            torn_ppm: 200_000,
            keep_size_ppm: 500_000,
            keep_directory_ppm: 500_000,
            directory_in_order: false,
            garbage_in_holes: true,
        }
    }
}

impl CrashPolicy {
    /// Nothing survives that was not synced: the harshest honest disk.
    pub fn drop_everything() -> CrashPolicy {
        CrashPolicy {
            keep_ppm: 0,
            torn_ppm: 0,
            keep_size_ppm: 0,
            keep_directory_ppm: 0,
            ..CrashPolicy::default()
        }
    }

    /// Everything survives: a disk that writes through.
    pub fn keep_everything() -> CrashPolicy {
        CrashPolicy {
            keep_ppm: 1_000_000,
            keep_size_ppm: 1_000_000,
            keep_directory_ppm: 1_000_000,
            ..CrashPolicy::default()
        }
    }
}
