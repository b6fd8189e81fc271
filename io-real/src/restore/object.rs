//! Single objects of one listing: header, page index, pieces. Whatever comes out belongs to one version.

use super::ReadError;
use super::blocking::off_thread;
use super::digests::Digests;
use super::error::Fault;
use super::reads::{Piece, Reads, Turn};
use crate::port::Work;
use bytes::Bytes;
use engine::key::{Layout, ObjectInfo, ObjectKey, Place};
use engine::ltx::index::{self, PageEntry, Tail};
use engine::ltx::{DecodeError, Decoder, HEADER_BYTES, Header};
use engine::manifest::Manifest;
use engine::mutants::{Mutant, mutated};
use engine::store::{ETag, Sha256, StoreError};
use engine::types::LockByte;
use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The objects of a place, while they are read.
pub(crate) struct Objects {
    reads: Reads,
    work: Arc<dyn Work>,
    place: Place,
    layout: Layout,
    lock_byte: LockByte,
    /// By the manifest's index.
    indexed: BTreeMap<ObjectKey, Sha256>,
    seen: Mutex<Seen>,
    downloaded_bytes: AtomicU64,
    on_bytes: Box<dyn Fn(u64) + Send + Sync>,
}

/// What was read so far.
#[derive(Default)]
struct Seen {
    versions: BTreeMap<ObjectKey, ETag>,
    headers: BTreeMap<ObjectKey, Header>,
    /// Of those that have some, or were compared.
    digests: BTreeMap<ObjectKey, Digests>,
    /// Small objects, so that header, index and pages take one request.
    small: BTreeMap<ObjectKey, Bytes>,
    small_bytes: u64,
}

/// Bytes of an object, and the right to hold them where they were downloaded just now.
pub(super) struct Part {
    pub(super) bytes: Bytes,
    _piece: Option<Piece>,
}

impl Objects {
    pub(super) fn new(
        reads: Reads,
        work: Arc<dyn Work>,
        (place, layout): (Place, Layout),
        lock_byte: LockByte,
        manifest: Option<&Manifest>,
        on_bytes: Box<dyn Fn(u64) + Send + Sync>,
    ) -> Objects {
        let entries = manifest.iter().flat_map(|manifest| &manifest.objects);
        let indexed = entries.filter_map(|entry| Some((entry.key, entry.sha256?))).collect();
        let (seen, downloaded_bytes) = (Mutex::default(), AtomicU64::new(0));
        Objects { reads, work, place, layout, lock_byte, indexed, seen, downloaded_bytes, on_bytes }
    }

    pub(crate) fn lock_byte(&self) -> LockByte {
        self.lock_byte
    }

    /// What is known of an object's SHA-256 so far.
    pub(crate) fn digests(&self, key: ObjectKey) -> Digests {
        let seen = self.seen().digests.get(&key).copied().unwrap_or_default();
        Digests { indexed: self.indexed.get(&key).copied(), ..seen }
    }

    /// Takes note of the SHA-256 of an object that was read whole.
    pub(super) fn keep_digest(&self, key: ObjectKey, content: Sha256) {
        self.seen().digests.entry(key).or_default().content = Some(content);
    }

    /// Bytes that came from the store.
    pub(crate) fn downloaded_bytes(&self) -> u64 {
        self.downloaded_bytes.load(Ordering::Relaxed)
    }

    /// Forgets everything: the place was listed again, or what was read was damaged on the way.
    pub(crate) fn forget(&self) {
        *self.seen() = Seen::default();
    }

    /// Forgets what was read of an object: it may have come wrong.
    pub(crate) fn forget_one(&self, key: ObjectKey) {
        let mut seen = self.seen();
        seen.headers.remove(&key);
        if let Some(bytes) = seen.small.remove(&key) {
            seen.small_bytes -= bytes.len() as u64;
        }
    }

    /// Takes a header that is proven, whatever was read before.
    pub(super) fn keep(&self, key: ObjectKey, header: Header) {
        self.seen().headers.insert(key, header);
    }

    /// An object's header, for the TXIDs in its name. One that is wrong is read again: it may have come wrong.
    pub(crate) async fn header(&self, info: &ObjectInfo) -> Result<Header, Fault> {
        match self.header_once(info).await {
            Err(Fault::Damaged(..)) => {
                self.forget_one(info.key);
                self.header_once(info).await
            }
            read => read,
        }
    }

    async fn header_once(&self, info: &ObjectInfo) -> Result<Header, Fault> {
        let key = info.key;
        if let Some(header) = self.seen().headers.get(&key) {
            return Ok(header.clone());
        }
        if info.size_bytes < HEADER_BYTES as u64 {
            return Err(Fault::Damaged(key, format!("it has only {} bytes", info.size_bytes)));
        }
        let is_small = info.size_bytes <= READ_FOR_HEADER_BYTES_MAX;
        let end = if is_small { info.size_bytes } else { HEADER_BYTES as u64 };
        let part = self.read(info, 0..end).await?;
        let header =
            Header::decode(&part.bytes).map_err(|error| Fault::Damaged(key, format!("header: {error}")))?;
        if header.txids() != key.range() {
            return Err(Fault::Damaged(key, format!("it holds the TXIDs {}", header.txids())));
        }
        if is_small && !mutated(Mutant::RestoreHeaderBelieved) {
            // All of it is here: its checksum covers what the pages do not prove, such as the time.
            check(&part.bytes, self.lock_byte).map_err(|error| Fault::Damaged(key, error.to_string()))?;
        }
        self.seen().headers.insert(key, header.clone());
        Ok(header)
    }

    /// An object's header and page index. Where they do not go together, both are read again.
    pub(crate) async fn index(&self, info: &ObjectInfo) -> Result<(Header, Vec<PageEntry>), Fault> {
        match self.index_once(info).await {
            Err(Fault::Damaged(..)) => {
                self.forget_one(info.key);
                self.index_once(info).await
            }
            read => read,
        }
    }

    async fn index_once(&self, info: &ObjectInfo) -> Result<(Header, Vec<PageEntry>), Fault> {
        let key = info.key;
        let header = self.header(info).await?;
        let bytes_max = index_bytes_max(&header).min(info.size_bytes);
        let mut length = (info.size_bytes / 128).clamp(TAIL_BYTES_MIN, TAIL_BYTES_MAX).min(info.size_bytes);
        loop {
            let part = self.tail(info, length).await?;
            let (size_bytes, lock_byte, for_header) = (info.size_bytes, self.lock_byte, header.clone());
            let read = move || index::decode(&part.bytes, size_bytes, &for_header, lock_byte);
            match off_thread(&self.work, read).await {
                Ok(Tail::Index { entries, .. }) => return Ok((header, entries)),
                Ok(Tail::NeedLast { bytes }) if length < bytes && bytes <= bytes_max => length = bytes,
                Ok(Tail::NeedLast { bytes }) => {
                    return Err(Fault::Damaged(key, format!("an index of {bytes} bytes")));
                }
                Err(error) => return Err(Fault::Damaged(key, format!("page index: {error}"))),
            }
        }
    }

    /// Bytes of an object.
    pub(super) async fn read(&self, info: &ObjectInfo, range: Range<u64>) -> Result<Part, Fault> {
        self.read_in(info, range, None).await
    }

    /// Waits for the right to one request of [`Objects::read_in`].
    pub(super) async fn turn(&self) -> Turn {
        self.reads.turn().await
    }

    /// The same in a turn that was waited for before.
    pub(super) async fn read_in(
        &self,
        info: &ObjectInfo,
        range: Range<u64>,
        turn: Option<Turn>,
    ) -> Result<Part, Fault> {
        assert!(range.start < range.end && range.end <= info.size_bytes, "{range:?} of {}", info.size_bytes);
        let cached = self.seen().small.get(&info.key).cloned();
        if let Some(bytes) = cached {
            return Ok(Part { bytes: bytes.slice(to_usize(&range)), _piece: None });
        }
        let turn = match turn {
            Some(turn) => turn,
            None => self.turn().await,
        };
        let read = self.reads.get(&self.key(info), range.clone(), turn).await;
        let piece = read.map_err(|error| fault(info.key, error))?;
        self.take(info, range, piece)
    }

    async fn tail(&self, info: &ObjectInfo, length: u64) -> Result<Part, Fault> {
        let range = info.size_bytes - length..info.size_bytes;
        let cached = self.seen().small.contains_key(&info.key);
        if cached {
            return self.read(info, range).await;
        }
        let piece = self.reads.tail(&self.key(info), length).await.map_err(|e| fault(info.key, e))?;
        self.take(info, range, piece)
    }

    /// Checks that a body is of the version that was listed and read before, and keeps a small object.
    fn take(&self, info: &ObjectInfo, range: Range<u64>, piece: Piece) -> Result<Part, Fault> {
        let key = info.key;
        let body = &piece.body;
        let length = body.bytes.len() as u64;
        self.downloaded_bytes.fetch_add(length, Ordering::Relaxed);
        (self.on_bytes)(length);
        let mut seen = self.seen();
        let version = seen.versions.entry(key).or_insert_with(|| body.etag.clone());
        if *version != body.etag || body.object_bytes != info.size_bytes || length != range.end - range.start
        {
            seen.versions.remove(&key);
            return Err(Fault::Gone(key));
        }
        let bytes = body.bytes.clone();
        if let Some(sha256) = body.attributes.sha256 {
            seen.digests.entry(key).or_default().beside = Some(sha256);
        }
        if length == info.size_bytes {
            let beside = body.attributes.sha256;
            let digests = Digests { beside, indexed: self.indexed.get(&key).copied(), content: None };
            if digests.is_any() {
                let content = Sha256::of(&bytes);
                seen.digests.entry(key).or_default().content = Some(content);
                // What is no header is found out where it is read.
                let is_ours = Header::decode(&bytes).map_or(true, |header| header.chain().is_some());
                if let Err(why) = digests.compare(key, content, is_ours)
                    && !mutated(Mutant::RestoreHeaderBelieved)
                {
                    return Err(Fault::Damaged(key, why.to_owned()));
                }
            }
            if length <= READ_FOR_HEADER_BYTES_MAX && seen.small_bytes + length <= SMALL_TOTAL_BYTES_MAX {
                seen.small_bytes += length;
                seen.small.insert(key, bytes.clone());
            }
        }
        drop(seen);
        Ok(Part { bytes, _piece: Some(piece) })
    }

    fn key(&self, info: &ObjectInfo) -> String {
        self.place.object_key(self.layout, info.key)
    }

    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Decodes an object from its first byte to its last.
fn check(mut bytes: &[u8], lock_byte: LockByte) -> Result<(), DecodeError> {
    let mut decoder = Decoder::new(lock_byte);
    while decoder.read(&mut bytes)?.is_some() {}
    decoder.finish().map(drop)
}

fn fault(key: ObjectKey, error: ReadError) -> Fault {
    match error.error {
        StoreError::Missing => Fault::Gone(key),
        _ => Fault::Store(error),
    }
}

/// The longest index of an object that holds every page of its database once: three varints per page, of a
/// u32, a u64 and a u32, and what stands around them.
fn index_bytes_max(header: &Header) -> u64 {
    u64::from(header.commit().into_inner()) * (5 + 10 + 5) + index::TAIL_BYTES_MIN
}

fn to_usize(range: &Range<u64>) -> Range<usize> {
    let index = |at: u64| usize::try_from(at).expect("a cached object is in memory");
    index(range.start)..index(range.end)
}

/// Objects up to this are read at once, and proven, where their header is needed: a request costs about as much as this much
/// transfer. A header of a larger one is believed until all of it is read.
pub const READ_FOR_HEADER_BYTES_MAX: u64 = 64 << 10;
/// Memory for small objects; beyond it they are read in pieces like others.
const SMALL_TOTAL_BYTES_MAX: u64 = 16 << 20;
/// How much of an object's end is read first. An index has 8 to 12 bytes per page, so this is enough for a
/// few hundred pages; of a large object more, because a second request is waited for.
const TAIL_BYTES_MIN: u64 = 4 << 10;
const TAIL_BYTES_MAX: u64 = 1 << 20;
