//! Arguments, in two stages: clap structs that say what can be written, and requests in which every value is
//! legal. What needs the configuration as well is decided in `commands`.
//!
//! A command or flag whose turn has not come is understood, hidden from the help, and refused by name.

mod command_line;
mod error;
mod explain;
mod import;
mod list;
mod parse;
mod restore;
mod status;
mod store;
mod sync;
mod target;
mod upkeep;
mod verify;
mod watch;

pub use command_line::{Global, command};
pub use explain::ExplainRequest;
pub use import::ImportRequest;
pub use list::ListRequest;
pub use parse::{Command, Invocation, Parsed, parse, wants_json};
pub use restore::{Existing, How, Point, RestoreRequest, Verify, What};
pub use status::StatusRequest;
pub use sync::{SnapshotRequest, SyncRequest};
pub use target::Target;
pub use upkeep::{UpkeepRequest, UpkeepTask};
pub use verify::VerifyRequest;
pub use watch::WatchRequest;

#[cfg(test)]
mod tests;
