//! Frames grouped into transactions: which page has which newest frame, as of the last commit.
//!
//! What SQLite reads at a commit is, for every page up to the commit's size, the newest frame of that page,
//! *also one from before an intermediate commit that cut the page off*: the wal-index is not cleaned when the
//! database shrinks. A [`Tail`] follows that rule, so it forgets no cut-off page until the end is known.
//!
//! The rule has one limit. A checkpoint that runs while the page is cut off skips its frame and truncates the
//! database file; when the page comes back without a new frame it reads as zeros. So the old frame is
//! the truth only while nothing of the tail was backfilled at such a moment. [`Tail::regrown`] names the
//! pages concerned, few and rare; take them from SQLite at the pin. All others are exact either way.

use super::frame::{Frame, FrameNo};
use crate::types::{Pgno, WalPosition};
use bytes::Bytes;
use std::collections::BTreeMap;

/// The end of a committed transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TransactionEnd {
    /// Behind the commit frame.
    pub position: WalPosition,
    /// Pages of the database after it, at least 1.
    pub pages: u32,
}

/// The newest frame of a page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Newest<P> {
    /// Its number: where the page can be read again ([`FrameNo::offset`]).
    pub frame: FrameNo,
    /// What the caller keeps of it: the page itself, or `()` for an index.
    pub content: P,
}

/// One or more transactions of a log, taken together.
///
/// Everything it says is as of the last complete transaction; frames behind it wait for their commit.
/// `Tail<Bytes>` keeps the pages, `Tail<()>` only where they lie (for a transaction larger than memory), and
/// any other `P` what the caller makes of a page.
#[derive(Clone, Debug)]
pub struct Tail<P = Bytes> {
    start: WalPosition,
    lock_page: Pgno,
    /// Number of the last frame pushed, committed or not; at first the start's.
    last_frame: u32,
    end: Option<TransactionEnd>,
    /// Newest frame per page, also of pages beyond the end's size.
    committed: BTreeMap<Pgno, Newest<P>>,
    /// Frames of the transaction that has no commit yet, in order.
    open: Vec<(Pgno, Newest<P>)>,
    /// For a page: the last commit smaller than it is the last entry with fewer pages. Frames and pages both
    /// ascend; the last entry is the end.
    sizes: Vec<CommitSize>,
}

#[derive(Clone, Copy, Debug)]
struct CommitSize {
    frame: u32,
    pages: u32,
}

impl Tail<Bytes> {
    /// Adds the next frame with its page. Returns the transaction that it ends, if any.
    ///
    /// # Panics
    /// When `frame` is not the one after the last.
    pub fn push(&mut self, frame: Frame) -> Option<TransactionEnd> {
        let page = frame.page.clone();
        self.push_with(&frame, page)
    }
}

impl<P> Tail<P> {
    /// Nothing yet; the first frame will be the one behind `start`. Frames of `lock_page` are ignored: it
    /// has no content.
    pub fn new(start: WalPosition, lock_page: Pgno) -> Tail<P> {
        Tail {
            start,
            lock_page,
            last_frame: start.frames,
            end: None,
            committed: BTreeMap::new(),
            open: Vec::new(),
            sizes: Vec::new(),
        }
    }

    /// Adds the next frame and what is to be kept of it. Returns the transaction that it ends, if any.
    ///
    /// # Panics
    /// When `frame` is not the one after the last.
    pub fn push_with(&mut self, frame: &Frame, content: P) -> Option<TransactionEnd> {
        assert_eq!(
            Some(frame.number.get()),
            self.last_frame.checked_add(1),
            "frames come one after the other"
        );
        self.last_frame = frame.number.get();
        if frame.pgno != self.lock_page {
            self.open.push((frame.pgno, Newest { frame: frame.number, content }));
        }
        let pages = frame.commit?;
        self.committed.extend(self.open.drain(..));
        let salts = self.start.salts;
        let position = WalPosition { salts, frames: frame.number.get(), checksum: frame.checksum };
        while self.sizes.last().is_some_and(|size| size.pages >= pages) {
            self.sizes.pop();
        }
        self.sizes.push(CommitSize { frame: frame.number.get(), pages });
        let end = TransactionEnd { position, pages };
        self.end = Some(end);
        Some(end)
    }

    /// The last complete transaction; `None` before the first commit.
    pub fn end(&self) -> Option<TransactionEnd> {
        self.end
    }

    /// Where it started.
    pub fn start(&self) -> WalPosition {
        self.start
    }

    /// Behind the last complete transaction; the start before the first commit.
    pub fn position(&self) -> WalPosition {
        self.end.map_or(self.start, |end| end.position)
    }

    /// Frames that wait for their commit.
    pub fn open_frames(&self) -> usize {
        self.open.len()
    }

    /// The newest frame of `pgno`; `None` when it has none, or lies beyond the end's size.
    pub fn get(&self, pgno: Pgno) -> Option<&Newest<P>> {
        let in_database = self.end.is_some_and(|end| pgno.into_inner() <= end.pages);
        if in_database { self.committed.get(&pgno) } else { None }
    }

    /// The newest frame of each page that has one and lies within the end's size, by page number.
    pub fn pages(&self) -> impl Iterator<Item = (Pgno, &Newest<P>)> {
        let pages = self.end.map_or(0, |end| end.pages);
        self.committed
            .iter()
            .map(|(pgno, newest)| (*pgno, newest))
            .take_while(move |(pgno, _)| pgno.into_inner() <= pages)
    }

    /// The same, handed over. Frames without a commit are dropped.
    pub fn into_pages(self) -> impl Iterator<Item = (Pgno, Newest<P>)> {
        let pages = self.end.map_or(0, |end| end.pages);
        self.committed.into_iter().take_while(move |(pgno, _)| pgno.into_inner() <= pages)
    }

    /// Pages by which the database grew from `previous_pages` and that no frame of the tail contains, in
    /// ascending order, without the lock page. An LTX file must have them all the same: with what SQLite
    /// reads at the pin (an older frame, else the database file, else zeros).
    ///
    /// Compare the end with [`super::CommittedEnd`] first: the size is only as true as that.
    pub fn missing_growth(&self, previous_pages: u32) -> impl Iterator<Item = Pgno> {
        let pages = self.end.map_or(0, |end| end.pages);
        above(previous_pages, pages)
            .filter(|pgno| *pgno != self.lock_page && !self.committed.contains_key(pgno))
    }

    /// Pages that a commit of the tail cut off and a later one brought back without a frame, ascending,
    /// without the lock page and disjoint from [`Tail::missing_growth`]. Where the tail has an older frame,
    /// [`Tail::get`] gives it; where it has none, the page counts as unchanged. Both are right unless a
    /// checkpoint ran while the page was cut off: read these at the pin (see the module).
    pub fn regrown(&self, previous_pages: u32) -> impl Iterator<Item = Pgno> {
        let pages = self.end.map_or(0, |end| end.pages);
        let smallest = self.sizes.first().map_or(pages, |size| size.pages);
        above(smallest, pages).filter(move |pgno| {
            let newest = self.committed.get(pgno).map_or(0, |newest| newest.frame.get());
            let known = newest > 0 || pgno.into_inner() <= previous_pages;
            known && *pgno != self.lock_page && newest < self.last_cut(*pgno)
        })
    }

    /// The number of the last commit frame that left `pgno` out of the database; 0 without one.
    fn last_cut(&self, pgno: Pgno) -> u32 {
        let smaller = self.sizes.partition_point(|size| size.pages < pgno.into_inner());
        smaller.checked_sub(1).map_or(0, |last| self.sizes[last].frame)
    }
}

/// Page numbers `after + 1 ..= last`, made one by one: `last` may be a number from outside.
fn above(after: u32, last: u32) -> impl Iterator<Item = Pgno> {
    (u64::from(after) + 1..=u64::from(last)).map(|number| {
        u32::try_from(number).ok().and_then(|number| Pgno::new(number).ok()).expect("1..=u32::MAX")
    })
}

#[cfg(test)]
mod tests;
