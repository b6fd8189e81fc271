//! File notifications: a hint, right after a commit, that there is something to read.
//!
//! ```text
//! kernel ──► watcher's thread ──► which database? ──► Poker (coalesced) ──► driver
//! ```
//!
//! Only a hint: the engine looks every second by itself, so a notification that is lost, or a directory that
//! cannot be watched, costs time and nothing else. The files themselves are never opened here: closing any
//! descriptor of a database would drop SQLite's locks on it.

mod directory;
mod watcher;

pub use watcher::{Wake, WakeError};

#[cfg(test)]
mod tests;
