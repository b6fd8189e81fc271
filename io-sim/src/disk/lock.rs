//! File locks: SQLite's five levels between handles, and advisory locks of whole files between processes.

use super::Pid;
use super::inode::Ino;
use super::machine::HandleId;
use std::collections::BTreeMap;

/// SQLite's lock levels (`SQLITE_LOCK_*`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub(crate) enum Level {
    None = 0,
    Shared = 1,
    Reserved = 2,
    Pending = 3,
    Exclusive = 4,
}

/// All file locks of a machine.
#[derive(Debug, Default)]
pub(super) struct LockTable {
    levels: BTreeMap<Ino, BTreeMap<HandleId, Level>>,
    advisory: BTreeMap<Ino, Pid>,
}

impl LockTable {
    /// Raises a handle's lock, by the rules of SQLite's locking protocol (file format is silent; `os.h`).
    /// Refused on the way to exclusive, it stays pending, which keeps new readers out.
    pub(super) fn raise(&mut self, ino: Ino, handle: HandleId, want: Level) -> bool {
        let holders = self.levels.entry(ino).or_default();
        if holders.get(&handle).copied().unwrap_or(Level::None) >= want {
            return true;
        }
        let others =
            holders.iter().filter(|(h, _)| **h != handle).map(|(_, l)| *l).max().unwrap_or(Level::None);
        let granted = match want {
            Level::None => true,
            Level::Shared => others < Level::Pending,
            Level::Reserved => others < Level::Reserved,
            Level::Pending | Level::Exclusive => {
                if others < Level::Reserved {
                    holders.insert(handle, Level::Pending);
                }
                others == Level::None
            }
        };
        if granted {
            holders.insert(handle, want);
        }
        granted
    }

    /// Lowers a handle's lock.
    pub(super) fn lower(&mut self, ino: Ino, handle: HandleId, to: Level) {
        let Some(holders) = self.levels.get_mut(&ino) else { return };
        if to == Level::None {
            holders.remove(&handle);
        } else if let Some(level) = holders.get_mut(&handle) {
            *level = (*level).min(to);
        }
        if holders.is_empty() {
            self.levels.remove(&ino);
        }
    }

    /// Whether any handle means to write.
    pub(super) fn is_reserved(&self, ino: Ino) -> bool {
        self.levels.get(&ino).is_some_and(|h| h.values().any(|l| *l >= Level::Reserved))
    }

    /// Locks a whole file for a process, as `flock` does; true when it has it.
    pub(super) fn lock_file(&mut self, ino: Ino, pid: Pid) -> bool {
        *self.advisory.entry(ino).or_insert(pid) == pid
    }

    /// Gives an advisory lock back.
    pub(super) fn unlock_file(&mut self, ino: Ino, pid: Pid) {
        if self.advisory.get(&ino) == Some(&pid) {
            self.advisory.remove(&ino);
        }
    }

    /// A process is gone.
    pub(super) fn release_process(&mut self, pid: Pid) {
        self.advisory.retain(|_, holder| *holder != pid);
    }

    /// The machine lost its power.
    pub(super) fn clear(&mut self) {
        *self = LockTable::default();
    }
}
