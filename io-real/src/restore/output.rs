//! The file that a restore makes, and what happens to the one that was there.
//!
//! A database that is replaced may have a WAL or a rollback journal beside it, without which its file is not
//! the database that it was, and which would be replayed into the new one. So it is first set aside as a whole,
//! the file before its companions, then the new file gets the name, and only then the old one is removed. After
//! a crash in between there is no database under that name, never a wrong one, and the old one is still there
//! (`app.db.walsync-replaced`, with `-wal` and the like) until the next replacement there succeeds. Without companions
//! the new file takes the old one's name in one step.
//!
//! A program that has the old database open goes on with a file that has no name any more: end it first. A
//! database that a running walsync follows is refused.

use super::OutputError;
use super::restorer::Record;
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
        let old = self.check()?;
        let _lock = self.lock_followed()?;
        if old == Some(FileKind::File) {
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
        let companions = self.companions()?;
        if self.if_exists == IfExists::Refuse && !companions.is_empty() {
            return Err(OutputError::Exists(companions));
        }
        if companions.is_empty() || mutated(Mutant::RestoreCompanionsLeft) {
            self.give_name(&finished)?;
        } else {
            let moved = self.set_aside()?;
            if mutated(Mutant::RestoreOldRemovedFirst) {
                self.remove_aside();
            }
            if let Err(error) = self.set_aside_is_durable().and_then(|()| self.give_name(&finished)) {
                self.put_back(&moved);
                return Err(error);
            }
        }
        finished.keep();
        if !mutated(Mutant::RestoreNameNotSynced) {
            self.sync_dir()?;
        }
        if self.if_exists == IfExists::Replace {
            self.remove_aside();
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

    fn set_aside_is_durable(&self) -> Result<(), OutputError> {
        if mutated(Mutant::RestoreSetAsideNotSynced) { Ok(()) } else { self.sync_dir() }
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

    /// Renames the database and then its companions, as far as they exist, so that together they are a
    /// database under another name; all or none.
    ///
    /// That the database is gone from its name is durable before its companions go: a power cut may take one rename
    /// back and not the next, and without its log the old file is another database.
    fn set_aside(&self) -> Result<Vec<Renamed>, OutputError> {
        self.make_room_aside()?;
        let mut moved = Vec::new();
        let done = self.rename_aside("", &mut moved).and_then(|()| {
            if !moved.is_empty() && !mutated(Mutant::RestoreCompanionsGoAtOnce) {
                self.sync_dir()?;
            }
            COMPANIONS.iter().try_for_each(|suffix| self.rename_aside(suffix, &mut moved))
        });
        match done {
            Ok(()) => Ok(moved),
            Err(error) => {
                self.put_back(&moved);
                Err(error)
            }
        }
    }

    fn rename_aside(&self, suffix: &str, moved: &mut Vec<Renamed>) -> Result<(), OutputError> {
        let (from, to) = (self.beside(suffix), self.aside(suffix));
        match self.files.rename(&from, &to) {
            Ok(()) => moved.push((from, to)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(OutputError::of(&from, error)),
        }
        Ok(())
    }

    /// Removes the companions of another database that was set aside, and left by a crash: beside the one that is set
    /// aside now they would be taken for its own. Without a database under the name they are what belongs to it.
    fn make_room_aside(&self) -> Result<(), OutputError> {
        if look(&*self.files, &self.path)?.is_none() {
            return Ok(());
        }
        let mut removed = false;
        for old in COMPANIONS.map(|suffix| self.aside(suffix)) {
            match self.files.remove(&old) {
                Ok(()) => removed = true,
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(OutputError::of(&old, error)),
            }
        }
        if removed { self.sync_dir() } else { Ok(()) }
    }

    /// Removes the old database, whichever restore set it aside. It is in nobody's way: what cannot be removed stays.
    fn remove_aside(&self) {
        let names = [""].into_iter().chain(COMPANIONS);
        let removed = names.filter(|suffix| self.files.remove(&self.aside(suffix)).is_ok()).count();
        if removed > 0 {
            // Else a power cut brings one of them back, beside what is set aside next.
            let _ = self.sync_dir();
        }
    }

    /// What is under the name now, if it may be replaced.
    fn check(&self) -> Result<Option<FileKind>, OutputError> {
        let old = look(&*self.files, &self.path)?;
        if old == Some(FileKind::Other) {
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
            if look(&*self.files, &companion)?.is_some() {
                there.push(companion);
            }
        }
        Ok(there)
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

    fn beside(&self, suffix: &str) -> PathBuf {
        let mut name = self.path.file_name().unwrap_or_default().to_owned();
        name.push(suffix);
        self.path.with_file_name(name)
    }

    fn aside(&self, suffix: &str) -> PathBuf {
        self.beside(&format!("{ASIDE}{suffix}"))
    }

    fn sync_dir(&self) -> Result<(), OutputError> {
        let dir = self.path.parent().unwrap_or(Path::new("/"));
        self.files.sync_folder(dir).map_err(|error| OutputError::of(dir, error))
    }

    /// Undoes renames, the last one first: the database itself comes back when its companions are there for certain.
    /// What cannot be undone stays set aside, with the database: without its log it would be an older one.
    fn put_back(&self, moved: &[Renamed]) {
        for (from, to) in moved.iter().rev() {
            let certain = if *from == self.path && moved.len() > 1 { self.sync_dir() } else { Ok(()) };
            let back = certain
                .and_then(|()| self.files.rename(to, from).map_err(|error| OutputError::of(to, error)));
            if let Err(error) = back {
                tracing::error!(%error, aside = %self.aside("").display(), "the old database stays set aside");
                return;
            }
        }
        if !moved.is_empty()
            && let Err(error) = self.sync_dir()
        {
            tracing::warn!(%error, "the old database has its name again, perhaps not for good");
        }
    }
}

/// The name before, and the name now.
type Renamed = (PathBuf, PathBuf);

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
