//! The checksum of every page: of the image at the anchor, and of the one at an earlier position of the log.

use super::error::{from_code, io};
use super::image::{ImageReader, View, pages, plausible};
use super::log::{Log, bad};
use super::session::SessionConfig;
use super::source::Source;
use engine::db::{PageSums, page_checksum};
use engine::ltx::WalSpan;
use engine::mutants::{Mutant, mutated};
use engine::replicate::{Snapshot, SourceError, Surveyed};
use engine::types::{LockByte, Pgno, Salts, WalPosition};
use engine::wal::layout::{FRAME_HEADER_BYTES, WAL_HEADER_BYTES};
use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;

/// Where the pages of both images are.
#[derive(Default)]
struct Maps {
    /// The newest frame of each page that the database file does not have.
    now: BTreeMap<Pgno, u32>,
    then: Option<Then>,
}

/// The image at an earlier commit.
struct Then {
    end: WalPosition,
    pages: u32,
    /// The newest frame of each page up to there.
    frames: BTreeMap<Pgno, u32>,
    /// The smallest the database was after it.
    pages_min_after: u32,
    /// Pages without a frame up to there that got one later: a checkpoint may have copied it.
    later: BTreeSet<Pgno>,
}

impl Source {
    /// See [`SourceJob::Survey`](engine::replicate::SourceJob::Survey).
    pub(super) fn survey(
        &mut self,
        config: &SessionConfig,
        as_of: Option<WalSpan>,
    ) -> Result<Surveyed, SourceError> {
        let checked = self.check(config)?;
        let (snapshot, view) = self.pin_free(checked.index)?;
        let still = view == View::Database && self.is_as_checked(config);
        self.hand_over(snapshot, view, still);

        let lock_byte = config.lock_byte;
        let as_of = as_of.and_then(|span| frames_at(&span, &snapshot));
        let maps = self.maps(&snapshot, view, as_of, lock_byte)?;
        self.check_size(&snapshot)?;
        let sums = self.sums_now(&snapshot, &maps.now, lock_byte)?;
        let as_of = match (as_of, &maps.then) {
            // The anchor is that position.
            (Some(frames), _) if frames == snapshot.end.frames => Some((snapshot.end, sums.clone())),
            (Some(_), Some(then)) => self.sums_then(&snapshot, then, &maps.now, &sums, lock_byte)?,
            _ => None,
        };
        Ok(Surveyed { snapshot, sums, frames: maps.now, as_of })
    }

    fn maps(
        &self,
        snapshot: &Snapshot,
        view: View,
        as_of: Option<u32>,
        lock_byte: LockByte,
    ) -> Result<Maps, SourceError> {
        let View::Log { backfilled } = view else { return Ok(Maps::default()) };
        if mutated(Mutant::ImageIgnoresLog) {
            return Ok(Maps::default());
        }
        let lock_page = lock_byte.pgno(snapshot.page_size);
        let log = Log::open(self.anchor(), snapshot)?;
        let start = log.start();
        let as_of = as_of.unwrap_or(0);
        let mut maps = Maps::default();
        let mut earlier = BTreeMap::new();
        log.walk(start, |frame| {
            let number = frame.number.get();
            if number > backfilled {
                maps.now.insert(frame.pgno, number);
            }
            if number <= as_of {
                earlier.insert(frame.pgno, number);
            }
            if let Some(then) = &mut maps.then {
                if !then.frames.contains_key(&frame.pgno) {
                    then.later.insert(frame.pgno);
                }
                then.pages_min_after = then.pages_min_after.min(frame.commit.unwrap_or(u32::MAX));
            }
            if let Some(pages) = frame.commit.filter(|_| number == as_of) {
                let end = WalPosition { frames: number, checksum: frame.checksum, ..start };
                let frames = std::mem::take(&mut earlier);
                maps.then =
                    Some(Then { end, pages, frames, pages_min_after: u32::MAX, later: BTreeSet::new() });
            }
            ControlFlow::Continue(())
        })?;
        maps.now.retain(|pgno, _| pgno.into_inner() <= snapshot.pages && *pgno != lock_page);
        Ok(maps)
    }

    fn check_size(&self, snapshot: &Snapshot) -> Result<(), SourceError> {
        let size =
            self.anchor().database()?.size_bytes().map_err(|code| io("database size", from_code(code)))?;
        if plausible(snapshot.pages, snapshot.page_size, size, snapshot.end.frames) {
            return Ok(());
        }
        Err(bad(snapshot.end.frames, format!("claims a database of {} pages", snapshot.pages)))
    }

    fn sums_now(
        &self,
        snapshot: &Snapshot,
        frames: &BTreeMap<Pgno, u32>,
        lock_byte: LockByte,
    ) -> Result<PageSums, SourceError> {
        let mut sums = PageSums::unknown(snapshot.pages);
        let mut reader = ImageReader::new(self.anchor(), snapshot.page_size)?;
        let lock_byte = if mutated(Mutant::LockPageCounted) { LockByte::SQLITE } else { lock_byte };
        let mut all = pages(1, snapshot.pages, lock_byte.pgno(snapshot.page_size));
        loop {
            let batch: Vec<Pgno> = all.by_ref().take(BATCH_PAGES).collect();
            if batch.is_empty() {
                return Ok(sums);
            }
            reader.read_each(&batch, frames, |pgno, page| {
                sums.set(pgno, page_checksum(pgno, page));
            })?;
        }
    }

    /// The earlier image; `None` when the database file may hold newer pages of it.
    fn sums_then(
        &self,
        snapshot: &Snapshot,
        then: &Then,
        now: &BTreeMap<Pgno, u32>,
        sums_now: &PageSums,
        lock_byte: LockByte,
    ) -> Result<Option<(WalPosition, PageSums)>, SourceError> {
        if !plausible(then.pages, snapshot.page_size, self.file_bytes()?, then.end.frames) {
            return Ok(None);
        }
        let mut sums = PageSums::unknown(then.pages);
        let mut other = Vec::new();
        for pgno in pages(1, then.pages, lock_byte.pgno(snapshot.page_size)) {
            match sums_now.get(pgno).filter(|_| then.frames.get(&pgno) == now.get(&pgno)) {
                Some(sum) => {
                    sums.set(pgno, sum);
                }
                None => other.push(pgno),
            }
        }
        let mut reader = ImageReader::new(self.anchor(), snapshot.page_size)?;
        reader.read_each(&other, &then.frames, |pgno, page| {
            sums.set(pgno, page_checksum(pgno, page));
        })?;
        // Asked after everything was read: a checkpoint counts what it attempts before it writes.
        let exact = !self.may_be_copied(then.end)? || !then.relies_on_the_database();
        Ok(exact.then_some((then.end, sums)))
    }

    /// Whether frames after `end` may be in the database file, or pages beyond its size there cut off.
    fn may_be_copied(&self, end: WalPosition) -> Result<bool, SourceError> {
        let index = self.anchor().wal_index()?.filter(|index| index.end.salts() == end.salts);
        Ok(index.is_none_or(|index| index.attempted > end.frames))
    }

    fn file_bytes(&self) -> Result<u64, SourceError> {
        self.anchor().database()?.size_bytes().map_err(|code| io("database size", from_code(code)))
    }
}

impl Then {
    /// Whether it has pages of which only the database file had the content, and that changed later.
    fn relies_on_the_database(&self) -> bool {
        let changed = self.later.iter().any(|pgno| pgno.into_inner() <= self.pages);
        changed || self.pages_min_after < self.pages
    }
}

/// The frame at which a span ends, if it lies in the snapshot's log.
fn frames_at(span: &WalSpan, snapshot: &Snapshot) -> Option<u32> {
    // Without salts nothing tells one never-written log from another.
    if span.salts() == Salts::default() || span.salts() != snapshot.end.salts {
        return None;
    }
    let frame_bytes = FRAME_HEADER_BYTES as u64 + u64::from(snapshot.page_size.into_inner());
    let end = span.offset().checked_add(span.size())?.checked_sub(WAL_HEADER_BYTES as u64)?;
    let frames = u32::try_from(end / frame_bytes).ok()?;
    (end.is_multiple_of(frame_bytes) && frames <= snapshot.end.frames).then_some(frames)
}

/// Pages whose numbers are held at once.
const BATCH_PAGES: usize = 256;
