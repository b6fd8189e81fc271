//! Objects as several programs write them, right or with a mistake. Written from the description of the format
//! (`docs/formats/ltx.md`), not with the engine's encoder, but for what walsync itself wrote.

use super::flaw::Flaw;
use super::history::{History, State};
use engine::db::Crc64;
use engine::key::ObjectKey;
use engine::ltx::{Chain, Encoder, HEADER_BYTES, Header, WalSpan};
use engine::types::{Level, LockByte, NodeId, Pgno, Salts, Timestamp, Txid};
use io_sim::random::Random;
use lz4_flex::frame::{BlockMode, BlockSize, FrameEncoder, FrameInfo};
use serde::{Deserialize, Serialize};
use std::io::Write as _;
use std::ops::Range;

/// Who writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Tool {
    /// walsync: its tag, and checksums of the database before and after.
    Walsync,
    /// Litestream since 0.5.7.
    Litestream,
    /// Litestream before: each page is an LZ4 frame.
    OldLitestream,
    /// A tool that keeps the database's checksum where version 1 had it (flags 0).
    Tracking,
}

impl Tool {
    /// All of them.
    pub const ALL: &[Tool] = &[Tool::Walsync, Tool::Litestream, Tool::OldLitestream, Tool::Tracking];
}

/// What an object is made of.
pub struct Content<'a> {
    /// Its name.
    pub key: ObjectKey,
    /// The state that it leads to.
    pub state: &'a State,
    /// The one that it builds on.
    pub before: Option<&'a State>,
    /// Its pages, ascending.
    pub pages: Vec<u32>,
    /// What its header says about time.
    pub time: Timestamp,
    /// Where the lock page is.
    pub lock_byte: LockByte,
    /// The most pages that any state before its own had.
    pub pages_ever: u32,
}

impl<'a> Content<'a> {
    /// What leads to `key`'s last state: every page, or those that were written since the one before its first.
    pub fn of(
        history: &'a History,
        key: ObjectKey,
        image: bool,
        time: Timestamp,
        lock_byte: LockByte,
    ) -> Content<'a> {
        let state = history.state(key.max()).expect("only of states that were");
        let before = Txid::new(key.min().into_inner() - 1).ok().and_then(|txid| history.state(txid));
        let lock = history.lock_page(state);
        let pages = match image {
            true => (1..=state.commit()).filter(|page| *page != lock).collect(),
            false => history.written(key.min(), key.max()).into_iter().collect(),
        };
        let pages_ever = history.pages_before(key.max());
        Content { key, state, before, pages, time, lock_byte, pages_ever }
    }

    /// The object's bytes.
    pub fn write(&self, tool: Tool, flaw: Option<Flaw>, draw: &mut Random) -> Vec<u8> {
        match flaw {
            None if tool == Tool::Walsync => self.write_ours(),
            // litetx knows no other lock page than SQLite's.
            Some(Flaw::Version1 { compressed }) if self.lock_byte == LockByte::SQLITE => {
                self.write_version1(compressed)
            }
            _ => self.write_as(tool, flaw, draw),
        }
    }

    fn header(&self, tool: Tool) -> Header {
        let commit = Pgno::new(self.state.commit()).expect("a database has a page");
        let header = Header::new(self.state.page_size, commit, self.key.range(), self.time);
        match tool {
            Tool::Walsync => header.with_chain(Chain {
                node: NodeId::new(7).expect("not 0"),
                before: self
                    .before
                    .filter(|_| self.key.level() != Level::SNAPSHOT)
                    .map(|state| state.checksum),
                after: self.state.checksum,
                claim: false,
            }),
            Tool::Litestream | Tool::OldLitestream if self.key.level() == Level::L0 => {
                header.with_wal(WalSpan::new(32, 4120, Salts(3, 4)).expect("a legal span"))
            }
            _ => header,
        }
    }

    fn page(&self, number: u32) -> &[u8] {
        self.state.pages.get(number as usize - 1).unwrap_or(&self.state.pages[0])
    }

    fn write_ours(&self) -> Vec<u8> {
        let mut object = Vec::new();
        let mut encoder = Encoder::new(&self.header(Tool::Walsync), self.lock_byte, &mut object);
        for number in &self.pages {
            encoder.push(Pgno::new(*number).expect("from 1 on"), self.page(*number), &mut object);
        }
        encoder.finish(&mut object);
        object
    }

    #[expect(clippy::disallowed_types, reason = "litetx takes a SystemTime; none is read")]
    fn write_version1(&self, compressed: bool) -> Vec<u8> {
        let compression = litetx::HeaderFlags::COMPRESS_LZ4;
        let header = litetx::Header {
            flags: if compressed { compression } else { litetx::HeaderFlags::empty() },
            page_size: self.state.page_size,
            commit: Pgno::new(self.state.commit()).expect("a database has a page"),
            min_txid: self.key.min(),
            max_txid: self.key.max(),
            timestamp: std::time::SystemTime::UNIX_EPOCH
                + std::time::Duration::from_millis(self.time.as_millis() as u64),
            pre_apply_checksum: self.before.map(|state| state.checksum),
        };
        let mut object = Vec::new();
        let mut encoder = litetx::Encoder::new(&mut object, &header).expect("a legal header");
        for number in &self.pages {
            encoder
                .encode_page(Pgno::new(*number).expect("from 1 on"), self.page(*number))
                .expect("to memory");
        }
        encoder.finish(self.state.checksum).expect("to memory");
        object
    }

    fn write_as(&self, tool: Tool, flaw: Option<Flaw>, draw: &mut Random) -> Vec<u8> {
        let mut header = self.header(tool).encode();
        let mut post_apply = 0;
        if tool == Tool::Tracking {
            header[layout::FLAGS].copy_from_slice(&[0; 4]);
            let before = self.before.map_or(0, |state| state.checksum.into_inner());
            header[layout::PRE_APPLY].copy_from_slice(&before.to_be_bytes());
            post_apply = self.state.checksum.into_inner();
        }
        self.spoil_header(&mut header, flaw);
        let mut out = Out { bytes: Vec::new(), crc: Crc64::new() };
        out.put(&header);
        let mut index = Vec::new();
        for (at, number) in self.spoilt_pages(flaw).into_iter().enumerate() {
            let flaw = flaw.filter(|_| at == 0);
            let start = out.bytes.len();
            out.page(number, &self.spoilt_page(number, flaw), frame_of(tool, flaw, draw), flaw);
            index.push((u64::from(number), start as u64, (out.bytes.len() - start) as u64));
        }
        if flaw != Some(Flaw::NoEndOfPages) {
            out.put(&[0; 6]);
        }
        let index = spoilt_index(index, flaw);
        out.put(&index);
        let size = match flaw {
            Some(Flaw::IndexSize) => index.len() as u64 + 1,
            Some(Flaw::IndexSizeHuge) => u64::MAX - 3,
            _ => index.len() as u64,
        };
        out.put(&size.to_be_bytes());
        if flaw == Some(Flaw::PostApply) {
            post_apply = 5;
        }
        out.put(&post_apply.to_be_bytes());
        let checksum = out.crc.checksum().into_inner();
        let checksum = if flaw == Some(Flaw::FileChecksum) { checksum >> 1 } else { checksum };
        out.bytes.extend(checksum.to_be_bytes());
        out.bytes
    }

    fn spoil_header(&self, header: &mut [u8; HEADER_BYTES], flaw: Option<Flaw>) {
        let mut put = |field: Range<usize>, value: u64| {
            let bytes = value.to_be_bytes();
            let from = bytes.len() - field.len();
            header[field].copy_from_slice(&bytes[from..]);
        };
        match flaw {
            Some(Flaw::Magic | Flaw::Version1 { .. }) => put(layout::MAGIC, 1),
            Some(Flaw::Flags) => put(layout::FLAGS, 8),
            Some(Flaw::PageSize) => put(layout::PAGE_SIZE, 4097),
            Some(Flaw::NoPages) => put(layout::COMMIT, 0),
            Some(Flaw::Txids) => put(layout::TXID_MIN, 0),
            Some(Flaw::OtherTxids) => put(layout::TXID_MAX, self.key.max().into_inner() + 1),
            Some(Flaw::PreApply) => put(layout::PRE_APPLY, 5),
            Some(Flaw::WalSpan) => put(layout::WAL_OFFSET, u64::MAX - 7),
            Some(Flaw::NewerTag) => put(layout::TAG, u64::from(u32::from_be_bytes(*b"WS\x02\x00"))),
            Some(Flaw::NoWriter) => {
                put(layout::TAG, u64::from(u32::from_be_bytes(*b"WS\x01\x00")));
                put(layout::NODE_ID, 0);
            }
            _ => {}
        }
    }

    fn spoilt_pages(&self, flaw: Option<Flaw>) -> Vec<u32> {
        let mut pages = self.pages.clone();
        match flaw {
            Some(Flaw::PagesSwapped) => pages.reverse(),
            Some(Flaw::PageBeyondCommit) => pages.push(self.state.commit() + 1),
            Some(Flaw::LockPage) => {
                pages.push(self.lock_byte.pgno(self.state.page_size).into_inner());
                pages.sort_unstable();
            }
            Some(Flaw::PageLeftOut) if self.key.starts_at_one() => {
                pages.remove(pages.len() / 2);
            }
            // Where an earlier state had such a page, another tool's objects do not show that it lacks.
            Some(Flaw::GrowthLeftOut) if !self.key.starts_at_one() => {
                pages.retain(|page| *page <= self.pages_ever)
            }
            _ => {}
        }
        pages
    }

    fn spoilt_page(&self, number: u32, flaw: Option<Flaw>) -> Vec<u8> {
        let page = self.page(number);
        match flaw {
            Some(Flaw::PageTooShort) => page[1..].to_vec(),
            Some(Flaw::PageTooLong) => [page, &[1]].concat(),
            _ => page.to_vec(),
        }
    }
}

/// An object so far.
struct Out {
    bytes: Vec<u8>,
    crc: Crc64,
}

impl Out {
    /// Bytes that count as they are.
    fn put(&mut self, bytes: &[u8]) {
        self.crc.update(bytes);
        self.bytes.extend_from_slice(bytes);
    }

    fn page(&mut self, number: u32, page: &[u8], frame: Option<FrameInfo>, flaw: Option<Flaw>) {
        let number = if flaw == Some(Flaw::PageZero) { 0 } else { number };
        let flags = match (flaw, &frame) {
            (Some(Flaw::PageFlags), _) => 7_u16,
            (Some(Flaw::PageZero), _) | (_, None) => 1,
            (_, Some(_)) => 0,
        };
        self.put(&[&number.to_be_bytes()[..], &flags.to_be_bytes()].concat());
        match frame {
            None => {
                let block = lz4_flex::block::compress(page);
                let size = block.len() as u32 + u32::from(flaw == Some(Flaw::BlockSize));
                self.put(&size.to_be_bytes());
                // A page counts as it is, not as it lies here.
                self.crc.update(page);
                self.bytes.extend(block);
            }
            Some(info) => {
                self.crc.update(page);
                let mut encoder = FrameEncoder::with_frame_info(info, Vec::new());
                encoder.write_all(page).expect("to memory");
                let mut frame = encoder.finish().expect("to memory");
                match flaw {
                    Some(Flaw::FrameWithDictionary) => frame[4] |= 1,
                    Some(Flaw::FrameWithoutEnd) => frame.truncate(frame.len() - 4),
                    Some(Flaw::BlockSize) => frame[7] ^= 0x70,
                    _ => {}
                }
                self.bytes.extend(frame);
            }
        }
    }
}

/// How a tool packs pages: `None` is a block.
fn frame_of(tool: Tool, flaw: Option<Flaw>, draw: &mut Random) -> Option<FrameInfo> {
    let needs_frame = matches!(flaw, Some(Flaw::FrameWithDictionary | Flaw::FrameWithoutEnd));
    if tool != Tool::OldLitestream && !needs_frame {
        return None;
    }
    let linked = draw.ppm(HALF);
    let info = FrameInfo::new()
        .block_size(if draw.ppm(HALF) { BlockSize::Max64KB } else { BlockSize::Max4MB })
        .block_mode(if linked { BlockMode::Linked } else { BlockMode::Independent })
        .block_checksums(draw.ppm(HALF))
        .content_checksum(draw.ppm(HALF));
    Some(info)
}

fn spoilt_index(mut entries: Vec<(u64, u64, u64)>, flaw: Option<Flaw>) -> Vec<u8> {
    match flaw {
        Some(Flaw::IndexOffset) => entries.iter_mut().for_each(|entry| entry.1 += 1),
        Some(Flaw::IndexLength) => entries.iter_mut().for_each(|entry| entry.2 += 1),
        Some(Flaw::IndexSwapped) => entries.reverse(),
        Some(Flaw::IndexHuge) => entries.iter_mut().for_each(|entry| entry.1 = u64::MAX - 2),
        _ => {}
    }
    let mut index: Vec<u8> =
        entries.iter().flat_map(|(page, at, length)| [page, at, length]).flat_map(uvarint).collect();
    match flaw {
        Some(Flaw::IndexCutOff) => {
            index.pop();
        }
        // A number may be written in more bytes than it needs, but nobody does.
        Some(Flaw::IndexLongForm) => index.extend([0x80, 0]),
        _ => {}
    }
    if !matches!(flaw, Some(Flaw::IndexNoEnd | Flaw::IndexLongForm)) {
        index.push(0);
    }
    index
}

fn uvarint(number: &u64) -> Vec<u8> {
    let (mut rest, mut bytes) = (*number, Vec::new());
    while rest >= 0x80 {
        bytes.push(rest as u8 | 0x80);
        rest >>= 7;
    }
    bytes.push(rest as u8);
    bytes
}

const HALF: u32 = 500_000;

/// Where fields of the header lie, by the description of the format.
mod layout {
    use super::Range;

    pub(super) const MAGIC: Range<usize> = 0..4;
    pub(super) const FLAGS: Range<usize> = 4..8;
    pub(super) const PAGE_SIZE: Range<usize> = 8..12;
    pub(super) const COMMIT: Range<usize> = 12..16;
    pub(super) const TXID_MIN: Range<usize> = 16..24;
    pub(super) const TXID_MAX: Range<usize> = 24..32;
    pub(super) const PRE_APPLY: Range<usize> = 40..48;
    pub(super) const WAL_OFFSET: Range<usize> = 48..56;
    pub(super) const NODE_ID: Range<usize> = 72..80;
    pub(super) const TAG: Range<usize> = 96..100;
}
