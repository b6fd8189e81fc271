//! How far the log is committed: what SQLite's wal-index says, not what the file looks like.
//!
//! After failed fsyncs valid-looking frames lie beyond the committed end (observed with SQLite 3.54). The
//! bound comes from `sqlite3_snapshot_get` under the pin, or from the start of the shared memory; both hold the same
//! 48 bytes, in the machine's byte order except the salts.

use super::checksum::{self, ByteOrder};
use super::header::VERSION;
use super::layout::{INDEX_HEADER_BYTES, index_header as field};
use super::writer::WalWriter;
use crate::types::{FrameChecksum, PageSize, Salts, WalPosition};

/// The committed end of a log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CommittedEnd {
    /// `None` only for a log without frames.
    page_size: Option<PageSize>,
    byte_order: ByteOrder,
    frames: u32,
    pages: u32,
    checksum: FrameChecksum,
    salts: Salts,
}

impl CommittedEnd {
    /// Reads the 48 bytes of a `sqlite3_snapshot`, or of one copy of the wal-index header.
    ///
    /// # Errors
    /// See [`BoundError`]; nothing may be concluded about the log then.
    pub fn from_snapshot(bytes: &[u8]) -> Result<CommittedEnd, BoundError> {
        let Some(bytes) = bytes.first_chunk::<INDEX_HEADER_BYTES>() else {
            return Err(BoundError::TooShort { bytes: bytes.len(), needed: INDEX_HEADER_BYTES });
        };
        let header = WalIndexHeader::decode(bytes)?;
        let page_size = match header.page_size() {
            Ok(size) => Some(size),
            Err(_) if header.frames == 0 => None,
            Err(error) => return Err(error),
        };
        Ok(CommittedEnd {
            page_size,
            byte_order: header.byte_order,
            frames: header.frames,
            pages: header.pages,
            checksum: header.checksum,
            salts: header.salts,
        })
    }

    /// mxFrame: committed frames of the generation; 0 when it has none. The log's header need not be of this
    /// generation then: it is written with the first frame.
    pub fn frames(&self) -> u32 {
        self.frames
    }

    /// nPage: pages of the database at the end; 0 in a log without frames that nobody wrote to yet.
    pub fn pages(&self) -> u32 {
        self.pages
    }

    /// Of the log's frames; `None` only for a log without frames.
    pub fn page_size(&self) -> Option<PageSize> {
        self.page_size
    }

    /// How the log's checksums read words.
    pub fn byte_order(&self) -> ByteOrder {
        self.byte_order
    }

    /// The generation.
    pub fn salts(&self) -> Salts {
        self.salts
    }

    /// Where the log ends. Of an empty one SQLite keeps the last generation's checksum, which says nothing.
    pub fn position(&self) -> WalPosition {
        let checksum = if self.frames == 0 { FrameChecksum::default() } else { self.checksum };
        WalPosition { salts: self.salts, frames: self.frames, checksum }
    }
}

/// The wal-index header, field by field. Only for those who make one: readers want [`CommittedEnd`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WalIndexHeader {
    /// iChange: counts the transactions.
    pub change: u32,
    /// bigEndCksum.
    pub byte_order: ByteOrder,
    /// szPage as it stands: 1 means 65536, 0 a log that was never written.
    pub page_size_code: u16,
    /// mxFrame.
    pub frames: u32,
    /// nPage.
    pub pages: u32,
    /// aFrameCksum.
    pub checksum: FrameChecksum,
    /// aSalt.
    pub salts: Salts,
}

impl WalIndexHeader {
    /// What the wal-index says when the last frame of `writer` committed `pages` pages.
    pub fn of(writer: &WalWriter, pages: u32) -> WalIndexHeader {
        let size = writer.header().page_size().into_inner();
        let position = writer.position();
        WalIndexHeader {
            change: position.frames,
            byte_order: writer.header().byte_order(),
            page_size_code: u16::try_from(size).unwrap_or(1),
            frames: position.frames,
            pages,
            checksum: position.checksum,
            salts: position.salts,
        }
    }

    /// The 48 bytes, on this machine.
    pub fn encode(&self) -> [u8; INDEX_HEADER_BYTES] {
        let mut bytes = [0; INDEX_HEADER_BYTES];
        field::VERSION.put(&mut bytes, VERSION.to_ne_bytes());
        field::UNUSED.put(&mut bytes, [0; 4]);
        field::CHANGE.put(&mut bytes, self.change.to_ne_bytes());
        field::IS_INIT.put(&mut bytes, [1]);
        field::BIG_END_CKSUM.put(&mut bytes, [u8::from(self.byte_order == ByteOrder::Big)]);
        field::PAGE_SIZE.put(&mut bytes, self.page_size_code.to_ne_bytes());
        field::MX_FRAME.put(&mut bytes, self.frames.to_ne_bytes());
        field::PAGES.put(&mut bytes, self.pages.to_ne_bytes());
        field::FRAME_CKSUM_1.put(&mut bytes, self.checksum.0.to_ne_bytes());
        field::FRAME_CKSUM_2.put(&mut bytes, self.checksum.1.to_ne_bytes());
        field::SALT_1.put(&mut bytes, self.salts.0.to_be_bytes());
        field::SALT_2.put(&mut bytes, self.salts.1.to_be_bytes());
        let own = own_checksum(&bytes);
        field::CKSUM_1.put(&mut bytes, own.0.to_ne_bytes());
        field::CKSUM_2.put(&mut bytes, own.1.to_ne_bytes());
        bytes
    }

    fn decode(bytes: &[u8; INDEX_HEADER_BYTES]) -> Result<WalIndexHeader, BoundError> {
        if field::IS_INIT.byte(bytes) == 0 {
            return Err(BoundError::NotInitialized);
        }
        let own = FrameChecksum(field::CKSUM_1.ne32(bytes), field::CKSUM_2.ne32(bytes));
        if own != own_checksum(bytes) {
            return Err(BoundError::Checksum);
        }
        let version = field::VERSION.ne32(bytes);
        if version != VERSION {
            return Err(BoundError::Version { version });
        }
        let big = field::BIG_END_CKSUM.byte(bytes) != 0;
        Ok(WalIndexHeader {
            change: field::CHANGE.ne32(bytes),
            byte_order: if big { ByteOrder::Big } else { ByteOrder::Little },
            page_size_code: field::PAGE_SIZE.ne16(bytes),
            frames: field::MX_FRAME.ne32(bytes),
            pages: field::PAGES.ne32(bytes),
            checksum: FrameChecksum(field::FRAME_CKSUM_1.ne32(bytes), field::FRAME_CKSUM_2.ne32(bytes)),
            salts: Salts(field::SALT_1.be32(bytes), field::SALT_2.be32(bytes)),
        })
    }

    /// The page size that the code stands for.
    fn page_size(&self) -> Result<PageSize, BoundError> {
        let code = u32::from(self.page_size_code);
        PageSize::new((code & 0xfe00) | ((code & 1) << 16)).map_err(|_| BoundError::PageSize { code })
    }
}

/// Bytes that are no wal-index header.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BoundError {
    /// Less than the structure.
    #[error("{bytes} bytes are no wal-index header of {needed}")]
    TooShort {
        /// Bytes there are.
        bytes: usize,
        /// Bytes it takes.
        needed: usize,
    },
    /// No connection has built the index yet.
    #[error("the wal-index is not initialized")]
    NotInitialized,
    /// Altered, or not a header.
    #[error("the wal-index header's checksum does not fit its bytes")]
    Checksum,
    /// A format that this SQLite does not share with us.
    #[error("version {version} of the wal-index is not {VERSION}")]
    Version {
        /// What stands there.
        version: u32,
    },
    /// There are frames, and their page size is none.
    #[error("page size code {code} of the wal-index stands for no page size")]
    PageSize {
        /// What stands there.
        code: u32,
    },
}

/// The checksum over the bytes in front of it, which always reads words in the machine's order.
fn own_checksum(header: &[u8; INDEX_HEADER_BYTES]) -> FrameChecksum {
    checksum::extend(ByteOrder::NATIVE, FrameChecksum(0, 0), &header[..field::CKSUM_1.offset])
}

#[cfg(test)]
mod tests;
