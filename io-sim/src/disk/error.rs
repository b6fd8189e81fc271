//! Why a disk operation fails.

/// Why a disk operation fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DiskError {
    /// EIO.
    #[error("input/output error")]
    Io,
    /// ENOSPC, also for files beyond 1 GiB.
    #[error("no space left on device")]
    NoSpace,
    /// ENOENT.
    #[error("no such file")]
    NotFound,
    /// EEXIST.
    #[error("file exists")]
    Exists,
    /// The advisory lock is held by another process.
    #[error("locked by another process")]
    Locked,
    /// The machine has no power: nobody is there to see this error.
    #[error("power is off")]
    PowerOff,
    /// The process is dead: nobody is there to see this error.
    #[error("process was killed")]
    Killed,
}

/// What disk operations return.
pub type DiskResult<T> = Result<T, DiskError>;
