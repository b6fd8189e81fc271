//! The simulated world of one run: machines with an application and a daemon each, one store, one clock.
//!
//! `files`, `transfer` and `stage` translate the engine's commands; `daemon` is one life of walsync; `machine` is what
//! shares a disk; `restoring` is one life of `walsync restore`, which reaches the disk by `output` and the store by
//! `window`; `run` is the event loop that plays a plan and asks the oracles.

mod asked;
pub(crate) mod config;
pub(crate) mod daemon;
mod files;
mod foreign;
mod machine;
mod meanwhile;
pub(crate) mod output;
pub(crate) mod restoring;
mod run;
pub(crate) mod stage;
pub(crate) mod standing_clock;
pub(crate) mod transfer;
pub(crate) mod window;

pub use asked::Asked;
pub use files::SimFiles;
pub(crate) use output::SimOutputFiles;
pub(crate) use restoring::Inline;
pub use run::{Options, run};
