//! What a database that is followed has read, and what of it is in the store.

use super::machine::Follow;
use crate::replicate::standing::Standing;
use crate::types::Instant;
use std::time::Duration;

impl Follow {
    pub(in crate::replicate) fn standing(&self, now: Instant) -> Standing {
        let sending = self.slot.as_ref().map(|slot| (slot.since, slot.delta.pages.len()));
        let waiting = self.unsent.as_ref().map(|unsent| (unsent.since, unsent.page_count() as usize));
        let open = || sending.into_iter().chain(waiting);
        let durable = self.head.txid;
        let oldest = open().map(|(since, _)| since).min();
        let pages: usize = open().map(|(_, pages)| pages).sum();
        Standing {
            durable: Some(durable),
            read: Some(open().fold(durable, |txid, _| txid + 1)),
            lag: Some(oldest.map_or(Duration::ZERO, |since| now.since(since))),
            unsent_pages: u32::try_from(pages).unwrap_or(u32::MAX),
            wal_bytes: Some(self.pace.live_bytes()),
            ..Standing::default()
        }
    }
}
