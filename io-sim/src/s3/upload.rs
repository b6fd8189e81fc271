//! Uploads in parts that are not complete.

use super::request::UploadId;
use bytes::Bytes;
use engine::store::{Attributes, StoreError};
use engine::types::Timestamp;
use std::collections::BTreeMap;

/// All unfinished uploads.
#[derive(Default)]
pub(super) struct Uploads {
    unfinished: BTreeMap<UploadId, Upload>,
    started: u64,
}

struct Upload {
    key: String,
    attributes: Attributes,
    started: Timestamp,
    parts: BTreeMap<u32, Bytes>,
}

impl Uploads {
    pub(super) fn start(&mut self, key: &str, attributes: &Attributes, now: Timestamp) -> UploadId {
        self.started += 1;
        let id = UploadId(self.started);
        let (key, attributes) = (key.to_owned(), *attributes);
        self.unfinished.insert(id, Upload { key, attributes, started: now, parts: BTreeMap::new() });
        id
    }

    pub(super) fn part(&mut self, id: UploadId, part: u32, bytes: Bytes) -> Result<(), StoreError> {
        let upload = self.unfinished.get_mut(&id).ok_or(StoreError::Missing)?;
        upload.parts.insert(part, bytes);
        Ok(())
    }

    pub(super) fn key(&self, id: UploadId) -> Result<&str, StoreError> {
        self.unfinished.get(&id).map(|upload| upload.key.as_str()).ok_or(StoreError::Missing)
    }

    /// Takes an upload out and puts its parts together.
    pub(super) fn finish(&mut self, id: UploadId) -> Result<(Bytes, Attributes), StoreError> {
        let upload = self.unfinished.remove(&id).ok_or(StoreError::Missing)?;
        let mut body = Vec::with_capacity(upload.parts.values().map(Bytes::len).sum());
        upload.parts.values().for_each(|part| body.extend_from_slice(part));
        Ok((body.into(), upload.attributes))
    }

    pub(super) fn abort(&mut self, id: UploadId) -> Result<(), StoreError> {
        self.unfinished.remove(&id).map(drop).ok_or(StoreError::Missing)
    }

    pub(super) fn list(&self, prefix: &str, before: Timestamp) -> Vec<(UploadId, String)> {
        let old = self.unfinished.iter().filter(|(_, u)| u.key.starts_with(prefix) && u.started < before);
        old.map(|(id, upload)| (*id, upload.key.clone())).collect()
    }

    pub(super) fn ids(&self) -> impl Iterator<Item = UploadId> {
        self.unfinished.keys().copied()
    }

    pub(super) fn len(&self) -> usize {
        self.unfinished.len()
    }
}
