//! Where a store is: the URL that users write.

use super::key::check_key;
use percent_encoding::{AsciiSet, CONTROLS, percent_decode_str, utf8_percent_encode};
use std::fmt;
use std::path::PathBuf;

/// A store's address: what `--store` takes.
///
/// Keys given to a store opened from it are relative to its prefix or directory.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum StoreUrl {
    /// `s3://bucket/prefix`
    S3 {
        /// The bucket.
        bucket: String,
        /// Where in the bucket; without `/` at either end, empty for its root.
        prefix: String,
    },
    /// `file:///dir`, `file://relative` or a plain path.
    File {
        /// The directory, as written: relative to the working directory unless it begins with `/`.
        root: PathBuf,
    },
}

/// What kind of store it is; decides how keys are laid out in a place.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum StoreKind {
    /// `<level as 4 hex digits>/<min>-<max>.ltx`
    S3,
    /// `ltx/<level>/<min>-<max>.ltx`
    File,
}

/// Why a text is not the URL of a store.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UrlError {
    /// Nothing was written.
    #[error("the store's URL is empty")]
    Empty,
    /// A scheme whose turn has not come.
    #[error("`{scheme}://` stores are not in this version; use s3:// or a directory")]
    NotInThisVersion {
        /// The scheme, without `://`.
        scheme: String,
    },
    /// No scheme of ours.
    #[error("`{scheme}://` is no kind of store; use s3://bucket/prefix or a directory")]
    UnknownScheme {
        /// The scheme, without `://`.
        scheme: String,
    },
    /// The scheme is right, the rest is not.
    #[error("`{url}` is not a store's URL: {reason}")]
    Malformed {
        /// The whole text.
        url: String,
        /// What is wrong with it.
        reason: &'static str,
    },
}

impl StoreUrl {
    /// Reads a URL, or a plain path.
    pub fn parse(text: &str) -> Result<StoreUrl, UrlError> {
        let malformed = |reason| UrlError::Malformed { url: text.to_owned(), reason };
        if text.is_empty() {
            return Err(UrlError::Empty);
        }
        if text.contains('\0') {
            return Err(malformed("it contains a NUL byte"));
        }
        let Some((scheme, rest)) = text.split_once("://") else {
            return match text.split_once(':') {
                Some(("s3" | "file", _)) => Err(malformed("`//` is missing after the scheme")),
                _ => Ok(StoreUrl::File { root: PathBuf::from(text) }),
            };
        };
        match scheme {
            "s3" => parse_s3(rest).map_err(malformed),
            "file" if rest.is_empty() => Err(malformed("there is no directory")),
            "file" => Ok(StoreUrl::File { root: PathBuf::from(decode(rest).map_err(malformed)?) }),
            "gs" | "az" | "http" | "https" | "sftp" => {
                Err(UrlError::NotInThisVersion { scheme: scheme.to_owned() })
            }
            _ => Err(UrlError::UnknownScheme { scheme: scheme.to_owned() }),
        }
    }

    /// What kind of store it is.
    pub fn kind(&self) -> StoreKind {
        match self {
            StoreUrl::S3 { .. } => StoreKind::S3,
            StoreUrl::File { .. } => StoreKind::File,
        }
    }

    /// The URL of `name` below this one.
    pub fn join(&self, name: &str) -> StoreUrl {
        let name = name.trim_matches('/');
        match self {
            StoreUrl::S3 { bucket, prefix } if prefix.is_empty() => {
                StoreUrl::S3 { bucket: bucket.clone(), prefix: name.to_owned() }
            }
            StoreUrl::S3 { bucket, prefix } => {
                StoreUrl::S3 { bucket: bucket.clone(), prefix: format!("{prefix}/{name}") }
            }
            StoreUrl::File { root } => StoreUrl::File { root: root.join(name) },
        }
    }
}

impl std::str::FromStr for StoreUrl {
    type Err = UrlError;

    fn from_str(text: &str) -> Result<StoreUrl, UrlError> {
        StoreUrl::parse(text)
    }
}

/// Writes what [`StoreUrl::parse`] reads.
impl fmt::Display for StoreUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            StoreUrl::S3 { bucket, prefix } if prefix.is_empty() => write!(f, "s3://{bucket}"),
            StoreUrl::S3 { bucket, prefix } => {
                write!(f, "s3://{bucket}/{}", utf8_percent_encode(prefix, RESERVED))
            }
            StoreUrl::File { root } => {
                write!(f, "file://{}", utf8_percent_encode(&root.to_string_lossy(), RESERVED))
            }
        }
    }
}

fn parse_s3(rest: &str) -> Result<StoreUrl, &'static str> {
    let (bucket, prefix) = rest.split_once('/').unwrap_or((rest, ""));
    if bucket.is_empty() {
        return Err("there is no bucket");
    }
    if !bucket.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._".contains(&byte)) {
        return Err("a bucket's name has letters, digits, `-`, `.` and `_` only (a host goes to `endpoint`)");
    }
    let prefix = decode(prefix.trim_matches('/'))?;
    if !prefix.is_empty() && check_key(&prefix).is_err() {
        return Err("the prefix has an empty part, a part `.` or `..`, or a control character");
    }
    Ok(StoreUrl::S3 { bucket: bucket.to_owned(), prefix })
}

fn decode(text: &str) -> Result<String, &'static str> {
    if text.contains(['?', '#']) {
        return Err("`?` and `#` must be written %3F and %23");
    }
    let decoded = percent_decode_str(text).decode_utf8().map_err(|_| "it is not UTF-8")?;
    if decoded.contains('\0') { Err("it contains a NUL byte") } else { Ok(decoded.into_owned()) }
}

/// Characters that would be read as something else.
const RESERVED: &AsciiSet = &CONTROLS.add(b'%').add(b'?').add(b'#');

#[cfg(test)]
mod tests;
