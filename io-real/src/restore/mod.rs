//! Getting a database back: from a store to a file, proven.
//!
//! ```text
//! Catalog   which places there are, what a place holds        (listings, manifest)
//!   -> Survey    what can be restored of one place            (engine::restore::points, plan)
//!   -> Restorer  plan -> download -> check -> Output          (ranged reads, each page written once)
//! ```
//!
//! What restores, and by which objects, is the engine's decision: this carries its questions to the store and
//! its plan to the disk. Nothing here writes to a store, and nothing appears under the output's name before
//! it is proven. What a later `watch` must know to continue it is handed to a [`Recorder`]. What a failure means to a user (exit code, hint) is the caller's business.

mod blocking;
mod catalog;
mod courtesy;
mod digests;
mod download;
mod error;
mod integrity;
mod object;
mod output;
mod page_writer;
mod reads;
mod restorer;
mod set_aside;
mod sums;
mod survey;
mod temporary;
mod whole;

pub(crate) use blocking::Task;
pub use catalog::{Catalog, FolderKind, Places};
pub use courtesy::Courtesy;
pub(crate) use error::Fault;
pub use error::{OutputError, ReadError, RestoreError};
pub(crate) use object::Objects;
pub use object::READ_FOR_HEADER_BYTES_MAX;
pub use output::{IfExists, Output};
pub use reads::Limits;
pub use restorer::{Event, Observer, Proof, Recorder, Restored, Restorer};
pub use set_aside::Moved;
pub(crate) use survey::LISTINGS_MAX;
pub use survey::Survey;
pub(crate) use whole::check_whole;

#[cfg(test)]
mod tests;
