//! Compaction levels of a place in the store.

use std::fmt;

/// A level of objects: 0 holds single syncs, 1 to 3 compactions, 9 snapshots. Range 0..=9.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Level(u8);

impl Level {
    /// Single syncs, one object per slot.
    pub const L0: Level = Level(0);
    /// Full images; Litestream's `SnapshotLevel`.
    pub const SNAPSHOT: Level = Level(9);
    /// How many levels compaction may make, from level 1 up.
    pub const MERGED_MAX: usize = 8;

    /// Checks the range 0..=9.
    pub const fn new(level: u8) -> Result<Level, LevelError> {
        if level <= Self::SNAPSHOT.0 { Ok(Level(level)) } else { Err(LevelError(level)) }
    }

    /// The number, 0..=9.
    pub const fn get(self) -> u8 {
        self.0
    }

    /// All levels, lowest first: the order in which a restore lists, because objects move up.
    pub fn all() -> impl DoubleEndedIterator<Item = Level> + Clone {
        (0..=Self::SNAPSHOT.0).map(Level)
    }
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A level beyond 9.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("level {0} is not in 0..=9")]
pub struct LevelError(u8);
