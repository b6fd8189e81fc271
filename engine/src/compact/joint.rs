//! What headers say about two objects that follow each other by name.

use crate::key::{ObjectInfo, ObjectKey};
use crate::mutants::{Mutant, mutated};
use crate::restore::{Facts, Knowledge};
use crate::types::Level;

/// How `right` follows `left`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Joint {
    /// It goes on from the state that `left` leads to; `chained` if checksums prove it.
    Linked { chained: bool },
    /// It holds a whole database and builds on no other state: a new chain begins with it.
    Anew,
    /// It applies to another database than `left` leads to.
    Broken,
    /// A header is lacking.
    NeedsHeader(ObjectKey),
    /// Whether it holds every page must be known.
    NeedsPageIndex(ObjectKey),
}

/// Compares two objects; without `left` only what `right` says of itself counts. A damaged `left` says nothing.
pub(super) fn joint(left: Option<ObjectKey>, right: &ObjectInfo, known: &Knowledge) -> Joint {
    let Some(right_facts) = known.header(right.key) else { return Joint::NeedsHeader(right.key) };
    if !mutated(Mutant::CompactAcrossFullImage) {
        if begins_anew(right_facts) {
            return Joint::Anew;
        }
        if may_be_unsaid_image(right, right_facts) {
            match known.full_image(right.key) {
                Some(true) => return Joint::Anew,
                Some(false) => {}
                None => return Joint::NeedsPageIndex(right.key),
            }
        }
    }
    let right = right.key;
    let Some(left) = left.filter(|left| known.damage(*left).is_none()) else {
        return Joint::Linked { chained: false };
    };
    let Some(left_facts) = known.header(left) else { return Joint::NeedsHeader(left) };
    if left_facts.page_size != right_facts.page_size {
        return other_page_size(right, right_facts, known);
    }
    match (left_facts.after, right_facts.before) {
        (Some(after), Some(before)) if after != before && !mutated(Mutant::CompactIgnoresBreak) => {
            Joint::Broken
        }
        (Some(_), Some(_)) => Joint::Linked { chained: true },
        _ => Joint::Linked { chained: false },
    }
}

/// Our objects say so in their header: they lead to a state and apply to none.
fn begins_anew(facts: &Facts) -> bool {
    facts.after.is_some() && facts.before.is_none()
}

/// Whether a slot of another tool, which does not say what it is, is large enough to hold every page: merged, the whole
/// database would be stored once more by each level.
fn may_be_unsaid_image(object: &ObjectInfo, facts: &Facts) -> bool {
    let says_nothing = facts.after.is_none() && facts.before.is_none();
    let bytes_min = u64::from(facts.commit) * PAGE_BYTES_MIN;
    object.key.level() == Level::L0 && says_nothing && object.size_bytes >= bytes_min
}

/// What a page takes in an object at the least, compressed to nothing: 6 bytes before it, and 3 in the index.
const PAGE_BYTES_MIN: u64 = 9;

/// Only a full image can change the page size. One of another tool does not say that it is one.
fn other_page_size(right: ObjectKey, facts: &Facts, known: &Knowledge) -> Joint {
    match known.full_image(right) {
        _ if facts.before.is_some() => Joint::Broken,
        Some(true) => Joint::Anew,
        Some(false) => Joint::Broken,
        None => Joint::NeedsPageIndex(right),
    }
}
