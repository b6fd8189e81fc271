//! Property 21: one wrong bit in an object is never restored. Either another way leads to the same state, or there is an
//! error; and an error only where an independent count finds no other way.

use super::image::digest;
use super::mirror::Mirror;
use super::reachable::{Base, Reachable, newest};
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
    let reachable = Reachable::new(store, place, lock_byte);
    for _ in 0..BITS {
        let (key, bits) = draw.pick(&objects);
        let bit = draw.below_usize(*bits);
        store.rot(key, bit);
        let snapshot = Snapshot::take(store, place, lock_byte);
        let point = *draw.pick(&points);
        let top = newest(store, place);
        let is_lost = |txid: Txid| {
            let after = mirror.afters.get(&txid).copied();
            // A full image in a slot is found by its snapshot where a later one covers both.
            reachable.base(txid, after) != Base::Snapshot
        };
        let lost = [top.is_none_or(is_lost), is_lost(point)];
        store.rot(key, bit);
        for (target, lost) in [Target::Latest, Target::Txid(point)].into_iter().zip(lost) {
            let (txid, database) = match snapshot.restore(target) {
                Ok(restored) => restored,
                Err(_) if lost => {
                    found.refused += 1;
                    continue;
                }
                Err(error) => {
                    let message =
                        format!("bit {bit} of {key} is wrong, and not in the way: {}", error.message);
                    return Err(Violation::new(21, message));
                }
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

/// Whether a bit of an object belongs to what tells whose it is: the id of its writer, and what says that the header has
/// one.
pub fn tells_the_writer(bit: usize) -> bool {
    [72..80, 96..98].iter().any(|bytes| bytes.contains(&(bit / 8)))
}

const BITS: u32 = 8;
