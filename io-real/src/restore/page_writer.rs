//! Pages to a file: neighbours together, each counted into the database's checksum.

use super::error::{Fault, OutputError};
use super::sums::PageChecksums;
use crate::port::OutputFile;
use engine::db::{NO_PAGES, page_checksum};
use engine::ltx::decode_page;
use engine::restore::Fetch;
use engine::types::{Checksum, PageSize, Pgno};
use std::path::PathBuf;
use std::sync::Arc;

/// The file that pages are written to; clones write to the same one, from any thread.
#[derive(Clone, Debug)]
pub(super) struct PageFile {
    pub(super) file: Arc<dyn OutputFile>,
    /// For messages.
    pub(super) path: Arc<PathBuf>,
    pub(super) page_size: PageSize,
    /// Where the checksums of its pages go, if somebody keeps them.
    pub(super) sums: Option<Arc<PageChecksums>>,
}

/// What was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Written {
    /// XOR over the pages' checksums.
    pub(super) checksum: Checksum,
    pub(super) pages_count: u64,
}

impl Default for Written {
    fn default() -> Written {
        Written { checksum: NO_PAGES, pages_count: 0 }
    }
}

impl Written {
    pub(super) fn add(&mut self, other: Written) {
        self.checksum = self.checksum ^ other.checksum;
        self.pages_count += other.pages_count;
    }
}

/// Collects pages and writes each run of neighbours at once.
pub(super) struct PageWriter {
    to: PageFile,
    first: u32,
    run: Vec<u8>,
    written: Written,
}

impl PageWriter {
    pub(super) fn new(to: PageFile) -> PageWriter {
        PageWriter { to, first: 0, run: Vec::new(), written: Written::default() }
    }

    /// Where the content of `pgno` goes: zeros, as long as a page. Each page once, best in ascending order.
    pub(super) fn page(&mut self, pgno: Pgno) -> Result<&mut [u8], OutputError> {
        let page_bytes = self.page_bytes();
        let next = self.first as usize + self.run.len() / page_bytes;
        if self.run.is_empty() || next != pgno.into_inner() as usize || self.run.len() >= RUN_BYTES_MAX {
            self.flush()?;
            self.first = pgno.into_inner();
        }
        let start = self.run.len();
        self.run.resize(start + page_bytes, 0);
        Ok(&mut self.run[start..])
    }

    /// Writes the rest.
    pub(super) fn finish(mut self) -> Result<Written, OutputError> {
        self.flush()?;
        Ok(self.written)
    }

    fn flush(&mut self) -> Result<(), OutputError> {
        if self.run.is_empty() {
            return Ok(());
        }
        let page_bytes = self.page_bytes();
        let mut checksums = Vec::with_capacity(self.run.len() / page_bytes);
        for (page, number) in self.run.chunks_exact(page_bytes).zip(self.first..) {
            let pgno = Pgno::new(number).expect("page numbers start at 1");
            let checksum = page_checksum(pgno, page);
            checksums.push(checksum);
            self.written.add(Written { checksum, pages_count: 1 });
        }
        let at = u64::from(self.first - 1) * page_bytes as u64;
        let done = self.to.file.write_all_at(&self.run, at);
        done.map_err(|error| OutputError::of(&self.to.path, error))?;
        if let Some(sums) = &self.to.sums {
            sums.note(self.first, &checksums);
        }
        self.run.clear();
        Ok(())
    }

    fn page_bytes(&self) -> usize {
        self.to.page_size.into_inner() as usize
    }
}

/// Unpacks the wanted pages of one read and writes them. The result's checksum must prove them: a frame has
/// none of its own.
pub(super) fn write_pages(to: PageFile, fetch: &Fetch, bytes: &[u8]) -> Result<Written, Fault> {
    let damaged = |why: String| Fault::Damaged(fetch.object, why);
    let mut writer = PageWriter::new(to);
    for page in &fetch.pages {
        let start = usize::try_from(page.offset - fetch.range.start).expect("a read is in memory");
        let frame = &bytes[start..start + page.length as usize];
        let found =
            decode_page(frame, writer.page(page.pgno)?).map_err(|error| damaged(error.to_string()))?;
        if found != page.pgno {
            return Err(damaged(format!("page {found} where its index has page {}", page.pgno)));
        }
    }
    Ok(writer.finish()?)
}

/// A run of neighbours is written when it is this long.
const RUN_BYTES_MAX: usize = 1 << 20;
