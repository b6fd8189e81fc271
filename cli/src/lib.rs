//! The command line of walsync: arguments, configuration, output and exit codes.
//!
//! ```text
//! argv ─► args (clap ─► requests) ─┐
//! environment ─► config ───────────┼─► commands (requests ─► jobs ─► answers) ─► output ─► exit
//! walsync.toml ─► config ──────────┘
//! ```
//!
//! Nothing here knows WAL frames, LTX bytes or object stores: a command turns what the user said into a job
//! (a struct in which every value is already legal) and hands it to the driver. It is a library with a thin
//! binary, so that a test can run a whole command line against an environment of its own.

pub mod allocator;
pub mod args;
pub mod commands;
pub mod config;
mod control;
pub mod exit;
pub mod explain;
pub mod litestream;
pub mod output;
