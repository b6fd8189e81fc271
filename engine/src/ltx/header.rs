//! The first 100 bytes of an object: what it changes, and how it hangs together with its neighbours.

use crate::types::{Checksum, NodeId, PageSize, Pgno, Salts, Timestamp, Txid, TxidRange};
use std::ops::Range;

/// Length of a header.
pub const HEADER_BYTES: usize = 100;

/// A legal header. All of version 3 and of version 1, which differ in the flags alone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Header {
    page_size: PageSize,
    commit: Pgno,
    txids: TxidRange,
    timestamp: Timestamp,
    pre_apply: Option<Checksum>,
    wal: Option<WalSpan>,
    chain: Option<Chain>,
}

impl Header {
    /// A header without WAL span and chain. `commit` is the last page of the database after applying.
    pub fn new(page_size: PageSize, commit: Pgno, txids: TxidRange, timestamp: Timestamp) -> Header {
        Header { page_size, commit, txids, timestamp, pre_apply: None, wal: None, chain: None }
    }

    /// With the part of the WAL that it was made from.
    #[must_use]
    pub fn with_wal(self, wal: WalSpan) -> Header {
        Header { wal: Some(wal), ..self }
    }

    /// With writer and checksums.
    #[must_use]
    pub fn with_chain(self, chain: Chain) -> Header {
        Header { chain: Some(chain), ..self }
    }

    /// Bytes per page.
    pub fn page_size(&self) -> PageSize {
        self.page_size
    }

    /// The database's last page after applying: its page count.
    pub fn commit(&self) -> Pgno {
        self.commit
    }

    /// The transactions in it.
    pub fn txids(&self) -> TxidRange {
        self.txids
    }

    /// When its last transaction was read; a compacted object keeps its last input's.
    pub fn timestamp(&self) -> Timestamp {
        self.timestamp
    }

    /// The part of the WAL that it was made from: in level 0, and in the snapshots that Litestream takes.
    pub fn wal(&self) -> Option<WalSpan> {
        self.wal
    }

    /// Who wrote it and from which database state to which it leads; `None` in files that are not ours.
    pub fn chain(&self) -> Option<Chain> {
        self.chain
    }

    /// The database checksum before, where another writer tracks checksums (flags 0: LiteFS, old LTX tools).
    /// Never written by us: [`Header::encode`] leaves it out.
    pub fn pre_apply(&self) -> Option<Checksum> {
        self.pre_apply
    }

    /// Whether the object must hold every page: LTX defines a snapshot by its min TXID of 1.
    pub fn is_snapshot(&self) -> bool {
        self.txids.min() == Txid::ONE
    }

    /// The bytes. Flags are always 2 (no checksums): Litestream 0.5.17 cannot restore a chain with flags 0.
    pub fn encode(&self) -> [u8; HEADER_BYTES] {
        let mut bytes = [0; HEADER_BYTES];
        let mut put = |field: Range<usize>, value: &[u8]| bytes[field].copy_from_slice(value);
        put(layout::MAGIC, &MAGIC);
        put(layout::FLAGS, &FLAG_NO_CHECKSUM.to_be_bytes());
        put(layout::PAGE_SIZE, &self.page_size.into_inner().to_be_bytes());
        put(layout::COMMIT, &self.commit.into_inner().to_be_bytes());
        put(layout::TXID_MIN, &self.txids.min().into_inner().to_be_bytes());
        put(layout::TXID_MAX, &self.txids.max().into_inner().to_be_bytes());
        put(layout::TIMESTAMP, &self.timestamp.as_millis().to_be_bytes());
        if let Some(wal) = self.wal {
            put(layout::WAL_OFFSET, &wal.offset.to_be_bytes());
            put(layout::WAL_SIZE, &wal.size.to_be_bytes());
            put(layout::WAL_SALT_1, &wal.salts.0.to_be_bytes());
            put(layout::WAL_SALT_2, &wal.salts.1.to_be_bytes());
        }
        if let Some(chain) = self.chain {
            put(layout::NODE_ID, &chain.node.get().to_be_bytes());
            put(layout::BEFORE, &chain.before.map_or(0, |sum| sum.into_inner()).to_be_bytes());
            put(layout::AFTER, &chain.after.into_inner().to_be_bytes());
            put(layout::TAG, &TAG);
            put(layout::TAG_VERSION, &[TAG_VERSION]);
            put(layout::TAG_FLAGS, &[if chain.claim { TAG_FLAG_CLAIM } else { 0 }]);
        }
        bytes
    }

    /// Reads the header at the start of an object of version 3; what follows it does not matter.
    ///
    /// Node id and reserved bytes of a file without our tag are ignored, whatever they hold.
    pub fn decode(object: &[u8]) -> Result<Header, HeaderError> {
        let header = Header::decode_flags(object, FLAG_NO_CHECKSUM)?;
        if be_u32(&object[layout::FLAGS]) == 0 && !header.is_snapshot() && header.pre_apply.is_none() {
            return Err(HeaderError::PreApply(0));
        }
        Ok(header)
    }

    /// Reads the header of a version 1 file: the same fields, other flags.
    pub(super) fn decode_version1(object: &[u8]) -> Result<Header, HeaderError> {
        Header::decode_flags(object, FLAG_VERSION_1)
    }

    fn decode_flags(object: &[u8], flags_allowed: u32) -> Result<Header, HeaderError> {
        let Some(bytes) = object.first_chunk::<HEADER_BYTES>() else {
            return Err(HeaderError::Truncated(object.len()));
        };
        if bytes[layout::MAGIC] != MAGIC {
            return Err(HeaderError::Magic);
        }
        let flags = be_u32(&bytes[layout::FLAGS]);
        if flags & !flags_allowed != 0 {
            let version1 = flags & FLAG_VERSION_1 != 0;
            return Err(if version1 { HeaderError::Version1 } else { HeaderError::Flags(flags) });
        }
        let page_size = be_u32(&bytes[layout::PAGE_SIZE]);
        let txid_min = be_u64(&bytes[layout::TXID_MIN]);
        let txid_max = be_u64(&bytes[layout::TXID_MAX]);
        let txids = Txid::new(txid_min).ok().zip(Txid::new(txid_max).ok());
        let txids = txids.and_then(|(min, max)| TxidRange::new(min, max));
        let pre_apply = be_u64(&bytes[layout::PRE_APPLY]);
        let tracked = flags & FLAG_NO_CHECKSUM == 0 && txid_min != 1;
        if pre_apply != 0 && !tracked {
            return Err(HeaderError::PreApply(pre_apply));
        }
        Ok(Header {
            page_size: PageSize::new(page_size).map_err(|_| HeaderError::PageSize(page_size))?,
            commit: Pgno::new(be_u32(&bytes[layout::COMMIT])).map_err(|_| HeaderError::NoPages)?,
            txids: txids.ok_or(HeaderError::Txids { min: txid_min, max: txid_max })?,
            timestamp: Timestamp::from_millis(i64::from_be_bytes(
                be_u64(&bytes[layout::TIMESTAMP]).to_be_bytes(),
            )),
            pre_apply: optional_checksum(pre_apply).ok_or(HeaderError::PreApply(pre_apply))?,
            wal: WalSpan::decode(bytes)?,
            chain: Chain::decode(bytes)?,
        })
    }
}

/// The frames of a WAL that an object was made from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WalSpan {
    offset: u64,
    size: u64,
    salts: Salts,
}

impl WalSpan {
    /// `None` if `offset` is 0 (Litestream then refuses salts and size) or the end is beyond an i64, which is
    /// how Litestream reads it.
    pub fn new(offset: u64, size: u64, salts: Salts) -> Option<WalSpan> {
        let end = offset.checked_add(size)?;
        (offset != 0 && i64::try_from(end).is_ok()).then_some(WalSpan { offset, size, salts })
    }

    /// Where the frames start in the WAL file: 32, or the end of the span before.
    pub fn offset(self) -> u64 {
        self.offset
    }

    /// How many bytes of frames were consumed.
    pub fn size(self) -> u64 {
        self.size
    }

    /// Where the next span starts.
    pub fn end(self) -> u64 {
        self.offset + self.size
    }

    /// The generation of the WAL.
    pub fn salts(self) -> Salts {
        self.salts
    }

    fn decode(bytes: &[u8; HEADER_BYTES]) -> Result<Option<WalSpan>, HeaderError> {
        let offset = be_u64(&bytes[layout::WAL_OFFSET]);
        let size = be_u64(&bytes[layout::WAL_SIZE]);
        let salts = Salts(be_u32(&bytes[layout::WAL_SALT_1]), be_u32(&bytes[layout::WAL_SALT_2]));
        if offset == 0 && size == 0 && salts == Salts::default() {
            return Ok(None);
        }
        WalSpan::new(offset, size, salts).map(Some).ok_or(HeaderError::WalSpan { offset, size })
    }
}

/// What walsync adds to a header, in bytes that Litestream ignores.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Chain {
    /// The writer's life that made the object.
    pub node: NodeId,
    /// The database checksum that the object applies to; `None` where it does not build on another state.
    pub before: Option<Checksum>,
    /// The database checksum after applying it.
    pub after: Checksum,
    /// Whether it is a claim slot: a writer's first slot in a place. Never deleted.
    pub claim: bool,
}

impl Chain {
    /// Whether this object continues the state that `earlier` led to. Never true without a `before`.
    pub fn continues(&self, earlier: &Chain) -> bool {
        self.before == Some(earlier.after)
    }

    fn decode(bytes: &[u8; HEADER_BYTES]) -> Result<Option<Chain>, HeaderError> {
        if bytes[layout::TAG] != TAG {
            return Ok(None);
        }
        let [version] = bytes[layout::TAG_VERSION] else { unreachable!("one byte") };
        let [flags] = bytes[layout::TAG_FLAGS] else { unreachable!("one byte") };
        if version != TAG_VERSION || flags & !TAG_FLAG_CLAIM != 0 {
            return Err(HeaderError::TagVersion { version, flags });
        }
        let node = NodeId::new(be_u64(&bytes[layout::NODE_ID]));
        let before = optional_checksum(be_u64(&bytes[layout::BEFORE]));
        let after = optional_checksum(be_u64(&bytes[layout::AFTER])).flatten();
        let chain = (|| Some(Chain { node: node?, before: before?, after: after?, claim: flags != 0 }))();
        chain.map(Some).ok_or(HeaderError::Chain)
    }
}

/// Bytes that are no legal header.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HeaderError {
    /// Shorter than a header; holds the length.
    #[error("{0} bytes, shorter than a header")]
    Truncated(usize),
    /// Not `LTX1`.
    #[error("not an LTX file")]
    Magic,
    /// A version 1 file (LiteFS): [`super::read_any`] reads it.
    #[error("LTX version 1 (LiteFS)")]
    Version1,
    /// Flags that version 3 does not know.
    #[error("unknown flags {0:#x}")]
    Flags(u32),
    /// No power of two in 512..=65536.
    #[error("page size {0}")]
    PageSize(u32),
    /// A commit of 0: LiteFS's mark of a deleted database, which a WAL database cannot be.
    #[error("a database of 0 pages")]
    NoPages,
    /// A zero, or min above max.
    #[error("transaction ids {min}-{max}")]
    Txids {
        /// First.
        min: u64,
        /// Last.
        max: u64,
    },
    /// A checksum before the change where none is allowed, or none where one is required.
    #[error("pre-apply checksum {0:016x}")]
    PreApply(u64),
    /// Size or salts without an offset, or beyond an i64.
    #[error("WAL offset {offset}, size {size}")]
    WalSpan {
        /// Bytes.
        offset: u64,
        /// Bytes.
        size: u64,
    },
    /// Written by a newer walsync.
    #[error("walsync tag of version {version} with flags {flags:#x}: a newer walsync wrote this")]
    TagVersion {
        /// The version byte.
        version: u8,
        /// The flags byte.
        flags: u8,
    },
    /// Our tag, but no writer or a checksum without bit 63.
    #[error("walsync tag without a legal writer and checksums")]
    Chain,
}

/// 0 is none, everything else must have bit 63 set: `None` if it has not.
pub(super) fn optional_checksum(number: u64) -> Option<Option<Checksum>> {
    let checksum = Checksum::new(number);
    match number {
        0 => Some(None),
        _ => (checksum.into_inner() == number).then_some(Some(checksum)),
    }
}

fn be_u32(field: &[u8]) -> u32 {
    u32::from_be_bytes(field.try_into().expect("a field of 4 bytes"))
}

fn be_u64(field: &[u8]) -> u64 {
    u64::from_be_bytes(field.try_into().expect("a field of 8 bytes"))
}

const MAGIC: [u8; 4] = *b"LTX1";
/// Version 3: checksums of the database are not tracked in header and trailer.
const FLAG_NO_CHECKSUM: u32 = 2;
/// Version 1: one LZ4 frame around all pages. No other version sets it.
pub(super) const FLAG_VERSION_1: u32 = 1;
const TAG: [u8; 2] = *b"WS";
const TAG_VERSION: u8 = 1;
const TAG_FLAG_CLAIM: u8 = 1;

/// Where each field lies; `docs/formats/ltx.md` is tested against it.
mod layout {
    use super::Range;

    pub(super) const MAGIC: Range<usize> = 0..4;
    pub(super) const FLAGS: Range<usize> = 4..8;
    pub(super) const PAGE_SIZE: Range<usize> = 8..12;
    pub(super) const COMMIT: Range<usize> = 12..16;
    pub(super) const TXID_MIN: Range<usize> = 16..24;
    pub(super) const TXID_MAX: Range<usize> = 24..32;
    pub(super) const TIMESTAMP: Range<usize> = 32..40;
    pub(super) const PRE_APPLY: Range<usize> = 40..48;
    pub(super) const WAL_OFFSET: Range<usize> = 48..56;
    pub(super) const WAL_SIZE: Range<usize> = 56..64;
    pub(super) const WAL_SALT_1: Range<usize> = 64..68;
    pub(super) const WAL_SALT_2: Range<usize> = 68..72;
    pub(super) const NODE_ID: Range<usize> = 72..80;
    pub(super) const BEFORE: Range<usize> = 80..88;
    pub(super) const AFTER: Range<usize> = 88..96;
    pub(super) const TAG: Range<usize> = 96..98;
    pub(super) const TAG_VERSION: Range<usize> = 98..99;
    pub(super) const TAG_FLAGS: Range<usize> = 99..100;
}

#[cfg(test)]
mod tests;
