//! Hand over hand: what was committed since a position, and the next pin.

use super::connection::Connection;
use super::copying::Copying;
use super::error::{from_code, io};
use super::image::{ImageReader, View, pages, plausible};
use super::log::{Log, bad};
use super::session::SessionConfig;
use super::source::Source;
use super::tail::{Gather, Gathered};
use bytes::Bytes;
use engine::db::page_checksum;
use engine::mutants::{Mutant, mutated};
use engine::replicate::{HandOver, Looked, Snapshot, SourceError, Tail, TailPage, TailPlace};
use engine::types::{LockByte, Pgno, WalPosition};
use std::collections::{BTreeMap, BTreeSet};

/// Where to read on, and how.
#[derive(Clone, Copy)]
pub(super) struct Wanted {
    from: WalPosition,
    pages_before: u32,
    bytes_max: u64,
    lock_byte: LockByte,
    /// Whether pages that the database gained without a frame are looked for.
    fills: bool,
}

impl Wanted {
    pub(super) fn new(from: WalPosition, pages_before: u32, bytes_max: u64, lock_byte: LockByte) -> Wanted {
        Wanted { from, pages_before, bytes_max, lock_byte, fills: true }
    }

    /// Frames up to `end` that were not read.
    pub(super) fn frames_to(&self, end: WalPosition) -> u32 {
        if end.salts == self.from.salts { end.frames.saturating_sub(self.from.frames) } else { end.frames }
    }

    /// Nothing is to be looked for but in the frames that were not read.
    pub(super) fn without_filling(mut self) -> Wanted {
        self.fills = false;
        self
    }
}

impl Source {
    /// See [`SourceJob::Look`](engine::replicate::SourceJob::Look).
    pub(super) fn look(
        &mut self,
        config: &SessionConfig,
        from: WalPosition,
        pages_before: u32,
        bytes_max: u64,
        hand_over: HandOver,
    ) -> Result<Looked, SourceError> {
        let checked = self.check(config)?;
        let wanted = Wanted::new(from, pages_before, bytes_max, config.lock_byte);
        if hand_over == HandOver::Restart
            && let Some(looked) = self.look_locked(config, &wanted)?
        {
            return Ok(looked);
        }
        let (snapshot, view) = self.pin_free(checked.index)?;
        let tail = match self.tail(self.free(), &snapshot, view, &wanted) {
            Ok(tail) => tail,
            Err(e) => {
                self.free().end();
                return Err(e);
            }
        };
        // The anchor goes only after everything that it protects was read.
        let whole = tail.as_ref().is_none_or(|tail| in_memory(tail, &snapshot));
        let may_move = hand_over != HandOver::Never && (whole || mutated(Mutant::HandOverThoughCut));
        let rests = may_move && self.rest(snapshot, view);
        // From slot 0 the next commit takes away what the file can be compared with.
        let handed_over = rests || (may_move && (view != View::Database || self.is_settled(config)));
        if rests || !handed_over {
            self.free().end();
        } else {
            // Found as it was checked, just now.
            self.hand_over(snapshot, view, view == View::Database);
        }
        let backfilled = self.backfilled_for_long(&snapshot, checked.index) && view == View::Database;
        let copying = if rests { self.wait_for_copying(config, &snapshot) } else { Copying::No };
        Ok(Looked {
            snapshot,
            tail,
            handed_over,
            backfilled: backfilled || copying == Copying::Ended,
            copying: copying == Copying::Yes,
            image_in_the_way: self.image_in_the_way(),
            wal_bytes: checked.wal_bytes,
        })
    }

    /// Whether the file is as it was checked; what was copied meanwhile is compared.
    fn is_settled(&mut self, config: &SessionConfig) -> bool {
        // What a check says comes again with the next look.
        self.is_as_checked(config) || matches!(self.settle(config), Ok(Some(_)))
    }

    /// Everything after `from` that fits, read under the pin of `on` while the anchor still holds.
    pub(super) fn tail(
        &self,
        on: &Connection,
        snapshot: &Snapshot,
        view: View,
        wanted: &Wanted,
    ) -> Result<Option<Tail>, SourceError> {
        let (from, end) = (wanted.from, snapshot.end);
        if snapshot.page_size != self.anchored.page_size {
            return Err(SourceError::Replaced("the page size is another".into()));
        }
        let restarted = end.salts != from.salts;
        if restarted && matches!(self.view, Some(View::Log { .. })) && end.salts != self.anchored.end.salts {
            return Err(bad(from.frames, "the log was restarted under the pin".to_owned()));
        }
        if !restarted && end.frames < from.frames {
            return Err(bad(from.frames, format!("only {} frames are committed now", end.frames)));
        }
        if !restarted && end.frames == from.frames {
            // Not even a look at the log: it may be another generation already.
            if mutated(Mutant::LogOpenedForNothing) && end.frames > 0 {
                Log::open(on, snapshot)?;
            }
            let same = end.frames == 0 || end.checksum == from.checksum;
            return if same {
                Ok(None)
            } else {
                Err(bad(from.frames, "another frame is there now".to_owned()))
            };
        }
        if end.frames == 0 {
            return Ok(None);
        }
        // A pin holds up the copying of what it has not read, a guard does not; both keep it in the log.
        if view == View::Database && !self.anchor().guards() {
            return Err(bad(end.frames, "copied into the database under the pin".to_owned()));
        }
        let log = Log::open(on, snapshot)?;
        let start = if restarted || from.frames == 0 { log.start() } else { from };
        let lock_page = wanted.lock_byte.pgno(snapshot.page_size);
        let mut gather = Gather::new(lock_page, wanted.bytes_max, wanted.pages_before);
        log.walk(start, |frame| gather.push(&frame, start))?;
        self.finish((on, &log), snapshot, view, start, wanted, gather.finish()).map(Some)
    }

    fn finish(
        &self,
        (on, log): (&Connection, &Log<'_>),
        snapshot: &Snapshot,
        view: View,
        start: WalPosition,
        wanted: &Wanted,
        gathered: Gathered,
    ) -> Result<Tail, SourceError> {
        let Some(reached) = gathered.reached else {
            return Err(bad(snapshot.end.frames, "the log ends inside a transaction".to_owned()));
        };
        let complete = reached.end.frames == snapshot.end.frames;
        if complete && (reached.end, reached.commit) != (snapshot.end, snapshot.pages) {
            return Err(bad(reached.end.frames, "the log does not end as SQLite says".to_owned()));
        }
        let mut tail = Tail { start, end: reached.end, commit: reached.commit, pages: gathered.pages };
        tail.pages
            .retain(|pgno, _| pgno.into_inner() <= tail.commit || mutated(Mutant::PagesBeyondCommitKept));

        let lock_page = wanted.lock_byte.pgno(snapshot.page_size);
        check_plausible(on, snapshot, &tail)?;
        let grown = gathered.pages_min.saturating_add(1);
        let missing: BTreeSet<Pgno> =
            pages(grown, tail.commit, lock_page).filter(|pgno| !tail.pages.contains_key(pgno)).collect();
        if !missing.is_empty() && !mutated(Mutant::GrowthNotFilled) {
            if !wanted.fills {
                return Err(SourceError::Busy);
            }
            // At the end: exactly as SQLite reads at the pin. At a cut: frames that were copied to the database may
            // have been left out there for newer ones beyond the cut, so all frames up to it count.
            let backfilled = match view {
                _ if mutated(Mutant::GrowthFromTheFile) => u32::MAX,
                View::Log { backfilled } if complete => backfilled,
                View::Database if complete => snapshot.end.frames,
                _ => 0,
            };
            let budget = wanted.bytes_max.saturating_sub(gathered.bytes);
            fill((on, log), snapshot, backfilled, &missing, budget, &mut tail)?;
        }
        Ok(tail)
    }
}

fn check_plausible(on: &Connection, snapshot: &Snapshot, tail: &Tail) -> Result<(), SourceError> {
    let size = on.database()?.size_bytes().map_err(|code| io("database size", from_code(code)))?;
    if plausible(tail.commit, snapshot.page_size, size, tail.end.frames) {
        return Ok(());
    }
    Err(bad(tail.end.frames, format!("claims a database of {} pages", tail.commit)))
}

/// Pages that the database gained without a frame in the tail: an older frame of this log, else the database
/// file, else zeros (docs/design.md section 2).
fn fill(
    (on, log): (&Connection, &Log<'_>),
    snapshot: &Snapshot,
    backfilled: u32,
    missing: &BTreeSet<Pgno>,
    mut budget: u64,
    tail: &mut Tail,
) -> Result<(), SourceError> {
    let mut frames = BTreeMap::new();
    log.newest_of(
        tail.start.frames,
        |pgno| missing.contains(&pgno),
        |pgno, frame| {
            frames.insert(pgno, frame);
        },
    )?;
    frames.retain(|_, frame| *frame > backfilled);
    let mut reader = ImageReader::new(on, snapshot.page_size)?;
    let missing: Vec<Pgno> = missing.iter().copied().collect();
    reader.read_each(&missing, &frames, |pgno, page| {
        let place = match budget.checked_sub(page.len() as u64) {
            Some(left) => {
                budget = left;
                TailPlace::Memory(Bytes::copy_from_slice(page))
            }
            None => frames.get(&pgno).map_or(TailPlace::Database, |frame| TailPlace::Frame(*frame)),
        };
        let filled = TailPage { checksum: page_checksum(pgno, page), place };
        assert!(tail.pages.insert(pgno, filled).is_none(), "page {pgno} was missing");
    })
}

/// Whether a tail holds everything up to the snapshot, so that nothing needs the old anchor any more.
pub(super) fn in_memory(tail: &Tail, snapshot: &Snapshot) -> bool {
    tail.end == snapshot.end && tail.pages.values().all(|page| matches!(page.place, TailPlace::Memory(_)))
}
