//! A database with an application, a session that follows it, and a replica built from what the session reads.

use crate::files::RealFiles;
use crate::port::{FileIdentity, FileLock, Files, LockError};
use crate::sqlite::{Session, SessionConfig};
use engine::db::{Fingerprint, PageSums, page_checksum};
use engine::ltx::{Chain, Header, WalSpan, read_any};
use engine::replicate::{
    HandOver, Looked, Opened, PageSet, PinnedPages, Select, Snapshot, SourceAnswer, SourceError, SourceJob,
    Surveyed, Tail, TailPlace,
};
use engine::types::{Checksum, LockByte, NodeId, PageSize, Pgno, Timestamp, Txid, TxidRange, WalPosition};
use rusqlite::Connection;
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tempfile::TempDir;

pub(super) struct World {
    pub(super) dir: TempDir,
    pub(super) session: Session,
    pub(super) replica: Replica,
}

/// What a reader of the objects would have.
#[derive(Default)]
pub(super) struct Replica {
    pub(super) pages: Vec<Vec<u8>>,
    pub(super) position: WalPosition,
}

impl World {
    /// A folder without a database.
    pub(super) fn new() -> World {
        let dir = tempfile::tempdir().unwrap();
        let session = session(&dir.path().join("app.db"));
        World { dir, session, replica: Replica::default() }
    }

    pub(super) fn path(&self) -> PathBuf {
        self.dir.path().join("app.db")
    }

    pub(super) fn beside(&self, suffix: &str) -> PathBuf {
        self.dir.path().join(format!("app.db{suffix}"))
    }

    /// One more connection of the application, which checkpoints only when told to.
    pub(super) fn app(&self) -> Connection {
        let app = Connection::open(self.path()).unwrap();
        app.busy_timeout(Duration::ZERO).unwrap();
        app.execute_batch("PRAGMA wal_autocheckpoint = 0").unwrap();
        app
    }

    /// An application with a table, in WAL mode.
    pub(super) fn app_with_table(&self) -> Connection {
        let app = self.app();
        app.execute_batch("PRAGMA journal_mode = wal; CREATE TABLE t (a INTEGER PRIMARY KEY, b)").unwrap();
        app
    }

    pub(super) fn open(&mut self) -> Opened {
        self.try_open().unwrap()
    }

    pub(super) fn try_open(&mut self) -> Result<Opened, SourceError> {
        match self.session.run(SourceJob::Open { enter_wal_mode: true })? {
            SourceAnswer::Opened(opened) => Ok(opened),
            other => panic!("{other:?}"),
        }
    }

    /// Opens, and makes the replica a copy of the image at the anchor.
    pub(super) fn start(&mut self) {
        self.open();
        let surveyed = self.survey(None).unwrap();
        self.replica = Replica { pages: Vec::new(), position: surveyed.snapshot.end };
        let pages = self.read_all(&surveyed);
        self.replica.resize(surveyed.snapshot.pages, surveyed.snapshot.page_size);
        for (pgno, page) in pages {
            self.replica.set(pgno, page);
        }
    }

    pub(super) fn survey(&mut self, as_of: Option<WalSpan>) -> Result<Surveyed, SourceError> {
        match self.session.run(SourceJob::Survey { as_of })? {
            SourceAnswer::Surveyed(surveyed) => Ok(*surveyed),
            other => panic!("{other:?}"),
        }
    }

    /// A look without limits.
    pub(super) fn look(&mut self) -> Looked {
        self.try_look(u64::MAX, HandOver::Allowed).unwrap()
    }

    /// Looks from where the replica is, and applies what was found.
    pub(super) fn try_look(&mut self, bytes_max: u64, hand_over: HandOver) -> Result<Looked, SourceError> {
        let pages_before = self.replica.pages.len() as u32;
        let from = self.replica.position;
        let answer = self.session.run(SourceJob::Look { from, pages_before, bytes_max, hand_over })?;
        let SourceAnswer::Looked(looked) = answer else { panic!("{answer:?}") };
        match &looked.tail {
            Some(tail) => self.apply(tail, looked.snapshot.page_size),
            None => self.replica.position = looked.snapshot.end,
        }
        Ok(looked)
    }

    pub(super) fn apply(&mut self, tail: &Tail, page_size: PageSize) {
        let old = self.replica.pages.len() as u32;
        let lock_page = LockByte::SQLITE.pgno(page_size);
        for grown in (old + 1..=tail.commit).map(|n| Pgno::new(n).unwrap()) {
            assert!(grown == lock_page || tail.pages.contains_key(&grown), "page {grown} is new");
        }
        self.replica.resize(tail.commit, page_size);
        let mut pinned = PinnedPages {
            select: Select::Some(Vec::new()),
            frames: BTreeMap::new(),
            memory: BTreeMap::new(),
            checksum: NONE,
            fingerprint: Fingerprint::default(),
        };
        for (pgno, page) in &tail.pages {
            if let TailPlace::Memory(bytes) = &page.place {
                assert_eq!(page_checksum(*pgno, bytes), page.checksum);
                self.replica.set(*pgno, bytes.to_vec());
                continue;
            }
            let Select::Some(select) = &mut pinned.select else { unreachable!() };
            select.push(*pgno);
            pinned.checksum = pinned.checksum ^ page.checksum;
            pinned.fingerprint.add(page.checksum);
            if let TailPlace::Frame(frame) = page.place {
                pinned.frames.insert(*pgno, frame);
            }
        }
        if pinned.checksum != NONE {
            let pages = self.seal(header(page_size, tail.commit), PageSet::Pinned(pinned)).unwrap();
            for (pgno, page) in pages {
                assert_eq!(page_checksum(pgno, &page), tail.pages[&pgno].checksum);
                self.replica.set(pgno, page);
            }
        }
        self.replica.position = tail.end;
    }

    /// The whole image at the anchor, through an object.
    pub(super) fn read_all(&mut self, surveyed: &Surveyed) -> Vec<(Pgno, Vec<u8>)> {
        let snapshot = surveyed.snapshot;
        let checksum = surveyed.sums.checksum();
        let pinned = PinnedPages {
            select: Select::All(snapshot.pages),
            frames: surveyed.frames.clone(),
            memory: BTreeMap::new(),
            checksum,
            fingerprint: fingerprint_of(surveyed),
        };
        let header = image_header(&snapshot, checksum);
        let pages = self.seal(header, PageSet::Pinned(pinned)).unwrap();
        for (pgno, page) in &pages {
            assert_eq!(surveyed.sums.get(*pgno), Some(page_checksum(*pgno, page)), "page {pgno}");
        }
        pages
    }

    /// Seals and decodes.
    pub(super) fn seal(
        &mut self,
        header: Header,
        pages: PageSet,
    ) -> Result<Vec<(Pgno, Vec<u8>)>, SourceError> {
        let answer = self.session.run(SourceJob::Seal { header, pages })?;
        let SourceAnswer::Sealed(sealed) = answer else { panic!("{answer:?}") };
        assert_eq!(engine::store::Sha256::of(&sealed.body), sealed.sha256);
        let mut pages = Vec::new();
        read_any(&sealed.body, LockByte::SQLITE, |pgno, page| pages.push((pgno, page.to_vec()))).unwrap();
        Ok(pages)
    }

    /// The replica equals what SQLite itself reads now.
    pub(super) fn assert_same(&self) {
        let image = image(&Connection::open(self.path()).unwrap());
        assert_eq!(image.len(), self.replica.pages.len(), "pages");
        for (i, (app, replica)) in image.iter().zip(&self.replica.pages).enumerate() {
            assert!(app == replica, "page {} of {}", i + 1, image.len());
        }
    }
}

impl Replica {
    fn resize(&mut self, pages: u32, page_size: PageSize) {
        self.pages.resize(pages as usize, vec![0; page_size.into_inner() as usize]);
    }

    fn set(&mut self, pgno: Pgno, page: Vec<u8>) {
        self.pages[pgno.into_inner() as usize - 1] = page;
    }
}

pub(super) fn session(path: &Path) -> Session {
    Session::new(SessionConfig {
        vfs: None,
        path: path.to_owned(),
        files: Arc::new(Hooked(RealFiles::new("test-host"))),
        lock_byte: LockByte::SQLITE,
        pause,
    })
}

thread_local! {
    /// What happens while a look waits, instead of waiting.
    pub(super) static PAUSE: RefCell<Option<Box<dyn FnMut()>>> = const { RefCell::new(None) };
}

thread_local! {
    /// What happens when a path is looked at.
    pub(super) static IDENTITY: RefCell<Option<Box<dyn FnMut()>>> = const { RefCell::new(None) };
}

struct Hooked(RealFiles);

impl Files for Hooked {
    fn real_path(&self, path: &Path) -> io::Result<PathBuf> {
        self.0.real_path(path)
    }

    fn identity(&self, path: &Path) -> io::Result<Option<FileIdentity>> {
        IDENTITY.with_borrow_mut(|hook| hook.iter_mut().for_each(|hook| hook()));
        self.0.identity(path)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.0.rename(from, to)
    }

    fn lock(&self, path: &Path) -> Result<Box<dyn FileLock>, LockError> {
        self.0.lock(path)
    }
}

fn pause(duration: Duration) -> Duration {
    PAUSE.with_borrow_mut(|hook| match hook {
        Some(hook) => {
            hook();
            duration
        }
        None => crate::files::pause(duration),
    })
}

/// Every page, as SQLite reads it.
pub(super) fn image(connection: &Connection) -> Vec<Vec<u8>> {
    let mut read = connection.prepare("SELECT data FROM sqlite_dbpage ORDER BY pgno").unwrap();
    let pages = read.query_map([], |row| row.get(0)).unwrap();
    pages.map(Result::unwrap).collect()
}

pub(super) fn sums(image: &[Vec<u8>]) -> PageSums {
    let mut sums = PageSums::unknown(image.len() as u32);
    for (i, page) in image.iter().enumerate() {
        let pgno = Pgno::new(i as u32 + 1).unwrap();
        sums.set(pgno, page_checksum(pgno, page));
    }
    sums
}

/// Of an object that is neither the first nor a whole image.
pub(super) fn header(page_size: PageSize, commit: u32) -> Header {
    chained(page_size, commit, TxidRange::single(Txid::new(7).unwrap()), NONE)
}

/// Of a snapshot.
pub(super) fn image_header(snapshot: &Snapshot, after: Checksum) -> Header {
    chained(snapshot.page_size, snapshot.pages, TxidRange::up_to(Txid::new(7).unwrap()), after)
}

fn chained(page_size: PageSize, commit: u32, txids: TxidRange, after: Checksum) -> Header {
    let commit = Pgno::new(commit).unwrap();
    let chain = Chain { node: NodeId::new(1).unwrap(), before: None, after, claim: false };
    Header::new(page_size, commit, txids, Timestamp::from_millis(1_700_000_000_000)).with_chain(chain)
}

/// Of no pages.
pub(super) const NONE: Checksum = engine::db::NO_PAGES;

/// Numbers that look random and are the same every time.
pub(super) struct Dice(u64);

impl Dice {
    pub(super) fn new(seed: u64) -> Dice {
        Dice(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    /// In `0..below`.
    pub(super) fn roll(&mut self, below: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) % below
    }
}

/// Of all pages of a survey.
pub(super) fn fingerprint_of(surveyed: &Surveyed) -> Fingerprint {
    (1..=surveyed.snapshot.pages).filter_map(|n| surveyed.sums.get(Pgno::new(n).ok()?)).collect()
}
