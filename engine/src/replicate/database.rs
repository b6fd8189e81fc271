//! One database: a thin owner of the phase it is in, which routes events to it. What follows when a phase ends is
//! decided in `decision`.
//!
//! ```text
//! Start ──► (Claim) ──► Attach ──► Catchup ──► Follow
//!   ▲          place empty    compare    what differs      │
//!   └────────────────── doubt about the store ─────────────┤
//!                            Attach ◄── doubt about the source
//! ```

use super::attach::{Attach, Compared};
use super::backoff::Backoff;
use super::catchup::Catchup;
use super::claim::Claim;
use super::command::{RequestId, SourceId};
use super::config::DatabaseConfig;
use super::context::{Context, Outbox};
use super::doubt::Doubts;
use super::ending::Ending;
use super::event::{Hint, SourceAnswer, SourceError, StateError, StoreAnswer, SyncId};
use super::follow::{Follow, Fresh, LastSnapshot, Schedule, given_up_answered};
use super::head::Head;
use super::manifest::{Rewrite, SeenManifest};
use super::notice::{HealReason, Notice, SnapshotFailure, Status};
use super::origin::Origin;
use super::plan::Goal;
use super::probe::Probe;
use super::retrying::Retrying;
use super::sighting::{SeenObject, Sighting};
use super::start::Start;
use super::state::{CachedSums, LocalState};
use super::upkeep::Upkeep;
use crate::key::PlaceListing;
use crate::mutants::{Mutant, mutated};
use crate::store::StoreError;
use crate::types::{Instant, Now, Txid};

/// One followed database.
#[derive(Debug)]
pub(super) struct Database {
    pub(super) id: SourceId,
    pub(super) config: DatabaseConfig,
    pub(super) phase: Phase,
    pub(super) status: Status,
    /// Newest page checksums of this life, if they are newer than the saved ones.
    pub(super) sums: Option<CachedSums>,
    /// The newest slot announced durable in this life.
    pub(super) durable: Option<Txid>,
    /// Why the next heal will be needed, where more is known than the comparison shows.
    pub(super) reason: Option<HealReason>,
    /// Whether this life has followed the place, or told that a slot of this host counts: whoever has the head after
    /// that has fenced us, whatever `take_over` says. A person takes a place over once, not again and again.
    pub(super) owned: bool,
    /// The newest object, if it is unreadable, and how often in a row it was.
    pub(super) damaged: Option<(String, u32)>,
    /// A claim of this life that was won, until it was looked at again.
    pub(super) claim: Option<SeenObject>,
    /// The newest object of this life.
    pub(super) known: Option<SeenObject>,
    /// What the manifest should say instead.
    pub(super) rewrite: Rewrite,
    /// What keeps the place in shape.
    pub(super) upkeep: Upkeep,
    /// What keeps the source from being opened, as it was told, and the attempts since.
    pub(super) trouble: Option<(SourceError, Backoff)>,
    pub(super) doubts: Doubts,
    /// It was told that the clock is behind the newest slot.
    pub(super) clock_told: bool,
    /// The newest sync that was requested, if it was not answered.
    pub(super) sync: Option<SyncId>,
    pub(super) stop_requested: bool,
    /// The request of a full image that nobody wants any more, if it is not answered; while the database is followed,
    /// following has it.
    pub(super) given_up: Option<RequestId>,
    /// A full image was asked for while none could be made.
    pub(super) snapshot_requested: bool,
    /// The newest full image that the place was seen to have.
    pub(super) newest_snapshot: Option<LastSnapshot>,
    /// Since the first time that it was followed in this life; following has it meanwhile.
    pub(super) schedule: Option<Schedule>,
}

#[derive(Debug)]
pub(super) enum Phase {
    Start(Start),
    Probe(Probe, Box<Place>),
    Claim(Claim, Box<Place>),
    Attach(Attach, Box<Place>, Goal),
    /// Page 1 as of a head that is not ours, for the claim slot on top of it.
    FirstPage(Retrying, Box<Place>, Box<Compared>),
    Catchup(Catchup, Box<Place>),
    Follow(Box<Follow>, Box<Place>),
    /// Deleting a claim that came too late to count.
    Withdrawing(Retrying),
    /// Letting go before an end state.
    Ending(Ending),
    /// Nothing to do before then, or before something changes; a hint that the files changed counts from
    /// `poke_from` on.
    Waiting {
        until: Option<Instant>,
        poke_from: Instant,
        then: Then,
    },
    /// The same doubt came back at once: a pause before all is looked at anew.
    Doubting(Instant, Then),
    Stopped,
}

/// What is known about the place.
#[derive(Debug)]
pub(super) struct Place {
    pub(super) local: LocalState,
    /// `None` as well once it was followed from.
    pub(super) manifest: Option<SeenManifest>,
    pub(super) listing: PlaceListing,
    pub(super) head: Option<Head>,
    /// What a restore to the database's path said of its file.
    pub(super) origin: Option<Origin>,
    /// When the store was last known to agree with that.
    pub(super) seen: Sighting,
}

impl Place {
    /// Whether only an image may go on top of another's head: a claim goes on top of it, and there are numbers above it
    /// that were used; or it is an image whose snapshot is not there, or no claim any more, and nobody can restore what
    /// is built on it.
    pub(super) fn needs_image(&self, head: &Head) -> bool {
        self.local.last_used(Some(head.txid)) > Some(head.txid)
            || head.lacks_snapshot(&self.listing)
            || head.is_in_place_of_a_claim(&self.listing)
    }

    /// Whether a slot above the head was sent in an earlier life and has not landed, yet.
    pub(super) fn must_settle(&self) -> bool {
        !mutated(Mutant::SentSlotNotSettled)
            && self.head.is_some_and(|head| self.local.pending.iter().any(|p| p.txid > head.txid))
    }
}

#[derive(Debug)]
pub(super) enum Then {
    Start,
    Attach(Box<Place>, Goal),
    Probe(Box<Place>),
    /// An end state: only a stop leads out.
    Never,
}

impl Database {
    pub(super) fn start(id: SourceId, config: DatabaseConfig, now: Now, out: &mut Outbox) -> Database {
        let mut cx = Context { now, db: id, config: &config, out };
        cx.notice(Notice::Status(Status::Starting));
        let phase = Phase::Start(Start::load(&mut cx, None));
        Database {
            id,
            config,
            phase,
            status: Status::Starting,
            sums: None,
            durable: None,
            reason: None,
            owned: false,
            damaged: None,
            claim: None,
            known: None,
            rewrite: Rewrite::default(),
            upkeep: Upkeep::default(),
            trouble: None,
            doubts: Doubts::default(),
            clock_told: false,
            sync: None,
            stop_requested: false,
            given_up: None,
            snapshot_requested: false,
            newest_snapshot: None,
            schedule: None,
        }
    }

    /// Whether a full image is under way, or its remains are.
    pub(super) fn makes_snapshot(&self) -> bool {
        match &self.phase {
            Phase::Follow(follow, _) => follow.makes_snapshot(),
            Phase::Stopped => false,
            _ => self.given_up.is_some(),
        }
    }

    /// A full image is wanted now, or as soon as the database is followed.
    pub(super) fn request_snapshot(&mut self, now: Now, out: &mut Outbox) {
        match &mut self.phase {
            Phase::Follow(follow, _) => follow.request_snapshot(),
            _ => self.snapshot_requested = true,
        }
        self.advance(now, out);
    }

    pub(super) fn is_stopped(&self) -> bool {
        matches!(self.phase, Phase::Stopped)
    }

    pub(super) fn poked(&mut self, now: Now, out: &mut Outbox, hint: Hint) {
        match &mut self.phase {
            Phase::Follow(follow, _) => follow.poked(hint),
            Phase::Waiting { until: Some(until), poke_from, then: Then::Attach(..) | Then::Probe(_) } => {
                *until = (*until).min((*poke_from).max(now.mono));
            }
            _ => {}
        }
        self.advance(now, out);
    }

    pub(super) fn stop(&mut self, now: Now, out: &mut Outbox) {
        self.stop_requested = true;
        self.advance(now, out);
    }

    pub(super) fn source(
        &mut self,
        now: Now,
        out: &mut Outbox,
        id: RequestId,
        result: Result<SourceAnswer, SourceError>,
    ) {
        let config = self.config.clone();
        let mut cx = Context { now, db: self.id, config: &config, out };
        match &mut self.phase {
            _ if self.given_up == Some(id) => self.given_up = None,
            Phase::Probe(probe, _) if probe.awaits(id) => self.probed(&mut cx, result),
            Phase::Attach(attach, ..) if attach.awaits(id) => {
                if let Some(end) = attach.source(&mut cx, result) {
                    self.attached(&mut cx, end);
                }
            }
            Phase::Catchup(catchup, _) if catchup.awaits(id) => {
                if let Some(end) = catchup.source(&mut cx, id, result) {
                    self.caught_up(&mut cx, end);
                }
            }
            Phase::Follow(follow, _) if follow.awaits(id) => {
                if let Some(end) = follow.source(&mut cx, id, result) {
                    self.follow_ended(&mut cx, end);
                }
            }
            Phase::Ending(ending) if ending.awaits(id) => ending.closed(),
            // Asked by a phase that is over.
            _ => {}
        }
        self.advance(now, out);
    }

    pub(super) fn state(
        &mut self,
        now: Now,
        out: &mut Outbox,
        id: RequestId,
        result: Result<Option<Box<LocalState>>, StateError>,
    ) {
        let config = self.config.clone();
        let mut cx = Context { now, db: self.id, config: &config, out };
        match &mut self.phase {
            Phase::Start(start) if start.awaits(id) => start.state(&mut cx, result),
            Phase::Catchup(catchup, _) if catchup.awaits(id) => catchup.state(&mut cx, result.map(drop)),
            Phase::Follow(follow, _) if follow.awaits(id) => follow.state(&mut cx, id, result.map(drop)),
            Phase::Ending(ending) if ending.awaits(id) => ending.saved(&mut cx, result.map(drop)),
            _ => {}
        }
        self.advance(now, out);
    }

    pub(super) fn store(
        &mut self,
        now: Now,
        out: &mut Outbox,
        id: RequestId,
        result: Result<StoreAnswer, StoreError>,
    ) {
        let config = self.config.clone();
        let mut cx = Context { now, db: self.id, config: &config, out };
        match &mut self.phase {
            // Of no phase: following may have ended, or begun anew, since it was sent.
            _ if self.rewrite.awaits(id) => self.rewrite.answered(&mut cx, result),
            _ if self.upkeep.awaits(id) => self.upkeep.store(&mut cx, id, result),
            _ if self.given_up == Some(id) => self.given_up = given_up_answered(&mut cx, id, &result),
            Phase::Start(start) if start.awaits(id) => {
                if let Some(end) = start.store(&mut cx, result) {
                    self.started(&mut cx, end);
                }
            }
            Phase::Claim(claim, _) if claim.awaits(id) => {
                if let Some(end) = claim.store(&mut cx, result) {
                    self.claimed(&mut cx, end);
                }
            }
            Phase::Attach(attach, ..) if attach.awaits(id) => {
                attach.store(&mut cx, result);
            }
            Phase::FirstPage(retrying, ..) if retrying.awaits(id) => {
                let settled = retrying.answer(&mut cx, result);
                self.first_page_came(&mut cx, settled);
            }
            Phase::Withdrawing(retrying) if retrying.awaits(id) => self.withdrawn(&mut cx, result),
            Phase::Catchup(catchup, _) if catchup.awaits(id) => {
                if let Some(end) = catchup.store(&mut cx, result) {
                    self.caught_up(&mut cx, end);
                }
            }
            Phase::Follow(follow, _) if follow.awaits(id) => {
                let was_listing = follow.is_listing();
                match follow.store(&mut cx, id, result) {
                    Some(end) => self.follow_ended(&mut cx, end),
                    None if was_listing && !follow.is_listing() => self.rewrite.on_occasion(&mut cx),
                    None => {}
                }
            }
            _ => {}
        }
        self.advance(now, out);
    }

    /// A part of what goes up was sent, or failed.
    pub(super) fn part(
        &mut self,
        now: Now,
        out: &mut Outbox,
        id: RequestId,
        result: &Result<(), StoreError>,
    ) {
        match &mut self.phase {
            Phase::Catchup(catchup, _) if catchup.awaits(id) => catchup.part(now.mono, result),
            Phase::Follow(follow, _) if follow.awaits(id) => follow.part(now.mono, id, result),
            _ => {}
        }
        self.advance(now, out);
    }

    /// Does what is due now. Called after every event of this database, and when its deadline passed.
    pub(super) fn advance(&mut self, now: Now, out: &mut Outbox) {
        let config = self.config.clone();
        let mut cx = Context { now, db: self.id, config: &config, out };
        if let Phase::Ending(ending) = &mut self.phase
            && let Some(status) = ending.advance(&mut cx, self.stop_requested)
        {
            self.ended(&mut cx, status);
        }
        match &mut self.phase {
            Phase::Start(start) => start.tick(&mut cx),
            Phase::Claim(claim, _) => claim.tick(&mut cx),
            Phase::Attach(attach, ..) => attach.tick(&mut cx),
            Phase::FirstPage(retrying, ..) | Phase::Withdrawing(retrying) => retrying.tick(&mut cx),
            Phase::Catchup(catchup, _) => catchup.tick(&mut cx),
            Phase::Follow(follow, _) => {
                if self.stop_requested {
                    follow.request_stop();
                }
                let head = follow.head().timestamp;
                keep_up(&mut self.upkeep, follow, &mut cx);
                let end = follow.advance(&mut cx);
                self.tell_synced(&mut cx);
                if let Some(end) = end {
                    self.follow_ended(&mut cx, end);
                } else {
                    self.rewrite.tick(&mut cx);
                    self.compare_clock(&mut cx, head);
                }
            }
            Phase::Waiting { .. } if self.stop_requested => self.stop_waiting(&mut cx),
            Phase::Doubting(..) if self.stop_requested && self.doubts.are_hopeless() => {
                self.stop_waiting(&mut cx);
            }
            Phase::Doubting(until, _) if *until <= now.mono => self.wake(&mut cx),
            Phase::Waiting { until: Some(until), .. } if *until <= now.mono => self.wake(&mut cx),
            Phase::Probe(..)
            | Phase::Ending(_)
            | Phase::Waiting { .. }
            | Phase::Doubting(..)
            | Phase::Stopped => {}
        }
        self.refuse_snapshot_if_ending(&mut cx);
    }

    /// Whoever asked for a full image must not wait for a file to come back, or for a person.
    pub(super) fn refuse_snapshot_if_ending(&mut self, cx: &mut Context<'_>) {
        let ends = self.stop_requested || matches!(self.phase, Phase::Waiting { .. } | Phase::Ending(_));
        if ends && std::mem::take(&mut self.snapshot_requested) {
            cx.notice(Notice::SnapshotFailed { why: SnapshotFailure::NotFollowed });
        }
    }

    pub(super) fn deadline(&self) -> Option<Instant> {
        match &self.phase {
            Phase::Start(start) => start.deadline(),
            Phase::Claim(claim, _) => claim.deadline(),
            Phase::Attach(attach, ..) => attach.deadline(),
            Phase::FirstPage(retrying, ..) | Phase::Withdrawing(retrying) => retrying.deadline(),
            Phase::Catchup(catchup, _) => catchup.deadline(),
            Phase::Follow(follow, _) => {
                let beside = [self.rewrite.deadline(), self.upkeep.deadline()];
                [follow.deadline()].into_iter().chain(beside).flatten().min()
            }
            Phase::Waiting { until, .. } => *until,
            Phase::Doubting(until, _) => Some(*until),
            Phase::Ending(ending) => ending.deadline(),
            Phase::Probe(..) | Phase::Stopped => None,
        }
    }
}

/// Lets upkeep know what following has found, and following what upkeep wants.
fn keep_up(upkeep: &mut Upkeep, follow: &mut Follow, cx: &mut Context<'_>) {
    for Fresh { object, timestamp, known } in follow.take_fresh() {
        upkeep.confirmed(cx, object, timestamp, known);
    }
    if let Some(listed) = follow.take_listed() {
        upkeep.listed(cx, *listed, follow.head().txid);
    }
    upkeep.tick(cx);
    follow.list_by(upkeep.lists_at(cx));
}
