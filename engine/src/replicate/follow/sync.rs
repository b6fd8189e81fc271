//! A sync that was asked for: a look that begins after the request, and everything that it found into the store.

use super::machine::Follow;
use crate::replicate::event::{Looked, SyncId};
use crate::types::WalPosition;

/// The requests that were not answered.
#[derive(Debug, Default)]
pub(super) struct Sync {
    current: Option<(SyncId, Step)>,
    /// The newest of those that came after the look of the current one: one look serves them all.
    next: Option<SyncId>,
    done: Option<SyncId>,
}

/// How far one has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    /// A look that was under way when it came does not count.
    Asked,
    /// The look that counts is under way.
    Looking,
    /// It saw commits up to there, and not all of them were taken.
    Reading(WalPosition),
    /// So many slots from now on, and everything is in the store.
    Sending(u8),
}

impl Sync {
    pub(super) fn request(&mut self, id: SyncId) {
        match &mut self.current {
            Some((current, Step::Asked)) => *current = id.max(*current),
            Some(_) => self.next = self.next.max(Some(id)),
            None => self.current = Some((id, Step::Asked)),
        }
    }

    /// Whether it waits for a look, and for no interval.
    pub(super) fn wants_look(&self) -> bool {
        matches!(self.current, Some((_, Step::Asked | Step::Reading(_))))
    }

    /// Whether what is unsent is part of it. `under_way`: so is a slot.
    pub(super) fn wants_slot(&self, under_way: bool) -> bool {
        match self.current {
            Some((_, Step::Reading(_))) => true,
            Some((_, Step::Sending(slots))) => slots > u8::from(under_way),
            Some((_, Step::Asked | Step::Looking)) | None => false,
        }
    }

    pub(super) fn look_begins(&mut self) {
        if let Some((_, step @ Step::Asked)) = &mut self.current {
            *step = Step::Looking;
        }
    }

    pub(super) fn look_failed(&mut self) {
        if let Some((_, step @ Step::Looking)) = &mut self.current {
            *step = Step::Asked;
        }
    }

    /// A slot is in the store.
    pub(super) fn slot_done(&mut self) {
        if let Some((_, Step::Sending(slots))) = &mut self.current {
            *slots -= 1;
            self.end_if_sent();
        }
    }

    /// What is answered now.
    pub(super) fn take_done(&mut self) -> Option<SyncId> {
        self.done.take()
    }

    fn end_if_sent(&mut self) {
        if let Some((id, Step::Sending(0))) = self.current {
            self.done = self.done.max(Some(id));
            self.current = self.next.take().map(|id| (id, Step::Asked));
        }
    }
}

impl Follow {
    pub(in crate::replicate) fn request_sync(&mut self, id: SyncId) {
        self.sync.request(id);
    }

    /// Takes the newest request that is answered now: everything committed before it is in the store.
    pub(in crate::replicate) fn take_synced(&mut self) -> Option<SyncId> {
        self.sync.take_done()
    }

    /// After each look; `taken`: the position has moved to the end of what it found, or found nothing.
    pub(super) fn sync_looked(&mut self, looked: &Looked, taken: bool) {
        let Some((_, step)) = &mut self.sync.current else { return };
        let until = match *step {
            Step::Looking => looked.snapshot.end,
            Step::Reading(until) => until,
            Step::Asked | Step::Sending(_) => return,
        };
        // The log begins anew only when everything in it was read.
        let read = self.position.wal;
        *step = if taken && (read.salts != until.salts || read.frames >= until.frames) {
            Step::Sending(u8::from(self.slot.is_some()) + u8::from(self.unsent.is_some()))
        } else {
            Step::Reading(until)
        };
        self.sync.end_if_sent();
    }
}
