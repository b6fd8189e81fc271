//! Property 21: one wrong bit in an object is never restored. Either another way leads to the same state, or there is an
//! error.

use super::image::digest;
use super::mirror::Mirror;
use super::restore::Snapshot;
use crate::outcome::Violation;
use engine::key::Place;
use engine::restore::Target;
use engine::types::{LockByte, Txid};
use io_sim::random::Random;
use io_sim::s3::SimS3;

/// What rot led to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Found {
    /// Restores that ended with an error.
    pub refused: u32,
    /// Restores that gave the right bytes all the same.
    pub around: u32,
}

/// Lets one bit after the other rot, each for as long as it takes to restore the newest state and some other.
pub fn check(
    store: &SimS3,
    place: &Place,
    lock_byte: LockByte,
    mirror: &Mirror,
    draw: &mut Random,
) -> Result<Found, Violation> {
    let objects = store.peek_below(&place.prefix());
    let objects: Vec<(String, usize)> = objects
        .into_iter()
        .filter(|(key, _)| key.ends_with(".ltx"))
        .map(|(key, object)| (key, object.bytes.len() * 8))
        .collect();
    let points: Vec<Txid> = mirror.contents.keys().copied().collect();
    let mut found = Found::default();
    if objects.is_empty() || points.is_empty() {
        return Ok(found);
    }
    for _ in 0..BITS {
        let (key, bits) = draw.pick(&objects);
        let bit = draw.below_usize(*bits);
        store.rot(key, bit);
        let snapshot = Snapshot::take(store, place, lock_byte);
        store.rot(key, bit);
        for target in [Target::Latest, Target::Txid(*draw.pick(&points))] {
            let Ok((txid, database)) = snapshot.restore(target) else {
                found.refused += 1;
                continue;
            };
            found.around += 1;
            let is_older = target == Target::Latest && Some(txid) < mirror.txid();
            let announced = mirror.contents.get(&txid);
            if is_older || announced.is_some_and(|announced| *announced != digest(&database)) {
                let message = format!("bit {bit} of {key} is wrong, and {target:?} restores something else");
                return Err(Violation::new(21, message));
            }
        }
    }
    Ok(found)
}

const BITS: u32 = 8;
