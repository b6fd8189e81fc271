//! The objects of a bucket and the conditions under which they change.

use super::listing::page;
use super::request::{Answer, Listing, ObjectBody, Request, Response, Written};
use super::sim_s3::{Change, ChangeKind, StoreStats, StoredObject};
use super::upload::Uploads;
use bytes::Bytes;
use engine::store::{Attributes, Condition, ETag, Fatal, ObjectMeta, Sha256, StoreError};
use engine::types::Timestamp;
use std::collections::BTreeMap;
use std::ops::Range;

/// The store's state.
pub(super) struct Bucket {
    pub(super) objects: BTreeMap<String, StoredObject>,
    pub(super) uploads: Uploads,
    pub(super) changes: Vec<Change>,
    pub(super) stats: StoreStats,
    /// Conditions are ignored, as many S3-compatible servers do.
    pub(super) ignores_conditions: bool,
    /// Whether changes keep the bytes of what they wrote.
    pub(super) keeps_history: bool,
    versions: u64,
}

impl Bucket {
    pub(super) fn new() -> Bucket {
        Bucket {
            objects: BTreeMap::new(),
            uploads: Uploads::default(),
            changes: Vec::new(),
            stats: StoreStats::default(),
            ignores_conditions: false,
            keeps_history: false,
            versions: 0,
        }
    }

    /// Does what a request asks, at this moment of the store's clock.
    pub(super) fn apply(&mut self, request: &Request, now: Timestamp) -> Answer {
        self.stats.count(request);
        match request {
            Request::Put { key, body, attributes, condition } => {
                self.check(key, condition)?;
                Ok(Response::Written(self.write(key, body.clone(), *attributes, now)))
            }
            Request::StartUpload { key, attributes } => {
                Ok(Response::Started(self.uploads.start(key, attributes, now)))
            }
            Request::UploadPart { upload, part, body } => {
                self.uploads.part(*upload, *part, body.clone()).map(|()| Response::Done)
            }
            Request::CompleteUpload { upload, condition } => {
                let key = self.uploads.key(*upload)?.to_owned();
                self.check(&key, condition)?;
                let (body, attributes) = self.uploads.finish(*upload)?;
                Ok(Response::Written(self.write(&key, body, attributes, now)))
            }
            Request::AbortUpload { upload } => self.uploads.abort(*upload).map(|()| Response::Done),
            Request::ListUploads { prefix, before } => {
                Ok(Response::Uploads(self.uploads.list(prefix, *before)))
            }
            Request::Get { key, range } => self.get(key, range.as_ref()),
            Request::GetTail { key, bytes_max } => {
                let size_bytes = self.find(key)?.bytes.len() as u64;
                self.get(key, Some(&(size_bytes.saturating_sub(*bytes_max)..size_bytes)))
            }
            Request::Head { key } => {
                let object = self.find(key)?;
                Ok(Response::Head(object.meta(key), object.attributes))
            }
            Request::List { prefix, after, folders, keys_max } => {
                let listing = page(&self.objects, prefix, after.as_deref(), *folders, *keys_max);
                Ok(Response::Listing(Listing { time: now, ..listing }))
            }
            Request::Delete { keys } => {
                for key in keys {
                    self.remove(key, now);
                }
                Ok(Response::Deleted(vec![Ok(()); keys.len()]))
            }
            Request::DeleteIfMatch { key, etag } => {
                let matches = self.objects.get(key).is_none_or(|object| object.etag == *etag);
                if !matches && !self.ignores_conditions {
                    return Err(StoreError::Refused);
                }
                self.remove(key, now);
                Ok(Response::Done)
            }
        }
    }

    /// Puts an object down whatever was there.
    pub(super) fn write(
        &mut self,
        key: &str,
        bytes: Bytes,
        attributes: Attributes,
        now: Timestamp,
    ) -> Written {
        self.versions += 1;
        let etag = ETag::new(format!("{}-{}", &Sha256::of(&bytes).to_string()[..16], self.versions));
        let kept = self.keeps_history.then(|| bytes.clone());
        let object = StoredObject { bytes, etag: etag.clone(), modified: now, attributes };
        let replaced = self.objects.insert(key.to_owned(), object).is_some();
        let kind = if replaced { ChangeKind::Replaced } else { ChangeKind::Created };
        self.changes.push(Change { key: key.to_owned(), kind, etag: etag.clone(), at: now, bytes: kept });
        Written { etag, store_time: now }
    }

    /// Removes an object; false when there was none.
    pub(super) fn remove(&mut self, key: &str, now: Timestamp) -> bool {
        let Some(object) = self.objects.remove(key) else { return false };
        let (key, kind) = (key.to_owned(), ChangeKind::Deleted);
        self.changes.push(Change { key, kind, etag: object.etag, at: now, bytes: None });
        true
    }

    fn check(&self, key: &str, condition: &Condition) -> Result<(), StoreError> {
        if self.ignores_conditions {
            return Ok(());
        }
        match (condition, self.objects.get(key)) {
            (Condition::IfAbsent, None) => Ok(()),
            (Condition::IfAbsent, Some(_)) => Err(StoreError::Refused),
            // S3 answers 404 to If-Match on a key that does not exist.
            (Condition::IfMatch(_), None) => Err(StoreError::Missing),
            (Condition::IfMatch(etag), Some(object)) if object.etag == *etag => Ok(()),
            (Condition::IfMatch(_), Some(_)) => Err(StoreError::Refused),
        }
    }

    fn find(&self, key: &str) -> Result<&StoredObject, StoreError> {
        self.objects.get(key).ok_or(StoreError::Missing)
    }

    fn get(&self, key: &str, range: Option<&Range<u64>>) -> Answer {
        let object = self.find(key)?;
        let size = object.bytes.len();
        let bytes = match range {
            None => object.bytes.clone(),
            Some(range) => {
                let clip = |at: u64| usize::try_from(at).unwrap_or(usize::MAX).min(size);
                let (start, end) = (clip(range.start), clip(range.end));
                if start >= end {
                    return Err(StoreError::Fatal {
                        kind: Fatal::Unsupported,
                        message: "416 range not satisfiable".into(),
                    });
                }
                object.bytes.slice(start..end)
            }
        };
        let attributes = object.attributes;
        Ok(Response::Body(ObjectBody { bytes, meta: object.meta(key), attributes }))
    }
}

impl StoredObject {
    /// As a listing describes it.
    pub(super) fn meta(&self, key: &str) -> ObjectMeta {
        ObjectMeta {
            key: key.to_owned(),
            size_bytes: self.bytes.len() as u64,
            etag: self.etag.clone(),
            modified: self.modified,
            arrived: self.modified,
        }
    }
}
