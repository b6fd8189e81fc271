//! The file that a restore makes, and what happens to the one that was there.
//!
//! A database that is replaced may have a WAL or a rollback journal beside it, without which its file is not
//! the database that it was, and which would be replayed into the new one. So it is first set aside as a whole
//! (`set_aside`), then the new file gets the name, and only then the old one is removed. After a crash in between
//! there is no database under that name, never a wrong one, and the old one is still there until the next
//! replacement there succeeds. Without companions the new file takes the old one's name in one step.
//!
//! A program that has the old database open goes on with a file that has no name any more: end it first. A
//! database that a running walsync follows is refused.

use super::OutputError;
use super::restorer::Record;
use super::set_aside::OldDatabase;
use super::temporary::{Temporary, sweep};
use crate::files::RealOutputFiles;
use crate::port::{FileKind, FileLock, LockError, OutputFiles};
use engine::mutants::{Mutant, mutated};
use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// What to do if the output exists.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IfExists {
    /// Fail.
    Refuse,
    /// Replace it, and remove its `-wal`, `-shm` and `-journal`.
    Replace,
}

/// A path that may be written to.
#[derive(Clone, Debug)]
pub struct Output {
    pub(super) files: Arc<dyn OutputFiles>,
    path: PathBuf,
    if_exists: IfExists,
}

impl Output {
    /// Checks that `path` may become a database. Symbolic links are followed: the file they name is written.
    ///
    /// # Errors
    /// It exists and may not be replaced, it is no file, its directory is missing or cannot be looked at.
    pub fn new(path: &Path, if_exists: IfExists) -> Result<Output, OutputError> {
        Output::on(Arc::new(RealOutputFiles), path, if_exists)
    }

    /// The same on another file system than the real one.
    ///
    /// # Errors
    /// As [`Output::new`].
    pub fn on(files: Arc<dyn OutputFiles>, path: &Path, if_exists: IfExists) -> Result<Output, OutputError> {
        let path = real_path(&*files, path)?;
        let if_exists = if mutated(Mutant::RestoreReplacesUnasked) { IfExists::Replace } else { if_exists };
        let output = Output { files, path, if_exists };
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
        Ok(look(&RealOutputFiles, path)?.is_some())
    }

    /// A new file beside it, and nothing of earlier restores that were killed.
    pub(super) fn temporary(&self) -> Result<Temporary, OutputError> {
        sweep(&*self.files, &self.path);
        Temporary::create(&*self.files, &self.path)
    }

    /// Gives the finished file its name. What it holds is durable first; then it is told which file that is; then
    /// the name is durable.
    pub(super) fn publish(&self, finished: Temporary, record: Option<Record>) -> Result<(), OutputError> {
        let there = self.check()?;
        let _lock = self.lock_followed()?;
        if there == Some(FileKind::File) {
            finished.file.take_after(&self.path);
        }
        let mut record = record;
        if mutated(Mutant::RestoreProofBeforeSync) {
            self.tell(&finished, record.take())?;
        }
        if !mutated(Mutant::RestoreNamedBeforeSync) {
            finished.file.sync().map_err(|error| OutputError::of(&finished.path, error))?;
        }
        self.tell(&finished, record)?;
        let mut old = OldDatabase::at(&*self.files, &self.path);
        let companions = old.companions()?;
        if self.if_exists == IfExists::Refuse && !companions.is_empty() {
            return Err(OutputError::Exists(companions));
        }
        if !companions.is_empty() && !mutated(Mutant::RestoreCompanionsLeft) {
            self.make_room(&mut old)?;
        }
        self.give_name(&finished).map_err(|error| old.put_back(error))?;
        finished.keep();
        if !mutated(Mutant::RestoreNameNotSynced) {
            old.sync_names().map_err(|error| old.tell(error))?;
        }
        if self.if_exists == IfExists::Replace {
            old.remove_all_aside();
        }
        Ok(())
    }

    fn tell(&self, finished: &Temporary, record: Option<Record>) -> Result<(), OutputError> {
        if let Some(record) = record {
            let file = finished.file.id().map_err(|error| OutputError::of(&finished.path, error))?;
            record(&self.path, file);
        }
        Ok(())
    }

    fn make_room(&self, old: &mut OldDatabase<'_>) -> Result<(), OutputError> {
        old.set_aside()?;
        if mutated(Mutant::RestoreOldRemovedFirst) {
            old.remove_all_aside();
        }
        if mutated(Mutant::RestoreSetAsideNotSynced) {
            return Ok(());
        }
        old.sync_names().map_err(|error| old.put_back(error))
    }

    fn give_name(&self, finished: &Temporary) -> Result<(), OutputError> {
        let renamed = match self.if_exists {
            IfExists::Replace => self.files.rename(&finished.path, &self.path),
            IfExists::Refuse => self.files.rename_to_new(&finished.path, &self.path),
        };
        renamed.map_err(|error| match error.kind() {
            io::ErrorKind::AlreadyExists => OutputError::Exists(vec![self.path.clone()]),
            _ => OutputError::of(&self.path, error),
        })
    }

    /// What is under the name now, if it may be replaced.
    fn check(&self) -> Result<Option<FileKind>, OutputError> {
        let old = look(&*self.files, &self.path)?;
        if old == Some(FileKind::Other) {
            return Err(OutputError::NotAFile(self.path.clone()));
        }
        if self.if_exists == IfExists::Refuse {
            let existing: Vec<PathBuf> = old
                .iter()
                .map(|_| self.path.clone())
                .chain(OldDatabase::at(&*self.files, &self.path).companions()?)
                .collect();
            if !existing.is_empty() {
                return Err(OutputError::Exists(existing));
            }
        }
        Ok(old)
    }

    /// Keeps a walsync from following the database while it is replaced; refused if one does already.
    fn lock_followed(&self) -> Result<Option<Box<dyn FileLock>>, OutputError> {
        let mut name = OsString::from(".");
        name.push(self.path.file_name().unwrap_or_default());
        name.push("-walsync.lock");
        let path = self.path.with_file_name(name);
        // Never made here: without the file nobody follows it.
        self.files.lock_if_there(&path).map_err(|error| match error {
            LockError::Held { holder } => OutputError::Followed { path: self.path.clone(), holder },
            LockError::Io(error) => OutputError::of(&path, error),
        })
    }
}

/// Absolute, links resolved: SQLite puts the companions beside the file that a link names.
fn real_path(files: &dyn OutputFiles, path: &Path) -> Result<PathBuf, OutputError> {
    let path = std::path::absolute(path).map_err(|error| OutputError::of(path, error))?;
    let (Some(dir), Some(name)) = (path.parent(), path.file_name()) else {
        return Err(OutputError::NotAFile(path));
    };
    match files.real_path(&path) {
        Ok(real) => return Ok(real),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) if error.kind() == io::ErrorKind::NotADirectory => {
            return Err(OutputError::NoDirectory(dir.to_owned()));
        }
        Err(error) => return Err(OutputError::of(&path, error)),
    }
    match files.real_folder(dir) {
        Ok(dir) => Ok(dir.join(name)),
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
            Err(OutputError::NoDirectory(dir.to_owned()))
        }
        Err(error) => Err(OutputError::of(dir, error)),
    }
}

fn look(files: &dyn OutputFiles, path: &Path) -> Result<Option<FileKind>, OutputError> {
    files.look(path).map_err(|error| OutputError::of(path, error))
}

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
