//! S3's requests and answers, translated to steps on [`Memory`].

use super::memory::{Memory, NamedPart, Object, Precondition, Refusal};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use bytes::Bytes;
use futures::TryStreamExt as _;
use md5::{Digest as _, Md5};
use s3s::dto::*;
use s3s::{S3, S3Error, S3ErrorCode, S3Request, S3Response, S3Result, s3_error};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// S3 over [`Memory`].
#[derive(Clone)]
pub(crate) struct Service(pub(crate) Arc<Mutex<Memory>>);

impl Service {
    /// The one lock under which everything happens.
    pub(crate) fn memory(&self) -> MutexGuard<'_, Memory> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait::async_trait]
impl S3 for Service {
    async fn put_object(&self, request: S3Request<PutObjectInput>) -> S3Result<S3Response<PutObjectOutput>> {
        let signed = signed_sha256(&request.headers);
        let input = request.input;
        let bytes = collect(input.body).await?;
        let sha256 = input.checksum_sha256.as_deref().filter(|sha256| signed.as_deref() != Some(sha256));
        check_digests(&bytes, input.content_md5.as_deref(), sha256)?;
        let when = precondition(input.if_match, input.if_none_match)?;
        let metadata = input.metadata.unwrap_or_default();
        let object = self.memory().put(
            &input.bucket,
            &input.key,
            bytes,
            metadata,
            input.sse_customer_key_md5,
            &when,
        )?;
        Ok(S3Response::new(PutObjectOutput {
            e_tag: Some(ETag::Strong(object.etag)),
            checksum_sha256: input.checksum_sha256,
            ..Default::default()
        }))
    }

    async fn get_object(&self, request: S3Request<GetObjectInput>) -> S3Result<S3Response<GetObjectOutput>> {
        let input = request.input;
        let object = self.memory().get_with(&input.bucket, &input.key, &input.sse_customer_key_md5)?.clone();
        let object_bytes = object.bytes.len() as u64;
        let (bytes, content_range) = match input.range {
            None => (object.bytes.clone(), None),
            Some(range) => {
                let range = range.check(object_bytes)?;
                // S3 finds no range in nothing, not even the last bytes.
                if range.is_empty() {
                    return Err(s3_error!(InvalidRange));
                }
                let described = format!("bytes {}-{}/{object_bytes}", range.start, range.end - 1);
                (object.bytes.slice(range.start as usize..range.end as usize), Some(described))
            }
        };
        Ok(S3Response::new(GetObjectOutput {
            content_length: Some(bytes.len() as i64),
            body: Some(StreamingBlob::from(s3s::Body::from(bytes))),
            content_range,
            e_tag: Some(ETag::Strong(object.etag)),
            metadata: Some(object.metadata),
            last_modified: Some(object.modified.into()),
            ..Default::default()
        }))
    }

    async fn head_object(
        &self,
        request: S3Request<HeadObjectInput>,
    ) -> S3Result<S3Response<HeadObjectOutput>> {
        let input = request.input;
        let object = self.memory().get_with(&input.bucket, &input.key, &input.sse_customer_key_md5)?.clone();
        Ok(S3Response::new(HeadObjectOutput {
            content_length: Some(object.bytes.len() as i64),
            e_tag: Some(ETag::Strong(object.etag)),
            metadata: Some(object.metadata),
            last_modified: Some(object.modified.into()),
            ..Default::default()
        }))
    }

    async fn delete_object(
        &self,
        request: S3Request<DeleteObjectInput>,
    ) -> S3Result<S3Response<DeleteObjectOutput>> {
        let input = request.input;
        let when = precondition(input.if_match, None)?;
        self.memory().delete(&input.bucket, &input.key, &when)?;
        Ok(S3Response::new(DeleteObjectOutput::default()))
    }

    async fn delete_objects(
        &self,
        request: S3Request<DeleteObjectsInput>,
    ) -> S3Result<S3Response<DeleteObjectsOutput>> {
        let input = request.input;
        let mut memory = self.memory();
        let (mut deleted, mut errors) = (Vec::new(), Vec::new());
        for object in input.delete.objects {
            if let Some(code) = memory.undeletable.get(&object.key) {
                errors.push(Error {
                    code: Some(code.clone()),
                    message: Some(format!("scripted: {code}")),
                    key: Some(object.key),
                    ..Default::default()
                });
                continue;
            }
            memory.delete(&input.bucket, &object.key, &Precondition::None)?;
            deleted.push(DeletedObject { key: Some(object.key), ..Default::default() });
        }
        Ok(S3Response::new(DeleteObjectsOutput {
            deleted: Some(deleted),
            errors: Some(errors),
            ..Default::default()
        }))
    }

    async fn list_objects_v2(
        &self,
        request: S3Request<ListObjectsV2Input>,
    ) -> S3Result<S3Response<ListObjectsV2Output>> {
        let input = request.input;
        let prefix = input.prefix.as_deref().unwrap_or_default();
        let after = input.continuation_token.or(input.start_after).unwrap_or_default();
        let keys_max = input.max_keys.unwrap_or(KEYS_MAX).clamp(0, KEYS_MAX);
        let page = self.memory().list(
            &input.bucket,
            prefix,
            input.delimiter.as_deref(),
            &after,
            keys_max as usize,
        )?;
        Ok(S3Response::new(ListObjectsV2Output {
            name: Some(input.bucket),
            key_count: Some((page.objects.len() + page.folders.len()) as i32),
            max_keys: Some(keys_max),
            is_truncated: Some(page.next.is_some()),
            next_continuation_token: page.next,
            contents: Some(page.objects.into_iter().map(|(key, object)| listed(key, &object)).collect()),
            common_prefixes: Some(
                page.folders.into_iter().map(|name| CommonPrefix { prefix: Some(name) }).collect(),
            ),
            ..Default::default()
        }))
    }

    async fn create_multipart_upload(
        &self,
        request: S3Request<CreateMultipartUploadInput>,
    ) -> S3Result<S3Response<CreateMultipartUploadOutput>> {
        let input = request.input;
        let metadata = input.metadata.unwrap_or_default();
        let id =
            self.memory().start_upload(&input.bucket, &input.key, metadata, input.sse_customer_key_md5)?;
        Ok(S3Response::new(CreateMultipartUploadOutput {
            bucket: Some(input.bucket),
            key: Some(input.key),
            upload_id: Some(id),
            ..Default::default()
        }))
    }

    async fn upload_part(
        &self,
        request: S3Request<UploadPartInput>,
    ) -> S3Result<S3Response<UploadPartOutput>> {
        let signed = signed_sha256(&request.headers);
        let input = request.input;
        let bytes = collect(input.body).await?;
        let sha256 = input.checksum_sha256.as_deref().filter(|sha256| signed.as_deref() != Some(sha256));
        check_digests(&bytes, input.content_md5.as_deref(), sha256)?;
        let sha256 = BASE64_STANDARD.encode(sha2::Sha256::digest(&bytes));
        let etag = self.memory().put_part(
            &input.upload_id,
            input.part_number,
            bytes,
            sha256,
            &input.sse_customer_key_md5,
        )?;
        Ok(S3Response::new(UploadPartOutput {
            e_tag: Some(ETag::Strong(etag)),
            checksum_sha256: input.checksum_sha256,
            ..Default::default()
        }))
    }

    async fn complete_multipart_upload(
        &self,
        request: S3Request<CompleteMultipartUploadInput>,
    ) -> S3Result<S3Response<CompleteMultipartUploadOutput>> {
        let input = request.input;
        let when = precondition(input.if_match, input.if_none_match)?;
        let parts = input.multipart_upload.and_then(|upload| upload.parts).unwrap_or_default();
        let named = parts.into_iter().map(named_part).collect::<S3Result<Vec<_>>>()?;
        if named.is_empty() || named.windows(2).any(|pair| pair[0].number >= pair[1].number) {
            return Err(s3_error!(InvalidPartOrder));
        }
        let object =
            self.memory().complete_upload(&input.upload_id, &named, &when, &input.sse_customer_key_md5)?;
        Ok(S3Response::new(CompleteMultipartUploadOutput {
            bucket: Some(input.bucket),
            key: Some(input.key),
            e_tag: Some(ETag::Strong(object.etag)),
            ..Default::default()
        }))
    }

    async fn abort_multipart_upload(
        &self,
        request: S3Request<AbortMultipartUploadInput>,
    ) -> S3Result<S3Response<AbortMultipartUploadOutput>> {
        self.memory().abort_upload(&request.input.upload_id)?;
        Ok(S3Response::new(AbortMultipartUploadOutput::default()))
    }

    async fn list_multipart_uploads(
        &self,
        request: S3Request<ListMultipartUploadsInput>,
    ) -> S3Result<S3Response<ListMultipartUploadsOutput>> {
        let input = request.input;
        let prefix = input.prefix.unwrap_or_default();
        let after = (input.key_marker.unwrap_or_default(), input.upload_id_marker.unwrap_or_default());
        let uploads_max = input.max_uploads.unwrap_or(KEYS_MAX).clamp(1, KEYS_MAX) as usize;
        let memory = self.memory();
        let mut found: Vec<_> = memory
            .uploads
            .iter()
            .filter(|(_, upload)| upload.bucket == input.bucket && upload.key.starts_with(&prefix))
            .map(|(id, upload)| ((upload.key.clone(), id.clone()), upload.started))
            .filter(|(name, _)| *name > after)
            .collect();
        found.sort();
        let is_truncated = found.len() > uploads_max;
        found.truncate(uploads_max);
        let last = found.last().filter(|_| is_truncated).map(|(name, _)| name.clone()).unzip();
        Ok(S3Response::new(ListMultipartUploadsOutput {
            bucket: Some(input.bucket),
            is_truncated: Some(is_truncated),
            next_key_marker: last.0,
            next_upload_id_marker: last.1,
            uploads: Some(
                found
                    .into_iter()
                    .map(|((key, id), started)| MultipartUpload {
                        key: Some(key),
                        upload_id: Some(id),
                        initiated: Some(started.into()),
                        ..Default::default()
                    })
                    .collect(),
            ),
            ..Default::default()
        }))
    }
}

impl From<Refusal> for S3Error {
    fn from(refusal: Refusal) -> S3Error {
        S3Error::new(match refusal {
            Refusal::NoSuchBucket => S3ErrorCode::NoSuchBucket,
            Refusal::NoSuchKey => S3ErrorCode::NoSuchKey,
            Refusal::NoSuchUpload => S3ErrorCode::NoSuchUpload,
            Refusal::PreconditionFailed => S3ErrorCode::PreconditionFailed,
            Refusal::InvalidPart => S3ErrorCode::InvalidPart,
            Refusal::EntityTooSmall => S3ErrorCode::EntityTooSmall,
            Refusal::WrongCustomerKey => S3ErrorCode::InvalidRequest,
            Refusal::BadDigest => S3ErrorCode::BadDigest,
        })
    }
}

async fn collect(body: Option<StreamingBlob>) -> S3Result<Bytes> {
    let Some(mut body) = body else { return Ok(Bytes::new()) };
    let mut bytes = Vec::new();
    while let Some(chunk) = body.try_next().await.map_err(|_| s3_error!(IncompleteBody))? {
        bytes.extend_from_slice(&chunk);
    }
    Ok(bytes.into())
}

/// What the signature covers, and was compared with it already.
fn signed_sha256(headers: &http::HeaderMap) -> Option<String> {
    let hex = headers.get("x-amz-content-sha256")?.to_str().ok()?;
    let bytes =
        hex.as_bytes().chunks_exact(2).map(|two| u8::from_str_radix(std::str::from_utf8(two).ok()?, 16).ok());
    Some(BASE64_STANDARD.encode(bytes.collect::<Option<Vec<u8>>>()?))
}

fn check_digests(bytes: &[u8], md5: Option<&str>, sha256: Option<&str>) -> Result<(), Refusal> {
    let altered = md5.is_some_and(|text| text != BASE64_STANDARD.encode(Md5::digest(bytes)))
        || sha256.is_some_and(|text| text != BASE64_STANDARD.encode(sha2::Sha256::digest(bytes)));
    if altered { Err(Refusal::BadDigest) } else { Ok(()) }
}

fn precondition(
    if_match: Option<ETagCondition>,
    if_none_match: Option<ETagCondition>,
) -> S3Result<Precondition> {
    match (if_match, if_none_match) {
        (None, None) => Ok(Precondition::None),
        (None, Some(ETagCondition::Any)) => Ok(Precondition::Absent),
        (Some(ETagCondition::ETag(etag)), None) => Ok(Precondition::Match(etag.value().to_owned())),
        _ => Err(s3_error!(NotImplemented)),
    }
}

fn named_part(part: CompletedPart) -> S3Result<NamedPart> {
    match (part.part_number, part.e_tag) {
        (Some(number), Some(etag)) => {
            Ok(NamedPart { number, etag: etag.value().to_owned(), sha256: part.checksum_sha256 })
        }
        _ => Err(s3_error!(MalformedXML)),
    }
}

fn listed(key: String, object: &Object) -> s3s::dto::Object {
    s3s::dto::Object {
        key: Some(key),
        size: Some(object.bytes.len() as i64),
        e_tag: Some(ETag::Strong(object.etag.clone())),
        last_modified: Some(object.modified.into()),
        ..Default::default()
    }
}

/// What S3 puts into one page at most.
const KEYS_MAX: i32 = 1000;
