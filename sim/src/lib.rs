//! The deterministic simulator: real SQLite and the real engine in a world made from one seed.
//!
//! ```text
//! seed ──► plan (explicit, editable) ──► world: application, daemons, disk, store, clock
//!                                           │ every announcement, commit and crash
//!                                           ▼
//!                                        oracles: one property each ──► ok, or FAILED property=n
//! ```
//!
//! `fleet` is the same without SQLite, for many databases and long times; `profile` chooses between the two.
//!
//! `cargo sim --seed N` repeats any failure. A seed and a commit identify a run.

#[cfg(all(feature = "madsim", not(madsim)))]
compile_error!(
    "layer B needs `--cfg madsim`, which `cargo sim-driver` passes. The environment variable RUSTFLAGS (or \
     CARGO_ENCODED_RUSTFLAGS) replaces it, even when it is empty: unset it."
);

mod answers;
pub mod archive;
pub mod coverage;
#[cfg(all(feature = "madsim", madsim))]
pub mod driver;
pub mod fleet;
mod frame;
pub mod mutant;
pub mod oracle;
pub mod outcome;
pub mod panics;
pub mod plan;
pub mod profile;
pub mod protocol;
pub mod regressions;
pub mod runner;
pub mod settings;
pub mod shrink;
pub mod timeline;
pub mod workload;
pub mod world;
