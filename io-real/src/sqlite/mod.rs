//! The followed database: two connections, a pin that is handed over, and everything that is read under it; and a third
//! connection, while an image is pinned.
//!
//! ```text
//! SourceJob -> Session -> Source: Connection (anchor, free) -> Snapshot, Tail, page checksums, LTX bytes
//!                           |        `- raw: SQLite's own file handles, the snapshot, checkpoints
//!                           `- Witness: are the files still those that were opened?
//! ```
//!
//! The same code runs on the real file system and, given a VFS name and its [`Files`](crate::port::Files), on a
//! simulated one. Calls block: they belong on a thread that may. What to read, when to checkpoint and what a
//! failure means is the engine's decision; nothing here writes a page of the user's database.

mod connection;
mod copied;
mod copying;
mod error;
mod guard;
mod image;
mod image_pin;
mod library;
mod log;
mod look;
mod raw;
mod restart;
mod session;
mod source;
mod stage;
mod survey;
mod tail;
mod wal_index;
mod whole_image;
mod witness;

pub use session::{Session, SessionConfig};
pub use stage::{Progress, STEP_PAGES, Staged, Stager};

#[cfg(test)]
mod tests;
