//! A store that sends one byte of one object wrong, once.

use async_trait::async_trait;
use bytes::Bytes;
use engine::store::{Attributes, Condition, ETag, ObjectMeta, StoreError};
use engine::types::Timestamp;
use io_real::port::{Body, Listing, PutDone, Store, Upload};
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// The first read of this byte is wrong.
pub(crate) struct FlipsOnce {
    inner: Arc<dyn Store>,
    key: String,
    at: u64,
    done: AtomicBool,
}

impl FlipsOnce {
    pub(crate) fn new(inner: Arc<dyn Store>, key: String, at: u64) -> FlipsOnce {
        FlipsOnce { inner, key, at, done: AtomicBool::new(false) }
    }

    fn pass(&self, key: &str, start: u64, body: Body) -> Body {
        let index = self.at.checked_sub(start).and_then(|index| usize::try_from(index).ok());
        let index = index.filter(|index| key == self.key && *index < body.bytes.len());
        match index {
            Some(index) if !self.done.swap(true, Ordering::Relaxed) => {
                let mut bytes = body.bytes.to_vec();
                bytes[index] ^= 0x10;
                Body { bytes: bytes.into(), ..body }
            }
            _ => body,
        }
    }
}

#[async_trait]
impl Store for FlipsOnce {
    async fn put(
        &self,
        key: &str,
        bytes: Bytes,
        attributes: &Attributes,
        condition: &Condition,
    ) -> Result<PutDone, StoreError> {
        self.inner.put(key, bytes, attributes, condition).await
    }

    async fn upload(&self, key: &str, attributes: &Attributes) -> Result<Box<dyn Upload>, StoreError> {
        self.inner.upload(key, attributes).await
    }

    async fn get(&self, key: &str, range: Option<Range<u64>>) -> Result<Body, StoreError> {
        let start = range.as_ref().map_or(0, |range| range.start);
        Ok(self.pass(key, start, self.inner.get(key, range).await?))
    }

    async fn get_tail(&self, key: &str, bytes_max: u64) -> Result<Body, StoreError> {
        let body = self.inner.get_tail(key, bytes_max).await?;
        Ok(self.pass(key, body.object_bytes - body.bytes.len() as u64, body))
    }

    async fn head(&self, key: &str) -> Result<(ObjectMeta, Attributes), StoreError> {
        self.inner.head(key).await
    }

    async fn list(&self, prefix: &str, after: Option<&str>) -> Result<Listing, StoreError> {
        self.inner.list(prefix, after).await
    }

    async fn list_folder(&self, prefix: &str, after: Option<&str>) -> Result<Listing, StoreError> {
        self.inner.list_folder(prefix, after).await
    }

    async fn delete(&self, keys: &[String]) -> Vec<Result<(), StoreError>> {
        self.inner.delete(keys).await
    }

    async fn delete_if_match(&self, key: &str, etag: &ETag) -> Result<(), StoreError> {
        self.inner.delete_if_match(key, etag).await
    }

    async fn abort_uploads(&self, prefix: &str, before: Timestamp) -> Result<usize, StoreError> {
        self.inner.abort_uploads(prefix, before).await
    }
}
