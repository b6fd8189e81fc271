//! The deterministic simulator: real SQLite and the real engine in a world made from one seed.
//!
//! ```text
//! seed ──► plan (explicit, editable) ──► world: application, daemons, disk, store, clock
//!                                           │ every announcement, commit and crash
//!                                           ▼
//!                                        oracles: one property each ──► ok, or FAILED property=n
//! ```
//!
//! `cargo sim --seed N` repeats any failure. A seed and a commit identify a run.

pub mod coverage;
pub mod mutant;
pub mod oracle;
pub mod outcome;
pub mod plan;
pub mod protocol;
pub mod regressions;
pub mod runner;
pub mod settings;
pub mod shrink;
pub mod timeline;
pub mod workload;
pub mod world;
