//! The page checksums of one state of a database.

use super::NO_PAGES;
use crate::types::{Checksum, Pgno};

/// Pages whose sums make up one chunk of the cache on disk.
pub const CHUNK_PAGES: u32 = 512;
/// Bytes of a chunk: 8 per page, big-endian, 0 where nothing is known.
pub const CHUNK_BYTES: usize = CHUNK_PAGES as usize * 8;

/// One checksum per page, and their XOR: 8 bytes of memory per page of the database.
///
/// A page may be unknown: the lock page always is, and every page is until [`PageSums::set`]. The cache on
/// disk takes and gives the sums in chunks of [`CHUNK_BYTES`]; which chunks differ from the disk is tracked.
///
/// Sizes come from callers: [`PageSums::resize`] allocates 8 bytes per page, so a page count from outside must
/// have been checked against something of that size (a file's length, an object's index).
#[derive(Clone, Debug, Default)]
pub struct PageSums {
    /// Index is page number - 1; 0 is unknown, every known sum has bit 63 set.
    sums: Vec<u64>,
    /// XOR of all sums; bit 63 means nothing.
    xor: u64,
    /// Bit n is set when chunk n was changed since it was loaded or flushed.
    dirty: Vec<u64>,
}

impl PageSums {
    /// Of a database without pages.
    pub fn new() -> PageSums {
        PageSums::default()
    }

    /// Of a database of this size, all pages unknown and all chunks dirty.
    pub fn unknown(page_count: u32) -> PageSums {
        let mut sums = PageSums::new();
        sums.resize(page_count);
        sums
    }

    /// Pages of the database, the lock page included.
    pub fn page_count(&self) -> u32 {
        u32::try_from(self.sums.len()).expect("resize takes a u32")
    }

    /// The database checksum: XOR over the known pages, bit 63 set. It is the database's only if
    /// [`PageSums::first_unknown`] says `None`.
    pub fn checksum(&self) -> Checksum {
        NO_PAGES ^ Checksum::new(self.xor)
    }

    /// The sum of a page; `None` if unknown or beyond the end.
    pub fn get(&self, pgno: Pgno) -> Option<Checksum> {
        self.sums.get(slot(pgno)).and_then(|&sum| known(sum))
    }

    /// Notes a page's sum and returns the one before.
    ///
    /// # Panics
    /// If the page lies beyond the end: [`PageSums::resize`] first.
    pub fn set(&mut self, pgno: Pgno, checksum: Checksum) -> Option<Checksum> {
        assert!(pgno.into_inner() <= self.page_count(), "page {pgno} beyond {} pages", self.page_count());
        let old = std::mem::replace(&mut self.sums[slot(pgno)], checksum.into_inner());
        if old != checksum.into_inner() {
            self.xor ^= old ^ checksum.into_inner();
            self.changed(slot(pgno) / CHUNK_PAGES as usize);
        }
        known(old)
    }

    /// Makes the database this long: pages beyond it are dropped, new ones are unknown.
    pub fn resize(&mut self, page_count: u32) {
        let (old, new) = (self.sums.len(), page_count as usize);
        if old == new {
            return;
        }
        let changed = old.min(new)..old.max(new);
        for sum in self.sums.drain(new.min(old)..) {
            self.xor ^= sum;
        }
        self.sums.resize(new, 0);
        let chunks = self.chunk_count() as usize;
        self.dirty.resize(chunks.div_ceil(64), 0);
        if let Some(last) = self.dirty.last_mut().filter(|_| !chunks.is_multiple_of(64)) {
            *last &= (1 << (chunks % 64)) - 1;
        }
        // A chunk that loses or gains pages is another one; one that starts at the new end does not exist.
        for chunk in changed.start / CHUNK_PAGES as usize..changed.end.div_ceil(CHUNK_PAGES as usize) {
            if chunk < chunks {
                self.changed(chunk);
            }
        }
    }

    /// The first page, other than the lock page, whose sum is unknown.
    pub fn first_unknown(&self, lock_page: Pgno) -> Option<Pgno> {
        let unknown = |(i, &sum): (usize, &u64)| (sum == 0 && i != slot(lock_page)).then_some(pgno_of(i));
        self.sums.iter().enumerate().find_map(unknown)
    }

    /// The pages of this state that `older` lacks or has with another content, in ascending order: what has
    /// to be uploaded to get from `older` to this state. Unknown on one side counts as different.
    pub fn changed_since<'a>(&'a self, older: &'a PageSums) -> impl Iterator<Item = Pgno> + 'a {
        let old = older.sums.iter().map(Some).chain(std::iter::repeat(None));
        let pairs = self.sums.iter().zip(old).enumerate();
        pairs.filter(|(_, (new, old))| Some(*new) != *old).map(|(i, _)| pgno_of(i))
    }

    /// How many chunks the state has; the cache drops those from here on.
    pub fn chunk_count(&self) -> u32 {
        self.page_count().div_ceil(CHUNK_PAGES)
    }

    /// A chunk as the cache stores it; pages beyond the end are 0.
    ///
    /// # Panics
    /// If there is no such chunk.
    pub fn chunk(&self, chunk: u32) -> [u8; CHUNK_BYTES] {
        assert!(chunk < self.chunk_count(), "chunk {chunk} of {}", self.chunk_count());
        let mut bytes = [0; CHUNK_BYTES];
        let sums = &self.sums[(chunk * CHUNK_PAGES) as usize..];
        for (field, sum) in bytes.chunks_exact_mut(8).zip(sums) {
            field.copy_from_slice(&sum.to_be_bytes());
        }
        bytes
    }

    /// Takes a chunk that the cache stored; it is clean afterwards. Nothing changes on an error.
    pub fn load_chunk(&mut self, chunk: u32, bytes: &[u8]) -> Result<(), ChunkError> {
        if bytes.len() != CHUNK_BYTES {
            return Err(ChunkError::Length { chunk, bytes: bytes.len() });
        }
        if chunk >= self.chunk_count() {
            return Err(ChunkError::Beyond { chunk, chunks: self.chunk_count() });
        }
        let start = (chunk * CHUNK_PAGES) as usize;
        let end = self.sums.len().min(start + CHUNK_PAGES as usize);
        let (fields, _) = bytes.as_chunks::<8>();
        let legal = |(i, field): (usize, &[u8; 8])| {
            let sum = u64::from_be_bytes(*field);
            sum == 0 || (known(sum).is_some() && start + i < end)
        };
        if !fields.iter().enumerate().all(legal) {
            return Err(ChunkError::Sum { chunk });
        }
        for (sum, field) in self.sums[start..end].iter_mut().zip(fields) {
            self.xor ^= *sum;
            *sum = u64::from_be_bytes(*field);
            self.xor ^= *sum;
        }
        self.mark_clean(chunk);
        Ok(())
    }

    /// The chunks that the cache does not have as they are, in ascending order.
    pub fn dirty_chunks(&self) -> impl Iterator<Item = u32> + '_ {
        (0..self.chunk_count()).filter(|&chunk| self.dirty[chunk as usize / 64] >> (chunk % 64) & 1 == 1)
    }

    /// The cache has this chunk now.
    ///
    /// # Panics
    /// If there is no such chunk.
    pub fn mark_clean(&mut self, chunk: u32) {
        assert!(chunk < self.chunk_count(), "chunk {chunk} of {}", self.chunk_count());
        self.dirty[chunk as usize / 64] &= !(1 << (chunk % 64));
    }

    /// The cache does not have this chunk after all: writing it failed.
    ///
    /// # Panics
    /// If there is no such chunk.
    pub fn mark_dirty(&mut self, chunk: u32) {
        assert!(chunk < self.chunk_count(), "chunk {chunk} of {}", self.chunk_count());
        self.changed(chunk as usize);
    }

    fn changed(&mut self, chunk: usize) {
        self.dirty[chunk / 64] |= 1 << (chunk % 64);
    }
}

/// Two states are equal when their sums are; what is dirty does not matter.
impl PartialEq for PageSums {
    fn eq(&self, other: &PageSums) -> bool {
        self.sums == other.sums
    }
}

impl Eq for PageSums {}

/// Bytes of the cache that are no chunk of this state: the cache is useless, rebuild it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ChunkError {
    /// Not [`CHUNK_BYTES`] long.
    #[error("chunk {chunk} has {bytes} bytes")]
    Length {
        /// Which chunk.
        chunk: u32,
        /// How long it is.
        bytes: usize,
    },
    /// The database ends before it.
    #[error("chunk {chunk} of {chunks}")]
    Beyond {
        /// Which chunk.
        chunk: u32,
        /// How many there are.
        chunks: u32,
    },
    /// A value that is neither 0 nor has bit 63 set, or belongs to a page beyond the end.
    #[error("chunk {chunk} holds an impossible sum")]
    Sum {
        /// Which chunk.
        chunk: u32,
    },
}

fn slot(pgno: Pgno) -> usize {
    pgno.into_inner() as usize - 1
}

fn pgno_of(slot: usize) -> Pgno {
    let pgno = u32::try_from(slot + 1).expect("resize takes a u32");
    Pgno::new(pgno).expect("at least 1")
}

/// `None` for 0 (unknown) and for what no checksum looks like.
fn known(sum: u64) -> Option<Checksum> {
    Some(Checksum::new(sum)).filter(|checksum| checksum.into_inner() == sum)
}

#[cfg(test)]
mod tests;
