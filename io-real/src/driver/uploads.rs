//! Objects that are staged and wait for the word.

use crate::port::Upload;
use bytes::Bytes;
use engine::replicate::{RequestId, SourceId};
use engine::store::Attributes;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Staged objects by the id of the request that staged them: at most one per folder, which is a level of a database, because
/// the engine has at most one object of it under way.
#[derive(Clone, Default)]
pub(super) struct Uploads(Arc<Mutex<BTreeMap<RequestId, Kept>>>);

struct Kept {
    database: SourceId,
    folder: String,
    staged: Staged,
}

/// Everything but the last step.
pub(super) enum Staged {
    /// All parts are in the store.
    Parts(Box<dyn Upload>),
    /// It is small enough for one request.
    Whole { key: String, body: Bytes, attributes: Attributes },
}

impl Uploads {
    /// Keeps an object with this key.
    pub(super) fn keep(&self, id: RequestId, database: SourceId, key: &str, staged: Staged) {
        self.lock().insert(id, Kept { database, folder: folder_of(key).to_owned(), staged });
    }

    /// With its folder.
    pub(super) fn take(&self, id: RequestId) -> Option<(String, Staged)> {
        self.lock().remove(&id).map(|kept| (kept.folder, kept.staged))
    }

    /// Takes what the database staged earlier for the folder of this key, and the engine has forgotten since.
    pub(super) fn take_of(&self, database: SourceId, key: &str) -> Vec<Staged> {
        let mut all = self.lock();
        let is_forgotten = |kept: &Kept| kept.database == database && kept.folder == folder_of(key);
        let ids: Vec<RequestId> =
            all.iter().filter(|(_, kept)| is_forgotten(kept)).map(|(id, _)| *id).collect();
        ids.iter().filter_map(|id| all.remove(id)).map(|kept| kept.staged).collect()
    }

    /// Nothing panics while it is locked; a poisoned map is whole.
    fn lock(&self) -> MutexGuard<'_, BTreeMap<RequestId, Kept>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// With its `/`, so that a folder is its own.
fn folder_of(key: &str) -> &str {
    key.rsplit_once('/').map_or("", |(folder, _)| &key[..=folder.len()])
}
