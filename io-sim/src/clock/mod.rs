//! Virtual time: one monotonic clock for the whole world, one wall clock per machine.

mod sim_clock;

pub use sim_clock::SimClock;

#[cfg(test)]
mod tests;
