//! The database that a restore replaces: how it makes room as a whole, and how it comes back.
//!
//! It goes to `app.db.walsync-replaced`, or, where a replacement that was killed has left one, to
//! `app.db.walsync-replaced.2` and so on, each with its `-wal` and the like as SQLite would look for them. All of
//! them stay until a new database is there for good. When that is, the caller decides.

use super::OutputError;
use crate::port::OutputFiles;
use engine::mutants::{Mutant, mutated};
use std::ffi::OsStr;
use std::fmt;
use std::path::{Path, PathBuf};

/// The old database, with what belongs to it.
pub(super) struct OldDatabase<'a> {
    files: &'a dyn OutputFiles,
    path: &'a Path,
    moved: Vec<Moved>,
}

/// A file that has another name than it had.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Moved {
    /// The name before.
    pub was: PathBuf,
    /// The name now.
    pub is: PathBuf,
}

impl fmt::Display for Moved {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "what was {} is {} now", self.was.display(), self.is.display())
    }
}

/// A name of something that was set aside.
struct Aside {
    number: u64,
    suffix: &'static str,
}

impl<'a> OldDatabase<'a> {
    /// Whatever is there under the name.
    pub(super) fn at(files: &'a dyn OutputFiles, path: &'a Path) -> OldDatabase<'a> {
        OldDatabase { files, path, moved: Vec::new() }
    }

    /// The files beside it that SQLite would take for its own.
    pub(super) fn companions(&self) -> Result<Vec<PathBuf>, OutputError> {
        let mut there = Vec::new();
        for companion in COMPANIONS.map(|suffix| beside(self.path, suffix)) {
            if self.exists(&companion)? {
                there.push(companion);
            }
        }
        Ok(there)
    }

    /// Renames the database and then its companions, as far as they exist, so that together they are a
    /// database under another name; all or none.
    pub(super) fn set_aside(&mut self) -> Result<(), OutputError> {
        let has_database = self.exists(self.path)?;
        let number = self.number_to_take(has_database)?;
        self.try_to_set_aside(has_database, number).map_err(|error| self.put_back(error))
    }

    /// That the database is gone from its name is durable before its companions go: a power cut may take one rename
    /// back and not the next, and without its log the old file is another database.
    fn try_to_set_aside(&mut self, has_database: bool, number: u64) -> Result<(), OutputError> {
        if has_database {
            self.move_aside(number, "")?;
            if !mutated(Mutant::RestoreCompanionsGoAtOnce) {
                self.sync_names()?;
            }
        }
        COMPANIONS.iter().try_for_each(|suffix| self.move_aside(number, suffix))
    }

    fn move_aside(&mut self, number: u64, suffix: &str) -> Result<(), OutputError> {
        let moved = Moved { was: beside(self.path, suffix), is: self.aside(number, suffix) };
        let renamed = if mutated(Mutant::RestoreAsideNotNumbered) {
            self.files.rename(&moved.was, &moved.is)
        } else {
            self.files.rename_to_new(&moved.was, &moved.is)
        };
        match renamed {
            Ok(()) => self.moved.push(moved),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            Err(error) => return Err(OutputError::of(&moved.was, error)),
        }
        Ok(())
    }

    /// One that nothing has. But without a database under the name, its companions belong to the one that was set aside
    /// last: a crash came in between.
    fn number_to_take(&self, has_database: bool) -> Result<u64, OutputError> {
        let all = self.all_aside()?;
        let last = all.iter().map(|aside| aside.number).max();
        let Some(last) = last.filter(|_| !mutated(Mutant::RestoreAsideNotNumbered)) else { return Ok(1) };
        let has = |suffix: &str| all.iter().any(|aside| aside.number == last && aside.suffix == suffix);
        let mut joins = has("") && !has_database;
        for suffix in COMPANIONS {
            joins = joins && !(has(suffix) && self.exists(&beside(self.path, suffix))?);
        }
        Ok(if joins { last } else { last.saturating_add(1) })
    }

    /// Undoes the renames because of an error, the last one first: the database itself comes back when its companions
    /// are there for certain. What cannot be undone stays set aside, with the database: without its log it would be
    /// an older one. The error that comes back tells of it.
    pub(super) fn put_back(&mut self, why: OutputError) -> OutputError {
        if mutated(Mutant::RestoreNotPutBack) {
            return why;
        }
        let (anything, companions) = (!self.moved.is_empty(), self.moved.len() > 1);
        if anything && self.exists(self.path).unwrap_or(true) {
            // Somebody has made a database there meanwhile: these logs would be taken for its own.
            return self.tell(why);
        }
        while let Some(last) = self.moved.last() {
            let certain = if last.was == self.path && companions { self.sync_names() } else { Ok(()) };
            let back = certain.and_then(|()| {
                let renamed = self.files.rename_to_new(&last.is, &last.was);
                renamed.map_err(|error| OutputError::of(&last.is, error))
            });
            if let Err(error) = back {
                tracing::error!(%error, "the old database stays set aside");
                return self.tell(why);
            }
            self.moved.pop();
        }
        if anything && let Err(error) = self.sync_names() {
            tracing::warn!(%error, "the old database has its name again, perhaps not for good");
        }
        why
    }

    /// An error, and what has another name now.
    pub(super) fn tell(&self, error: OutputError) -> OutputError {
        if self.moved.is_empty() {
            return error;
        }
        OutputError::SetAside { error: Box::new(error), moved: self.moved.clone() }
    }

    /// Removes whatever any restore set aside. It is in nobody's way: what cannot be removed stays.
    pub(super) fn remove_all_aside(&self) {
        let Ok(all) = self.all_aside() else { return };
        let removed = all.iter().filter(|it| self.files.remove(&self.aside(it.number, it.suffix)).is_ok());
        if removed.count() > 0 {
            // Else a power cut may bring a log back, without its database.
            let _ = self.sync_names();
        }
    }

    fn all_aside(&self) -> Result<Vec<Aside>, OutputError> {
        let dir = self.path.parent().unwrap_or(Path::new("/"));
        let names = self.files.names(dir).map_err(|error| OutputError::of(dir, error))?;
        let first = self.aside(1, "");
        let first = first.file_name().unwrap_or_default();
        Ok(names.iter().filter_map(|name| Aside::parse(name, first)).collect())
    }

    fn aside(&self, number: u64, suffix: &str) -> PathBuf {
        let number = if number == 1 { String::new() } else { format!(".{number}") };
        beside(self.path, &format!("{ASIDE}{number}{suffix}"))
    }

    fn exists(&self, path: &Path) -> Result<bool, OutputError> {
        let found = self.files.look(path).map_err(|error| OutputError::of(path, error))?;
        Ok(found.is_some())
    }

    /// Makes the names durable.
    pub(super) fn sync_names(&self) -> Result<(), OutputError> {
        let dir = self.path.parent().unwrap_or(Path::new("/"));
        self.files.sync_folder(dir).map_err(|error| OutputError::of(dir, error))
    }
}

impl Aside {
    /// Reads what [`OldDatabase::aside`] makes, of which `first` is the first one's; `None` for other names.
    fn parse(name: &OsStr, first: &OsStr) -> Option<Aside> {
        let rest = name.as_encoded_bytes().strip_prefix(first.as_encoded_bytes())?;
        let rest = std::str::from_utf8(rest).ok()?;
        let suffix = COMPANIONS.into_iter().find(|suffix| rest.ends_with(suffix)).unwrap_or("");
        let number = match rest.strip_suffix(suffix)?.strip_prefix('.') {
            None if rest == suffix => 1,
            None => return None,
            Some(digits) => digits.parse().ok().filter(|it: &u64| *it > 1 && it.to_string() == digits)?,
        };
        Some(Aside { number, suffix })
    }
}

fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(suffix);
    path.with_file_name(name)
}

/// What SQLite keeps beside a database.
const COMPANIONS: [&str; 3] = ["-wal", "-shm", "-journal"];
/// Appended to the name of a database that is being replaced.
const ASIDE: &str = ".walsync-replaced";

#[cfg(test)]
mod tests;
