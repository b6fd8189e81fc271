//! Pages in, the bytes of an object out.

use super::index::IndexWriter;
use super::page_frame::{
    BLOCK_SIZE_BYTES, END_OF_PAGES, PAGE_FLAG_BLOCK, PAGE_HEADER_BYTES, block_bytes_max,
};
use super::page_order::PageOrder;
use super::{HEADER_BYTES, Header, TRAILER_BYTES, Trailer};
use crate::db::Crc64;
use crate::types::{Checksum, LockByte, Pgno};
use lz4_flex::block::{CompressTable, compress_into_with_table};

/// Makes one object of version 3, piece by piece.
///
/// Each call appends to `out`, which the caller may empty between calls and send on: a part of an upload is
/// a `Vec` that was large enough. In memory stay one page, the LZ4 table and the page index (up to about 12
/// bytes per page, written by [`Encoder::finish`]).
///
/// ```
/// use engine::ltx::{Encoder, Header};
/// use engine::types::{LockByte, PageSize, Pgno, Timestamp, Txid, TxidRange};
///
/// let header = Header::new(
///     PageSize::new(512)?,
///     Pgno::new(2)?,
///     TxidRange::single(Txid::new(7)?),
///     Timestamp::from_millis(1_700_000_000_000),
/// );
/// let mut object = Vec::new();
/// let mut encoder = Encoder::new(&header, LockByte::SQLITE, &mut object);
/// encoder.push(Pgno::new(2)?, &[0; 512], &mut object);
/// let finished = encoder.finish(&mut object);
/// assert_eq!(finished.size_bytes, object.len() as u64);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Encoder {
    page_size: usize,
    order: PageOrder,
    crc: Crc64,
    index: IndexWriter,
    table: CompressTable,
    block: Box<[u8]>,
    size_bytes: u64,
}

/// What came out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Finished {
    /// Length of the object.
    pub size_bytes: u64,
    /// The file checksum in its trailer.
    pub file_checksum: Checksum,
    /// Pages in it.
    pub page_count: u32,
}

impl Encoder {
    /// Starts an object.
    pub fn new(header: &Header, lock_byte: LockByte, out: &mut Vec<u8>) -> Encoder {
        let page_size = header.page_size().into_inner() as usize;
        // The small table's entries are u16: half as much to clear before each page.
        let small = page_size < usize::from(u16::MAX);
        let mut encoder = Encoder {
            page_size,
            order: PageOrder::new(header, lock_byte),
            crc: Crc64::new(),
            index: IndexWriter::default(),
            table: if small { CompressTable::small() } else { CompressTable::large() },
            block: vec![0; block_bytes_max(page_size)].into_boxed_slice(),
            size_bytes: 0,
        };
        encoder.put(&header.encode(), out);
        assert_eq!(encoder.size_bytes, HEADER_BYTES as u64);
        encoder
    }

    /// Appends a page.
    ///
    /// # Panics
    /// If `page` has not the header's page size; if `pgno` is not above the one before, lies beyond the commit
    /// or is the lock page; if a snapshot (min TXID 1) would lack a page before it. What is to be written was
    /// checked where it came in; an object that breaks these rules must never reach a store.
    pub fn push(&mut self, pgno: Pgno, page: &[u8], out: &mut Vec<u8>) {
        assert_eq!(page.len(), self.page_size, "page {pgno}: wrong length");
        if let Err(broken) = self.order.accept(pgno) {
            panic!("{broken}");
        }
        let length = compress_into_with_table(page, &mut self.block, &mut self.table)
            .expect("the buffer has the size that the library asks for");
        let size = u32::try_from(length).expect("at most 10 % above the page size");
        let mut header = [0; PAGE_HEADER_BYTES + BLOCK_SIZE_BYTES];
        header[..4].copy_from_slice(&pgno.into_inner().to_be_bytes());
        header[4..6].copy_from_slice(&PAGE_FLAG_BLOCK.to_be_bytes());
        header[6..].copy_from_slice(&size.to_be_bytes());

        self.index.push(pgno, self.size_bytes, (header.len() + length) as u64);
        self.put(&header, out);
        self.crc.update(page);
        out.extend_from_slice(&self.block[..length]);
        self.size_bytes += length as u64;
    }

    /// Closes the object: end of pages, index, trailer.
    ///
    /// # Panics
    /// If a snapshot (min TXID 1) lacks a page.
    pub fn finish(mut self, out: &mut Vec<u8>) -> Finished {
        if let Err(broken) = self.order.finish() {
            panic!("{broken}");
        }
        self.put(&END_OF_PAGES, out);
        let index = std::mem::take(&mut self.index).finish();
        self.put(&index, out);
        self.put(&(index.len() as u64).to_be_bytes(), out);

        let no_post_apply = 0_u64.to_be_bytes();
        self.crc.update(&no_post_apply);
        let trailer = Trailer { post_apply: None, file: self.crc.checksum() };
        out.extend_from_slice(&trailer.encode());
        Finished {
            size_bytes: self.size_bytes + TRAILER_BYTES as u64,
            file_checksum: trailer.file,
            page_count: self.order.pages(),
        }
    }

    /// Length of the object so far: what has been appended to `out`.
    pub fn size_bytes(&self) -> u64 {
        self.size_bytes
    }

    /// What a test watches: the buffers, without LZ4's table and the page index.
    #[cfg(test)]
    pub(crate) fn buffered_bytes_max(&self) -> usize {
        self.block.len()
    }

    /// Appends bytes that are in the file checksum as they are.
    fn put(&mut self, bytes: &[u8], out: &mut Vec<u8>) {
        self.crc.update(bytes);
        out.extend_from_slice(bytes);
        self.size_bytes += bytes.len() as u64;
    }
}

impl std::fmt::Debug for Encoder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Encoder").field("order", &self.order).field("size_bytes", &self.size_bytes).finish()
    }
}
