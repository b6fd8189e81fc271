//! An object store that keeps its promises; the trouble is made by the world around it.

use super::source::{FakeDatabase, Image, content_of};
use bytes::Bytes;
use engine::db::page_checksum;
use engine::key::{Layout, ObjectKey, Place};
use engine::ltx::{HEADER_BYTES, Header, read_any};
use engine::replicate::{Got, ObjectDigest, RequestId, StoreAnswer, StoreRequest};
use engine::store::{Attributes, Condition, ETag, ObjectMeta, Sha256, StoreError};
use engine::types::{Level, LockByte, Timestamp, Txid};
use std::collections::{BTreeMap, BTreeSet};

#[derive(Clone, Debug, Default)]
pub(crate) struct FakeStore {
    objects: BTreeMap<String, Object>,
    uploads: BTreeMap<u64, (String, Bytes)>,
    writes: u64,
    /// By the store's clock, in milliseconds.
    pub(crate) now: u64,
    /// It keeps no SHA-256 beside objects.
    pub(crate) keeps_no_digests: bool,
    /// Objects that are read wrong once.
    pub(crate) misread_once: BTreeSet<String>,
    /// The time that is told beside each object.
    pub(crate) time_beside: Option<Timestamp>,
    /// A listing tells the time.
    pub(crate) tells_time: bool,
    /// As many servers do that speak S3.
    pub(crate) ignores_conditions: bool,
    /// A bit of the byte here comes wrong, in the next read of a part of an object.
    pub(crate) misread: Option<usize>,
    /// The same in the next read of a whole object.
    pub(crate) misread_whole: Option<usize>,
    /// So many reads of a part of an object come wrong, each in another way.
    pub(crate) misreads: u8,
}

#[derive(Clone, Debug)]
struct Object {
    bytes: Bytes,
    written: u64,
    /// No two writes have the same time.
    at: u64,
}

/// Keys of one page of a listing.
const LIST_MAX: usize = 7;

impl FakeStore {
    /// Does what is asked, at one moment.
    pub(crate) fn perform(
        &mut self,
        id: RequestId,
        request: &StoreRequest,
        database: &FakeDatabase,
    ) -> Result<StoreAnswer, StoreError> {
        match request {
            StoreRequest::Put { key, body, condition: Condition::IfAbsent, .. } => {
                self.create(key, body.clone())
            }
            StoreRequest::Put { key, body, condition: Condition::IfMatch(expected), .. } => {
                assert!(key.ends_with("/manifest.json"), "no object is ever overwritten");
                assert!(!self.ignores_conditions, "nothing may be overwritten by chance");
                if etag(self.object(key)?) != *expected {
                    return Err(StoreError::Refused);
                }
                self.plant(key, body.clone());
                Ok(StoreAnswer::Put { etag: etag(&self.objects[key]) })
            }
            StoreRequest::Stage { key, header, pages, .. } => {
                if let Some(error) = database.refusal(pages) {
                    return Ok(StoreAnswer::Unreadable(error));
                }
                let (body, finished) = database.encode(header, pages);
                let sha256 = Sha256::of(&body);
                self.uploads.insert(id.get(), (key.clone(), body));
                Ok(StoreAnswer::Staged { sha256, size_bytes: finished.size_bytes })
            }
            StoreRequest::Complete { staged } => {
                let (key, body) = self.uploads.get(&staged.get()).cloned().ok_or(StoreError::Missing)?;
                let answer = self.create(&key, body)?;
                self.uploads.remove(&staged.get());
                Ok(answer)
            }
            StoreRequest::Discard { staged } => {
                self.uploads.remove(&staged.get());
                Ok(StoreAnswer::Discarded)
            }
            StoreRequest::Get { key, range } => {
                let part = range.is_some();
                let wrong = if part { self.misread.take() } else { self.misread_whole.take() };
                let object = self.objects.get(key).cloned().ok_or(StoreError::Missing)?;
                let all = object.bytes.len() as u64;
                let range = range.clone().map_or(0..all, |r| r.start.min(all)..r.end.min(all));
                let range = usize::try_from(range.start).unwrap()..usize::try_from(range.end).unwrap();
                let mut bytes = object.bytes.slice(range).to_vec();
                if let Some(at) = wrong {
                    bytes[at] ^= 1;
                }
                if part && self.misreads > 0 {
                    bytes[50] ^= self.misreads;
                    self.misreads -= 1;
                }
                Ok(StoreAnswer::Got(Got {
                    bytes: bytes.into(),
                    object_bytes: all,
                    etag: etag(&object),
                    modified: modified(&object),
                    attributes: Attributes { timestamp: self.time_beside, sha256: None },
                }))
            }
            StoreRequest::List { prefix, after } => Ok(self.list(prefix, after.as_deref().unwrap_or(""))),
            StoreRequest::Hash { key } => {
                let sha256 = Sha256::of(&self.object(key)?.bytes);
                // Once it comes wrong, in a way that changes no page.
                let sha256 =
                    if self.misread_once.remove(key) { Sha256::of(b"another packing") } else { sha256 };
                Ok(StoreAnswer::Hashed { sha256, is_compared: !self.keeps_no_digests })
            }
            StoreRequest::Page { keys, pgno } => {
                for key in keys {
                    let mut found = None;
                    let bytes = &self.object(key)?.bytes;
                    let keep = |at, page: &[u8]| {
                        if at == *pgno {
                            found = Some(Bytes::copy_from_slice(page));
                        }
                    };
                    read_any(bytes, LockByte::SQLITE, keep).expect("objects are whole");
                    if found.is_some() {
                        return Ok(StoreAnswer::Page(found));
                    }
                }
                Ok(StoreAnswer::Page(None))
            }
            StoreRequest::Digest { keys } => {
                let digest = |key: &String| {
                    let mut pages = Vec::new();
                    let note = |pgno, page: &[u8]| pages.push((pgno, page_checksum(pgno, page)));
                    let (header, _) = read_any(&self.object(key)?.bytes, LockByte::SQLITE, note)
                        .expect("objects are whole");
                    Ok(ObjectDigest { header, pages })
                };
                Ok(StoreAnswer::Digested(keys.iter().map(digest).collect::<Result<_, StoreError>>()?))
            }
            StoreRequest::Merge { key, inputs } => {
                let mut read = Vec::new();
                for input in inputs {
                    let object = self.object(&input.key)?;
                    if etag(object) != input.etag {
                        return Err(StoreError::Missing);
                    }
                    read.push((input.object, &object.bytes[..]));
                }
                match engine::compact::merge_whole(&read, LockByte::SQLITE) {
                    Err(error) => Ok(StoreAnswer::Unmergeable(error)),
                    Ok((merged, body)) => {
                        self.uploads.insert(id.get(), (key.clone(), body.into()));
                        Ok(StoreAnswer::Merged(merged))
                    }
                }
            }
            StoreRequest::Delete { keys } => {
                keys.iter().for_each(|key| drop(self.objects.remove(key)));
                Ok(StoreAnswer::DeletedMany(keys.iter().map(|_| Ok(())).collect()))
            }
            StoreRequest::DeleteIfMatch { key, etag: expected } => {
                if etag(self.object(key)?) != *expected {
                    return Err(StoreError::Refused);
                }
                self.objects.remove(key);
                Ok(StoreAnswer::Deleted)
            }
        }
    }

    /// Writes an object past the engine.
    pub(crate) fn plant(&mut self, key: &str, bytes: Bytes) {
        self.writes += 1;
        let object = Object { bytes, written: self.writes, at: self.now + self.writes };
        self.objects.insert(key.to_owned(), object);
    }

    /// Flips a bit behind the header of an object, which stays the same version for whoever asks.
    pub(crate) fn rot(&mut self, key: &str) {
        let object = self.objects.get_mut(key).expect("it is there");
        let mut bytes = object.bytes.to_vec();
        bytes[HEADER_BYTES + 10] ^= 1;
        object.bytes = bytes.into();
    }

    /// Deletes an object past the engine.
    pub(crate) fn erase(&mut self, key: &str) {
        self.objects.remove(key);
    }

    /// Deletes everything below a prefix, past the engine: an operator, or a lifecycle rule.
    pub(crate) fn erase_all(&mut self, prefix: &str) {
        self.objects.retain(|key, _| !key.starts_with(prefix));
    }

    pub(crate) fn bytes(&self, key: &str) -> Option<&Bytes> {
        self.objects.get(key).map(|o| &o.bytes)
    }

    pub(crate) fn key_of_upload(&self, staged: RequestId) -> Option<&str> {
        self.uploads.get(&staged.get()).map(|(key, _)| &**key)
    }

    /// Uploads that are staged, not completed and not discarded.
    pub(crate) fn open_uploads(&self) -> usize {
        self.uploads.len()
    }

    /// The header of a slot's object.
    pub(crate) fn slot(&self, place: &Place, txid: u64) -> Option<Header> {
        let bytes = self.bytes(&slot_key(place, txid))?;
        Some(Header::decode(bytes).expect("objects are whole"))
    }

    /// The newest slot of a place.
    pub(crate) fn newest_slot(&self, place: &Place) -> u64 {
        let slots = self.keys(place).filter(|k| k.level() == Level::L0);
        slots.map(|k| k.max().into_inner()).max().unwrap_or(0)
    }

    /// What a restore of the newest state gives: the newest snapshot, then slot by slot.
    pub(crate) fn restored(&self, place: &Place) -> Image {
        self.restored_at(place, self.newest_slot(place))
    }

    /// The same of an earlier slot.
    pub(crate) fn restored_at(&self, place: &Place, txid: u64) -> Image {
        let is_base = |k: &ObjectKey| k.level() == Level::SNAPSHOT && k.range().max().into_inner() <= txid;
        let base = self.keys(place).filter(is_base).max().expect("a snapshot");
        let slots = base.max().into_inner() + 1..=txid;
        let keys = std::iter::once(base).chain(slots.map(|n| ObjectKey::slot(Txid::new(n).unwrap())));
        let mut image = Image::new();
        for key in keys {
            let bytes = self.bytes(&place.object_key(Layout::S3, key)).expect("no slot is missing");
            let (header, _) = read_any(bytes, LockByte::SQLITE, |pgno, page| {
                let page_end = pgno.into_inner() as usize;
                image.resize(image.len().max(page_end), 0);
                image[page_end - 1] = content_of(page);
            })
            .expect("objects are whole");
            image.resize(header.commit().into_inner() as usize, 0);
        }
        image
    }

    pub(crate) fn keys(&self, place: &Place) -> impl Iterator<Item = ObjectKey> {
        let prefix = place.prefix();
        let below = |key: &String| key.strip_prefix(&prefix).and_then(|n| ObjectKey::parse(Layout::S3, n));
        self.objects.keys().filter_map(below).collect::<Vec<_>>().into_iter()
    }

    fn create(&mut self, key: &str, body: Bytes) -> Result<StoreAnswer, StoreError> {
        if self.objects.contains_key(key) && !self.ignores_conditions {
            return Err(StoreError::Refused);
        }
        self.plant(key, body);
        Ok(StoreAnswer::Put { etag: etag(&self.objects[key]) })
    }

    fn object(&self, key: &str) -> Result<&Object, StoreError> {
        self.objects.get(key).ok_or(StoreError::Missing)
    }

    fn list(&self, prefix: &str, after: &str) -> StoreAnswer {
        let matching = || self.objects.iter().filter(|(k, _)| k.starts_with(prefix) && k.as_str() > after);
        let meta = |(key, object): (&String, &Object)| ObjectMeta {
            key: key.clone(),
            size_bytes: object.bytes.len() as u64,
            etag: etag(object),
            modified: modified(object),
            arrived: modified(object),
        };
        let objects: Vec<ObjectMeta> = matching().take(LIST_MAX).map(meta).collect();
        let next = matching().nth(LIST_MAX).and(objects.last()).map(|last| last.key.clone());
        let time = self.tells_time.then(|| Timestamp::from_millis(i64::try_from(self.now).unwrap()));
        StoreAnswer::Listed { objects, next, time }
    }
}

/// The whole key of a slot's object.
pub(crate) fn slot_key(place: &Place, txid: u64) -> String {
    place.object_key(Layout::S3, ObjectKey::slot(Txid::new(txid).unwrap()))
}

fn etag(object: &Object) -> ETag {
    ETag::new(object.written.to_string())
}

fn modified(object: &Object) -> Timestamp {
    Timestamp::from_millis(i64::try_from(object.at).unwrap())
}
