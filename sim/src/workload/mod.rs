//! What applications do: real SQLite, statements drawn from the plan.

mod application;
mod statements;
mod unusual;

pub use application::Application;
