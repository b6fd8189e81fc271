//! Store URLs: which kind of store, and where in it.

use super::place::Place;
use std::fmt;
use std::path::{Path, PathBuf};

/// A store that this version can use.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StoreUrl {
    /// `s3://bucket/prefix`.
    S3 {
        /// The bucket.
        bucket: String,
        /// Key prefix without slashes around it; may be empty.
        prefix: String,
    },
    /// `file:///dir`, or a plain path.
    File {
        /// Absolute.
        dir: PathBuf,
    },
}

/// Text that is not the URL of a store that can be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StoreUrlError {
    /// Nothing.
    #[error("the store URL is empty")]
    Empty,
    /// A kind of store whose turn has not come.
    #[error("stores of kind `{0}://` are not in this version")]
    NotInThisVersion(String),
    /// No kind of store.
    #[error("`{0}://` is no kind of store: use s3:// or file://")]
    UnknownScheme(String),
    /// A scheme with one slash or none.
    #[error("`{0}` has a scheme but no `//`: write `{1}://`")]
    NoSlashes(String, String),
    /// `s3://` alone.
    #[error("`{0}` names no bucket")]
    NoBucket(String),
    /// Options behind a question mark, a fragment, or a user.
    #[error("`{0}` has parts that a store URL cannot have: options are keys of `[store]`")]
    Options(String),
}

impl StoreUrl {
    /// Reads a URL or plain path; relative paths start at `working_dir`.
    pub fn parse(text: &str, working_dir: &Path) -> Result<StoreUrl, StoreUrlError> {
        if text.is_empty() {
            return Err(StoreUrlError::Empty);
        }
        let Some((scheme, rest)) = text.split_once("://") else {
            if let Some((scheme, _)) = text.split_once(':').filter(|(scheme, _)| SCHEMES.contains(scheme)) {
                return Err(StoreUrlError::NoSlashes(text.to_owned(), scheme.to_owned()));
            }
            return Ok(StoreUrl::File { dir: absolute(text, working_dir) });
        };
        match scheme {
            "file" if rest.is_empty() => Err(StoreUrlError::Empty),
            "file" => Ok(StoreUrl::File { dir: absolute(rest, working_dir) }),
            "s3" => {
                let (bucket, prefix) = rest.split_once('/').unwrap_or((rest, ""));
                if bucket.is_empty() {
                    return Err(StoreUrlError::NoBucket(text.to_owned()));
                }
                if rest.contains(['?', '#']) || bucket.contains('@') {
                    return Err(StoreUrlError::Options(
                        text.split(['?', '#']).next().unwrap_or(text).to_owned(),
                    ));
                }
                let prefix = prefix.trim_matches('/').to_owned();
                Ok(StoreUrl::S3 { bucket: bucket.to_owned(), prefix })
            }
            _ if SCHEMES.contains(&scheme) => Err(StoreUrlError::NotInThisVersion(scheme.to_owned())),
            _ => Err(StoreUrlError::UnknownScheme(scheme.to_owned())),
        }
    }

    /// The place that `self` is inside the store `store`; `None` if it lies elsewhere or is the store itself.
    pub fn place_within(&self, store: &StoreUrl) -> Option<Place> {
        let rest = match (self, store) {
            (StoreUrl::S3 { bucket, prefix }, StoreUrl::S3 { bucket: b, prefix: p }) if bucket == b => {
                if p.is_empty() {
                    prefix.as_str()
                } else {
                    prefix.strip_prefix(p.as_str())?.strip_prefix('/')?
                }
            }
            (StoreUrl::File { dir }, StoreUrl::File { dir: base }) => {
                dir.strip_prefix(base).ok()?.to_str()?
            }
            _ => return None,
        };
        Place::parse(rest).ok()
    }
}

/// The canonical spelling: absolute, no slash at the end, nothing percent-encoded.
impl fmt::Display for StoreUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            StoreUrl::S3 { bucket, prefix } if prefix.is_empty() => write!(f, "s3://{bucket}"),
            StoreUrl::S3 { bucket, prefix } => write!(f, "s3://{bucket}/{prefix}"),
            StoreUrl::File { dir } => write!(f, "file://{}", dir.display()),
        }
    }
}

/// Joins, and drops `.` components and slashes at the end.
fn absolute(path: &str, working_dir: &Path) -> PathBuf {
    working_dir.join(path).components().collect()
}

const SCHEMES: [&str; 7] = ["s3", "file", "gs", "az", "http", "https", "sftp"];
