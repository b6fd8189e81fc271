//! The first claim of an empty place: `manifest.json`, created if absent (docs/design.md section 4, rule 5).

use super::backoff::Backoff;
use super::command::{RequestId, StoreRequest};
use super::context::Context;
use super::event::StoreAnswer;
use super::manifest::{SeenManifest, first_claim, is_as_left, put};
use super::notice::Notice;
use super::state::LocalState;
use crate::manifest::{Manifest, ManifestError};
use crate::mutants::{Mutant, mutated};
use crate::store::{Condition, StoreError};
use crate::types::{Instant, NodeId};
use bytes::Bytes;

/// The sub-machine.
#[derive(Debug)]
pub(super) struct Claim {
    own: Vec<NodeId>,
    step: Step,
    /// What the read before gave.
    before: Option<Bytes>,
    backoff: Backoff,
}

#[derive(Debug)]
enum Step {
    Creating(RequestId),
    Reading(RequestId),
    Paused(Instant, Next),
}

#[derive(Clone, Copy, Debug)]
enum Next {
    Create,
    Read,
}

pub(super) enum ClaimEnd {
    /// Its creator is this host.
    Ours,
    Anothers(SeenManifest),
    TooNew(u32),
    /// The place is changing.
    Relist,
}

impl Claim {
    pub(super) fn start(cx: &mut Context<'_>, local: &LocalState, has_manifest: bool) -> Claim {
        let step = if has_manifest { read(cx) } else { create(cx) };
        Claim { own: local.own.clone(), step, before: None, backoff: Backoff::default() }
    }

    pub(super) fn awaits(&self, id: RequestId) -> bool {
        matches!(self.step, Step::Creating(sent) | Step::Reading(sent) if sent == id)
    }

    pub(super) fn deadline(&self) -> Option<Instant> {
        match self.step {
            Step::Paused(until, _) => Some(until),
            Step::Creating(_) | Step::Reading(_) => None,
        }
    }

    pub(super) fn tick(&mut self, cx: &mut Context<'_>) {
        if let Step::Paused(until, next) = self.step
            && until <= cx.now.mono
        {
            self.step = match next {
                Next::Create => create(cx),
                Next::Read => read(cx),
            };
        }
    }

    pub(super) fn store(
        &mut self,
        cx: &mut Context<'_>,
        result: Result<StoreAnswer, StoreError>,
    ) -> Option<ClaimEnd> {
        match (&self.step, result) {
            (Step::Creating(_), Ok(_)) if cx.config.conditional_writes => Some(ClaimEnd::Ours),
            // It may have taken another's place, or another ours.
            (Step::Creating(_), Ok(_)) => {
                self.step = read(cx);
                None
            }
            // Another's, or ours after a lost answer: its writer id tells.
            (Step::Creating(_), Err(StoreError::Refused)) => {
                self.step = read(cx);
                None
            }
            (Step::Creating(_), Err(error @ StoreError::Ambiguous(_))) => {
                self.step = self.pause(cx, error, Next::Read);
                None
            }
            (Step::Creating(_), Err(error)) => {
                // Where nothing is refused it is looked first.
                let next = if cx.config.conditional_writes { Next::Create } else { Next::Read };
                self.step = self.pause(cx, error, next);
                None
            }
            // Nothing tells that it was read right: another's is believed when two reads agree.
            (Step::Reading(_), Ok(StoreAnswer::Got(got)))
                if !is_as_left(cx, &got.bytes, &self.own)
                    && self.before.replace(got.bytes.clone()) != Some(got.bytes.clone()) =>
            {
                self.step = read(cx);
                None
            }
            (Step::Reading(_), Ok(StoreAnswer::Got(got))) => match Manifest::decode(&got.bytes) {
                Ok(manifest) if self.own.contains(&manifest.writer.id) => Some(ClaimEnd::Ours),
                Ok(manifest) => Some(ClaimEnd::Anothers(SeenManifest { manifest, etag: got.etag })),
                Err(ManifestError::Newer { .. }) if mutated(Mutant::NewerFormatIgnored) => {
                    Some(ClaimEnd::Ours)
                }
                Err(ManifestError::Newer { format }) => {
                    Some(ClaimEnd::TooNew(u32::try_from(format).unwrap_or(u32::MAX)))
                }
                Err(error) => {
                    let (key, message) = (cx.config.place.manifest_key(), error.to_string().into());
                    cx.notice(Notice::Corrupt { key, message });
                    let unusable = StoreError::Fatal {
                        kind: crate::store::Fatal::Unsupported,
                        message: "the manifest is damaged".into(),
                    };
                    self.step = self.pause(cx, unusable, Next::Read);
                    None
                }
            },
            // Refused and then gone: somebody is at work there.
            (Step::Reading(_), Err(error @ StoreError::Missing)) => {
                self.step = self.pause(cx, error, Next::Create);
                None
            }
            (Step::Reading(_), Err(error)) => {
                self.step = self.pause(cx, error, Next::Read);
                None
            }
            (_, Ok(_)) => Some(ClaimEnd::Relist),
            (Step::Paused(..), Err(_)) => unreachable!("nothing was asked"),
        }
    }

    fn pause(&mut self, cx: &mut Context<'_>, error: StoreError, next: Next) -> Step {
        let until = self.backoff.failed(cx.now.mono, cx.config.node, &error);
        let (key, attempt) = (cx.config.place.manifest_key(), self.backoff.attempt());
        cx.notice(Notice::Store { error, key, attempt });
        Step::Paused(until, next)
    }
}

fn create(cx: &mut Context<'_>) -> Step {
    if let Some(until) = cx.paused_until(&cx.config.place.manifest_key()) {
        return Step::Paused(until, Next::Create);
    }
    let body = first_claim(cx).encode().into();
    Step::Creating(put(cx, body, Condition::IfAbsent))
}

fn read(cx: &mut Context<'_>) -> Step {
    let key = cx.config.place.manifest_key();
    if let Some(until) = cx.paused_until(&key) {
        return Step::Paused(until, Next::Read);
    }
    Step::Reading(cx.store(StoreRequest::Get { key, range: None }))
}
