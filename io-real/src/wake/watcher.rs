//! One watcher for all databases, one watch per directory.

use super::directory::Directories;
use crate::driver::Poker;
use engine::replicate::SourceId;
use notify::event::{AccessKind, AccessMode, EventKind};
use notify::{Event, RecommendedWatcher, RecursiveMode, Watcher as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Watches the files of databases and pokes the driver when they change.
pub struct Wake {
    watcher: Mutex<RecommendedWatcher>,
    directories: Arc<Mutex<Directories>>,
}

/// Why there will be no notifications; replication goes on with a look every second.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("cannot watch {}: {reason}", .path.display())]
pub struct WakeError {
    /// The directory, or nothing where the system has no notifications at all.
    pub path: PathBuf,
    /// What the system said.
    pub reason: String,
}

impl Wake {
    /// Starts the watcher's thread.
    pub fn start(poker: Poker) -> Result<Wake, WakeError> {
        let directories: Arc<Mutex<Directories>> = Arc::default();
        let shared = directories.clone();
        let on_event = move |event: notify::Result<Event>| react(&lock(&shared), event, &poker);
        let watcher = notify::recommended_watcher(on_event).map_err(|e| error(Path::new(""), &e))?;
        Ok(Wake { watcher: Mutex::new(watcher), directories })
    }

    /// Watches a database. Its directory must exist, the file need not. A symbolic link is followed: SQLite
    /// keeps the log beside the file itself.
    pub fn watch(&self, path: &Path, id: SourceId) -> Result<(), WakeError> {
        let (directory, file) = real(path)?;
        if !lock(&self.directories).add(&directory, file.file_name().unwrap_or_default(), id) {
            return Ok(());
        }
        let watched = lock(&self.watcher).watch(&directory, RecursiveMode::NonRecursive);
        watched.map_err(|e| {
            lock(&self.directories).forget(&directory);
            error(&directory, &e)
        })
    }

    /// Watches a database no more.
    pub fn unwatch(&self, id: SourceId) {
        let empty = lock(&self.directories).remove(id);
        if let Some(directory) = empty {
            // It is gone already, or else it is removed with the watcher.
            let _ = lock(&self.watcher).unwatch(&directory);
        }
    }
}

fn react(directories: &Directories, event: notify::Result<Event>, poker: &Poker) {
    match event {
        Ok(event) if event.need_rescan() => directories.all().for_each(|id| poker.poke(id)),
        Ok(event) if is_change(event.kind) => {
            event.paths.iter().filter_map(|path| directories.owner(path)).for_each(|id| poker.poke(id));
        }
        Ok(_) => {}
        // Something may have been missed.
        Err(_) => directories.all().for_each(|id| poker.poke(id)),
    }
}

/// Reading is no change; the end of writing is.
fn is_change(kind: EventKind) -> bool {
    !matches!(kind, EventKind::Access(access) if access != AccessKind::Close(AccessMode::Write))
}

/// The directory and the path of the file, without symbolic links where the file exists.
fn real(path: &Path) -> Result<(PathBuf, PathBuf), WakeError> {
    let failed = |e: std::io::Error| WakeError { path: path.to_owned(), reason: e.to_string() };
    let file = match std::fs::canonicalize(path) {
        Ok(file) => file,
        Err(_) => {
            let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty());
            let parent = std::fs::canonicalize(parent.unwrap_or(Path::new("."))).map_err(failed)?;
            parent.join(path.file_name().unwrap_or_default())
        }
    };
    let directory = file.parent().unwrap_or(Path::new("/")).to_owned();
    Ok((directory, file))
}

fn error(path: &Path, error: &notify::Error) -> WakeError {
    WakeError { path: path.to_owned(), reason: error.to_string() }
}

/// Nothing panics while these are locked.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
