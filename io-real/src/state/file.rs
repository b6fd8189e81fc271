//! The state file itself: opening it, noticing that it is another one, starting anew when it is broken.
//!
//! The daemons of a host share one file. Who finds it broken renames it and makes a new one, under a lock that
//! lies beside it; the others go on writing to the file of the old name, until they compare what the path names
//! with what they opened. They do so before and after each batch.

use super::schema::{self, Version};
use crate::port::{FileIdentity, FileLock, Files, LockError};
use engine::replicate::StateError;
use rusqlite::{Connection, Error, ErrorCode, OpenFlags};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

/// A file that stays open.
pub(super) struct StateFile {
    /// `None` after it could not be opened again; the next call tries.
    open: Option<Open>,
    vfs: Option<String>,
    path: PathBuf,
    files: Arc<dyn Files>,
    pub(super) warnings: Vec<String>,
}

struct Open {
    connection: Connection,
    identity: FileIdentity,
}

/// What to do about a failure.
pub(super) enum Trouble {
    /// The file: start anew.
    Broken(String),
    /// What a database's rows say: forget that database.
    Illegal(String),
    /// Say so.
    Other(String),
}

impl StateFile {
    /// Opens the file, or makes it; a broken one is replaced.
    pub(super) fn open(
        vfs: Option<&str>,
        path: &Path,
        files: Arc<dyn Files>,
    ) -> Result<StateFile, StateError> {
        let mut file = StateFile {
            open: None,
            vfs: vfs.map(str::to_owned),
            path: path.to_owned(),
            files,
            warnings: Vec::new(),
        };
        file.open_again()?;
        Ok(file)
    }

    /// The connection to what the path names now. It is opened again where that became another file.
    pub(super) fn current(&mut self) -> Result<&Connection, StateError> {
        if self.was_replaced()? {
            self.warnings.push(format!("{}: another file took its place; using that", self.path.display()));
            self.open = None;
        }
        if self.open.is_none() {
            self.open_again()?;
        }
        let open = self.open.as_ref().ok_or_else(|| self.error("is not open"))?;
        Ok(&open.connection)
    }

    /// Whether the path names another file than the one that is open: what was written is lost.
    pub(super) fn was_replaced(&self) -> Result<bool, StateError> {
        let Some(open) = &self.open else { return Ok(false) };
        let now = self.identity()?;
        Ok(now.is_none_or(|now| !now.same_file(&open.identity)))
    }

    /// Puts the open file aside as `<name>.broken` (the last one is kept) and makes a new one; unless another
    /// process did so meanwhile.
    pub(super) fn start_anew(&mut self, why: &str) -> Result<(), StateError> {
        let broken = self.open.take().map(|open| open.identity);
        self.replace(broken, why)
    }

    pub(super) fn error(&self, why: &str) -> StateError {
        StateError(format!("{}: {why}", self.path.display()).into())
    }

    fn open_again(&mut self) -> Result<(), StateError> {
        for _ in 0..ATTEMPTS_MAX {
            let before = self.identity()?;
            match self.connect() {
                // Of one that was just made, or took the place meanwhile, it is not known which one is open.
                Ok(connection) => match (before, self.identity()?) {
                    (Some(identity), Some(after)) if identity.same_file(&after) => {
                        self.open = Some(Open { connection, identity });
                        return Ok(());
                    }
                    _ => {}
                },
                Err(Trouble::Broken(why)) => return self.replace(before, &why),
                Err(trouble) => match (before, self.identity()?) {
                    (Some(before), Some(after)) if before.same_file(&after) => {
                        return Err(self.error(trouble.why()));
                    }
                    // It was opened while another process put it aside: whatever failed, failed in the middle of that.
                    (_, Some(_)) => std::thread::sleep(LOCK_PAUSE),
                    (_, None) => return Err(self.error(trouble.why())),
                },
            }
        }
        Err(self.error("other files keep taking its place"))
    }

    /// `broken`: the file that is to be put aside. It is closed: SQLite holds locks on it.
    fn replace(&mut self, broken: Option<FileIdentity>, why: &str) -> Result<(), StateError> {
        let _lock = self.lock()?;
        let now = self.identity()?;
        let still_there = now.zip(broken).is_none_or(|(now, broken)| now.same_file(&broken));
        if still_there {
            for suffix in ["", "-wal", "-shm"] {
                let from = with_suffix(&self.path, suffix);
                let to = with_suffix(&self.path, &format!(".broken{suffix}"));
                match self.files.rename(&from, &to) {
                    Err(e) if e.kind() != std::io::ErrorKind::NotFound => {
                        return Err(self.error(&format!("{why}; putting it aside: {e}")));
                    }
                    _ => {}
                }
            }
        }
        // Under the lock: whoever waits for it must find the new one, and nobody renames it meanwhile.
        let connection = self.connect().map_err(|trouble| self.error(trouble.why()))?;
        let identity = self.identity()?.ok_or_else(|| self.error("is gone again"))?;
        self.open = Some(Open { connection, identity });
        let what = if still_there { "put aside and started anew" } else { "another process started it anew" };
        self.warnings.push(format!("{}: {why}; {what}", self.path.display()));
        Ok(())
    }

    /// Held by one process at a time, for as long as it takes to make a file.
    fn lock(&self) -> Result<Box<dyn FileLock>, StateError> {
        let path = with_suffix(&self.path, ".lock");
        for _ in 0..LOCK_ATTEMPTS_MAX {
            match self.files.lock(&path) {
                Ok(lock) => return Ok(lock),
                Err(LockError::Held { .. }) => std::thread::sleep(LOCK_PAUSE),
                Err(LockError::Io(error)) => return Err(self.error(&format!("{}: {error}", path.display()))),
            }
        }
        Err(self.error("another process is starting it anew, and does not end"))
    }

    fn identity(&self) -> Result<Option<FileIdentity>, StateError> {
        self.files.identity(&self.path).map_err(|error| self.error(&error.to_string()))
    }

    fn connect(&self) -> Result<Connection, Trouble> {
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE
            | OpenFlags::SQLITE_OPEN_CREATE
            | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let mut connection = match &self.vfs {
            Some(vfs) => Connection::open_with_flags_and_vfs(&self.path, flags, vfs.as_str()),
            None => Connection::open_with_flags(&self.path, flags),
        }?;
        connection.busy_timeout(BUSY_TIMEOUT)?;
        let mode: String = connection.query_row("PRAGMA journal_mode = wal", [], |row| row.get(0))?;
        if mode != "wal" {
            return Err(Trouble::Other(format!("journal mode is {mode}")));
        }
        // A pending record must be durable before its object is sent.
        connection.execute_batch("PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON;")?;
        let check: String = connection.query_row("PRAGMA quick_check(1)", [], |row| row.get(0))?;
        if check != "ok" {
            return Err(Trouble::Broken(check));
        }
        match schema::prepare(&mut connection)? {
            Version::Current => Ok(connection),
            Version::Newer(version) => {
                Err(Trouble::Other(format!("format {version}, written by a later walsync: use that one")))
            }
            Version::Damaged => Err(Trouble::Broken("it contradicts itself about its format".to_owned())),
            Version::Foreign => Err(Trouble::Other("this is another application's database".to_owned())),
        }
    }
}

impl Trouble {
    pub(super) fn why(&self) -> &str {
        match self {
            Trouble::Broken(why) | Trouble::Illegal(why) | Trouble::Other(why) => why,
        }
    }
}

impl From<Error> for Trouble {
    fn from(error: Error) -> Trouble {
        let why = error.to_string();
        match error {
            Error::SqliteFailure(e, _)
                if matches!(e.code, ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) =>
            {
                Trouble::Broken(why)
            }
            // Our statements are always the same: the tables are not those of the format that the file says it has.
            Error::SqlInputError { .. } => Trouble::Broken(why),
            // The same where SQLite does not say at which word ("foreign key mismatch").
            Error::SqliteFailure(e, _) if e.extended_code == rusqlite::ffi::SQLITE_ERROR => {
                Trouble::Broken(why)
            }
            Error::FromSqlConversionFailure(..)
            | Error::IntegralValueOutOfRange(..)
            | Error::InvalidColumnType(..) => Trouble::Illegal(why),
            _ => Trouble::Other(why),
        }
    }
}

fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}

/// Another walsync of this host may be writing its own databases' state.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);
/// The first makes the file, the second finds it; the others are for files that others replace meanwhile.
const ATTEMPTS_MAX: u32 = 5;
/// Making a file takes milliseconds, on a busy disk seconds.
const LOCK_ATTEMPTS_MAX: u32 = 500;
const LOCK_PAUSE: Duration = Duration::from_millis(20);
