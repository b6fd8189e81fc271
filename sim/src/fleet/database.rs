//! A database without SQLite: its file as versions of pages, its log, the application that commits and checkpoints, and
//! what a power cut leaves. The pin of the daemon keeps from it what SQLite's locks keep from it.

use super::image::Image;
use super::log::Log;
use super::page::Version;
use engine::replicate::FileId;
use engine::types::PageSize;
use io_sim::random::Random;

/// One database of one machine.
#[derive(Clone, Debug)]
pub struct Database {
    /// What tells its pages from those of other places.
    pub place: u64,
    /// `PRAGMA synchronous = FULL`: a commit is safe from power cuts.
    pub full: bool,
    /// `None`: deleted.
    pub files: Option<Files>,
    /// The daemon's read transaction.
    pub pin: Option<Pin>,
    /// Its other one, while it makes a full image.
    pub image_pin: Option<Pin>,
    page_size: PageSize,
    /// Machines that go on with one image write different contents.
    versions: Version,
    files_made: u64,
    /// Its file system tells when a file was made.
    tells_births: bool,
}

/// The files of a database that exists.
#[derive(Clone, Debug)]
pub struct Files {
    /// Which file it is.
    pub id: FileId,
    /// The log.
    pub log: Log,
    /// Frames of the log that are in the database file.
    pub backfilled: usize,
    /// Frames that may be in the database file, as SQLite's index of the log counts them.
    pub attempted: usize,
    /// The database file.
    file: Vec<Version>,
    /// A page of it that the medium does not give as it was written.
    rotten: Option<u32>,
    /// What SQLite reads.
    image: Image,
}

/// A read transaction of the daemon.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pin {
    /// Frames that it sees.
    pub frames: usize,
    /// It began when all of them were in the database file: it reads the file alone, nothing is copied beside it, and
    /// the log may begin anew.
    pub on_database: bool,
}

/// What a transaction writes.
#[derive(Clone, Debug, Default)]
pub struct Transaction {
    /// Pages, any number up to `size`.
    pub pages: Vec<u32>,
    /// Pages of the database after it.
    pub size: u32,
    /// Pages that it adds have frames; else only the last has one, as whole-page tools do it.
    pub fills_growth: bool,
    /// It is followed by one that is rolled back.
    pub rolled_back: bool,
}

impl Database {
    /// A new one of `pages` pages, all in the file. `machine` tells its contents from another machine's.
    pub fn new(
        place: u64,
        machine: u64,
        page_size: PageSize,
        pages: u32,
        full: bool,
        tells_births: bool,
    ) -> Database {
        let versions = machine << 40;
        let files = None;
        let mut database = Database {
            place,
            full,
            files,
            pin: None,
            image_pin: None,
            page_size,
            versions,
            files_made: 0,
            tells_births,
        };
        let first = (0..pages).map(|_| database.next_version()).collect();
        database.place_file(first);
        database
    }

    /// A copy of its image on another machine.
    pub fn copy(&self, machine: u64) -> Option<Database> {
        let image = self.image()?.pages().to_vec();
        let versions = machine << 40 | self.versions & 0xff_ffff_ffff;
        let mut copy = Database {
            versions,
            files: None,
            pin: None,
            image_pin: None,
            files_made: machine << 32,
            ..self.clone()
        };
        copy.place_file(image);
        Some(copy)
    }

    /// Whether a file's number and its birth tell it from all others.
    pub fn tells_births(&self) -> bool {
        self.tells_births
    }

    /// Bytes per page.
    pub fn page_size(&self) -> PageSize {
        self.page_size
    }

    /// What SQLite reads; `None`: there is no database.
    pub fn image(&self) -> Option<&Image> {
        self.files.as_ref().map(|files| &files.image)
    }

    /// Somebody puts a file of this content in its place, without a log.
    pub fn place_file(&mut self, file: Vec<Version>) {
        self.files_made += 1;
        let id = FileId { inode: self.files_made, born_ns: self.tells_births.then_some(1) };
        let image = Image::new(file.clone());
        self.files = Some(Files {
            id,
            log: Log::new(self.page_size),
            backfilled: 0,
            attempted: 0,
            file,
            rotten: None,
            image,
        });
    }

    /// A new database under the same name.
    pub fn recreate(&mut self, pages: u32, page_size: Option<PageSize>) {
        self.page_size = page_size.unwrap_or(self.page_size);
        let file = (0..pages).map(|_| self.next_version()).collect();
        self.place_file(file);
    }

    /// Whether there are frames in the log.
    pub fn is_written(&self) -> bool {
        self.files.as_ref().is_some_and(|files| !files.log.frames().is_empty())
    }

    /// The application commits.
    pub fn commit(&mut self, transaction: &Transaction, draw: &mut Random) {
        let Some(files) = &self.files else { return };
        let (old, size) = (files.image.len(), transaction.size.max(1));
        let grown = if transaction.fills_growth { old + 1..=size } else { size.max(old + 1)..=size };
        let mut pages: Vec<u32> =
            transaction.pages.iter().copied().filter(|p| (1..=size).contains(p)).collect();
        pages.extend(grown);
        pages.sort_unstable();
        pages.dedup();
        if pages.is_empty() {
            pages.push(1);
        }
        let written: Vec<(u32, Version)> =
            pages.into_iter().map(|pgno| (pgno, self.next_version())).collect();
        let (place, full, pin) = (self.place, self.full, self.pin);
        let files = self.files.as_mut().expect("seen above");
        let copied = files.backfilled == files.log.frames().len() && files.backfilled > 0;
        let pinned = |pin: Option<Pin>| pin.is_some_and(|pin| !pin.on_database);
        if copied && !pinned(pin) && !pinned(self.image_pin) {
            files.restart(draw, false);
            self.image_pin = self.image_pin.map(|_| Pin { frames: 0, on_database: true });
            self.pin = pin.map(|_| Pin { frames: 0, on_database: true });
        }
        files.log.append(place, &written, size, transaction.rolled_back, draw);
        let missing = |pgno: &u32| written.binary_search_by_key(pgno, |(n, _)| *n).is_err();
        let unwritten: Vec<(u32, Version)> =
            (old + 1..=size).filter(missing).map(|pgno| (pgno, files.read(pgno))).collect();
        files.image.resize(size);
        for (pgno, version) in written.iter().chain(&unwritten) {
            files.image.set(*pgno, *version);
        }
        if full {
            files.log.sync();
        }
    }

    /// Copies the log into the file as far as the daemon's pin lets anybody; whether all of it is there now.
    pub fn copy_log(&mut self) -> bool {
        let pins = [self.pin, self.image_pin];
        let Some(files) = &mut self.files else { return false };
        let all = files.log.frames().len();
        let upto = |pin: Pin| match pin.on_database {
            // Who reads the file alone lets nobody write to it.
            true => files.backfilled,
            false => pin.frames,
        };
        let upto = pins.into_iter().flatten().map(upto).min().unwrap_or(all);
        files.copy(upto);
        files.backfilled == all
    }

    /// Copies the log, and empties it; false where the daemon's pin or what it has not read is in the way.
    pub fn truncate(&mut self, draw: &mut Random) -> bool {
        let complete = self.copy_log();
        let in_log = [self.pin, self.image_pin].into_iter().flatten().any(|pin| !pin.on_database);
        if !complete || in_log {
            return false;
        }
        let files = self.files.as_mut().expect("a log was copied");
        files.restart(draw, true);
        self.image_pin = self.image_pin.map(|_| Pin { frames: 0, on_database: true });
        self.pin = self.pin.map(|_| Pin { frames: 0, on_database: true });
        true
    }

    /// The application ends: where nobody else is connected the log is copied and deleted.
    pub fn close(&mut self) {
        if self.pin.is_none() && self.image_pin.is_none() && self.copy_log() {
            let files = self.files.as_mut().expect("copied");
            files.log = Log::new(self.page_size);
            (files.backfilled, files.attempted) = (0, 0);
        }
    }

    /// The power goes: the daemon is dead, too. Whether commits are gone.
    pub fn lose_power(&mut self, draw: &mut Random) -> bool {
        (self.pin, self.image_pin) = (None, None);
        let Some(files) = &mut self.files else { return false };
        let gone = files.log.lose_power(draw) > 0;
        // Recovery makes a new index, which does not know how much was copied.
        (files.backfilled, files.attempted) = (0, files.log.frames().len());
        let size = files.log.frames().last().and_then(|last| last.commit);
        let pages = size.unwrap_or_else(|| u32::try_from(files.file.len()).expect("page numbers are u32"));
        let image: Vec<Version> = (1..=pages).map(|pgno| files.read(pgno)).collect();
        files.image = Image::new(image);
        gone
    }

    fn next_version(&mut self) -> Version {
        self.versions += 1;
        self.versions
    }
}

impl Files {
    /// What SQLite reads at the committed end: the newest frame that is not in the file, else the file, else zeros.
    pub fn read(&self, pgno: u32) -> Version {
        self.read_at(pgno, self.log.frames().len(), self.backfilled)
    }

    /// The same at an earlier end, for a reader who began when the first `copied` frames were in the file.
    pub fn read_at(&self, pgno: u32, frames: usize, copied: usize) -> Version {
        let newest = self.log.frames()[copied.min(frames)..frames].iter().rev().find(|f| f.pgno == pgno);
        newest.map_or_else(|| self.in_file(pgno), |frame| frame.version)
    }

    /// The page of the database file; zeros beyond its end.
    pub fn in_file(&self, pgno: u32) -> Version {
        self.file.get(pgno as usize - 1).copied().unwrap_or(0)
    }

    /// The page as the medium gives it to who reads the file.
    pub fn on_medium(&self, pgno: u32) -> Version {
        if self.rotten == Some(pgno) { ROT } else { self.in_file(pgno) }
    }

    /// The medium loses a page.
    pub fn rot(&mut self, pgno: u32) {
        self.rotten = Some(pgno);
    }

    /// It gives the page again; which one it was.
    pub fn mend(&mut self) -> Option<u32> {
        self.rotten.take()
    }

    /// The image.
    pub fn image(&self) -> &Image {
        &self.image
    }

    fn copy(&mut self, upto: usize) {
        // Of a log that began anew since, nothing is left to copy.
        if upto <= self.backfilled || upto > self.log.frames().len() {
            return;
        }
        let size = self.image.len();
        // The log is synced before anything of it is written elsewhere.
        self.log.sync();
        for frame in self.log.frames()[self.backfilled..upto].iter().filter(|f| f.pgno <= size) {
            let page = frame.pgno as usize;
            self.file.resize(self.file.len().max(page), 0);
            self.file[page - 1] = frame.version;
            self.rotten.take_if(|rotten| *rotten == frame.pgno);
        }
        (self.backfilled, self.attempted) = (upto, self.attempted.max(upto));
        if upto == self.log.frames().len() {
            self.file.resize(size as usize, 0);
        }
    }

    fn restart(&mut self, draw: &mut Random, empty: bool) {
        if empty {
            self.log.truncate(draw)
        } else {
            self.log.restart(draw)
        }
        (self.backfilled, self.attempted) = (0, 0);
    }
}

/// What a lost page holds: nobody writes it.
const ROT: Version = 1 << 62;
