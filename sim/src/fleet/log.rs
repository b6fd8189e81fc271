//! The write-ahead log of a synthetic database: bytes of the engine's own writer, which SQLite reads
//! (`tests/tests/wal_against_sqlite.rs`), and beside them which frame holds which content.

use super::page::{self, Version};
use bytes::Bytes;
use engine::types::{FrameChecksum, PageSize, Salts, WalPosition};
use engine::wal::{ByteOrder, FrameNo, Scanned, Scanner, WalHeader, WalWriter};
use io_sim::random::Random;

/// A log, perhaps never written.
#[derive(Clone, Debug)]
pub struct Log {
    page_size: PageSize,
    /// The file's bytes; behind the newest frames lie those of earlier generations.
    bytes: Vec<u8>,
    /// `None`: nobody has written to it.
    writer: Option<WalWriter>,
    frames: Vec<Frame>,
    /// Frames that a power cut cannot take.
    synced: usize,
}

/// A committed frame.
#[derive(Clone, Copy, Debug)]
pub struct Frame {
    /// Which page.
    pub pgno: u32,
    /// Its content.
    pub version: Version,
    /// Pages of the database, in the last frame of a transaction.
    pub commit: Option<u32>,
    checksum: FrameChecksum,
}

impl Log {
    /// Nothing yet.
    pub fn new(page_size: PageSize) -> Log {
        Log { page_size, bytes: Vec::new(), writer: None, frames: Vec::new(), synced: 0 }
    }

    /// Committed frames, oldest first.
    pub fn frames(&self) -> &[Frame] {
        &self.frames
    }

    /// Bytes of the file.
    pub fn file_bytes(&self) -> u64 {
        self.bytes.len() as u64
    }

    /// Bytes up to the end of what is committed.
    pub fn committed_bytes(&self) -> u64 {
        let next = u32::try_from(self.frames.len() + 1).ok().and_then(FrameNo::new);
        next.expect("a log has fewer than 2^32 frames").offset(self.page_size)
    }

    /// The first frames; at 0 the start of the generation.
    pub fn position(&self, frames: usize) -> WalPosition {
        let Some(writer) = &self.writer else { return WalPosition::default() };
        let start = writer.header().start();
        match frames.checked_sub(1) {
            None => start,
            Some(last) => WalPosition {
                frames: u32::try_from(frames).expect("a log has fewer than 2^32 frames"),
                checksum: self.frames[last].checksum,
                ..start
            },
        }
    }

    /// The committed end.
    pub fn end(&self) -> WalPosition {
        self.position(self.frames.len())
    }

    /// Appends a transaction that leaves `size` pages; `rolled_back`: and behind it frames that were never committed.
    pub fn append(
        &mut self,
        database: u64,
        pages: &[(u32, Version)],
        size: u32,
        rolled_back: bool,
        draw: &mut Random,
    ) {
        assert!(!pages.is_empty(), "a transaction writes a page");
        if self.writer.is_none() {
            let salts = Salts(draw.next_u64() as u32 | 1, draw.next_u64() as u32);
            // Now and then the log came with the database from a machine of the other byte order, where SQLite goes on in it.
            let order = if salts.1.is_multiple_of(8) { ByteOrder::NATIVE.other() } else { ByteOrder::NATIVE };
            let header = WalHeader::new(order, self.page_size, 0, salts);
            self.overwrite(0, &header.encode());
            self.writer = Some(WalWriter::new(header));
        }
        let writer = self.writer.as_mut().expect("made above");
        let offset = writer.next_offset();
        let page_bytes = self.page_size.into_inner() as usize;
        let (mut out, mut buffer) =
            (Vec::with_capacity(pages.len() * (page_bytes + 24)), vec![0; page_bytes]);
        for (i, (pgno, version)) in pages.iter().copied().enumerate() {
            buffer.fill(0);
            page::write(database, pgno, version, &mut buffer);
            let commit = (i + 1 == pages.len()).then_some(size);
            writer.append(page::number(pgno), commit, &buffer, &mut out);
            self.frames.push(Frame { pgno, version, commit, checksum: writer.position().checksum });
        }
        if rolled_back {
            let committed = writer.position();
            writer.append(page::number(1), None, &buffer, &mut out);
            writer.rewind(committed);
        }
        self.overwrite(offset, &out);
    }

    /// The next generation, over the old one.
    pub fn restart(&mut self, draw: &mut Random) {
        let Some(writer) = &mut self.writer else { return };
        let header = writer.restart(draw.next_u64() as u32).encode();
        self.overwrite(0, &header);
        self.frames.clear();
        self.synced = 0;
    }

    /// The next generation, in an empty file.
    pub fn truncate(&mut self, draw: &mut Random) {
        self.restart(draw);
        self.bytes.clear();
    }

    /// Makes all of it safe from power cuts.
    pub fn sync(&mut self) {
        self.synced = self.frames.len();
    }

    /// A power cut takes unsynced frames, each for itself, and SQLite recovers what still is a chain of commits.
    /// How many frames are gone.
    pub fn lose_power(&mut self, draw: &mut Random) -> usize {
        let before = self.frames.len();
        if self.writer.is_none() {
            return 0;
        }
        let lost = draw.range(self.synced as u64, before as u64);
        let lost = usize::try_from(lost).expect("an index");
        // Later frames may have survived an earlier one's loss.
        let at = 32 + lost * (self.page_size.into_inner() as usize + 24);
        if let Some(byte) = self.bytes.get_mut(at + 30) {
            *byte ^= 0x55;
        }
        let kept = self.frames[..lost].iter().rposition(|f| f.commit.is_some()).map_or(0, |last| last + 1);
        self.frames.truncate(kept);
        let position = self.position(kept);
        self.writer.as_mut().expect("as above").rewind(position);
        if kept == 0 {
            // A header without a frame is begun anew by whoever opens it.
            *self = Log::new(self.page_size);
        }
        self.sync();
        before - kept
    }

    /// The frames after `from`, up to the committed end, read in pieces.
    pub fn scan(&self, from: WalPosition) -> Option<Reading<'_>> {
        let header = self.writer.as_ref()?.header();
        let last = u32::try_from(self.frames.len()).expect("as in `position`");
        let scanner = Scanner::new(header, from, last).expect("a position of this generation");
        // One read of all there is, or many that end anywhere.
        let piece_bytes = if header.salts().1.is_multiple_of(3) { 700 } else { Scanner::READ_BYTES_MAX };
        Some(Reading { scanner, log: &self.bytes, piece_bytes })
    }

    fn overwrite(&mut self, offset: u64, bytes: &[u8]) {
        let at = usize::try_from(offset).expect("in memory");
        self.bytes.resize(self.bytes.len().max(at + bytes.len()), 0);
        self.bytes[at..at + bytes.len()].copy_from_slice(bytes);
    }
}

/// A log that is read.
pub struct Reading<'a> {
    scanner: Scanner,
    log: &'a [u8],
    piece_bytes: usize,
}

impl Reading<'_> {
    /// The next committed frame; `None` at the end.
    pub fn next_frame(&mut self) -> Option<engine::wal::Frame> {
        loop {
            match self.scanner.next_frame() {
                Scanned::Frame(frame) => return Some(frame),
                Scanned::Stopped(_) => return None,
                Scanned::NeedBytes => {
                    let wanted = self.scanner.next_read()?;
                    let from = usize::try_from(wanted.offset).expect("in memory");
                    let to = (from + wanted.bytes.min(self.piece_bytes)).min(self.log.len());
                    self.scanner.push(Bytes::copy_from_slice(&self.log[from..to]));
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use io_sim::random::Stream;

    fn committed(scanner: &mut Scanner) -> usize {
        let mut committed = 0;
        while let Scanned::Frame(frame) = scanner.next_frame() {
            if frame.commit.is_some() {
                committed = frame.number.get() as usize;
            }
        }
        committed
    }

    #[test]
    fn bytes_hold_the_frames_that_are_said_to_be_there_also_after_a_power_cut() {
        for seed in 0..50 {
            let mut draw = Random::new(seed, Stream::Fleet);
            let mut log = Log::new(PageSize::new(512).unwrap());
            for version in 1..8 {
                let pages: Vec<(u32, Version)> = (1..=1 + version as u32 % 3).map(|n| (n, version)).collect();
                log.append(9, &pages, 3, seed % 2 == 0, &mut draw);
                if version == seed % 8 {
                    log.sync();
                }
            }
            let before = log.clone();
            let gone = log.lose_power(&mut draw);
            assert_eq!(log.frames().len(), before.frames().len() - gone);
            assert!(log.frames().len() >= before.synced, "what was synced stays");
            let Some(header) = log.writer.as_ref().map(|w| *w.header()) else { continue };
            let mut all = Scanner::new(&header, header.start(), u32::MAX).unwrap();
            all.push(Bytes::copy_from_slice(&log.bytes[32..]));
            assert_eq!(committed(&mut all), log.frames().len(), "SQLite's recovery finds the same end");
            log.append(9, &[(1, 99)], 3, false, &mut draw);
            let mut tail = log.scan(log.position(0)).unwrap();
            let read = std::iter::from_fn(|| tail.next_frame()).filter(|frame| frame.commit.is_some());
            assert_eq!(read.map(|frame| frame.number.get() as usize).last(), Some(log.frames().len()));
        }
    }
}
