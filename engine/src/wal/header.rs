//! The 32 bytes at the start of a log.
//!
//! It names the generation (salts) and starts the checksum chain. It says nothing about how much of the log
//! is valid: that is [`super::CommittedEnd`]'s.

use super::checksum::{self, ByteOrder};
use super::layout::{FRAME_HEADER_BYTES, WAL_HEADER_BYTES, wal_header as field};
use crate::types::{FrameChecksum, PageSize, Salts, WalPosition};

/// A legal header: the checksum fits, the page size is one that SQLite uses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WalHeader {
    byte_order: ByteOrder,
    page_size: PageSize,
    checkpoint_seq: u32,
    salts: Salts,
    checksum: FrameChecksum,
}

impl WalHeader {
    /// A new generation's header; computes the checksum.
    pub fn new(byte_order: ByteOrder, page_size: PageSize, checkpoint_seq: u32, salts: Salts) -> WalHeader {
        let checksum = FrameChecksum::default();
        let unsigned = WalHeader { byte_order, page_size, checkpoint_seq, salts, checksum };
        let checksum = header_checksum(byte_order, &unsigned.encode());
        WalHeader { checksum, ..unsigned }
    }

    /// Reads the first 32 bytes of a log; what follows is not looked at.
    ///
    /// # Errors
    /// In all cases but [`WalHeaderError::Version`] SQLite takes such a log for empty.
    pub fn decode(bytes: &[u8]) -> Result<WalHeader, WalHeaderError> {
        let Some(bytes) = bytes.first_chunk::<WAL_HEADER_BYTES>() else {
            return Err(WalHeaderError::TooShort { bytes: bytes.len() });
        };
        let byte_order = match field::MAGIC.be32(bytes) {
            MAGIC_LITTLE => ByteOrder::Little,
            MAGIC_BIG => ByteOrder::Big,
            magic => return Err(WalHeaderError::Magic { magic }),
        };
        let checksum = FrameChecksum(field::CHECKSUM_1.be32(bytes), field::CHECKSUM_2.be32(bytes));
        if checksum != header_checksum(byte_order, bytes) {
            return Err(WalHeaderError::Checksum);
        }
        let version = field::VERSION.be32(bytes);
        if version != VERSION {
            return Err(WalHeaderError::Version { version });
        }
        let number = field::PAGE_SIZE.be32(bytes);
        let page_size = PageSize::new(number).map_err(|_| WalHeaderError::PageSize { page_size: number })?;
        let salts = Salts(field::SALT_1.be32(bytes), field::SALT_2.be32(bytes));
        let checkpoint_seq = field::CHECKPOINT_SEQ.be32(bytes);
        Ok(WalHeader { byte_order, page_size, checkpoint_seq, salts, checksum })
    }

    /// The 32 bytes.
    pub fn encode(&self) -> [u8; WAL_HEADER_BYTES] {
        let magic = match self.byte_order {
            ByteOrder::Little => MAGIC_LITTLE,
            ByteOrder::Big => MAGIC_BIG,
        };
        let mut bytes = [0; WAL_HEADER_BYTES];
        field::MAGIC.put(&mut bytes, magic.to_be_bytes());
        field::VERSION.put(&mut bytes, VERSION.to_be_bytes());
        field::PAGE_SIZE.put(&mut bytes, self.page_size.into_inner().to_be_bytes());
        field::CHECKPOINT_SEQ.put(&mut bytes, self.checkpoint_seq.to_be_bytes());
        field::SALT_1.put(&mut bytes, self.salts.0.to_be_bytes());
        field::SALT_2.put(&mut bytes, self.salts.1.to_be_bytes());
        field::CHECKSUM_1.put(&mut bytes, self.checksum.0.to_be_bytes());
        field::CHECKSUM_2.put(&mut bytes, self.checksum.1.to_be_bytes());
        bytes
    }

    /// How the checksums of this log read words.
    pub const fn byte_order(&self) -> ByteOrder {
        self.byte_order
    }

    /// Of the database and of every frame. The log holds 65536 as it is; only the wal-index and the
    /// database header encode it as 1.
    pub const fn page_size(&self) -> PageSize {
        self.page_size
    }

    /// How often the log was restarted since it was created. SQLite does not rely on it, nor do we.
    pub const fn checkpoint_seq(&self) -> u32 {
        self.checkpoint_seq
    }

    /// The generation.
    pub const fn salts(&self) -> Salts {
        self.salts
    }

    /// Where the chain of frame checksums starts.
    pub const fn checksum(&self) -> FrameChecksum {
        self.checksum
    }

    /// The position before the first frame.
    pub const fn start(&self) -> WalPosition {
        WalPosition { salts: self.salts, frames: 0, checksum: self.checksum }
    }

    /// Length of a frame in this log, bytes: 536..=65560.
    pub const fn frame_bytes(&self) -> usize {
        FRAME_HEADER_BYTES + self.page_size.into_inner() as usize
    }
}

/// Bytes that are no header of a log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WalHeaderError {
    /// The log was never written, or truncated by a checkpoint.
    #[error("a log of {bytes} bytes has no header")]
    TooShort {
        /// Bytes there are, below 32.
        bytes: usize,
    },
    /// Not a write-ahead log.
    #[error("magic number {magic:#010x} is not that of a write-ahead log")]
    Magic {
        /// What stands there.
        magic: u32,
    },
    /// Torn, or altered.
    #[error("the header's checksum does not fit its bytes")]
    Checksum,
    /// Of a format that SQLite itself refuses to open (SQLITE_CANTOPEN).
    #[error("format version {version} of the write-ahead log is not {VERSION}")]
    Version {
        /// What stands there.
        version: u32,
    },
    /// The checksum fits, the page size is none.
    #[error("page size {page_size} is not a power of two in 512..=65536")]
    PageSize {
        /// What stands there.
        page_size: u32,
    },
}

/// The checksum over the bytes in front of it.
fn header_checksum(order: ByteOrder, header: &[u8; WAL_HEADER_BYTES]) -> FrameChecksum {
    checksum::extend(order, FrameChecksum(0, 0), &header[..field::CHECKSUM_1.offset])
}

const MAGIC_LITTLE: u32 = 0x377f_0682;
const MAGIC_BIG: u32 = 0x377f_0683;
/// The only version since SQLite 3.7.0, of the log as of the wal-index.
pub(super) const VERSION: u32 = 3_007_000;

#[cfg(test)]
mod tests;
