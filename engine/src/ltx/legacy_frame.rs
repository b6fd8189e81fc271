//! Pages as LZ4 *frames*: what Litestream wrote up to 0.5.6, with page flags 0.
//!
//! Nothing in the object says how long such a frame is. It says so itself: a descriptor, data blocks that
//! each begin with their size, and an end mark (LZ4 Frame Format Description 1.6.4). [`FrameScan`] walks
//! these sizes, so that the object can be read in pieces; unpacking and the xxHash checksums are lz4_flex's.

use super::FrameError;
use super::page_frame::block_bytes_max;
use crate::types::Pgno;
use lz4_flex::frame::FrameDecoder;
use std::io::Read as _;

/// Finds the end of one LZ4 frame.
#[derive(Clone, Copy, Debug)]
pub(super) struct FrameScan {
    pgno: Pgno,
    bytes_max: usize,
    /// From the start of the frame.
    bytes_needed: usize,
    at: At,
}

#[derive(Clone, Copy, Debug)]
enum At {
    Descriptor,
    BlockSize { at: usize, flags: u8 },
    End,
}

impl FrameScan {
    pub(super) fn new(pgno: Pgno, page_size: usize) -> FrameScan {
        let bytes_max = bytes_max(page_size);
        FrameScan { pgno, bytes_max, bytes_needed: DESCRIPTOR_BYTES_MIN, at: At::Descriptor }
    }

    /// How many bytes, from the start of the frame, the next step looks at; the frame's length in the end.
    pub(super) fn bytes_needed(&self) -> usize {
        self.bytes_needed
    }

    /// One step, with at least [`FrameScan::bytes_needed`] bytes of the frame. True when that is all of it.
    pub(super) fn advance(&mut self, frame: &[u8]) -> Result<bool, FrameError> {
        assert!(frame.len() >= self.bytes_needed, "{} of {} bytes", frame.len(), self.bytes_needed);
        match self.at {
            At::Descriptor => {
                let flags = frame[MAGIC.len()];
                if frame[..MAGIC.len()] != MAGIC
                    || flags & (FLAG_VERSION_MASK | FLAG_DICTIONARY) != FLAG_VERSION_1
                {
                    return Err(FrameError::Lz4 { pgno: self.pgno });
                }
                let content_size = if flags & FLAG_CONTENT_SIZE == 0 { 0 } else { 8 };
                self.at_block(DESCRIPTOR_BYTES_MIN + content_size, flags)
            }
            At::BlockSize { at, flags } => {
                let field = frame[at..at + SIZE_BYTES].try_into().expect("4 bytes");
                match u32::from_le_bytes(field) {
                    0 => {
                        let checksum = if flags & FLAG_CONTENT_CHECKSUM == 0 { 0 } else { CHECKSUM_BYTES };
                        self.at = At::End;
                        self.need(at + SIZE_BYTES + checksum)
                    }
                    size => {
                        let checksum = if flags & FLAG_BLOCK_CHECKSUM == 0 { 0 } else { CHECKSUM_BYTES };
                        let size = (size & !BLOCK_STORED) as usize;
                        self.at_block(at + SIZE_BYTES + size + checksum, flags)
                    }
                }
            }
            At::End => Ok(true),
        }
    }

    fn at_block(&mut self, at: usize, flags: u8) -> Result<bool, FrameError> {
        self.at = At::BlockSize { at, flags };
        self.need(at + SIZE_BYTES)
    }

    fn need(&mut self, bytes: usize) -> Result<bool, FrameError> {
        self.bytes_needed = bytes;
        if bytes > self.bytes_max {
            return Err(FrameError::TooLarge { pgno: self.pgno, bytes_max: self.bytes_max });
        }
        Ok(false)
    }
}

/// The most bytes that such a frame may have: one block of the page, and what is around it.
pub(super) const fn bytes_max(page_size: usize) -> usize {
    DESCRIPTOR_BYTES_MIN + 8 + 2 * SIZE_BYTES + 2 * CHECKSUM_BYTES + block_bytes_max(page_size)
}

/// Unpacks a frame, which [`FrameScan`] delimited, into exactly one page.
pub(super) fn decode(pgno: Pgno, frame: &[u8], page: &mut [u8]) -> Result<(), FrameError> {
    let mut decoder = FrameDecoder::new(frame);
    let exact = decoder.read_exact(page).is_ok()
        && matches!(decoder.read(&mut [0]), Ok(0))
        && decoder.into_inner().is_empty();
    if exact { Ok(()) } else { Err(FrameError::Lz4 { pgno }) }
}

const MAGIC: [u8; 4] = 0x184d_2204_u32.to_le_bytes();
/// Magic, flags, block size limit, checksum of the descriptor.
const DESCRIPTOR_BYTES_MIN: usize = 7;
const SIZE_BYTES: usize = 4;
const CHECKSUM_BYTES: usize = 4;
const FLAG_VERSION_MASK: u8 = 0xc0;
const FLAG_VERSION_1: u8 = 0x40;
const FLAG_BLOCK_CHECKSUM: u8 = 0x10;
const FLAG_CONTENT_SIZE: u8 = 0x08;
const FLAG_CONTENT_CHECKSUM: u8 = 0x04;
const FLAG_DICTIONARY: u8 = 0x01;
const BLOCK_STORED: u32 = 1 << 31;
