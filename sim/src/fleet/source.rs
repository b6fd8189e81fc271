//! What answers the engine's source jobs: the contract of `io-real`'s session (`engine::replicate::SourceJob`), kept by a
//! synthetic database. Logs are read by the engine's scanner, from bytes.
//!
//! Time, locks that somebody else holds for a moment and what happens inside one job are not modelled.

use super::database::{Database, Files, Pin};
use super::page;
use bytes::Bytes;
use engine::db::{PageSums, page_checksum};
use engine::ltx::{Encoder, Header, WalSpan};
use engine::mutants::{Mutant, mutated};
use engine::replicate::{
    CheckpointMode, Checkpointed, FileId, HandOver, ImagePinned, Looked, Measured, Opened, PageSet,
    PinnedPages, ROTTEN_PAGES_MAX, Sealed, Select, Snapshot, SourceAnswer, SourceError, SourceJob, Surveyed,
    Tail, TailPage, TailPlace,
};
use engine::store::Sha256;
use engine::types::{Checksum, LockByte, Pgno, Salts, WalPosition};
use engine::wal::Tail as Gathered;
use io_real::sqlite::{Progress, Staged};
use io_sim::random::Random;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// The daemon's end of one database.
#[derive(Debug, Default)]
pub struct Source {
    /// The file that was opened.
    open: Option<FileId>,
    /// Counts anchors: pages that were chosen under one are not read under another.
    anchors: u64,
    /// Counts image pins.
    images: u64,
}

/// An object that goes up in parts, under the anchor of its time.
pub struct Stager {
    header: Header,
    pages: Option<PageSet>,
    anchor: u64,
    image: u64,
}

impl Source {
    /// Does one job.
    ///
    /// # Errors
    /// What the session would say.
    pub fn run(
        &mut self,
        database: &mut Database,
        job: SourceJob,
        draw: &mut Random,
    ) -> Result<SourceAnswer, SourceError> {
        match job {
            SourceJob::Open { .. } => self.start(database).map(SourceAnswer::Opened),
            SourceJob::Close => {
                self.close(database);
                Ok(SourceAnswer::Closed)
            }
            SourceJob::Seal { header, pages } => {
                let body = self.encode(database, &header, &pages, (self.anchors, self.images))?;
                let sha256 = Sha256::of(&body);
                Ok(SourceAnswer::Sealed(Sealed { body: body.into(), sha256 }))
            }
            SourceJob::UnpinImage => {
                database.image_pin = None;
                self.images += 1;
                Ok(SourceAnswer::ImageUnpinned)
            }
            job => {
                self.usable(database)?;
                Ok(self.read(database, job, draw))
            }
        }
    }

    /// The process died, or lets go.
    pub fn close(&mut self, database: &mut Database) {
        if self.open.take().is_some() {
            (database.pin, database.image_pin) = (None, None);
        }
        self.anchors += 1;
        self.images += 1;
    }

    /// Begins to encode what goes up in parts.
    pub fn stage(&self, header: &Header, pages: PageSet) -> Stager {
        Stager { header: header.clone(), pages: Some(pages), anchor: self.anchors, image: self.images }
    }

    /// Encodes all of it.
    pub fn step(
        &self,
        database: &Database,
        stager: &mut Stager,
        out: &mut Vec<u8>,
    ) -> Result<Progress, SourceError> {
        let pages = stager.pages.take().expect("a stager ends once");
        let body = self.encode(database, &stager.header, &pages, (stager.anchor, stager.image))?;
        let staged = Staged { sha256: Sha256::of(&body), size_bytes: body.len() as u64 };
        out.extend_from_slice(&body);
        Ok(Progress::Done(staged))
    }

    fn start(&mut self, database: &mut Database) -> Result<Opened, SourceError> {
        self.close(database);
        let files = database.files.as_ref().ok_or(SourceError::Missing)?;
        self.open = Some(files.id);
        let opened = Opened { snapshot: snapshot(database, files), entered_wal_mode: false, file: files.id };
        database.pin = Some(pin_now(files));
        Ok(opened)
    }

    fn usable(&self, database: &Database) -> Result<(), SourceError> {
        let open = self.open.ok_or_else(|| SourceError::Io("the database is not open".into()))?;
        match &database.files {
            Some(files) if files.id == open => Ok(()),
            _ => Err(SourceError::Replaced("another file has its name".into())),
        }
    }

    fn read(&mut self, database: &mut Database, job: SourceJob, draw: &mut Random) -> SourceAnswer {
        match job {
            SourceJob::Look { from, pages_before, bytes_max, hand_over } => {
                let looked = self.look(database, from, pages_before, bytes_max, hand_over);
                SourceAnswer::Looked(looked)
            }
            SourceJob::Survey { as_of } => {
                self.anchors += 1;
                // What a page has rotted to passes for a change where all are compared: that is no matter of this fault.
                database.files.as_mut().expect("usable").mend();
                let files = database.files.as_ref().expect("usable");
                let surveyed = survey(database, files, as_of);
                database.pin = Some(pin_now(files));
                SourceAnswer::Surveyed(Box::new(surveyed))
            }
            SourceJob::PinImage { from, pages_before, bytes_max } => {
                self.images += 1;
                let looked = self.look(database, from, pages_before, bytes_max, HandOver::Never);
                let files = database.files.as_ref().expect("usable");
                let whole = is_whole(looked.tail.as_ref(), looked.snapshot.end);
                let frames = whole.then(|| Arc::new(newest_frames(files)));
                database.image_pin = whole.then(|| pin_now(database.files.as_ref().expect("usable")));
                SourceAnswer::ImagePinned(ImagePinned { looked, frames })
            }
            SourceJob::Measure => {
                let log = &database.files.as_ref().expect("usable").log;
                let (wal_bytes, committed_bytes) = (log.file_bytes(), log.committed_bytes());
                SourceAnswer::Measured(Measured { wal_bytes, committed_bytes })
            }
            SourceJob::Checkpoint(mode) => SourceAnswer::Checkpointed(checkpoint(database, mode, draw)),
            SourceJob::Open { .. } | SourceJob::Close | SourceJob::UnpinImage | SourceJob::Seal { .. } => {
                unreachable!("done above")
            }
        }
    }

    fn look(
        &mut self,
        database: &mut Database,
        from: WalPosition,
        pages_before: u32,
        bytes_max: u64,
        hand_over: HandOver,
    ) -> Looked {
        let files = database.files.as_ref().expect("usable");
        let (end, pin) = (files.log.end(), pin_now(files));
        let nothing_new = from.salts == end.salts && from.frames == end.frames;
        let tail =
            (!nothing_new && end.frames > 0).then(|| tail(database, files, from, pages_before, bytes_max));
        let whole = is_whole(tail.as_ref(), end);
        let handed_over = hand_over != HandOver::Never && whole;
        let mut looked = Looked {
            snapshot: snapshot(database, files),
            tail,
            handed_over,
            backfilled: pin.on_database,
            copying: false,
            image_in_the_way: false,
            wal_bytes: files.log.file_bytes(),
        };
        if handed_over {
            self.anchors += 1;
            database.pin = Some(pin);
        }
        if handed_over && hand_over == HandOver::Restart {
            database.pin = None;
            looked.backfilled = database.copy_log();
            database.pin = Some(pin_now(database.files.as_ref().expect("usable")));
        }
        looked
    }

    fn encode(
        &self,
        database: &Database,
        header: &Header,
        pages: &PageSet,
        (anchor, image): (u64, u64),
    ) -> Result<Vec<u8>, SourceError> {
        let mut out = Vec::new();
        let mut encoder = Encoder::new(header, LockByte::SQLITE, &mut out);
        match pages {
            PageSet::Memory(pages) => {
                pages.iter().for_each(|(pgno, page)| encoder.push(*pgno, page, &mut out));
            }
            PageSet::Image(pages) => {
                self.usable(database)?;
                if image != self.images || database.image_pin.is_none() {
                    return Err(SourceError::Unstable("the image pin is gone".into()));
                }
                let (mut rotten, mut count) = (Vec::new(), 0);
                for number in 1..=pages.sums.page_count() {
                    let pgno = page::number(number);
                    let page = read_at_pin(database, pages.frames.get(&pgno), pgno);
                    if pages.sums.get(pgno) != Some(page_checksum(pgno, &page))
                        && !mutated(Mutant::RotNotNoticed)
                    {
                        count += 1;
                        rotten.push(pgno);
                    } else if count == 0 {
                        // The rest is read to name what else is lost.
                        encoder.push(pgno, &page, &mut out);
                    }
                }
                if count > 0 {
                    rotten.truncate(ROTTEN_PAGES_MAX);
                    return Err(SourceError::Rotten { pages: rotten, count });
                }
            }
            PageSet::Pinned(pinned) => {
                self.usable(database)?;
                if anchor != self.anchors {
                    return Err(SourceError::Unstable("the anchor has moved".into()));
                }
                let mut read = Checksum::new(0);
                for pgno in select(pinned) {
                    let page = read_pinned(database, pinned, pgno);
                    read = read ^ page_checksum(pgno, &page);
                    encoder.push(pgno, &page, &mut out);
                }
                if read != pinned.checksum {
                    return Err(SourceError::Unstable("other pages than were surveyed".into()));
                }
            }
        }
        encoder.finish(&mut out);
        Ok(out)
    }
}

fn snapshot(database: &Database, files: &Files) -> Snapshot {
    Snapshot { end: files.log.end(), pages: files.image().len(), page_size: database.page_size() }
}

fn pin_now(files: &Files) -> Pin {
    let frames = files.log.frames().len();
    Pin { frames, on_database: files.backfilled == frames }
}

/// As many whole transactions as fit; a first one that alone does not fit is given by frame numbers.
fn tail(database: &Database, files: &Files, from: WalPosition, pages_before: u32, bytes_max: u64) -> Tail {
    let log = &files.log;
    let start = if from.salts == log.end().salts && from.frames > 0 { from } else { log.position(0) };
    let page_bytes = u64::from(database.page_size().into_inner());
    let mut gathered = gather(database, files, start, log.frames().len());
    if u64::from(log.end().frames - start.frames) * page_bytes > bytes_max {
        gathered = gather(database, files, start, cut(files, start, bytes_max / page_bytes));
    }
    let end = gathered.end().expect("as above");
    let complete = end.position == log.end();
    let copied = if complete { files.backfilled } else { 0 };
    let frames = end.position.frames as usize;
    let missing: Vec<Pgno> =
        gathered.missing_growth(pages_before).chain(gathered.regrown(pages_before)).collect();
    let fits = (gathered.pages().count() + missing.len()) as u64 * page_bytes <= bytes_max;
    let kept = |page: Bytes, elsewhere: TailPlace| if fits { TailPlace::Memory(page) } else { elsewhere };
    let mut pages: BTreeMap<Pgno, TailPage> = gathered
        .into_pages()
        .map(|(pgno, newest)| {
            let checksum = page_checksum(pgno, &newest.content);
            (pgno, TailPage { checksum, place: kept(newest.content, TailPlace::Frame(newest.frame.get())) })
        })
        .collect();
    for pgno in missing {
        let number = pgno.into_inner();
        let content = bytes_of(database, number, files.read_at(number, frames, copied));
        let checksum = page_checksum(pgno, &content);
        let newest = log.frames()[copied.min(frames)..frames].iter().rposition(|f| f.pgno == number);
        let place = newest.map(|i| u32::try_from(copied + i + 1).expect("a frame number"));
        let place = kept(content, place.map_or(TailPlace::Database, TailPlace::Frame));
        pages.insert(pgno, TailPage { checksum, place });
    }
    Tail { start, end: end.position, commit: end.pages, pages }
}

/// The frames after `start` up to `last`, through the engine's scanner.
fn gather(database: &Database, files: &Files, start: WalPosition, last: usize) -> Gathered {
    let mut reading = files.log.scan(start).expect("a log with frames");
    let mut gathered = Gathered::new(start, LockByte::SQLITE.pgno(database.page_size()));
    while let Some(frame) = reading.next_frame() {
        let number = frame.number.get() as usize;
        gathered.push(frame);
        if number == last {
            break;
        }
    }
    gathered
}

/// The end of the last transaction after `start` with which no more than `pages_max` pages are held; of the first one, if
/// that alone has more.
fn cut(files: &Files, start: WalPosition, pages_max: u64) -> usize {
    let (mut held, mut fits) = (BTreeSet::new(), None);
    for (i, frame) in files.log.frames().iter().enumerate().skip(start.frames as usize) {
        held.insert(frame.pgno);
        if frame.commit.is_none() {
            continue;
        }
        if held.len() as u64 > pages_max && fits.is_some() {
            break;
        }
        fits = Some(i + 1);
    }
    fits.expect("the log ends after a commit")
}

/// Pages of the image that the file does not have, with their newest frame.
fn newest_frames(files: &Files) -> BTreeMap<Pgno, u32> {
    let mut frames = BTreeMap::new();
    for (i, frame) in files.log.frames().iter().enumerate().skip(files.backfilled) {
        if frame.pgno <= files.image().len() {
            let number = u32::try_from(i + 1).expect("a frame number");
            frames.insert(page::number(frame.pgno), number);
        }
    }
    frames
}

/// Whether a tail leads to `end`, and all of it is in memory.
fn is_whole(tail: Option<&Tail>, end: WalPosition) -> bool {
    let in_memory = |tail: &Tail| tail.pages.values().all(|p| matches!(p.place, TailPlace::Memory(_)));
    tail.is_none_or(|tail| tail.end == end && in_memory(tail))
}

fn survey(database: &Database, files: &Files, as_of: Option<WalSpan>) -> Surveyed {
    let log = &files.log;
    let frames = newest_frames(files);
    let sums = sums(database, files.image().pages().iter().copied());
    let as_of = as_of.and_then(|span| frames_at(&span, database, log.end())).and_then(|at| {
        if at == log.frames().len() {
            return Some((log.end(), sums.clone()));
        }
        // From a pin that reads the file alone nobody can read on: the log may begin anew.
        if pin_now(files).on_database {
            return None;
        }
        let pages = at.checked_sub(1).and_then(|last| log.frames()[last].commit)?;
        let image = (1..=pages).map(|pgno| files.read_at(pgno, at, 0));
        let exact = files.attempted <= at || !relies_on_the_file(files, at, pages);
        exact.then(|| (log.position(at), self::sums(database, image)))
    });
    Surveyed { snapshot: snapshot(database, files), sums, frames, as_of }
}

/// Whether the image of the first frames has pages of which only the database file had the content, and that changed later.
fn relies_on_the_file(files: &Files, at: usize, pages: u32) -> bool {
    let (before, after) = files.log.frames().split_at(at);
    let had: BTreeSet<u32> = before.iter().map(|frame| frame.pgno).collect();
    let changed = after.iter().any(|frame| frame.pgno <= pages && !had.contains(&frame.pgno));
    changed || after.iter().filter_map(|frame| frame.commit).any(|size| size < pages)
}

/// The frame at which a span ends, if it lies in the log.
fn frames_at(span: &WalSpan, database: &Database, end: WalPosition) -> Option<usize> {
    if span.salts() == Salts::default() || span.salts() != end.salts {
        return None;
    }
    let frames = (span.end() - 32) / (u64::from(database.page_size().into_inner()) + 24);
    usize::try_from(frames).ok().filter(|frames| *frames <= end.frames as usize)
}

fn checkpoint(database: &mut Database, mode: CheckpointMode, draw: &mut Random) -> Checkpointed {
    let (complete, emptied) = match mode {
        CheckpointMode::Passive => (database.copy_log(), true),
        CheckpointMode::Truncate => {
            let emptied = database.truncate(draw);
            (emptied, emptied)
        }
    };
    let files = database.files.as_ref().expect("usable");
    let count = |n: usize| Some(u32::try_from(n).expect("a frame number"));
    let busy = mode == CheckpointMode::Truncate && !(complete && emptied);
    Checkpointed { busy, frames: count(files.log.frames().len()), backfilled: count(files.backfilled) }
}

/// The page checksums of an image.
pub fn sums(database: &Database, versions: impl Iterator<Item = page::Version>) -> PageSums {
    let versions: Vec<page::Version> = versions.collect();
    let mut sums = PageSums::unknown(u32::try_from(versions.len()).expect("page numbers are u32"));
    for (number, version) in (1..).zip(versions) {
        let pgno = page::number(number);
        sums.set(pgno, page_checksum(pgno, &bytes_of(database, number, version)));
    }
    sums
}

fn select(pinned: &PinnedPages) -> Vec<Pgno> {
    match &pinned.select {
        Select::All(commit) => (1..=*commit).map(page::number).collect(),
        Select::Some(pages) => pages.clone(),
    }
}

fn read_pinned(database: &Database, pinned: &PinnedPages, pgno: Pgno) -> Bytes {
    if let Some(page) = pinned.memory.get(&pgno) {
        return page.clone();
    }
    read_at_pin(database, pinned.frames.get(&pgno), pgno)
}

/// A page from its frame, or else from the file.
fn read_at_pin(database: &Database, frame: Option<&u32>, pgno: Pgno) -> Bytes {
    let files = database.files.as_ref().expect("usable");
    let number = pgno.into_inner();
    let frame = frame.map(|frame| *frame as usize - 1);
    // What a frame holds now: where the log began anew under the anchor it is another page.
    let version = match frame {
        Some(at) => files.log.frames().get(at).filter(|f| f.pgno == number).map_or(0, |f| f.version),
        None => files.on_medium(number),
    };
    bytes_of(database, number, version)
}

fn bytes_of(database: &Database, pgno: u32, version: page::Version) -> Bytes {
    page::content(database.place, pgno, version, database.page_size().into_inner() as usize)
}
