//! One connection to the followed database: how it is opened, pinned and let go.

use super::error::{from_code, from_failure, from_statement, io};
use super::raw::{self, CheckpointCounts, Failure, FileHandle, ShmLock};
use super::wal_index::{READ_SLOTS, WalIndex};
use engine::replicate::{CheckpointMode, Snapshot, SourceError};
use engine::types::{PageSize, WalPosition};
use engine::wal::CommittedEnd;
use rusqlite::{Connection as Sqlite, config::DbConfig, ffi};
use std::cell::Cell;
use std::path::Path;
use std::time::Duration;

/// A connection that never writes a page: it reads, pins, checkpoints, and may enter WAL mode.
pub(super) struct Connection {
    sqlite: Sqlite,
    /// The reader slot that is held without a transaction.
    guard: Cell<Option<usize>>,
}

impl Connection {
    /// Opens an existing database. `path` has no symbolic links.
    pub(super) fn open(path: &Path, vfs: Option<&str>) -> Result<Connection, SourceError> {
        let nul = || SourceError::Io("the path contains a NUL byte".into());
        let path = raw::c_path(path).ok_or_else(nul)?;
        let vfs = vfs.map(std::ffi::CString::new).transpose().map_err(|_| nul())?;
        let flags = ffi::SQLITE_OPEN_READWRITE | ffi::SQLITE_OPEN_NOMUTEX;
        let sqlite = raw::open(&path, vfs.as_deref(), flags).map_err(|e| io("open", from_failure(e)))?;
        let connection = Connection { sqlite, guard: Cell::new(None) };
        connection.configure().map_err(|e| from_statement(&connection.sqlite, e))?;
        // SQLite falls back to reading when it may not write.
        if connection.sqlite.is_readonly("main").map_err(|e| from_statement(&connection.sqlite, e))? {
            return Err(SourceError::Denied("the database file may not be written".into()));
        }
        Ok(connection)
    }

    fn configure(&self) -> rusqlite::Result<()> {
        // The pin is retried by the engine, and a checkpoint of ours waits for nobody.
        self.sqlite.busy_timeout(Duration::ZERO)?;
        // Closing the last connection must not checkpoint: the files may have been replaced.
        self.sqlite.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)?;
        self.sqlite.set_db_config(DbConfig::SQLITE_DBCONFIG_DEFENSIVE, true)?;
        raw::lookaside_off(&self.sqlite);
        self.sqlite.set_prepared_statement_cache_capacity(STATEMENTS_MAX);
        self.sqlite.execute_batch(
            "PRAGMA cache_size = 1; PRAGMA mmap_size = 0; PRAGMA wal_autocheckpoint = 0; \
             PRAGMA trusted_schema = OFF;",
        )
    }

    /// The library that it runs on.
    pub(super) fn check_library(&self) -> Result<(), SourceError> {
        super::library::check(&self.sqlite)
    }

    /// The journal mode that the file is in: `wal`, `delete`, ...
    ///
    /// SQLite answers from what it saw when it last began a transaction, so one is open for that moment.
    pub(super) fn journal_mode(&self) -> Result<String, SourceError> {
        assert!(!self.pinned(), "asked under a pin");
        let mode = self.begin().and_then(|()| self.text("PRAGMA journal_mode"));
        self.end();
        mode
    }

    /// Tries to enter WAL mode and gives the mode it is in then.
    pub(super) fn enter_wal_mode(&self) -> Result<String, SourceError> {
        assert!(!self.pinned(), "changed under a pin");
        self.text("PRAGMA journal_mode = wal")
    }

    fn text(&self, sql: &str) -> Result<String, SourceError> {
        self.sqlite.query_row(sql, [], |row| row.get(0)).map_err(|e| from_statement(&self.sqlite, e))
    }

    /// Whether a transaction is open.
    pub(super) fn pinned(&self) -> bool {
        !self.sqlite.is_autocommit()
    }

    /// Whether it holds a reader slot without a transaction.
    pub(super) fn guards(&self) -> bool {
        self.guard.get().is_some()
    }

    /// The reader slot that it holds so.
    pub(super) fn guarded(&self) -> Option<usize> {
        self.guard.get()
    }

    /// Takes the lock of a reader slot that nobody has, as a reader would; whether it was to be had. Must be pinned: ending
    /// the transaction leaves the lock.
    pub(super) fn guard(&self, slot: usize) -> Result<bool, SourceError> {
        assert!(self.pinned() && !self.guards(), "a guard is taken once, under the pin that it replaces");
        let lock = |action| {
            raw::shm_lock(&self.sqlite, lock_of(slot), action).map_err(|code| io("guard", from_code(code)))
        };
        // SQLite would give the slot of the pin back with the pin. Nobody can have it alone beside that.
        if !lock(ShmLock::Exclude)? {
            return Ok(false);
        }
        lock(ShmLock::Readmit)?;
        let taken = lock(ShmLock::Share)?;
        if taken {
            self.guard.set(Some(slot));
        }
        Ok(taken)
    }

    /// Whether nobody has the lock of a reader slot alone; only of a connection that guards or is pinned in another one:
    /// it would give back its own.
    pub(super) fn may_share(&self, slot: usize) -> Result<bool, SourceError> {
        assert!(self.guarded() != Some(slot), "asked about its own slot");
        let lock = |action| {
            raw::shm_lock(&self.sqlite, lock_of(slot), action)
                .map_err(|code| io("reader slot", from_code(code)))
        };
        Ok(lock(ShmLock::Share)? && lock(ShmLock::Release)?)
    }

    /// Whether nobody checkpoints just now. Takes the checkpoint lock beside others for that moment, so only a connection
    /// without a transaction asks.
    pub(super) fn may_checkpoint(&self) -> Result<bool, SourceError> {
        assert!(!self.pinned() && !self.guards(), "asked under a pin");
        let lock = |action| {
            raw::shm_lock(&self.sqlite, CHECKPOINT_LOCK, action)
                .map_err(|code| io("checkpoint lock", from_code(code)))
        };
        Ok(lock(ShmLock::Share)? && lock(ShmLock::Release)?)
    }

    /// Gives it back.
    pub(super) fn unguard(&self) {
        if let Some(slot) = self.guard.take() {
            // Giving back a lock that is held cannot fail but for the file system; closing gives it back as well.
            let _ = raw::shm_lock(&self.sqlite, lock_of(slot), ShmLock::Release);
        }
    }

    /// Opens a read transaction and gives what it stands on. On an error nothing is open.
    pub(super) fn pin(&self) -> Result<Snapshot, SourceError> {
        assert!(!self.pinned(), "pinned twice");
        assert!(!self.guards(), "no statement runs on a connection that guards");
        let pinned = self.begin().and_then(|()| self.snapshot());
        if pinned.is_err() {
            self.end();
        }
        pinned
    }

    /// BEGIN alone pins nothing: the statement after it does (docs/design.md, section 3, rule 1).
    fn begin(&self) -> Result<(), SourceError> {
        let begin = || {
            self.sqlite.prepare_cached("BEGIN")?.execute([])?;
            self.sqlite.prepare_cached("PRAGMA schema_version")?.query_row([], |_| Ok(()))
        };
        begin().map_err(|e| io("pin", from_statement(&self.sqlite, e)))
    }

    /// Takes the write lock, under which this connection stands on the newest commit; whether it was to be had.
    pub(super) fn lock_out_writers(&self) -> Result<bool, SourceError> {
        assert!(!self.pinned() && !self.guards(), "locked under a pin");
        let locked = self.sqlite.prepare_cached("BEGIN IMMEDIATE").and_then(|mut begin| begin.execute([]));
        match locked.map_err(|e| from_statement(&self.sqlite, e)) {
            Ok(_) => Ok(true),
            Err(SourceError::Busy) => Ok(false),
            Err(error) => Err(io("write lock", error)),
        }
    }

    fn snapshot(&self) -> Result<Snapshot, SourceError> {
        let bytes = raw::snapshot(&self.sqlite).map_err(|e| io("snapshot", from_failure(e)))?;
        let committed = bytes
            .map(|bytes| CommittedEnd::from_snapshot(&bytes))
            .transpose()
            .map_err(|e| SourceError::Io(format!("snapshot: {e}").into()))?;
        let page_size = match committed.and_then(|c| c.page_size()) {
            Some(page_size) => page_size,
            None => self.page_size()?,
        };
        let pages = match committed.map_or(0, |c| c.pages()) {
            0 => self.file_pages(page_size)?,
            pages => pages,
        };
        let end = committed.map_or(WalPosition::default(), |c| c.position());
        Ok(Snapshot { end, pages, page_size })
    }

    fn page_size(&self) -> Result<PageSize, SourceError> {
        let size: u32 = self
            .sqlite
            .query_row("PRAGMA page_size", [], |row| row.get(0))
            .map_err(|e| from_statement(&self.sqlite, e))?;
        PageSize::new(size).map_err(|e| SourceError::NotADatabase(e.to_string().into()))
    }

    /// Pages of the database file, as SQLite counts them when the WAL says nothing.
    fn file_pages(&self, page_size: PageSize) -> Result<u32, SourceError> {
        let size = self.database()?.size_bytes().map_err(|code| io("database size", from_code(code)))?;
        let pages = size.div_ceil(u64::from(page_size.into_inner()));
        u32::try_from(pages).map_err(|_| SourceError::NotADatabase(format!("{pages} pages").into()))
    }

    /// Ends the transaction, if one is open.
    pub(super) fn end(&self) {
        if self.pinned() {
            // A read transaction has nothing to write back: ROLLBACK can only fail if it is gone already.
            let _ = self.sqlite.prepare_cached("ROLLBACK").and_then(|mut rollback| rollback.execute([]));
        }
        assert!(!self.pinned(), "a read transaction that cannot be ended");
    }

    /// SQLite's handle of the database file; only under a pin or a guard.
    pub(super) fn database(&self) -> Result<FileHandle<'_>, SourceError> {
        assert!(self.pinned() || self.guards(), "file handles are taken from a connection that holds them");
        let lost = || SourceError::Io("SQLite does not give its database file".into());
        FileHandle::database(&self.sqlite).ok_or_else(lost)
    }

    /// SQLite's handle of the WAL; only under a pin or a guard.
    pub(super) fn wal(&self) -> Result<FileHandle<'_>, SourceError> {
        assert!(self.pinned() || self.guards(), "file handles are taken from a connection that holds them");
        FileHandle::wal(&self.sqlite)
            .ok_or_else(|| SourceError::Io("SQLite does not give its WAL file".into()))
    }

    /// Waits until log and database are on the disk; only under a pin or a guard.
    pub(super) fn sync(&self) -> Result<(), SourceError> {
        let (wal, database) = (self.wal()?, self.database()?);
        wal.sync().and_then(|()| database.sync()).map_err(|code| io("sync", from_code(code)))
    }

    /// The wal-index now; only under a pin (but whatever is pinned) or a guard. `None`: in the middle of a change.
    pub(super) fn wal_index(&self) -> Result<Option<WalIndex>, SourceError> {
        WalIndex::read(&self.database()?)
    }

    /// Checkpoints; never waits.
    pub(super) fn checkpoint(&self, mode: CheckpointMode) -> Result<CheckpointCounts, SourceError> {
        assert!(!self.pinned(), "checkpoint on the pinned connection");
        let mode = match mode {
            CheckpointMode::Passive => ffi::SQLITE_CHECKPOINT_PASSIVE,
            CheckpointMode::Truncate => ffi::SQLITE_CHECKPOINT_TRUNCATE,
        };
        let passing = |e: Failure| io("checkpoint", from_failure(e));
        raw::checkpoint(&self.sqlite, mode).map_err(passing)
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.unguard();
    }
}

/// SQLite's number of a reader slot's lock (WAL_READ_LOCK; walformat page, section 2.3.2).
pub(super) fn lock_of(slot: usize) -> i32 {
    assert!(slot < READ_SLOTS);
    3 + i32::try_from(slot).expect("five slots")
}

/// SQLite's number of the lock of who checkpoints (WAL_CKPT_LOCK).
const CHECKPOINT_LOCK: i32 = 1;

/// BEGIN, the pinning statement, ROLLBACK, BEGIN IMMEDIATE.
const STATEMENTS_MAX: usize = 4;
