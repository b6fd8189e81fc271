//! Why bytes are no LTX object. Always the fault of the bytes: truncated, damaged, or another format.

use super::{HeaderError, OrderError};
use crate::types::{Checksum, Pgno};

/// Why an object cannot be read. The object is corrupt, or cut off; trying again does not help unless the
/// bytes came out differently.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// The first 100 bytes.
    #[error("header: {0}")]
    Header(#[from] HeaderError),
    /// Which pages are there.
    #[error("{0}")]
    Order(#[from] OrderError),
    /// One page.
    #[error("{0}")]
    Frame(#[from] FrameError),
    /// The page index is not the one that the pages before it make.
    #[error("the page index does not match the pages")]
    Index,
    /// A checksum in the trailer without bit 63.
    #[error("trailer: {0:016x} is no checksum")]
    Trailer(u64),
    /// The content is not what the writer wrote.
    #[error("the file checksum is {stored}, but the content has {computed}")]
    FileChecksum {
        /// In the trailer.
        stored: Checksum,
        /// Of the content.
        computed: Checksum,
    },
    /// The object ends too early; holds its length.
    #[error("ends after {0} bytes, within the object")]
    Truncated(u64),
    /// There are bytes after the trailer; holds its end.
    #[error("goes on after its end at {0} bytes")]
    TrailingBytes(u64),
    /// What litetx says of a version 1 file.
    #[error("LTX version 1: {0}")]
    Version1(Box<str>),
}

/// Why a page frame cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FrameError {
    /// Flags other than 0 and 1, or the end mark with flags.
    #[error("page frame {pgno}: unknown flags {flags:#06x}")]
    Flags {
        /// Page number as read, 0 for the end mark.
        pgno: u32,
        /// Page flags.
        flags: u16,
    },
    /// More compressed bytes than a page can have.
    #[error("page {pgno}: a frame of more than {bytes_max} bytes")]
    TooLarge {
        /// Page number.
        pgno: Pgno,
        /// The limit.
        bytes_max: usize,
    },
    /// LZ4 data that is damaged or does not make exactly one page.
    #[error("page {pgno}: damaged LZ4 data")]
    Lz4 {
        /// Page number.
        pgno: Pgno,
    },
    /// Not exactly one frame.
    #[error("{0} bytes that are not exactly one page frame")]
    Length(usize),
}
