//! What a place's owner wants of its upkeep.

use crate::compact::{Levels, Limits};
use crate::retention::Policy;

/// Compaction and retention of one place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UpkeepConfig {
    /// Which levels are made; none: nothing is compacted.
    pub levels: Levels,
    /// How much one compaction takes.
    pub limits: Limits,
    /// Which points stay; `None`: nothing is deleted.
    pub policy: Option<Policy>,
}

impl UpkeepConfig {
    /// Nothing is compacted and nothing deleted.
    pub fn none() -> UpkeepConfig {
        let levels = Levels::new([]).expect("no level is wrong");
        UpkeepConfig { levels, limits: Limits::DEFAULT, policy: None }
    }

    /// Whether there is anything to do.
    pub(super) fn is_none(&self) -> bool {
        self.levels.iter().next().is_none() && self.policy.is_none()
    }
}
