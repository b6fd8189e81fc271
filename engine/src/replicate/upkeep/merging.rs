//! One object of a higher level: merged, made visible, and read back.

use crate::compact::{Compaction, MergeError, Merged};
use crate::key::{ObjectInfo, ObjectKey};
use crate::ltx::Header;
use crate::manifest::IndexEntry;
use crate::mutants::{Mutant, mutated};
use crate::replicate::backoff::Backoff;
use crate::replicate::command::{MergeInput, RequestId, StoreRequest};
use crate::replicate::context::Context;
use crate::replicate::event::StoreAnswer;
use crate::replicate::notice::Notice;
use crate::replicate::retrying::{DAMAGED_ATTEMPTS_MAX, Retrying, Settled};
use crate::store::{ETag, StoreError};
use crate::types::Instant;
use std::time::Duration;

/// An output under way.
#[derive(Debug)]
pub(super) struct Merging {
    pub(super) compaction: Compaction,
    step: Step,
    backoff: Backoff,
    /// Attempts that found an input damaged: on its way it may be, too.
    damaged: u32,
}

#[derive(Debug)]
enum Step {
    Merge(Retrying),
    /// It is merged once more then.
    Paused(Instant),
    Complete {
        staged: RequestId,
        merged: Box<Merged>,
        sent: Option<RequestId>,
        /// When it is sent again, if it is not on its way.
        at: Instant,
    },
    /// Reading it back; `etag`: of the version that we made.
    Check {
        retrying: Retrying,
        merged: Box<Merged>,
        etag: Option<ETag>,
    },
}

/// What became of it.
#[derive(Debug)]
pub(super) enum MergingEnd {
    /// It is there, and was read back.
    Made { info: ObjectInfo, header: Box<Header>, entry: Box<IndexEntry> },
    /// An input is not what it was taken for.
    Damaged { object: ObjectKey, why: Box<str> },
    /// Two inputs do not belong together, although their headers said so.
    Unlinked(MergeError),
    /// What lies there now is not what was sent.
    Spoiled(Box<str>),
    /// The place is not as it was listed any more, or somebody else made the object.
    Stale,
}

impl Merging {
    pub(super) fn start(cx: &mut Context<'_>, compaction: Compaction) -> Merging {
        let step = merge(cx, &compaction);
        Merging { compaction, step, backoff: Backoff::default(), damaged: 0 }
    }

    pub(super) fn awaits(&self, id: RequestId) -> bool {
        match &self.step {
            Step::Merge(retrying) | Step::Check { retrying, .. } => retrying.awaits(id),
            Step::Complete { sent, .. } => *sent == Some(id),
            Step::Paused(_) => false,
        }
    }

    pub(super) fn deadline(&self) -> Option<Instant> {
        match &self.step {
            Step::Merge(retrying) | Step::Check { retrying, .. } => retrying.deadline(),
            Step::Complete { sent, at, .. } => sent.is_none().then_some(*at),
            Step::Paused(until) => Some(*until),
        }
    }

    pub(super) fn tick(&mut self, cx: &mut Context<'_>) {
        match &mut self.step {
            Step::Merge(retrying) | Step::Check { retrying, .. } => retrying.tick(cx),
            Step::Complete { staged, sent, at, .. } => {
                if sent.is_none() && *at <= cx.now.mono {
                    *sent = complete(cx, *staged, &self.compaction, at);
                }
            }
            Step::Paused(until) if *until <= cx.now.mono => self.step = merge(cx, &self.compaction),
            Step::Paused(_) => {}
        }
    }

    /// The upload that somebody must end if this is given up now.
    pub(super) fn staged(&self) -> Option<RequestId> {
        match &self.step {
            Step::Complete { staged, .. } => Some(*staged),
            Step::Merge(_) | Step::Paused(_) | Step::Check { .. } => None,
        }
    }

    /// A request whose answer may be an upload that is staged.
    pub(super) fn stages(&self) -> Option<RequestId> {
        match &self.step {
            Step::Merge(retrying) => retrying.awaited(),
            Step::Complete { .. } | Step::Paused(_) | Step::Check { .. } => None,
        }
    }

    pub(super) fn store(
        &mut self,
        cx: &mut Context<'_>,
        id: RequestId,
        result: Result<StoreAnswer, StoreError>,
    ) -> Option<MergingEnd> {
        match &mut self.step {
            Step::Merge(retrying) => match retrying.answer(cx, result) {
                Settled::NotYet => None,
                Settled::Missing => Some(MergingEnd::Stale),
                Settled::Answer(StoreAnswer::Merged(merged)) => {
                    let mut at = cx.now.mono;
                    let sent = complete(cx, id, &self.compaction, &mut at);
                    self.step = Step::Complete { staged: id, merged: Box::new(merged), sent, at };
                    None
                }
                Settled::Answer(StoreAnswer::Unmergeable(error)) => self.unmergeable(cx, error),
                Settled::Damaged => unreachable!("a merge says itself what is damaged"),
                Settled::Answer(other) => unreachable!("asked to merge, answered {other:?}"),
            },
            Step::Complete { .. } => {
                self.completed(cx, result);
                None
            }
            Step::Check { .. } => self.checked(cx, result),
            Step::Paused(_) => unreachable!("nothing was asked"),
        }
    }

    fn unmergeable(&mut self, cx: &mut Context<'_>, error: MergeError) -> Option<MergingEnd> {
        self.damaged += 1;
        if self.damaged < DAMAGED_ATTEMPTS_MAX {
            self.step = Step::Paused(self.backoff.next(cx.now.mono, cx.config.node, Duration::ZERO));
            return None;
        }
        Some(match error {
            MergeError::Damaged { object, ref why } => {
                MergingEnd::Damaged { object, why: why.to_string().into() }
            }
            MergeError::OtherTxids { object, .. } | MergeError::BeginsAnew { object } => {
                MergingEnd::Damaged { object, why: error.to_string().into() }
            }
            MergeError::PageSizes { .. } | MergeError::Unlinked { .. } => MergingEnd::Unlinked(error),
        })
    }

    fn completed(&mut self, cx: &mut Context<'_>, result: Result<StoreAnswer, StoreError>) {
        let step = std::mem::replace(&mut self.step, Step::Paused(cx.now.mono));
        let Step::Complete { staged, merged, .. } = step else { unreachable!("a completion was answered") };
        let etag = match result {
            Ok(StoreAnswer::Put { etag }) => Some(etag),
            Ok(other) => unreachable!("asked to complete, answered {other:?}"),
            // Somebody was faster, or an earlier attempt of ours whose answer was lost.
            Err(StoreError::Refused) => None,
            // The upload is gone: all of it once more.
            Err(StoreError::Missing | StoreError::Conflict) => {
                self.step = Step::Paused(self.backoff.next(cx.now.mono, cx.config.node, Duration::ZERO));
                return;
            }
            Err(error) => {
                let at = self.backoff.failed(cx.now.mono, cx.config.node, &error);
                let (key, attempt) = (key_of(cx, &self.compaction), self.backoff.attempt());
                cx.notice(Notice::Store { error, key, attempt });
                self.step = Step::Complete { staged, merged, sent: None, at };
                return;
            }
        };
        let key = key_of(cx, &self.compaction);
        self.step = Step::Check { retrying: Retrying::start(cx, StoreRequest::Hash { key }), merged, etag };
    }

    fn checked(
        &mut self,
        cx: &mut Context<'_>,
        result: Result<StoreAnswer, StoreError>,
    ) -> Option<MergingEnd> {
        let Step::Check { retrying, merged, etag } = &mut self.step else {
            unreachable!("a check was answered")
        };
        let is_same = match retrying.answer(cx, result) {
            Settled::NotYet => return None,
            Settled::Missing => return Some(MergingEnd::Stale),
            Settled::Damaged => false,
            Settled::Answer(StoreAnswer::Hashed { sha256, .. }) => sha256 == merged.sha256,
            Settled::Answer(other) => unreachable!("asked for a hash, answered {other:?}"),
        };
        if !is_same && !mutated(Mutant::CompactionNotReadBack) {
            let ours = etag.is_some();
            return Some(if ours {
                MergingEnd::Spoiled("it is not what was sent".into())
            } else {
                MergingEnd::Stale
            });
        }
        let (key, header) = (self.compaction.output, merged.header.clone());
        let (size_bytes, time) = (merged.size_bytes, header.timestamp());
        let etag = etag.take().unwrap_or_else(|| ETag::new(""));
        // Nothing asks for its times before the place is listed again.
        let info = ObjectInfo { key, size_bytes, modified: time, arrived: time, etag };
        let entry = Box::new(IndexEntry { key, time, size_bytes, sha256: Some(merged.sha256) });
        Some(MergingEnd::Made { info, header: Box::new(header), entry })
    }
}

fn key_of(cx: &Context<'_>, compaction: &Compaction) -> String {
    cx.config.place.object_key(cx.config.layout, compaction.output)
}

fn merge(cx: &mut Context<'_>, compaction: &Compaction) -> Step {
    let input = |info: &ObjectInfo| MergeInput {
        object: info.key,
        key: cx.config.place.object_key(cx.config.layout, info.key),
        etag: info.etag.clone(),
        size_bytes: info.size_bytes,
    };
    let inputs = compaction.inputs.iter().map(input).collect();
    let key = key_of(cx, compaction);
    Step::Merge(Retrying::start(cx, StoreRequest::Merge { key, inputs }))
}

/// Sends the completion, or says when.
fn complete(
    cx: &mut Context<'_>,
    staged: RequestId,
    compaction: &Compaction,
    at: &mut Instant,
) -> Option<RequestId> {
    let key = key_of(cx, compaction);
    if let Some(until) = cx.paused_until(&key) {
        *at = until;
        return None;
    }
    Some(cx.store_at(vec![key], StoreRequest::Complete { staged }))
}
