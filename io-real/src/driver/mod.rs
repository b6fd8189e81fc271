//! The async driver: carries the engine's commands out and brings the answers back. It decides nothing.
//!
//! ```text
//!            Handle: add, stop, poke          Report: notices
//!                   |                            ^
//!                   v                            |
//!  answers ──► Driver (owns the Fleet) ──────────┘
//!     ^             | commands
//!     |             ├─► sources: one queue per database, in order ──► Work ──► Source
//!     |             ├─► records: saves that queue up go together ───► Work ──► State
//!     └─────────────┴─► perform, stage, read: bounded requests ─────► Store
//! ```
//!
//! Each request holds a promise: whatever happens to it, a panic included, it is answered exactly once.

mod event_loop;
mod handle;
mod merge;
mod message;
mod object;
mod perform;
mod promise;
mod rate;
mod read;
mod real;
mod records;
mod requests;
mod solo;
mod sources;
mod sqlite;
mod stage;
mod sweep;
mod uploads;

pub use event_loop::{Driver, Limits, Ports};
pub use handle::{Handle, Poker};
pub use message::Report;
pub use real::{SystemClock, TokioWork};
pub use solo::{SoloPorts, keep_up};
pub use sweep::sweep_place;

#[cfg(test)]
mod tests;
