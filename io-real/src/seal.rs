//! An object of pages that are in memory.

use bytes::Bytes;
use engine::ltx::{Encoder, Header};
use engine::replicate::Sealed;
use engine::store::Sha256;
use engine::types::{LockByte, Pgno};
use sha2::Digest as _;
use std::collections::BTreeMap;

/// Encodes them, and lets go of each when it is encoded.
///
/// # Panics
/// When the engine asks for an object that must not exist, as [`Encoder::push`].
pub(crate) fn seal(header: &Header, pages: BTreeMap<Pgno, Bytes>, lock_byte: LockByte) -> Sealed {
    let mut body = Vec::new();
    let mut encoder = Encoder::new(header, lock_byte, &mut body);
    for (pgno, page) in pages {
        encoder.push(pgno, &page, &mut body);
    }
    let finished = encoder.finish(&mut body);
    assert_eq!(finished.size_bytes, body.len() as u64, "the encoder counts what it appends");
    let sha256 = Sha256(sha2::Sha256::digest(&body).into());
    Sealed { body: body.into(), sha256 }
}
