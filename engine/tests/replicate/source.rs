//! A database in WAL mode as the engine sees it through source jobs: page contents are numbers, the log is a
//! list of frames, and reading under an anchor that moved is caught.

use bytes::Bytes;
use engine::db::{PageSums, page_checksum};
use engine::ltx::{Encoder, Finished, Header, WalSpan};
use engine::replicate::{
    CheckpointMode, Checkpointed, FileId, HandOver, ImagePages, ImagePinned, Looked, Measured, Opened,
    PageSet, PinnedPages, Sealed, Select, Snapshot, SourceAnswer, SourceError, SourceJob, Surveyed, Tail,
    TailPage, TailPlace,
};
use engine::store::Sha256;
use engine::types::{Checksum, FrameChecksum, LockByte, PageSize, Pgno, Salts, WalPosition};
use std::collections::BTreeMap;
use std::sync::Arc;

pub(crate) const PAGE_BYTES: u32 = 512;

/// The content of each page, page 1 first.
pub(crate) type Image = Vec<u64>;

#[derive(Clone, Debug)]
pub(crate) struct FakeDatabase {
    file: Image,
    pub(crate) id: FileId,
    frames: Vec<Frame>,
    /// The log file stays as long as it once was.
    file_frames: usize,
    salts: Salts,
    /// Frames that the pin sees; `None`: not open.
    anchor: Option<usize>,
    /// Frames that the image pin sees.
    image_pin: Option<usize>,
    /// A checkpoint that keeps the writers out waits for readers.
    pub(crate) waits: bool,
    backfilled: usize,
    /// Somebody reads an old state: nothing is copied into the file.
    pub(crate) has_reader: bool,
    /// Somebody copies all of the log, and takes long.
    pub(crate) copying: bool,
    /// The next commit begins the log anew.
    restarts: bool,
    next_content: u64,
    /// Every state that was committed, oldest first.
    pub(crate) history: Vec<Image>,
}

#[derive(Clone, Copy, Debug)]
struct Frame {
    pgno: u32,
    content: u64,
    /// Pages of the database, in the last frame of a transaction.
    commit: Option<u32>,
}

impl FakeDatabase {
    /// `pages` pages, nothing in the log. Databases with the same `seed` are identical.
    pub(crate) fn new(seed: u32, pages: u64) -> FakeDatabase {
        let first = u64::from(seed) << 32;
        let file: Image = (1..=pages).map(|n| scattered(first + n)).collect();
        FakeDatabase {
            history: vec![file.clone()],
            file,
            id: FileId { inode: u64::from(seed), born_ns: Some(1) },
            frames: Vec::new(),
            file_frames: 0,
            salts: Salts(seed, 1),
            anchor: None,
            image_pin: None,
            waits: false,
            backfilled: 0,
            has_reader: false,
            copying: false,
            restarts: false,
            next_content: first + pages + 1,
        }
    }

    /// The application commits a transaction that writes these pages and leaves `size` pages.
    pub(crate) fn commit(&mut self, pages: &[u32], size: u32) {
        let old = self.image(self.frames.len()).len();
        let grown = u32::try_from(old).unwrap() + 1..=size;
        let mut written: Vec<u32> = pages.iter().copied().filter(|p| *p <= size).chain(grown).collect();
        written.sort_unstable();
        written.dedup();
        if std::mem::take(&mut self.restarts) {
            self.restart_log();
            self.anchor = Some(0);
        }
        for pgno in &written {
            self.frames.push(Frame { pgno: *pgno, content: scattered(self.next_content), commit: None });
            self.next_content += 1;
        }
        self.frames.last_mut().expect("a transaction writes a page").commit = Some(size);
        self.file_frames = self.file_frames.max(self.frames.len());
        self.history.push(self.committed());
    }

    /// Somebody puts another file in its place.
    pub(crate) fn replace(&mut self, image: Image) {
        self.file = image;
        self.restart_log();
        self.history.push(self.committed());
    }

    pub(crate) fn committed(&self) -> Image {
        self.image(self.frames.len())
    }

    pub(crate) fn page_count(&self) -> u32 {
        u32::try_from(self.committed().len()).unwrap()
    }

    pub(crate) fn is_pinned(&self) -> bool {
        self.anchor.is_some()
    }

    pub(crate) fn is_image_pinned(&self) -> bool {
        self.image_pin.is_some()
    }

    /// Why these pages cannot be read: those in memory always can.
    pub(crate) fn refusal(&self, pages: &PageSet) -> Option<SourceError> {
        match pages {
            PageSet::Memory(_) => None,
            PageSet::Pinned(_) => (!self.is_pinned()).then(|| SourceError::Io("nothing is open".into())),
            PageSet::Image(_) if self.image_pin.is_none() => {
                Some(SourceError::Unstable("the image pin is gone".into()))
            }
            PageSet::Image(image) => {
                let read = self.read_image(image).into_iter();
                let wrong =
                    |(at, page): &(Pgno, Bytes)| image.sums.get(*at) != Some(page_checksum(*at, page));
                let pages: Vec<Pgno> = read.filter(wrong).map(|(at, _)| at).collect();
                let count = u32::try_from(pages.len()).unwrap();
                (count > 0).then_some(SourceError::Rotten { pages, count })
            }
        }
    }

    /// The medium loses a page of the file, and nothing tells.
    pub(crate) fn rot(&mut self, number: u32) {
        self.file[number as usize - 1] ^= 1 << 20;
    }

    /// The process died.
    pub(crate) fn close(&mut self) {
        (self.anchor, self.image_pin) = (None, None);
    }

    pub(crate) fn run(&mut self, job: SourceJob) -> SourceAnswer {
        match job {
            SourceJob::Open { .. } => {
                self.anchor = Some(self.frames.len());
                let (snapshot, file) = (self.snapshot(), self.id);
                SourceAnswer::Opened(Opened { snapshot, entered_wal_mode: false, file })
            }
            SourceJob::Look { from, bytes_max, hand_over, pages_before: _ } => {
                SourceAnswer::Looked(self.look(from, bytes_max, hand_over))
            }
            SourceJob::Survey { as_of } => SourceAnswer::Surveyed(Box::new(self.survey(as_of))),
            SourceJob::PinImage { from, bytes_max, pages_before: _ } => {
                let looked = self.look(from, bytes_max, HandOver::Never);
                let frames = is_whole(&looked).then(|| Arc::new(self.newest_frames(self.backfilled)));
                self.image_pin = frames.as_ref().map(|_| self.frames.len());
                SourceAnswer::ImagePinned(ImagePinned { looked, frames })
            }
            SourceJob::UnpinImage => {
                self.image_pin = None;
                SourceAnswer::ImageUnpinned
            }
            SourceJob::Seal { header, pages } => {
                let (body, _) = self.encode(&header, &pages);
                let sha256 = Sha256::of(&body);
                SourceAnswer::Sealed(Sealed { body, sha256 })
            }
            SourceJob::Measure => {
                let bytes = |frames: usize| frames as u64 * u64::from(PAGE_BYTES + 24);
                let (wal_bytes, committed_bytes) = (bytes(self.file_frames), bytes(self.frames.len()));
                SourceAnswer::Measured(Measured { wal_bytes, committed_bytes })
            }
            SourceJob::Checkpoint(mode) => SourceAnswer::Checkpointed(self.checkpoint(mode)),
            SourceJob::Close => {
                self.close();
                SourceAnswer::Closed
            }
        }
    }

    /// Encodes an object; pages that are not in memory are read under the anchor.
    pub(crate) fn encode(&self, header: &Header, pages: &PageSet) -> (Bytes, Finished) {
        let pages: BTreeMap<Pgno, Bytes> = match pages {
            PageSet::Memory(pages) => pages.clone(),
            PageSet::Pinned(pinned) => self.read_pinned(pinned),
            PageSet::Image(image) => self.read_image(image),
        };
        let mut out = Vec::new();
        let mut encoder = Encoder::new(header, LockByte::SQLITE, &mut out);
        for (pgno, page) in pages {
            encoder.push(pgno, &page, &mut out);
        }
        let finished = encoder.finish(&mut out);
        (out.into(), finished)
    }

    fn read_pinned(&self, pinned: &PinnedPages) -> BTreeMap<Pgno, Bytes> {
        let anchor = self.anchor.expect("pages are read under an anchor");
        let image = self.image(anchor);
        let select: Vec<Pgno> = match &pinned.select {
            Select::All(commit) => (1..=*commit).map(pgno).collect(),
            Select::Some(pages) => pages.clone(),
        };
        let content = |pgno: &Pgno| match (pinned.memory.get(pgno), pinned.frames.get(pgno)) {
            (Some(bytes), _) => bytes.clone(),
            (None, Some(frame)) => page(self.frames[*frame as usize - 1].content),
            (None, None) => page(image[pgno.into_inner() as usize - 1]),
        };
        let pages: BTreeMap<Pgno, Bytes> = select.iter().map(|pgno| (*pgno, content(pgno))).collect();
        let read = pages.iter().fold(Checksum::new(0), |xor, (pgno, page)| xor ^ page_checksum(*pgno, page));
        assert_eq!(read, pinned.checksum, "the anchor moved under an upload");
        pages
    }

    fn read_image(&self, image: &ImagePages) -> BTreeMap<Pgno, Bytes> {
        let content = |number: u32| match image.frames.get(&pgno(number)) {
            Some(frame) => self.frames[*frame as usize - 1].content,
            None => self.file.get(number as usize - 1).copied().unwrap_or(0),
        };
        (1..=image.sums.page_count()).map(|number| (pgno(number), page(content(number)))).collect()
    }

    fn newest_frames(&self, after: usize) -> BTreeMap<Pgno, u32> {
        let size = self.page_count();
        let newer = self.frames.iter().enumerate().skip(after).filter(|(_, f)| f.pgno <= size);
        newer.map(|(i, f)| (pgno(f.pgno), u32::try_from(i + 1).unwrap())).collect()
    }

    fn look(&mut self, from: WalPosition, bytes_max: u64, hand_over: HandOver) -> Looked {
        let anchor = self.anchor.expect("a look needs a pin");
        let start = if from.salts == self.salts { from } else { self.position(0) };
        assert!(start.frames as usize <= self.frames.len(), "a position beyond the log");
        assert!(anchor <= self.frames.len(), "the log restarted under the pin");
        let tail = (start.frames as usize != self.frames.len()).then(|| self.tail(start, bytes_max));
        let in_memory = |tail: &Tail| tail.pages.values().all(|p| matches!(p.place, TailPlace::Memory(_)));
        let complete =
            tail.as_ref().is_none_or(|t| t.end.frames as usize == self.frames.len() && in_memory(t));
        let handed_over = hand_over != HandOver::Never && complete;
        if handed_over {
            self.anchor = Some(self.frames.len());
        }
        let has_reader = self.has_reader || self.image_pin.is_some();
        if handed_over && hand_over == HandOver::Restart && !has_reader {
            self.copy_log();
            self.restarts = true;
        }
        Looked {
            snapshot: self.snapshot(),
            tail,
            handed_over,
            backfilled: self.backfilled == self.frames.len(),
            copying: self.copying,
            image_in_the_way: self.waits && self.image_pin.is_some(),
            wal_bytes: self.file_frames as u64 * u64::from(PAGE_BYTES + 24),
        }
    }

    /// As many whole transactions as fit; one that alone does not fit is given by frame numbers.
    fn tail(&self, start: WalPosition, bytes_max: u64) -> Tail {
        let mut pages: BTreeMap<u32, usize> = BTreeMap::new();
        let mut taken: Option<(usize, u32, BTreeMap<u32, usize>)> = None;
        for (i, frame) in self.frames.iter().enumerate().skip(start.frames as usize) {
            pages.insert(frame.pgno, i);
            let Some(commit) = frame.commit else { continue };
            pages.retain(|pgno, _| *pgno <= commit);
            if taken.is_some() && pages.len() as u64 * u64::from(PAGE_BYTES) > bytes_max {
                break;
            }
            taken = Some((i + 1, commit, pages.clone()));
        }
        let (end, commit, pages) = taken.expect("the log ends after a commit");
        let fits = pages.len() as u64 * u64::from(PAGE_BYTES) <= bytes_max;
        let tail_page = |(number, i): (u32, usize)| {
            let bytes = page(self.frames[i].content);
            let checksum = page_checksum(pgno(number), &bytes);
            let frame = u32::try_from(i + 1).unwrap();
            let place = if fits { TailPlace::Memory(bytes) } else { TailPlace::Frame(frame) };
            (pgno(number), TailPage { checksum, place })
        };
        Tail { start, end: self.position(end), commit, pages: pages.into_iter().map(tail_page).collect() }
    }

    fn survey(&mut self, as_of: Option<WalSpan>) -> Surveyed {
        self.anchor = Some(self.frames.len());
        let as_of = as_of.filter(|span| span.salts() == self.salts).and_then(|span| {
            let frames = usize::try_from((span.end() - 32) / u64::from(PAGE_BYTES + 24)).unwrap();
            let held = frames >= self.backfilled && frames <= self.frames.len();
            held.then(|| (self.position(frames), sums_of(&self.image(frames))))
        });
        let image = self.committed();
        let newest: BTreeMap<u32, usize> = self.frames.iter().enumerate().map(|(i, f)| (f.pgno, i)).collect();
        let live = newest.into_iter().filter(|(number, _)| *number as usize <= image.len());
        let frames = live.map(|(number, i)| (pgno(number), u32::try_from(i + 1).unwrap())).collect();
        Surveyed { snapshot: self.snapshot(), sums: sums_of(&image), frames, as_of }
    }

    fn checkpoint(&mut self, mode: CheckpointMode) -> Checkpointed {
        let anchor = self.anchor.expect("a checkpoint of an open database");
        if !self.has_reader {
            let upto = self.image_pin.unwrap_or(anchor).min(anchor).max(self.backfilled);
            self.file = self.image(upto);
            self.backfilled = upto;
        }
        // Who reads an old state keeps the log from being emptied.
        let complete = anchor == self.frames.len() && !self.has_reader && self.image_pin.is_none();
        if complete && mode == CheckpointMode::Truncate {
            self.restart_log();
            self.file_frames = 0;
            self.anchor = Some(0);
        }
        let count = |n: usize| Some(u32::try_from(n).unwrap());
        // One that copies what it can is never busy.
        let busy = !complete && mode == CheckpointMode::Truncate;
        Checkpointed { busy, frames: count(self.frames.len()), backfilled: count(self.backfilled) }
    }

    /// The application checkpoints.
    pub(crate) fn copy_log(&mut self) {
        let upto = self.image_pin.unwrap_or(self.frames.len()).max(self.backfilled);
        self.file = self.image(upto);
        self.backfilled = upto;
    }

    /// A power cut takes the newest transaction out of the log.
    pub(crate) fn lose_last_commit(&mut self) {
        self.frames.pop();
        while self.frames.last().is_some_and(|frame| frame.commit.is_none()) {
            self.frames.pop();
        }
        assert!(self.backfilled <= self.frames.len(), "what was copied is durable");
    }

    pub(crate) fn restart_log(&mut self) {
        self.frames.clear();
        self.backfilled = 0;
        self.salts = Salts(self.salts.0, self.salts.1 + 1);
    }

    fn image(&self, frames: usize) -> Image {
        let mut image = self.file.clone();
        for frame in &self.frames[..frames] {
            let page = frame.pgno as usize;
            if image.len() < page {
                image.resize(page, 0);
            }
            image[page - 1] = frame.content;
            if let Some(commit) = frame.commit {
                image.resize(commit as usize, 0);
            }
        }
        image
    }

    fn position(&self, frames: usize) -> WalPosition {
        let last = frames.checked_sub(1).map_or(0, |i| self.frames[i].content);
        let checksum = FrameChecksum((last >> 32) as u32, last as u32);
        WalPosition { salts: self.salts, frames: u32::try_from(frames).unwrap(), checksum }
    }

    fn snapshot(&self) -> Snapshot {
        Snapshot {
            end: self.position(self.frames.len()),
            pages: self.page_count(),
            page_size: PageSize::new(PAGE_BYTES).unwrap(),
        }
    }
}

/// Whether everything up to the snapshot is in memory.
fn is_whole(looked: &Looked) -> bool {
    let in_memory = |tail: &Tail| tail.pages.values().all(|p| matches!(p.place, TailPlace::Memory(_)));
    looked.tail.as_ref().is_none_or(|tail| tail.end == looked.snapshot.end && in_memory(tail))
}

/// The checksums of an image.
pub(crate) fn sums_of(image: &Image) -> PageSums {
    let mut sums = PageSums::unknown(u32::try_from(image.len()).unwrap());
    for (number, content) in (1..).zip(image) {
        sums.set(pgno(number), page_checksum(pgno(number), &page(*content)));
    }
    sums
}

/// The bytes of a page.
pub(crate) fn page(content: u64) -> Bytes {
    content.to_be_bytes().repeat(PAGE_BYTES as usize / 8).into()
}

/// The content that [`page`] made these bytes of.
pub(crate) fn content_of(page: &[u8]) -> u64 {
    u64::from_be_bytes(*page.first_chunk().expect("a page"))
}

/// Another content for each number. Contents in steps would make differences that cancel out in the database
/// checksum, which is linear.
fn scattered(number: u64) -> u64 {
    let mixed = (number ^ number >> 31).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    (mixed ^ mixed >> 29).wrapping_mul(0xBF58_476D_1CE4_E5B9) | 1
}

fn pgno(number: u32) -> Pgno {
    Pgno::new(number).unwrap()
}
