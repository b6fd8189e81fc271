//! A full image of a confirmed slot, made while everything else goes on (docs/design.md section 6).
//!
//! ```text
//! idle ──► due ──► pinning ──► waiting ──► sending ──► idle
//!                  a look that  the slot    pages are read under the pin and compared with
//!                  pins where   up to the   the checksums of the slot, level 9 goes up
//!                  it ends      pin is sent
//! ```
//!
//! The look that pins ends exactly at the pin, and what is unsent then is a slot of its own: so nothing of the slot after
//! it can be in the image, and the checksums of the head are those of the image when the slot is confirmed.
//! The pin gives way to all that waits for it. The steps are in `image`.

use super::machine::Follow;
use super::schedule::{Schedule, Standing};
use crate::mutants::{Mutant, mutated};
use crate::replicate::command::{RequestId, SourceJob, StoreRequest};
use crate::replicate::context::Context;
use crate::replicate::event::{Looked, StoreAnswer};
use crate::replicate::notice::Notice;
use crate::replicate::upload::Upload;
use crate::store::StoreError;
use crate::types::{Instant, Pgno, Timestamp, Txid};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// The full image that is under way, and when the next is due.
#[derive(Debug)]
pub(super) struct Snapshot {
    pub(super) schedule: Schedule,
    pub(super) phase: Phase,
    /// The image pin is held.
    pub(super) is_pinned: bool,
    /// One that could not be pinned is not tried again before.
    pub(super) pin_from: Instant,
    /// Since when a checkpoint is seen that the pin may be in the way of.
    in_the_way_since: Option<Instant>,
    /// What was told of when the next one is due.
    told: Option<Timestamp>,
}

/// How far one is.
#[derive(Debug)]
pub(super) enum Phase {
    Idle,
    /// The next job pins; nothing is sent before.
    Due,
    /// The job is under way.
    Pinning,
    /// The slot up to the pin is under way.
    Waiting {
        txid: Txid,
        frames: Frames,
    },
    /// The image of that slot is read and goes up.
    Sending {
        txid: Txid,
        timestamp: Timestamp,
        upload: Box<Upload>,
    },
    /// It was given up, and a request of it is not answered: the next one does not begin before. Where requests are lost,
    /// each stays for as long as one may take, and those of many attempts would pile up.
    GivenUp(RequestId),
}

/// Pages of the image that lie in the log.
pub(super) type Frames = Arc<BTreeMap<Pgno, u32>>;

/// More was committed than a look takes at once, or four others are under way.
pub(super) const PIN_PAUSE: Duration = Duration::from_millis(200);
/// A checkpoint of the application that keeps the writers out waits for the pin no longer than this, and a look: hand-overs
/// of the anchor alone take less.
const IN_THE_WAY_MAX: Duration = Duration::from_millis(200);

impl Snapshot {
    pub(super) fn new(cx: &mut Context<'_>, schedule: Schedule) -> Snapshot {
        let mut snapshot = Snapshot {
            schedule,
            phase: Phase::Idle,
            is_pinned: false,
            pin_from: cx.now.mono,
            in_the_way_since: None,
            told: None,
        };
        snapshot.tell_due(cx);
        snapshot
    }

    pub(super) fn awaits(&self, id: RequestId) -> bool {
        match &self.phase {
            Phase::Sending { upload, .. } => upload.awaits(id),
            Phase::GivenUp(asked) => *asked == id,
            Phase::Idle | Phase::Due | Phase::Pinning | Phase::Waiting { .. } => false,
        }
    }

    /// Whether what is unsent waits for the pin, which comes at once, and then goes up at once.
    pub(super) fn is_pinning(&self) -> bool {
        matches!(self.phase, Phase::Due | Phase::Pinning)
    }

    pub(super) fn is_pinned(&self) -> bool {
        self.is_pinned
    }

    /// What a look saw.
    pub(super) fn looked(&mut self, now: Instant, looked: &Looked) {
        let seen = looked.image_in_the_way && self.is_pinned;
        self.in_the_way_since = seen.then(|| self.in_the_way_since.unwrap_or(now));
    }

    pub(super) fn part(&mut self, now: Instant, result: &Result<(), StoreError>) {
        if let Phase::Sending { upload, .. } = &mut self.phase {
            upload.part(now, result);
        }
    }

    /// Whether a checkpoint of the application has waited for long enough.
    pub(super) fn is_in_the_way(&self, now: Instant) -> bool {
        self.in_the_way_since.is_some_and(|since| now.since(since) >= IN_THE_WAY_MAX)
    }

    pub(super) fn unpin(&mut self, cx: &mut Context<'_>) {
        if std::mem::take(&mut self.is_pinned) {
            cx.source(SourceJob::UnpinImage);
        }
        self.in_the_way_since = None;
    }

    /// Ends what is under way, wherever it is.
    pub(super) fn give_up(&mut self, cx: &mut Context<'_>) {
        self.unpin(cx);
        self.phase = match std::mem::replace(&mut self.phase, Phase::Idle) {
            // Its answer finds that nobody wants it any more.
            Phase::Idle | Phase::Due | Phase::Pinning | Phase::Waiting { .. } => Phase::Idle,
            Phase::Sending { upload, .. } => upload.give_up(cx).map_or(Phase::Idle, Phase::GivenUp),
            given_up @ Phase::GivenUp(_) => given_up,
        };
    }

    /// Tells when the next one is due, if that is new.
    pub(super) fn tell_due(&mut self, cx: &mut Context<'_>) {
        let due = self.schedule.due();
        if due != self.told {
            self.told = due;
            cx.notice(Notice::SnapshotDue { at: due });
        }
    }
}

/// The answer to a request of an image that was given up: what it staged is discarded. The request that must be answered next.
pub(in crate::replicate) fn given_up_answered(
    cx: &mut Context<'_>,
    asked: RequestId,
    result: &Result<StoreAnswer, StoreError>,
) -> Option<RequestId> {
    let is_staged = matches!(result, Ok(StoreAnswer::Staged { .. }));
    is_staged.then(|| cx.store(StoreRequest::Discard { staged: asked }))
}

impl Follow {
    pub(in crate::replicate) fn request_snapshot(&mut self) {
        self.snapshot.schedule.request();
    }

    /// Whether one is under way, or its remains are.
    pub(in crate::replicate) fn makes_snapshot(&self) -> bool {
        !matches!(self.snapshot.phase, Phase::Idle)
    }

    /// What was given up when following ended the last time is not answered.
    pub(in crate::replicate) fn awaits_given_up(&mut self, asked: RequestId) {
        self.snapshot.phase = Phase::GivenUp(asked);
    }

    /// Following ends: what is under way is given up. The schedule for the next time, and the request that must still be
    /// answered.
    pub(in crate::replicate) fn end_snapshot(
        &mut self,
        cx: &mut Context<'_>,
    ) -> (Schedule, Option<RequestId>) {
        // The connections are closed with the source, or have been.
        self.snapshot.is_pinned = false;
        self.snapshot.give_up(cx);
        self.snapshot.schedule.put_off();
        let asked = match &self.snapshot.phase {
            Phase::GivenUp(asked) => Some(*asked),
            _ => None,
        };
        (self.snapshot.schedule.clone(), asked)
    }

    /// When one is to be begun; `None`: not as things are.
    pub(super) fn pin_at(&self) -> Option<Instant> {
        let due = self.snapshot.schedule.at(self.stands())?;
        self.may_pin().then(|| due.max(self.pin_from()))
    }

    /// Not before then, whatever is due: what is unsent goes into a slot, which has a guard of its own.
    pub(super) fn pin_from(&self) -> Instant {
        let guard = self.slot_started_at.filter(|_| !mutated(Mutant::MinIntervalIgnored));
        let from = guard.map(|started| started.after(self.pace.limits.min_interval));
        self.snapshot.pin_from.max(from.unwrap_or_default())
    }

    /// Whether the end of what a look reads now could be the end of a slot.
    pub(super) fn may_pin(&self) -> bool {
        let is_idle = matches!(self.snapshot.phase, Phase::Idle | Phase::Due);
        let free = is_idle && self.stop.is_none() && self.leaving.is_none();
        let quiet = self.slot.is_none() && self.listing.check.is_none();
        let fits =
            !self.pace.has_more() && self.room() > 0 && !self.unsent.as_ref().is_some_and(|u| u.is_pinned());
        free && quiet && fits
    }

    pub(super) fn stands(&self) -> Standing {
        Standing { changed: !self.is_last_snapshot(), frames_at: self.pace.frames_at() }
    }

    /// Whether the newest full image is that of the head.
    pub(super) fn is_last_snapshot(&self) -> bool {
        self.snapshot.schedule.last().is_of(&self.head)
    }
}
