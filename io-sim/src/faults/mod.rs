//! What goes wrong in the simulated world, and how often. What is promised under each of these is the
//! business of the oracles; here are only the rates.

mod disk;
mod network;
mod swarm;

pub use disk::{CrashPolicy, DiskFaults};
pub use network::NetworkFaults;
pub use swarm::{Faults, ProcessFaults};

#[cfg(test)]
mod tests;
