//! Objects as a store describes them.

use crate::types::Timestamp;
use std::fmt;

/// An opaque version mark of an object's content, as the store gave it (without quotes).
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct ETag(Box<str>);

impl ETag {
    /// Takes the store's text.
    pub fn new(text: impl Into<Box<str>>) -> ETag {
        ETag(text.into())
    }

    /// The store's text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// SHA-256 of a whole object.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Sha256(pub [u8; 32]);

impl Sha256 {
    /// Hashes `bytes`.
    pub fn of(bytes: &[u8]) -> Sha256 {
        use sha2::Digest as _;
        Sha256(sha2::Sha256::digest(bytes).into())
    }

    /// Reads 64 hex digits.
    pub fn parse(text: &str) -> Option<Sha256> {
        // The parser of numbers takes a sign; a second spelling of the same hash is none of ours.
        if text.len() != 64 || !text.bytes().all(|b| b.is_ascii_hexdigit()) {
            return None;
        }
        let mut out = [0; 32];
        for (i, byte) in out.iter_mut().enumerate() {
            *byte = u8::from_str_radix(&text[2 * i..2 * i + 2], 16).ok()?;
        }
        Some(Sha256(out))
    }
}

impl fmt::Display for Sha256 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|b| write!(f, "{b:02x}"))
    }
}

impl fmt::Debug for Sha256 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// When a write may take effect. There is no unconditional write.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Condition {
    /// Only if the key does not exist (`If-None-Match: *`).
    IfAbsent,
    /// Only if the key holds this version (`If-Match`).
    IfMatch(ETag),
}

/// One object of a listing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ObjectMeta {
    /// The whole key, from the store's root (for S3: from the bucket's root without the store's prefix).
    pub key: String,
    /// Length of the object.
    pub size_bytes: u64,
    /// Its version.
    pub etag: ETag,
    /// When it was modified; what that means depends on the store, see [`ModifiedIs`](crate::key::ModifiedIs).
    pub modified: Timestamp,
    /// When it had arrived, at the latest, by the store's clock.
    pub arrived: Timestamp,
}

/// What is stored beside an object's bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Attributes {
    /// The header's timestamp: `litestream-timestamp` metadata, or the file's modification time.
    pub timestamp: Option<Timestamp>,
    /// `walsync-sha256` metadata, where the object goes up in one request.
    pub sha256: Option<Sha256>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hash_is_64_hex_digits_and_nothing_else() {
        let hash = Sha256::of(b"x");
        assert_eq!(Sha256::parse(&hash.to_string()), Some(hash));
        for bad in ["+f".repeat(32), "f".repeat(63), "fg".repeat(32), "\u{e9}".repeat(32)] {
            assert_eq!(Sha256::parse(&bad), None, "{bad}");
        }
    }
}
