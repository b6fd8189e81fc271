//! Layer B: the real async driver of `io-real` under madsim, on the same disk, SQLite and store as layer A.
//!
//! ```text
//! seed ──► settings, plan ──► world (one task): applications commit, databases come and go, lives end
//!                               │                                                    │
//!        io_real::driver::Driver (its tasks, in random order)                     oracles
//!          │ Store         │ Source, State   │ Work        │ Clock
//!        store, upload   source, state      jobs         time      ◄── mischief: when it dies, where it panics
//!          │               │
//!        wire (io-sim's network and S3)    io-real's SQLite code on io-sim's disk
//! ```
//!
//! It finds what layer A cannot: a future that was dropped after its request was sent, a permit that leaks, an answer
//! that is lost to a panic, an end that waits for the wrong thing. What the engine decides is layer A's business.
//!
//! One process runs one seed: tokio's `select!` draws from a generator whose seed counts the threads of the process.

mod database;
mod jobs;
mod life;
mod mischief;
mod plan;
mod run;
mod settings;
mod source;
mod state;
mod store;
mod time;
mod traffic;
mod upload;
mod wire;
mod world;

pub use run::{Options, run};
pub use settings::DriverSettings;
