//! Property 31: nothing is asked of the store while nothing is committed, and what is asked is in proportion to what
//! goes up.

use crate::outcome::Violation;
use crate::world::Asked;

/// What an hour without a commit may cost: at most the listing of the day, and with it a rewrite of the manifest that
/// failed before.
pub fn hour(before: &Asked, after: &Asked) -> Result<(), Violation> {
    let lists = after.lists - before.lists;
    let requests = after.requests() - before.requests();
    let rewrites = after.rewrites - before.rewrites;
    if lists > 1 || rewrites > lists || requests > lists + rewrites {
        let message = format!("an hour without a commit: from {before:?} to {after:?}");
        return Err(Violation::new(31, message));
    }
    Ok(())
}

/// What a run may cost: so many requests for a slot, for a start, and for each answer that was no success.
pub fn run(asked: &Asked, slots: u64, starts: u64) -> Result<(), Violation> {
    let requests_max = slots * REQUESTS_PER_SLOT
        + asked.images * REQUESTS_PER_IMAGE
        + (starts + asked.failed) * REQUESTS_PER_START;
    if asked.requests() > requests_max {
        let message = format!("{asked:?} for {slots} slots and {starts} starts: above {requests_max}");
        return Err(Violation::new(31, message));
    }
    Ok(())
}

/// A slot in parts is staged and completed, and a head may be looked at before it.
const REQUESTS_PER_SLOT: u64 = 4;
/// An image may be staged and completed, or looked for before and after, on a place that is listed before it.
const REQUESTS_PER_IMAGE: u64 = 5;
/// Listing, manifest, header, a proof or a hash, the chain's checksums, a page for the claim, claim and image, and the
/// manifest once more; and what one answer that was lost can lead to is looking at all of it anew.
const REQUESTS_PER_START: u64 = 16;
