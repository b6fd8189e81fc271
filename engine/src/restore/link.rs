//! How two objects join, as far as names and headers tell.

use super::{Facts, Knowledge};
use crate::key::ObjectKey;
use crate::mutants::{Mutant, mutated};

/// How an object of a plan follows the one before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Link {
    /// It is the first: a whole database.
    Base,
    /// The checksum before it equals the checksum after its predecessor.
    Chained,
    /// One of the two carries no checksum there: another tool wrote it, or a history starts.
    Unchained,
    /// It starts before its predecessor ends. Its pages are a superset of what changed since, so the result
    /// is right. No pair of checksums shows it; objects that end where it starts and the checksum of the
    /// result do.
    Overlapping,
}

impl Link {
    /// The word in a plan.
    pub fn word(self) -> &'static str {
        match self {
            Link::Base => "base",
            Link::Chained => "chained",
            Link::Unchained => "unchained",
            Link::Overlapping => "overlapping",
        }
    }
}

/// Whether names alone allow `right` to be applied to the state that `left` leads to: no TXID is skipped and
/// it leads further.
pub(super) fn joins(left: ObjectKey, right: ObjectKey) -> bool {
    let right_min = right.min().into_inner();
    (right_min - 1 <= left.max().into_inner() || mutated(Mutant::RestoreGapAccepted))
        && left.max() < right.max()
}

/// Whether headers contradict a join; unknown headers contradict nothing.
pub(super) fn is_broken(left: ObjectKey, right: ObjectKey, known: &Knowledge) -> bool {
    match (known.header(left), known.header(right)) {
        (Some(l), Some(r)) => classify((left, l), (right, r)).is_none(),
        _ => false,
    }
}

/// What the headers say about two objects that join by name; `None` if they do not belong together.
pub(super) fn classify(left: (ObjectKey, &Facts), right: (ObjectKey, &Facts)) -> Option<Link> {
    let ((left_key, left), (right_key, right)) = (left, right);
    assert!(joins(left_key, right_key));
    if left.page_size != right.page_size && !mutated(Mutant::RestorePageSizesMixed) {
        return None;
    }
    if right_key.min() <= left_key.max() {
        return Some(Link::Overlapping);
    }
    match (left.after, right.before) {
        (Some(after), Some(before)) if after != before && !mutated(Mutant::RestoreGapAccepted) => None,
        (Some(_), Some(_)) => Some(Link::Chained),
        _ => Some(Link::Unchained),
    }
}
