//! What an independent reader could restore from the objects of a place that are whole: the measure for errors that rot
//! excuses. It knows nothing of levels, planners or indexes: it reads every object, and follows the checksums of the
//! database from one to the next.

use crate::oracle::mirror::take_apart;
use engine::key::{Layout, ObjectKey, Place};
use engine::types::{Level, LockByte, Txid};
use io_sim::s3::SimS3;
use std::collections::BTreeSet;

/// A slot, and the checksum of the database there.
type State = (u64, u64);

/// A whole object, as a step from one state to another.
struct Step {
    /// `None`: it begins a chain.
    from: Option<State>,
    to: State,
}

/// Whether whole objects lead to this slot. `tells_arrivals`: the store's times say when an object came; a slot that came after
/// an object that contains it counts for nothing then.
pub fn leads_to(store: &SimS3, place: &Place, txid: Txid, tells_arrivals: bool) -> bool {
    let steps = steps(store, place, tells_arrivals);
    let mut reached: BTreeSet<State> =
        steps.iter().filter(|step| step.from.is_none()).map(|step| step.to).collect();
    loop {
        let follows = |step: &&Step| step.from.is_some_and(|from| reached.contains(&from));
        let more: Vec<_> = steps.iter().filter(follows).map(|step| step.to).collect();
        let before = reached.len();
        reached.extend(more);
        if reached.len() == before {
            return reached.iter().any(|(at, _)| *at == txid.into_inner());
        }
    }
}

fn steps(store: &SimS3, place: &Place, tells_arrivals: bool) -> Vec<Step> {
    let mut steps = Vec::new();
    let key_of = |name: &str| ObjectKey::parse(Layout::S3, place.name_of(name)?);
    let objects = store.peek_below(&place.prefix());
    let objects: Vec<_> = objects.iter().filter_map(|(name, object)| Some((key_of(name)?, object))).collect();
    for &(key, object) in &objects {
        let contains = |other: &ObjectKey| other.level() > Level::L0 && other.range().covers(key.range());
        let is_late = objects.iter().any(|(other, o)| contains(other) && o.modified < object.modified);
        if tells_arrivals && key.level() == Level::L0 && is_late {
            continue;
        }
        let Ok(whole) = take_apart(&object.bytes, LockByte::SQLITE) else { continue };
        // What another tool wrote over says nothing of the database.
        let Some(chain) = whole.header.chain().filter(|_| whole.header.txids() == key.range()) else {
            continue;
        };
        let before = key.range().min().into_inner() - 1;
        let from = chain.before.map(|checksum| (before, checksum.into_inner()));
        steps.push(Step { from, to: (key.max().into_inner(), chain.after.into_inner()) });
    }
    steps
}
