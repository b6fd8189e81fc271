//! Which levels are kept, and how often each is made.

use crate::types::Level;
use std::time::Duration;

/// The levels that are made by compaction, lowest first, each with its interval.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Levels(Vec<(Level, Duration)>);

impl Levels {
    /// Takes levels 1 to 8 in ascending order; some may be left out, then the next one is made from what is below.
    /// No level at all: nothing is compacted.
    ///
    /// # Errors
    /// Level 0 or 9, levels that do not ascend, an interval of zero.
    pub fn new(levels: impl IntoIterator<Item = (Level, Duration)>) -> Result<Levels, LevelsError> {
        let levels: Vec<(Level, Duration)> = levels.into_iter().collect();
        for (at, (level, interval)) in levels.iter().enumerate() {
            if *level == Level::L0 || *level == Level::SNAPSHOT {
                return Err(LevelsError::NotCompacted(*level));
            }
            if at > 0 && levels[at - 1].0 >= *level {
                return Err(LevelsError::NotAscending(*level));
            }
            if interval.is_zero() {
                return Err(LevelsError::NoInterval(*level));
            }
        }
        Ok(Levels(levels))
    }

    /// Levels and intervals, lowest first. Compact in this order: what a level makes is the next one's input.
    pub fn iter(&self) -> impl Iterator<Item = (Level, Duration)> {
        self.0.iter().copied()
    }

    /// How often a level is made; `None` for one that is not.
    pub fn interval(&self, level: Level) -> Option<Duration> {
        self.iter().find(|(made, _)| *made == level).map(|(_, interval)| interval)
    }

    /// The level that one is made from: the next lower one that is made, else level 0. `None` for a level that is
    /// not made.
    pub fn below(&self, level: Level) -> Option<Level> {
        let at = self.0.iter().position(|(made, _)| *made == level)?;
        Some(at.checked_sub(1).map_or(Level::L0, |lower| self.0[lower].0))
    }
}

/// Levels 1, 2 and 3 every 30 seconds, 5 minutes and hour.
impl Default for Levels {
    fn default() -> Levels {
        let levels = [(1, 30), (2, 300), (3, 3600)];
        let level = |number| Level::new(number).expect("1 to 3 are levels");
        Levels(levels.map(|(number, seconds)| (level(number), Duration::from_secs(seconds))).to_vec())
    }
}

/// Levels that cannot be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LevelsError {
    /// Level 0 holds slots, level 9 snapshots.
    #[error("level {0} is not made by compaction: give levels 1 to 8")]
    NotCompacted(Level),
    /// Each level is made from lower ones.
    #[error("level {0} does not come after a lower one")]
    NotAscending(Level),
    /// It would be due all the time.
    #[error("level {0} has an interval of zero")]
    NoInterval(Level),
}
