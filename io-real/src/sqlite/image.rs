//! Pages of a pinned image: from a frame of the WAL, else from the database file, else zeros.

use super::connection::Connection;
use super::error::{from_code, io};
use super::log::read_frame;
use super::raw::FileHandle;
use engine::replicate::SourceError;
use engine::types::{PageSize, Pgno};
use engine::wal::FrameNo;
use std::collections::BTreeMap;

/// Where the pages of an image are that was current when a pin was taken.
///
/// Which it is follows from how much of the WAL was in the database *before* the pin was taken: what a checkpoint
/// copies later is of no use, because it leaves out pages that have frames beyond the pin's end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum View {
    /// All in the database file. The log may be another generation already: it must not be looked at.
    Database,
    /// In frames after `backfilled`; pages without such a frame in the database file. The log stays.
    Log {
        /// Frames whose pages were in the database file.
        backfilled: u32,
    },
}

impl View {
    /// Decides for a pin at frame `frames`, from how many frames of its generation the database had `before` and
    /// `after` the pin was taken (`None`: another generation, or not known). `None`: it cannot be told on which
    /// side of a checkpoint the pin is.
    pub(super) fn at_pin(frames: u32, before: Option<u32>, after: Option<u32>) -> Option<View> {
        if frames == 0 || before == Some(frames) {
            return Some(View::Database);
        }
        // Not all was in the database even after the pin was taken, so it holds a read mark above 0 and the log
        // stays. In a generation that is younger than `before` nothing was known to be copied.
        let log_stays = after.is_some_and(|backfilled| backfilled < frames);
        log_stays.then_some(View::Log { backfilled: before.unwrap_or(0) })
    }
}

/// Reads pages of one image.
pub(super) struct ImageReader<'c> {
    connection: &'c Connection,
    database: FileHandle<'c>,
    page_size: PageSize,
    buffer: Vec<u8>,
}

impl<'c> ImageReader<'c> {
    /// `connection` is pinned.
    pub(super) fn new(
        connection: &'c Connection,
        page_size: PageSize,
    ) -> Result<ImageReader<'c>, SourceError> {
        let bytes = page_size.into_inner().max(RUN_BYTES) as usize;
        Ok(ImageReader { connection, database: connection.database()?, page_size, buffer: vec![0; bytes] })
    }

    /// Reads pages in ascending order. Neighbours in the database file are read together.
    pub(super) fn read_each(
        &mut self,
        pages: &[Pgno],
        frames: &BTreeMap<Pgno, u32>,
        mut each: impl FnMut(Pgno, &[u8]),
    ) -> Result<(), SourceError> {
        let page_bytes = self.page_size.into_inner() as usize;
        let run_max = self.buffer.len() / page_bytes;
        let mut rest = pages;
        while let Some(&first) = rest.first() {
            let run = match frames.get(&first) {
                Some(&frame) => {
                    self.read_from_log(first, frame)?;
                    1
                }
                None => {
                    let follows = |(i, pgno): &(usize, &Pgno)| {
                        u64::from(pgno.into_inner()) == u64::from(first.into_inner()) + *i as u64
                            && !frames.contains_key(pgno)
                    };
                    let run = rest.iter().enumerate().take(run_max).take_while(follows).count();
                    self.read_from_database(first, run)?;
                    run
                }
            };
            assert!(run > 0 && run <= rest.len(), "a page is read or an error returned");
            let (now, later) = rest.split_at(run);
            for (pgno, page) in now.iter().zip(self.buffer.chunks_exact(page_bytes)) {
                each(*pgno, page);
            }
            rest = later;
        }
        Ok(())
    }

    fn read_from_log(&mut self, pgno: Pgno, frame: u32) -> Result<(), SourceError> {
        let frame = FrameNo::new(frame).expect("frames are counted from 1");
        let page = &mut self.buffer[..self.page_size.into_inner() as usize];
        read_frame(&self.connection.wal()?, frame, pgno, page)
    }

    /// Beyond the end of the file are zeros: xRead fills the buffer up.
    fn read_from_database(&mut self, first: Pgno, run: usize) -> Result<(), SourceError> {
        let page_bytes = u64::from(self.page_size.into_inner());
        let offset = u64::from(first.into_inner() - 1) * page_bytes;
        let bytes = run * self.page_size.into_inner() as usize;
        let read = self.database.read(offset, &mut self.buffer[..bytes]);
        read.map(drop).map_err(|code| io(&format!("database page {first}"), from_code(code)))
    }
}

/// Whether a database of `pages` pages can come from a file of this length and a log of this many frames: what
/// SQLite itself checks before a checkpoint. A page count that a damaged file claims must not be allocated.
pub(super) fn plausible(pages: u32, page_size: PageSize, file_bytes: u64, frames: u32) -> bool {
    let page_bytes = u64::from(page_size.into_inner());
    let wanted = u64::from(pages) * page_bytes;
    wanted <= file_bytes.saturating_add(65536).saturating_add(u64::from(frames) * page_bytes)
}

/// Pages `first..=last` without the lock page.
pub(super) fn pages(first: u32, last: u32, lock_page: Pgno) -> impl Iterator<Item = Pgno> {
    (first..=last).filter_map(|n| Pgno::new(n).ok()).filter(move |pgno| *pgno != lock_page)
}

/// Bytes that are read from the database file at once.
const RUN_BYTES: u32 = 65536;
const _: () = assert!(RUN_BYTES as usize <= super::raw::READ_BYTES_MAX);

#[cfg(test)]
mod tests {
    use super::View;

    #[test]
    fn what_is_copied_after_the_pin_does_not_count() {
        // Between the pin and the second look a checkpoint copied up to the pin, without the pages that have newer
        // frames: neither the database alone nor the log may be taken.
        assert_eq!(View::at_pin(10, Some(5), Some(10)), None);
        assert_eq!(View::at_pin(10, None, Some(10)), None);
        assert_eq!(View::at_pin(10, Some(5), None), None);
        assert_eq!(View::at_pin(10, Some(5), Some(9)), Some(View::Log { backfilled: 5 }));
        assert_eq!(View::at_pin(10, None, Some(9)), Some(View::Log { backfilled: 0 }));
    }

    #[test]
    fn log_that_was_copied_before_the_pin_is_not_looked_at() {
        assert_eq!(View::at_pin(10, Some(10), Some(10)), Some(View::Database));
        assert_eq!(View::at_pin(10, Some(10), None), Some(View::Database));
        assert_eq!(View::at_pin(0, None, None), Some(View::Database));
    }
}
