//! What a run of `compact` or `cleanup` says of itself.

use crate::compact::{Compaction, Stop};
use crate::key::ObjectKey;
use crate::manifest::Manifest;
use crate::retention::{Decision, Retention};
use crate::types::{Level, Txid};
use std::collections::BTreeSet;

/// What came of it.
#[derive(Clone, Debug, Default)]
pub struct Outcome {
    /// What was merged, or would be, in order.
    pub compacted: Vec<Compaction>,
    /// What keeps levels from being made any further.
    pub stops: Vec<(Level, Stop)>,
    /// What retention decided, and what it deleted of that.
    pub retention: Option<Retention>,
    /// Objects that are gone now.
    pub deleted: BTreeSet<ObjectKey>,
    /// Objects that the store refused to delete.
    pub refused: usize,
    /// The place's manifest, where it was read.
    pub manifest: Option<Manifest>,
    /// The place has no objects.
    pub is_empty: bool,
    /// It changed again and again while it was looked at: not everything was done.
    pub gave_up: bool,
}

impl Outcome {
    /// Takes what a pass planned and deleted. What an earlier one had deleted, before it was given up, stays told, and so do
    /// the points that went with it.
    pub(super) fn went(&mut self, planned: Option<Retention>, deleted: BTreeSet<ObjectKey>) {
        let earlier = self.retention.take().filter(|_| !self.deleted.is_empty());
        self.retention = match (earlier, planned) {
            (Some(earlier), Some(planned)) => Some(self.joined(earlier, planned)),
            (earlier, planned) => planned.or(earlier),
        };
        self.deleted.extend(deleted);
    }

    fn joined(&self, earlier: Retention, mut last: Retention) -> Retention {
        let gone = |decision: &Decision| self.deleted.contains(&decision.info.key);
        last.decisions.extend(earlier.decisions.into_iter().filter(gone));
        last.decisions.sort_by_key(|decision| decision.info.key);
        let stays: BTreeSet<Txid> = last.promised.iter().map(|(txid, _)| *txid).collect();
        let went = earlier.points_removed.into_iter().filter(|point| !stays.contains(&point.txid));
        last.points_removed.extend(went);
        last.points_removed.sort_by_key(|point| point.txid);
        last.points_removed.dedup_by_key(|point| point.txid);
        last
    }
}
