//! Pauses of a database that cannot go on now, and how it ends.

use super::backoff::Backoff;
use super::command::{RequestId, SourceJob, StateJob};
use super::context::Context;
use super::database::{Database, Phase, Place, Then};
use super::event::{SourceError, StateError};
use super::notice::{Fenced, Notice, RestoredHere, Status};
use super::start::Start;
use super::state::StateChange;
use crate::mutants::{Mutant, mutated};
use crate::types::{Instant, NodeId, Txid};
use std::time::Duration;

/// How long to wait for a missing file, and for trouble that a person must mend.
const MISSING_DELAY: Duration = Duration::from_secs(1);
pub(super) const TROUBLE_DELAY: Duration = Duration::from_secs(10);
/// Hints come as often as commits: attempts to open do not.
const POKE_DELAY: Duration = Duration::from_millis(100);

/// On the way into an end state: lets go of the source, and saves what the next life must know.
#[derive(Debug)]
pub(super) struct Ending {
    status: Status,
    closing: Option<RequestId>,
    saving: Option<Saving>,
    backoff: Backoff,
}

/// Saving who fenced us.
#[derive(Debug)]
struct Saving {
    by: NodeId,
    step: SaveStep,
}

#[derive(Debug)]
enum SaveStep {
    Sent(RequestId),
    Paused(Instant),
}

impl Ending {
    fn start(cx: &mut Context<'_>, status: Status, fenced_by: Option<NodeId>) -> Ending {
        let closing = Some(cx.source(SourceJob::Close));
        let saving = fenced_by.map(|by| Saving { by, step: save(cx, by) });
        Ending { status, closing, saving, backoff: Backoff::default() }
    }

    pub(super) fn awaits(&self, id: RequestId) -> bool {
        let saves = |saving: &Saving| matches!(saving.step, SaveStep::Sent(sent) if sent == id);
        self.closing == Some(id) || self.saving.as_ref().is_some_and(saves)
    }

    pub(super) fn deadline(&self) -> Option<Instant> {
        match self.saving.as_ref()?.step {
            SaveStep::Sent(_) => None,
            SaveStep::Paused(until) => Some(until),
        }
    }

    pub(super) fn closed(&mut self) {
        self.closing = None;
    }

    pub(super) fn saved(&mut self, cx: &mut Context<'_>, result: Result<(), StateError>) {
        match (result, &mut self.saving) {
            (Err(StateError(message)), Some(saving)) => {
                cx.notice(Notice::State { message });
                saving.step =
                    SaveStep::Paused(self.backoff.next(cx.now.mono, cx.config.node, Duration::ZERO));
            }
            _ => self.saving = None,
        }
    }

    /// Does what is due; the end state once nothing is open any more. A stop waits for no second attempt.
    pub(super) fn advance(&mut self, cx: &mut Context<'_>, stop_requested: bool) -> Option<Status> {
        if let Some(saving) = &mut self.saving
            && let SaveStep::Paused(until) = saving.step
        {
            if stop_requested {
                self.saving = None;
            } else if until <= cx.now.mono {
                saving.step = save(cx, saving.by);
            }
        }
        (self.closing.is_none() && self.saving.is_none()).then_some(self.status)
    }
}

fn save(cx: &mut Context<'_>, by: NodeId) -> SaveStep {
    let change = StateChange { fenced_by: Some(by), ..StateChange::default() };
    SaveStep::Sent(cx.state(StateJob::Save(Box::new(change))))
}

impl Database {
    /// What a newer version means by the place nobody here knows: it is left alone.
    pub(super) fn too_new(&mut self, cx: &mut Context<'_>, format: u32) {
        cx.notice(Notice::TooNew { format });
        if mutated(Mutant::NewerPlaceAskedAgain) {
            return self.start_anew(cx);
        }
        self.end(cx, Status::Failed);
    }

    /// A replica in a format that nobody here reads is no empty place: its owner decides what becomes of it.
    pub(super) fn of_litestream_0_3(&mut self, cx: &mut Context<'_>) {
        cx.notice(Notice::OfLitestream03);
        self.end(cx, Status::Failed);
    }

    pub(super) fn wait(&mut self, cx: &Context<'_>, delay: Duration, then: Then) {
        let (until, poke_from) = (Some(cx.now.mono.after(delay)), cx.now.mono.after(POKE_DELAY));
        self.phase = Phase::Waiting { until, poke_from, then };
    }

    pub(super) fn wake(&mut self, cx: &mut Context<'_>) {
        let phase = std::mem::replace(&mut self.phase, Phase::Stopped);
        let (Phase::Waiting { then, .. } | Phase::Doubting(_, then)) = phase else {
            unreachable!("only waiting wakes")
        };
        match then {
            Then::Start => self.phase = Phase::Start(Start::load(cx, self.known.clone())),
            Then::Attach(place, goal) => self.attach(cx, place, goal),
            Then::Probe(place) => self.probe_again(cx, place),
            Then::Never => unreachable!("an end state has no deadline"),
        }
    }

    /// The source cannot be opened: wait for the file, or for a person.
    pub(super) fn source_trouble(&mut self, cx: &mut Context<'_>, error: SourceError, then: Then) {
        let missing = error == SourceError::Missing;
        let (status, delay) =
            if missing { (Status::Missing, MISSING_DELAY) } else { (Status::Failed, TROUBLE_DELAY) };
        let mut backoff = Backoff::default();
        match self.trouble.take() {
            // It stays as it is: told once, not with every attempt.
            Some((before, times)) if before == error => backoff = times,
            _ => cx.notice(Notice::Source { error: error.clone(), fatal: !missing }),
        }
        self.set_status(cx, status);
        self.wait(cx, delay, then);
        // A database that others write to while we may not open it gives hints without end. A file that is
        // missing gives one when it comes.
        if let Phase::Waiting { poke_from, .. } = &mut self.phase
            && !missing
        {
            *poke_from = backoff.next(cx.now.mono, cx.config.node, Duration::ZERO).max(*poke_from);
        }
        self.trouble = Some((error, backoff));
    }

    pub(super) fn fenced(
        &mut self,
        cx: &mut Context<'_>,
        place: Box<Place>,
        identical: Option<bool>,
        copied: bool,
    ) {
        self.place_is_anothers(cx, place, (identical, None), copied);
    }

    /// The head is another's, and this database may not continue it.
    pub(super) fn refused(
        &mut self,
        cx: &mut Context<'_>,
        place: Box<Place>,
        identical: bool,
        restored: Option<RestoredHere>,
    ) {
        self.place_is_anothers(cx, place, (Some(identical), restored), false);
    }

    fn place_is_anothers(
        &mut self,
        cx: &mut Context<'_>,
        place: Box<Place>,
        (identical, restored): (Option<bool>, Option<RestoredHere>),
        copied: bool,
    ) {
        let claim = place.manifest.as_ref().map(|seen| &seen.manifest.writer);
        let head = place.head;
        let by = head.map_or_else(|| claim.map(|c| c.id), |h| h.node);
        cx.notice(Notice::Fenced(Fenced {
            txid: head.map_or(Txid::ONE, |h| h.txid),
            by,
            at: head.map(|h| h.timestamp).or(claim.map(|c| c.time)),
            // The manifest names one life, of the writer that claimed the place or took it over: the head may be another's.
            host: claim.filter(|c| by == Some(c.id)).map(|c| c.host.clone()),
            claimed_by: claim
                .filter(|c| by != Some(c.id) && !place.local.own.contains(&c.id))
                .map(|c| c.host.clone()),
            identical,
            needs_image: head.is_some_and(|head| place.needs_image(&head)),
            copied_state: copied,
            restored,
        }));
        // A restart must know that the place was lost, or a configured `always` would take it straight back, and
        // two such writers would fight for ever. A writer that never had it lost nothing.
        let is_lost = self.owned && !mutated(Mutant::FencedForgotten);
        let lost_to = is_lost.then(|| by.unwrap_or(NodeId::UNKNOWN));
        self.phase = Phase::Ending(Ending::start(cx, Status::Fenced, lost_to));
    }

    /// Lets go of the source and stays in an end state.
    pub(super) fn end(&mut self, cx: &mut Context<'_>, status: Status) {
        self.phase = Phase::Ending(Ending::start(cx, status, None));
    }

    pub(super) fn ended(&mut self, cx: &mut Context<'_>, status: Status) {
        self.set_status(cx, status);
        self.phase = Phase::Waiting { until: None, poke_from: cx.now.mono, then: Then::Never };
    }

    /// A stop while nothing can be done: what is committed here may not be in the store.
    pub(super) fn stop_waiting(&mut self, cx: &mut Context<'_>) {
        match &self.phase {
            // An attempt that failed half-way may have left the source open.
            Phase::Waiting { then: Then::Attach(..) | Then::Probe(_), .. }
            | Phase::Doubting(_, Then::Attach(..)) => {
                self.end(cx, self.status);
            }
            _ => self.stopped(cx, false),
        }
    }

    pub(super) fn stopped(&mut self, cx: &mut Context<'_>, complete: bool) {
        cx.notice(Notice::Stopped { durable: self.durable, complete });
        self.set_status(cx, Status::Stopped);
        self.phase = Phase::Stopped;
    }
}
