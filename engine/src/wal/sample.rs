//! Small logs for the tests of this module.

use super::{ByteOrder, Frame, Scanned, Scanner, Stop, WalHeader, WalWriter};
use crate::types::{PageSize, Pgno, Salts};
use bytes::Bytes;
use proptest::prelude::*;

/// A log of 512-byte pages, and what was written to it.
#[derive(Clone, Debug)]
pub(super) struct Log {
    pub(super) header: WalHeader,
    pub(super) bytes: Vec<u8>,
    /// Page number and commit field of each frame.
    pub(super) frames: Vec<(u32, Option<u32>)>,
}

pub(super) const PAGE: usize = 512;
pub(super) const FRAME: usize = 24 + PAGE;

pub(super) fn pgno(number: u32) -> Pgno {
    Pgno::new(number).unwrap()
}

/// Far above the pages of every sample.
pub(super) fn lock_page() -> Pgno {
    pgno(2_097_153)
}

impl Log {
    pub(super) fn new(order: ByteOrder, frames: &[(u32, Option<u32>)]) -> Log {
        let header =
            WalHeader::new(order, PageSize::new(PAGE as u32).unwrap(), 5, Salts(0x1234, 0xfedc_ba98));
        let mut writer = WalWriter::new(header);
        let mut bytes = header.encode().to_vec();
        for (index, (number, commit)) in frames.iter().enumerate() {
            writer.append(pgno(*number), *commit, &content(index), &mut bytes);
        }
        Log { header, bytes, frames: frames.to_vec() }
    }

    /// The last commit frame among the first `frames`, as a count.
    pub(super) fn committed(&self, frames: usize) -> usize {
        self.frames[..frames].iter().rposition(|(_, commit)| commit.is_some()).map_or(0, |last| last + 1)
    }
}

/// The page of the frame at `index`: differs from every other.
pub(super) fn content(index: usize) -> [u8; PAGE] {
    let mut page = [index as u8; PAGE];
    page[..8].copy_from_slice(&(index as u64).to_be_bytes());
    page
}

/// Logs of up to 40 frames over 12 pages; the size jumps up and down.
pub(super) fn log() -> impl Strategy<Value = Log> {
    let commit = prop_oneof![2 => Just(None), 1 => (1u32..=12).prop_map(Some)];
    let order = prop_oneof![Just(ByteOrder::Little), Just(ByteOrder::Big)];
    (order, proptest::collection::vec((1u32..=12, commit), 0..40))
        .prop_map(|(order, frames)| Log::new(order, &frames))
}

/// Scans `bytes` (the header included) in pieces that end at `cuts`.
pub(super) fn scan(header: &WalHeader, bytes: &[u8], cuts: &[usize]) -> (Vec<Frame>, Option<Stop>, Scanner) {
    let mut scanner = Scanner::new(header, header.start(), u32::MAX).unwrap();
    let mut frames = Vec::new();
    let mut at = 32.min(bytes.len());
    let mut cuts: Vec<usize> = cuts.iter().copied().filter(|cut| *cut > at && *cut < bytes.len()).collect();
    cuts.sort_unstable();
    cuts.push(bytes.len());
    for cut in cuts {
        if let Some(wanted) = scanner.next_read() {
            assert_eq!(wanted.offset, at as u64);
        }
        scanner.push(Bytes::copy_from_slice(&bytes[at..cut]));
        at = cut;
        loop {
            match scanner.next_frame() {
                Scanned::Frame(frame) => frames.push(frame),
                Scanned::NeedBytes => break,
                Scanned::Stopped(stop) => return (frames, Some(stop), scanner),
            }
        }
    }
    (frames, None, scanner)
}
