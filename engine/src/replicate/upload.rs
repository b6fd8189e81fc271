//! One object on its way into the store: encode, record, send, and find out what became of it.
//!
//! The rules are docs/design.md section 4, rules 2 and 3: every write is put-if-absent; before a slot's first
//! write its record is durable; a refusal or a lost answer proves nothing until the object was read back.
//! What a foreign object means is not decided here.

use super::backoff::Backoff;
use super::command::{RequestId, StateJob, StoreRequest};
use super::context::Context;
use super::draft::{Draft, Ready};
use super::event::{Sealed, SourceAnswer, SourceError, StateError, StoreAnswer};
use super::notice::Notice;
use super::pages::PageSet;
use super::sighting::{Checked, HeadCheck, SeenObject, Sighting, is_old};
use super::state::{PendingRecord, StateChange};
use crate::ltx::HEADER_BYTES;
use crate::mutants::{Mutant, mutated};
use crate::store::{ETag, StoreError};
use crate::types::{Instant, Now, Txid};
use std::time::Duration;

mod beside;

/// An upload under way.
#[derive(Debug)]
pub(super) struct Upload {
    draft: Draft,
    step: Step,
    backoff: Backoff,
    /// What it builds on.
    seen: Sighting,
    /// Nothing is written before the place was listed, however new that is.
    lists_first: bool,
    /// It goes on beside the slots, and each write waits for the word.
    beside: bool,
    /// Of the encoded object.
    size_bytes: u64,
    /// Since when the store has answered nothing but errors.
    failing_since: Option<Instant>,
    /// When the request that may have written the object was last sent.
    sent_at: Now,
}

/// Errors that pass sooner are no absence.
const KEPT_AWAY: Duration = Duration::from_secs(10);

#[derive(Debug)]
enum Step {
    Encoding(RequestId),
    Recording(RequestId, Ready),
    /// Waiting for the word to write.
    Held(Ready),
    /// What it builds on is old: is the head still what it was?
    Checking(Box<HeadCheck>, Ready, Gate),
    /// Where the store does not look whether a key is free.
    LookingFirst(RequestId, Ready, First),
    Sending(RequestId, Ready),
    /// After a refusal, or (`refused` false) a lost answer.
    ReadingBack {
        id: RequestId,
        ready: Ready,
        refused: bool,
    },
    Discarding(RequestId),
    Paused(Instant, Next),
}

/// What is looked at before a write.
#[derive(Clone, Copy, Debug)]
enum First {
    /// The newest object.
    Head,
    /// The key itself.
    Own,
}

#[derive(Debug)]
enum Next {
    Encode,
    Record(Ready),
    Send(Ready),
    ReadBack { ready: Ready, refused: bool },
}

/// What a check of the head stands before.
#[derive(Clone, Copy, Debug)]
enum Gate {
    Record,
    Send,
}

/// How it ended.
#[derive(Debug)]
pub(super) enum UploadEnd {
    /// Our bytes are in the store.
    Done { seen: Sighting },
    /// They are, but the answer took so long that it proves nothing: a slot may have been taken, compacted and deleted
    /// meanwhile. Look at the place anew.
    Late,
    /// Something else is under the key, or was and is gone: look at the place anew.
    Taken,
    /// The pages could not be read.
    SourceLost(SourceError),
}

impl Upload {
    pub(super) fn start(cx: &mut Context<'_>, draft: Draft, seen: Sighting) -> Upload {
        let (step, backoff) = (Step::Paused(cx.now.mono, Next::Encode), Backoff::default());
        let mut upload = Upload {
            draft,
            step,
            backoff,
            seen,
            lists_first: false,
            beside: false,
            size_bytes: 0,
            failing_since: None,
            sent_at: cx.now,
        };
        upload.step = upload.encode(cx);
        upload
    }

    /// What follows a claim: it is written only if the claim still is the head when the place is listed again.
    pub(super) fn start_on_claim(cx: &mut Context<'_>, draft: Draft, seen: Sighting) -> Upload {
        Upload { lists_first: true, ..Upload::start(cx, draft, seen) }
    }

    pub(super) fn txid(&self) -> Txid {
        self.draft.header.txids().max()
    }

    pub(super) fn is_claim(&self) -> bool {
        self.draft.header.chain().is_some_and(|chain| chain.claim)
    }

    /// Whether it reads under the anchor, which must then not move.
    pub(super) fn needs_anchor(&self) -> bool {
        matches!(self.draft.pages, Some(PageSet::Pinned(_)))
    }

    /// What it is encoded by, or goes up in parts by, if that is not answered.
    pub(super) fn encoding(&self) -> Option<RequestId> {
        match &self.step {
            Step::Encoding(sent) => Some(*sent),
            _ => None,
        }
    }

    /// Whether the store has taken nothing for a while, though it was asked.
    pub(super) fn is_kept_away(&self, now: Instant) -> bool {
        let checking = match &self.step {
            Step::Checking(check, ..) => check.failing_since(),
            _ => None,
        };
        let since = [self.failing_since, checking].into_iter().flatten().min();
        since.is_some_and(|since| now.since(since) >= KEPT_AWAY)
    }

    pub(super) fn in_trouble(&self) -> bool {
        let checking = matches!(&self.step, Step::Checking(check, ..) if check.is_in_trouble());
        checking || self.backoff.attempt() > 0 || matches!(self.step, Step::Paused(..))
    }

    pub(super) fn awaits(&self, id: RequestId) -> bool {
        match &self.step {
            Step::Encoding(sent)
            | Step::Recording(sent, _)
            | Step::LookingFirst(sent, ..)
            | Step::Sending(sent, _)
            | Step::ReadingBack { id: sent, .. }
            | Step::Discarding(sent) => *sent == id,
            Step::Checking(check, ..) => check.awaits(id),
            Step::Held(_) | Step::Paused(..) => false,
        }
    }

    pub(super) fn deadline(&self) -> Option<Instant> {
        match &self.step {
            Step::Paused(until, _) => Some(*until),
            Step::Checking(check, ..) => check.deadline(),
            _ => None,
        }
    }

    pub(super) fn tick(&mut self, cx: &mut Context<'_>) {
        if let Step::Checking(check, ..) = &mut self.step {
            check.tick(cx);
        }
        if !matches!(&self.step, Step::Paused(until, _) if *until <= cx.now.mono) {
            return;
        }
        // A placeholder that is overwritten on each path below.
        let step = std::mem::replace(&mut self.step, Step::Paused(cx.now.mono, Next::Encode));
        let Step::Paused(_, next) = step else { unreachable!("matched above") };
        self.step = match next {
            Next::Encode => self.encode(cx),
            Next::Record(ready) => self.record(cx, ready),
            Next::Send(ready) => self.send(cx, ready),
            Next::ReadBack { ready, refused } => self.read_back(cx, ready, refused),
        };
    }

    /// The answer of an encoding.
    pub(super) fn source(
        &mut self,
        cx: &mut Context<'_>,
        result: Result<SourceAnswer, SourceError>,
    ) -> Option<UploadEnd> {
        match result {
            Ok(SourceAnswer::Sealed(Sealed { body, sha256 })) => {
                // What is whole is never encoded again.
                self.draft.pages = None;
                self.step = self.record(cx, Ready::Whole { body, sha256 });
                None
            }
            Ok(other) => unreachable!("asked to seal, answered {other:?}"),
            Err(error) => self.unreadable(cx, error),
        }
    }

    /// The answer of a record.
    pub(super) fn state(&mut self, cx: &mut Context<'_>, result: Result<(), StateError>) {
        let step = std::mem::replace(&mut self.step, Step::Paused(cx.now.mono, Next::Encode));
        let Step::Recording(_, ready) = step else { unreachable!("only records are asked of the state") };
        self.step = match result {
            Ok(()) => self.send(cx, ready),
            Err(_) if mutated(Mutant::RecordFailureIgnored) => self.send(cx, ready),
            Err(StateError(message)) => {
                cx.notice(Notice::State { message });
                let until = self.backoff.next(cx.now.mono, cx.config.node, Duration::ZERO);
                Step::Paused(until, Next::Record(ready))
            }
        };
    }

    /// What became of one part. The answer may be hours away, and says only that all of them are there, or that one failed
    /// for good.
    pub(super) fn part(&mut self, now: Instant, result: &Result<(), StoreError>) {
        match result {
            _ if mutated(Mutant::PartsUnheard) => {}
            Ok(()) => self.failing_since = None,
            Err(_) => {
                self.failing_since.get_or_insert(now);
            }
        }
    }

    /// The answer of a request to the store.
    pub(super) fn store(
        &mut self,
        cx: &mut Context<'_>,
        result: Result<StoreAnswer, StoreError>,
    ) -> Option<UploadEnd> {
        if result.is_ok() {
            self.failing_since = None;
        }
        let step = std::mem::replace(&mut self.step, Step::Paused(cx.now.mono, Next::Encode));
        match step {
            Step::Encoding(id) => self.staged(cx, id, result),
            Step::Checking(check, ready, gate) => self.checked(cx, check, ready, gate, result),
            Step::LookingFirst(_, ready, first) => self.looked_first(cx, ready, first, result),
            Step::Sending(_, ready) => self.sent(cx, ready, result),
            Step::ReadingBack { ready, refused, .. } => self.was_read_back(cx, ready, refused, result),
            Step::Discarding(_) => Some(UploadEnd::Taken),
            Step::Recording(..) | Step::Held(_) | Step::Paused(..) => {
                unreachable!("nothing was asked of the store")
            }
        }
    }

    fn staged(
        &mut self,
        cx: &mut Context<'_>,
        id: RequestId,
        result: Result<StoreAnswer, StoreError>,
    ) -> Option<UploadEnd> {
        self.step = match result {
            Ok(StoreAnswer::Staged { sha256, size_bytes }) => {
                self.record(cx, Ready::Staged { id, sha256, size_bytes })
            }
            Ok(StoreAnswer::Unreadable(error)) => return self.unreadable(cx, error),
            Ok(other) => unreachable!("asked to stage, answered {other:?}"),
            Err(error) => self.pause(cx, error, Next::Encode),
        };
        None
    }

    fn unreadable(&mut self, cx: &mut Context<'_>, error: SourceError) -> Option<UploadEnd> {
        if error != SourceError::Busy || self.draft.pages.is_none() {
            return Some(UploadEnd::SourceLost(error));
        }
        let until = self.backoff.next(cx.now.mono, cx.config.node, Duration::ZERO);
        self.step = Step::Paused(until, Next::Encode);
        None
    }

    fn sent(
        &mut self,
        cx: &mut Context<'_>,
        ready: Ready,
        result: Result<StoreAnswer, StoreError>,
    ) -> Option<UploadEnd> {
        match result {
            // It may have taken another's place, or another ours.
            Ok(StoreAnswer::Put { .. }) if !cx.config.conditional_writes => {
                self.step = self.read_back(cx, ready, true);
            }
            Ok(StoreAnswer::Put { etag }) => return Some(self.done(cx, &ready, Some(etag))),
            Ok(other) => unreachable!("asked to write, answered {other:?}"),
            // Ours after a lost answer or a client's own retry, or another's: read it back.
            Err(StoreError::Refused) if mutated(Mutant::RefusedTakenForOurs) => {
                return Some(self.done(cx, &ready, None));
            }
            Err(StoreError::Refused) => self.step = self.read_back(cx, ready, true),
            Err(StoreError::Ambiguous(_)) if mutated(Mutant::AmbiguousTakenForDone) => {
                return Some(self.done(cx, &ready, None));
            }
            Err(error @ StoreError::Ambiguous(_)) => {
                self.step = self.pause(cx, error, Next::ReadBack { ready, refused: false });
            }
            // A staged upload that is gone, or lost against another request: all its parts again.
            Err(error @ (StoreError::Missing | StoreError::Conflict)) => {
                let next = match ready {
                    Ready::Whole { .. } => Next::Send(ready),
                    Ready::Staged { .. } => Next::Encode,
                };
                self.step = self.pause(cx, error, next);
            }
            Err(error) => self.step = self.pause(cx, error, Next::Send(ready)),
        }
        None
    }

    fn was_read_back(
        &mut self,
        cx: &mut Context<'_>,
        ready: Ready,
        refused: bool,
        result: Result<StoreAnswer, StoreError>,
    ) -> Option<UploadEnd> {
        match result {
            Ok(StoreAnswer::Got(got)) if self.is_there(&ready, &got) => {
                return Some(self.done(cx, &ready, Some(got.etag)));
            }
            Ok(StoreAnswer::Got(_)) => return self.taken(cx, ready),
            Ok(other) => unreachable!("asked to read, answered {other:?}"),
            // The key held something and is free again: whatever was there is settled, the number used up.
            Err(StoreError::Missing) if refused => return self.taken(cx, ready),
            // Not there (yet): the same bytes again. If the first request lands after all, this one is
            // refused and reads it back.
            Err(StoreError::Missing) => self.step = self.send_again(cx, ready),
            Err(error) => self.step = self.pause(cx, error, Next::ReadBack { ready, refused }),
        }
        None
    }

    /// Our bytes are there; whether that proves anything is a question of time.
    fn done(&self, cx: &Context<'_>, ready: &Ready, etag: Option<ETag>) -> UploadEnd {
        let mut seen = self.seen.clone();
        if seen.head < Some(self.txid()) {
            let (size_bytes, sha256) = (ready.size_bytes(), Some(ready.sha256()));
            seen.object = etag.map(|etag| SeenObject { key: self.draft.object, etag, size_bytes, sha256 });
            seen.head = Some(self.txid());
        }
        if !self.draft.slot() {
            return UploadEnd::Done { seen };
        }
        if is_old(cx, self.sent_at) {
            return UploadEnd::Late;
        }
        UploadEnd::Done { seen: Sighting { at: self.sent_at, ..seen } }
    }

    /// Nothing is sent on top of what may have been overtaken.
    fn check(&self, cx: &mut Context<'_>, ready: Ready, gate: Gate) -> Step {
        if self.beside {
            return Step::Held(ready);
        }
        let needs_chain = self.draft.header.chain().is_some_and(|c| c.before.is_some());
        Step::Checking(Box::new(HeadCheck::start(cx, self.seen.clone(), needs_chain)), ready, gate)
    }

    fn checked(
        &mut self,
        cx: &mut Context<'_>,
        mut check: Box<HeadCheck>,
        ready: Ready,
        gate: Gate,
        result: Result<StoreAnswer, StoreError>,
    ) -> Option<UploadEnd> {
        match check.store(cx, result) {
            Checked::NotYet => self.step = Step::Checking(check, ready, gate),
            Checked::Differs => return self.taken(cx, ready),
            Checked::Agrees(seen, _) => {
                self.seen = seen;
                self.lists_first = false;
                // A store so slow that what it said is old already is asked again later, not at once.
                let later = self.seen.is_old(cx);
                let until = later.then(|| self.backoff.next(cx.now.mono, cx.config.node, Duration::ZERO));
                self.step = match (until, gate) {
                    (Some(until), Gate::Record) => Step::Paused(until, Next::Record(ready)),
                    (Some(until), Gate::Send) => Step::Paused(until, Next::Send(ready)),
                    (None, Gate::Record) => self.record(cx, ready),
                    (None, Gate::Send) => self.send(cx, ready),
                };
            }
        }
        None
    }

    fn taken(&mut self, cx: &mut Context<'_>, ready: Ready) -> Option<UploadEnd> {
        let Ready::Staged { id, .. } = ready else { return Some(UploadEnd::Taken) };
        self.step = Step::Discarding(cx.store(StoreRequest::Discard { staged: id }));
        None
    }

    fn send_again(&mut self, cx: &mut Context<'_>, ready: Ready) -> Step {
        match ready {
            Ready::Whole { .. } => self.send(cx, ready),
            // A Complete of unknown outcome may have ended the upload: stage it anew.
            Ready::Staged { .. } => self.encode(cx),
        }
    }

    fn encode(&mut self, cx: &mut Context<'_>) -> Step {
        let paused = if self.draft.is_whole(cx) { None } else { cx.paused_until(&self.draft.key) };
        match paused {
            Some(until) => self.hold(cx, until, Next::Encode),
            None => Step::Encoding(self.draft.encode(cx)),
        }
    }

    fn record(&mut self, cx: &mut Context<'_>, ready: Ready) -> Step {
        self.size_bytes = ready.size_bytes();
        if self.beside || self.lists_first || self.seen.is_old(cx) {
            return self.check(cx, ready, Gate::Record);
        }
        if !self.draft.slot() || mutated(Mutant::NoPendingRecord) {
            return self.send(cx, ready);
        }
        let sha256 = ready.sha256();
        let node = self.draft.header.chain().expect("our objects are tagged").node;
        let record = PendingRecord { txid: self.txid(), node, sha256 };
        let change = StateChange { add_pending: Some(record), ..self.draft.change.clone() };
        Step::Recording(cx.state(StateJob::Save(Box::new(change))), ready)
    }

    fn send(&mut self, cx: &mut Context<'_>, ready: Ready) -> Step {
        if self.beside || self.seen.is_old(cx) {
            return self.check(cx, ready, Gate::Send);
        }
        self.send_now(cx, ready)
    }

    fn send_now(&mut self, cx: &mut Context<'_>, ready: Ready) -> Step {
        self.sent_at = cx.now;
        if !cx.config.conditional_writes {
            return self.look_first(cx, ready);
        }
        self.write(cx, ready)
    }

    fn write(&mut self, cx: &mut Context<'_>, ready: Ready) -> Step {
        if let Some(until) = cx.paused_until(&self.draft.key) {
            return self.hold(cx, until, Next::Send(ready));
        }
        let request = self.draft.write(&ready);
        Step::Sending(cx.store_at(vec![self.draft.key.clone()], request), ready)
    }

    /// Is the newest object still the one that it goes on top of? Another may have written over it since.
    fn look_first(&mut self, cx: &mut Context<'_>, ready: Ready) -> Step {
        match self.seen.object.as_ref().filter(|seen| seen.key != self.draft.object) {
            Some(seen) => {
                let key = cx.config.place.object_key(cx.config.layout, seen.key);
                if let Some(until) = cx.paused_until(&key) {
                    return self.hold(cx, until, Next::Send(ready));
                }
                let range = Some(0..HEADER_BYTES as u64);
                Step::LookingFirst(cx.store(StoreRequest::Get { key, range }), ready, First::Head)
            }
            None => self.look_at_own(cx, ready),
        }
    }

    fn look_at_own(&mut self, cx: &mut Context<'_>, ready: Ready) -> Step {
        if let Some(until) = cx.paused_until(&self.draft.key) {
            return self.hold(cx, until, Next::Send(ready));
        }
        Step::LookingFirst(cx.store(self.read_request(&ready)), ready, First::Own)
    }

    fn looked_first(
        &mut self,
        cx: &mut Context<'_>,
        ready: Ready,
        first: First,
        result: Result<StoreAnswer, StoreError>,
    ) -> Option<UploadEnd> {
        self.step = match (first, result) {
            (First::Head, Ok(StoreAnswer::Got(got))) => {
                let same = self.seen.object.as_ref().is_some_and(|seen| seen.etag == got.etag);
                if !same {
                    return self.taken(cx, ready);
                }
                self.look_at_own(cx, ready)
            }
            (First::Head, Err(StoreError::Missing)) => return self.taken(cx, ready),
            // The machine may have slept meanwhile.
            (First::Own, Err(StoreError::Missing)) if self.seen.is_old(cx) => {
                self.check(cx, ready, Gate::Send)
            }
            (First::Own, Err(StoreError::Missing)) => self.write(cx, ready),
            (_, Err(error)) => self.pause(cx, error, Next::Send(ready)),
            // As if it had been refused.
            (_, Ok(_)) => self.read_back(cx, ready, true),
        };
        None
    }

    fn read_back(&mut self, cx: &mut Context<'_>, ready: Ready, refused: bool) -> Step {
        if let Some(until) = cx.paused_until(&self.draft.key) {
            return self.hold(cx, until, Next::ReadBack { ready, refused });
        }
        let id = cx.store(self.read_request(&ready));
        Step::ReadingBack { id, ready, refused }
    }

    /// Waits for a pause that the store asked for before this attempt began.
    fn hold(&mut self, cx: &Context<'_>, until: Instant, next: Next) -> Step {
        self.failing_since.get_or_insert(cx.now.mono);
        Step::Paused(until, next)
    }

    fn pause(&mut self, cx: &mut Context<'_>, error: StoreError, next: Next) -> Step {
        self.failing_since.get_or_insert(cx.now.mono);
        let until = self.backoff.failed(cx.now.mono, cx.config.node, &error);
        cx.notice(Notice::Store { error, key: self.draft.key.clone(), attempt: self.backoff.attempt() });
        Step::Paused(until, next)
    }
}
