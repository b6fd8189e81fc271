//! How a run ends: kinds of failure, what is printed about one, and the exit code, in one place.

mod failure;
mod kind;
mod panic;

pub use failure::Failure;
pub use kind::{Kind, exit_code_of_signal};
pub use panic::install_panic_hook;

#[cfg(test)]
mod tests;
