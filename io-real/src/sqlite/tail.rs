//! Gathering a tail: frames in, the newest of each page out, cut where memory ends.

use bytes::Bytes;
use engine::db::page_checksum;
use engine::mutants::{Mutant, mutated};
use engine::replicate::{TailPage, TailPlace};
use engine::types::{Checksum, Pgno, WalPosition};
use engine::wal::Frame;
use std::collections::BTreeMap;
use std::ops::ControlFlow;

/// Takes frames in order and keeps whole transactions, as many as fit into memory.
///
/// When the very first does not fit, it is kept as frame numbers instead: memory then grows with its pages'
/// number, not with their bytes.
pub(super) struct Gather {
    lock_page: Pgno,
    bytes_max: u64,
    /// Of the transactions that are through.
    whole: BTreeMap<Pgno, Kept>,
    /// Of the one that is not.
    open: BTreeMap<Pgno, Kept>,
    /// Page bytes in memory: those of `whole`, and those that `open` adds.
    whole_bytes: u64,
    open_bytes: u64,
    /// The first transaction does not fit.
    spilled: bool,
    reached: Option<Reached>,
    pages_before: u32,
    pages_min: u32,
}

/// The newest frame of a page.
struct Kept {
    frame: u32,
    checksum: Checksum,
    /// `None` when spilled.
    page: Option<Bytes>,
}

impl From<Kept> for TailPage {
    fn from(kept: Kept) -> TailPage {
        let place = kept.page.map_or(TailPlace::Frame(kept.frame), TailPlace::Memory);
        TailPage { checksum: kept.checksum, place }
    }
}

/// The end of the last whole transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Reached {
    /// After its commit.
    pub(super) end: WalPosition,
    /// Pages in the database there.
    pub(super) commit: u32,
}

/// What was gathered.
pub(super) struct Gathered {
    /// Where it ends; `None` when the log ended inside the first transaction.
    pub(super) reached: Option<Reached>,
    /// The newest frame of each page up to there. May hold pages beyond the commit.
    pub(super) pages: BTreeMap<Pgno, TailPage>,
    /// The smallest the database was since before the first frame: pages beyond it may have changed without one.
    pub(super) pages_min: u32,
    /// Page bytes in memory.
    pub(super) bytes: u64,
}

impl Gather {
    /// `pages_before`: pages in the database before the first frame.
    pub(super) fn new(lock_page: Pgno, bytes_max: u64, pages_before: u32) -> Gather {
        Gather {
            lock_page,
            bytes_max,
            whole: BTreeMap::new(),
            open: BTreeMap::new(),
            whole_bytes: 0,
            open_bytes: 0,
            spilled: false,
            reached: None,
            pages_before,
            pages_min: pages_before,
        }
    }

    /// Takes the next frame; breaks when no more may be taken.
    pub(super) fn push(&mut self, frame: &Frame, generation: WalPosition) -> ControlFlow<()> {
        if frame.pgno != self.lock_page {
            self.keep(frame);
        }
        if self.whole_bytes + self.open_bytes > self.bytes_max {
            if self.reached.is_some() {
                // The transactions before it are the tail; this one is read again by the next look.
                self.open.clear();
                return ControlFlow::Break(());
            }
            self.spill();
        }
        let cut_here =
            mutated(Mutant::CutInsideTransaction).then_some(self.pages_before.max(frame.pgno.into_inner()));
        let Some(commit) = frame.commit.or(cut_here) else { return ControlFlow::Continue(()) };
        let commit = if mutated(Mutant::CommitSizeIgnored) { commit.max(self.pages_before) } else { commit };
        self.whole.append(&mut self.open);
        self.whole_bytes += std::mem::take(&mut self.open_bytes);
        self.pages_min = self.pages_min.min(commit);
        let end = WalPosition { frames: frame.number.get(), checksum: frame.checksum, ..generation };
        self.reached = Some(Reached { end, commit });
        if self.spilled { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    }

    fn keep(&mut self, frame: &Frame) {
        if self.spilled && mutated(Mutant::SpilledPageNotReplaced) && self.open.contains_key(&frame.pgno) {
            return;
        }
        // A copy of its own: the frame's page keeps everything that was read with it in memory.
        let page = (!self.spilled).then(|| Bytes::copy_from_slice(&frame.page));
        let checksum = page_checksum(frame.pgno, &frame.page);
        let kept = Kept { frame: frame.number.get(), checksum, page };
        let known = self.open.insert(frame.pgno, kept).is_some();
        if !known && !self.spilled && !self.whole.contains_key(&frame.pgno) {
            self.open_bytes += frame.page.len() as u64;
        }
    }

    /// The first transaction will be read again, by frame numbers.
    fn spill(&mut self) {
        assert!(self.whole.is_empty() && !self.spilled, "only the first transaction is spilled, once");
        self.spilled = true;
        self.open_bytes = 0;
        for kept in self.open.values_mut() {
            kept.page = None;
        }
    }

    /// Ends it.
    pub(super) fn finish(self) -> Gathered {
        Gathered {
            reached: self.reached,
            pages: self.whole.into_iter().map(|(pgno, kept)| (pgno, kept.into())).collect(),
            pages_min: self.pages_min,
            bytes: self.whole_bytes,
        }
    }
}
