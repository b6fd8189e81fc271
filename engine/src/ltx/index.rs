//! The page index at the end of an object: where each page frame lies, for ranged reads.
//!
//! ```text
//! { uvarint page number, uvarint offset, uvarint length } ... | 0 | u64 length of all this | trailer
//! ```
//!
//! The frames lie side by side from the header to the end of the pages, so the index is checked to the byte.

use super::page_frame::{END_OF_PAGES, frame_bytes_max};
use super::page_order::PageOrder;
use super::uvarint::{self, UVARINT_BYTES_MAX};
use super::{HEADER_BYTES, Header, OrderError, TRAILER_BYTES, Trailer};
use crate::db::Crc64;
use crate::types::{LockByte, Pgno};

/// Where one page frame lies in an object: give these bytes to [`super::decode_page`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PageEntry {
    /// The page.
    pub pgno: Pgno,
    /// Length of the frame in bytes, at most [`frame_bytes_max`].
    pub length: u32,
    /// First byte of the frame, from the start of the object.
    pub offset: u64,
}

/// What the end of an object says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Tail {
    /// The last bytes do not hold the whole index: read the last `bytes` of the object.
    NeedLast {
        /// More than were given, at most the object's size.
        bytes: u64,
    },
    /// The index, pages ascending, and the trailer.
    Index {
        /// One per page; 16 bytes each.
        entries: Vec<PageEntry>,
        /// The file checksum in it covers the whole object and cannot be checked here.
        trailer: Trailer,
    },
}

/// Reads the index from the last bytes of an object of `size_bytes`.
///
/// `header` is the object's own: page numbers and completeness are checked against it, exactly as
/// [`super::Decoder`] does. Start with the last few KiB (an entry has 5 to 12 bytes); fewer than
/// [`TAIL_BYTES_MIN`] always need more. Memory grows with the bytes given, not with what they claim.
pub fn decode(
    tail: &[u8],
    size_bytes: u64,
    header: &Header,
    lock_byte: LockByte,
) -> Result<Tail, IndexError> {
    let given = tail.len() as u64;
    if size_bytes < OBJECT_BYTES_MIN || given > size_bytes {
        return Err(IndexError::ObjectSize { size_bytes, given });
    }
    let Some((rest, fixed)) = tail.split_last_chunk::<{ SIZE_BYTES + TRAILER_BYTES }>() else {
        return Ok(Tail::NeedLast { bytes: TAIL_BYTES_MIN });
    };
    let (size, trailer) = fixed.split_first_chunk::<SIZE_BYTES>().expect("8 of 24 bytes");
    let trailer = Trailer::decode(trailer.try_into().expect("16 of 24 bytes"));
    let trailer = trailer.map_err(|_| IndexError::Trailer)?;
    let index_bytes = u64::from_be_bytes(*size);
    let around = OBJECT_BYTES_MIN - END_MARK_BYTES;
    if index_bytes > size_bytes - around {
        return Err(IndexError::IndexSize { index_bytes, size_bytes });
    }
    let end_of_pages = size_bytes - (END_OF_PAGES.len() + fixed.len()) as u64 - index_bytes;
    let needed = size_bytes - end_of_pages;
    if given < needed {
        return Ok(Tail::NeedLast { bytes: needed });
    }
    let index = &rest[rest.len() - usize::try_from(index_bytes).expect("given is at least that")..];
    let mark = &rest[..rest.len() - index.len()];
    if !mark.ends_with(&END_OF_PAGES) {
        return Err(IndexError::EndOfPages);
    }
    let entries = entries(index, end_of_pages, header, lock_byte)?;
    Ok(Tail::Index { entries, trailer })
}

fn entries(
    mut index: &[u8],
    end_of_pages: u64,
    header: &Header,
    lock_byte: LockByte,
) -> Result<Vec<PageEntry>, IndexError> {
    let mut order = PageOrder::new(header, lock_byte);
    let mut entries = Vec::new();
    let mut end = HEADER_BYTES as u64;
    let length_max = frame_bytes_max(header.page_size()) as u64;
    loop {
        let number = uvarint::take(&mut index).ok_or(IndexError::Malformed)?;
        if number == 0 {
            break;
        }
        let pgno = u32::try_from(number).ok().and_then(|number| Pgno::new(number).ok());
        let pgno = pgno.ok_or(IndexError::Malformed)?;
        order.accept(pgno)?;
        let offset = uvarint::take(&mut index).ok_or(IndexError::Malformed)?;
        let length = uvarint::take(&mut index).ok_or(IndexError::Malformed)?;
        if offset != end || length > length_max {
            return Err(IndexError::Entry { pgno, offset, length });
        }
        end += length;
        let length = u32::try_from(length).expect("at most frame_bytes_max");
        entries.push(PageEntry { pgno, length, offset });
    }
    order.finish()?;
    if !index.is_empty() || end != end_of_pages {
        return Err(IndexError::Malformed);
    }
    Ok(entries)
}

/// Why the last bytes of an object are no page index. Corrupt, cut off, or not version 3.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum IndexError {
    /// Too small for an object, or smaller than the bytes given.
    #[error("{given} last bytes of an object of {size_bytes} bytes")]
    ObjectSize {
        /// Of the object.
        size_bytes: u64,
        /// Of the tail.
        given: u64,
    },
    /// The index would not fit: corrupt, or a version 1 file, which has none.
    #[error("an index of {index_bytes} bytes in an object of {size_bytes} bytes")]
    IndexSize {
        /// Claimed.
        index_bytes: u64,
        /// Of the object.
        size_bytes: u64,
    },
    /// The trailer holds no checksum.
    #[error("no legal trailer")]
    Trailer,
    /// The pages before the index do not end with six zeros.
    #[error("no end of pages before the index")]
    EndOfPages,
    /// Not the shortest varints, no page number, bytes after the end mark, or frames that end too early.
    #[error("malformed index")]
    Malformed,
    /// A frame that does not begin where the one before ends, or is too long.
    #[error("page {pgno}: a frame of {length} bytes at {offset}")]
    Entry {
        /// Page.
        pgno: Pgno,
        /// Claimed.
        offset: u64,
        /// Claimed.
        length: u64,
    },
    /// Pages that the object must not hold, or lacks.
    #[error("{0}")]
    Order(#[from] OrderError),
}

/// Fewer last bytes than this never hold an index.
pub const TAIL_BYTES_MIN: u64 = (END_OF_PAGES.len() + 1 + SIZE_BYTES + TRAILER_BYTES) as u64;

const OBJECT_BYTES_MIN: u64 = HEADER_BYTES as u64 + TAIL_BYTES_MIN;
const END_MARK_BYTES: u64 = 1;
/// Length of the field that holds the index's length.
pub(super) const SIZE_BYTES: usize = 8;

/// Makes the index while the pages are written.
#[derive(Debug, Default)]
pub(super) struct IndexWriter(Vec<u8>);

impl IndexWriter {
    pub(super) fn push(&mut self, pgno: Pgno, offset: u64, length: u64) {
        let (entry, entry_bytes) = encode_entry(pgno, offset, length);
        self.0.extend_from_slice(&entry[..entry_bytes]);
    }

    /// The index with its end mark.
    pub(super) fn finish(mut self) -> Vec<u8> {
        self.0.push(0);
        self.0
    }
}

/// Knows what the index must be, in constant memory: its length and its checksum.
#[derive(Debug, Default)]
pub(super) struct IndexWitness {
    crc: Crc64,
    bytes: u64,
}

impl IndexWitness {
    pub(super) fn push(&mut self, pgno: Pgno, offset: u64, length: u64) {
        let (entry, entry_bytes) = encode_entry(pgno, offset, length);
        self.crc.update(&entry[..entry_bytes]);
        self.bytes += entry_bytes as u64;
    }

    /// CRC and length of the index with its end mark.
    pub(super) fn finish(mut self) -> (u64, u64) {
        self.crc.update(&[0]);
        (self.crc.value(), self.bytes + END_MARK_BYTES)
    }
}

fn encode_entry(pgno: Pgno, offset: u64, length: u64) -> ([u8; 3 * UVARINT_BYTES_MAX], usize) {
    let mut entry = [0; 3 * UVARINT_BYTES_MAX];
    let mut at = 0;
    for field in [u64::from(pgno.into_inner()), offset, length] {
        at += uvarint::put(&mut entry[at..], field);
    }
    (entry, at)
}
