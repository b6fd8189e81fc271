//! The simulated disk of one machine, with the kernel's view of it.
//!
//! ```text
//! SimDisk / SimFile ──► machine: power, processes, handles, faults, time, trace
//!                         ├── directory  names: what the kernel shows, what the medium holds
//!                         ├── inode      bytes: live, durable, and the writes no fsync has covered
//!                         ├── crash      what of those a power cut leaves
//!                         ├── lock       SQLite's file locks, and advisory locks of whole files
//!                         ├── shm        wal-index memory and its eight locks
//!                         └── view       whether a database is what it was
//! ```
//!
//! Directories exist by themselves: every path has a parent. A rename is atomic. There are no hard links, no
//! permissions and no memory maps of files.

mod crash;
mod directory;
mod error;
mod file;
mod inode;
mod lock;
mod machine;
mod operations;
mod shm;
mod sim_disk;
mod stat;
mod view;

pub use error::{DiskError, DiskResult};
pub use file::{OpenMode, SimFile};
pub use sim_disk::SimDisk;
pub use stat::{DiskStats, FileStat};
pub use view::DatabaseView;

pub(crate) use lock::Level;
pub(crate) use machine::{HandleId, OpenRequest};
pub(crate) use shm::{ShmAction, ShmRange};

/// A simulated process; 0 is nobody.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Pid(pub u32);

#[cfg(test)]
mod tests;
