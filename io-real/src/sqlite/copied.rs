//! Whether the database file holds what checkpoints have copied into it: the second question about a change that
//! a checkpoint explains (docs/design.md section 3, rule 4).
//!
//! Content that is put into the same file right behind a checkpoint hides in the checkpoint's trace. But what was
//! copied is still in the log, because a pin keeps the log as it is until a look has read it, and other content
//! betrays itself in those pages. A sample is compared, so that the cost of a look stays bounded whatever the size
//! of log and database. What this cannot see, and what keeps it rare: docs/decisions/0016-copied-pages-are-a-sample.md.

use super::connection::Connection;
use super::error::{from_code, io};
use super::log::{bad, frame_header, read_frame};
use super::raw::Read;
use super::wal_index::WalIndex;
use engine::replicate::SourceError;
use engine::types::Pgno;
use engine::wal::FrameNo;
use std::collections::BTreeSet;

/// What the comparison says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Copied {
    /// Nothing speaks against it, perhaps because nothing can be compared.
    Consistent,
    /// This page is another.
    Another(Pgno),
    /// The log or the file changed meanwhile: ask again.
    Unclear,
}

impl Connection {
    /// Compares up to so many pages that are in the database file since before `index` was read. Pinned or guarded.
    pub(super) fn copied(&self, index: &WalIndex, pages_max: usize) -> Result<Copied, SourceError> {
        match self.compare(index, pages_max) {
            // A frame that is not what the wal-index says: so it is for a moment when the log is begun again. If
            // it stays so, the look that reads the log says more.
            Err(SourceError::BadFrame { .. }) => Ok(Copied::Unclear),
            compared => compared,
        }
    }

    fn compare(&self, index: &WalIndex, pages_max: usize) -> Result<Copied, SourceError> {
        for (pgno, frame) in self.candidates(index, pages_max)? {
            if self.holds(index, pgno, frame)? {
                continue;
            }
            // Frames that were not there before may have been copied meanwhile, or the log begun again.
            let settled = self.wal_index()?.is_some_and(|now| {
                now.end.salts() == index.end.salts() && now.attempted <= index.end.frames()
            });
            return Ok(if settled { Copied::Another(pgno) } else { Copied::Unclear });
        }
        Ok(Copied::Consistent)
    }

    /// From the newest frame back: pages whose newest frame was copied, and which no checkpoint has left out
    /// because the database was smaller.
    fn candidates(&self, index: &WalIndex, pages_max: usize) -> Result<Vec<(Pgno, FrameNo)>, SourceError> {
        let mut found = Vec::new();
        let Some(page_size) = index.end.page_size().filter(|_| index.backfilled > 0) else {
            return Ok(found);
        };
        let log = self.wal()?;
        let (mut newer, mut pages_min) = (BTreeSet::new(), u32::MAX);
        for number in (1..=index.end.frames()).rev().take(FRAMES_MAX).filter_map(FrameNo::new) {
            let header = frame_header(&log, number, page_size)?;
            let Some(pgno) = header.pgno.filter(|_| header.salts == index.end.salts()) else {
                return Err(bad(number.get(), "not of this generation any more".to_owned()));
            };
            pages_min = header.commit.map_or(pages_min, |pages| pages_min.min(pages));
            let newest = newer.insert(pgno);
            if newest && number.get() <= index.backfilled && pgno.into_inner() <= pages_min {
                found.push((pgno, number));
            }
            if found.len() == pages_max {
                break;
            }
        }
        Ok(found)
    }

    /// Whether the file has for a page what the frame has.
    fn holds(&self, index: &WalIndex, pgno: Pgno, frame: FrameNo) -> Result<bool, SourceError> {
        let page_size = index.end.page_size().expect("a frame has a page");
        let bytes = page_size.into_inner() as usize;
        let (mut in_log, mut in_file) = (vec![0; bytes], vec![0; bytes]);
        read_frame(&self.wal()?, frame, pgno, &mut in_log)?;
        let offset = u64::from(pgno.into_inner() - 1) * bytes as u64;
        let read = self.database()?.read(offset, &mut in_file);
        let read = read.map_err(|code| io(&format!("database page {pgno}"), from_code(code)))?;
        Ok(matches!(read, Read::Full) && in_log == in_file)
    }
}

/// Frames whose headers are looked at.
const FRAMES_MAX: usize = 4096;
/// Pages that are compared.
pub(super) const PAGES_MAX: usize = 64;
/// The same where the file was found in order a moment before and another moment matters.
pub(super) const PAGES_FEW: usize = 8;
