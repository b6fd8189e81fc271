//! What a store can be asked and what it answers, as values: they can be delayed, repeated and traced.

use bytes::Bytes;
use engine::store::{Attributes, Condition, ETag, ObjectMeta, StoreError};
use engine::types::Timestamp;
use std::ops::Range;

/// An upload in parts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct UploadId(pub(super) u64);

/// A request.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the fields are the words of `engine::store`")]
pub enum Request {
    /// Write a whole object.
    Put { key: String, body: Bytes, attributes: Attributes, condition: Condition },
    /// Start an upload; nothing is visible before it is completed.
    StartUpload { key: String, attributes: Attributes },
    /// Send a part, counted from 1; the same number again replaces it.
    UploadPart { upload: UploadId, part: u32, body: Bytes },
    /// Make the object of the parts so far.
    CompleteUpload { upload: UploadId, condition: Condition },
    /// Give an upload up.
    AbortUpload { upload: UploadId },
    /// List the unfinished uploads below a prefix that were started before a moment of the store's clock.
    ListUploads { prefix: String, before: Timestamp },
    /// Read an object, or a range of it, clipped to its end.
    Get { key: String, range: Option<Range<u64>> },
    /// Read the end of an object.
    GetTail { key: String, bytes_max: u64 },
    /// Describe an object.
    Head { key: String },
    /// One page of the keys that start with `prefix`, after the key `after`; with `folders` those with a
    /// further `/` are gathered.
    List { prefix: String, after: Option<String>, folders: bool, keys_max: usize },
    /// Delete many; a missing key is done.
    Delete { keys: Vec<String> },
    /// Delete one version; done too when there is no such object, as in S3.
    DeleteIfMatch { key: String, etag: ETag },
}

/// A success.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Response {
    /// To `Put` and `CompleteUpload`.
    Written(Written),
    /// To `StartUpload`.
    Started(UploadId),
    /// To `UploadPart`, `AbortUpload` and `DeleteIfMatch`.
    Done,
    /// To `ListUploads`: upload and key.
    Uploads(Vec<(UploadId, String)>),
    /// To `Get` and `GetTail`.
    Body(ObjectBody),
    /// To `Head`.
    Head(ObjectMeta, Attributes),
    /// To `List`.
    Listing(Listing),
    /// To `Delete`: one outcome per key, in order.
    Deleted(Vec<Result<(), StoreError>>),
}

/// What a client gets in the end.
pub type Answer = Result<Response, StoreError>;

/// A write that took effect.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Written {
    /// The version that was made.
    pub etag: ETag,
    /// The store's clock.
    pub store_time: Timestamp,
}

/// An object's bytes, whole or in part.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ObjectBody {
    /// The bytes asked for.
    pub bytes: Bytes,
    /// The whole object.
    pub meta: ObjectMeta,
    /// What is stored beside it.
    pub attributes: Attributes,
}

/// One page of a listing, in key order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Listing {
    /// Objects.
    pub objects: Vec<ObjectMeta>,
    /// Folders, each ending in `/`.
    pub folders: Vec<String>,
    /// Go on after this; `None` at the end.
    pub next: Option<String>,
    /// The store's clock.
    pub time: Timestamp,
}

impl Request {
    /// What it is, for traces and counts.
    pub fn name(&self) -> &'static str {
        match self {
            Request::Put { .. } => "put",
            Request::StartUpload { .. } => "start upload",
            Request::UploadPart { .. } => "upload part",
            Request::CompleteUpload { .. } => "complete upload",
            Request::AbortUpload { .. } => "abort upload",
            Request::ListUploads { .. } => "list uploads",
            Request::Get { .. } => "get",
            Request::GetTail { .. } => "get tail",
            Request::Head { .. } => "head",
            Request::List { .. } => "list",
            Request::Delete { .. } => "delete",
            Request::DeleteIfMatch { .. } => "delete if match",
        }
    }

    /// The key or prefix that it is about; the first of many; empty for what names an upload.
    pub fn subject(&self) -> &str {
        match self {
            Request::Put { key, .. }
            | Request::StartUpload { key, .. }
            | Request::Get { key, .. }
            | Request::GetTail { key, .. }
            | Request::Head { key }
            | Request::DeleteIfMatch { key, .. } => key,
            Request::List { prefix, .. } | Request::ListUploads { prefix, .. } => prefix,
            Request::Delete { keys } => keys.first().map_or("", String::as_str),
            Request::UploadPart { .. } | Request::CompleteUpload { .. } | Request::AbortUpload { .. } => "",
        }
    }

    /// Whether it may change which objects exist: without an answer its outcome is ambiguous. Parts of an
    /// upload are not: they can be sent again, and show nothing.
    pub fn changes_objects(&self) -> bool {
        matches!(
            self,
            Request::Put { .. }
                | Request::CompleteUpload { .. }
                | Request::Delete { .. }
                | Request::DeleteIfMatch { .. }
        )
    }

    /// Whether a store may answer it with 409 ConditionalRequestConflict.
    pub fn is_conditional_write(&self) -> bool {
        matches!(self, Request::Put { .. } | Request::CompleteUpload { .. })
    }

    /// Bytes of the body on their way to the store.
    pub fn body_bytes(&self) -> usize {
        match self {
            Request::Put { body, .. } | Request::UploadPart { body, .. } => body.len(),
            _ => 0,
        }
    }
}

impl Response {
    /// Bytes of the body on their way to the client.
    pub fn body_bytes(&self) -> usize {
        match self {
            Response::Body(body) => body.bytes.len(),
            _ => 0,
        }
    }
}
