//! Linux: inotify, with watches that end with the first change.
//!
//! A watch of every change costs a writer that never rests a tenth of its time, in the kernel, for events that say what
//! is known already. So the watch of a file is good for one event, and the next look sets it again before it reads.

use super::real::{Files, real};
use super::{Armed, WakeError};
use crate::driver::Poker;
use engine::replicate::{Hint, SourceId};
use inotify::{EventMask, Inotify, WatchDescriptor, WatchMask, Watches};
use std::collections::{BTreeMap, HashMap, HashSet};
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Watches the files of databases and pokes the driver when they change. Clones watch for the same driver.
#[derive(Clone)]
pub struct Wake(Arc<Mutex<Watched>>);

struct Watched {
    watches: Watches,
    databases: BTreeMap<SourceId, Database>,
    /// By the path that is configured.
    ids: HashMap<PathBuf, SourceId>,
    /// By the real paths of database and log.
    places: HashMap<PathBuf, (SourceId, Hint)>,
    files: HashMap<WatchDescriptor, (SourceId, Hint)>,
    /// Watches that are being set and are not noted yet.
    adding: u32,
    /// Watches that ended meanwhile.
    ended: HashSet<WatchDescriptor>,
    /// How often the kernel has lost events.
    losses: u64,
    /// It was said that files cannot be watched.
    has_warned: bool,
    directories: HashMap<WatchDescriptor, PathBuf>,
}

struct Database {
    files: Files,
    /// Whether the next change of the file, and of its log, will be told.
    is_armed: [bool; 2],
}

impl Wake {
    /// Starts the thread that waits for changes.
    pub fn start(poker: Poker) -> Result<Wake, WakeError> {
        let failed = |e: std::io::Error| WakeError { path: PathBuf::new(), reason: e.to_string() };
        let inotify = Inotify::init().map_err(failed)?;
        let watches = inotify.watches();
        let watched = Arc::new(Mutex::new(Watched {
            watches,
            databases: BTreeMap::new(),
            ids: HashMap::new(),
            places: HashMap::new(),
            files: HashMap::new(),
            adding: 0,
            ended: HashSet::new(),
            losses: 0,
            has_warned: false,
            directories: HashMap::new(),
        }));
        let weak = Arc::downgrade(&watched);
        let waits = move || wait(inotify, || weak.upgrade(), &poker);
        std::thread::Builder::new().name("wake".to_owned()).spawn(waits).map_err(failed)?;
        Ok(Wake(watched))
    }

    /// Watches a database. Its directory must exist, the file need not. A symbolic link is followed: SQLite
    /// keeps the log beside the file itself.
    pub fn watch(&self, path: &Path, id: SourceId) -> Result<(), WakeError> {
        let files = real(path)?;
        let mask = WatchMask::CREATE | WatchMask::DELETE | WatchMask::MOVE | WatchMask::ONLYDIR;
        let directory = files.directory.clone();
        let mut watches = self.watched().watches.clone();
        let descriptor = watches
            .add(&directory, mask)
            .map_err(|e| WakeError { path: directory.clone(), reason: e.to_string() })?;
        let mut watched = self.watched();
        watched.directories.insert(descriptor, directory);
        watched.ids.insert(path.to_owned(), id);
        watched.places.insert(files.database.clone(), (id, Hint::Database));
        watched.places.insert(files.log.clone(), (id, Hint::Log));
        watched.databases.insert(id, Database { files, is_armed: [false; 2] });
        drop(watched);
        self.arm_files(id);
        Ok(())
    }

    /// Watches a database no more.
    pub fn unwatch(&self, id: SourceId) {
        let mut watched = self.watched();
        watched.ids.retain(|_, owner| *owner != id);
        watched.places.retain(|_, (owner, _)| *owner != id);
        let Some(gone) = watched.databases.remove(&id) else { return };
        watched.remove_where(|watched| &mut watched.files, |(owner, _)| *owner == id);
        if !watched.databases.values().any(|other| other.files.directory == gone.files.directory) {
            watched.remove_where(|watched| &mut watched.directories, |path| *path == gone.files.directory);
        }
    }

    /// A source that sets the watches of its database again before it looks. `path` is the one that is watched.
    pub fn armed<S>(&self, source: S, path: &Path) -> Armed<S> {
        let (wake, path) = (self.clone(), path.to_owned());
        Armed::new(source, move || wake.arm(&path))
    }

    /// The next change of the database at `path` is told.
    pub(super) fn arm(&self, path: &Path) {
        let id = self.watched().ids.get(path).copied();
        if let Some(id) = id {
            self.arm_files(id);
        }
    }

    /// A file system that hangs holds up nobody else: no path is looked up under the lock.
    fn arm_files(&self, id: SourceId) {
        let unarmed = self.watched().unarmed(id);
        for (path, hint) in unarmed {
            let (mut watches, began) = self.watched().begin();
            let added = watches.add(&path, WatchMask::MODIFY | WatchMask::ONESHOT);
            self.watched().armed((id, hint), &path, added, began);
        }
    }

    /// Nothing panics while it is locked.
    fn watched(&self) -> MutexGuard<'_, Watched> {
        lock(&self.0)
    }
}

impl Watched {
    /// The files whose next change is not told.
    fn unarmed(&self, id: SourceId) -> Vec<(PathBuf, Hint)> {
        let Some(database) = self.databases.get(&id) else { return Vec::new() };
        let files = [(&database.files.database, Hint::Database), (&database.files.log, Hint::Log)];
        let unarmed = files.into_iter().zip(database.is_armed).filter(|(_, is_armed)| !is_armed);
        unarmed.map(|((path, hint), _)| (path.clone(), hint)).collect()
    }

    /// A watch is going to be set.
    fn begin(&mut self) -> (Watches, u64) {
        self.adding += 1;
        (self.watches.clone(), self.losses)
    }

    /// It was set, or could not be.
    fn armed(
        &mut self,
        (id, hint): (SourceId, Hint),
        path: &Path,
        added: std::io::Result<WatchDescriptor>,
        losses: u64,
    ) {
        let has_ended = added.as_ref().is_ok_and(|descriptor| self.ended.contains(descriptor));
        self.adding -= 1;
        if self.adding == 0 {
            self.ended.clear();
        }
        match added {
            // It has changed already, before the look that follows; or nobody knows.
            Ok(_) if has_ended || losses != self.losses => {}
            Ok(descriptor) => {
                if let Some(database) = self.databases.get_mut(&id) {
                    database.is_armed[index_of(hint)] = true;
                    self.files.insert(descriptor, (id, hint));
                }
            }
            // It is told by its directory when it comes.
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            Err(error) if !self.has_warned => {
                self.has_warned = true;
                let path = path.display();
                tracing::warn!(%path, %error, "a file cannot be watched (fs.inotify.max_user_watches?), looking every second");
            }
            Err(_) => {}
        }
    }

    /// What the change is about.
    fn told(
        &mut self,
        descriptor: &WatchDescriptor,
        mask: EventMask,
        name: Option<&OsStr>,
    ) -> Vec<(SourceId, Hint)> {
        if mask.contains(EventMask::Q_OVERFLOW) {
            // Watches may have ended without a word.
            self.losses += 1;
            self.files.clear();
            self.databases.values_mut().for_each(|database| database.is_armed = [false; 2]);
            return self.databases.keys().map(|id| (*id, Hint::Log)).collect();
        }
        if self.adding > 0 && mask.intersects(EventMask::MODIFY | EventMask::IGNORED) {
            self.ended.insert(descriptor.clone());
        }
        if let Some((id, hint)) = self.files.remove(descriptor) {
            // Of a file that is not there any more: its place may have another one, which is watched.
            if !self.files.values().any(|other| *other == (id, hint)) {
                self.disarm(id, hint);
            }
            return vec![(id, hint)];
        }
        let changed =
            self.directories.get(descriptor).zip(name).map(|(directory, name)| directory.join(name));
        let Some((id, hint)) = changed.and_then(|path| self.places.get(&path)).copied() else {
            return Vec::new();
        };
        // The file under that name is another one, or none: a look comes, and watches it.
        self.disarm(id, hint);
        vec![(id, Hint::Log)]
    }

    fn disarm(&mut self, id: SourceId, hint: Hint) {
        if let Some(database) = self.databases.get_mut(&id) {
            database.is_armed[index_of(hint)] = false;
        }
    }

    fn remove_where<T>(
        &mut self,
        of: impl Fn(&mut Watched) -> &mut HashMap<WatchDescriptor, T>,
        is_gone: impl Fn(&T) -> bool,
    ) {
        let gone: Vec<WatchDescriptor> =
            of(self).extract_if(|_, owner| is_gone(owner)).map(|(descriptor, _)| descriptor).collect();
        for descriptor in gone {
            // One that has ended by itself is not there to be removed.
            let _ = self.watches.remove(descriptor);
        }
    }
}

/// Until nobody watches any more, which it sees with the next event; the end of the process is its end.
fn wait(mut inotify: Inotify, watched: impl Fn() -> Option<Arc<Mutex<Watched>>>, poker: &Poker) {
    let mut buffer = [0; EVENTS_BYTES];
    loop {
        let events = match inotify.read_events_blocking(&mut buffer) {
            Ok(events) => events,
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => continue,
            Err(error) => {
                tracing::warn!(%error, "no file notifications any more, looking every second");
                return;
            }
        };
        let Some(watched) = watched() else { return };
        let mut watched = lock(&watched);
        for event in events {
            for (id, hint) in watched.told(&event.wd, event.mask, event.name) {
                poker.poke(id, hint);
            }
        }
    }
}

fn lock(watched: &Mutex<Watched>) -> MutexGuard<'_, Watched> {
    watched.lock().unwrap_or_else(PoisonError::into_inner)
}

fn index_of(hint: Hint) -> usize {
    usize::from(hint == Hint::Log)
}

/// Some dozens of events with names.
const EVENTS_BYTES: usize = 4096;

#[cfg(test)]
impl Wake {
    pub(super) fn is_armed(&self, id: SourceId) -> bool {
        self.watched().databases[&id].is_armed[index_of(Hint::Database)]
    }

    /// What the kernel says when it has lost events.
    pub(super) fn lose_events(&self) -> Vec<(SourceId, Hint)> {
        let mut watched = self.watched();
        let descriptor = watched.directories.keys().next().expect("something is watched").clone();
        watched.told(&descriptor, EventMask::Q_OVERFLOW, None)
    }

    /// Sets the watch of the database file; `between` comes before it is noted.
    pub(super) fn arm_late(&self, id: SourceId, path: &Path, between: impl FnOnce()) {
        let (mut watches, began) = self.watched().begin();
        let added = watches.add(path, WatchMask::MODIFY | WatchMask::ONESHOT);
        between();
        self.watched().armed((id, Hint::Database), path, added, began);
    }
}
