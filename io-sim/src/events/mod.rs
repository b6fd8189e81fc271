//! What happens when: the queue that drives a simulation.

mod queue;

pub use queue::{EventId, Queue};

#[cfg(test)]
mod tests;
