//! How fast a log is read, on one core: `cargo bench -p engine --bench wal`.
//!
//! The goal is 1 GB/s for scanning with checksums and grouping; copying memory is printed beside it as the
//! measure of the machine. Best of several runs, because the machine may be shared.
#![allow(clippy::disallowed_types, reason = "a benchmark measures time")]

use bytes::Bytes;
use engine::types::{FrameChecksum, LockByte, PageSize, Pgno, Salts};
use engine::wal::{ByteOrder, Scanned, Scanner, Tail, WalHeader, WalWriter, checksum};
use std::hint::black_box;
use std::time::Instant;

const LOG_BYTES: usize = 64 << 20;
const RUNS: usize = 7;
/// Pages of the database that the log is about: each has several frames.
const PAGES: u32 = 4096;
const TRANSACTION_FRAMES: u32 = 20;

fn main() {
    let log = log(PageSize::new(4096).expect("legal"), ByteOrder::Little);
    let mut copy = vec![0; log.len()];
    measure("memcpy", log.len(), || copy.copy_from_slice(black_box(&log)));
    for order in [ByteOrder::Little, ByteOrder::Big] {
        let whole = log.len() / 8 * 8;
        measure(&format!("checksum, {order:?}"), whole, || {
            black_box(checksum::extend(order, FrameChecksum::default(), black_box(&log[..whole])));
        });
    }
    for shift in 9..=16 {
        let page_size = PageSize::new(1 << shift).expect("legal");
        let log = self::log(page_size, ByteOrder::NATIVE);
        measure(&format!("scan, pages of {page_size}"), log.len(), || {
            black_box(scan(&log, |_| {}));
        });
        measure(&format!("scan and group, pages of {page_size}"), log.len(), || {
            let header = WalHeader::decode(&log).expect("our own");
            let mut tail = Tail::new(header.start(), LockByte::SQLITE.pgno(page_size));
            scan(&log, |frame| {
                tail.push(frame);
            });
            black_box(tail.into_pages().count());
        });
    }
    let big = self::log(PageSize::new(4096).expect("legal"), ByteOrder::NATIVE.other());
    measure("scan, pages of 4096, foreign byte order", big.len(), || {
        black_box(scan(&big, |_| {}));
    });
}

/// Reads the log as the driver does: each chunk is copied out of it first.
fn scan(log: &[u8], mut take: impl FnMut(engine::wal::Frame)) -> u32 {
    let header = WalHeader::decode(log).expect("our own");
    let frames = (log.len() - 32) / header.frame_bytes();
    let mut scanner = Scanner::new(&header, header.start(), frames as u32).expect("our own");
    while let Some(wanted) = scanner.next_read() {
        let from = wanted.offset as usize;
        scanner.push(Bytes::copy_from_slice(&log[from..from + wanted.bytes]));
        while let Scanned::Frame(frame) = scanner.next_frame() {
            take(frame);
        }
    }
    assert_eq!(scanner.position().frames as usize, frames);
    scanner.position().frames
}

/// A log of transactions over pages in a scattered order.
fn log(page_size: PageSize, order: ByteOrder) -> Vec<u8> {
    let header = WalHeader::new(order, page_size, 0, Salts(1, 2));
    let mut writer = WalWriter::new(header);
    let mut log = Vec::with_capacity(LOG_BYTES + header.frame_bytes());
    log.extend_from_slice(&header.encode());
    let mut page = vec![0; page_size.into_inner() as usize];
    let mut seed = 1u64;
    while log.len() < LOG_BYTES {
        for byte in &mut page[..64] {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            *byte = (seed >> 56) as u8;
        }
        let pgno = Pgno::new((seed >> 33) as u32 % PAGES + 1).expect("at least 1");
        let last = (writer.position().frames + 1).is_multiple_of(TRANSACTION_FRAMES);
        writer.append(pgno, last.then_some(PAGES), &page, &mut log);
    }
    log
}

fn measure(name: &str, bytes: usize, mut run: impl FnMut()) {
    let best = (0..RUNS)
        .map(|_| {
            let start = Instant::now();
            run();
            start.elapsed()
        })
        .min()
        .expect("several runs");
    println!("{name:45} {:6.2} GB/s", bytes as f64 / best.as_secs_f64() / 1e9);
}
