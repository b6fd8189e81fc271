//! Litestream's configuration file, read for what walsync has instead: `litestream.yml` in, `walsync.toml` and a list of
//! what has no equivalent out. Litestream 0.5 and 0.3; facts from its documentation and sources, version 0.5.17.
//!
//! ```text
//! YAML text ─► yaml (nodes with lines) ─► table (keys are taken; what is left is unknown)
//!           ─► settings (of the file), database, replica (where) ─► import (stores and places) ─► write (TOML text)
//! ```
//!
//! Nothing here reads a file, the environment or the network.

mod database;
mod endpoint;
mod import;
mod replica;
mod settings;
mod table;
mod value;
mod write;
mod yaml;

pub use import::{Imported, import};
pub use table::LeftOut;
pub use yaml::YamlError;

#[cfg(test)]
mod tests;
