//! The planner's laws on made-up places, and examples that people can follow.

mod calls;
mod examples;
mod laws;
mod life;
mod model;
#[cfg(feature = "mutants")]
mod mutants;
mod place;
