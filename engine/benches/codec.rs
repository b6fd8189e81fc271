//! How fast one core makes and reads objects: `cargo bench -p engine --bench codec`.
//!
//! Pages are made up, but shaped like a table's: a cell pointer array, free space, and rows of words, numbers and
//! random keys. Of each measurement the best of several rounds counts; the yardstick is raw LZ4 of the same pages.
#![allow(clippy::disallowed_types, reason = "a benchmark measures time")]
#![allow(clippy::print_stdout, reason = "its output")]

use engine::db::page_checksum;
use engine::ltx::{Decoder, Encoder, Header, Item};
use engine::types::{LockByte, PageSize, Pgno, Timestamp, Txid, TxidRange};
use lz4_flex::block::{CompressTable, compress_into_with_table, decompress_into, get_maximum_output_size};
use std::hint::black_box;
use std::time::{Duration, Instant};

const BYTES: usize = 16 << 20;
const ROUNDS: u32 = 25;

fn main() {
    println!("{} MiB of pages, best of {ROUNDS} rounds, one core", BYTES >> 20);
    for page_size in [512, 4096, 65536] {
        measure_page_size(page_size);
    }
}

fn measure_page_size(page_size: usize) {
    let pages = pages(page_size);
    let numbered = || pages.chunks_exact(page_size).zip(1..).map(|(page, n)| (pgno(n), page));
    let header = header(page_size, pages.len() / page_size);
    let encode = |object: &mut Vec<u8>| {
        object.clear();
        let mut encoder = Encoder::new(&header, LockByte::SQLITE, object);
        for (pgno, page) in numbered() {
            encoder.push(pgno, page, object);
        }
        black_box(encoder.finish(object));
    };
    let small = page_size < usize::from(u16::MAX);
    let mut table = if small { CompressTable::small() } else { CompressTable::large() };
    let mut block = vec![0; get_maximum_output_size(page_size)];
    let mut compress = |page: &[u8]| {
        let length = compress_into_with_table(page, &mut block, &mut table).expect("large enough");
        block[..length].to_vec()
    };
    let blocks: Vec<Vec<u8>> = numbered().map(|(_, page)| compress(page)).collect();
    let mut object = Vec::new();
    encode(&mut object);

    let (mut copy, mut page, mut out) = (vec![0; pages.len()], vec![0; page_size], object.clone());
    let mut work = [
        Measurement::new("LZ4 compress", Yardstick::Compress, || {
            for (_, page) in numbered() {
                black_box(compress_into_with_table(page, &mut block, &mut table).expect("large enough"));
            }
        }),
        Measurement::new("LZ4 decompress", Yardstick::Decompress, || {
            for block in &blocks {
                black_box(decompress_into(block, &mut page).expect("a legal block"));
            }
        }),
        Measurement::new("memcpy", Yardstick::Compress, || {
            copy.copy_from_slice(black_box(&pages));
            black_box(&mut copy);
        }),
        Measurement::new("page checksums", Yardstick::Compress, || {
            for (pgno, page) in numbered() {
                black_box(page_checksum(pgno, page));
            }
        }),
        Measurement::new("LTX encode", Yardstick::Compress, || encode(&mut out)),
        Measurement::new("LTX decode", Yardstick::Decompress, || read(&object, object.len())),
        Measurement::new("LTX decode, 16 KiB pieces", Yardstick::Decompress, || read(&object, 16 << 10)),
    ];
    // Round after round, so that a busy moment of the machine hits all alike.
    for _ in 0..ROUNDS {
        for measurement in &mut work {
            let start = Instant::now();
            (measurement.work)();
            measurement.best = measurement.best.min(start.elapsed());
        }
    }

    println!("\npage size {page_size}, compressed to {:.0} %", 100.0 * object.len() as f64 / BYTES as f64);
    println!("{:<28} {:>8} {:>20}", "", "GB/s", "time relative to LZ4");
    for Measurement { name, yardstick, best, .. } in &work {
        let seconds = best.as_secs_f64();
        let ratio = seconds / work[*yardstick as usize].best.as_secs_f64();
        println!("{name:<28} {:>8.2} {ratio:>20.2}", BYTES as f64 / seconds / 1e9);
    }
}

struct Measurement<'a> {
    name: &'static str,
    yardstick: Yardstick,
    work: Box<dyn FnMut() + 'a>,
    best: Duration,
}

impl<'a> Measurement<'a> {
    fn new(name: &'static str, yardstick: Yardstick, work: impl FnMut() + 'a) -> Measurement<'a> {
        Measurement { name, yardstick, work: Box::new(work), best: Duration::MAX }
    }
}

/// What a measurement is compared with: the first two.
#[derive(Clone, Copy)]
enum Yardstick {
    Compress = 0,
    Decompress = 1,
}

fn read(object: &[u8], piece_bytes: usize) {
    let mut decoder = Decoder::new(LockByte::SQLITE);
    for mut piece in object.chunks(piece_bytes) {
        while let Some(item) = decoder.read(&mut piece).expect("a legal object") {
            if let Item::Page { page, .. } = item {
                black_box(page);
            }
        }
    }
    black_box(decoder.finish().expect("a whole object"));
}

fn pgno(n: u32) -> Pgno {
    Pgno::new(n).expect("from 1 on")
}

fn header(page_size: usize, page_count: usize) -> Header {
    let page_size = PageSize::new(u32::try_from(page_size).expect("small")).expect("a power of two");
    let commit = pgno(u32::try_from(page_count).expect("small"));
    Header::new(page_size, commit, TxidRange::single(Txid::ONE), Timestamp::default())
}

/// Leaf pages of a table, filled from the end to about 90 %.
fn pages(page_size: usize) -> Vec<u8> {
    const WORDS: [&str; 12] = [
        "pending",
        "shipped",
        "customer",
        "address",
        "2026-03-14",
        "EUR",
        "Hamburg",
        "invoice",
        "note: ",
        "null",
        "https://example.com/item/",
        "{\"qty\":",
    ];
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut random = move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state
    };
    let mut pages = vec![0; BYTES];
    for page in pages.chunks_exact_mut(page_size) {
        let (mut cells, mut end) = (0, page_size);
        let mut row = Vec::new();
        loop {
            row.clear();
            row.extend_from_slice(&random().to_be_bytes()[..5]);
            row.extend_from_slice(format!("{:012x}", random() >> 16).as_bytes());
            for _ in 0..5 + random() % 6 {
                row.extend_from_slice(WORDS[(random() % 12) as usize].as_bytes());
                row.extend_from_slice((random() % 100_000).to_string().as_bytes());
            }
            if end < row.len() + 8 + 2 * (cells + 1) + page_size / 10 {
                break;
            }
            end -= row.len();
            page[end..end + row.len()].copy_from_slice(&row);
            let pointer = (end as u16).to_be_bytes();
            page[8 + 2 * cells..10 + 2 * cells].copy_from_slice(&pointer);
            cells += 1;
        }
        page[0] = 0x0d;
        page[3..5].copy_from_slice(&(cells as u16).to_be_bytes());
    }
    pages
}
