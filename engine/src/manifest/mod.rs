//! `manifest.json`: the first claim of a place, and an index beside the truth.
//!
//! The listing is the truth. A missing or stale index costs requests, never a wrong answer. The format is
//! described in `docs/formats/manifest.md`, which a test reads.

mod database_id;
mod document;
mod wire;

pub use database_id::DatabaseId;
pub use document::{FORMAT, IndexEntry, Manifest, ManifestError, WriterClaim};

#[cfg(test)]
mod tests;
