//! A whole object, read in ranges: large ones are never in memory.

use super::promise::LOST;
use super::requests::Requests;
use crate::port::Work;
use bytes::Bytes;
use engine::store::{ETag, Sha256, StoreError};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use tokio::sync::oneshot;

/// Bytes of one request.
pub(super) const RANGE_BYTES: u64 = 4 << 20;

/// Feeds a whole object, piece by piece and on a thread that may compute, to `step`; gives what it made, and the SHA-256 that the
/// store keeps beside the object, if it does.
pub(super) async fn fold<T, E>(
    requests: &Requests,
    work: &Arc<dyn Work>,
    key: &str,
    mut made: T,
    step: fn(&mut T, &[u8]) -> Result<(), E>,
) -> Result<Result<(T, Option<Sha256>), E>, StoreError>
where
    T: Send + 'static,
    E: Send + 'static,
{
    let mut read_bytes = 0;
    let mut version: Option<ETag> = None;
    loop {
        let body = requests.get(key, Some(read_bytes..read_bytes + RANGE_BYTES)).await?;
        if version.get_or_insert_with(|| body.etag.clone()) != &body.etag {
            return Err(StoreError::Retryable("the object changed while it was read".into()));
        }
        if body.bytes.is_empty() {
            return Err(StoreError::Retryable("an answer without bytes".into()));
        }
        read_bytes += body.bytes.len() as u64;
        let bytes: Bytes = body.bytes;
        let stepped = off_thread(work, move || step(&mut made, &bytes).map(|()| made)).await?;
        match stepped {
            Ok(next) if read_bytes < body.object_bytes => made = next,
            ended => return Ok(ended.map(|made| (made, body.attributes.sha256))),
        }
    }
}

/// Computes something on a thread that may.
pub(super) async fn off_thread<T: Send + 'static>(
    work: &Arc<dyn Work>,
    job: impl FnOnce() -> T + Send + 'static,
) -> Result<T, StoreError> {
    let (answer, answered) = oneshot::channel();
    work.start(Box::new(move || {
        if let Ok(made) = catch_unwind(AssertUnwindSafe(job)) {
            // Whoever asked may be gone.
            let _ = answer.send(made);
        }
    }));
    answered.await.map_err(|_| StoreError::Retryable(LOST.into()))
}
