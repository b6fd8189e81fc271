//! What was read from the WAL and is not yet on its way: later frames win.

use super::pages::{PageSet, PinnedPages, Select, Tail, TailPage, TailPlace};
use crate::db::PageSums;
use crate::mutants::{Mutant, mutated};
use crate::types::{Checksum, Instant, PageSize, Pgno, WalPosition};
use crate::wal::layout::{FRAME_HEADER_BYTES, WAL_HEADER_BYTES};
use std::collections::BTreeMap;

/// Committed pages that the store does not have.
#[derive(Clone, Debug)]
pub(super) struct Unsent {
    pub(super) start: WalPosition,
    pub(super) end: WalPosition,
    pub(super) commit: u32,
    /// Frames that it was made of.
    pub(super) frames: u64,
    /// When its first commit was seen.
    pub(super) since: Instant,
    pages: BTreeMap<Pgno, TailPage>,
    memory_bytes: u64,
    is_pinned: bool,
}

impl Unsent {
    pub(super) fn new(tail: Tail, now: Instant) -> Unsent {
        let memory_bytes = tail.pages.values().map(bytes_in_memory).sum();
        let is_pinned = is_pinned(&tail);
        Unsent {
            start: tail.start,
            end: tail.end,
            commit: tail.commit,
            frames: frames_of(&tail),
            since: now,
            pages: tail.pages,
            memory_bytes,
            is_pinned,
        }
    }

    /// Adds what came after it.
    pub(super) fn extend(&mut self, tail: Tail) {
        assert!(!self.is_pinned() && !is_pinned(&tail), "pages under an anchor are sent before more is read");
        self.frames += frames_of(&tail);
        if tail.start.salts != self.end.salts {
            self.start = tail.start;
        }
        self.end = tail.end;
        self.commit = tail.commit;
        if mutated(Mutant::TailForgetsPages) {
            self.pages.clear();
            self.memory_bytes = 0;
        }
        for (pgno, page) in tail.pages {
            if mutated(Mutant::OlderFrameWins) && self.pages.contains_key(&pgno) {
                continue;
            }
            self.memory_bytes += bytes_in_memory(&page);
            let before = self.pages.insert(pgno, page);
            self.memory_bytes -= before.as_ref().map_or(0, bytes_in_memory);
        }
        // Pages past the end are gone; a later growth brings all of its pages itself.
        if let Ok(end) = Pgno::new(tail.commit.saturating_add(1)) {
            let gone = self.pages.split_off(&end);
            self.memory_bytes -= gone.values().map(bytes_in_memory).sum::<u64>();
        }
    }

    /// Whether some of its pages can only be read under the anchor.
    pub(super) fn is_pinned(&self) -> bool {
        self.is_pinned
    }

    pub(super) fn memory_bytes(&self) -> u64 {
        self.memory_bytes
    }

    pub(super) fn page_count(&self) -> u32 {
        u32::try_from(self.pages.len()).expect("page numbers are u32")
    }

    /// What it does to page checksums.
    pub(super) fn delta(&self) -> Delta {
        let pages = self.pages.iter().map(|(pgno, page)| (*pgno, page.checksum)).collect();
        Delta { pages, commit: self.commit }
    }

    pub(super) fn into_pages(self) -> PageSet {
        if !self.is_pinned() {
            let in_memory = |(pgno, page): (Pgno, TailPage)| match page.place {
                TailPlace::Memory(bytes) => (pgno, bytes),
                TailPlace::Frame(_) | TailPlace::Database => unreachable!("checked above"),
            };
            return PageSet::Memory(self.pages.into_iter().map(in_memory).collect());
        }
        let mut pinned = PinnedPages {
            select: Select::Some(self.pages.keys().copied().collect()),
            frames: BTreeMap::new(),
            memory: BTreeMap::new(),
            checksum: self.pages.values().fold(Checksum::new(0), |xor, page| xor ^ page.checksum),
            fingerprint: self.pages.values().map(|page| page.checksum).collect(),
        };
        for (pgno, page) in self.pages {
            match page.place {
                TailPlace::Memory(bytes) => drop(pinned.memory.insert(pgno, bytes)),
                TailPlace::Frame(frame) => drop(pinned.frames.insert(pgno, frame)),
                TailPlace::Database => {}
            }
        }
        PageSet::Pinned(pinned)
    }
}

/// Bytes of a log of so many frames.
pub(super) fn live_bytes(frames: u32, page_size: PageSize) -> u64 {
    WAL_HEADER_BYTES as u64
        + u64::from(frames) * (u64::from(page_size.into_inner()) + FRAME_HEADER_BYTES as u64)
}

/// Whether a tail's pages can only be read under the anchor.
pub(super) fn is_pinned(tail: &Tail) -> bool {
    tail.pages.values().any(|p| !matches!(p.place, TailPlace::Memory(_)))
}

fn bytes_in_memory(page: &TailPage) -> u64 {
    match &page.place {
        TailPlace::Memory(bytes) => bytes.len() as u64,
        TailPlace::Frame(_) | TailPlace::Database => 0,
    }
}

fn frames_of(tail: &Tail) -> u64 {
    u64::from(tail.end.frames.saturating_sub(tail.start.frames))
}

/// A change of page checksums: what one slot does to the database.
#[derive(Clone, Debug)]
pub(super) struct Delta {
    pub(super) pages: Vec<(Pgno, Checksum)>,
    pub(super) commit: u32,
}

impl Delta {
    /// The database checksum after it, without applying it.
    pub(super) fn after(&self, sums: &PageSums) -> Checksum {
        let old = |pgno: Pgno| sums.get(pgno).unwrap_or(Checksum::new(0));
        let changed = self.pages.iter().fold(sums.checksum(), |xor, (pgno, new)| xor ^ old(*pgno) ^ *new);
        if mutated(Mutant::DeltaKeepsCutPages) {
            return changed;
        }
        let gone = self.commit.saturating_add(1)..=sums.page_count();
        gone.filter_map(|n| Pgno::new(n).ok()).fold(changed, |xor, pgno| xor ^ old(pgno))
    }

    pub(super) fn apply(&self, sums: &mut PageSums) {
        sums.resize(self.commit);
        for (pgno, checksum) in &self.pages {
            sums.set(*pgno, *checksum);
        }
    }
}
