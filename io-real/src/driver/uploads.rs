//! Objects that are staged and wait for the word.

use crate::port::Upload;
use bytes::Bytes;
use engine::replicate::{RequestId, SourceId};
use engine::store::Attributes;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Staged objects by the id of the request that staged them: at most one of each kind per database, because the engine
/// has no more under way.
#[derive(Clone, Default)]
pub(super) struct Uploads(Arc<Mutex<Kept>>);

type Kept = BTreeMap<RequestId, (SourceId, Kind, Staged)>;

/// What staged it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Pages of the source.
    Pages,
    /// Objects of the store.
    Merge,
}

/// Everything but the last step.
pub(super) enum Staged {
    /// All parts are in the store.
    Parts(Box<dyn Upload>),
    /// It is small enough for one request.
    Whole { key: String, body: Bytes, attributes: Attributes },
}

impl Uploads {
    pub(super) fn keep(&self, id: RequestId, database: SourceId, kind: Kind, staged: Staged) {
        self.lock().insert(id, (database, kind, staged));
    }

    pub(super) fn take(&self, id: RequestId) -> Option<(Kind, Staged)> {
        self.lock().remove(&id).map(|(_, kind, staged)| (kind, staged))
    }

    /// Takes what the database staged earlier and the engine has forgotten since.
    pub(super) fn take_of(&self, database: SourceId, kind: Kind) -> Vec<Staged> {
        let mut all = self.lock();
        let is_of = |owner: &SourceId, of: &Kind| (*owner, *of) == (database, kind);
        let ids: Vec<RequestId> =
            all.iter().filter(|(_, (owner, of, _))| is_of(owner, of)).map(|(id, _)| *id).collect();
        ids.iter().filter_map(|id| all.remove(id)).map(|(_, _, staged)| staged).collect()
    }

    /// Nothing panics while it is locked; a poisoned map is whole.
    fn lock(&self) -> MutexGuard<'_, Kept> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
