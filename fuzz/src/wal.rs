//! The write-ahead log and SQLite's index of it.

use crate::input::Input;
use bytes::Bytes;
use engine::types::{LockByte, PageSize, Pgno, Salts};
use engine::wal::{
    ByteOrder, CommittedEnd, Scanned, Scanner, Stop, Tail, WalHeader, WalIndexHeader, WalWriter,
};

/// A log as it lies in a file: the header, then frames until the chain breaks. The first byte says how short
/// the reads are.
pub fn wal_header_and_scanner(data: &[u8]) {
    let Some((short, log)) = data.split_first() else { return };
    let Ok(header) = WalHeader::decode(log) else { return };
    assert_eq!(header.encode(), log[..32], "encode(decode(x)) = x");
    let (_, stop) = scan(&header, log, usize::from(*short));
    assert_ne!(stop, Some(Stop::Bound), "the bound is beyond every log");
}

/// A log that a writer made of the input: all of it comes back.
pub fn wal_of_a_writer(data: &[u8]) {
    let mut input = Input(data);
    let choice = input.byte();
    let order = if choice & 1 == 0 { ByteOrder::Little } else { ByteOrder::Big };
    let page_size = PageSize::new(512 << (choice >> 1 & 1)).expect("512 or 1024");
    let short = usize::from(input.byte());
    let header = WalHeader::new(order, page_size, u32::from(choice), Salts(1, u32::from(input.byte())));
    let mut writer = WalWriter::new(header);
    let mut log = header.encode().to_vec();
    let (mut frames, mut pages, mut committed) = (0, 0, 0);
    while !input.is_empty() && frames < FRAMES_MAX {
        let page = vec![input.byte(); page_size.into_inner() as usize];
        let pgno = Pgno::new(u32::from(input.byte()) + 1).expect("above 0");
        let commit = Some(u32::from(input.byte())).filter(|size| *size > 0 && size.is_multiple_of(3));
        writer.append(pgno, commit, &page, &mut log);
        frames += 1;
        if let Some(size) = commit {
            (pages, committed) = (size, frames);
        }
    }
    let (tail, stop) = scan(&header, &log, short);
    assert_eq!(stop, None, "every frame continues the chain");
    assert_eq!(tail.position().frames, committed, "every transaction comes back");
    assert!(tail.pages().all(|(pgno, _)| pgno.into_inner() <= pages), "no page past the end");
    let index = WalIndexHeader::of(&writer, pages);
    if committed == frames && frames > 0 {
        let end = CommittedEnd::from_snapshot(&index.encode()).expect("what a writer says is legal");
        let reached = tail.end().expect("a commit");
        assert_eq!((reached.position, reached.pages), (end.position(), end.pages()));
    }
}

/// What SQLite keeps in shared memory, and in a snapshot handle.
pub fn wal_index_header(data: &[u8]) {
    if let Ok(end) = CommittedEnd::from_snapshot(data) {
        assert!(end.frames() == 0 || end.page_size().is_some());
    }
}

/// Reads a log to its end with reads that may be shorter than asked for.
fn scan(header: &WalHeader, log: &[u8], short: usize) -> (Tail<Bytes>, Option<Stop>) {
    let mut scanner = Scanner::new(header, header.start(), u32::MAX).expect("its own start");
    let mut tail = Tail::new(header.start(), LockByte::SQLITE.pgno(header.page_size()));
    let step = if short == 0 { usize::MAX } else { short * 7 };
    while let Some(wanted) = scanner.next_read() {
        assert!(wanted.bytes <= Scanner::READ_BYTES_MAX);
        let start = usize::try_from(wanted.offset).unwrap_or(usize::MAX).min(log.len());
        let end = start.saturating_add(wanted.bytes.min(step)).min(log.len());
        if start == end {
            break;
        }
        scanner.push(Bytes::copy_from_slice(&log[start..end]));
        loop {
            match scanner.next_frame() {
                Scanned::Frame(frame) => {
                    assert_eq!(frame.page.len(), header.page_size().into_inner() as usize);
                    tail.push(frame);
                }
                Scanned::NeedBytes => break,
                Scanned::Stopped(stop) => return (tail, Some(stop)),
            }
        }
    }
    (tail, None)
}

const FRAMES_MAX: u32 = 200;
