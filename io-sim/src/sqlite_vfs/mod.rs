//! Real SQLite on the simulated disk: a VFS by hand on `rusqlite::ffi`, and the crate's only unsafe code.
//!
//! ```text
//! SqliteRun   one world at a time uses SQLite: its random generator is one per OS process
//! Vfs         one registration = one simulated process; connections name it
//!   calls       open, delete, access, time, randomness
//!   file        read, write, sync, lock, shared memory
//! SharedMemory  the wal-index
//! BegunCheckpoint  one that is under way
//! ```
//!
//! Nothing that SQLite may still point to is ever freed: registrations are recycled only while no file is
//! open under them, and shared memory lives as long as the last file that maps it. A connection that outlives
//! its process gets errors.

mod begun_checkpoint;
mod calls;
mod file;
mod registration;
mod run;
mod shared_memory;

pub use begun_checkpoint::BegunCheckpoint;
pub use registration::Vfs;
pub use run::SqliteRun;

pub(crate) use shared_memory::{SavedMemory, SharedMemory};

#[cfg(test)]
mod tests;
