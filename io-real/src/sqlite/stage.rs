//! Encoding an object in steps of bounded size, so that parts can go up while pages are still read.

use super::Session;
use super::session::Under;
use super::whole_image::WholeImage;
use bytes::Bytes;
use engine::db::{Fingerprint, NO_PAGES, page_checksum};
use engine::ltx::{Encoder, Finished, Header};
use engine::replicate::{PageSet, PinnedPages, Select, SourceError};
use engine::store::Sha256;
use engine::types::{Checksum, LockByte, Pgno};
use sha2::Digest as _;
use std::collections::BTreeMap;

/// An object in the making. In memory are one step's pages and what the encoder keeps (its page index).
pub struct Stager {
    header: Header,
    /// `None` before the first step and after the last.
    encoder: Option<Encoder>,
    begun: bool,
    pages: Pages,
    lock_byte: LockByte,
    under: Under,
    hash: sha2::Sha256,
    size_bytes: u64,
    /// XOR over the pages so far.
    checksum: Checksum,
    fingerprint: Fingerprint,
}

/// What is left to encode.
enum Pages {
    Memory(std::collections::btree_map::IntoIter<Pgno, Bytes>),
    Pinned {
        left: Left,
        frames: BTreeMap<Pgno, u32>,
        memory: BTreeMap<Pgno, Bytes>,
        expected: (Checksum, Fingerprint),
    },
    Image {
        left: Left,
        whole: WholeImage,
    },
}

enum Left {
    All { next: u32, last: u32 },
    Some(std::vec::IntoIter<Pgno>),
}

/// How far a step came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    /// Step again.
    More,
    /// All bytes are out.
    Done(Staged),
}

/// A whole object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Staged {
    /// Hash of its bytes.
    pub sha256: Sha256,
    /// How many there were.
    pub size_bytes: u64,
}

impl Stager {
    pub(super) fn new(header: &Header, pages: PageSet, lock_byte: LockByte, under: Under) -> Stager {
        let pages = match pages {
            PageSet::Memory(pages) => Pages::Memory(pages.into_iter()),
            PageSet::Image(image) => {
                assert_eq!(
                    Some(image.sums.checksum()),
                    header.chain().map(|chain| chain.after),
                    "of all pages"
                );
                let left = Left::All { next: 1, last: image.sums.page_count() };
                Pages::Image { left, whole: WholeImage::new(image) }
            }
            PageSet::Pinned(PinnedPages { select, frames, memory, checksum, fingerprint }) => {
                if let Select::All(_) = select {
                    assert_eq!(
                        Some(checksum),
                        header.chain().map(|chain| chain.after),
                        "the checksum of all pages is the database's"
                    );
                }
                let left = match select {
                    Select::All(last) => Left::All { next: 1, last },
                    Select::Some(pages) => Left::Some(pages.into_iter()),
                };
                Pages::Pinned { left, frames, memory, expected: (checksum, fingerprint) }
            }
        };
        Stager {
            header: header.clone(),
            encoder: None,
            begun: false,
            pages,
            lock_byte,
            under,
            hash: sha2::Sha256::new(),
            size_bytes: 0,
            checksum: NO_PAGES,
            fingerprint: Fingerprint::default(),
        }
    }

    /// Appends the bytes of up to [`STEP_PAGES`] pages to `out`. `session` is the one that made this, and its
    /// anchor (of a whole image: its image pin) has not moved since (else [`SourceError::Unstable`]).
    ///
    /// # Errors
    /// Whatever reading says; [`SourceError::Unstable`] at the end when the pages were not those surveyed. What came
    /// out before an error is worthless.
    ///
    /// # Panics
    /// After [`Progress::Done`], and when the engine asks for an object that must not exist (pages out of order,
    /// beyond the commit or of the wrong length).
    pub fn step(&mut self, session: &mut Session, out: &mut Vec<u8>) -> Result<Progress, SourceError> {
        let before = out.len();
        if !self.begun {
            self.begun = true;
            self.encoder = Some(Encoder::new(&self.header, self.lock_byte, out));
        }
        let encoder = self.encoder.as_mut().expect("a finished object has no more steps");
        let (checksum, fingerprint) = (&mut self.checksum, &mut self.fingerprint);
        let pushed = match &mut self.pages {
            Pages::Memory(pages) => {
                pages.take(STEP_PAGES).map(|(pgno, page)| encoder.push(pgno, &page, out)).count()
            }
            Pages::Pinned { left, frames, memory, .. } => {
                let now = left.take(STEP_PAGES, self.lock_byte.pgno(self.header.page_size()));
                let mut push = |pgno: Pgno, page: &[u8]| {
                    let page_sum = page_checksum(pgno, page);
                    *checksum = *checksum ^ page_sum;
                    fingerprint.add(page_sum);
                    encoder.push(pgno, page, out);
                };
                // Runs of pages to be read, each ended by one that is in memory.
                for run in now.split_inclusive(|pgno| memory.contains_key(pgno)) {
                    let in_memory = run.last().and_then(|last| Some((*last, memory.get(last)?)));
                    let to_read = &run[..run.len() - usize::from(in_memory.is_some())];
                    if !to_read.is_empty() {
                        session.reader(&self.header, self.under)?.read_each(to_read, frames, &mut push)?;
                    }
                    if let Some((pgno, page)) = in_memory {
                        push(pgno, page);
                    }
                }
                now.len()
            }
            Pages::Image { left, whole } => {
                let now = left.take(STEP_PAGES, self.lock_byte.pgno(self.header.page_size()));
                let push = |pgno: Pgno, page: &[u8]| encoder.push(pgno, page, out);
                whole.read(session, &self.header, self.under, &now, push)?;
                now.len()
            }
        };
        let finished = if pushed < STEP_PAGES { Some(self.finish(out)?) } else { None };
        self.hash.update(&out[before..]);
        self.size_bytes += (out.len() - before) as u64;
        let Some(Finished { size_bytes, .. }) = finished else { return Ok(Progress::More) };
        assert_eq!(size_bytes, self.size_bytes, "the encoder counts what it appends");
        let sha256 = Sha256(self.hash.finalize_reset().into());
        Ok(Progress::Done(Staged { sha256, size_bytes }))
    }

    /// The pages are through: were they the right ones?
    fn finish(&mut self, out: &mut Vec<u8>) -> Result<Finished, SourceError> {
        if let Pages::Image { whole, .. } = &self.pages {
            whole.finish()?;
        }
        if let Pages::Pinned { expected, .. } = &self.pages
            && *expected != (self.checksum, self.fingerprint)
        {
            let why = format!("their checksum is {}, not {}", self.checksum, expected.0);
            return Err(SourceError::Unstable(why.into()));
        }
        let encoder = self.encoder.take().expect("`step` has it");
        Ok(encoder.finish(out))
    }
}

impl Left {
    /// The next `count` pages, fewer only at the end.
    fn take(&mut self, count: usize, lock_page: Pgno) -> Vec<Pgno> {
        match self {
            Left::Some(pages) => pages.take(count).collect(),
            Left::All { next, last } => {
                let now: Vec<Pgno> = super::image::pages(*next, *last, lock_page).take(count).collect();
                *next = now.last().map_or(u32::MAX, |pgno| pgno.into_inner().saturating_add(1));
                now
            }
        }
    }
}

/// Pages of one step.
pub const STEP_PAGES: usize = 64;
