//! A large object, written part after part into one staged file.

use super::staged::Staged;
use super::store::blocking;
use crate::port::{PutDone, Upload};
use async_trait::async_trait;
use bytes::Bytes;
use engine::store::{Attributes, Condition, StoreError};

/// Holds the staged file; dropping it removes the file.
pub(super) struct FileUpload {
    /// `None` after completion, abort, or a request that was cancelled half-way.
    staged: Option<Staged>,
    attributes: Attributes,
    parts: u64,
}

impl FileUpload {
    pub(super) fn new(staged: Staged, attributes: Attributes) -> FileUpload {
        FileUpload { staged: Some(staged), attributes, parts: 0 }
    }

    /// Lends the staged file to a blocking step and takes it back.
    async fn with<T: Send + 'static>(
        &mut self,
        step: impl FnOnce(&mut Staged) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let mut staged = self.staged.take().ok_or(StoreError::Missing)?;
        let (staged, answer) = blocking(move || {
            let answer = step(&mut staged);
            Ok((staged, answer))
        })
        .await?;
        self.staged = Some(staged);
        answer
    }
}

#[async_trait]
impl Upload for FileUpload {
    async fn part(&mut self, bytes: Bytes) -> Result<(), StoreError> {
        let written = self.with(move |staged| staged.write(&bytes)).await;
        match written {
            Ok(()) => self.parts += 1,
            // Half a part may be in the file: sending it again would append to that.
            Err(_) => self.staged = None,
        }
        written
    }

    async fn complete(&mut self, condition: &Condition) -> Result<PutDone, StoreError> {
        assert!(self.parts > 0, "an upload has at least one part");
        let (attributes, condition) = (self.attributes, condition.clone());
        let done = self.with(move |staged| staged.publish(&attributes, &condition)).await?;
        self.staged = None;
        Ok(done)
    }

    async fn abort(&mut self) -> Result<(), StoreError> {
        let staged = self.staged.take();
        blocking(move || {
            drop(staged);
            Ok(())
        })
        .await
    }
}
