//! `manifest.json` as this life would have it: at the first claim, when the place has come to it from another writer
//! (docs/design.md section 2), and where there is none.
//!
//! It tells people, and whoever is refused, whose the place is. The objects decide that, so nothing waits for a rewrite,
//! and one that fails comes again with the next occasion: a start, a doubt, a listing.

use super::command::{RequestId, StoreRequest};
use super::context::Context;
use super::event::StoreAnswer;
use super::notice::Notice;
use crate::manifest::{Manifest, WriterClaim};
use crate::mutants::{Mutant, mutated};
use crate::store::{Attributes, Condition, ETag, StoreError};
use crate::types::{Instant, NodeId};
use bytes::Bytes;

/// A manifest as the store has it.
#[derive(Clone, Debug)]
pub(super) struct SeenManifest {
    pub(super) manifest: Manifest,
    pub(super) etag: ETag,
}

/// The rewrite of a manifest that says something else than it should.
#[derive(Debug, Default)]
pub(super) struct Rewrite {
    /// What it should say, in place of which version or of none.
    wanted: Option<(Bytes, Condition)>,
    sent: Option<RequestId>,
    /// An occasion came while the store did not want to be asked.
    due: Option<Instant>,
    attempts: u32,
}

impl Rewrite {
    /// This host has come to follow the place that the manifest is of; `own`: the ids of its lives.
    pub(super) fn follows(&mut self, cx: &Context<'_>, seen: &SeenManifest, own: &[NodeId]) {
        // Without conditions it could take the place of another's.
        let may = cx.config.conditional_writes && !mutated(Mutant::ManifestNotRewritten);
        let wanted = owned(cx, &seen.manifest, own).filter(|_| may);
        let condition = Condition::IfMatch(seen.etag.clone());
        self.wanted = wanted.map(|manifest| (manifest.encode().into(), condition));
        self.attempts = 0;
    }

    /// This host has come to follow a place that has objects and no manifest: another tool began it, or somebody deleted it.
    /// Without one nobody else knows what is kept here.
    pub(super) fn follows_without(&mut self, cx: &Context<'_>) {
        let may = cx.config.conditional_writes && !mutated(Mutant::ManifestNotRewritten);
        self.wanted = may.then(|| (first_claim(cx).encode().into(), Condition::IfAbsent));
        self.attempts = 0;
    }

    /// The time to write what is wanted, if anything is. Never twice at once.
    pub(super) fn on_occasion(&mut self, cx: &mut Context<'_>) {
        self.due = None;
        if let Some((body, condition)) = &self.wanted
            && self.sent.is_none()
        {
            self.due = cx.paused_until(&cx.config.place.manifest_key());
            if self.due.is_none() {
                self.sent = Some(put(cx, body.clone(), condition.clone()));
            }
        }
    }

    /// While the place is followed.
    pub(super) fn tick(&mut self, cx: &mut Context<'_>) {
        if self.due.is_some_and(|due| due <= cx.now.mono) {
            self.on_occasion(cx);
        }
    }

    pub(super) fn deadline(&self) -> Option<Instant> {
        self.due
    }

    pub(super) fn awaits(&self, id: RequestId) -> bool {
        self.sent == Some(id)
    }

    pub(super) fn answered(&mut self, cx: &mut Context<'_>, result: Result<StoreAnswer, StoreError>) {
        self.sent = None;
        match result {
            // Written; or somebody else, or we with an answer that was lost, changed it since: the next start reads what
            // it says now.
            Ok(_) | Err(StoreError::Refused | StoreError::Missing) => self.wanted = None,
            Err(error) => {
                self.attempts += 1;
                let (key, attempt) = (cx.config.place.manifest_key(), self.attempts);
                cx.notice(Notice::Store { error, key, attempt });
            }
        }
    }
}

/// What the first claim of a place says.
pub(super) fn first_claim(cx: &Context<'_>) -> Manifest {
    let config = cx.config;
    Manifest {
        database: config.database,
        writer: WriterClaim { id: config.node, host: config.host.clone(), time: cx.now.wall },
        store: config.store_name.clone(),
        l0_ms: u64::try_from(config.l0_retention.as_millis()).unwrap_or(u64::MAX),
        policy: config.upkeep.policy,
        objects: Vec::new(),
    }
}

/// Writes a manifest.
pub(super) fn put(cx: &mut Context<'_>, body: Bytes, condition: Condition) -> RequestId {
    let key = cx.config.place.manifest_key();
    cx.store(StoreRequest::Put { key, body, attributes: Attributes::default(), condition })
}

/// Whether what was read is what this host would write there: then it needs no second look, although nothing else tells
/// that it was read right.
pub(super) fn is_as_left(cx: &Context<'_>, bytes: &[u8], own: &[NodeId]) -> bool {
    Manifest::decode(bytes).is_ok_and(|manifest| owned(cx, &manifest, own).is_none())
}

/// What a manifest should say when this host owns the place; `None`: it does.
fn owned(cx: &Context<'_>, manifest: &Manifest, own: &[NodeId]) -> Option<Manifest> {
    let claim = first_claim(cx);
    let mut owned = manifest.clone();
    if !own.contains(&manifest.writer.id) {
        (owned.writer, owned.store) = (claim.writer, claim.store);
    }
    // What any writer here promised is kept.
    owned.l0_ms = owned.l0_ms.max(claim.l0_ms);
    owned.policy = claim.policy.or(owned.policy);
    (owned != *manifest).then_some(owned)
}
