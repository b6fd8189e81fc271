//! The simulated object store: what S3 with conditional writes does, without delays and faults.
//!
//! Consistent at once, like S3 since 2020. Delays, lost answers and refusals that have nothing to do with the
//! objects are the network's ([`crate::network`]).

mod bucket;
mod listing;
mod request;
mod sim_s3;
mod upload;

pub use request::{Answer, Listing, ObjectBody, Request, Response, UploadId, Written};
pub(crate) use sim_s3::outcome_number;
pub use sim_s3::{Change, ChangeKind, SimS3, StoreStats, StoredObject};

#[cfg(test)]
mod tests;
