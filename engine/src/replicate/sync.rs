//! Syncs on request, through all phases: what was asked for is followed by the next look that counts, whenever there is
//! one.

use super::context::{Context, Outbox};
use super::database::{Database, Phase};
use super::event::{Hint, SyncId};
use super::notice::Notice;
use crate::types::Now;

impl Database {
    pub(super) fn sync_requested(&mut self, now: Now, out: &mut Outbox, id: SyncId) {
        self.sync = self.sync.max(Some(id));
        if let Phase::Follow(follow, _) = &mut self.phase {
            follow.request_sync(id);
        }
        self.poked(now, out, Hint::Log);
    }

    /// Answers the requests of which everything is in the store.
    pub(super) fn tell_synced(&mut self, cx: &mut Context<'_>) {
        if let Phase::Follow(follow, _) = &mut self.phase
            && let Some(id) = follow.take_synced()
        {
            self.sync = self.sync.filter(|newest| *newest > id);
            cx.notice(Notice::Synced { id, txid: follow.head().txid });
        }
    }
}
