//! What happened, as one hash: two runs of a seed are the same when their traces are.
//!
//! Everything that touches the simulated world writes here: the disk, the store, the network and the runner.
//! For people the last events can be kept as text; the hash never depends on that.

mod record;

pub use record::{Trace, TraceHash};

#[cfg(test)]
mod tests;
