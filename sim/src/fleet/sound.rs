//! What an independent reader could restore from the objects of a place that are whole: the measure for errors that rot
//! excuses. It knows nothing of levels, planners or indexes: it reads every object, and follows the checksums of the
//! database from one to the next.

use crate::oracle::mirror::take_apart;
use engine::key::{Layout, ObjectKey, Place};
use engine::types::{LockByte, Txid};
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

/// Whether whole objects lead to this slot.
pub fn leads_to(store: &SimS3, place: &Place, txid: Txid) -> bool {
    let steps = steps(store, place);
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

fn steps(store: &SimS3, place: &Place) -> Vec<Step> {
    let mut steps = Vec::new();
    for (name, object) in store.peek_below(&place.prefix()) {
        let key = place.name_of(&name).and_then(|name| ObjectKey::parse(Layout::S3, name));
        let (Some(key), Ok(whole)) = (key, take_apart(&object.bytes, LockByte::SQLITE)) else { continue };
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
