//! The replication engine of walsync: facts in, commands out, no IO.
//!
//! ```text
//! BACKUP   wal bytes   frames       transactions       LTX bytes      object key    store
//!          (driver) -> wal::frame -> wal::transaction -> ltx::encode -> key        -> (driver)
//!                      replicate: the state machine that says what is next, and when
//! COMPACT  key::listing -> compact::plan -> ltx::decode -> compact::merge -> ltx::encode -> (driver)
//! RESTORE  restore::target -> key::listing -> restore::plan -> ltx::decode -> restore::apply -> (driver)
//! VERIFY   key::listing -> verify::inspect <-> (driver) -> verify::report
//! ```
//!
//! The crate knows no file, socket, clock, thread or random number: `clippy.toml` bans them and
//! `tests/dependencies.rs` pins what it links.

pub mod compact;
pub mod db;
pub mod key;
pub mod ltx;
pub mod manifest;
pub mod mutants;
pub mod replicate;
pub mod restore;
pub mod retention;
pub mod store;
pub mod types;
pub mod verify;
pub mod wal;
