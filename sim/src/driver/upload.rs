//! An upload in parts, as the port has it: numbers of parts count what was answered.

use super::store::SimStore;
use super::traffic::Kind;
use crate::answers::done;
use async_trait::async_trait;
use bytes::Bytes;
use engine::store::{Condition, StoreError};
use io_real::port::{PutDone, Upload};
use io_sim::s3::{Request, UploadId};

/// An upload that was started.
pub(super) struct SimUpload {
    store: SimStore,
    upload: UploadId,
    key: String,
    parts: u32,
}

impl SimUpload {
    pub(super) fn new(store: SimStore, upload: UploadId, key: &str) -> SimUpload {
        store.traffic.upload_started(upload, key);
        SimUpload { store, upload, key: key.to_owned(), parts: 0 }
    }
}

#[async_trait]
impl Upload for SimUpload {
    async fn part(&mut self, body: Bytes) -> Result<(), StoreError> {
        let upload = self.upload;
        let request = Request::UploadPart { upload, part: self.parts + 1, body };
        self.store.ask(Kind::Part(upload), request).await?;
        self.parts += 1;
        Ok(())
    }

    async fn complete(&mut self, condition: &Condition) -> Result<PutDone, StoreError> {
        let request = Request::CompleteUpload { upload: self.upload, condition: condition.clone() };
        let traffic = &self.store.traffic;
        // The driver may give up waiting.
        traffic.upload_is_unclear(self.upload, true);
        traffic.writes(&self.key);
        let answer = self.store.ask(Kind::Complete(self.upload), request).await;
        let is_unclear = matches!(answer, Err(StoreError::Ambiguous(_)));
        traffic.upload_is_unclear(self.upload, is_unclear);
        if !is_unclear {
            traffic.is_clear(&self.key);
        }
        if answer.is_ok() {
            traffic.upload_ended(self.upload);
        }
        done(answer)
    }

    async fn abort(&mut self) -> Result<(), StoreError> {
        self.store.traffic.upload_given_up(self.upload);
        match self.store.ask(Kind::Read, Request::AbortUpload { upload: self.upload }).await {
            Ok(_) | Err(StoreError::Missing) => Ok(()),
            Err(error) => Err(error),
        }
    }
}
