//! The commands: each turns a request and the configuration into a job, does it, and prints the answer.

mod alone;
mod asked;
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
pub mod restore_all;
mod restore_all_report;
mod restore_failure;
mod restore_folders;
mod restore_paths;
mod restore_place;
mod restore_proof;
mod restore_report;
mod restore_told;
mod run;
mod running;
pub mod snapshot;
pub mod status;
mod status_report;
pub mod sync;
pub mod upkeep;
mod upkeep_fencing;
mod upkeep_policy;
mod upkeep_report;
pub mod verify;
mod verify_report;
mod verify_scratch;
mod version;
pub mod watch;

pub use run::run;

#[cfg(test)]
mod tests;
