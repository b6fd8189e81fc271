//! S3 and everything that speaks its protocol.
//!
//! ```text
//! store, upload: one method, one request -> request: sign, send, read the answer -> classify: what it means
//! ```
//!
//! Signatures, the credential chain and the HTTP client are object_store's. Its `AmazonS3` is not used: its
//! errors hide the answer's code and headers, so that a conflict looks like an object that exists and a missing
//! bucket like a missing object; it has no conditional completion and no conditional delete; one odd key of
//! somebody else's makes a listing fail for ever (see `docs/decisions`).

mod attributes;
mod classify;
mod connect;
mod credentials;
mod endpoint;
mod part;
mod profile;
mod request;
mod store;
mod upload;
mod xml;

pub(super) use store::S3Store;
