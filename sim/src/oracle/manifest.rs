//! Property 34: `manifest.json` names a writer of the machine that owns the place, and keeps what else it says.

use crate::outcome::Violation;
use bytes::Bytes;
use engine::key::{Layout, Place};
use engine::manifest::Manifest;
use engine::store::Sha256;
use engine::types::NodeId;
use io_sim::s3::SimS3;

/// What the manifest of a place said last.
#[derive(Clone, Debug, Default)]
pub struct Claimed {
    last: Option<(Bytes, Manifest)>,
}

/// What an index says of an object that is there is true.
fn tells_the_truth(store: &SimS3, place: &Place, manifest: &Manifest) -> Result<(), Violation> {
    for entry in &manifest.objects {
        let Some(object) = store.peek(&place.object_key(Layout::S3, entry.key)) else { continue };
        let is_true = entry.size_bytes == object.bytes.len() as u64
            && entry.sha256.is_none_or(|sha256| sha256 == Sha256::of(&object.bytes));
        if !is_true {
            return Err(Violation::new(34, format!("the index says of an object what is not so: {entry:?}")));
        }
    }
    Ok(())
}

impl Claimed {
    /// Looks at the manifest: whoever writes it anew keeps the history's name and its index, and shortens no promise.
    /// The writer that it names, where it is new.
    pub fn look(&mut self, store: &SimS3, place: &Place) -> Result<Option<NodeId>, Violation> {
        let Some(object) = store.peek(&place.manifest_key()) else { return Ok(None) };
        if self.last.as_ref().is_some_and(|(bytes, _)| *bytes == object.bytes) {
            return Ok(None);
        }
        let now = Manifest::decode(&object.bytes)
            .map_err(|error| Violation::new(34, format!("what was written does not decode: {error}")))?;
        if let Some((_, last)) = &self.last {
            let kept = now.database == last.database && now.l0_ms >= last.l0_ms;
            if !kept {
                return Err(Violation::new(34, format!("{last:?} became {now:?}")));
            }
        }
        tells_the_truth(store, place, &now)?;
        let writer = now.writer.id;
        self.last = Some((object.bytes, now));
        Ok(Some(writer))
    }

    /// At the end: `ids` are those of the owner's lives.
    pub fn names(&self, ids: &[NodeId]) -> Result<(), Violation> {
        match &self.last {
            Some((_, manifest)) if !ids.contains(&manifest.writer.id) => {
                let (id, host) = (manifest.writer.id, &manifest.writer.host);
                Err(Violation::new(
                    34,
                    format!("the manifest names writer {id} on {host}, who lost the place"),
                ))
            }
            _ => Ok(()),
        }
    }
}
