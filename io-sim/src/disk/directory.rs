//! Names: what the kernel shows and what the medium holds.

use super::inode::Ino;
use super::stat::DiskStats;
use crate::faults::CrashPolicy;
use crate::random::Random;
use std::collections::BTreeMap;

/// All names of a disk.
#[derive(Debug, Default)]
pub(super) struct Directory {
    live: BTreeMap<String, Ino>,
    durable: BTreeMap<String, Ino>,
    /// Changes that no fsync of their directory has covered, oldest first.
    unsynced: Vec<DirectoryChange>,
}

#[derive(Clone, Debug)]
enum DirectoryChange {
    Link { path: String, ino: Ino },
    Unlink { path: String },
    Rename { from: String, to: String, ino: Ino },
}

impl Directory {
    pub(super) fn lookup(&self, path: &str) -> Option<Ino> {
        self.live.get(path).copied()
    }

    pub(super) fn paths(&self) -> impl Iterator<Item = (&str, Ino)> {
        self.live.iter().map(|(path, ino)| (path.as_str(), *ino))
    }

    /// Whether a name leads to `ino`, now or perhaps after a power cut.
    pub(super) fn names(&self, ino: Ino) -> bool {
        let pending = self.unsynced.iter().any(|change| match change {
            DirectoryChange::Link { ino: i, .. } | DirectoryChange::Rename { ino: i, .. } => *i == ino,
            DirectoryChange::Unlink { .. } => false,
        });
        pending || self.live.values().chain(self.durable.values()).any(|i| *i == ino)
    }

    pub(super) fn link(&mut self, path: &str, ino: Ino) {
        assert!(!self.live.contains_key(path), "{path} exists");
        self.live.insert(path.to_owned(), ino);
        self.unsynced.push(DirectoryChange::Link { path: path.to_owned(), ino });
    }

    pub(super) fn unlink(&mut self, path: &str) -> Option<Ino> {
        let ino = self.live.remove(path)?;
        self.unsynced.push(DirectoryChange::Unlink { path: path.to_owned() });
        Some(ino)
    }

    /// Moves a name, in one step; gives the file that had the new name.
    pub(super) fn rename(&mut self, from: &str, to: &str) -> Option<(Ino, Option<Ino>)> {
        let ino = self.live.remove(from)?;
        let replaced = self.live.insert(to.to_owned(), ino).filter(|old| *old != ino);
        self.unsynced.push(DirectoryChange::Rename { from: from.to_owned(), to: to.to_owned(), ino });
        Some((ino, replaced))
    }

    /// Makes the changes in `directory` durable; gives the files that lost a durable name.
    pub(super) fn sync(&mut self, directory: &str) -> Vec<Ino> {
        let mut unnamed = Vec::new();
        for change in std::mem::take(&mut self.unsynced) {
            if change.touches(directory) {
                unnamed.extend(change.apply(&mut self.durable));
            } else {
                self.unsynced.push(change);
            }
        }
        unnamed
    }

    /// Decides which changes survived; afterwards those are live and durable.
    pub(super) fn crash(&mut self, policy: CrashPolicy, random: &mut Random, stats: &mut DiskStats) {
        let mut journal_ended = false;
        for change in std::mem::take(&mut self.unsynced) {
            let kept = !journal_ended && random.ppm(policy.keep_directory_ppm);
            journal_ended |= !kept && policy.directory_in_order;
            if kept {
                change.apply(&mut self.durable);
            } else {
                stats.directory_changes_lost += 1;
            }
        }
        self.live.clone_from(&self.durable);
    }
}

impl DirectoryChange {
    fn touches(&self, directory: &str) -> bool {
        match self {
            DirectoryChange::Link { path, .. } | DirectoryChange::Unlink { path } => {
                parent(path) == directory
            }
            DirectoryChange::Rename { from, to, .. } => parent(from) == directory || parent(to) == directory,
        }
    }

    /// Applies the change; gives the file that lost its name.
    fn apply(self, names: &mut BTreeMap<String, Ino>) -> Option<Ino> {
        match self {
            DirectoryChange::Link { path, ino } => names.insert(path, ino),
            DirectoryChange::Unlink { path } => names.remove(&path),
            DirectoryChange::Rename { from, to, ino } => {
                // Without an earlier link on the medium the old name may hold another file by now.
                if names.get(&from) == Some(&ino) {
                    names.remove(&from);
                }
                names.insert(to, ino).filter(|old| *old != ino)
            }
        }
    }
}

/// The directory of a path; `/` for names at the top.
pub(super) fn parent(path: &str) -> &str {
    match path.rfind('/') {
        Some(0) | None => "/",
        Some(end) => &path[..end],
    }
}
