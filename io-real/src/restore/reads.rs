//! Reading from a store that sometimes does not answer: a bounded number of requests, each repeated until it
//! succeeds, cannot succeed, or nothing has succeeded for too long.

use super::ReadError;
use super::courtesy::Courtesy;
use crate::port::{Body, Listing, Store};
use engine::mutants::{Mutant, mutated};
use engine::restore::ReadLimits;
use engine::store::StoreError;
use engine::types::LockByte;
use std::future::Future;
use std::ops::Range;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;

/// What is bounded while a place is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Requests at one time, at least 1. With `read.request_bytes_max` this bounds the memory for downloads:
    /// a body counts until its pages are written.
    pub requests_in_flight: usize,
    /// How much one request reads.
    pub read: ReadLimits,
    /// Give up when no request has succeeded for this long.
    pub timeout: Duration,
    /// Where the lock page is; [`LockByte::SQLITE`] for every real database.
    pub lock_byte: LockByte,
}

impl Default for Limits {
    /// 16 requests of up to 4 MiB fill a fast line with 64 MiB of memory.
    fn default() -> Limits {
        Limits {
            requests_in_flight: 16,
            read: ReadLimits { request_bytes_max: 4 << 20, ..ReadLimits::DEFAULT },
            timeout: Duration::from_secs(30),
            lock_byte: LockByte::SQLITE,
        }
    }
}

/// Some bytes of an object, counted as in flight until dropped.
#[derive(Debug)]
pub(super) struct Piece {
    pub(super) body: Body,
    _turn: Turn,
}

/// The right to one request, and to hold what it brings.
#[derive(Debug)]
pub(super) struct Turn(#[expect(dead_code, reason = "it is held")] OwnedSemaphorePermit);

/// The store, for reading. Clones share the bounds.
#[derive(Clone)]
pub(super) struct Reads {
    store: Arc<dyn Store>,
    permits: Arc<Semaphore>,
    timeout: Duration,
    succeeded_at: Arc<Mutex<Option<Instant>>>,
    courtesy: Courtesy,
}

impl Reads {
    pub(super) fn new(store: Arc<dyn Store>, limits: &Limits) -> Reads {
        assert!(limits.requests_in_flight > 0, "somebody must be let through");
        Reads {
            store,
            permits: Arc::new(Semaphore::new(limits.requests_in_flight)),
            timeout: limits.timeout,
            succeeded_at: Arc::default(),
            courtesy: Courtesy::default(),
        }
    }

    /// The same, behind others.
    pub(super) fn behind(self, courtesy: Courtesy) -> Reads {
        Reads { courtesy, ..self }
    }

    /// Waits for the right to one request.
    pub(super) async fn turn(&self) -> Turn {
        let permit = self.permits.clone().acquire_owned().await.expect("the semaphore is never closed");
        self.courtesy.after_you().await;
        Turn(permit)
    }

    /// Bytes of an object.
    pub(super) async fn get(&self, key: &str, range: Range<u64>, turn: Turn) -> Result<Piece, ReadError> {
        let bytes = range.end - range.start;
        let request = || self.store.get(key, Some(range.clone()));
        let (body, turn) = self.retried(key, bytes, turn, request).await?;
        Ok(Piece { body, _turn: turn })
    }

    /// Up to so many bytes of an object's end.
    pub(super) async fn tail(&self, key: &str, bytes_max: u64) -> Result<Piece, ReadError> {
        let request = || self.store.get_tail(key, bytes_max);
        let (body, turn) = self.retried(key, bytes_max, self.turn().await, request).await?;
        Ok(Piece { body, _turn: turn })
    }

    /// A whole small object; `None` if there is none.
    pub(super) async fn whole(&self, key: &str) -> Result<Option<Body>, ReadError> {
        match self.retried(key, 0, self.turn().await, || self.store.get(key, None)).await {
            Ok((body, _)) => Ok(Some(body)),
            Err(ReadError { error: StoreError::Missing, .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// One page of a listing.
    pub(super) async fn list(&self, prefix: &str, after: Option<&str>) -> Result<Listing, ReadError> {
        Ok(self.retried(prefix, 0, self.turn().await, || self.store.list(prefix, after)).await?.0)
    }

    /// One page of a folder's direct children.
    pub(super) async fn list_folder(&self, prefix: &str, after: Option<&str>) -> Result<Listing, ReadError> {
        Ok(self.retried(prefix, 0, self.turn().await, || self.store.list_folder(prefix, after)).await?.0)
    }

    /// Repeats what may be repeated. The turn is kept between two attempts: pieces of an object are taken in order, and those
    /// behind one that failed keep theirs until it has come.
    async fn retried<T, F>(
        &self,
        key: &str,
        bytes: u64,
        mut turn: Turn,
        request: impl Fn() -> F,
    ) -> Result<(T, Turn), ReadError>
    where
        F: Future<Output = Result<T, StoreError>>,
    {
        let mut since: Option<Instant> = None;
        let mut attempt = 0;
        loop {
            let began = *since.get_or_insert_with(Instant::now);
            let error = match self.within(bytes, request()).await {
                Ok(answer) => {
                    *self.succeeded() = Some(Instant::now());
                    return Ok((answer, turn));
                }
                Err(error) => error,
            };
            let alive_at = self.succeeded().map_or(began, |success| success.max(began));
            let may_repeat = error.is_transient() || matches!(error, StoreError::Ambiguous(_));
            if !may_repeat || alive_at.elapsed() >= self.timeout {
                return Err(ReadError { key: key.into(), error, attempts: attempt + 1 });
            }
            tracing::debug!(key, %error, "trying again");
            let rest = tokio::time::sleep(pause(attempt, key, &error).min(self.timeout));
            if mutated(Mutant::RestoreTurnGivenUp) {
                drop(turn);
                rest.await;
                turn = self.turn().await;
            } else {
                rest.await;
            }
            attempt += 1;
        }
    }

    /// The store has limits of its own; this one holds for a file system that hangs, too.
    async fn within<T>(
        &self,
        bytes: u64,
        request: impl Future<Output = Result<T, StoreError>>,
    ) -> Result<T, StoreError> {
        let limit = self.timeout.saturating_add(Duration::from_secs(bytes / BYTES_PER_SECOND_MIN));
        let late = |_| StoreError::Retryable(format!("no answer within {} s", limit.as_secs_f32()).into());
        tokio::time::timeout(limit, request).await.map_err(late)?
    }

    fn succeeded(&self) -> std::sync::MutexGuard<'_, Option<Instant>> {
        self.succeeded_at.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// How long to wait after a failed attempt: 100 ms, doubled each time up to 5 s, of which up to half is left
/// out so that many do not come back at once; but never less than the store asked for.
fn pause(attempt: u32, key: &str, error: &StoreError) -> Duration {
    let longest = PAUSE_MIN.saturating_mul(1 << attempt.min(10)).min(PAUSE_MAX);
    // Any spread does; no random numbers, so that a simulated run repeats itself.
    let spread = key.bytes().fold(attempt, |hash, byte| hash.wrapping_mul(31).wrapping_add(byte.into())) % 64;
    let pause = longest - longest / 128 * spread;
    match error {
        StoreError::Throttled { retry_after: Some(least) } => pause.max(*least),
        _ => pause,
    }
}

const PAUSE_MIN: Duration = Duration::from_millis(100);
const PAUSE_MAX: Duration = Duration::from_secs(5);

/// A body may take this much longer per byte: at 64 KiB/s a line is slow, not dead.
const BYTES_PER_SECOND_MIN: u64 = 64 << 10;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_to_a_limit_and_heed_the_store() {
        let error = StoreError::Retryable("x".into());
        for attempt in 0..100 {
            let longest = (PAUSE_MIN * (1 << attempt.min(10))).min(PAUSE_MAX);
            let pause = pause(attempt, "some/key", &error);
            assert!(longest / 2 <= pause && pause <= longest, "{attempt}: {pause:?}");
        }
        let asked = StoreError::Throttled { retry_after: Some(Duration::from_secs(7)) };
        assert_eq!(pause(0, "k", &asked), Duration::from_secs(7));
    }
}
