//! The configuration: one table of keys, four places a value can come from, and what they mean together.
//!
//! ```text
//! file ─► document ─┐
//! environment ──────┼─► values (each with its origin) ─► relations ─► settings
//! flags, defaults ──┘                                   [[databases]] ─► entry ─► discover ─► DatabaseSpec
//! ```
//!
//! All problems are collected, none ends the reading of the others. Nothing here opens a database or a store;
//! the only disk access is reading the file (`load`) and resolving wildcards (`discover`).

mod changes;
mod choice;
mod database;
mod discover;
mod document;
mod duration;
mod environment;
mod expected;
mod key;
mod load;
mod locate;
mod lookup;
mod origin;
mod pattern;
mod place;
mod problem;
mod quantity;
mod relations;
mod settings;
mod show;
mod size;
mod state_dir;
mod store_url;
mod value;
mod values;

pub use changes::Change;
pub use choice::{Fencing, OnStartup, PathStyle, Sse, TakeOver, WalMode};
pub use database::{DatabaseEntry, DatabaseSpec, SpecError};
pub use discover::{Collision, Discovery, Refused, Twice, discover};
pub use duration::{DurationError, TimeSpan};
pub use environment::{Environment, ExpandError, Surroundings};
pub use expected::expected;
pub use key::{KEYS, Key};
pub(crate) use load::without_collisions;
pub use load::{Config, Flags, Loaded};
pub use locate::{ConfigFile, find};
pub use lookup::{Resolved, resolve};
pub use origin::Origin;
pub use pattern::{Pattern, PatternError};
pub use place::{Place, PlaceError};
pub use problem::{Problem, Severity};
pub use settings::{
    CompactionSettings, DatabaseSettings, LimitSettings, RetentionSettings, Secret, Settings,
    SnapshotSettings, StoreSettings, SyncSettings, VerifySettings,
};
pub use show::{Setting, as_toml};
pub use size::{ByteSize, SizeError};
pub use state_dir::{StateDir, StateDirFacts};
pub use store_url::{StoreUrl, StoreUrlError};
pub use value::{Value, ValueError, ValueKind};
pub use values::{Sourced, Values};

#[cfg(test)]
mod tests;
