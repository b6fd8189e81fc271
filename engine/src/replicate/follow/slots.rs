//! What goes up, and when: one slot at a time, everything that came meanwhile in the next.

use super::machine::{Follow, FollowEnd, Fresh};
use super::stop::Stop;
use crate::key::ObjectKey;
use crate::ltx::{Chain, Header};
use crate::mutants::{Mutant, mutated};
use crate::replicate::attach::span;
use crate::replicate::command::StateJob;
use crate::replicate::context::Context;
use crate::replicate::draft::Draft;
use crate::replicate::head::Head;
use crate::replicate::notice::{Notice, Status};
use crate::replicate::plan::time_after;
use crate::replicate::state::{CachedSums, Confirmed, StateChange};
use crate::replicate::tail::Delta;
use crate::replicate::upload::{Upload, UploadEnd};
use crate::restore::Facts;
use crate::types::{Instant, Pgno, TxidRange, WalPosition};
use std::time::Duration;

/// A slot under way.
#[derive(Debug)]
pub(super) struct Slot {
    pub(super) upload: Upload,
    pub(super) delta: Delta,
    pub(super) end: WalPosition,
    pub(super) head: Head,
    pub(super) facts: Facts,
    pub(super) memory_bytes: u64,
    /// When its first commit was seen.
    pub(super) since: Instant,
}

/// A store that takes what it is given leaves no more page bytes than this waiting: tails are cut there. Beside one that
/// is slow or away the whole budget may wait, because a log that is not read holds up the application's checkpoints.
pub(super) const SLOT_BYTES: u64 = 6 << 20;
/// With so many a slot waits for no interval.
const SLOT_BYTES_DUE: u64 = 4 << 20;
/// Page checksums are saved at most this often while slots go up.
const SUMS_INTERVAL: Duration = Duration::from_secs(10);
/// After this long without a slot what is confirmed is saved on its own.
const SAVE_IDLE: Duration = Duration::from_secs(5);

impl Follow {
    /// When the next slot is due, if anything is unsent.
    pub(super) fn slot_at(&self) -> Option<Instant> {
        let ending = self.stop.is_some_and(|stop| !matches!(stop, Stop::Draining { .. }));
        let unsent = self.unsent.as_ref().filter(|_| !ending)?;
        let config = &self.pace.limits;
        let hurries = self.stop.is_some() || self.sync.wants_slot(self.slot.is_some());
        let now_due = hurries
            || unsent.is_pinned()
            || unsent.memory_bytes() >= SLOT_BYTES_DUE
            // What does not fit into memory stays under the pin: it must not wait for an interval.
            || self.room() == 0
            || self.pace.has_more()
            || (config.max_changes > 0 && unsent.frames >= u64::from(config.max_changes));
        let due = if now_due { unsent.since } else { unsent.since.after(config.max_interval) };
        // The guard on request cost gives way only to a request.
        let guard = self.slot_started_at.filter(|_| !hurries && !mutated(Mutant::MinIntervalIgnored));
        Some(guard.map_or(due, |started| due.max(started.after(config.min_interval))))
    }

    pub(super) fn start_slot_if_due(&mut self, cx: &mut Context<'_>) {
        if self.may_send() && self.slot_at().is_some_and(|due| due <= cx.now.mono) {
            self.start_slot(cx);
        }
    }

    /// Whether nothing is in the way of the next slot.
    pub(super) fn may_send(&self) -> bool {
        self.slot.is_none() && self.listing.check.is_none() && !self.snapshot.is_pinning()
    }

    /// Sends what is unsent.
    pub(super) fn start_slot(&mut self, cx: &mut Context<'_>) {
        let unsent = self.unsent.take().expect("a slot is due");
        let delta = unsent.delta();
        let timestamp = time_after(cx, self.head.timestamp);
        let txid = self.head.txid + 1;
        let after = delta.after(&self.sums);
        let page_size = self.head.page_size;
        let wal = span(unsent.start.frames, &unsent.end, page_size);
        let commit = if mutated(Mutant::StaleCommitInHeader) { self.head.commit } else { unsent.commit };
        let before = if mutated(Mutant::ChainForgotten) { Some(after) } else { self.head.after };
        let chain = Chain { node: cx.config.node, before, after, claim: false };
        let commit = Pgno::new(commit).expect("a committed database has pages");
        let mut header = Header::new(page_size, commit, TxidRange::single(txid), timestamp).with_chain(chain);
        if let Some(wal) = wal {
            header = header.with_wal(wal);
        }
        let head = Head { commit: unsent.commit, ..Head::of_slot(&header) };
        let facts = Facts::from(&header);
        let (end, memory_bytes, since) = (unsent.end, unsent.memory_bytes(), unsent.since);
        let page_bytes = u64::from(unsent.page_count()) * u64::from(page_size.into_inner());
        let draft = Draft {
            key: cx.config.place.object_key(cx.config.layout, ObjectKey::slot(txid)),
            object: ObjectKey::slot(txid),
            header,
            pages: Some(unsent.into_pages()),
            page_bytes,
            change: self.state_change(cx),
        };
        if mutated(Mutant::DurableAtSend) {
            cx.notice(Notice::Durable { txid, timestamp });
        }
        let upload = Upload::start(cx, draft, self.seen.clone());
        self.slot = Some(Slot { upload, delta, end, head, facts, memory_bytes, since });
        self.slot_started_at = Some(cx.now.mono);
    }

    pub(super) fn slot_ended(&mut self, cx: &mut Context<'_>, end: UploadEnd) -> Option<FollowEnd> {
        let slot = self.slot.take().expect("it ended");
        match end {
            UploadEnd::Done { seen } => {
                assert_eq!(slot.head.txid, self.head.txid + 1, "one slot after the other");
                slot.delta.apply(&mut self.sums);
                assert_eq!(slot.head.after, Some(self.sums.checksum()), "the sums are those of the header");
                self.head = slot.head;
                self.head_wal = slot.end;
                let object = ObjectKey::slot(self.head.txid);
                let etag =
                    seen.object.as_ref().filter(|seen| seen.key == object).map(|seen| seen.etag.clone());
                let known = etag.map(|etag| (slot.facts, etag));
                self.fresh.push(Fresh { object, timestamp: slot.facts.timestamp, known });
                self.seen = seen;
                self.unsaved = true;
                cx.notice(Notice::Durable { txid: self.head.txid, timestamp: self.head.timestamp });
                self.sync.slot_done();
                self.slot_confirmed(cx);
                None
            }
            UploadEnd::Taken | UploadEnd::Late => Some(FollowEnd::Relist),
            UploadEnd::SourceLost(error) => {
                cx.notice(Notice::Source { error, fatal: false });
                Some(FollowEnd::Relist)
            }
        }
    }

    /// What the local state should know besides the next record.
    fn state_change(&mut self, cx: &Context<'_>) -> StateChange {
        let mut change = StateChange { confirmed: Some(self.confirmed()), ..StateChange::default() };
        if cx.now.mono.since(self.sums_saved_at) >= SUMS_INTERVAL {
            change.sums = Some(self.cached_sums(cx.now.mono));
        }
        change
    }

    fn confirmed(&self) -> Confirmed {
        Confirmed {
            txid: self.head.txid,
            after: self.head.after.unwrap_or_else(|| self.sums.checksum()),
            wal: self.head_wal,
            page_size: self.head.page_size,
            pages: self.sums.page_count(),
        }
    }

    fn cached_sums(&mut self, now: Instant) -> CachedSums {
        self.sums_saved_at = now;
        let sums = self.sums.clone();
        let dirty: Vec<u32> = self.sums.dirty_chunks().collect();
        for chunk in dirty {
            self.sums.mark_clean(chunk);
        }
        CachedSums { txid: self.head.txid, page_size: self.head.page_size, sums }
    }

    /// When what is confirmed is saved on its own.
    pub(super) fn save_at(&self) -> Option<Instant> {
        let quiet = self.slot.is_none() && self.unsent.is_none() && self.saving.is_none();
        (self.unsaved && quiet && self.stop.is_none())
            .then(|| self.sums_saved_at.max(self.slot_started_at.unwrap_or_default()).after(SAVE_IDLE))
    }

    pub(super) fn save_if_due(&mut self, cx: &mut Context<'_>) {
        if self.save_at().is_some_and(|due| due <= cx.now.mono) {
            self.save(cx);
        }
    }

    pub(super) fn save(&mut self, cx: &mut Context<'_>) {
        let chunks = self.sums.dirty_chunks().collect();
        let sums = Some(self.cached_sums(cx.now.mono));
        let change = StateChange { confirmed: Some(self.confirmed()), sums, ..StateChange::default() };
        self.saving = Some((cx.state(StateJob::Save(Box::new(change))), chunks));
    }

    pub(super) fn tell_degraded(&mut self, cx: &mut Context<'_>) {
        let held = self.pace.held_is_told_at().is_some_and(|at| at <= cx.now.mono);
        if held && !self.held {
            cx.notice(Notice::BudgetSpent { bytes_max: self.pace.limits.memory_bytes });
        }
        self.held = held;
        let trouble =
            held || self.listing.is_in_trouble() || self.slot.as_ref().is_some_and(|s| s.upload.in_trouble());
        if trouble != self.degraded {
            self.degraded = trouble;
            cx.notice(Notice::Status(if trouble { Status::Degraded } else { Status::Following }));
        }
    }
}
