//! How to reach a store: everything of `[store]` that is not its URL.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

/// How to reach a store. The default suits AWS with credentials from the environment.
#[derive(Clone, Debug)]
pub struct StoreOptions {
    /// URL of an S3-compatible service; else `AWS_ENDPOINT_URL_S3`, `AWS_ENDPOINT_URL`, else AWS itself.
    pub endpoint: Option<String>,
    /// Region that requests are signed for; else `AWS_REGION`, `AWS_DEFAULT_REGION`, the profile's, else
    /// `us-east-1`.
    pub region: Option<String>,
    /// Static credentials; both or none.
    pub access_key_id: Option<String>,
    /// Static credentials; both or none.
    pub secret_access_key: Option<Secret>,
    /// The third part of temporary static credentials.
    pub session_token: Option<Secret>,
    /// Profile of the shared AWS files; else `AWS_PROFILE`. Named here it wins over keys in the environment.
    pub profile: Option<String>,
    /// Where the bucket's name goes in URLs.
    pub path_style: PathStyle,
    /// Whether `http://` endpoints are allowed; unless told, yes if the endpoint is written so.
    pub allow_http: Option<bool>,
    /// A request without progress for this long is given up. A body adds the time it takes at 64 KiB/s.
    pub timeout: Duration,
    /// Bytes of one part of a large upload, for whoever cuts them; at least 5 MiB on S3.
    pub part_bytes: usize,
    /// S3 storage class of new objects.
    pub storage_class: Option<String>,
    /// S3 encryption at rest of new objects.
    pub encryption: Encryption,
    /// Proxy for all requests; else `HTTP_PROXY`, `HTTPS_PROXY`, `NO_PROXY`.
    pub proxy: Option<String>,
    /// PEM file with certificates that are trusted beside the system's.
    pub ca_file: Option<PathBuf>,
}

/// Where a bucket's name goes in URLs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum PathStyle {
    /// In the path with a custom endpoint or where the name is no host name, else in the host.
    #[default]
    Auto,
    /// In the path.
    Always,
    /// In the host.
    Never,
}

/// Encryption at rest, by the store.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub enum Encryption {
    /// Whatever the bucket does by default.
    #[default]
    BucketDefault,
    /// The store's own keys.
    Aes256,
    /// A key of the key management service.
    Kms {
        /// The key; the account's default key if none.
        key_id: Option<String>,
    },
    /// A key of ours, sent along with every request.
    Customer {
        /// 32 bytes.
        key: CustomerKey,
    },
}

/// A 256-bit key that debug output does not show.
#[derive(Clone, PartialEq, Eq)]
pub struct CustomerKey(pub [u8; 32]);

/// A text that debug output does not show.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Hides `text`.
    pub fn new(text: impl Into<String>) -> Secret {
        Secret(text.into())
    }

    /// The text; for signing only.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(***)")
    }
}

impl fmt::Debug for CustomerKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("CustomerKey(***)")
    }
}

impl Default for StoreOptions {
    fn default() -> StoreOptions {
        StoreOptions {
            endpoint: None,
            region: None,
            access_key_id: None,
            secret_access_key: None,
            session_token: None,
            profile: None,
            path_style: PathStyle::Auto,
            allow_http: None,
            timeout: Duration::from_secs(30),
            part_bytes: 8 << 20,
            storage_class: None,
            encryption: Encryption::BucketDefault,
            proxy: None,
            ca_file: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_output_shows_no_secret() {
        let options = StoreOptions {
            secret_access_key: Some(Secret::new("hunter2")),
            session_token: Some(Secret::new("hunter2")),
            encryption: Encryption::Customer { key: CustomerKey(*b"hunter2hunter2hunter2hunter2hunt") },
            ..StoreOptions::default()
        };
        let shown = format!("{options:?}");
        assert!(!shown.contains("hunter2") && !shown.contains("104, 117"), "{shown}");
    }
}
