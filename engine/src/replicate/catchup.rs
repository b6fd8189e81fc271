//! Sending a plan, object by object, before following can begin.

use super::command::{RequestId, SourceJob, StoreRequest};
use super::context::Context;
use super::draft::Draft;
use super::event::{Measured, SourceAnswer, SourceError, StateError, StoreAnswer};
use super::notice::Notice;
use super::plan::Reached;
use super::sighting::{SeenObject, Sighting};
use super::tail::live_bytes;
use super::upload::{Upload, UploadEnd};
use crate::mutants::{Mutant, mutated};
use crate::store::StoreError;
use crate::types::Instant;
use std::collections::VecDeque;
use std::time::Duration;

/// The sub-machine that uploads a plan.
#[derive(Debug)]
pub(super) struct Catchup {
    upload: Upload,
    rest: VecDeque<Draft>,
    then: Option<Reached>,
    /// A claim that was won, and must still be found to count.
    claim: Option<SeenObject>,
    /// The log is being measured.
    measuring: Option<RequestId>,
    measured_at: Instant,
    /// The log file's length when it was first measured.
    wal_bytes_at_first: Option<u64>,
    /// Bytes of the log that were in use when the plan was made.
    live_bytes: u64,
    started_at: Instant,
    /// Some of it is in the store.
    has_sent: bool,
    /// How it ends when what is encoded, or goes up in parts, is answered: the next attempt must not begin before.
    leaving: Option<CatchupEnd>,
}

/// How often the files are looked at while something goes up.
const MEASURE_INTERVAL: Duration = Duration::from_secs(1);

#[derive(Debug)]
pub(super) enum CatchupEnd {
    /// And when the store was last known to agree.
    Follow(Box<Reached>, Sighting),
    Relist,
    /// The log must not be held while nothing goes up; how long that was tried.
    LetGo(Duration),
}

impl Catchup {
    /// Starts the first upload; `Err`: there is nothing to upload.
    pub(super) fn start(
        cx: &mut Context<'_>,
        mut drafts: VecDeque<Draft>,
        then: Reached,
        seen: Sighting,
    ) -> Result<Catchup, Box<Reached>> {
        match drafts.pop_front() {
            None => Err(Box::new(then)),
            Some(draft) => {
                let upload = Upload::start(cx, draft, seen);
                let live_bytes = live_bytes(then.position.frames, then.head.page_size);
                Ok(Catchup {
                    upload,
                    rest: drafts,
                    then: Some(then),
                    claim: None,
                    measuring: Some(cx.source(SourceJob::Measure)),
                    measured_at: cx.now.mono,
                    wal_bytes_at_first: None,
                    live_bytes,
                    started_at: cx.now.mono,
                    has_sent: false,
                    leaving: None,
                })
            }
        }
    }

    pub(super) fn awaits(&self, id: RequestId) -> bool {
        self.upload.awaits(id) || self.measuring == Some(id)
    }

    /// The claim that was won, and must still be found to count.
    pub(super) fn into_claim(self) -> Option<SeenObject> {
        self.claim
    }

    pub(super) fn deadline(&self) -> Option<Instant> {
        let measures = self.measuring.is_none() && self.leaving.is_none();
        let measure = measures.then(|| self.measured_at.after(MEASURE_INTERVAL));
        self.upload.deadline().into_iter().chain(measure).min()
    }

    pub(super) fn tick(&mut self, cx: &mut Context<'_>) {
        self.upload.tick(cx);
        let due = self.measured_at.after(MEASURE_INTERVAL) <= cx.now.mono;
        if due && self.measuring.is_none() && self.leaving.is_none() {
            self.measuring = Some(cx.source(SourceJob::Measure));
        }
    }

    /// The log was measured. One that becomes too long while nothing goes up is let go, as in following; but not between
    /// an image and its snapshot, without which the image would have to go up again.
    fn measured(&mut self, cx: &mut Context<'_>, measured: Measured) -> Option<CatchupEnd> {
        let first = *self.wal_bytes_at_first.get_or_insert(measured.wal_bytes);
        let wal_bytes = measured.in_use(first, self.live_bytes);
        let wal_bytes_max = cx.config.max_wal_bytes;
        let away = self.upload.is_kept_away(cx.now.mono) && !self.has_sent;
        if wal_bytes <= wal_bytes_max || !away || mutated(Mutant::LongLogHeld) {
            return None;
        }
        cx.notice(Notice::LogLetGo { wal_bytes, wal_bytes_max });
        let tried = cx.now.mono.since(self.started_at);
        self.leave(cx, CatchupEnd::LetGo(tried))
    }

    /// Ends before everything is sent. The files are let go at once, and with them what is encoded from them.
    fn leave(&mut self, cx: &mut Context<'_>, end: CatchupEnd) -> Option<CatchupEnd> {
        if self.upload.encoding().is_none() || mutated(Mutant::StageLeftBehind) {
            return Some(end);
        }
        cx.source(SourceJob::Close);
        self.leaving = Some(end);
        None
    }

    pub(super) fn source(
        &mut self,
        cx: &mut Context<'_>,
        id: RequestId,
        result: Result<SourceAnswer, SourceError>,
    ) -> Option<CatchupEnd> {
        if self.measuring.take_if(|sent| *sent == id).is_some() {
            self.measured_at = cx.now.mono;
            if self.leaving.is_some() {
                return None;
            }
            return match result {
                Ok(SourceAnswer::Measured(measured)) => self.measured(cx, measured),
                // What is on its way is of a file that is not there any more.
                Err(error @ SourceError::Replaced(_)) => {
                    cx.notice(Notice::Source { error, fatal: false });
                    self.leave(cx, CatchupEnd::Relist)
                }
                // It is measured again later.
                _ => None,
            };
        }
        if let Some(end) = self.leaving.take() {
            return Some(end);
        }
        let end = self.upload.source(cx, result)?;
        self.ended(cx, end)
    }

    pub(super) fn state(&mut self, cx: &mut Context<'_>, result: Result<(), StateError>) {
        self.upload.state(cx, result);
    }

    pub(super) fn part(&mut self, now: Instant, result: &Result<(), StoreError>) {
        self.upload.part(now, result);
    }

    pub(super) fn store(
        &mut self,
        cx: &mut Context<'_>,
        result: Result<StoreAnswer, StoreError>,
    ) -> Option<CatchupEnd> {
        if let Some(end) = self.leaving.take() {
            if let (Some(staged), Ok(StoreAnswer::Staged { .. })) = (self.upload.encoding(), &result) {
                cx.store(StoreRequest::Discard { staged });
            }
            return Some(end);
        }
        let end = self.upload.store(cx, result)?;
        self.ended(cx, end)
    }

    fn ended(&mut self, cx: &mut Context<'_>, end: UploadEnd) -> Option<CatchupEnd> {
        if let UploadEnd::Done { seen } = &end
            && self.upload.is_claim()
        {
            self.claim.clone_from(&seen.object);
        }
        match end {
            UploadEnd::Done { seen } => match self.rest.pop_front() {
                Some(draft) => {
                    self.has_sent = true;
                    let start = if self.upload.is_claim() { Upload::start_on_claim } else { Upload::start };
                    self.upload = start(cx, draft, seen);
                    None
                }
                None => Some(CatchupEnd::Follow(Box::new(self.then.take().expect("ends once")), seen)),
            },
            UploadEnd::Taken | UploadEnd::Late => Some(CatchupEnd::Relist),
            UploadEnd::SourceLost(error) => {
                cx.notice(Notice::Source { error, fatal: false });
                Some(CatchupEnd::Relist)
            }
        }
    }
}
