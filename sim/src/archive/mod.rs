//! The workload of readers: places that walsync, other tools and people left, and restores of them.
//!
//! ```text
//! seed ──► plan ──► world: history (every state, page by page), shelf (the objects of the place, written by several tools, some
//!                     │    of them damaged), io-real's `Restorer` and `Catalog` on the simulated store and disk
//!                     ▼
//!                   judge: what came out is the state that was asked for, or the error is one that the shelf explains
//! ```
//!
//! Nothing here replicates: states are invented, not committed by SQLite. What it reaches that the other workloads do not: all
//! levels, the pages of older Litestreams, version 1, indexes, manifests of any kind, names that mean nothing, damage of
//! every field.

pub mod flaw;
pub mod history;
pub mod judge;
pub mod manifests;
pub mod names;
pub mod object;
pub mod plan;
pub mod settings;
pub mod shelf;
mod world;

pub use plan::ArchivePlan;
pub use settings::ArchiveSettings;
pub use world::run;
