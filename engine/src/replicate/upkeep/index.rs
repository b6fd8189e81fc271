//! The index in `manifest.json`: read before something goes, written when it has gone.
//!
//! What it names with a hash was read back whole by whoever added it. The listing is the truth: an index that lies, or that is
//! lost, costs reads and nothing else.

use crate::key::{ObjectKey, PlaceListing};
use crate::manifest::{IndexEntry, Manifest, ManifestError};
use crate::replicate::command::{RequestId, StoreRequest};
use crate::replicate::context::Context;
use crate::replicate::event::Got;
use crate::replicate::manifest::{SeenManifest, first_claim, put};
use crate::replicate::retrying::Retrying;
use crate::retention::Policy;
use crate::store::{Condition, ETag};
use crate::types::Level;
use bytes::Bytes;
use std::collections::{BTreeMap, BTreeSet};

/// A manifest as it was read.
#[derive(Debug, Default)]
pub(super) struct Index {
    before: Option<Bytes>,
    seen: Option<Box<SeenManifest>>,
    damage: Option<(ManifestError, ETag)>,
}

impl Index {
    pub(super) fn ask(cx: &mut Context<'_>) -> Retrying {
        let key = cx.config.place.manifest_key();
        Retrying::start(cx, StoreRequest::Get { key, range: None })
    }

    /// Takes what was read; false: read it again, until two reads agree.
    pub(super) fn read(&mut self, got: Got) -> bool {
        if self.before.as_ref() != Some(&got.bytes) {
            self.before = Some(got.bytes);
            return false;
        }
        match Manifest::decode(&got.bytes) {
            Ok(manifest) => self.seen = Some(Box::new(SeenManifest { manifest, etag: got.etag })),
            Err(error) => self.damage = Some((error, got.etag)),
        }
        true
    }

    /// Writes one in place of a damaged one, as who follows the place would have it; `None`: that may not be done.
    pub(super) fn replace_damaged(&self, cx: &mut Context<'_>) -> Option<RequestId> {
        let Some((ManifestError::Corrupt(_), damaged)) = &self.damage else { return None };
        if !cx.config.conditional_writes || cx.paused_until(&cx.config.place.manifest_key()).is_some() {
            return None;
        }
        let body = first_claim(cx).encode().into();
        Some(put(cx, body, Condition::IfMatch(damaged.clone())))
    }

    /// Why it cannot be read, if it cannot: damaged, or of a newer version.
    pub(super) fn damage(&self) -> Option<Box<str>> {
        self.damage.as_ref().map(|(error, _)| error.to_string().into())
    }

    pub(super) fn into_manifest(self) -> Option<Manifest> {
        self.seen.map(|seen| seen.manifest)
    }

    pub(super) fn manifest(&self) -> Option<&Manifest> {
        self.seen.as_ref().map(|seen| &seen.manifest)
    }

    /// Writes what is left of the place and was read back; `None`: there is nothing to write.
    pub(super) fn write(
        &self,
        cx: &mut Context<'_>,
        left: &PlaceListing,
        made: &BTreeMap<ObjectKey, IndexEntry>,
        doubted: &BTreeSet<ObjectKey>,
        policy: Option<Policy>,
    ) -> Option<RequestId> {
        let seen = self.seen.as_ref()?;
        // Without conditions it could take the place of another's.
        if !cx.config.conditional_writes {
            return None;
        }
        let indexed = left.objects().iter().filter(|object| object.key.level() > Level::L0);
        let objects = indexed.filter_map(|object| {
            let indexed = || seen.manifest.entry(object.key).filter(|entry| !doubted.contains(&entry.key));
            let entry = made.get(&object.key).or_else(indexed)?;
            (entry.size_bytes == object.size_bytes).then(|| entry.clone())
        });
        let wanted = Manifest {
            objects: objects.collect(),
            policy: policy.or(seen.manifest.policy),
            ..seen.manifest.clone()
        };
        if wanted == seen.manifest || cx.paused_until(&cx.config.place.manifest_key()).is_some() {
            return None;
        }
        Some(put(cx, wanted.encode().into(), Condition::IfMatch(seen.etag.clone())))
    }
}
