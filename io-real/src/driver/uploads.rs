//! Uploads that are staged and wait for the word.

use crate::port::Upload;
use engine::replicate::{RequestId, SourceId};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Staged uploads by the id of their stage request: at most one per database, because the engine has at most
/// one object of it under way.
#[derive(Clone, Default)]
pub(super) struct Uploads(Arc<Mutex<Kept>>);

type Kept = BTreeMap<RequestId, (SourceId, Box<dyn Upload>)>;

impl Uploads {
    pub(super) fn keep(&self, id: RequestId, database: SourceId, upload: Box<dyn Upload>) {
        self.lock().insert(id, (database, upload));
    }

    pub(super) fn take(&self, id: RequestId) -> Option<Box<dyn Upload>> {
        self.lock().remove(&id).map(|(_, upload)| upload)
    }

    /// Takes what the database staged earlier and the engine has forgotten since.
    pub(super) fn take_of(&self, database: SourceId) -> Vec<Box<dyn Upload>> {
        let mut all = self.lock();
        let ids: Vec<RequestId> =
            all.iter().filter(|(_, (owner, _))| *owner == database).map(|(id, _)| *id).collect();
        ids.iter().filter_map(|id| all.remove(id)).map(|(_, upload)| upload).collect()
    }

    /// Nothing panics while it is locked; a poisoned map is whole.
    fn lock(&self) -> MutexGuard<'_, Kept> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
