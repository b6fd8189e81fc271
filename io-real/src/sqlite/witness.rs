//! Whether the files are still those that were opened (docs/design.md section 3, rule 4).
//!
//! Two kinds of foreign writes are told apart from SQLite's own: another file under the path (`mv`, `rm`), and
//! new content in the same file (`cp`). In WAL mode only checkpoints write to the database file, and every
//! checkpoint shows in the wal-index: before its first write in nBackfillAttempted, after its last in
//! nBackfill, or, when the log was restarted since, in the salts. A change without such a trace is foreign; so is
//! one while nothing can be copied under the pin; and so is one with such a trace when the file does not hold what
//! was copied ([`Copied`]).
//!
//! A change of attributes alone (`chmod`, another link) moves only ctime. Who writes moves mtime as well, and to
//! set it back to the very nanosecond takes intent: what was copied is looked at, and that suffices.

use super::copied::Copied;
use super::error::from_system;
use super::wal_index::WalIndex;
use crate::port::{FileIdentity, Files};
use engine::mutants::{Mutant, mutated};
use engine::replicate::SourceError;
use engine::types::Salts;
use std::path::{Path, PathBuf};

/// Where the three files are.
#[derive(Clone, Debug)]
pub(super) struct Paths {
    /// As configured; may be a symbolic link.
    pub(super) configured: PathBuf,
    /// Without symbolic links.
    pub(super) database: PathBuf,
    /// Beside it.
    pub(super) wal: PathBuf,
    /// Beside it.
    pub(super) shm: PathBuf,
}

impl Paths {
    /// Of a database whose links were resolved.
    pub(super) fn new(configured: &Path, real: &Path) -> Paths {
        let beside = |suffix: &str| {
            let mut name = real.as_os_str().to_owned();
            name.push(suffix);
            PathBuf::from(name)
        };
        Paths {
            configured: configured.to_owned(),
            database: real.to_owned(),
            wal: beside("-wal"),
            shm: beside("-shm"),
        }
    }
}

/// What the files were when they were last found in order.
#[derive(Clone, Debug)]
pub(super) struct Witness {
    database: FileIdentity,
    wal: Option<FileIdentity>,
    shm: Option<FileIdentity>,
    trace: Option<Trace>,
    /// The database file was seen like this under a pin under which nothing can be copied into it.
    still: bool,
    /// An unfinished checkpoint that was there at the start, and the looks that a change was put down to it.
    inherited: Option<(Trace, u32)>,
    /// An unfinished checkpoint that nobody was making at the last check: it writes no more.
    dead: Option<Trace>,
}

/// What checkpoints leave in the wal-index.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Trace {
    salts: Salts,
    backfilled: u32,
    attempted: u32,
}

impl Trace {
    fn of(index: &WalIndex) -> Trace {
        Trace { salts: index.end.salts(), backfilled: index.backfilled, attempted: index.attempted }
    }

    /// A checkpoint began and did not finish: it is running, it died, or (after a recovery) SQLite forgot.
    fn unfinished(&self) -> bool {
        self.attempted > self.backfilled
    }
}

/// The files in order.
pub(super) struct Checked {
    /// Length of the WAL file.
    pub(super) wal_bytes: u64,
    /// The wal-index, read last.
    pub(super) index: Option<WalIndex>,
}

impl Witness {
    /// At the first pin. `opened` is what the path named before it was opened.
    pub(super) fn first(
        files: &dyn Files,
        paths: &Paths,
        opened: &FileIdentity,
        index: impl Fn() -> Result<Option<WalIndex>, SourceError>,
    ) -> Result<Witness, SourceError> {
        let trace = index()?.as_ref().map(Trace::of);
        let database = stat(files, &paths.configured)?.filter(|now| now.same_file(opened));
        let Some(database) = database else {
            return Err(replaced("another file took the database's path while it was opened"));
        };
        let (wal, shm) = (stat(files, &paths.wal)?, stat(files, &paths.shm)?);
        let inherited = trace.filter(Trace::unfinished).map(|trace| (trace, 0));
        Ok(Witness { database, wal, shm, trace, still: false, inherited, dead: None })
    }

    /// The anchor is another pin now. When nothing can be copied under it, a file that was found as it was at the last
    /// check stays so for as long as the pin: it is `still`.
    pub(super) fn anchor_moved(&mut self, still: bool) {
        self.still = still;
    }

    /// Whether the database file is as it was at the last check.
    pub(super) fn is_as_checked(&self, files: &dyn Files, paths: &Paths) -> bool {
        matches!(stat(files, &paths.configured), Ok(Some(now)) if now == self.database)
    }

    /// Whether a checkpoint had begun and not finished at the last check.
    pub(super) fn sees_unfinished(&self) -> bool {
        self.trace.as_ref().is_some_and(Trace::unfinished)
    }

    /// Nobody makes it any more.
    pub(super) fn unfinished_is_dead(&mut self) {
        self.dead = self.trace.filter(|_| !mutated(Mutant::DeadCheckpointExplains));
    }

    /// Another checkpoint begins: it may get no further than the dead one, and not to its end.
    pub(super) fn another_begins(&mut self) {
        self.dead = None;
        self.inherited = None;
    }

    /// The pin ended: from now on others and we may copy.
    pub(super) fn pin_ended(&mut self) {
        self.still = false;
    }

    /// Compares. The wal-index is read before and after the files: a checkpoint that runs meanwhile must
    /// explain a change now, and must not hide in the trace that the next change is compared with. `copied`
    /// compares what was copied.
    pub(super) fn check(
        &mut self,
        files: &dyn Files,
        paths: &Paths,
        index: impl Fn() -> Result<Option<WalIndex>, SourceError>,
        copied: impl Fn(&WalIndex) -> Result<Copied, SourceError>,
        nobody_copies: impl Fn() -> bool,
    ) -> Result<Checked, SourceError> {
        let before = index()?;
        let database = stat(files, &paths.configured)?;
        let (wal, shm) = (stat(files, &paths.wal)?, stat(files, &paths.shm)?);
        let after = index()?;

        let Some(database) = database else { return Err(replaced("the database file is gone")) };
        if !database.same_file(&self.database) {
            return Err(replaced("another file has the database's path"));
        }
        same_companion("-wal", self.wal.as_ref(), wal.as_ref())?;
        same_companion("-shm", self.shm.as_ref(), shm.as_ref())?;
        let same_times = mutated(Mutant::TimesIgnored) && database.size_bytes == self.database.size_bytes;
        if database != self.database && !same_times {
            let written = (database.size_bytes, database.modified_ns)
                != (self.database.size_bytes, self.database.modified_ns);
            if written {
                self.explain(after.as_ref(), nobody_copies)?;
            }
            // Not known yet: the next check has the same to explain.
            let Some(index) = &after else { return Err(SourceError::Busy) };
            match copied(index)? {
                Copied::Consistent => {}
                Copied::Another(pgno) => {
                    return Err(replaced(&format!("page {pgno} is not what a checkpoint has written")));
                }
                Copied::Unclear => return Err(SourceError::Busy),
            }
        }
        self.database = database;
        self.wal = wal;
        self.shm = shm;
        self.trace = before.as_ref().map(Trace::of);
        Ok(Checked { wal_bytes: wal.map_or(0, |wal| wal.size_bytes), index: after })
    }

    /// The database file changed: was it a checkpoint?
    fn explain(
        &mut self,
        now: Option<&WalIndex>,
        nobody_copies: impl Fn() -> bool,
    ) -> Result<(), SourceError> {
        if self.still {
            return Err(replaced("the database file was written under a pin that holds up every checkpoint"));
        }
        let (Some(then), Some(now)) = (self.trace, now.map(Trace::of)) else { return Ok(()) };
        if then != now {
            self.inherited = None;
            return Ok(());
        }
        let foreign = || Err(replaced("the database file was written, but not by a checkpoint"));
        match &mut self.inherited {
            // Perhaps the one that was unfinished at the start, perhaps not: nothing of ours may be written
            // meanwhile, and if it leaves no trace for long it was none.
            Some((inherited, looks)) if *inherited == now => {
                *looks += 1;
                if *looks > INHERITED_LOOKS_MAX { foreign() } else { Err(SourceError::Busy) }
            }
            // One that was seen to begin, and may go on; or another, which has got no further, yet.
            _ if now.unfinished() && (self.dead != Some(now) || !nobody_copies()) => Ok(()),
            _ => foreign(),
        }
    }
}

/// A companion file may appear; it may not vanish or become another.
fn same_companion(
    name: &str,
    then: Option<&FileIdentity>,
    now: Option<&FileIdentity>,
) -> Result<(), SourceError> {
    match (then, now) {
        (Some(_), None) => Err(replaced(&format!("the {name} file is gone"))),
        (Some(then), Some(now)) if !then.same_file(now) => Err(replaced(&format!("another {name} file"))),
        _ => Ok(()),
    }
}

fn stat(files: &dyn Files, path: &Path) -> Result<Option<FileIdentity>, SourceError> {
    files.identity(path).map_err(|e| from_system("stat", &e))
}

fn replaced(why: &str) -> SourceError {
    SourceError::Replaced(why.into())
}

/// Looks for which a change is put down to a checkpoint that was unfinished at the start.
const INHERITED_LOOKS_MAX: u32 = 8;

#[cfg(test)]
mod tests;
