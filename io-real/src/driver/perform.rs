//! The engine's requests to the store, one by one.

use super::message::Message;
use super::object::off_thread;
use super::promise::{LOST, SourceResult, StoreResult};
use super::read;
use super::requests::Requests;
use super::stage::Stage;
use super::uploads::{Staged, Uploads};
use crate::port::{Body, Listing, Source, Work};
use crate::seal::seal;
use bytes::Bytes;
use engine::ltx::Header;
use engine::mutants::{Mutant, mutated};
use engine::replicate::{
    Event, Got, RequestId, SourceAnswer, SourceError, SourceId, StoreAnswer, StoreRequest,
};
use engine::store::{Condition, StoreError};
use engine::types::{LockByte, Pgno};
use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;
use tokio::sync::Semaphore;
use tokio::sync::mpsc::UnboundedSender;

/// Does requests; cheap to clone, one clone per request.
pub(super) struct Performer<S> {
    pub(super) requests: Requests,
    pub(super) uploads: Uploads,
    pub(super) work: Arc<dyn Work>,
    /// For objects that are encoded beside their sources.
    pub(super) seals: Arc<Semaphore>,
    /// For merges, which hold some megabytes each.
    pub(super) merges: Arc<Semaphore>,
    pub(super) messages: UnboundedSender<Message<S>>,
    pub(super) answers: UnboundedSender<Event>,
}

impl<S> Clone for Performer<S> {
    fn clone(&self) -> Performer<S> {
        Performer {
            requests: self.requests.clone(),
            uploads: self.uploads.clone(),
            work: self.work.clone(),
            seals: self.seals.clone(),
            merges: self.merges.clone(),
            messages: self.messages.clone(),
            answers: self.answers.clone(),
        }
    }
}

/// What of a database's configuration its requests need.
#[derive(Clone, Copy, Debug)]
pub(super) struct Format {
    pub(super) lock_byte: LockByte,
    pub(super) part_bytes: u64,
}

/// Objects are read whole into memory up to this: the engine asks for manifests and for what it sent itself.
/// Of anything larger that lies there the beginning is enough to see that it is another.
pub(super) const WHOLE_BYTES_MAX: u64 = 64 << 20;

/// Whether a request may have taken effect although its answer was lost.
pub(super) fn writes(request: &StoreRequest) -> bool {
    matches!(
        request,
        StoreRequest::Put { .. }
            | StoreRequest::Complete { .. }
            | StoreRequest::Delete { .. }
            | StoreRequest::DeleteIfMatch { .. }
    )
}

/// Whether nothing is lost when nobody waits for the end of a request: it only reads, for a pass that was given up when its
/// database stopped. What a merge has sent of an object is ended by the next life's sweep.
pub(super) fn may_be_left(request: &StoreRequest) -> bool {
    matches!(
        request,
        StoreRequest::Get { .. }
            | StoreRequest::List { .. }
            | StoreRequest::Hash { .. }
            | StoreRequest::Page { .. }
            | StoreRequest::Digest { .. }
            | StoreRequest::Merge { .. }
    )
}

impl<S: Source> Performer<S> {
    pub(super) async fn perform(
        self,
        id: RequestId,
        database: SourceId,
        format: Format,
        request: StoreRequest,
    ) -> StoreResult {
        let (requests, work) = (&self.requests, &self.work);
        match request {
            StoreRequest::Put { key, body, attributes, condition } => {
                let done = requests.put(&key, body, &attributes, &condition).await?;
                Ok(StoreAnswer::Put { etag: done.etag })
            }
            StoreRequest::Stage { key, header, pages, attributes } => {
                let part_bytes = format.part_bytes;
                self.stage(id, database, Stage { key, header, pages, attributes, part_bytes }).await
            }
            StoreRequest::Complete { staged } => self.complete(staged, database).await,
            StoreRequest::Discard { staged } => {
                if let Some((_, Staged::Parts(mut upload))) = self.uploads.take(staged) {
                    requests.abort(&mut *upload).await?;
                }
                Ok(StoreAnswer::Discarded)
            }
            StoreRequest::Merge { key, inputs } => {
                self.merge(id, database, key, inputs, (format.lock_byte, format.part_bytes)).await
            }
            StoreRequest::Delete { keys } => Ok(StoreAnswer::DeletedMany(requests.delete(&keys).await)),
            StoreRequest::Get { key, range } => {
                Ok(StoreAnswer::Got(get(requests, &key, range.unwrap_or(0..WHOLE_BYTES_MAX)).await?))
            }
            StoreRequest::List { prefix, after } => {
                let time = if after.is_none() { requests.time(&prefix).await } else { None };
                let page = requests.list(&prefix, after.as_deref()).await?;
                let page = Listing { time: page.time.or(time), ..page };
                Ok(StoreAnswer::Listed { objects: page.objects, next: page.next, time: page.time })
            }
            StoreRequest::Hash { key } => {
                let (sha256, is_compared) = read::hash(requests, work, &key, format.lock_byte).await?;
                Ok(StoreAnswer::Hashed { sha256, is_compared })
            }
            StoreRequest::Page { keys, pgno } => {
                let page = read::page(requests, work, &keys, pgno, format.lock_byte).await?;
                Ok(StoreAnswer::Page(page))
            }
            StoreRequest::Digest { keys } => {
                let digests = read::digest(requests, work, &keys, format.lock_byte).await?;
                Ok(StoreAnswer::Digested(digests))
            }
            StoreRequest::DeleteIfMatch { key, etag } => {
                requests.delete_if_match(&key, &etag).await?;
                Ok(StoreAnswer::Deleted)
            }
        }
    }

    /// Encodes pages that are in memory.
    pub(super) async fn seal(
        self,
        format: Format,
        header: Header,
        pages: BTreeMap<Pgno, Bytes>,
    ) -> SourceResult {
        let _permit = self.seals.acquire().await.expect("the semaphore is never closed");
        let sealed = off_thread(&self.work, move || seal(&header, pages, format.lock_byte)).await;
        sealed.map(SourceAnswer::Sealed).map_err(|_| SourceError::Io(LOST.into()))
    }

    /// An upload stays while the engine may ask for it again.
    async fn complete(&self, staged: RequestId, database: SourceId) -> StoreResult {
        let (folder, mut upload) = match self.uploads.take(staged) {
            None => return Err(StoreError::Missing),
            Some((folder, Staged::Parts(upload))) => (folder, upload),
            Some((folder, Staged::Whole { key, body, attributes })) => {
                let put = self.requests.put(&key, body.clone(), &attributes, &Condition::IfAbsent).await;
                if !matches!(put, Ok(_) | Err(StoreError::Refused)) {
                    self.uploads.keep(staged, database, &folder, Staged::Whole { key, body, attributes });
                }
                return put.map(|done| StoreAnswer::Put { etag: done.etag });
            }
        };
        match self.requests.complete(&mut *upload).await {
            Ok(done) => Ok(StoreAnswer::Put { etag: done.etag }),
            // All its parts must be sent again; or, refused, the key is taken for good, and where an earlier upload of
            // ours took it nobody would ever ask for an end of this one.
            Err(error @ (StoreError::Missing | StoreError::Conflict | StoreError::Refused)) => {
                let _ = self.requests.abort(&mut *upload).await;
                Err(error)
            }
            Err(error) => {
                if !mutated(Mutant::UploadForgotten) {
                    self.uploads.keep(staged, database, &folder, Staged::Parts(upload));
                }
                Err(error)
            }
        }
    }
}

/// Stores refuse a range that begins behind the end of an object; to the engine that is a range without bytes.
async fn get(requests: &Requests, key: &str, range: Range<u64>) -> Result<Got, StoreError> {
    let start = range.start;
    match requests.get(key, Some(range)).await {
        Ok(Body { bytes, object_bytes, etag, modified, attributes }) => {
            Ok(Got { bytes, object_bytes, etag, modified, attributes })
        }
        Err(error) if error == StoreError::Missing || start == 0 => Err(error),
        Err(error) => match requests.head(key).await? {
            (meta, attributes) if meta.size_bytes <= start => Ok(Got {
                bytes: Bytes::new(),
                object_bytes: meta.size_bytes,
                etag: meta.etag,
                modified: meta.modified,
                attributes,
            }),
            _ => Err(error),
        },
    }
}
