//! The bytes of an object in, in pieces of any size; header, pages and trailer out, all of it verified.

use super::index::{IndexWitness, SIZE_BYTES};
use super::legacy_frame::{self, FrameScan};
use super::page_frame::{
    BLOCK_SIZE_BYTES, PAGE_HEADER_BYTES, Packing, block_bytes_max, decode_block, decode_page_header,
};
use super::page_order::PageOrder;
use super::{DecodeError, FrameError, HEADER_BYTES, Header, TRAILER_BYTES, Trailer};
use crate::db::Crc64;
use crate::types::{LockByte, Pgno};

/// Reads one object of version 3.
///
/// ```
/// # use engine::ltx::{DecodeError, Decoder, Item, Trailer};
/// # use engine::types::LockByte;
/// fn read(pieces: &[&[u8]]) -> Result<Trailer, DecodeError> {
///     let mut decoder = Decoder::new(LockByte::SQLITE);
///     for mut piece in pieces.iter().copied() {
///         while let Some(item) = decoder.read(&mut piece)? {
///             match item {
///                 Item::Header(header) => println!("{}", header.txids()),
///                 Item::Page { pgno, page } => println!("{pgno}: {} bytes", page.len()),
///                 Item::End(_) => println!("verified"),
///             }
///         }
///     }
///     decoder.finish()
/// }
/// # assert_eq!(read(&[b"LTX1"]), Err(DecodeError::Truncated(4)));
/// ```
///
/// Pages come out before the checksum that covers them: nothing is proven until [`Item::End`]. Memory is
/// bounded by one page and one page frame, whatever the object claims.
#[derive(Debug)]
pub struct Decoder {
    lock_byte: LockByte,
    pending: Pending,
    /// Over everything up to the file checksum, pages uncompressed.
    crc: Crc64,
    bytes_read: u64,
    state: State,
}

/// What an object consists of, in this order: one header, pages, one end.
#[derive(Debug, PartialEq, Eq)]
pub enum Item<'a> {
    /// First.
    Header(Header),
    /// In ascending order.
    Page {
        /// Page number, at most the header's commit, never the lock page.
        pgno: Pgno,
        /// As many bytes as the header's page size.
        page: &'a [u8],
    },
    /// Last: index, file checksum and, in a snapshot, completeness are verified.
    End(Trailer),
}

impl Decoder {
    /// At the start of an object.
    pub fn new(lock_byte: LockByte) -> Decoder {
        Decoder {
            lock_byte,
            pending: Pending::default(),
            crc: Crc64::new(),
            bytes_read: 0,
            state: State::Header,
        }
    }

    /// Takes bytes from the front of `input` until the next item is there. `None`: all of `input` was taken and
    /// more is needed (or, after [`Item::End`], there is nothing left to read).
    ///
    /// After an error every further call returns that error.
    pub fn read(&mut self, input: &mut &[u8]) -> Result<Option<Item<'_>>, DecodeError> {
        let before = input.len();
        let step = self.step(input);
        self.bytes_read += (before - input.len()) as u64;
        match step {
            Ok(None) => Ok(None),
            Ok(Some(Step::Header(header))) => Ok(Some(Item::Header(header))),
            Ok(Some(Step::Page(pgno))) => match &self.state {
                State::Pages(pages) => Ok(Some(Item::Page { pgno, page: &pages.page })),
                state => unreachable!("a page in {state:?}"),
            },
            Ok(Some(Step::End(trailer))) => Ok(Some(Item::End(trailer))),
            Err(error) => {
                self.state = State::Failed(error.clone());
                Err(error)
            }
        }
    }

    /// There are no more bytes: the trailer if the object was whole, legal and unaltered.
    pub fn finish(self) -> Result<Trailer, DecodeError> {
        match self.state {
            State::Done(trailer) => Ok(trailer),
            State::Failed(error) => Err(error),
            _ => Err(DecodeError::Truncated(self.bytes_read)),
        }
    }

    /// Bytes taken so far.
    pub fn bytes_read(&self) -> u64 {
        self.bytes_read
    }

    /// The page that [`Decoder::read`] gave last, until it is called again: for who holds several decoders, each at
    /// a page. Before the first page zeros, before the header and after the pages `None`.
    pub(crate) fn page(&self) -> Option<&[u8]> {
        if let State::Pages(pages) = &self.state { Some(&pages.page) } else { None }
    }

    /// What a test watches: the buffers' capacity.
    #[cfg(test)]
    pub(crate) fn buffered_bytes_max(&self) -> usize {
        let page = if let State::Pages(pages) = &self.state { pages.page.len() } else { 0 };
        self.pending.bytes.capacity() + page
    }

    fn step(&mut self, input: &mut &[u8]) -> Result<Option<Step>, DecodeError> {
        loop {
            match &mut self.state {
                State::Header => {
                    let Some(bytes) = self.pending.take(input, HEADER_BYTES) else { return Ok(None) };
                    let header = Header::decode(bytes)?;
                    self.crc.update(bytes);
                    self.state = State::Pages(Box::new(Pages::new(&header, self.lock_byte)));
                    return Ok(Some(Step::Header(header)));
                }
                State::Pages(pages) => match pages.step(input, &mut self.pending, &mut self.crc)? {
                    Some(PageStep::Page(pgno)) => return Ok(Some(Step::Page(pgno))),
                    None => return Ok(None),
                    Some(PageStep::End) => {
                        let (crc, bytes) = std::mem::take(&mut pages.index).finish();
                        let index = Index { seen: Crc64::new(), crc, bytes, left: bytes };
                        self.state = State::Index(Box::new(index));
                    }
                },
                State::Index(index) => {
                    if index.left > 0 {
                        let length = usize::try_from(index.left).unwrap_or(usize::MAX).min(input.len());
                        let (bytes, rest) = input.split_at(length);
                        *input = rest;
                        index.seen.update(bytes);
                        self.crc.update(bytes);
                        index.left -= length as u64;
                        if index.left > 0 {
                            return Ok(None);
                        }
                    }
                    let Some(bytes) = self.pending.take(input, SIZE_BYTES + TRAILER_BYTES) else {
                        return Ok(None);
                    };
                    let trailer = index.finish(bytes, self.crc)?;
                    self.state = State::Done(trailer);
                    return Ok(Some(Step::End(trailer)));
                }
                State::Done(_) if input.is_empty() => return Ok(None),
                State::Done(_) => return Err(DecodeError::TrailingBytes(self.bytes_read)),
                State::Failed(error) => return Err(error.clone()),
            }
        }
    }
}

#[derive(Debug)]
enum State {
    Header,
    Pages(Box<Pages>),
    Index(Box<Index>),
    Done(Trailer),
    Failed(DecodeError),
}

enum Step {
    Header(Header),
    Page(Pgno),
    End(Trailer),
}

/// Between the header and the end of the pages.
#[derive(Debug)]
struct Pages {
    order: PageOrder,
    index: IndexWitness,
    /// Where the next frame begins.
    offset: u64,
    page: Box<[u8]>,
    next: Next,
}

/// What the next bytes are.
#[derive(Clone, Copy, Debug)]
enum Next {
    PageHeader,
    BlockSize(Pgno),
    Block { pgno: Pgno, bytes: usize },
    LegacyFrame { pgno: Pgno, scan: FrameScan },
}

enum PageStep {
    Page(Pgno),
    End,
}

impl Pages {
    fn new(header: &Header, lock_byte: LockByte) -> Pages {
        Pages {
            order: PageOrder::new(header, lock_byte),
            index: IndexWitness::default(),
            offset: HEADER_BYTES as u64,
            page: vec![0; header.page_size().into_inner() as usize].into_boxed_slice(),
            next: Next::PageHeader,
        }
    }

    fn step(
        &mut self,
        input: &mut &[u8],
        pending: &mut Pending,
        crc: &mut Crc64,
    ) -> Result<Option<PageStep>, DecodeError> {
        loop {
            match &mut self.next {
                Next::PageHeader => {
                    let Some(bytes) = pending.take(input, PAGE_HEADER_BYTES) else { return Ok(None) };
                    crc.update(bytes);
                    let header = decode_page_header(bytes.try_into().expect("6 bytes were asked for"))?;
                    let Some((pgno, packing)) = header else {
                        self.order.finish()?;
                        return Ok(Some(PageStep::End));
                    };
                    self.order.accept(pgno)?;
                    self.next = match packing {
                        Packing::Block => Next::BlockSize(pgno),
                        Packing::LegacyFrame => {
                            Next::LegacyFrame { pgno, scan: FrameScan::new(pgno, self.page.len()) }
                        }
                    };
                }
                Next::BlockSize(pgno) => {
                    let Some(field) = pending.take(input, BLOCK_SIZE_BYTES) else { return Ok(None) };
                    crc.update(field);
                    let size = u32::from_be_bytes(field.try_into().expect("4 bytes were asked for"));
                    let (bytes, bytes_max) = (size as usize, block_bytes_max(self.page.len()));
                    if bytes > bytes_max {
                        return Err(FrameError::TooLarge { pgno: *pgno, bytes_max }.into());
                    }
                    self.next = Next::Block { pgno: *pgno, bytes };
                }
                Next::Block { pgno, bytes } => {
                    let (pgno, bytes) = (*pgno, *bytes);
                    let Some(block) = pending.take(input, bytes) else { return Ok(None) };
                    decode_block(pgno, block, &mut self.page)?;
                    return Ok(Some(self.page_done(pgno, BLOCK_SIZE_BYTES + bytes, crc)));
                }
                Next::LegacyFrame { pgno, scan } => {
                    let Some(seen) = pending.fill(input, scan.bytes_needed()) else { return Ok(None) };
                    if scan.advance(seen)? {
                        let (pgno, bytes) = (*pgno, seen.len());
                        legacy_frame::decode(pgno, seen, &mut self.page)?;
                        pending.clear();
                        return Ok(Some(self.page_done(pgno, bytes, crc)));
                    }
                }
            }
        }
    }

    fn page_done(&mut self, pgno: Pgno, bytes_after_header: usize, crc: &mut Crc64) -> PageStep {
        crc.update(&self.page);
        let length = (PAGE_HEADER_BYTES + bytes_after_header) as u64;
        self.index.push(pgno, self.offset, length);
        self.offset += length;
        self.next = Next::PageHeader;
        PageStep::Page(pgno)
    }
}

/// Within the index. Its only legal content is known: what the pages make.
#[derive(Debug)]
struct Index {
    seen: Crc64,
    crc: u64,
    bytes: u64,
    left: u64,
}

impl Index {
    /// With the size of the index and the trailer, and the file's CRC up to there.
    fn finish(&self, bytes: &[u8], mut crc: Crc64) -> Result<Trailer, DecodeError> {
        let (size, trailer_bytes) = bytes.split_first_chunk::<SIZE_BYTES>().expect("24 bytes were asked for");
        if self.seen.value() != self.crc || u64::from_be_bytes(*size) != self.bytes {
            return Err(DecodeError::Index);
        }
        let trailer = Trailer::decode(trailer_bytes.try_into().expect("24 bytes were asked for"))?;
        crc.update(size);
        crc.update(&trailer_bytes[..8]);
        let (stored, computed) = (trailer.file, crc.checksum());
        if stored == computed { Ok(trailer) } else { Err(DecodeError::FileChecksum { stored, computed }) }
    }
}

/// The beginning of something whose end has not arrived yet.
#[derive(Debug, Default)]
struct Pending {
    bytes: Vec<u8>,
    /// The bytes were given out whole and are to be dropped.
    spent: bool,
}

impl Pending {
    /// Exactly `length` bytes, straight from `input` where it has them all; `None` until they are there.
    fn take<'a, 'i: 'a>(&'a mut self, input: &mut &'i [u8], length: usize) -> Option<&'a [u8]> {
        self.drop_spent();
        if self.bytes.is_empty() && input.len() >= length {
            let (bytes, rest) = input.split_at(length);
            *input = rest;
            return Some(bytes);
        }
        self.spent = self.fill(input, length).is_some();
        self.spent.then_some(&self.bytes)
    }

    /// As [`Pending::take`], but the bytes stay, to be asked for again with more behind them.
    fn fill(&mut self, input: &mut &[u8], length: usize) -> Option<&[u8]> {
        self.drop_spent();
        let missing = length.checked_sub(self.bytes.len()).expect("what is needed only grows");
        let (bytes, rest) = input.split_at(missing.min(input.len()));
        *input = rest;
        self.bytes.extend_from_slice(bytes);
        (self.bytes.len() == length).then_some(&self.bytes)
    }

    fn clear(&mut self) {
        self.bytes.clear();
    }

    fn drop_spent(&mut self) {
        if std::mem::take(&mut self.spent) {
            self.bytes.clear();
        }
    }
}
