//! The local state of all databases: one SQLite file, one transaction per save of any number of them.
//!
//! It holds what the engine's [`LocalState`](engine::replicate::LocalState) describes: a cache of page checksums
//! and the proof of which objects are ours. Losing it costs local reads, so a corrupt file is put aside and
//! started anew, and a database whose rows cannot be ours is forgotten; what the content means is decided in the engine.

mod file;
mod key;
mod restored;
mod rows;
mod schema;
mod store;

pub use key::state_key;
pub use store::StateStore;

#[cfg(test)]
mod tests;
