//! One page in an object: page number, flags, size, LZ4 data.

use super::legacy_frame::{self, FrameScan};
use super::{DecodeError, FrameError};
use crate::types::{PageSize, Pgno};
use lz4_flex::block::{decompress_into, get_maximum_output_size};

/// Page number and flags.
pub(super) const PAGE_HEADER_BYTES: usize = 6;
/// The size of the LZ4 block that follows.
pub(super) const BLOCK_SIZE_BYTES: usize = 4;
/// Page flags: a size and a raw LZ4 block follow.
pub(super) const PAGE_FLAG_BLOCK: u16 = 1;
/// Closes the list of pages: a page header of zeros.
pub(super) const END_OF_PAGES: [u8; PAGE_HEADER_BYTES] = [0; PAGE_HEADER_BYTES];

/// How a page is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Packing {
    /// Flags 1: a u32 size and a raw LZ4 block.
    Block,
    /// Flags 0: an LZ4 frame, which says itself where it ends.
    LegacyFrame,
}

/// Reads a page header; `None` is the end of the pages.
pub(super) fn decode_page_header(
    bytes: &[u8; PAGE_HEADER_BYTES],
) -> Result<Option<(Pgno, Packing)>, FrameError> {
    let [a, b, c, d, e, f] = *bytes;
    let (number, flags) = (u32::from_be_bytes([a, b, c, d]), u16::from_be_bytes([e, f]));
    match (Pgno::new(number), flags) {
        (Err(_), 0) => Ok(None),
        (Ok(pgno), 0) => Ok(Some((pgno, Packing::LegacyFrame))),
        (Ok(pgno), PAGE_FLAG_BLOCK) => Ok(Some((pgno, Packing::Block))),
        _ => Err(FrameError::Flags { pgno: number, flags }),
    }
}

/// The most bytes that the LZ4 block of a page can have. (The LZ4 library's own bound is 10 % + 20 bytes,
/// more than the 0.4 % + 16 of the format.)
pub(super) const fn block_bytes_max(page_size: usize) -> usize {
    get_maximum_output_size(page_size)
}

/// The most bytes that a page frame can have: what a ranged read or a buffer must allow for.
pub const fn frame_bytes_max(page_size: PageSize) -> usize {
    PAGE_HEADER_BYTES + BLOCK_SIZE_BYTES + legacy_frame::bytes_max(page_size.into_inner() as usize)
}

/// Unpacks one LZ4 block into exactly one page.
pub(super) fn decode_block(pgno: Pgno, block: &[u8], page: &mut [u8]) -> Result<(), FrameError> {
    match decompress_into(block, page) {
        Ok(length) if length == page.len() => Ok(()),
        _ => Err(FrameError::Lz4 { pgno }),
    }
}

/// Reads one whole page frame, as [`super::index`] locates it, into `page`, whose length is the page size.
///
/// The frame has no checksum of its own: compare `pgno` with the index, and the pages with the database
/// checksum in the end.
///
/// # Panics
/// If the length of `page` is no page size.
pub fn decode_page(frame: &[u8], page: &mut [u8]) -> Result<Pgno, DecodeError> {
    let page_size = u32::try_from(page.len()).ok().and_then(|size| PageSize::new(size).ok());
    assert!(page_size.is_some(), "{} is no page size", page.len());
    let length = FrameError::Length(frame.len());
    let (header, packed) = frame.split_first_chunk::<PAGE_HEADER_BYTES>().ok_or(length)?;
    let (pgno, packing) = decode_page_header(header)?.ok_or(length)?;
    match packing {
        Packing::Block => {
            let (size, block) = packed.split_first_chunk::<BLOCK_SIZE_BYTES>().ok_or(length)?;
            if usize::try_from(u32::from_be_bytes(*size)) != Ok(block.len()) {
                return Err(length.into());
            }
            decode_block(pgno, block, page)?;
        }
        Packing::LegacyFrame => {
            let mut scan = FrameScan::new(pgno, page.len());
            while scan.bytes_needed() <= packed.len() {
                if scan.advance(packed)? {
                    break;
                }
            }
            if scan.bytes_needed() != packed.len() {
                return Err(length.into());
            }
            legacy_frame::decode(pgno, packed, page)?;
        }
    }
    Ok(pgno)
}
