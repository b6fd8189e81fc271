//! Whole objects of either version: version 1 is what LiteFS wrote, under the same magic.
//!
//! | | version 1 | version 3 |
//! |---|---|---|
//! | flags | bit 0: one LZ4 frame around the pages | bit 0 is never set |
//! | page header | 4 bytes | 6 bytes |
//! | before the trailer | the end of the LZ4 frame, or 4 zero bytes (a page number of 0) | u64 length of the index, at least 1 |
//!
//! So flags with bit 0 mean version 1. Without it the low half of that u64 decides: zero in every uncompressed
//! version 1 file, and in no version 3 file whose index is below 4 GiB. Everything else could deceive: a page may
//! begin like a version 3 frame. Version 2 (a month of unreleased LTX) had neither 6-byte page headers nor
//! bit 0; it is read as version 3 and fails at its first page.

use super::header::FLAG_VERSION_1;
use super::page_order::PageOrder;
use super::{DecodeError, Decoder, HEADER_BYTES, Header, Item, TRAILER_BYTES, Trailer};
use crate::types::{LockByte, Pgno};

/// Which LTX.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Version {
    /// LiteFS.
    V1,
    /// Litestream 0.5, and ours.
    V3,
}

/// Which version the bytes of a whole object have, if they are one; only its header and end are looked at.
pub fn version(object: &[u8]) -> Version {
    let flags = object.get(4..8).map(|field| u32::from_be_bytes(field.try_into().expect("4 bytes")));
    let end_of_pages =
        object.split_last_chunk::<TRAILER_BYTES>().and_then(|(rest, _)| rest.last_chunk::<4>());
    let compressed = flags.is_some_and(|flags| flags & FLAG_VERSION_1 != 0);
    let uncompressed = object.len() > HEADER_BYTES && end_of_pages == Some(&[0; 4]);
    if compressed || uncompressed { Version::V1 } else { Version::V3 }
}

/// Reads a whole object of either version. `page` gets the pages in ascending order, before they are proven:
/// only `Ok` says that they were right. Checks the same as [`Decoder`].
///
/// In version 1, [`Header::pre_apply`] and [`Trailer::post_apply`] are database checksums as ours are.
pub fn read_any(
    object: &[u8],
    lock_byte: LockByte,
    page: impl FnMut(Pgno, &[u8]),
) -> Result<(Header, Trailer), DecodeError> {
    match version(object) {
        Version::V1 => read_version1(object, lock_byte, page),
        Version::V3 => read_version3(object, lock_byte, page),
    }
}

fn read_version3(
    mut object: &[u8],
    lock_byte: LockByte,
    mut on_page: impl FnMut(Pgno, &[u8]),
) -> Result<(Header, Trailer), DecodeError> {
    let mut header = None;
    let mut decoder = Decoder::new(lock_byte);
    while let Some(item) = decoder.read(&mut object)? {
        match item {
            Item::Header(first) => header = Some(first),
            Item::Page { pgno, page } => on_page(pgno, page),
            Item::End(_) => {}
        }
    }
    let trailer = decoder.finish()?;
    Ok((header.expect("a finished object has a header"), trailer))
}

fn read_version1(
    object: &[u8],
    lock_byte: LockByte,
    mut on_page: impl FnMut(Pgno, &[u8]),
) -> Result<(Header, Trailer), DecodeError> {
    let header = Header::decode_version1(object)?;
    let mut order = PageOrder::new(&header, lock_byte);
    let mut rest = object;
    let (mut decoder, _) = litetx::Decoder::new(&mut rest).map_err(litetx_error)?;
    let mut page = vec![0; header.page_size().into_inner() as usize];
    while let Some(pgno) = decoder.decode_page(&mut page).map_err(litetx_error)? {
        order.accept(pgno)?;
        on_page(pgno, &page);
    }
    order.finish()?;
    let trailer = decoder.finish().map_err(litetx_error)?;
    if !rest.is_empty() {
        return Err(DecodeError::TrailingBytes((object.len() - rest.len()) as u64));
    }
    Ok((header, Trailer { post_apply: Some(trailer.post_apply_checksum), file: trailer.file_checksum }))
}

/// litetx nests its reasons: "header: validation failed: ...".
fn litetx_error(error: litetx::DecodeError) -> DecodeError {
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(&error);
    while let Some(inner) = cause {
        text = format!("{text}: {inner}");
        cause = inner.source();
    }
    DecodeError::Version1(text.into())
}
