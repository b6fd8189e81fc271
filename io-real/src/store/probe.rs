//! Does a store mean it? Many S3-compatible servers take conditional writes and ignore the condition.

use super::unique::unique;
use crate::port::{Store, Upload};
use bytes::Bytes;
use engine::store::{Attributes, Condition, Fatal, StoreError};

/// What a store does with the conditions of conditional writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConditionalWrites {
    /// They decide: writers can be fenced.
    Honoured,
    /// They are ignored, or not understood, for whole objects or for those in parts: the second writer overwrites
    /// the first.
    Ignored,
}

/// Creates the same key three times and looks whether all but the first are refused: whole, whole again, and
/// in parts. A slot too large for one request becomes visible by the completion of its parts, and there are
/// stores that know conditions only for whole objects. Costs seven small requests. The key is
/// `.walsync-probe-<random>` at the store's root, and is removed again.
///
/// An error is about the store, not an answer: try again.
pub async fn probe_conditional_writes(store: &dyn Store) -> Result<ConditionalWrites, StoreError> {
    let key = format!(".walsync-probe-{:016x}", unique());
    let answer = ask(store, &key).await;
    // Also after an error, since the write may have taken effect. What is left over is one small object.
    let _ = store.delete(std::slice::from_ref(&key)).await;
    answer
}

async fn ask(store: &dyn Store, key: &str) -> Result<ConditionalWrites, StoreError> {
    match put(store, key, "first").await {
        Ok(()) => {}
        // Some servers refuse what they do not know.
        Err(StoreError::Fatal { kind: Fatal::Unsupported, .. }) => return Ok(ConditionalWrites::Ignored),
        Err(error) => return Err(error),
    }
    match put(store, key, "second").await {
        Ok(()) => return Ok(ConditionalWrites::Ignored),
        Err(StoreError::Refused) => {}
        Err(error) => return Err(error),
    }
    let mut upload = match store.upload(key, &Attributes::default()).await {
        Ok(upload) => upload,
        // Where nothing goes up in parts, nothing is overwritten in parts.
        Err(StoreError::Fatal { kind: Fatal::Unsupported, .. }) => return Ok(ConditionalWrites::Honoured),
        Err(error) => return Err(error),
    };
    let third = complete(&mut *upload).await;
    if third.is_err() {
        // What is not given up now is swept later.
        let _ = upload.abort().await;
    }
    match third {
        Ok(()) => Ok(ConditionalWrites::Ignored),
        Err(StoreError::Refused) => Ok(ConditionalWrites::Honoured),
        Err(StoreError::Fatal { kind: Fatal::Unsupported, .. }) => Ok(ConditionalWrites::Ignored),
        Err(error) => Err(error),
    }
}

async fn put(store: &dyn Store, key: &str, body: &'static str) -> Result<(), StoreError> {
    let body = Bytes::from_static(body.as_bytes());
    store.put(key, body, &Attributes::default(), &Condition::IfAbsent).await.map(|_| ())
}

async fn complete(upload: &mut dyn Upload) -> Result<(), StoreError> {
    upload.part(Bytes::from_static(b"third")).await?;
    upload.complete(&Condition::IfAbsent).await.map(|_| ())
}
