//! A large object in parts, completed under a condition.

use super::attributes::{StorageHeaders, attribute_headers, condition_headers, etag_of, read_etag, text};
use super::classify::classify;
use super::request::{Bucket, Call, Effect, unknown};
use super::store::{CHECKSUM_SHA256, base64_value, refused};
use super::xml;
use crate::port::{PutDone, Upload};
use crate::store::key::unsupported;
use async_trait::async_trait;
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use bytes::Bytes;
use engine::store::{Attributes, Condition, Sha256, StoreError};
use http::header::{CONTENT_TYPE, ETAG};
use http::{HeaderValue, Method};
use std::sync::Arc;

/// An upload that was started.
pub(super) struct S3Upload {
    bucket: Arc<Bucket>,
    headers: Arc<StorageHeaders>,
    key: String,
    id: String,
    parts: Vec<xml::CompletedPart>,
}

impl S3Upload {
    /// CreateMultipartUpload. `key` is whole.
    pub(super) async fn start(
        bucket: Arc<Bucket>,
        headers: Arc<StorageHeaders>,
        key: String,
        attributes: &Attributes,
    ) -> Result<S3Upload, StoreError> {
        let mut call = Call::new(Method::POST, key.clone(), Effect::None).query("uploads", "");
        call.headers = headers.on_create.clone();
        call.headers.extend(headers.on_bytes.clone());
        call.headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/octet-stream"));
        call.headers.insert("x-amz-checksum-algorithm", HeaderValue::from_static("SHA256"));
        attribute_headers(attributes, &mut call.headers);
        let answer = bucket.send(call).await?;
        let started: xml::InitiateMultipartUploadResult = xml::read(&answer.body, Effect::None)?;
        Ok(S3Upload { bucket, headers, key, id: started.upload_id, parts: Vec::new() })
    }
}

#[async_trait]
impl Upload for S3Upload {
    async fn part(&mut self, bytes: Bytes) -> Result<(), StoreError> {
        let number = self.parts.len() + 1;
        if number > PARTS_MAX {
            return Err(unsupported(format!("{}: more than {PARTS_MAX} parts", self.key)));
        }
        let mut call = Call::new(Method::PUT, self.key.clone(), Effect::None)
            .query("partNumber", number.to_string())
            .query("uploadId", &self.id);
        let sha256 = Sha256::of(&bytes);
        call.headers = self.headers.on_bytes.clone();
        call.headers.insert(CHECKSUM_SHA256, base64_value(&sha256.0));
        call.sha256 = Some(sha256);
        let answer = self.bucket.send(call.body(bytes)).await?;
        let etag =
            text(&answer.headers, &ETAG).ok_or_else(|| unknown(Effect::None, "the answer has no ETag"))?;
        let sha256 = BASE64_STANDARD.encode(sha256.0);
        self.parts.push(xml::CompletedPart { number, etag: etag.to_owned(), sha256 });
        Ok(())
    }

    async fn complete(&mut self, condition: &Condition) -> Result<PutDone, StoreError> {
        assert!(!self.parts.is_empty(), "an upload has at least one part");
        let body = xml::write(&xml::CompleteMultipartUpload { parts: &self.parts });
        let mut call = Call::new(Method::POST, self.key.clone(), Effect::Visible).query("uploadId", &self.id);
        // S3 needs a customer's key here too, to check the parts' checksums.
        call.headers = self.headers.on_bytes.clone();
        call.headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/xml"));
        condition_headers(condition, &mut call.headers);
        let answer = self.bucket.send(call.body(body)).await.map_err(|error| refused(error, condition))?;
        // S3 may find out after it began to answer, and then sends 200 with an error inside.
        match xml::read::<xml::CompleteMultipartUploadResult>(&answer.body, Effect::Visible) {
            Ok(done) => {
                let etag = read_etag(&answer.headers).unwrap_or_else(|| etag_of(&done.etag));
                Ok(PutDone { etag, store_time: answer.store_time() })
            }
            Err(_) => Err(classify(answer.status, &answer.headers, &answer.body, Effect::Visible)),
        }
    }

    async fn abort(&mut self) -> Result<(), StoreError> {
        let call = Call::new(Method::DELETE, self.key.clone(), Effect::None).query("uploadId", &self.id);
        match self.bucket.send(call).await {
            Ok(_) | Err(StoreError::Missing) => Ok(()),
            Err(error) => Err(error),
        }
    }
}

/// S3's limit.
const PARTS_MAX: usize = 10_000;
