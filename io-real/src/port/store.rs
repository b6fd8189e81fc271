//! The store port: one bucket or directory, shared by all databases that live in it.
//!
//! Keys are relative to the store's root (the URL's prefix is the implementation's business) and use `/`.

use async_trait::async_trait;
use bytes::Bytes;
use engine::store::{Attributes, Condition, ETag, ObjectMeta, StoreError};
use engine::types::Timestamp;
use std::ops::Range;
use std::time::Duration;

/// An object's bytes, whole or in part.
#[derive(Clone, Debug)]
pub struct Body {
    /// The bytes asked for; never fewer: a short body is [`StoreError::Retryable`].
    pub bytes: Bytes,
    /// Size of the whole object.
    pub object_bytes: u64,
    /// The version that the bytes belong to.
    pub etag: ETag,
    /// When the store took it.
    pub modified: Timestamp,
    /// What is stored beside it, where the store keeps such.
    pub attributes: Attributes,
}

/// A write that took effect.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PutDone {
    /// The version that was made.
    pub etag: ETag,
    /// The store's clock in its answer, where it gives one.
    pub store_time: Option<Timestamp>,
}

/// One page of a listing, in key order.
#[derive(Clone, Debug, Default)]
pub struct Listing {
    /// Objects below the prefix.
    pub objects: Vec<ObjectMeta>,
    /// With a delimiter: the folders, each ending in `/`.
    pub folders: Vec<String>,
    /// Go on after this key; `None` at the end.
    pub next: Option<String>,
    /// The store's clock in its answer, where it gives one.
    pub time: Option<Timestamp>,
}

/// Object storage, as the engine's commands need it. Implementations do not retry conditional writes: what
/// a lost answer means is the engine's decision.
#[async_trait]
pub trait Store: Send + Sync {
    /// Writes a whole object under a condition.
    async fn put(
        &self,
        key: &str,
        body: Bytes,
        attributes: &Attributes,
        condition: &Condition,
    ) -> Result<PutDone, StoreError>;

    /// Starts an upload in parts. Nothing is visible under `key` before [`Upload::complete`].
    async fn upload(&self, key: &str, attributes: &Attributes) -> Result<Box<dyn Upload>, StoreError>;

    /// Reads an object, or a range of it (clipped to its end; an empty result is an error).
    async fn get(&self, key: &str, range: Option<Range<u64>>) -> Result<Body, StoreError>;

    /// Reads up to `bytes_max` bytes from an object's end.
    async fn get_tail(&self, key: &str, bytes_max: u64) -> Result<Body, StoreError>;

    /// Describes an object without its bytes.
    async fn head(&self, key: &str) -> Result<(ObjectMeta, Attributes), StoreError>;

    /// One page of the objects below `prefix` (which ends in `/` or is empty), after the key `after`.
    async fn list(&self, prefix: &str, after: Option<&str>) -> Result<Listing, StoreError>;

    /// One page of the direct children of `prefix`: objects, and folders ending in `/`.
    async fn list_folder(&self, prefix: &str, after: Option<&str>) -> Result<Listing, StoreError>;

    /// Deletes many; one answer per key, in order. A missing key is done.
    async fn delete(&self, keys: &[String]) -> Vec<Result<(), StoreError>>;

    /// Deletes one version of an object, or is refused.
    async fn delete_if_match(&self, key: &str, etag: &ETag) -> Result<(), StoreError>;

    /// The clock that objects below `prefix` are stamped with, where no listing tells it. Only for who writes there.
    async fn time(&self, prefix: &str) -> Option<Timestamp> {
        let _ = prefix;
        None
    }

    /// Ends the unfinished uploads below `prefix` that were started before `before`; how many there were.
    async fn abort_uploads(&self, prefix: &str, before: Timestamp) -> Result<usize, StoreError>;

    /// The same for those that are older than `age` by the store's own clock, and to whose key `is_ours` agrees: the
    /// local clock may be wrong, and an upload that is still under way must not be ended. One that cannot be ended
    /// keeps no other from it; the first such error is the answer. A store without a clock sweeps nothing.
    async fn sweep_uploads(
        &self,
        prefix: &str,
        age: Duration,
        is_ours: KeyFilter<'_>,
    ) -> Result<usize, StoreError> {
        let _ = (prefix, age, is_ours);
        Ok(0)
    }
}

/// Which keys are meant.
pub type KeyFilter<'a> = &'a (dyn Fn(&str) -> bool + Send + Sync);

/// An upload in parts. Dropping it without [`Upload::complete`] leaves at most an unfinished upload, which
/// [`Store::abort_uploads`] sweeps.
#[async_trait]
pub trait Upload: Send {
    /// Sends the next part. All but the last have the same size (at least 5 MiB on S3). After a transient
    /// failure the same part may be sent again.
    async fn part(&mut self, bytes: Bytes) -> Result<(), StoreError>;

    /// Makes the object visible under the condition. May be called again after a transient failure.
    async fn complete(&mut self, condition: &Condition) -> Result<PutDone, StoreError>;

    /// Gives it up.
    async fn abort(&mut self) -> Result<(), StoreError>;
}
