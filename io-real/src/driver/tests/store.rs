//! A store in memory that fails as scripted.

use crate::port::{Body, KeyFilter, Listing, PutDone, Store, Upload};
use async_trait::async_trait;
use bytes::Bytes;
use engine::store::{Attributes, Condition, ETag, ObjectMeta, StoreError};
use engine::types::Timestamp;
use std::collections::{BTreeMap, VecDeque};
use std::ops::Range;
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// Shared between the test and the driver.
#[derive(Clone, Default)]
pub(super) struct FakeStore(Arc<Mutex<Inner>>);

#[derive(Default)]
pub(super) struct Inner {
    pub(super) objects: BTreeMap<String, Bytes>,
    /// What lies beside each.
    pub(super) attributes: Attributes,
    /// What the next requests answer, before anything is done.
    pub(super) script: VecDeque<Option<StoreError>>,
    /// No request is ever answered.
    pub(super) hangs: bool,
    /// Every version of every object is another.
    pub(super) restless: u64,
    pub(super) parts: Vec<usize>,
    pub(super) aborted: u32,
    /// Prefix and age of each sweep.
    pub(super) sweeps: Vec<(String, Duration)>,
    /// What sweeps answer.
    pub(super) sweep_error: Option<StoreError>,
    pub(super) in_flight: usize,
    pub(super) in_flight_max: usize,
}

impl FakeStore {
    pub(super) fn with<T>(&self, act: impl FnOnce(&mut Inner) -> T) -> T {
        act(&mut self.0.lock().unwrap())
    }

    async fn answer(&self) -> Result<(), StoreError> {
        self.with(|s| {
            s.in_flight += 1;
            s.in_flight_max = s.in_flight_max.max(s.in_flight);
        });
        tokio::task::yield_now().await;
        if self.with(|s| s.hangs) {
            std::future::pending::<()>().await;
        }
        self.with(|s| {
            s.in_flight -= 1;
            s.script.pop_front().flatten().map_or(Ok(()), Err)
        })
    }

    fn put_now(&self, key: &str, body: Bytes) -> Result<PutDone, StoreError> {
        self.with(|s| {
            if s.objects.contains_key(key) {
                return Err(StoreError::Refused);
            }
            s.objects.insert(key.to_owned(), body);
            Ok(PutDone { etag: ETag::new("1"), store_time: None })
        })
    }
}

#[async_trait]
impl Store for FakeStore {
    async fn put(
        &self,
        key: &str,
        body: Bytes,
        _: &Attributes,
        _: &Condition,
    ) -> Result<PutDone, StoreError> {
        self.answer().await?;
        self.put_now(key, body)
    }

    async fn upload(&self, key: &str, _: &Attributes) -> Result<Box<dyn Upload>, StoreError> {
        self.answer().await?;
        Ok(Box::new(FakeUpload { store: self.clone(), key: key.to_owned(), bytes: Vec::new() }))
    }

    async fn get(&self, key: &str, range: Option<Range<u64>>) -> Result<Body, StoreError> {
        self.answer().await?;
        self.with(|s| {
            let whole = s.objects.get(key).cloned().ok_or(StoreError::Missing)?;
            let range = range.unwrap_or(0..whole.len() as u64);
            let end = range.end.min(whole.len() as u64);
            if range.start >= end {
                return Err(StoreError::Retryable("a range without bytes".into()));
            }
            s.restless += s.restless.min(1);
            Ok(Body {
                bytes: whole.slice(range.start as usize..end as usize),
                object_bytes: whole.len() as u64,
                etag: ETag::new(s.restless.to_string()),
                modified: Timestamp::from_millis(1),
                attributes: s.attributes,
            })
        })
    }

    async fn get_tail(&self, _: &str, _: u64) -> Result<Body, StoreError> {
        unreachable!("the driver does not ask for it")
    }

    async fn head(&self, key: &str) -> Result<(ObjectMeta, Attributes), StoreError> {
        self.answer().await?;
        let size_bytes = self.with(|s| s.objects.get(key).map(|o| o.len() as u64));
        let meta = ObjectMeta {
            key: key.to_owned(),
            size_bytes: size_bytes.ok_or(StoreError::Missing)?,
            etag: ETag::new("0"),
            modified: Timestamp::from_millis(1),
            arrived: Timestamp::from_millis(1),
        };
        Ok((meta, Attributes::default()))
    }

    async fn list(&self, _: &str, _: Option<&str>) -> Result<Listing, StoreError> {
        self.answer().await?;
        Ok(Listing::default())
    }

    async fn list_folder(&self, _: &str, _: Option<&str>) -> Result<Listing, StoreError> {
        unreachable!("the driver does not ask for it")
    }

    async fn delete(&self, _: &[String]) -> Vec<Result<(), StoreError>> {
        unreachable!("the driver does not ask for it")
    }

    async fn delete_if_match(&self, key: &str, _: &ETag) -> Result<(), StoreError> {
        self.answer().await?;
        self.with(|s| s.objects.remove(key).map(drop).ok_or(StoreError::Missing))
    }

    async fn abort_uploads(&self, _: &str, _: Timestamp) -> Result<usize, StoreError> {
        unreachable!("the driver does not ask for it")
    }

    async fn sweep_uploads(
        &self,
        prefix: &str,
        age: Duration,
        _: KeyFilter<'_>,
    ) -> Result<usize, StoreError> {
        self.with(|s| {
            s.sweeps.push((prefix.to_owned(), age));
            s.sweep_error.clone().map_or(Ok(0), Err)
        })
    }
}

struct FakeUpload {
    store: FakeStore,
    key: String,
    bytes: Vec<u8>,
}

#[async_trait]
impl Upload for FakeUpload {
    async fn part(&mut self, bytes: Bytes) -> Result<(), StoreError> {
        self.store.answer().await?;
        self.store.with(|s| s.parts.push(bytes.len()));
        self.bytes.extend_from_slice(&bytes);
        Ok(())
    }

    async fn complete(&mut self, _: &Condition) -> Result<PutDone, StoreError> {
        self.store.answer().await?;
        self.store.put_now(&self.key, Bytes::from(self.bytes.clone()))
    }

    async fn abort(&mut self) -> Result<(), StoreError> {
        self.store.with(|s| s.aborted += 1);
        Ok(())
    }
}
