//! Uploads that are staged and wait for the word.

use crate::port::Upload;
use engine::replicate::{RequestId, SourceId};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Staged uploads by the id of their stage request: at most one per folder, which is a level of a database, because the
/// engine has at most one object of it under way.
#[derive(Clone, Default)]
pub(super) struct Uploads(Arc<Mutex<Kept>>);

type Kept = BTreeMap<RequestId, Staged>;

struct Staged {
    database: SourceId,
    folder: String,
    upload: Box<dyn Upload>,
}

impl Uploads {
    /// Keeps an upload of an object with this key.
    pub(super) fn keep(&self, id: RequestId, database: SourceId, key: &str, upload: Box<dyn Upload>) {
        self.lock().insert(id, Staged { database, folder: folder_of(key).to_owned(), upload });
    }

    /// With its folder.
    pub(super) fn take(&self, id: RequestId) -> Option<(String, Box<dyn Upload>)> {
        self.lock().remove(&id).map(|staged| (staged.folder, staged.upload))
    }

    /// Takes what the database staged earlier for the folder of this key, and the engine has forgotten since.
    pub(super) fn take_of(&self, database: SourceId, key: &str) -> Vec<Box<dyn Upload>> {
        let mut all = self.lock();
        let is_forgotten = |staged: &Staged| staged.database == database && staged.folder == folder_of(key);
        let ids: Vec<RequestId> =
            all.iter().filter(|(_, staged)| is_forgotten(staged)).map(|(id, _)| *id).collect();
        ids.iter().filter_map(|id| all.remove(id)).map(|staged| staged.upload).collect()
    }

    /// Nothing panics while it is locked; a poisoned map is whole.
    fn lock(&self) -> MutexGuard<'_, Kept> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// With its `/`, so that a folder is its own.
fn folder_of(key: &str) -> &str {
    key.rsplit_once('/').map_or("", |(folder, _)| &key[..=folder.len()])
}
