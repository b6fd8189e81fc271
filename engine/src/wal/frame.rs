//! One frame: a page as a transaction left it, with the header that chains it to the frames before.

use super::layout::{FRAME_HEADER_BYTES, WAL_HEADER_BYTES, frame_header as field};
use crate::types::{FrameChecksum, PageSize, Pgno, Salts};
use bytes::Bytes;
use std::fmt;
use std::num::NonZeroU32;

/// Number of a frame in its generation, from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FrameNo(NonZeroU32);

impl FrameNo {
    /// `None` for zero.
    pub const fn new(number: u32) -> Option<FrameNo> {
        match NonZeroU32::new(number) {
            Some(number) => Some(FrameNo(number)),
            None => None,
        }
    }

    /// The number, at least 1.
    pub const fn get(self) -> u32 {
        self.0.get()
    }

    /// Where the frame's header lies in the log, in bytes from its start; the page follows 24 bytes later.
    pub const fn offset(self, page_size: PageSize) -> u64 {
        let frame_bytes = FRAME_HEADER_BYTES as u64 + page_size.into_inner() as u64;
        WAL_HEADER_BYTES as u64 + (self.get() as u64 - 1) * frame_bytes
    }
}

impl fmt::Display for FrameNo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The 24 bytes in front of a page, as they stand: whether they belong to the log is the scanner's to say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FrameHeader {
    /// Which page; `None` for zero, which no valid frame holds.
    pub pgno: Option<Pgno>,
    /// On the last frame of a transaction: pages of the database after it, at least 1.
    pub commit: Option<u32>,
    /// The generation.
    pub salts: Salts,
    /// The chain including this frame.
    pub checksum: FrameChecksum,
}

impl FrameHeader {
    /// Reads the fields; any 24 bytes are readable.
    pub fn decode(bytes: &[u8; FRAME_HEADER_BYTES]) -> FrameHeader {
        FrameHeader {
            pgno: Pgno::new(field::PGNO.be32(bytes)).ok(),
            commit: Some(field::COMMIT.be32(bytes)).filter(|pages| *pages != 0),
            salts: Salts(field::SALT_1.be32(bytes), field::SALT_2.be32(bytes)),
            checksum: FrameChecksum(field::CHECKSUM_1.be32(bytes), field::CHECKSUM_2.be32(bytes)),
        }
    }

    /// The 24 bytes.
    pub fn encode(&self) -> [u8; FRAME_HEADER_BYTES] {
        let mut bytes = [0; FRAME_HEADER_BYTES];
        field::PGNO.put(&mut bytes, self.pgno.map_or(0, |pgno| pgno.into_inner()).to_be_bytes());
        field::COMMIT.put(&mut bytes, self.commit.unwrap_or(0).to_be_bytes());
        field::SALT_1.put(&mut bytes, self.salts.0.to_be_bytes());
        field::SALT_2.put(&mut bytes, self.salts.1.to_be_bytes());
        field::CHECKSUM_1.put(&mut bytes, self.checksum.0.to_be_bytes());
        field::CHECKSUM_2.put(&mut bytes, self.checksum.1.to_be_bytes());
        bytes
    }
}

/// A frame whose salts and checksum fit the chain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame {
    /// Its number in the log.
    pub number: FrameNo,
    /// Which page.
    pub pgno: Pgno,
    /// On the last frame of a transaction: pages of the database after it, at least 1.
    pub commit: Option<u32>,
    /// The chain including this frame.
    pub checksum: FrameChecksum,
    /// The page. A slice of the chunk that was pushed, where the frame lay in one: it keeps that whole chunk
    /// in memory. So account memory by bytes of log read, not by pages kept.
    pub page: Bytes,
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn any_24_bytes_survive_decode_and_encode(bytes in any::<[u8; 24]>()) {
            prop_assert_eq!(FrameHeader::decode(&bytes).encode(), bytes);
        }
    }

    #[test]
    fn offsets_do_not_wrap_at_the_largest_number() {
        let last = FrameNo::new(u32::MAX).unwrap();
        let size = PageSize::new(65536).unwrap();
        assert_eq!(last.offset(size), 32 + (u64::from(u32::MAX) - 1) * 65_560);
        assert_eq!(FrameNo::new(1).unwrap().offset(size), 32);
    }

    #[test]
    fn zero_in_the_commit_field_is_no_commit() {
        let header = FrameHeader::decode(&[0; 24]);
        assert_eq!((header.pgno, header.commit), (None, None));
    }
}
