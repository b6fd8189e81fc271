//! File notifications: a hint, right after a commit, that there is something to read.
//!
//! ```text
//! kernel ──► watcher's thread ──► which database? ──► Poker (coalesced) ──► driver
//! ```
//!
//! Only a hint: the engine looks every second by itself, so a notification that is lost, or a directory that
//! cannot be watched, costs time and nothing else. The files themselves are never opened here: closing any
//! descriptor of a database would drop SQLite's locks on it.

mod armed;
#[cfg(not(target_os = "linux"))]
mod elsewhere;
#[cfg(target_os = "linux")]
mod linux;
#[cfg(target_os = "linux")]
mod real;

use std::path::PathBuf;

pub use armed::Armed;
#[cfg(not(target_os = "linux"))]
pub use elsewhere::Wake;
#[cfg(target_os = "linux")]
pub use linux::Wake;

/// Why there will be no notifications; replication goes on with a look every second.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("cannot watch {}: {reason}", .path.display())]
pub struct WakeError {
    /// The directory, or nothing where the system has no notifications at all.
    pub path: PathBuf,
    /// What the system said.
    pub reason: String,
}

#[cfg(all(test, target_os = "linux"))]
mod tests;
