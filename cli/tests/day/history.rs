//! What the day was: the content of the database at each point in time that the daemon named, as the application had it.

use crate::application::Application;
use engine::replicate::Notice;
use engine::store::Sha256;
use std::collections::BTreeMap;
use std::ops::RangeInclusive;

/// The slots that were announced durable.
#[derive(Default)]
pub(crate) struct History {
    slots: BTreeMap<u64, Slot>,
}

/// One slot.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Slot {
    /// Its time, as it was announced.
    pub(crate) sealed_ms: i64,
    /// What the database held then.
    pub(crate) content: Sha256,
}

impl History {
    /// Takes what the daemon said in these milliseconds since the application committed last; whether a slot became durable.
    pub(crate) fn note(
        &mut self,
        heard: &[Notice],
        application: &mut Application,
        times: RangeInclusive<i64>,
    ) -> bool {
        let mut durable = false;
        for notice in heard {
            let Notice::Durable { txid, timestamp } = notice else { continue };
            let (txid, sealed_ms) = ((*txid).into_inner(), timestamp.as_millis());
            if self.slots.get(&txid).is_some_and(|slot| slot.sealed_ms == sealed_ms) {
                // The next life says where it goes on.
                continue;
            }
            // Two slots of one moment have times one after the other.
            assert!(
                (*times.start()..=times.end() + 1).contains(&sealed_ms),
                "{txid} has the time {sealed_ms}"
            );
            // The first image and the claim on top of it are one state, and only that is announced.
            let first = self.slots.last_key_value().map_or(1, |(last, _)| last + 1);
            assert!(first <= txid && (first == 1 || first == txid), "{txid} after {first}");
            let content = application.content();
            let slot = |n| Slot { sealed_ms: sealed_ms - i64::try_from(txid - n).unwrap(), content };
            self.slots.extend((first..=txid).map(|n| (n, slot(n))));
            durable = true;
        }
        durable
    }

    /// All of them, oldest first.
    pub(crate) fn slots(&self) -> &BTreeMap<u64, Slot> {
        &self.slots
    }

    pub(crate) fn newest(&self) -> (u64, Slot) {
        self.slots.last_key_value().map(|(txid, slot)| (*txid, *slot)).unwrap()
    }
}
