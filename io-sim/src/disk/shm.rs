//! The wal-index: shared memory beside a database, and its eight locks (SQLite's `xShm*` methods).
//!
//! As in SQLite's unix VFS a process finds the memory by the *path* of its `-shm` file when it first maps it
//! and keeps that file afterwards: unlink the file, and the next process gets memory of its own. The first
//! process to come finds it empty, whatever an earlier one left.

use super::Pid;
use super::inode::Ino;
use super::machine::HandleId;
use crate::sqlite_vfs::SharedMemory;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::sync::Arc;

/// What a process wants of some of the eight locks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ShmAction {
    Share,
    Exclude,
    Release,
}

/// Which of the eight locks: `start..end`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ShmRange {
    start: usize,
    end: usize,
}

impl ShmRange {
    /// `None` unless `count` locks from `offset` on exist.
    pub(crate) fn new(offset: i32, count: i32) -> Option<ShmRange> {
        let start = usize::try_from(offset).ok()?;
        let end = start.checked_add(usize::try_from(count).ok()?)?;
        (start < end && end <= LOCKS).then_some(ShmRange { start, end })
    }

    fn slots(self) -> Range<usize> {
        self.start..self.end
    }

    pub(super) fn as_number(self) -> u64 {
        (self.start as u64) << 8 | (self.end - self.start) as u64
    }
}

/// All shared memory of a machine.
#[derive(Default)]
pub(super) struct ShmTable {
    /// The `-shm` file that a process uses for a database, while it maps it.
    files: BTreeMap<(Pid, Ino), Ino>,
    segments: BTreeMap<Ino, Segment>,
    attached: BTreeMap<HandleId, Attachment>,
}

#[derive(Clone, Copy)]
struct Attachment {
    pid: Pid,
    database: Ino,
    file: Ino,
}

/// The memory and locks of one `-shm` file.
#[derive(Default)]
struct Segment {
    memory: Arc<SharedMemory>,
    shared: [BTreeSet<HandleId>; LOCKS],
    exclusive: [Option<HandleId>; LOCKS],
    users: BTreeSet<HandleId>,
}

impl ShmTable {
    /// The `-shm` file that this process uses for the database.
    pub(super) fn file_of(&self, pid: Pid, database: Ino) -> Option<Ino> {
        self.files.get(&(pid, database)).copied()
    }

    pub(super) fn is_attached(&self, handle: HandleId) -> bool {
        self.attached.contains_key(&handle)
    }

    /// Lets a handle use the memory of a `-shm` file.
    pub(super) fn attach(&mut self, handle: HandleId, pid: Pid, database: Ino, file: Ino) {
        let before = self.attached.insert(handle, Attachment { pid, database, file });
        assert!(before.is_none(), "attached twice");
        self.files.insert((pid, database), file);
        self.segments.entry(file).or_default().users.insert(handle);
    }

    pub(super) fn memory(&self, handle: HandleId) -> Option<&Arc<SharedMemory>> {
        Some(&self.segment(handle)?.memory)
    }

    /// The memory of a `-shm` file that is in use.
    pub(super) fn memory_of_file(&self, file: Ino) -> Option<&Arc<SharedMemory>> {
        Some(&self.segments.get(&file)?.memory)
    }

    /// Takes, shares or releases locks; `None` when the handle maps nothing.
    pub(super) fn lock(&mut self, handle: HandleId, range: ShmRange, action: ShmAction) -> Option<bool> {
        let file = self.attached.get(&handle)?.file;
        let segment = self.segments.get_mut(&file)?;
        let granted = range.slots().all(|slot| segment.allows(slot, handle, action));
        if granted {
            for slot in range.slots() {
                segment.set(slot, handle, action);
            }
        }
        Some(granted)
    }

    /// Ends a handle's use; gives the `-shm` file, and whether its process still uses it.
    pub(super) fn detach(&mut self, handle: HandleId) -> Option<(Ino, bool)> {
        let attachment = self.attached.remove(&handle)?;
        let Attachment { pid, database, file } = attachment;
        if let Some(segment) = self.segments.get_mut(&file) {
            for slot in 0..LOCKS {
                segment.set(slot, handle, ShmAction::Release);
            }
            segment.users.remove(&handle);
            if segment.users.is_empty() {
                self.segments.remove(&file);
            }
        }
        let still_used = self.attached.values().any(|a| a.pid == pid && a.database == database);
        if !still_used {
            self.files.remove(&(pid, database));
        }
        Some((file, still_used))
    }

    /// All memory that a process maps.
    pub(super) fn memories_of(&self, pid: Pid) -> Vec<Arc<SharedMemory>> {
        let files: BTreeSet<Ino> = self.attached.values().filter(|a| a.pid == pid).map(|a| a.file).collect();
        files.iter().filter_map(|file| self.memory_of_file(*file)).map(Arc::clone).collect()
    }

    /// Releases every lock that a process holds on a `-shm` file.
    pub(super) fn drop_posix_locks(&mut self, pid: Pid, file: Ino) {
        let handles: Vec<HandleId> =
            self.attached.iter().filter(|(_, a)| a.pid == pid && a.file == file).map(|(h, _)| *h).collect();
        if let Some(segment) = self.segments.get_mut(&file) {
            for handle in handles {
                for slot in 0..LOCKS {
                    segment.set(slot, handle, ShmAction::Release);
                }
            }
        }
    }

    fn segment(&self, handle: HandleId) -> Option<&Segment> {
        self.segments.get(&self.attached.get(&handle)?.file)
    }
}

impl Segment {
    fn allows(&self, slot: usize, handle: HandleId, action: ShmAction) -> bool {
        let not_excluded = self.exclusive[slot].is_none_or(|holder| holder == handle);
        match action {
            ShmAction::Release => true,
            ShmAction::Share => not_excluded,
            ShmAction::Exclude => not_excluded && self.shared[slot].iter().all(|holder| *holder == handle),
        }
    }

    fn set(&mut self, slot: usize, handle: HandleId, action: ShmAction) {
        match action {
            ShmAction::Share => {
                self.shared[slot].insert(handle);
            }
            ShmAction::Exclude => self.exclusive[slot] = Some(handle),
            ShmAction::Release => {
                self.shared[slot].remove(&handle);
                if self.exclusive[slot] == Some(handle) {
                    self.exclusive[slot] = None;
                }
            }
        }
    }
}

/// `SQLITE_SHM_NLOCK`.
const LOCKS: usize = 8;
