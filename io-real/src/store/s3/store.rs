//! The store port on S3.

use super::attributes::{
    StorageHeaders, attribute_headers, condition_headers, etag_of, read_attributes, read_etag, read_modified,
    text,
};
use super::classify::classify_code;
use super::connect::connect;
use super::part::{content_range, whole_or};
use super::request::{Bucket, Call, Effect, unknown};
use super::upload::S3Upload;
use super::xml;
use crate::port::{Body, KeyFilter, Listing, PutDone, Store, Upload};
use crate::store::OpenError;
use crate::store::key::{WHOLE_BYTES_MAX, check_key, check_prefix, unsupported};
use crate::store::options::StoreOptions;
use crate::store::time::parse_rfc3339;
use async_trait::async_trait;
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use bytes::Bytes;
use engine::store::{Attributes, Condition, ETag, Fatal, ObjectMeta, Sha256, StoreError};
use engine::types::Timestamp;
use http::header::{CONTENT_LENGTH, CONTENT_TYPE, RANGE};
use http::{HeaderValue, Method, StatusCode};
use md5::{Digest as _, Md5};
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

/// A prefix in a bucket.
pub(crate) struct S3Store {
    bucket: Arc<Bucket>,
    headers: Arc<StorageHeaders>,
    /// Empty, or ends in `/`; before every key.
    root: String,
}

impl S3Store {
    /// Puts options and environment together. Sends nothing.
    pub(crate) fn open(bucket: &str, prefix: &str, options: &StoreOptions) -> Result<S3Store, OpenError> {
        let headers = StorageHeaders::of(options)
            .map_err(|key| OpenError::Option { key, message: "is not a header's value".to_owned() })?;
        let bucket = connect(bucket, options)?;
        let root = if prefix.is_empty() { String::new() } else { format!("{prefix}/") };
        Ok(S3Store { bucket: Arc::new(bucket), headers: Arc::new(headers), root })
    }

    fn key(&self, key: &str) -> Result<String, StoreError> {
        check_key(key)?;
        Ok(format!("{}{key}", self.root))
    }

    /// A GET of an object, or of a part of at most so many bytes that the header's value names; and the range
    /// that came.
    async fn get_part(
        &self,
        key: &str,
        range: Option<(String, u64)>,
    ) -> Result<(Body, Range<u64>), StoreError> {
        let mut call = Call::new(Method::GET, self.key(key)?, Effect::None);
        call.headers = self.headers.on_bytes.clone();
        call.answer_bytes_max = WHOLE_BYTES_MAX;
        if let Some((range, bytes_max)) = &range {
            call.part_bytes_max = *bytes_max;
            let range = HeaderValue::from_str(range).expect("a range is digits and a dash");
            call.headers.insert(RANGE, range);
        }
        let answer = self.bucket.send(call).await?;
        let (came, object_bytes) = match answer.status {
            StatusCode::PARTIAL_CONTENT => {
                let described = content_range(&answer)
                    .filter(|(part, _)| part.end - part.start == answer.body.len() as u64);
                described.ok_or_else(|| unknown(Effect::None, "the answer's range is not what arrived"))?
            }
            _ => (0..answer.body.len() as u64, answer.body.len() as u64),
        };
        let body = Body {
            object_bytes,
            etag: required(read_etag(&answer.headers), "ETag")?,
            modified: required(read_modified(&answer.headers).or(answer.store_time()), "Last-Modified")?,
            attributes: read_attributes(&answer.headers),
            bytes: answer.body,
        };
        Ok((body, came))
    }

    /// One page of a listing after a mark, which is a whole key.
    async fn list_page(
        &self,
        prefix: &str,
        after: Option<&str>,
        delimiter: bool,
    ) -> Result<Listing, StoreError> {
        check_prefix(prefix)?;
        // After a folder's name come its objects: the folder appears again and is left out below.
        let after_key = after.map(|after| format!("{}{after}", self.root));
        let mut token: Option<String> = None;
        let mut last = None;
        loop {
            let mut call = Call::new(Method::GET, String::new(), Effect::None)
                .query("list-type", "2")
                .query("prefix", format!("{}{prefix}", self.root));
            if delimiter {
                call = call.query("delimiter", "/");
            }
            call = match (&token, &after_key) {
                (Some(token), _) => call.query("continuation-token", token),
                (None, Some(after)) => call.query("start-after", after),
                (None, None) => call,
            };
            let answer = self.bucket.send(call).await?;
            let time = answer.store_time();
            let page: xml::ListBucketResult = xml::read(&answer.body, Effect::None)?;
            let next = page.next_continuation_token.clone().filter(|token| !token.is_empty());
            let goes_on = page.is_truncated || next.is_some();
            last = in_order(&page, last, goes_on || after.is_some())?;
            let listing = Listing { time, ..self.listing(page, prefix, after, goes_on)? };
            // A store that does not know `start-after` begins at the beginning: skip to what is asked for.
            let is_empty = listing.objects.is_empty() && listing.folders.is_empty();
            if !is_empty || !goes_on {
                return Ok(listing);
            }
            if next.is_none() || next == token {
                return Err(unknown(Effect::None, "the listing goes on, and the store does not say where"));
            }
            token = next;
        }
    }

    /// What is ours of a page, after a mark.
    fn listing(
        &self,
        page: xml::ListBucketResult,
        prefix: &str,
        after: Option<&str>,
        goes_on: bool,
    ) -> Result<Listing, StoreError> {
        let is_new = |key: &str| key.starts_with(prefix) && after.is_none_or(|after| key > after);
        let mut listing = Listing::default();
        for object in page.contents {
            let Some(key) = object.key.strip_prefix(&self.root) else { continue };
            // Folder marks that other tools make (`dir/`) are no objects of ours.
            if !is_new(key) || key.is_empty() || key.ends_with('/') {
                continue;
            }
            let modified = required(parse_rfc3339(&object.last_modified), "LastModified")?;
            let (key, etag) = (key.to_owned(), etag_of(&object.etag));
            listing.objects.push(ObjectMeta {
                key,
                size_bytes: object.size,
                etag,
                modified,
                arrived: modified,
            });
        }
        let folders = page.common_prefixes.iter().filter_map(|folder| folder.prefix.strip_prefix(&self.root));
        listing.folders.extend(folders.filter(|folder| is_new(folder)).map(str::to_owned));
        listing.objects.sort_by(|left, right| left.key.cmp(&right.key));
        listing.folders.sort();
        if goes_on {
            let object = listing.objects.last().map(|object| object.key.clone());
            listing.next = object.max(listing.folders.last().cloned());
        }
        Ok(listing)
    }

    /// Ends unfinished uploads that were started before a time that depends on the store's clock.
    async fn end_uploads(
        &self,
        prefix: &str,
        started_before: impl Fn(Option<Timestamp>) -> Result<Timestamp, StoreError> + Send + Sync,
        is_ours: KeyFilter<'_>,
    ) -> Result<usize, StoreError> {
        check_prefix(prefix)?;
        let (mut aborted, mut failed) = (0, None);
        let mut after: Option<(String, String)> = None;
        loop {
            let mut call = Call::new(Method::GET, String::new(), Effect::None)
                .query("uploads", "")
                .query("prefix", format!("{}{prefix}", self.root));
            let asked_after = after.take();
            if let Some((key, id)) = asked_after.clone() {
                call = call.query("key-marker", key).query("upload-id-marker", id);
            }
            let answer = self.bucket.send(call).await?;
            let page: xml::ListMultipartUploadsResult = xml::read(&answer.body, Effect::None)?;
            let before = started_before(answer.store_time())?;
            for upload in page.upload {
                let is_young = parse_rfc3339(&upload.initiated).is_none_or(|started| started >= before);
                if is_young || !upload.key.strip_prefix(&self.root).is_some_and(is_ours) {
                    continue;
                }
                let call =
                    Call::new(Method::DELETE, upload.key, Effect::None).query("uploadId", upload.upload_id);
                match self.bucket.send(call).await {
                    Ok(_) => aborted += 1,
                    // Somebody else ended it.
                    Err(StoreError::Missing) => {}
                    // Who may not end one may end none.
                    Err(error @ StoreError::Fatal { .. }) => return Err(error),
                    Err(error) => failed = failed.or(Some(error)),
                }
            }
            match (page.is_truncated, page.next_key_marker, page.next_upload_id_marker) {
                // One that goes round in circles ends here: what is left is swept another day.
                (true, Some(key), Some(id)) if asked_after.as_ref() != Some(&(key.clone(), id.clone())) => {
                    after = Some((key, id));
                }
                _ => return failed.map_or(Ok(aborted), Err),
            }
        }
    }

    /// One DeleteObjects request. The outer error is about all keys.
    async fn delete_chunk(&self, keys: &[String]) -> Result<Vec<Result<(), StoreError>>, StoreError> {
        let mut whole = Vec::with_capacity(keys.len());
        for key in keys {
            whole.push(self.key(key)?);
        }
        let objects = whole.iter().map(|key| xml::NamedObject { key: key.clone() }).collect();
        let body = xml::write(&xml::Delete { objects });
        let mut call = Call::new(Method::POST, String::new(), Effect::Visible).query("delete", "");
        let sha256 = Sha256::of(body.as_bytes());
        // AWS takes either checksum, others insist on the older one.
        call.headers.insert("content-md5", base64_value(&Md5::digest(body.as_bytes())));
        call.headers.insert(CHECKSUM_SHA256, base64_value(&sha256.0));
        call.headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/xml"));
        call.sha256 = Some(sha256);
        let answer = self.bucket.send(call.body(body)).await?;
        let result: xml::DeleteResult = xml::read(&answer.body, Effect::Visible)?;
        let errors: BTreeMap<&str, &xml::DeleteError> =
            result.errors.iter().map(|error| (error.key.as_str(), error)).collect();
        let deleted: BTreeSet<&str> = result.deleted.iter().map(|object| object.key.as_str()).collect();
        let outcome = |key: &String| match errors.get(key.as_str()) {
            Some(error) => match classify_code(&error.code, &error.message, Effect::Visible) {
                StoreError::Missing => Ok(()),
                error => Err(error),
            },
            None if deleted.contains(key.as_str()) => Ok(()),
            None => Err(unknown(Effect::Visible, "the store said nothing about this key")),
        };
        Ok(whole.iter().map(outcome).collect())
    }

    async fn delete_one(&self, key: &str) -> Result<(), StoreError> {
        match self.bucket.send(Call::new(Method::DELETE, self.key(key)?, Effect::Visible)).await {
            Ok(_) | Err(StoreError::Missing) => Ok(()),
            Err(error) => Err(error),
        }
    }
}

#[async_trait]
impl Store for S3Store {
    async fn put(
        &self,
        key: &str,
        body: Bytes,
        attributes: &Attributes,
        condition: &Condition,
    ) -> Result<PutDone, StoreError> {
        let mut call = Call::new(Method::PUT, self.key(key)?, Effect::Visible);
        let sha256 = attributes.sha256.unwrap_or_else(|| Sha256::of(&body));
        call.headers = self.headers.on_create.clone();
        call.headers.extend(self.headers.on_bytes.clone());
        call.headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/octet-stream"));
        call.headers.insert(CHECKSUM_SHA256, base64_value(&sha256.0));
        call.sha256 = Some(sha256);
        attribute_headers(attributes, &mut call.headers);
        condition_headers(condition, &mut call.headers);
        let answer = self.bucket.send(call.body(body)).await.map_err(|error| refused(error, condition))?;
        let etag = read_etag(&answer.headers);
        let etag = etag.ok_or_else(|| unknown(Effect::Visible, "the answer has no ETag"))?;
        Ok(PutDone { etag, store_time: answer.store_time() })
    }

    async fn upload(&self, key: &str, attributes: &Attributes) -> Result<Box<dyn Upload>, StoreError> {
        let key = self.key(key)?;
        let upload = S3Upload::start(self.bucket.clone(), self.headers.clone(), key, attributes).await?;
        Ok(Box::new(upload))
    }

    async fn get(&self, key: &str, range: Option<Range<u64>>) -> Result<Body, StoreError> {
        let Some(range) = range else { return Ok(self.get_part(key, None).await?.0) };
        if range.is_empty() {
            return Err(unsupported(format!("{key}: the range {range:?} is empty")));
        }
        let header = format!("bytes={}-{}", range.start, range.end - 1);
        let (body, came) = self.get_part(key, Some((header, range.end - range.start))).await?;
        whole_or(body, &came, |bytes| range.start..range.end.min(bytes), &range)
    }

    async fn get_tail(&self, key: &str, bytes_max: u64) -> Result<Body, StoreError> {
        let (body, came) = self.get_part(key, Some((format!("bytes=-{bytes_max}"), bytes_max))).await?;
        let tail = |bytes: u64| bytes.saturating_sub(bytes_max)..bytes;
        let asked = tail(body.object_bytes);
        whole_or(body, &came, tail, &asked)
    }

    async fn head(&self, key: &str) -> Result<(ObjectMeta, Attributes), StoreError> {
        let mut call = Call::new(Method::HEAD, self.key(key)?, Effect::None);
        call.headers = self.headers.on_bytes.clone();
        let answer = self.bucket.send(call).await?;
        let size_bytes = text(&answer.headers, &CONTENT_LENGTH).and_then(|length| length.parse().ok());
        let modified = required(read_modified(&answer.headers).or(answer.store_time()), "Last-Modified")?;
        let meta = ObjectMeta {
            key: key.to_owned(),
            size_bytes: required(size_bytes, "Content-Length")?,
            etag: required(read_etag(&answer.headers), "ETag")?,
            modified,
            arrived: modified,
        };
        Ok((meta, read_attributes(&answer.headers)))
    }

    async fn list(&self, prefix: &str, after: Option<&str>) -> Result<Listing, StoreError> {
        self.list_page(prefix, after, false).await
    }

    async fn list_folder(&self, prefix: &str, after: Option<&str>) -> Result<Listing, StoreError> {
        self.list_page(prefix, after, true).await
    }

    async fn delete(&self, keys: &[String]) -> Vec<Result<(), StoreError>> {
        let mut answers = Vec::with_capacity(keys.len());
        for chunk in keys.chunks(DELETE_KEYS_MAX) {
            match self.delete_chunk(chunk).await {
                Ok(outcomes) => answers.extend(outcomes),
                // Some stores only delete one by one.
                Err(StoreError::Fatal { kind: Fatal::Unsupported, .. }) => {
                    for key in chunk {
                        answers.push(self.delete_one(key).await);
                    }
                }
                Err(error) => answers.extend(chunk.iter().map(|_| Err(error.clone()))),
            }
        }
        assert_eq!(answers.len(), keys.len(), "one answer per key");
        answers
    }

    async fn delete_if_match(&self, key: &str, etag: &ETag) -> Result<(), StoreError> {
        let mut call = Call::new(Method::DELETE, self.key(key)?, Effect::Visible);
        condition_headers(&Condition::IfMatch(etag.clone()), &mut call.headers);
        self.bucket.send(call).await.map(|_| ())
    }

    async fn abort_uploads(&self, prefix: &str, before: Timestamp) -> Result<usize, StoreError> {
        self.end_uploads(prefix, |_| Ok(before), &|_| true).await
    }

    async fn sweep_uploads(
        &self,
        prefix: &str,
        age: Duration,
        is_ours: KeyFilter<'_>,
    ) -> Result<usize, StoreError> {
        let age_ms = i64::try_from(age.as_millis()).unwrap_or(i64::MAX);
        let before = |now: Option<Timestamp>| {
            let now = required(now, "Date")?;
            Ok(Timestamp::from_millis(now.as_millis().saturating_sub(age_ms)))
        };
        self.end_uploads(prefix, before, is_ours).await
    }
}

/// A page whose keys are in order, each once, and after the `last` of the page before; the last of them. Where a
/// mark is made of the greatest key, a key that comes late would be left out of the listing without a word.
fn in_order(
    page: &xml::ListBucketResult,
    last: Option<String>,
    makes_marks: bool,
) -> Result<Option<String>, StoreError> {
    let disorder = |key: &str| Err(unknown(Effect::None, format!("`{key}` is not in order in the listing")));
    let objects: Vec<&str> = page.contents.iter().map(|object| object.key.as_str()).collect();
    let folders: Vec<&str> = page.common_prefixes.iter().map(|folder| folder.prefix.as_str()).collect();
    for keys in [&objects, &folders] {
        let unsorted = || keys.windows(2).find(|pair| pair[0] >= pair[1]).map(|pair| pair[1]);
        let repeated = || {
            let mut seen = BTreeSet::new();
            keys.iter().copied().find(|key| !seen.insert(*key))
        };
        if let Some(key) = if makes_marks { unsorted() } else { repeated() } {
            return disorder(key);
        }
        if let (Some(first), Some(last)) = (keys.first(), &last)
            && *first <= last.as_str()
        {
            return disorder(first);
        }
    }
    let newest = objects.last().max(folders.last()).map(|key| (*key).to_owned());
    Ok(newest.or(last))
}

/// A write that demanded a version of an object that is not there at all was refused.
pub(super) fn refused(error: StoreError, condition: &Condition) -> StoreError {
    match (error, condition) {
        (StoreError::Missing, Condition::IfMatch(_)) => StoreError::Refused,
        (error, _) => error,
    }
}

/// The header value of a checksum.
pub(super) fn base64_value(bytes: &[u8]) -> HeaderValue {
    HeaderValue::from_str(&BASE64_STANDARD.encode(bytes)).expect("base64 is a header's value")
}

/// Checked by the store before it takes the bytes.
pub(super) const CHECKSUM_SHA256: &str = "x-amz-checksum-sha256";

fn required<T>(value: Option<T>, name: &str) -> Result<T, StoreError> {
    value.ok_or_else(|| unsupported(format!("the store's answer has no usable {name}")))
}

/// What one DeleteObjects request may name.
const DELETE_KEYS_MAX: usize = 1000;
