//! The steps of one full image, from the look that pins it to its object (see `snapshot`).

use super::machine::{Follow, FollowEnd, Fresh, Job};
use super::snapshot::{Frames, PIN_PAUSE, Phase, given_up_answered};
use crate::db::PageSums;
use crate::key::ObjectKey;
use crate::ltx::{Chain, Header};
use crate::mutants::{Mutant, mutated};
use crate::replicate::command::{RequestId, SourceJob};
use crate::replicate::context::Context;
use crate::replicate::draft::Draft;
use crate::replicate::event::{ImagePinned, SourceAnswer, SourceError, StoreAnswer};
use crate::replicate::head::Head;
use crate::replicate::notice::{Notice, SnapshotFailure};
use crate::replicate::pages::{ImagePages, PageSet};
use crate::replicate::sighting::HeadCheck;
use crate::replicate::state::StateChange;
use crate::replicate::upload::{Upload, UploadEnd};
use crate::store::StoreError;
use crate::types::{Instant, Pgno, TxidRange};
use std::sync::Arc;

impl Follow {
    /// Takes the steps that are due. Before anything else is begun: the pin must not wait for ever behind slots.
    pub(super) fn advance_snapshot(&mut self, cx: &mut Context<'_>) {
        if let Phase::Sending { upload, .. } = &mut self.snapshot.phase {
            upload.tick(cx);
        }
        if let Some(why) = self.gives_way(cx) {
            self.snapshot_failed(cx, why);
        }
        self.pin_if_due(cx);
        self.release_if_fresh(cx);
    }

    /// When the next step is due that no answer brings.
    pub(super) fn snapshot_deadline(&self) -> Option<Instant> {
        match &self.snapshot.phase {
            Phase::Sending { upload, .. } => upload.deadline(),
            // A job under way may have what is in its way; its answer brings the next look at that.
            Phase::Idle => self.pin_at().filter(|_| self.job.is_none()),
            Phase::Due | Phase::Pinning | Phase::Waiting { .. } | Phase::GivenUp(_) => None,
        }
    }

    /// Why the pin must go, or one that has not got that far.
    fn gives_way(&self, cx: &Context<'_>) -> Option<SnapshotFailure> {
        let snapshot = &self.snapshot;
        let begins = matches!(snapshot.phase, Phase::Due | Phase::Pinning);
        if self.stop.is_some() && (begins || snapshot.is_pinned) {
            return Some(SnapshotFailure::NotFollowed);
        }
        let slot_away = self.slot.as_ref().is_some_and(|slot| slot.upload.is_kept_away(cx.now.mono));
        let is_away = match &snapshot.phase {
            Phase::Sending { upload, .. } => upload.is_kept_away(cx.now.mono),
            _ => slot_away,
        };
        match snapshot.is_pinned && !mutated(Mutant::ImagePinNeverYields) {
            true if snapshot.is_in_the_way(cx.now.mono) => Some(SnapshotFailure::InTheWay),
            true if self.pace.live_bytes() > cx.config.max_wal_bytes => Some(SnapshotFailure::LongLog),
            true if is_away => Some(SnapshotFailure::StoreAway),
            _ => None,
        }
    }

    /// Begins to pin as soon as that is due and nothing is in the way.
    pub(super) fn pin_if_due(&mut self, cx: &mut Context<'_>) {
        let may = matches!(self.snapshot.phase, Phase::Idle) && self.may_pin();
        let due = may && self.snapshot.schedule.is_due(cx.now, self.stands());
        if due && self.pin_from() <= cx.now.mono {
            if cx.may_snapshot() {
                self.snapshot.phase = Phase::Due;
            } else {
                self.snapshot.pin_from = cx.now.mono.after(PIN_PAUSE);
            }
        }
        if !matches!(self.snapshot.phase, Phase::Due) {
            return;
        }
        if !self.may_pin() {
            // What a look has left goes up first.
            self.snapshot.phase = Phase::Idle;
        } else if self.job.is_none() {
            self.snapshot.schedule.begins();
            self.pace.look_begins();
            let id = cx.source(SourceJob::PinImage {
                from: self.position.wal,
                pages_before: self.position.pages,
                bytes_max: self.room(),
            });
            self.job = Some((id, Job::PinImage));
            self.snapshot.phase = Phase::Pinning;
        }
    }

    pub(super) fn image_pinned(&mut self, cx: &mut Context<'_>, pinned: ImagePinned) -> Option<FollowEnd> {
        let ImagePinned { looked, frames } = pinned;
        self.snapshot.is_pinned = frames.is_some();
        if mutated(Mutant::ImagePinnedLate) && self.unsent.is_some() {
            self.start_slot(cx);
        }
        let end = self.looked(cx, looked);
        if end.is_some() || self.leaving.is_some() {
            return end;
        }
        if !matches!(self.snapshot.phase, Phase::Pinning) {
            // It was given up meanwhile.
            self.snapshot.unpin(cx);
            return None;
        }
        self.snapshot.phase = Phase::Idle;
        match frames {
            None => self.put_pin_off(cx),
            Some(frames) if self.unsent.is_some() || self.slot.is_some() => self.send_up_to_pin(cx, frames),
            Some(_) if self.is_last_snapshot() => self.snapshot_unchanged(cx),
            Some(frames) => self.stage_image(cx, self.head, self.sums.clone(), frames),
        }
        None
    }

    /// What is unsent ends at the pin: it is a slot, and the image is that of this slot when it is confirmed.
    fn send_up_to_pin(&mut self, cx: &mut Context<'_>, frames: Frames) {
        if self.slot.is_none() {
            self.start_slot(cx);
        }
        let slot = self.slot.as_ref().expect("it was started");
        if mutated(Mutant::SnapshotBeforeConfirmed) {
            let (head, mut sums) = (slot.head, self.sums.clone());
            slot.delta.apply(&mut sums);
            return self.stage_image(cx, head, sums, frames);
        }
        self.snapshot.phase = Phase::Waiting { txid: slot.head.txid, frames };
    }

    /// It cannot be pinned just now.
    pub(super) fn put_pin_off(&mut self, cx: &Context<'_>) {
        self.snapshot.phase = Phase::Idle;
        self.snapshot.schedule.put_off();
        self.snapshot.pin_from = cx.now.mono.after(PIN_PAUSE);
    }

    /// A slot was confirmed; perhaps the one that the image is of.
    pub(super) fn slot_confirmed(&mut self, cx: &mut Context<'_>) {
        if let Phase::Waiting { txid, frames } = &self.snapshot.phase {
            assert_eq!(*txid, self.head.txid, "no other slot goes up before it");
            let frames = frames.clone();
            self.stage_image(cx, self.head, self.sums.clone(), frames);
        }
    }

    /// The image of a slot is read under the pin, and goes up beside the slots that follow.
    fn stage_image(&mut self, cx: &mut Context<'_>, head: Head, sums: PageSums, frames: Frames) {
        let after = sums.checksum();
        assert!(head.after.is_none_or(|of_head| of_head == after), "the sums are those of the head");
        let commit = Pgno::new(sums.page_count()).expect("a committed database has pages");
        let chain = Chain { node: cx.config.node, before: None, after, claim: false };
        let txids = TxidRange::up_to(head.txid);
        let header = Header::new(head.page_size, commit, txids, head.timestamp).with_chain(chain);
        let object = ObjectKey::snapshot(head.txid);
        let draft = Draft {
            key: cx.config.place.object_key(cx.config.layout, object),
            object,
            header,
            page_bytes: u64::from(commit.into_inner()) * u64::from(head.page_size.into_inner()),
            pages: Some(PageSet::Image(ImagePages { sums: Arc::new(sums), frames })),
            change: StateChange::default(),
        };
        let upload = Box::new(Upload::beside(cx, draft, self.seen.clone()));
        self.snapshot.phase = Phase::Sending { txid: head.txid, timestamp: head.timestamp, upload };
    }

    /// What is encoded is written only while the place is known to be as it was left: who was overtaken learns it before.
    fn release_if_fresh(&mut self, cx: &mut Context<'_>) {
        let Phase::Sending { upload, .. } = &mut self.snapshot.phase else { return };
        if !upload.is_held() {
            return;
        }
        if !self.seen.is_old(cx) {
            return upload.release(cx, &self.seen);
        }
        // Its end must not move while it is listed; a slot that is confirmed says the same.
        let may_list = self.slot.is_none() && self.listing.check.is_none() && self.stop.is_none();
        if may_list && !self.listing.is_postponed(cx.now.mono) {
            self.listing.check = Some(Box::new(HeadCheck::start(cx, self.seen.clone(), true)));
        }
    }

    /// The answer of an image that was small enough for one request.
    pub(super) fn snapshot_sealed(
        &mut self,
        cx: &mut Context<'_>,
        result: Result<SourceAnswer, SourceError>,
    ) {
        match &mut self.snapshot.phase {
            Phase::Sending { upload, .. } => {
                let end = upload.source(cx, result);
                self.snapshot_went_on(cx, end);
            }
            _ => self.snapshot.phase = Phase::Idle,
        }
    }

    /// The answer of a request to the store.
    pub(super) fn snapshot_stored(
        &mut self,
        cx: &mut Context<'_>,
        id: RequestId,
        result: Result<StoreAnswer, StoreError>,
    ) {
        match &mut self.snapshot.phase {
            Phase::Sending { upload, .. } => {
                let end = upload.store(cx, result);
                self.snapshot_went_on(cx, end);
            }
            _ => {
                let next = given_up_answered(cx, id, &result);
                self.snapshot.phase = next.map_or(Phase::Idle, Phase::GivenUp);
            }
        }
    }

    fn snapshot_went_on(&mut self, cx: &mut Context<'_>, end: Option<UploadEnd>) {
        let Phase::Sending { txid, timestamp, upload } = &self.snapshot.phase else {
            unreachable!("it went on")
        };
        let (txid, timestamp, size_bytes) = (*txid, *timestamp, Some(upload.size_bytes()));
        if end.is_some() || upload.is_encoded() {
            self.unpin(cx);
        }
        match end {
            None => {}
            Some(UploadEnd::Done { .. }) => {
                self.snapshot.phase = Phase::Idle;
                self.snapshot.schedule.made(cx.now, txid);
                self.fresh.push(Fresh { object: ObjectKey::snapshot(txid), timestamp, known: None });
                cx.notice(Notice::Snapshot { txid, timestamp, size_bytes });
                self.snapshot.tell_due(cx);
            }
            Some(UploadEnd::Taken) => {
                let key = cx.config.place.object_key(cx.config.layout, ObjectKey::snapshot(txid));
                self.snapshot_failed(cx, SnapshotFailure::Contradicted { key });
            }
            Some(UploadEnd::SourceLost(SourceError::Rotten { pages, count })) => {
                self.snapshot.phase = Phase::Idle;
                self.snapshot.schedule.refused(cx.now);
                cx.notice(Notice::SnapshotRefused { pages, count });
                self.snapshot.tell_due(cx);
            }
            Some(UploadEnd::SourceLost(error)) => self.snapshot_failed(cx, SnapshotFailure::Source(error)),
            Some(UploadEnd::Late) => unreachable!("only slots come too late"),
        }
    }

    /// Nothing has changed since the newest one.
    fn snapshot_unchanged(&mut self, cx: &mut Context<'_>) {
        self.unpin(cx);
        let txid = self.snapshot.schedule.last().txid;
        self.snapshot.schedule.unchanged();
        cx.notice(Notice::Snapshot { txid, timestamp: self.head.timestamp, size_bytes: None });
    }

    /// It is given up; the schedule brings it again.
    pub(super) fn snapshot_failed(&mut self, cx: &mut Context<'_>, why: SnapshotFailure) {
        self.unpin(cx);
        self.snapshot.give_up(cx);
        // An end on request is no failure, but for who waits for an answer.
        let is_told = why != SnapshotFailure::NotFollowed || self.snapshot.schedule.serves_request();
        match &why {
            // Nothing will be otherwise by itself.
            SnapshotFailure::Contradicted { .. } => self.snapshot.schedule.refused(cx.now),
            _ => self.snapshot.schedule.failed(cx.now),
        }
        if is_told {
            cx.notice(Notice::SnapshotFailed { why });
        }
        self.snapshot.tell_due(cx);
    }

    fn unpin(&mut self, cx: &mut Context<'_>) {
        if self.snapshot.is_pinned {
            self.snapshot.unpin(cx);
            self.pace.image_unpinned(cx.now.mono);
        }
    }
}
