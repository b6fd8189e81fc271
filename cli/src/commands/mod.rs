//! The commands: each turns a request and the configuration into a job, does it, and prints the answer.

mod config_check;
mod config_import;
mod config_show;
pub mod demo;
mod explain;
mod find;
mod interrupt;
pub mod list;
mod list_report;
mod open_store;
pub mod restore;
mod restore_failure;
mod restore_proof;
mod restore_report;
mod restore_told;
mod run;
pub mod verify;
mod verify_report;
mod verify_scratch;
mod version;
pub mod watch;

pub use run::run;

#[cfg(test)]
mod tests;
