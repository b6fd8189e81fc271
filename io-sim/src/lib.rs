//! The simulated world: everything outside the engine, deterministic from one seed.
//!
//! ```text
//! random ──► every draw: one ChaCha8 key per seed, one stream per purpose
//! clock  ──► virtual time; disk operations and SQLite's sleeps advance it
//! trace  ──► SHA-256 over everything that happened: the same seed gives the same hash
//!
//! sqlite_vfs (real SQLite) ──► disk (inodes, unsynced writes, power cuts, locks)
//! network (delays, faults) ──► s3   (objects, conditions, uploads, listings)
//! events  what happens when    process  who lives    faults  what goes wrong, and how often
//! ```
//!
//! One world belongs to one thread. SQLite's random generator is one per operating-system process, so seeds
//! are spread over processes, and [`sqlite_vfs::SqliteRun`] lets one world at a time use it.
//!
//! Nothing here knows the engine's decisions or checks a property: that is the crate `sim`.

pub mod clock;
pub mod disk;
pub mod events;
pub mod faults;
pub mod network;
pub mod process;
pub mod random;
pub mod s3;
mod shared;
pub mod sqlite_vfs;
pub mod trace;
