//! From a URL and options to a store. Nothing is sent yet.

use super::file::FileStore;
use super::options::StoreOptions;
use super::s3::S3Store;
use super::url::{StoreUrl, UrlError};
use crate::port::Store;
use std::sync::Arc;

/// Why a store cannot be opened: something in the configuration must change.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OpenError {
    /// The URL.
    #[error(transparent)]
    Url(#[from] UrlError),
    /// An option, or two that contradict each other.
    #[error("{key}: {message}")]
    Option {
        /// The key in `[store]`.
        key: &'static str,
        /// What is wrong with it.
        message: String,
    },
    /// No credentials can be had this way.
    #[error("credentials: {0}")]
    Credentials(String),
}

/// Opens the store at `url`. Sends nothing: whether the bucket exists and the credentials are right, the
/// first request tells. All databases of one bucket should share one store: it holds the connections.
pub fn open(url: &StoreUrl, options: &StoreOptions) -> Result<Arc<dyn Store>, OpenError> {
    match url {
        StoreUrl::S3 { bucket, prefix } => Ok(Arc::new(S3Store::open(bucket, prefix, options)?)),
        StoreUrl::File { root } => Ok(Arc::new(FileStore::open(root)?)),
    }
}

/// Makes ring the process's cryptography for TLS, unless one was chosen already. [`open`] does it too; `main`
/// calls it for connections that are not a store's. Any number of calls is fine.
pub fn install_crypto_provider() {
    // An error says that there is a provider already, which is what is wanted.
    let _ = rustls::crypto::ring::default_provider().install_default();
}
