//! What a manifest says, in legal values.

use super::DatabaseId;
use super::wire;
use crate::key::ObjectKey;
use crate::retention::Policy;
use crate::store::Sha256;
use crate::types::{NodeId, Timestamp};

/// The format number that this version writes and knows.
pub const FORMAT: u64 = 1;

/// A place's manifest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Manifest {
    /// The identity of the history.
    pub database: DatabaseId,
    /// Who writes here.
    pub writer: WriterClaim,
    /// The store that it was made for, as a URL without credentials. Under another one a writer counts as a
    /// stranger: replicated buckets do not fence.
    pub store: String,
    /// The longest time that any writer here promised to keep single syncs, in milliseconds; never shortened.
    pub l0_ms: u64,
    /// What the place's writer wants to keep: who tidies up elsewhere keeps no less unless told to. `None`: not known yet.
    pub policy: Option<Policy>,
    /// Objects of levels 1 to 9, by level, min and max.
    pub objects: Vec<IndexEntry>,
}

/// Who claimed the place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WriterClaim {
    /// The writer's process life, as in the headers of its objects.
    pub id: NodeId,
    /// Its host's name, for people.
    pub host: String,
    /// When it claimed, by its own clock, for people.
    pub time: Timestamp,
}

/// What the index knows of one object of levels 1 to 9.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IndexEntry {
    /// Level (1 to 9) and TXIDs.
    pub key: ObjectKey,
    /// The header's timestamp.
    pub time: Timestamp,
    /// Length of the object.
    pub size_bytes: u64,
    /// Of the whole object; `None` for one of another tool's.
    pub sha256: Option<Sha256>,
}

impl Manifest {
    /// The JSON document, with a newline at its end.
    ///
    /// # Panics
    /// If the index holds a level-0 object: the caller's bug.
    pub fn encode(&self) -> Vec<u8> {
        assert!(self.objects.iter().all(|o| o.key.level().get() > 0), "level 0 is never indexed");
        let mut out =
            serde_json::to_vec_pretty(&wire::Document::from(self)).expect("strings and numbers only");
        out.push(b'\n');
        out
    }

    /// Reads a document of outside origin. Fields that this version does not know are passed over.
    pub fn decode(json: &[u8]) -> Result<Manifest, ManifestError> {
        let corrupt = |e: serde_json::Error| ManifestError::Corrupt(e.to_string());
        let head: wire::Head = serde_json::from_slice(json).map_err(corrupt)?;
        if head.format > FORMAT {
            return Err(ManifestError::Newer { format: head.format });
        }
        if head.format == 0 {
            return Err(ManifestError::Corrupt("format 0".to_owned()));
        }
        serde_json::from_slice::<wire::Document>(json).map_err(corrupt)?.try_into()
    }

    /// What the index says about an object.
    pub fn entry(&self, key: ObjectKey) -> Option<&IndexEntry> {
        self.objects.binary_search_by_key(&key, |o| o.key).ok().map(|i| &self.objects[i])
    }
}

/// Why a document is not a manifest.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ManifestError {
    /// A newer walsync wrote it: exit 2, and nothing may be written to the place.
    #[error("manifest.json has format {format}, this version knows up to {FORMAT}; use a newer walsync")]
    Newer {
        /// The number in it.
        format: u64,
    },
    /// Not JSON, or not what the format demands. A reader goes on without the index.
    #[error("manifest.json is damaged: {0}")]
    Corrupt(String),
}
