//! Where each field of the log and of the wal-index lies.
//!
//! Decoders and encoders take offsets from here, and `docs/formats/wal.md` shows the same tables; a test
//! compares the two. Source: SQLite file format, sections 4.1 and 4.2, and "WAL-mode file format",
//! section 2.1 (the wal-index).

/// One field: its name in the document, where it starts, how long it is (bytes).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Field {
    /// As in `docs/formats/wal.md`.
    pub name: &'static str,
    /// Bytes from the start of the structure.
    pub offset: usize,
    /// Length in bytes.
    pub bytes: usize,
}

impl Field {
    const fn new(name: &'static str, offset: usize, bytes: usize) -> Field {
        Field { name, offset, bytes }
    }

    /// The field's bytes. The callers hold a whole structure: a shorter one is refused before.
    fn of<const N: usize>(self, structure: &[u8]) -> [u8; N] {
        assert_eq!(self.bytes, N);
        structure[self.offset..][..N].try_into().expect("N bytes were taken")
    }

    /// Reads four bytes, big-endian.
    pub(super) fn be32(self, structure: &[u8]) -> u32 {
        u32::from_be_bytes(self.of(structure))
    }

    /// Reads four bytes in the machine's order: the wal-index never leaves the machine.
    pub(super) fn ne32(self, structure: &[u8]) -> u32 {
        u32::from_ne_bytes(self.of(structure))
    }

    /// Reads two bytes in the machine's order.
    pub(super) fn ne16(self, structure: &[u8]) -> u16 {
        u16::from_ne_bytes(self.of(structure))
    }

    /// Reads one byte.
    pub(super) fn byte(self, structure: &[u8]) -> u8 {
        u8::from_ne_bytes(self.of(structure))
    }

    /// Writes the field.
    pub(super) fn put<const N: usize>(self, structure: &mut [u8], value: [u8; N]) {
        assert_eq!(self.bytes, N);
        structure[self.offset..][..N].copy_from_slice(&value);
    }
}

/// Length of the header at the start of a log, bytes.
pub const WAL_HEADER_BYTES: usize = 32;
/// Length of the header in front of each page, bytes.
pub const FRAME_HEADER_BYTES: usize = 24;
/// Length of the part of a frame header that its checksum covers, bytes.
pub const FRAME_CHECKED_BYTES: usize = 8;
/// Length of the wal-index header, which is also what `sqlite3_snapshot` holds, bytes.
pub const INDEX_HEADER_BYTES: usize = 48;
/// How much of shared-memory region 0 is described here, bytes.
pub const SHM_HEAD_BYTES: usize = 100;

/// Fields of the log's header.
pub mod wal_header {
    use super::Field;
    pub(in crate::wal) const MAGIC: Field = Field::new("magic", 0, 4);
    pub(in crate::wal) const VERSION: Field = Field::new("version", 4, 4);
    pub(in crate::wal) const PAGE_SIZE: Field = Field::new("page size", 8, 4);
    pub(in crate::wal) const CHECKPOINT_SEQ: Field = Field::new("checkpoint sequence", 12, 4);
    pub(in crate::wal) const SALT_1: Field = Field::new("salt 1", 16, 4);
    pub(in crate::wal) const SALT_2: Field = Field::new("salt 2", 20, 4);
    pub(in crate::wal) const CHECKSUM_1: Field = Field::new("checksum 1", 24, 4);
    pub(in crate::wal) const CHECKSUM_2: Field = Field::new("checksum 2", 28, 4);
    /// All of them, in order.
    pub const FIELDS: [Field; 8] =
        [MAGIC, VERSION, PAGE_SIZE, CHECKPOINT_SEQ, SALT_1, SALT_2, CHECKSUM_1, CHECKSUM_2];
}

/// Fields of a frame's header.
pub mod frame_header {
    use super::Field;
    pub(in crate::wal) const PGNO: Field = Field::new("page number", 0, 4);
    pub(in crate::wal) const COMMIT: Field = Field::new("commit", 4, 4);
    pub(in crate::wal) const SALT_1: Field = Field::new("salt 1", 8, 4);
    pub(in crate::wal) const SALT_2: Field = Field::new("salt 2", 12, 4);
    pub(in crate::wal) const CHECKSUM_1: Field = Field::new("checksum 1", 16, 4);
    pub(in crate::wal) const CHECKSUM_2: Field = Field::new("checksum 2", 20, 4);
    /// All of them, in order.
    pub const FIELDS: [Field; 6] = [PGNO, COMMIT, SALT_1, SALT_2, CHECKSUM_1, CHECKSUM_2];
}

/// Fields of the wal-index header (and of a `sqlite3_snapshot`).
pub mod index_header {
    use super::Field;
    pub(in crate::wal) const VERSION: Field = Field::new("iVersion", 0, 4);
    pub(in crate::wal) const UNUSED: Field = Field::new("unused", 4, 4);
    pub(in crate::wal) const CHANGE: Field = Field::new("iChange", 8, 4);
    pub(in crate::wal) const IS_INIT: Field = Field::new("isInit", 12, 1);
    pub(in crate::wal) const BIG_END_CKSUM: Field = Field::new("bigEndCksum", 13, 1);
    pub(in crate::wal) const PAGE_SIZE: Field = Field::new("szPage", 14, 2);
    pub(in crate::wal) const MX_FRAME: Field = Field::new("mxFrame", 16, 4);
    pub(in crate::wal) const PAGES: Field = Field::new("nPage", 20, 4);
    pub(in crate::wal) const FRAME_CKSUM_1: Field = Field::new("aFrameCksum 1", 24, 4);
    pub(in crate::wal) const FRAME_CKSUM_2: Field = Field::new("aFrameCksum 2", 28, 4);
    pub(in crate::wal) const SALT_1: Field = Field::new("aSalt 1", 32, 4);
    pub(in crate::wal) const SALT_2: Field = Field::new("aSalt 2", 36, 4);
    pub(in crate::wal) const CKSUM_1: Field = Field::new("aCksum 1", 40, 4);
    pub(in crate::wal) const CKSUM_2: Field = Field::new("aCksum 2", 44, 4);
    /// All of them, in order.
    pub const FIELDS: [Field; 14] = [
        VERSION,
        UNUSED,
        CHANGE,
        IS_INIT,
        BIG_END_CKSUM,
        PAGE_SIZE,
        MX_FRAME,
        PAGES,
        FRAME_CKSUM_1,
        FRAME_CKSUM_2,
        SALT_1,
        SALT_2,
        CKSUM_1,
        CKSUM_2,
    ];
}

/// The start of shared-memory region 0.
pub mod shm {
    use super::{Field, INDEX_HEADER_BYTES};
    pub(in crate::wal) const HEADER: Field = Field::new("header", 0, INDEX_HEADER_BYTES);
    pub(in crate::wal) const COPY: Field = Field::new("header copy", INDEX_HEADER_BYTES, INDEX_HEADER_BYTES);
    pub(in crate::wal) const BACKFILL: Field = Field::new("nBackfill", 96, 4);
    /// All that is looked at, in order.
    pub const FIELDS: [Field; 3] = [HEADER, COPY, BACKFILL];
}
