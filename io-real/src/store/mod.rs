//! The real stores: S3 and everything that speaks its protocol, and a directory.
//!
//! ```text
//! StoreUrl + StoreOptions -> open -> s3::S3Store   -> signed HTTP requests
//!                                 -> file::FileStore -> files, links, fsync
//! ```
//!
//! Both give the same answers to the same requests (`tests/tests/contract`). Nothing here retries: what an
//! answer means, and whether the request is sent again, is the engine's decision.

mod fencing;
mod file;
mod key;
mod open;
mod options;
mod probe;
mod s3;
mod time;
mod unique;
mod url;

pub use fencing::FencingCache;
pub use open::{OpenError, install_crypto_provider, open};
pub use options::{CustomerKey, Encryption, PathStyle, Secret, StoreOptions};
pub use probe::{ConditionalWrites, probe_conditional_writes};
pub use url::{StoreKind, StoreUrl, UrlError};
