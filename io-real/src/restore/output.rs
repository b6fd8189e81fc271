//! The file that a restore makes, and what happens to the one that was there.
//!
//! A database that is replaced may have a WAL or a rollback journal beside it, without which its file is not
//! the database that it was, and which would be replayed into the new one. So it is first set aside as a whole,
//! the file before its companions, then the new file gets the name, and only then the old one is removed. After
//! a crash in between there is no database under that name, never a wrong one, and the old one is still there
//! (`app.db.walsync-replaced`, with `-wal` and the like). Without companions the new file takes the old one's
//! name in one step.
//!
//! A program that has the old database open goes on with a file that has no name any more: end it first. A
//! database that a running walsync follows is refused.

use super::OutputError;
use super::restorer::Record;
use super::temporary::{Temporary, sweep};
use crate::files::identity_of;
use rustix::fs::{FlockOperation, flock};
use std::ffi::OsString;
use std::fs::{File, Metadata};
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

/// What to do if the output exists.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IfExists {
    /// Fail.
    Refuse,
    /// Replace it, and remove its `-wal`, `-shm` and `-journal`.
    Replace,
}

/// A path that may be written to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Output {
    path: PathBuf,
    if_exists: IfExists,
}

impl Output {
    /// Checks that `path` may become a database. Symbolic links are followed: the file they name is written.
    ///
    /// # Errors
    /// It exists and may not be replaced, it is no file, its directory is missing or cannot be looked at.
    pub fn new(path: &Path, if_exists: IfExists) -> Result<Output, OutputError> {
        let path = real_path(path)?;
        let output = Output { path, if_exists };
        output.check()?;
        Ok(output)
    }

    /// Where the database will be, with symbolic links resolved.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Whether a path names something, be it a link to nothing.
    ///
    /// # Errors
    /// When that cannot be seen.
    pub fn exists(path: &Path) -> Result<bool, OutputError> {
        Ok(look(path)?.is_some())
    }

    /// A new file beside it, and nothing of earlier restores that were killed.
    pub(super) fn temporary(&self) -> Result<Temporary, OutputError> {
        sweep(&self.path);
        Temporary::create(&self.path)
    }

    /// Gives the finished file its name. What it holds is durable first; then it is told which file that is; then
    /// the name is durable.
    pub(super) fn publish(&self, finished: Temporary, record: Option<Record>) -> Result<(), OutputError> {
        let old = self.check()?;
        let _lock = self.lock_followed()?;
        if let Some(old) = &old {
            take_after(old, &finished.file);
        }
        finished.file.sync_all().map_err(|error| OutputError::of(&finished.path, error))?;
        if let Some(record) = record {
            let found = finished.file.metadata().map_err(|error| OutputError::of(&finished.path, error))?;
            record(&self.path, identity_of(&found).id());
        }
        let companions = self.companions()?;
        if self.if_exists == IfExists::Refuse && !companions.is_empty() {
            return Err(OutputError::Exists(companions));
        }
        if companions.is_empty() {
            self.give_name(&finished)?;
            finished.keep();
            return self.sync_dir();
        }
        let moved = self.set_aside()?;
        let named = self.sync_dir().and_then(|()| self.give_name(&finished));
        if let Err(error) = named {
            put_back(&moved);
            return Err(error);
        }
        finished.keep();
        self.sync_dir()?;
        // The old database is in nobody's way: what cannot be removed stays.
        moved.iter().for_each(|(_, aside)| drop(std::fs::remove_file(aside)));
        Ok(())
    }

    fn give_name(&self, finished: &Temporary) -> Result<(), OutputError> {
        let renamed = match self.if_exists {
            IfExists::Replace => std::fs::rename(&*finished.path, &self.path),
            IfExists::Refuse => rename_to_new(&finished.path, &self.path),
        };
        renamed.map_err(|error| match error.kind() {
            io::ErrorKind::AlreadyExists => OutputError::Exists(vec![self.path.clone()]),
            _ => OutputError::of(&self.path, error),
        })
    }

    /// Renames the database and then its companions, as far as they exist, so that together they are a
    /// database under another name; all or none.
    fn set_aside(&self) -> Result<Vec<(PathBuf, PathBuf)>, OutputError> {
        let mut moved = Vec::new();
        for suffix in [""].into_iter().chain(COMPANIONS) {
            let (from, to) = (self.beside(suffix), self.beside(&format!("{ASIDE}{suffix}")));
            match std::fs::rename(&from, &to) {
                Ok(()) => moved.push((from, to)),
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => {
                    put_back(&moved);
                    return Err(OutputError::of(&from, error));
                }
            }
        }
        Ok(moved)
    }

    /// What is under the name now, if it may be replaced.
    fn check(&self) -> Result<Option<Metadata>, OutputError> {
        let old = look(&self.path)?;
        if old.as_ref().is_some_and(|old| !old.is_file() && !old.is_symlink()) {
            return Err(OutputError::NotAFile(self.path.clone()));
        }
        if self.if_exists == IfExists::Refuse {
            let existing: Vec<PathBuf> =
                old.iter().map(|_| self.path.clone()).chain(self.companions()?).collect();
            if !existing.is_empty() {
                return Err(OutputError::Exists(existing));
            }
        }
        Ok(old)
    }

    /// The files beside it that SQLite would take for its own.
    fn companions(&self) -> Result<Vec<PathBuf>, OutputError> {
        let mut there = Vec::new();
        for companion in COMPANIONS.map(|suffix| self.beside(suffix)) {
            if look(&companion)?.is_some() {
                there.push(companion);
            }
        }
        Ok(there)
    }

    /// Keeps a walsync from following the database while it is replaced; refused if one does already.
    fn lock_followed(&self) -> Result<Option<File>, OutputError> {
        let mut name = OsString::from(".");
        name.push(self.path.file_name().unwrap_or_default());
        name.push("-walsync.lock");
        let path = self.path.with_file_name(name);
        // Never made here: without the file nobody follows it.
        let file = match File::open(&path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(OutputError::of(&path, error)),
        };
        match flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Err(rustix::io::Errno::WOULDBLOCK) => {
                let holder = std::fs::read_to_string(&path).unwrap_or_default().trim().to_owned();
                Err(OutputError::Followed { path: self.path.clone(), holder })
            }
            // A file system without locks has nobody holding one.
            _ => Ok(Some(file)),
        }
    }

    fn beside(&self, suffix: &str) -> PathBuf {
        let mut name = self.path.file_name().unwrap_or_default().to_owned();
        name.push(suffix);
        self.path.with_file_name(name)
    }

    fn sync_dir(&self) -> Result<(), OutputError> {
        let dir = self.path.parent().unwrap_or(Path::new("/"));
        let synced = File::open(dir).and_then(|dir| dir.sync_all());
        synced.map_err(|error| OutputError::of(dir, error))
    }
}

/// Undoes renames, the last one first: the database itself comes back when its companions are there.
fn put_back(moved: &[(PathBuf, PathBuf)]) {
    for (from, to) in moved.iter().rev() {
        if let Err(error) = std::fs::rename(to, from) {
            tracing::warn!(%error, from = %to.display(), to = %from.display(), "cannot be renamed back");
        }
    }
}

/// Absolute, links resolved: SQLite puts the companions beside the file that a link names.
fn real_path(path: &Path) -> Result<PathBuf, OutputError> {
    let path = std::path::absolute(path).map_err(|error| OutputError::of(path, error))?;
    let (Some(dir), Some(name)) = (path.parent(), path.file_name()) else {
        return Err(OutputError::NotAFile(path));
    };
    match std::fs::canonicalize(&path) {
        Ok(real) => return Ok(real),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) if error.kind() == io::ErrorKind::NotADirectory => {
            return Err(OutputError::NoDirectory(dir.to_owned()));
        }
        Err(error) => return Err(OutputError::of(&path, error)),
    }
    match std::fs::canonicalize(dir) {
        Ok(dir) if dir.is_dir() => Ok(dir.join(name)),
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(OutputError::of(dir, error)),
        _ => Err(OutputError::NoDirectory(dir.to_owned())),
    }
}

fn look(path: &Path) -> Result<Option<Metadata>, OutputError> {
    match path.symlink_metadata() {
        Ok(found) => Ok(Some(found)),
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
            Ok(None)
        }
        Err(error) => Err(OutputError::of(path, error)),
    }
}

/// The new file may be used by whoever could use the old one, as far as we may say so.
fn take_after(old: &Metadata, new: &File) {
    if !old.is_file() {
        return;
    }
    let owner = (rustix::fs::Uid::from_raw(old.uid()), rustix::fs::Gid::from_raw(old.gid()));
    let _ = rustix::fs::fchown(new, Some(owner.0), Some(owner.1));
    let _ = new.set_permissions(old.permissions());
}

/// Renames, unless the new name is taken.
fn rename_to_new(from: &Path, to: &Path) -> io::Result<()> {
    use rustix::fs::{CWD, RenameFlags, renameat_with};
    use rustix::io::Errno;
    match renameat_with(CWD, from, CWD, to, RenameFlags::NOREPLACE) {
        // A file system that cannot.
        Err(Errno::INVAL | Errno::NOSYS | Errno::NOTSUP) => link_to_new(from, to),
        done => Ok(done?),
    }
}

/// The same by a second name, which is not given either where it is taken.
fn link_to_new(from: &Path, to: &Path) -> io::Result<()> {
    match std::fs::hard_link(from, to) {
        Ok(()) => std::fs::remove_file(from),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Err(error),
        // A file system without links: looking and renaming are two steps there.
        Err(_) if to.symlink_metadata().is_err() => std::fs::rename(from, to),
        Err(_) => Err(io::ErrorKind::AlreadyExists.into()),
    }
}

/// What SQLite keeps beside a database.
const COMPANIONS: [&str; 3] = ["-wal", "-shm", "-journal"];
/// Appended to the name of a database that is being replaced.
const ASIDE: &str = ".walsync-replaced";

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    /// A finished restore of a database that was not there when it began.
    fn finished() -> (tempfile::TempDir, Output, Temporary) {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join("data")).unwrap();
        let output = Output::new(&dir.path().join("data/app.db"), IfExists::Refuse).unwrap();
        let finished = output.temporary().unwrap();
        fs::write(&*finished.path, "restored").unwrap();
        (dir, output, finished)
    }

    fn names(dir: &Path) -> Vec<String> {
        fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
    }

    #[test]
    fn what_somebody_made_meanwhile_is_left_as_it_is() {
        for made in ["app.db", "app.db-wal", "app.db-journal"] {
            let (dir, output, finished) = finished();
            let data = dir.path().join("data");
            fs::write(data.join(made), "theirs").unwrap();
            let error = output.publish(finished, None).unwrap_err();
            assert!(matches!(error, OutputError::Exists(_)), "{error}");
            assert_eq!(
                (names(&data), fs::read_to_string(data.join(made)).unwrap()),
                (vec![made.into()], "theirs".into())
            );
        }
    }

    #[test]
    fn name_that_was_taken_at_the_last_moment_is_not_taken_away() {
        for rename in [rename_to_new, link_to_new] {
            let dir = tempfile::tempdir().unwrap();
            let (from, to) = (dir.path().join("from"), dir.path().join("to"));
            fs::write(&from, "restored").unwrap();
            fs::write(&to, "theirs").unwrap();
            assert_eq!(rename(&from, &to).unwrap_err().kind(), io::ErrorKind::AlreadyExists);
            assert_eq!(fs::read_to_string(&to).unwrap(), "theirs");
            fs::remove_file(&to).unwrap();
            rename(&from, &to).unwrap();
            assert_eq!(
                (names(dir.path()), fs::read_to_string(&to).unwrap()),
                (vec!["to".into()], "restored".into())
            );
        }
    }

    #[test]
    fn directory_that_was_replaced_gets_nothing_and_keeps_nothing() {
        let (dir, output, finished) = finished();
        fs::rename(dir.path().join("data"), dir.path().join("aside")).unwrap();
        fs::create_dir(dir.path().join("data")).unwrap();
        output.publish(finished, None).unwrap_err();
        for dir in ["data", "aside"].map(|name| dir.path().join(name)) {
            assert_eq!(names(&dir), [""; 0], "{}", dir.display());
        }
    }
}
