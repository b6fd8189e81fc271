//! What a configuration amounts to: what is done when, which points stay, and what that costs in a month.
//!
//! Pure: values and facts in, words and numbers out. `commands/explain` reads the configuration and prints.

mod estimate;
mod outcome;
mod prices;
mod triggers;

pub use estimate::{Assumed, Estimate, estimate};
pub use outcome::{Outcome, outcome};
pub use prices::{PriceError, Prices, Provider};
pub use triggers::{Kind, Times, Trigger, triggers};

#[cfg(test)]
mod tests;
