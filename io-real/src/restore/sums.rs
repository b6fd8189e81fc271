//! The checksums of all pages of a restored file, for the local state: noted while the pages are written.

use engine::db::{CHUNK_BYTES, CHUNK_PAGES, PageSums};
use engine::types::Checksum;
use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

/// Takes checksums from any thread, in any order.
///
/// 8 bytes per page, in chunks of 4 KiB that are made when the first of their pages comes: how many pages a header
/// claims makes no difference.
#[derive(Debug, Default)]
pub(super) struct PageChecksums(Mutex<BTreeMap<u32, Box<[u8; CHUNK_BYTES]>>>);

impl PageChecksums {
    /// Notes those of a run of neighbours from page `first` on.
    pub(super) fn note(&self, first: u32, checksums: &[Checksum]) {
        let mut chunks = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for (number, checksum) in (first - 1..).zip(checksums) {
            let chunk = chunks.entry(number / CHUNK_PAGES).or_insert_with(|| Box::new([0; CHUNK_BYTES]));
            let at = (number % CHUNK_PAGES) as usize * 8;
            chunk[at..at + 8].copy_from_slice(&checksum.into_inner().to_be_bytes());
        }
    }

    /// All of them, of a database of so many pages. Nothing is left here.
    ///
    /// # Panics
    /// If a page beyond the end was noted.
    pub(super) fn take(&self, page_count: u32) -> PageSums {
        let chunks = std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner));
        let mut sums = PageSums::unknown(page_count);
        for (number, chunk) in chunks {
            sums.load_chunk(number, &*chunk).expect("pages of the plan are written, and no others");
        }
        sums
    }
}
