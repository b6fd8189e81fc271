//! Buckets, objects and unfinished uploads in memory. Every method is one step under the caller's lock:
//! conditions are checked and the change is made in the same step.

use bytes::Bytes;
use crc_fast::{CrcAlgorithm, checksum};
use md5::{Digest as _, Md5};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ops::Bound;
use std::time::{Duration, SystemTime};

/// Everything the server holds.
pub(crate) struct Memory {
    pub(crate) buckets: BTreeMap<String, BTreeMap<String, Object>>,
    pub(crate) uploads: BTreeMap<String, PendingUpload>,
    uploads_started: u64,
    /// Behave like a store that does not know conditional requests.
    pub(crate) ignore_conditions: bool,
    /// Behave like a store that knows them for PutObject only: a completion overwrites.
    pub(crate) ignore_conditions_on_complete: bool,
    /// Keys that DeleteObjects leaves alone, each with the error code it answers.
    pub(crate) undeletable: BTreeMap<String, String>,
    /// The store's clock is this far ahead of the machine's.
    pub(crate) clock_ahead: Duration,
    /// The least size of a part that is not the last.
    pub(crate) part_bytes_min: usize,
}

/// One object.
#[derive(Clone)]
pub(crate) struct Object {
    pub(crate) bytes: Bytes,
    pub(crate) etag: String,
    pub(crate) metadata: HashMap<String, String>,
    pub(crate) modified: SystemTime,
    pub(crate) customer_key: CustomerKey,
}

/// The MD5 of the key that a customer encrypts with, as it travels; whoever wants the bytes must have it too.
pub(crate) type CustomerKey = Option<String>;

/// One upload in parts that was neither completed nor aborted.
pub(crate) struct PendingUpload {
    pub(crate) bucket: String,
    pub(crate) key: String,
    pub(crate) started: SystemTime,
    metadata: HashMap<String, String>,
    customer_key: CustomerKey,
    parts: BTreeMap<i32, Part>,
}

struct Part {
    bytes: Bytes,
    etag: String,
    sha256: String,
}

/// A part as CompleteMultipartUpload names it.
pub(crate) struct NamedPart {
    pub(crate) number: i32,
    pub(crate) etag: String,
    pub(crate) sha256: Option<String>,
}

/// The condition on a write or delete.
#[derive(Clone, Debug)]
pub(crate) enum Precondition {
    None,
    Absent,
    Match(String),
}

/// Why a step was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    NoSuchBucket,
    NoSuchKey,
    NoSuchUpload,
    PreconditionFailed,
    InvalidPart,
    EntityTooSmall,
    WrongCustomerKey,
    BadDigest,
}

/// One page of a listing.
#[derive(Default)]
pub(crate) struct Page {
    pub(crate) objects: Vec<(String, Object)>,
    pub(crate) folders: BTreeSet<String>,
    /// Go on after this.
    pub(crate) next: Option<String>,
}

impl Memory {
    pub(crate) fn new(buckets: &[&str]) -> Memory {
        Memory {
            buckets: buckets.iter().map(|name| ((*name).to_owned(), BTreeMap::new())).collect(),
            uploads: BTreeMap::new(),
            uploads_started: 0,
            ignore_conditions: false,
            ignore_conditions_on_complete: false,
            undeletable: BTreeMap::new(),
            clock_ahead: Duration::ZERO,
            part_bytes_min: 5 << 20,
        }
    }

    /// The store's clock.
    pub(crate) fn now(&self) -> SystemTime {
        SystemTime::now() + self.clock_ahead
    }

    pub(crate) fn put(
        &mut self,
        bucket: &str,
        key: &str,
        bytes: Bytes,
        metadata: HashMap<String, String>,
        customer_key: CustomerKey,
        precondition: &Precondition,
    ) -> Result<Object, Refusal> {
        self.check(bucket, key, precondition)?;
        let (etag, modified) = (etag_of(&bytes), self.now());
        let object = Object { bytes, etag, metadata, modified, customer_key };
        self.objects_mut(bucket)?.insert(key.to_owned(), object.clone());
        Ok(object)
    }

    pub(crate) fn get(&self, bucket: &str, key: &str) -> Result<&Object, Refusal> {
        self.objects(bucket)?.get(key).ok_or(Refusal::NoSuchKey)
    }

    /// The same for a client, which must have the key.
    pub(crate) fn get_with(&self, bucket: &str, key: &str, has: &CustomerKey) -> Result<&Object, Refusal> {
        let object = self.get(bucket, key)?;
        check_customer_key(&object.customer_key, has)?;
        Ok(object)
    }

    /// Removes a key; a missing one is fine without a condition.
    pub(crate) fn delete(&mut self, bucket: &str, key: &str, when: &Precondition) -> Result<(), Refusal> {
        self.check(bucket, key, when)?;
        self.objects_mut(bucket)?.remove(key);
        Ok(())
    }

    pub(crate) fn list(
        &self,
        bucket: &str,
        prefix: &str,
        delimiter: Option<&str>,
        after: &str,
        keys_max: usize,
    ) -> Result<Page, Refusal> {
        let mut page = Page::default();
        let mut last = String::new();
        let from = prefix.max(after).to_owned();
        for (key, object) in self.objects(bucket)?.range((Bound::Included(from), Bound::Unbounded)) {
            if !key.starts_with(prefix) {
                break;
            }
            let folder = delimiter.filter(|text| !text.is_empty()).and_then(|text| {
                let at = key[prefix.len()..].find(text)?;
                Some(key[..prefix.len() + at + text.len()].to_owned())
            });
            let seen = folder.as_ref().is_some_and(|name| page.folders.contains(name));
            if key.as_str() <= after || seen {
                continue;
            }
            if page.objects.len() + page.folders.len() >= keys_max {
                page.next = Some(last);
                break;
            }
            match folder {
                Some(name) => {
                    // Everything in the folder is behind its mark, nothing after the folder is.
                    last = format!("{name}{}", char::MAX);
                    page.folders.insert(name);
                }
                None => {
                    last = key.clone();
                    page.objects.push((key.clone(), object.clone()));
                }
            }
        }
        Ok(page)
    }

    pub(crate) fn start_upload(
        &mut self,
        bucket: &str,
        key: &str,
        metadata: HashMap<String, String>,
        customer_key: CustomerKey,
    ) -> Result<String, Refusal> {
        self.objects(bucket)?;
        self.uploads_started += 1;
        let id = format!("upload-{:08}", self.uploads_started);
        let upload = PendingUpload {
            bucket: bucket.to_owned(),
            key: key.to_owned(),
            started: self.now(),
            metadata,
            customer_key,
            parts: BTreeMap::new(),
        };
        self.uploads.insert(id.clone(), upload);
        Ok(id)
    }

    /// Takes a part; the answer is its ETag.
    pub(crate) fn put_part(
        &mut self,
        id: &str,
        number: i32,
        bytes: Bytes,
        sha256: String,
        has: &CustomerKey,
    ) -> Result<String, Refusal> {
        let upload = self.uploads.get_mut(id).ok_or(Refusal::NoSuchUpload)?;
        check_customer_key(&upload.customer_key, has)?;
        let etag = etag_of(&bytes);
        upload.parts.insert(number, Part { bytes, etag: etag.clone(), sha256 });
        Ok(etag)
    }

    /// Makes an upload's object. A refused condition leaves the upload as it is.
    pub(crate) fn complete_upload(
        &mut self,
        id: &str,
        named: &[NamedPart],
        precondition: &Precondition,
        has: &CustomerKey,
    ) -> Result<Object, Refusal> {
        let upload = self.uploads.get(id).ok_or(Refusal::NoSuchUpload)?;
        // As S3 demands it of uploads whose parts have checksums.
        check_customer_key(&upload.customer_key, has)?;
        let (bucket, key) = (upload.bucket.clone(), upload.key.clone());
        if !self.ignore_conditions_on_complete {
            self.check(&bucket, &key, precondition)?;
        }
        let mut bytes = Vec::new();
        let mut etags = Md5::new();
        for (at, name) in named.iter().enumerate() {
            let part = upload.parts.get(&name.number).ok_or(Refusal::InvalidPart)?;
            let altered = name.sha256.as_ref().is_some_and(|sha256| *sha256 != part.sha256);
            if part.etag != name.etag || altered {
                return Err(Refusal::InvalidPart);
            }
            if part.bytes.len() < self.part_bytes_min && at + 1 < named.len() {
                return Err(Refusal::EntityTooSmall);
            }
            bytes.extend_from_slice(&part.bytes);
            etags.update(part.etag.as_bytes());
        }
        let object = Object {
            bytes: bytes.into(),
            etag: format!("{}-{}", hex(&etags.finalize()), named.len()),
            metadata: upload.metadata.clone(),
            customer_key: upload.customer_key.clone(),
            modified: self.now(),
        };
        self.objects_mut(&bucket)?.insert(key, object.clone());
        self.uploads.remove(id);
        Ok(object)
    }

    pub(crate) fn abort_upload(&mut self, id: &str) -> Result<(), Refusal> {
        self.uploads.remove(id).map(|_| ()).ok_or(Refusal::NoSuchUpload)
    }

    fn check(&self, bucket: &str, key: &str, precondition: &Precondition) -> Result<(), Refusal> {
        let current = self.objects(bucket)?.get(key);
        match (precondition, current) {
            _ if self.ignore_conditions => Ok(()),
            (Precondition::None, _) | (Precondition::Absent, None) => Ok(()),
            (Precondition::Absent, Some(_)) => Err(Refusal::PreconditionFailed),
            (Precondition::Match(_), None) => Err(Refusal::NoSuchKey),
            (Precondition::Match(etag), Some(object)) if object.etag == *etag => Ok(()),
            (Precondition::Match(_), Some(_)) => Err(Refusal::PreconditionFailed),
        }
    }

    fn objects(&self, bucket: &str) -> Result<&BTreeMap<String, Object>, Refusal> {
        self.buckets.get(bucket).ok_or(Refusal::NoSuchBucket)
    }

    fn objects_mut(&mut self, bucket: &str) -> Result<&mut BTreeMap<String, Object>, Refusal> {
        self.buckets.get_mut(bucket).ok_or(Refusal::NoSuchBucket)
    }
}

fn check_customer_key(needed: &CustomerKey, has: &CustomerKey) -> Result<(), Refusal> {
    if needed == has { Ok(()) } else { Err(Refusal::WrongCustomerKey) }
}

/// Of a body. S3's is an MD5, unless the object is encrypted: nobody may rely on it. This one costs little, because in a
/// benchmark the server takes its time from the program that is measured.
fn etag_of(bytes: &[u8]) -> String {
    format!("{:016x}{:016x}", checksum(CrcAlgorithm::Crc64Nvme, bytes), bytes.len())
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
