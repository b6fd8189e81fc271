//! A database that is open and pinned: two connections, one of which holds the anchor at any time.

use super::connection::Connection;
use super::copied::PAGES_MAX;
use super::copying::Waits;
use super::error::{from_lock, from_system};
use super::image::View;
use super::image_pin::ImagePin;
use super::log::bad;
use super::session::SessionConfig;
use super::wal_index::WalIndex;
use super::witness::{Checked, Paths, Witness};
use crate::port::{FileIdentity, FileLock};
use engine::mutants::{Mutant, mutated};
use engine::replicate::{CheckpointMode, Checkpointed, Measured, Opened, Snapshot, SourceError};
use engine::types::Salts;
use engine::wal::FrameNo;
use std::path::{Path, PathBuf};

/// Dropping it ends the pin, closes both connections without a checkpoint, and then releases the lock.
pub(super) struct Source {
    connections: [Connection; 2],
    /// The third, while an image is pinned.
    pub(super) image: Option<ImagePin>,
    /// Which connection holds the pin.
    pub(super) anchor: usize,
    /// Looks since the guard went into a slot with an old mark.
    pub(super) old_mark_looks: u32,
    /// For a checkpoint of others.
    pub(super) waits: Waits,
    /// What the pin stands on.
    pub(super) anchored: Snapshot,
    /// Where the image at the anchor is; `None` when the pin was taken without asking.
    pub(super) view: Option<View>,
    witness: Witness,
    pub(super) paths: Paths,
    /// The committed end that was seen to be fully in the database by an earlier job.
    backfilled: Option<(Salts, u32)>,
    /// Why nothing may be done any more but closing.
    replaced: Option<Box<str>>,
    _lock: Box<dyn FileLock>,
}

impl Source {
    /// Takes the lock, opens both connections, enters WAL mode where allowed, pins. `entered` is kept from attempt to
    /// attempt: whether one of them has entered it.
    pub(super) fn open(
        config: &SessionConfig,
        enter_wal_mode: bool,
        entered: &mut bool,
    ) -> Result<(Source, Opened), SourceError> {
        let files = &*config.files;
        let found = existing(config)?;
        let real = files.real_path(&config.path).map_err(|e| from_system("path", &e))?;
        let paths = Paths::new(&config.path, &real);
        let lock = files.lock(&lock_path(&real)?).map_err(from_lock)?;
        let connect = || Connection::open(&paths.database, config.vfs.as_deref());
        let first = connect()?;
        first.check_library()?;
        *entered |= wal_mode(&first, enter_wal_mode)?;
        let second = connect()?;
        // It must find the same, and opens its WAL by looking.
        if second.journal_mode()? != WAL {
            return Err(SourceError::Busy);
        }
        let connections = [first, second];

        let [anchor, _] = &connections;
        let anchored = anchor.pin()?;
        let witness = Witness::first(files, &paths, &found, || anchor.wal_index())?;
        let entered_wal_mode = std::mem::take(entered);
        let opened = Opened { snapshot: anchored, entered_wal_mode, file: found.id() };
        let source = Source {
            connections,
            image: None,
            anchor: 0,
            old_mark_looks: 0,
            waits: Waits::default(),
            anchored,
            view: None,
            witness,
            paths,
            backfilled: None,
            replaced: None,
            _lock: lock,
        };
        Ok((source, opened))
    }

    /// The connection that holds the pin.
    pub(super) fn anchor(&self) -> &Connection {
        &self.connections[self.anchor]
    }

    /// The other one; between jobs it has no transaction.
    pub(super) fn free(&self) -> &Connection {
        &self.connections[1 - self.anchor]
    }

    /// Looks whether the files are still ours; once they are not, they never are again.
    pub(super) fn check(&mut self, config: &SessionConfig) -> Result<Checked, SourceError> {
        self.check_pages(config, PAGES_MAX)
    }

    /// The same; of what was copied up to so many pages are compared.
    pub(super) fn check_pages(
        &mut self,
        config: &SessionConfig,
        pages_max: usize,
    ) -> Result<Checked, SourceError> {
        self.usable()?;
        let anchor = &self.connections[self.anchor];
        let (index, copied) = (|| anchor.wal_index(), |index: &WalIndex| anchor.copied(index, pages_max));
        let view = self.view;
        let nobody_copies = || nobody_copies(anchor, view);
        let checked = self.witness.check(&*config.files, &self.paths, index, copied, nobody_copies);
        let is_dead = checked.is_ok() && self.witness.sees_unfinished() && nobody_copies();
        // It may have written until it died.
        if is_dead && self.is_as_checked(config) {
            self.witness.unfinished_is_dead();
        }
        if let Err(SourceError::Replaced(why)) = &checked {
            self.replaced = Some(why.clone());
        }
        checked
    }

    /// Whether anything may be read or checkpointed.
    pub(super) fn usable(&self) -> Result<(), SourceError> {
        if let Some(why) = &self.replaced {
            return Err(SourceError::Replaced(why.clone()));
        }
        // SQLite ends a transaction by itself after some errors.
        if !self.anchor().pinned() && !self.anchor().guards() {
            return Err(bad(self.anchored.end.frames, "the pin was lost".to_owned()));
        }
        Ok(())
    }

    /// Pins the free connection and finds out where the image is. `index` was read before. On an error the free
    /// connection is free.
    pub(super) fn pin_free(&self, index: Option<WalIndex>) -> Result<(Snapshot, View), SourceError> {
        self.pin(self.free(), self.anchor(), index)
    }

    /// Pins a connection while the other one holds the log in some way.
    pub(super) fn pin(
        &self,
        connection: &Connection,
        other: &Connection,
        mut index: Option<WalIndex>,
    ) -> Result<(Snapshot, View), SourceError> {
        for _ in 0..PINS_MAX {
            let snapshot = connection.pin()?;
            let before = index.and_then(|index| index.backfilled_of(snapshot.end.salts));
            let after = match connection.wal_index() {
                Ok(after) => after.and_then(|index| index.backfilled_of(snapshot.end.salts)),
                Err(e) => {
                    connection.end();
                    return Err(e);
                }
            };
            if let Some(view) = View::at_pin(snapshot.end.frames, before, after) {
                return Ok((snapshot, view));
            }
            // A checkpoint came in between: it cannot be told on which side of it the pin is.
            connection.end();
            index = other.wal_index()?;
        }
        Err(SourceError::Busy)
    }

    /// Checks until the file is as it was checked; `None`: somebody writes to it all the time.
    pub(super) fn settle(&mut self, config: &SessionConfig) -> Result<Option<Checked>, SourceError> {
        for _ in 0..SETTLE_TRIES {
            let checked = self.check(config)?;
            if self.is_as_checked(config) {
                return Ok(Some(checked));
            }
        }
        Ok(None)
    }

    /// Whose file this is cannot be told any more: nothing may be done but closing.
    pub(super) fn give_up(&mut self, why: &str) -> SourceError {
        self.replaced = Some(why.into());
        SourceError::Replaced(why.into())
    }

    /// Whether the database file is as it was checked last.
    pub(super) fn is_as_checked(&self, config: &SessionConfig) -> bool {
        self.witness.is_as_checked(&*config.files, &self.paths)
    }

    /// Ends the anchor: the free connection's pin is the anchor now.
    /// `still`: nothing can be copied under it, and the file is as it was checked.
    pub(super) fn hand_over(&mut self, snapshot: Snapshot, view: View, still: bool) {
        assert!(self.free().pinned(), "nothing to hand over to");
        self.anchor().unguard();
        self.anchor().end();
        self.anchor = 1 - self.anchor;
        self.anchored_by_pin(snapshot, view, still);
    }

    /// A checkpoint of ours begins.
    pub(super) fn we_copy(&mut self) {
        self.witness.another_begins();
    }

    /// Gives the anchor up: under the write lock, with all that it protects read.
    pub(super) fn give_anchor_up(&mut self) {
        self.view = None;
        self.anchor().unguard();
        self.anchor().end();
        self.witness.pin_ended();
    }

    /// The anchor is a pin at `snapshot`.
    pub(super) fn anchored_by_pin(&mut self, snapshot: Snapshot, view: View, still: bool) {
        self.anchored = snapshot;
        self.view = Some(view);
        // A checkpoint copies up to the mark of each reader, and this one's mark is copied already; or it reads the
        // database file alone, and then none copies at all.
        self.witness.anchor_moved(still);
    }

    /// The anchor is a guard now, which holds up no checkpoint that copies.
    pub(super) fn anchored_by_guard(&mut self, snapshot: Snapshot, view: View) {
        self.anchored = snapshot;
        self.view = Some(view);
        self.witness.pin_ended();
    }

    /// Whether this end was fully in the database already when an earlier job looked, and notes it for the next.
    ///
    /// Twice, because a checkpoint counts its frames a moment before it lets go of its lock: a pin taken in that
    /// moment gets a read mark above 0 although all frames are counted.
    pub(super) fn backfilled_for_long(&mut self, snapshot: &Snapshot, index: Option<WalIndex>) -> bool {
        let seen = index
            .filter(|index| index.backfilled == index.end.frames())
            .map(|index| (index.end.salts(), index.end.frames()));
        let earlier = std::mem::replace(&mut self.backfilled, seen);
        seen == Some((snapshot.end.salts, snapshot.end.frames)) && seen == earlier
    }

    /// How long the log is, if the files are still ours.
    pub(super) fn measure(&mut self, config: &SessionConfig) -> Result<Measured, SourceError> {
        let page_size = self.anchored.page_size;
        let Checked { wal_bytes, index } = self.check(config)?;
        let end = index.and_then(|index| FrameNo::new(index.end.frames().checked_add(1)?));
        Ok(Measured { wal_bytes, committed_bytes: end.map_or(0, |end| end.offset(page_size)) })
    }

    /// Checkpoints on the free connection, if the files are still ours.
    pub(super) fn checkpoint(
        &mut self,
        config: &SessionConfig,
        mode: CheckpointMode,
    ) -> Result<Checkpointed, SourceError> {
        if !mutated(Mutant::CheckpointWithoutIdentity) {
            self.check(config)?;
        }
        self.we_copy();
        let counts = self.free().checkpoint(mode)?;
        Ok(Checkpointed {
            busy: counts.busy,
            frames: u32::try_from(counts.frames).ok(),
            backfilled: u32::try_from(counts.backfilled).ok(),
        })
    }
}

/// Whether it is known that nobody is copying: who does has slot 0 alone.
fn nobody_copies(anchor: &Connection, view: Option<View>) -> bool {
    // A pin of which it is not known may be in slot 0 itself, and would lose it.
    let elsewhere = anchor.guards() || matches!(view, Some(View::Log { .. }));
    elsewhere && anchor.may_share(0).unwrap_or(false)
}

/// What the path names, if SQLite may be let at it.
///
/// An empty file is a database that nobody has written yet. Entering WAL mode would write its first page, and
/// opening it deletes a WAL that lies beside it; so it is left alone until the application has begun.
fn existing(config: &SessionConfig) -> Result<FileIdentity, SourceError> {
    let found = config.files.identity(&config.path).map_err(|e| from_system("stat", &e))?;
    match found {
        None => Err(SourceError::Missing),
        Some(file) if !file.regular => Err(SourceError::NotADatabase("not a regular file".into())),
        Some(file) if file.size_bytes == 0 => Err(SourceError::Missing),
        // SQLite would make a log beside it before it finds out.
        Some(file) if file.size_bytes < DATABASE_BYTES_MIN => Err(SourceError::NotADatabase(
            format!("file is not a database, it has only {} bytes", file.size_bytes).into(),
        )),
        Some(file) => Ok(file),
    }
}

/// The database is in WAL mode afterwards; whether it was entered just now.
fn wal_mode(connection: &Connection, may_enter: bool) -> Result<bool, SourceError> {
    let mode = connection.journal_mode()?;
    if mode == WAL {
        return Ok(false);
    }
    if !may_enter {
        return Err(SourceError::NotWal(format!("the journal mode is {mode}").into()));
    }
    match connection.enter_wal_mode()?.as_str() {
        WAL => Ok(true),
        kept => Err(SourceError::NotWal(format!("SQLite keeps the journal mode {kept}").into())),
    }
}

/// `.<file>-walsync.lock` beside the database.
fn lock_path(database: &Path) -> Result<PathBuf, SourceError> {
    let name = database.file_name().ok_or_else(|| SourceError::NotADatabase("not a file".into()))?;
    let mut lock = std::ffi::OsString::from(".");
    lock.push(name);
    lock.push("-walsync.lock");
    Ok(database.with_file_name(lock))
}

const WAL: &str = "wal";
/// One page of the smallest size.
const DATABASE_BYTES_MIN: u64 = 512;
/// Checkpoints that may come between a look at the wal-index and a pin.
const PINS_MAX: u32 = 16;
/// Checks of a file that somebody writes to all the time, before the next look may do better.
const SETTLE_TRIES: u32 = 3;
