//! An object read from the first byte to the last, so that its own checksum proves it.

use super::blocking::{Task, off_thread};
use super::digests::Digests;
use super::error::Fault;
use super::object::Objects;
use super::page_writer::{PageFile, PageWriter, Written};
use crate::port::Work;
use engine::db::{NO_PAGES, page_checksum};
use engine::key::{ObjectInfo, ObjectKey};
use engine::ltx::{Decoder, Header, Item};
use engine::restore::Fetch;
use engine::store::Sha256;
use engine::types::{Checksum, Pgno};
use futures::stream::{self, StreamExt as _};
use sha2::Digest as _;
use std::ops::Range;
use std::pin::pin;
use std::sync::Arc;

/// Reads ahead of the decoder, per object.
const READ_AHEAD: usize = 4;
/// Objects that are searched for damage at one time.
const CHECKS_AT_ONCE: usize = 4;

/// Writes the wanted pages of an object whose reads tile it, and proves every byte.
pub(super) async fn write_whole(
    objects: &Arc<Objects>,
    work: &Arc<dyn Work>,
    info: &ObjectInfo,
    fetches: Vec<Fetch>,
    to: PageFile,
) -> Result<Written, Fault> {
    let wanted: Vec<Pgno> =
        fetches.iter().flat_map(|fetch| fetch.pages.iter().map(|page| page.pgno)).collect();
    let ranges = fetches.into_iter().map(|fetch| fetch.range).collect();
    let writer = PageWriter::new(to);
    let reader = Reader::new(objects, info.key, Some(Wanted { pages: wanted, next: 0, writer }));
    Ok(read_through(objects, work, info, ranges, reader).await?.written)
}

/// Headers of objects that were read whole.
pub(super) type Headers = Vec<(ObjectKey, Header)>;

/// Reads objects, several at one time: their headers, which are proven then, or the first fault.
pub(super) async fn check_each(
    objects: &Arc<Objects>,
    work: &Arc<dyn Work>,
    infos: Vec<ObjectInfo>,
    request_bytes_max: u64,
) -> Result<Headers, Fault> {
    let checks = stream::iter(infos).map(|info| {
        let (objects, work) = (objects.clone(), work.clone());
        Task::spawn(async move {
            let read = check_whole(&objects, &work, &info, request_bytes_max).await;
            read.map(|read| (info.key, read.header))
        })
    });
    let mut checks = checks.buffered(CHECKS_AT_ONCE);
    let mut headers = Vec::new();
    while let Some(checked) = checks.next().await {
        headers.push(checked?);
    }
    Ok(headers)
}

/// Reads one object whole.
pub(crate) async fn check_whole(
    objects: &Arc<Objects>,
    work: &Arc<dyn Work>,
    info: &ObjectInfo,
    request_bytes_max: u64,
) -> Result<WholeRead, Fault> {
    let starts = (0..info.size_bytes).step_by(usize::try_from(request_bytes_max).unwrap_or(usize::MAX));
    let ranges = starts.map(|start| start..(start + request_bytes_max).min(info.size_bytes)).collect();
    read_through(objects, work, info, ranges, Reader::new(objects, info.key, None)).await
}

/// What came of an object that was read whole, and is sound.
pub(crate) struct WholeRead {
    pub(crate) header: Header,
    /// Over the checksums of its pages, where none was written.
    pub(crate) pages: Checksum,
    /// Where there was something to compare with.
    pub(crate) content: Option<Sha256>,
    written: Written,
}

async fn read_through(
    objects: &Arc<Objects>,
    work: &Arc<dyn Work>,
    info: &ObjectInfo,
    ranges: Vec<Range<u64>>,
    mut reader: Reader,
) -> Result<WholeRead, Fault> {
    // Turns come in the order in which the parts are needed: who comes later and holds one waits for those before.
    let waiting = objects.clone();
    let turns = stream::iter(ranges).then(move |range| {
        let objects = waiting.clone();
        async move { (range, objects.turn().await) }
    });
    let parts = turns.map(|(range, turn)| {
        let (objects, info) = (objects.clone(), info.clone());
        Task::spawn(async move { objects.read_in(&info, range, Some(turn)).await })
    });
    let parts = pin!(parts);
    let mut parts = parts.buffered(READ_AHEAD);
    while let Some(part) = parts.next().await.transpose()? {
        // The first part tells what is kept beside the object.
        reader.expect(objects);
        reader = off_thread(work, move || reader.step(&part.bytes).map(|()| reader)).await?;
    }
    let read = off_thread(work, move || reader.finish()).await?;
    if let Some(content) = read.content {
        objects.keep_digest(info.key, content);
    }
    Ok(read)
}

/// Takes the bytes of one object in order.
struct Reader {
    key: ObjectKey,
    decoder: Decoder,
    header: Option<Header>,
    hash: Option<(sha2::Sha256, Digests)>,
    /// Over the pages so far.
    pages: Checksum,
    wanted: Option<Wanted>,
}

/// The pages to write, and where to.
struct Wanted {
    /// Ascending.
    pages: Vec<Pgno>,
    next: usize,
    writer: PageWriter,
}

impl Reader {
    fn new(objects: &Objects, key: ObjectKey, wanted: Option<Wanted>) -> Reader {
        let decoder = Decoder::new(objects.lock_byte());
        Reader { key, decoder, header: None, hash: None, pages: NO_PAGES, wanted }
    }

    /// Before the first byte: what its SHA-256 has to be.
    fn expect(&mut self, objects: &Objects) {
        let digests = objects.digests(self.key);
        if self.decoder.bytes_read() == 0 && digests.is_any() {
            self.hash = Some((sha2::Sha256::new(), digests));
        }
    }

    fn step(&mut self, mut bytes: &[u8]) -> Result<(), Fault> {
        if let Some((hash, _)) = &mut self.hash {
            hash.update(bytes);
        }
        loop {
            let item = self.decoder.read(&mut bytes);
            match item.map_err(|error| Fault::Damaged(self.key, error.to_string()))? {
                None => return Ok(()),
                Some(Item::Page { pgno, page }) => {
                    if self.wanted.is_none() {
                        self.pages = self.pages ^ page_checksum(pgno, page);
                    }
                    if let Some(wanted) = &mut self.wanted
                        && wanted.pages.get(wanted.next) == Some(&pgno)
                    {
                        wanted.next += 1;
                        wanted.writer.page(pgno)?.copy_from_slice(page);
                    }
                }
                Some(Item::Header(header)) => self.header = Some(header),
                Some(Item::End(_)) => {}
            }
        }
    }

    fn finish(self) -> Result<WholeRead, Fault> {
        let damaged = |why: &str| Fault::Damaged(self.key, why.to_owned());
        self.decoder.finish().map_err(|error| damaged(&error.to_string()))?;
        let header = self.header.expect("what was decoded to its end has one");
        let mut content = None;
        if let Some((hash, expected)) = self.hash {
            let found = Sha256(hash.finalize().into());
            expected.compare(self.key, found, header.chain().is_some()).map_err(damaged)?;
            content = Some(found);
        }
        let written = match self.wanted {
            None => Written::default(),
            // The decoder proved that the index lists what is there, and the wanted pages came from it.
            Some(wanted) if wanted.next == wanted.pages.len() => wanted.writer.finish()?,
            Some(_) => return Err(damaged("its page index changed while it was read")),
        };
        Ok(WholeRead { header, pages: self.pages, content, written })
    }
}
