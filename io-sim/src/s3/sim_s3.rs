//! The handle to a simulated store: requests act through it, and oracles look through it.

use super::bucket::Bucket;
use super::request::{Answer, Request, UploadId};
use crate::clock::SimClock;
use crate::shared::Shared;
use crate::trace::Trace;
use bytes::Bytes;
use engine::store::{Attributes, ETag, StoreError};
use engine::types::Timestamp;
use std::collections::BTreeMap;
use std::ops::Bound;

/// A store that all simulated daemons share. Cloning gives another handle to the same store.
#[derive(Clone)]
pub struct SimS3 {
    bucket: Shared<Bucket>,
    clock: SimClock,
    trace: Trace,
}

/// An object as the store holds it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredObject {
    /// Its bytes.
    pub bytes: Bytes,
    /// Its version: unique in the life of the store.
    pub etag: ETag,
    /// When the store took it, by the store's clock.
    pub modified: Timestamp,
    /// What is stored beside it.
    pub attributes: Attributes,
}

/// Something that happened to a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// Which key.
    pub key: String,
    /// What happened.
    pub kind: ChangeKind,
    /// The version that came, or went.
    pub etag: ETag,
    /// The store's clock.
    pub at: Timestamp,
    /// What was written, where the history is kept ([`SimS3::keep_history`]).
    pub bytes: Option<Bytes>,
}

/// What can happen to a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChangeKind {
    /// It did not exist and now does.
    Created,
    /// It held another version before.
    Replaced,
    /// It is gone.
    Deleted,
}

/// Requests that acted on the store, by kind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StoreStats {
    /// Whole objects.
    pub puts: u64,
    /// Starts, parts, completions and ends of uploads.
    pub upload_requests: u64,
    /// Reads of objects, ranges and ends.
    pub gets: u64,
    /// Descriptions.
    pub heads: u64,
    /// Pages of listings, of objects and of uploads.
    pub lists: u64,
    /// Deletes.
    pub deletes: u64,
    /// Bytes written.
    pub bytes_in: u64,
}

impl SimS3 {
    /// An empty store whose clock is `clock` ([`SimClock::machine`] gives it one of its own).
    pub fn new(clock: &SimClock, trace: &Trace) -> SimS3 {
        SimS3 { bucket: Shared::new(Bucket::new()), clock: clock.clone(), trace: trace.clone() }
    }

    /// Lets a request act, now and without the network.
    pub fn apply(&self, request: &Request) -> Answer {
        let answer = self.bucket.lock().apply(request, self.clock.now().wall);
        let body: &[u8] = match request {
            Request::Put { body, .. } | Request::UploadPart { body, .. } => body,
            _ => &[],
        };
        let outcome = answer.as_ref().map_or_else(outcome_number, |_| 0);
        self.trace.record(request.name(), request.subject(), &[("outcome", outcome)], body);
        answer
    }

    /// The store's clock: its `Date` and `LastModified`.
    pub fn clock(&self) -> &SimClock {
        &self.clock
    }

    /// Makes the store take every conditional write, whatever its condition, as some servers do.
    pub fn set_ignores_conditions(&self, ignores: bool) {
        self.bucket.lock().ignores_conditions = ignores;
    }
}

/// What oracles see and operators do: no network, no fault, no count.
impl SimS3 {
    /// An object.
    pub fn peek(&self, key: &str) -> Option<StoredObject> {
        self.bucket.lock().objects.get(key).cloned()
    }

    /// All objects by key. Cheap: their bytes are shared.
    pub fn peek_all(&self) -> BTreeMap<String, StoredObject> {
        self.bucket.lock().objects.clone()
    }

    /// The objects whose keys start with `prefix`.
    pub fn peek_below(&self, prefix: &str) -> BTreeMap<String, StoredObject> {
        let bucket = self.bucket.lock();
        let from_prefix = bucket.objects.range::<str, _>((Bound::Included(prefix), Bound::Unbounded));
        let below = from_prefix.take_while(|(key, _)| key.starts_with(prefix));
        below.map(|(key, object)| (key.clone(), object.clone())).collect()
    }

    /// How many uploads are unfinished.
    pub fn unfinished_uploads(&self) -> usize {
        self.bucket.lock().uploads.len()
    }

    /// The uploads that are unfinished.
    pub fn peek_uploads(&self) -> Vec<UploadId> {
        self.bucket.lock().uploads.ids().collect()
    }

    /// Everything that happened to keys from the `skip`th change on, oldest first.
    pub fn changes_from(&self, skip: usize) -> Vec<Change> {
        self.bucket.lock().changes.iter().skip(skip).cloned().collect()
    }

    /// Keeps the bytes of every version from now on, for oracles that look back. Costs memory.
    pub fn keep_history(&self) {
        self.bucket.lock().keeps_history = true;
    }

    /// Requests so far.
    pub fn stats(&self) -> StoreStats {
        self.bucket.lock().stats
    }

    /// Removes an object as a lifecycle rule or a person does; false when there was none.
    pub fn remove(&self, key: &str) -> bool {
        self.trace.record("foreign delete", key, &[], &[]);
        self.bucket.lock().remove(key, self.clock.now().wall)
    }

    /// Puts an object down as somebody else's program does, over whatever was there.
    pub fn overwrite(&self, key: &str, bytes: Bytes, attributes: Attributes) -> ETag {
        self.trace.record("foreign put", key, &[], &bytes);
        self.bucket.lock().write(key, bytes, attributes, self.clock.now().wall).etag
    }

    /// Flips one bit of an object under its version; false when there is none.
    pub fn rot(&self, key: &str, bit: usize) -> bool {
        let mut bucket = self.bucket.lock();
        let Some(object) = bucket.objects.get_mut(key).filter(|o| !o.bytes.is_empty()) else { return false };
        let mut bytes = object.bytes.to_vec();
        let bit = bit % (bytes.len() * 8);
        bytes[bit / 8] ^= 1 << (bit % 8);
        object.bytes = bytes.into();
        self.trace.record("rot", key, &[("bit", bit as u64)], &[]);
        true
    }

    /// Puts other bytes under an object's version and time; false when there is none.
    pub fn spoil(&self, key: &str, bytes: Bytes) -> bool {
        self.trace.record("spoil", key, &[], &bytes);
        let mut bucket = self.bucket.lock();
        bucket.objects.get_mut(key).map(|object| object.bytes = bytes).is_some()
    }

    /// Drops an upload, as a store does that answers a completion with 409.
    pub(crate) fn forget_upload(&self, upload: UploadId) {
        // An upload that is unknown is forgotten already.
        let _ = self.bucket.lock().uploads.abort(upload);
    }
}

impl StoreStats {
    /// All requests.
    pub fn requests(&self) -> u64 {
        self.puts + self.upload_requests + self.gets + self.heads + self.lists + self.deletes
    }

    pub(super) fn count(&mut self, request: &Request) {
        self.bytes_in += request.body_bytes() as u64;
        let counter = match request {
            Request::Put { .. } => &mut self.puts,
            Request::StartUpload { .. }
            | Request::UploadPart { .. }
            | Request::CompleteUpload { .. }
            | Request::AbortUpload { .. } => &mut self.upload_requests,
            Request::Get { .. } | Request::GetTail { .. } => &mut self.gets,
            Request::Head { .. } => &mut self.heads,
            Request::List { .. } | Request::ListUploads { .. } => &mut self.lists,
            Request::Delete { .. } | Request::DeleteIfMatch { .. } => &mut self.deletes,
        };
        *counter += 1;
    }
}

/// An error as a number for the trace; success is 0.
pub(crate) fn outcome_number(error: &StoreError) -> u64 {
    match error {
        StoreError::Refused => 1,
        StoreError::Conflict => 2,
        StoreError::Missing => 3,
        StoreError::Throttled { .. } => 4,
        StoreError::Retryable(_) => 5,
        StoreError::Ambiguous(_) => 6,
        StoreError::Fatal { .. } => 7,
    }
}
