//! The last 16 bytes of an object.

use super::DecodeError;
use super::header::optional_checksum;
use crate::types::Checksum;

/// Length of a trailer.
pub const TRAILER_BYTES: usize = 16;

/// The end of an object: two checksums.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Trailer {
    /// The database checksum after applying, where the writer tracks it (flags 0); we do not: ours is in the
    /// header.
    pub post_apply: Option<Checksum>,
    /// Over everything but itself, with the pages uncompressed.
    pub file: Checksum,
}

impl Trailer {
    /// The bytes.
    pub(super) fn encode(&self) -> [u8; TRAILER_BYTES] {
        let mut bytes = [0; TRAILER_BYTES];
        let (post_apply, file) = bytes.split_at_mut(8);
        post_apply.copy_from_slice(&self.post_apply.map_or(0, |sum| sum.into_inner()).to_be_bytes());
        file.copy_from_slice(&self.file.into_inner().to_be_bytes());
        bytes
    }

    /// Reads the bytes; the file checksum is compared by the caller.
    pub(super) fn decode(bytes: &[u8; TRAILER_BYTES]) -> Result<Trailer, DecodeError> {
        let number = u128::from_be_bytes(*bytes);
        let [post_apply, file] = [(number >> 64) as u64, number as u64];
        Ok(Trailer {
            post_apply: optional_checksum(post_apply).ok_or(DecodeError::Trailer(post_apply))?,
            file: optional_checksum(file).flatten().ok_or(DecodeError::Trailer(file))?,
        })
    }
}
