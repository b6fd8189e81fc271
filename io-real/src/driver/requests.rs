//! Requests to the store: a bounded number at a time, first come first served, each with a time limit. Bodies wait for
//! the bandwidth first, so that nobody's read waits with them.

use super::rate::UploadRate;
use super::sweep::sweep_place;
use crate::port::{Body, Listing, PutDone, Store, Upload};
use bytes::Bytes;
use engine::key::{Layout, Place};
use engine::mutants::{Mutant, mutated};
use engine::store::{Attributes, Condition, ETag, ObjectMeta, StoreError};
use engine::types::Timestamp;
use std::future::Future;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tokio::sync::Semaphore;

/// The store, behind a queue that is fair: nobody's many requests keep another's one waiting.
#[derive(Clone)]
pub(super) struct Requests {
    store: Arc<dyn Store>,
    permits: Arc<Semaphore>,
    /// How many permits there are, or will be when those that are too many came back.
    in_flight_max: Arc<AtomicUsize>,
    rate: Arc<UploadRate>,
    timeout: Duration,
}

/// A body may take this much longer per byte: at 64 KiB/s a line is slow, not dead.
const BYTES_PER_SECOND_MIN: u64 = 64 << 10;
/// Thousands of uploads, one by one.
const SWEEP_MAX: Duration = Duration::from_secs(15 * 60);
/// AWS says that the completion of many parts takes minutes.
const COMPLETION_MAX: Duration = Duration::from_secs(15 * 60);

impl Requests {
    pub(super) fn new(
        store: Arc<dyn Store>,
        in_flight_max: usize,
        bytes_per_second: u64,
        timeout: Duration,
    ) -> Requests {
        assert!(in_flight_max > 0, "somebody must be let through");
        Requests {
            store,
            permits: Arc::new(Semaphore::new(in_flight_max)),
            in_flight_max: Arc::new(AtomicUsize::new(in_flight_max)),
            rate: Arc::new(UploadRate::new(bytes_per_second)),
            timeout,
        }
    }

    /// Other bounds from now on. What is in flight goes on; fewer requests are let through as those come back.
    pub(super) async fn bound(self, in_flight_max: usize, bytes_per_second: u64) {
        assert!(in_flight_max > 0, "somebody must be let through");
        self.rate.set(bytes_per_second);
        let before = self.in_flight_max.swap(in_flight_max, Ordering::Relaxed);
        self.permits.add_permits(in_flight_max.saturating_sub(before));
        let fewer = u32::try_from(before.saturating_sub(in_flight_max)).unwrap_or(u32::MAX);
        self.permits.acquire_many(fewer).await.expect("the semaphore is never closed").forget();
    }

    pub(super) async fn put(
        &self,
        key: &str,
        body: Bytes,
        attributes: &Attributes,
        condition: &Condition,
    ) -> Result<PutDone, StoreError> {
        let bytes = body.len() as u64;
        self.rate.admit(bytes).await;
        let done = self.write(bytes, self.store.put(key, body.clone(), attributes, condition)).await;
        if matches!(done, Err(StoreError::Ambiguous(_))) && mutated(Mutant::WriteSentAgain) {
            return self.write(bytes, self.store.put(key, body, attributes, condition)).await;
        }
        done
    }

    pub(super) async fn get(&self, key: &str, range: Option<Range<u64>>) -> Result<Body, StoreError> {
        let bytes = range.as_ref().map_or(0, |range| range.end.saturating_sub(range.start));
        self.read(bytes, self.store.get(key, range)).await
    }

    pub(super) async fn head(&self, key: &str) -> Result<(ObjectMeta, Attributes), StoreError> {
        self.read(0, self.store.head(key)).await
    }

    pub(super) async fn list(&self, prefix: &str, after: Option<&str>) -> Result<Listing, StoreError> {
        self.read(0, self.store.list(prefix, after)).await
    }

    pub(super) async fn time(&self, prefix: &str) -> Option<Timestamp> {
        let time = self.within(self.timeout, self.store.time(prefix)).await;
        time.unwrap_or_default()
    }

    pub(super) async fn delete_if_match(&self, key: &str, etag: &ETag) -> Result<(), StoreError> {
        self.write(0, self.store.delete_if_match(key, etag)).await
    }

    /// A delete whose outcome is not known is sent again: it does the same twice.
    pub(super) async fn delete(&self, keys: &[String]) -> Vec<Result<(), StoreError>> {
        let limit = self.timeout.saturating_add(self.timeout);
        match self.within(limit, self.store.delete(keys)).await {
            Ok(deleted) => deleted,
            Err(late) => keys.iter().map(|_| Err(StoreError::Retryable(late.clone()))).collect(),
        }
    }

    pub(super) async fn upload(
        &self,
        key: &str,
        attributes: &Attributes,
    ) -> Result<Box<dyn Upload>, StoreError> {
        self.read(0, self.store.upload(key, attributes)).await
    }

    /// Nothing is visible yet, so a lost answer is no more than that.
    pub(super) async fn part(&self, upload: &mut dyn Upload, bytes: Bytes) -> Result<(), StoreError> {
        self.rate.admit(bytes.len() as u64).await;
        self.read(bytes.len() as u64, upload.part(bytes)).await
    }

    /// The store puts the parts together before it answers, and says meanwhile that it is at it; a store that
    /// says nothing is given up by the implementation's own time limit.
    pub(super) async fn complete(&self, upload: &mut dyn Upload) -> Result<PutDone, StoreError> {
        let limit = self.timeout.saturating_add(COMPLETION_MAX);
        let done = self.within(limit, upload.complete(&Condition::IfAbsent)).await;
        done.unwrap_or_else(|late| Err(StoreError::Ambiguous(late)))
    }

    pub(super) async fn abort(&self, upload: &mut dyn Upload) -> Result<(), StoreError> {
        self.read(0, upload.abort()).await
    }

    /// How many there are to end is not known: each listing and each end is a request within the store's own limit.
    pub(super) async fn sweep(&self, place: &Place, layout: Layout) -> Result<usize, StoreError> {
        let sweep = sweep_place(&*self.store, place, layout);
        let swept = self.within(self.timeout.saturating_add(SWEEP_MAX), sweep).await;
        swept.unwrap_or_else(|late| Err(StoreError::Retryable(late)))
    }

    async fn write<T>(
        &self,
        bytes: u64,
        request: impl Future<Output = Result<T, StoreError>>,
    ) -> Result<T, StoreError> {
        let done = self.within(self.limit(bytes), request).await;
        done.unwrap_or_else(|late| {
            let failed = mutated(Mutant::LateTakenForFailed);
            Err(if failed { StoreError::Retryable(late) } else { StoreError::Ambiguous(late) })
        })
    }

    async fn read<T>(
        &self,
        bytes: u64,
        request: impl Future<Output = Result<T, StoreError>>,
    ) -> Result<T, StoreError> {
        self.within(self.limit(bytes), request).await.unwrap_or_else(|late| Err(StoreError::Retryable(late)))
    }

    fn limit(&self, bytes: u64) -> Duration {
        self.timeout.saturating_add(Duration::from_secs(bytes / BYTES_PER_SECOND_MIN))
    }

    /// Waiting for one's turn does not count.
    async fn within<T>(&self, limit: Duration, request: impl Future<Output = T>) -> Result<T, Box<str>> {
        let permit = self.permits.acquire().await.expect("the semaphore is never closed");
        let late = |_| format!("no answer within {} s", limit.as_secs_f32()).into();
        let answered = tokio::time::timeout(limit, request).await.map_err(late);
        if answered.is_err() && mutated(Mutant::PermitLeaked) {
            permit.forget();
        }
        answered
    }
}
