//! A running daemon and those who talk to it: `status`, `sync`, `snapshot`, signals and scheduled checks, with the real binary, real
//! SQLite writers, a directory or an S3 server.
#![allow(clippy::unwrap_used, reason = "a failing test is the report")]

mod scene;
mod shutdown;
mod snapshot;
mod status;
mod sync;
mod verify;
#[path = "../walsync/mod.rs"]
mod walsync;
