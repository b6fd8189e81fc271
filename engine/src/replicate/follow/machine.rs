//! The state of following, and the routing of answers.

use super::listing::Listing;
use super::pace::{Limits, Pace};
use super::schedule::Schedule;
use super::slots::Slot;
use super::snapshot::Snapshot;
use super::stop::Stop;
use super::sync::Sync;
use crate::db::PageSums;
use crate::key::ObjectKey;
use crate::mutants::{Mutant, mutated};
use crate::replicate::command::{RequestId, SourceJob};
use crate::replicate::config::DatabaseConfig;
use crate::replicate::context::Context;
use crate::replicate::event::{Hint, Looked, SourceAnswer, SourceError, StateError, StoreAnswer};
use crate::replicate::head::Head;
use crate::replicate::notice::{HealReason, Notice, SnapshotFailure};
use crate::replicate::sighting::Sighting;
use crate::replicate::tail::{Unsent, is_pinned};
use crate::restore::Facts;
use crate::store::{ETag, StoreError};
use crate::types::{Instant, Now, Timestamp, WalPosition};

/// Where reading stands: everything before it was read, under pins without a break.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::replicate) struct Position {
    pub(in crate::replicate) wal: WalPosition,
    /// Pages in the database there.
    pub(in crate::replicate) pages: u32,
}

/// The sub-machine.
#[derive(Debug)]
pub(in crate::replicate) struct Follow {
    /// The newest confirmed slot.
    pub(super) head: Head,
    /// Page checksums as of the head.
    pub(super) sums: PageSums,
    /// Where the WAL stood at the head.
    pub(super) head_wal: WalPosition,
    pub(super) position: Position,
    pub(super) unsent: Option<Unsent>,
    pub(super) slot: Option<Slot>,
    pub(super) job: Option<(RequestId, Job)>,
    /// A save under way, with the chunks of page checksums in it.
    pub(super) saving: Option<(RequestId, Vec<u32>)>,
    pub(super) pace: Pace,
    pub(super) stop: Option<Stop>,
    pub(super) sync: Sync,
    /// Set when the source must be reopened as soon as no slot is outstanding.
    pub(super) leaving: Option<HealReason>,
    /// When the store was last known to agree with the head.
    pub(super) seen: Sighting,
    pub(super) listing: Listing,
    /// Slots that were confirmed, for upkeep.
    pub(super) fresh: Vec<Fresh>,
    /// Full images.
    pub(super) snapshot: Snapshot,
    /// When the last slot was started.
    pub(super) slot_started_at: Option<Instant>,
    /// Something confirmed that the local state does not know.
    pub(super) unsaved: bool,
    pub(super) sums_saved_at: Instant,
    pub(super) degraded: bool,
    /// It was told that the budget holds the pin.
    pub(super) held: bool,
}

/// A slot that was confirmed, or a full image.
#[derive(Clone, Debug)]
pub(in crate::replicate) struct Fresh {
    pub(in crate::replicate) object: ObjectKey,
    pub(in crate::replicate) timestamp: Timestamp,
    /// What its header says, of which version.
    pub(in crate::replicate) known: Option<(Facts, ETag)>,
}

/// What the source is busy with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Job {
    Look,
    /// A look that keeps the writers out, so that the log begins anew.
    Restart,
    /// A look, and a pin for a full image.
    PinImage,
    Measure,
    Passive,
    Truncate,
    Close,
}

/// Why following ended.
#[derive(Debug)]
pub(in crate::replicate) enum FollowEnd {
    /// The store must be looked at anew.
    Relist,
    /// The source must be reopened and compared.
    Reattach(HealReason),
    /// Stopped on request.
    Stopped {
        /// Whether everything that was seen is in the store.
        complete: bool,
    },
}

impl Follow {
    /// Begins at `position`, with the head's page checksums.
    pub(in crate::replicate) fn start(
        cx: &mut Context<'_>,
        head: Head,
        sums: PageSums,
        position: Position,
        seen: Sighting,
        schedule: Schedule,
    ) -> Follow {
        Follow {
            head,
            sums,
            head_wal: position.wal,
            position,
            unsent: None,
            slot: None,
            job: None,
            saving: None,
            pace: Pace::start(cx.now.mono, cx.config),
            stop: None,
            sync: Sync::default(),
            leaving: None,
            seen,
            listing: Listing::start(cx),
            fresh: Vec::new(),
            snapshot: Snapshot::new(cx, schedule),
            slot_started_at: None,
            unsaved: true,
            sums_saved_at: cx.now.mono,
            degraded: false,
            held: false,
        }
    }

    /// The slots that were confirmed since this was asked last.
    pub(in crate::replicate) fn take_fresh(&mut self) -> Vec<Fresh> {
        std::mem::take(&mut self.fresh)
    }

    pub(in crate::replicate) fn head(&self) -> &Head {
        &self.head
    }

    pub(in crate::replicate) fn sums(&self) -> &PageSums {
        &self.sums
    }

    pub(in crate::replicate) fn seen(&self) -> &Sighting {
        &self.seen
    }

    pub(in crate::replicate) fn is_listing(&self) -> bool {
        self.listing.check.is_some()
    }

    pub(in crate::replicate) fn is_degraded(&self) -> bool {
        self.degraded
    }

    pub(in crate::replicate) fn poked(&mut self, hint: Hint) {
        // An end looks on its own, and must come to an end however busy the application is.
        if self.stop.is_none() {
            self.pace.poked(hint);
        }
    }

    pub(in crate::replicate) fn reconfigure(&mut self, now: Now, config: &DatabaseConfig) {
        self.pace.limits = Limits::new(config);
        self.snapshot.schedule.reconfigure(now, config.snapshots);
        self.listing.reconfigure(config);
    }

    pub(in crate::replicate) fn awaits(&self, id: RequestId) -> bool {
        self.job.is_some_and(|(sent, _)| sent == id)
            || self.saving.as_ref().is_some_and(|(sent, _)| *sent == id)
            || self.slot.as_ref().is_some_and(|s| s.upload.awaits(id))
            || self.listing.check.as_ref().is_some_and(|check| check.awaits(id))
            || self.snapshot.awaits(id)
    }

    pub(in crate::replicate) fn source(
        &mut self,
        cx: &mut Context<'_>,
        id: RequestId,
        result: Result<SourceAnswer, SourceError>,
    ) -> Option<FollowEnd> {
        if self.slot.as_ref().is_some_and(|s| s.upload.awaits(id)) {
            let end = self.slot.as_mut().expect("checked").upload.source(cx, result);
            return end.and_then(|end| self.slot_ended(cx, end));
        }
        if self.snapshot.awaits(id) {
            self.snapshot_sealed(cx, result);
            return None;
        }
        let (_, job) = self.job.take().expect("an awaited job");
        match (job, result) {
            (Job::Look, Ok(SourceAnswer::Looked(looked))) => self.looked(cx, looked),
            (Job::Restart, Ok(SourceAnswer::Looked(looked))) => {
                let copied = looked.backfilled;
                let end = self.looked(cx, looked);
                self.pace.drove(cx.now.mono, copied);
                end
            }
            (Job::PinImage, Ok(SourceAnswer::ImagePinned(pinned))) => self.image_pinned(cx, pinned),
            (Job::Measure, Ok(SourceAnswer::Measured(measured))) => {
                self.pace.measured(cx.now.mono, measured);
                None
            }
            (Job::Passive | Job::Truncate, Ok(SourceAnswer::Checkpointed(done))) => {
                self.pace.checkpointed(cx.now.mono, done);
                None
            }
            (Job::Close, _) => {
                let complete = self.unsent.is_none() && self.slot.is_none() && !self.pace.has_more();
                Some(FollowEnd::Stopped { complete })
            }
            (_, Ok(other)) => unreachable!("asked for {job:?}, answered {other:?}"),
            // It is measured again later.
            (Job::Measure, Err(error))
                if !matches!(error, SourceError::Replaced(_) | SourceError::Missing) =>
            {
                None
            }
            (Job::PinImage, Err(SourceError::Busy)) => {
                self.put_pin_off(cx);
                None
            }
            (Job::PinImage, Err(error))
                if !matches!(error, SourceError::Replaced(_) | SourceError::Missing) =>
            {
                self.snapshot_failed(cx, SnapshotFailure::Source(error));
                None
            }
            (job, Err(error)) => {
                if job == Job::Restart {
                    self.pace.drove(cx.now.mono, false);
                }
                if matches!(job, Job::Look | Job::Restart) {
                    self.sync.look_failed();
                }
                self.source_failed(cx, error);
                None
            }
        }
    }

    pub(in crate::replicate) fn state(
        &mut self,
        cx: &mut Context<'_>,
        id: RequestId,
        result: Result<(), StateError>,
    ) {
        if let Some((_, chunks)) = self.saving.take_if(|(sent, _)| *sent == id) {
            match result {
                Ok(()) => self.unsaved = false,
                Err(StateError(message)) => {
                    // The next save brings them again, or the saved checksums would be of no one state.
                    let still_there = chunks.into_iter().filter(|c| *c < self.sums.chunk_count());
                    still_there.collect::<Vec<_>>().into_iter().for_each(|c| self.sums.mark_dirty(c));
                    cx.notice(Notice::State { message });
                }
            }
            return;
        }
        self.slot.as_mut().expect("an awaited record").upload.state(cx, result);
    }

    pub(in crate::replicate) fn part(
        &mut self,
        now: Instant,
        id: RequestId,
        result: &Result<(), StoreError>,
    ) {
        match &mut self.slot {
            Some(slot) if slot.upload.awaits(id) => slot.upload.part(now, result),
            _ => self.snapshot.part(now, result),
        }
    }

    pub(in crate::replicate) fn store(
        &mut self,
        cx: &mut Context<'_>,
        id: RequestId,
        result: Result<StoreAnswer, StoreError>,
    ) -> Option<FollowEnd> {
        if self.snapshot.awaits(id) {
            self.snapshot_stored(cx, id, result);
            return None;
        }
        let Some(slot) = &mut self.slot else { return self.listed(cx, result) };
        let end = slot.upload.store(cx, result);
        end.and_then(|end| self.slot_ended(cx, end))
    }

    /// Does what is due. Called after every event.
    pub(in crate::replicate) fn advance(&mut self, cx: &mut Context<'_>) -> Option<FollowEnd> {
        if let Some(slot) = &mut self.slot {
            slot.upload.tick(cx);
        }
        if let Some(reason) = self.leaving {
            let quiet = self.slot.is_none() && self.job.is_none() && self.saving.is_none();
            return quiet.then_some(FollowEnd::Reattach(reason));
        }
        self.advance_snapshot(cx);
        self.list_if_due(cx);
        // A listing that was given up is in its way no more.
        self.pin_if_due(cx);
        self.let_go_if_too_long(cx);
        // Nothing more is asked of a source that was let go.
        if self.leaving.is_some() {
            return None;
        }
        self.start_slot_if_due(cx);
        self.save_if_due(cx);
        self.advance_stop(cx);
        self.start_job_if_due(cx);
        self.note_held(cx);
        self.tell_degraded(cx);
        None
    }

    pub(in crate::replicate) fn deadline(&self) -> Option<Instant> {
        let slot = self.slot.as_ref().and_then(|s| s.upload.deadline());
        if self.leaving.is_some() {
            return slot;
        }
        let look = self.look_at().or_else(|| self.measure_at());
        let checkpoint = self.checkpoint_at();
        let send = self.slot_at().filter(|_| self.may_send());
        let save = self.save_at();
        let told = self.pace.held_is_told_at().filter(|_| !self.held);
        let list = self.list_at();
        let listing = self.listing.check.as_ref().and_then(|check| check.deadline());
        let snapshot = self.snapshot_deadline();
        [slot, look, checkpoint, send, save, told, list, listing, snapshot].into_iter().flatten().min()
    }

    pub(super) fn looked(&mut self, cx: &mut Context<'_>, mut looked: Looked) -> Option<FollowEnd> {
        self.pace.looked(cx.now.mono, &looked);
        self.snapshot.looked(cx.now.mono, &looked);
        if looked.snapshot.page_size != self.head.page_size {
            self.leave(cx, HealReason::PageSize);
            return None;
        }
        let mut taken = true;
        match looked.tail.take() {
            None => {
                self.position = Position { wal: looked.snapshot.end, pages: looked.snapshot.pages };
            }
            // A transaction that only the anchor can give, behind one that is still in memory: it is read
            // again when that is gone. The anchor has not moved.
            Some(tail) if is_pinned(&tail) && (self.unsent.is_some() || self.slot.is_some()) => {
                assert!(!looked.handed_over, "what is not in memory stays under the anchor");
                self.pace.spilled();
                taken = false;
            }
            Some(tail) => {
                assert!(tail.commit > 0, "a committed database has pages");
                self.position = Position { wal: tail.end, pages: tail.commit };
                self.pace.frames_came(cx.now.mono, tail.end == looked.snapshot.end);
                match &mut self.unsent {
                    Some(unsent) => unsent.extend(tail),
                    None => self.unsent = Some(Unsent::new(tail, cx.now.mono)),
                }
            }
        }
        self.sync_looked(&looked, taken);
        if let Some(Stop::Draining { looked, .. }) = &mut self.stop {
            *looked = true;
        }
        None
    }

    fn source_failed(&mut self, cx: &mut Context<'_>, error: SourceError) {
        let reason = match &error {
            SourceError::Replaced(_) | SourceError::Missing => Some(HealReason::Replaced),
            SourceError::Busy | SourceError::BadFrame { .. } | SourceError::Io(_) => {
                self.pace.failed(cx.now.mono).then_some(HealReason::LogGone)
            }
            SourceError::Denied(_)
            | SourceError::NotADatabase(_)
            | SourceError::Held(_)
            | SourceError::NotWal(_)
            | SourceError::Unstable(_)
            | SourceError::Rotten { .. }
            | SourceError::Library(_) => Some(HealReason::Replaced),
        };
        if let Some(reason) = reason {
            cx.notice(Notice::Source { error, fatal: false });
            self.leave(cx, reason);
        }
    }

    /// Lets go of the source at once: what is on its way may take as long as the store is away, and until then a
    /// replaced file would be read and written through the log and the shared memory of the one before. What is on
    /// its way and can be read under the anchor alone is lost with it.
    pub(super) fn leave(&mut self, cx: &mut Context<'_>, reason: HealReason) {
        if !mutated(Mutant::ReplacedFileHeld) {
            cx.source(SourceJob::Close);
        }
        self.leaving = Some(reason);
        // Whatever was read is in the database: the page comparison finds it again.
        self.unsent = None;
    }
}
