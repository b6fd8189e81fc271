//! A read from the store that is tried until the store gives an answer.

use super::backoff::Backoff;
use super::command::{RequestId, StoreRequest};
use super::context::Context;
use super::event::StoreAnswer;
use super::notice::Notice;
use super::pauses;
use crate::store::{Fatal, StoreError};
use crate::types::{Instant, Now};

/// One read, with its retries. Refusals and missing objects are answers; all else is tried again, and said.
#[derive(Debug)]
pub(super) struct Retrying {
    request: StoreRequest,
    pending: Pending,
    backoff: Backoff,
    sent_at: Now,
    failing_since: Option<Instant>,
    /// Attempts that gave what does not decode.
    unreadable: u32,
}

#[derive(Debug)]
enum Pending {
    Sent(RequestId),
    Paused(Instant),
}

/// The answer, or not yet.
pub(super) enum Settled {
    Answer(StoreAnswer),
    Missing,
    /// What was to be decoded stays damaged: only where decoding is part of the request.
    Damaged,
    NotYet,
}

/// Attempts to read what the store gives and what does not decode, before it is given up.
pub(super) const DAMAGED_ATTEMPTS_MAX: u32 = 3;

impl Retrying {
    pub(super) fn start(cx: &mut Context<'_>, request: StoreRequest) -> Retrying {
        let pending = ask(cx, &request);
        // A pause that another request was told is trouble of this one, too: nothing else waits for it.
        let failing_since = matches!(pending, Pending::Paused(_)).then_some(cx.now.mono);
        let backoff = Backoff::default();
        Retrying { request, pending, backoff, sent_at: cx.now, failing_since, unreadable: 0 }
    }

    pub(super) fn awaits(&self, id: RequestId) -> bool {
        matches!(self.pending, Pending::Sent(sent) if sent == id)
    }

    pub(super) fn answer(
        &mut self,
        cx: &mut Context<'_>,
        result: Result<StoreAnswer, StoreError>,
    ) -> Settled {
        match result {
            Ok(answer) => Settled::Answer(answer),
            Err(StoreError::Missing) => Settled::Missing,
            Err(error) => {
                self.failing_since.get_or_insert(cx.now.mono);
                self.pending = Pending::Paused(self.backoff.failed(cx.now.mono, cx.config.node, &error));
                let attempt = self.backoff.attempt();
                let unreadable = matches!(error, StoreError::Fatal { kind: Fatal::Unsupported, .. });
                cx.notice(Notice::Store { error, key: key_of(&self.request), attempt });
                let decodes = matches!(
                    self.request,
                    StoreRequest::Digest { .. } | StoreRequest::Page { .. } | StoreRequest::Hash { .. }
                );
                // Answers that did not come say nothing of the object.
                self.unreadable += u32::from(decodes && unreadable);
                let damaged = decodes && unreadable && self.unreadable >= DAMAGED_ATTEMPTS_MAX;
                if damaged { Settled::Damaged } else { Settled::NotYet }
            }
        }
    }

    /// The request under way.
    pub(super) fn awaited(&self) -> Option<RequestId> {
        match self.pending {
            Pending::Sent(id) => Some(id),
            Pending::Paused(_) => None,
        }
    }

    /// What it reads, or reads first.
    pub(super) fn key(&self) -> String {
        key_of(&self.request)
    }

    /// When it was last sent.
    pub(super) fn sent_at(&self) -> Now {
        self.sent_at
    }

    /// Attempts that failed in a row.
    pub(super) fn attempts(&self) -> u32 {
        self.backoff.attempt()
    }

    /// When it failed first.
    pub(super) fn failing_since(&self) -> Option<Instant> {
        self.failing_since
    }

    pub(super) fn tick(&mut self, cx: &mut Context<'_>) {
        if let Pending::Paused(until) = self.pending
            && until <= cx.now.mono
        {
            self.pending = ask(cx, &self.request);
            self.sent_at = cx.now;
        }
    }

    pub(super) fn deadline(&self) -> Option<Instant> {
        match self.pending {
            Pending::Sent(_) => None,
            Pending::Paused(until) => Some(until),
        }
    }
}

/// Sends it, or waits for as long as the store wants.
fn ask(cx: &mut Context<'_>, request: &StoreRequest) -> Pending {
    match cx.request_paused_until(request) {
        Some(until) => Pending::Paused(until),
        None => Pending::Sent(cx.store(request.clone())),
    }
}

fn key_of(request: &StoreRequest) -> String {
    match request {
        StoreRequest::Put { .. }
        | StoreRequest::Stage { .. }
        | StoreRequest::Complete { .. }
        | StoreRequest::Discard { .. } => unreachable!("what is written is not sent again blindly"),
        _ => pauses::keys_of(request).first().copied().unwrap_or_default().to_owned(),
    }
}
