//! Which file of which directory belongs to which database.

use engine::replicate::SourceId;
use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};

/// The databases of each watched directory, by file name.
#[derive(Debug, Default)]
pub(super) struct Directories(BTreeMap<PathBuf, BTreeMap<OsString, SourceId>>);

impl Directories {
    /// Adds a database; whether its directory is new.
    pub(super) fn add(&mut self, directory: &Path, file: &OsStr, id: SourceId) -> bool {
        let new = !self.0.contains_key(directory);
        self.0.entry(directory.to_owned()).or_default().insert(file.to_owned(), id);
        new
    }

    /// Takes a database out; the directory if it was the last in it.
    pub(super) fn remove(&mut self, id: SourceId) -> Option<PathBuf> {
        let (directory, files) = self.0.iter_mut().find(|(_, files)| files.values().any(|v| *v == id))?;
        files.retain(|_, owner| *owner != id);
        let directory = files.is_empty().then(|| directory.clone())?;
        self.0.remove(&directory);
        Some(directory)
    }

    /// Forgets a directory that cannot be watched.
    pub(super) fn forget(&mut self, directory: &Path) {
        self.0.remove(directory);
    }

    /// The database that a changed file belongs to: it, or its log.
    pub(super) fn owner(&self, changed: &Path) -> Option<SourceId> {
        let files = self.0.get(changed.parent()?)?;
        let name = changed.file_name()?;
        if let Some(id) = files.get(name) {
            return Some(*id);
        }
        let database = name.as_encoded_bytes().strip_suffix(b"-wal")?;
        files.iter().find(|(file, _)| file.as_encoded_bytes() == database).map(|(_, id)| *id)
    }

    /// All databases.
    pub(super) fn all(&self) -> impl Iterator<Item = SourceId> {
        self.0.values().flat_map(|files| files.values().copied())
    }
}
