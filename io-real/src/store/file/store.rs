//! The store port on a directory.

use super::directories::{Directories, SyncDir, parent, sync_dir};
use super::disk::{self, Part, Stat};
use super::error::classify;
use super::staged::Staged;
use super::upload::FileUpload;
use super::walk::{self, Tree};
use crate::port::{Body, KeyFilter, Listing, PutDone, Store, Upload};
use crate::store::OpenError;
use crate::store::key::{check_key, check_prefix, unsupported};
use async_trait::async_trait;
use bytes::Bytes;
use engine::store::{Attributes, Condition, ETag, ObjectMeta, StoreError};
use engine::types::Timestamp;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

/// A directory as a store. It need not exist: the first write creates it, until then it is empty.
pub(crate) struct FileStore {
    root: PathBuf,
    directories: Arc<Directories>,
}

impl FileStore {
    /// A store in `root`, seen from the working directory of now.
    pub(crate) fn open(root: &Path) -> Result<FileStore, OpenError> {
        FileStore::with(root, Box::new(sync_dir))
    }

    pub(super) fn with(root: &Path, sync: SyncDir) -> Result<FileStore, OpenError> {
        let root = std::path::absolute(root);
        let root = root.map_err(|error| OpenError::Option { key: "url", message: error.to_string() })?;
        Ok(FileStore { root, directories: Arc::new(Directories::new(sync)) })
    }

    fn path(&self, key: &str) -> Result<PathBuf, StoreError> {
        check_key(key)?;
        let name = key.rsplit_once('/').map_or(key, |(_, name)| name);
        if walk::is_hidden(name) {
            return Err(unsupported(format!("`{key}`: file names with `#` are reserved")));
        }
        Ok(self.root.join(key))
    }
}

#[async_trait]
impl Store for FileStore {
    async fn put(
        &self,
        key: &str,
        body: Bytes,
        attributes: &Attributes,
        condition: &Condition,
    ) -> Result<PutDone, StoreError> {
        let (path, attributes, condition) = (self.path(key)?, *attributes, condition.clone());
        let directories = self.directories.clone();
        blocking(move || {
            let mut staged = Staged::create(&path, &directories)?;
            staged.write(&body)?;
            staged.publish(&attributes, &condition)
        })
        .await
    }

    async fn upload(&self, key: &str, attributes: &Attributes) -> Result<Box<dyn Upload>, StoreError> {
        let (path, attributes, directories) = (self.path(key)?, *attributes, self.directories.clone());
        let staged = blocking(move || Staged::create(&path, &directories)).await?;
        Ok(Box::new(FileUpload::new(staged, attributes)))
    }

    async fn get(&self, key: &str, range: Option<Range<u64>>) -> Result<Body, StoreError> {
        let (path, directories) = (self.path(key)?, self.directories.clone());
        let part = range.map_or(Part::Whole, Part::Range);
        blocking(move || disk::read(&path, &part, &directories)).await
    }

    async fn get_tail(&self, key: &str, bytes_max: u64) -> Result<Body, StoreError> {
        let (path, directories) = (self.path(key)?, self.directories.clone());
        blocking(move || disk::read(&path, &Part::Tail(bytes_max), &directories)).await
    }

    async fn head(&self, key: &str) -> Result<(ObjectMeta, Attributes), StoreError> {
        let (path, key, directories) = (self.path(key)?, key.to_owned(), self.directories.clone());
        let look = move || {
            directories.settle(parent(&path)).map_err(|error| classify(&path, &error))?;
            Stat::of(&path)
        };
        let stat = blocking(look).await?;
        Ok((stat.meta(key), stat.attributes()))
    }

    async fn list(&self, prefix: &str, after: Option<&str>) -> Result<Listing, StoreError> {
        check_prefix(prefix)?;
        let (root, prefix, after) = (self.root.clone(), prefix.to_owned(), after.map(str::to_owned));
        let directories = self.directories.clone();
        let tree = move || {
            walk::list(&Tree { root: &root, directories: &directories }, &prefix, after.as_deref(), PAGE_MAX)
        };
        blocking(tree).await
    }

    async fn list_folder(&self, prefix: &str, after: Option<&str>) -> Result<Listing, StoreError> {
        check_prefix(prefix)?;
        let (root, prefix, after) = (self.root.clone(), prefix.to_owned(), after.map(str::to_owned));
        let directories = self.directories.clone();
        let tree = move || {
            walk::list_folder(
                &Tree { root: &root, directories: &directories },
                &prefix,
                after.as_deref(),
                PAGE_MAX,
            )
        };
        blocking(tree).await
    }

    async fn time(&self, prefix: &str) -> Option<Timestamp> {
        let dir = self.path(&format!("{prefix}time")).ok()?.parent()?.to_owned();
        // Where nothing may be written nothing is deleted by it.
        blocking(move || disk::file_system_time(&dir)).await.ok()
    }

    async fn delete(&self, keys: &[String]) -> Vec<Result<(), StoreError>> {
        let paths: Vec<Result<PathBuf, StoreError>> = keys.iter().map(|key| self.path(key)).collect();
        let legal: Vec<PathBuf> = paths.iter().filter_map(|path| path.clone().ok()).collect();
        let directories = self.directories.clone();
        let removed = match blocking(move || Ok(disk::remove_many(&legal, &directories))).await {
            Ok(removed) => removed,
            Err(error) => return keys.iter().map(|_| Err(error.clone())).collect(),
        };
        let mut removed = removed.into_iter();
        let answer = |path: Result<PathBuf, StoreError>| {
            path.and_then(|_| removed.next().expect("one answer for each legal key"))
        };
        paths.into_iter().map(answer).collect()
    }

    async fn delete_if_match(&self, key: &str, etag: &ETag) -> Result<(), StoreError> {
        let (path, etag, directories) = (self.path(key)?, etag.clone(), self.directories.clone());
        blocking(move || disk::remove_if_match(&path, &etag, &directories)).await
    }

    async fn abort_uploads(&self, prefix: &str, before: Timestamp) -> Result<usize, StoreError> {
        check_prefix(prefix)?;
        let (root, prefix) = (self.root.clone(), prefix.to_owned());
        blocking(move || walk::remove_all(walk::abandoned(&root, &prefix, before)?)).await
    }

    async fn sweep_uploads(
        &self,
        prefix: &str,
        age: Duration,
        is_ours: KeyFilter<'_>,
    ) -> Result<usize, StoreError> {
        check_prefix(prefix)?;
        let (root, prefix) = (self.root.clone(), prefix.to_owned());
        let age_ms = i64::try_from(age.as_millis()).unwrap_or(i64::MAX);
        // A borrowed question cannot go along to where waiting is allowed: it is asked here, about what was found.
        let found = blocking({
            let (root, prefix) = (root.clone(), prefix.clone());
            move || match disk::file_system_time(&root.join(&prefix)) {
                Ok(now) => {
                    let before = Timestamp::from_millis(now.as_millis().saturating_sub(age_ms));
                    walk::abandoned(&root, &prefix, before)
                }
                // Nobody has written here yet.
                Err(StoreError::Missing) => Ok(Vec::new()),
                Err(error) => Err(error),
            }
        });
        let mut found = found.await?;
        found.retain(|staged| is_ours(&staged.key));
        blocking(move || walk::remove_all(found)).await
    }
}

/// Runs a step that waits for the disk where waiting is allowed.
pub(super) async fn blocking<T: Send + 'static>(
    step: impl FnOnce() -> Result<T, StoreError> + Send + 'static,
) -> Result<T, StoreError> {
    match tokio::task::spawn_blocking(step).await {
        Ok(answer) => answer,
        // The runtime is shutting down, so the step may or may not have run; a panic is passed on.
        Err(stopped) => match stopped.try_into_panic() {
            Ok(panic) => std::panic::resume_unwind(panic),
            Err(stopped) => Err(StoreError::Ambiguous(stopped.to_string().into())),
        },
    }
}

/// Objects in one page of a listing. Each page walks the directory, so more of them cost that much more; what a
/// page costs is memory, some 10 MB.
const PAGE_MAX: usize = 50_000;
