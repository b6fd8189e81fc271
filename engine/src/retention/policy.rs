//! What a person wants to be able to go back to.

use super::calendar::Period;
use crate::manifest::Manifest;
use crate::mutants::{Mutant, mutated};
use std::time::Duration;

/// Which points stay. All zeros keep the newest chain alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Policy {
    /// Every single sync stays a point until this long after it was compacted.
    pub l0: Duration,
    /// The end of every level-1 object stays a point this long.
    pub pitr: Duration,
    /// The last point of each of so many UTC hours stays; 0: of none.
    pub hourly: u32,
    /// The same for days.
    pub daily: u32,
    /// The same for ISO weeks.
    pub weekly: u32,
    /// The same for months.
    pub monthly: u32,
}

impl Policy {
    /// The same with at least the longest `l0` that any writer of the place promised: a writer that slept may rely on it.
    pub fn with_promised_l0(self, manifest: &Manifest) -> Policy {
        if mutated(Mutant::RetentionForgetsPromisedL0) {
            return self;
        }
        Policy { l0: self.l0.max(Duration::from_millis(manifest.l0_ms)), ..self }
    }

    /// Of how many periods of a kind the last point stays.
    pub fn count(&self, period: Period) -> u32 {
        match period {
            Period::Hour => self.hourly,
            Period::Day => self.daily,
            Period::Week => self.weekly,
            Period::Month => self.monthly,
        }
    }
}
