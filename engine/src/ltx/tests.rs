//! What all tests of the codec need: objects to write and to read.

mod codec;
mod damage;
mod document;
mod legacy;
mod litefs;
mod ranged;

use super::*;
use crate::types::{Checksum, LockByte, NodeId, PageSize, Pgno, Salts, Timestamp, Txid, TxidRange};
use proptest::prelude::*;

type Pages = Vec<(Pgno, Vec<u8>)>;

fn pgno(n: u32) -> Pgno {
    Pgno::new(n).unwrap()
}

fn page_size(bytes: u32) -> PageSize {
    PageSize::new(bytes).unwrap()
}

fn txids(min: u64, max: u64) -> TxidRange {
    TxidRange::new(Txid::new(min).unwrap(), Txid::new(max).unwrap()).unwrap()
}

/// A level-0 header with every field in use.
fn header(bytes: u32, commit: u32, min: u64, max: u64) -> Header {
    Header::new(page_size(bytes), pgno(commit), txids(min, max), Timestamp::from_millis(1_795_225_303_663))
        .with_wal(WalSpan::new(32, 4120, Salts(0x0102_0304, 0xfffe_fdfc)).unwrap())
        .with_chain(Chain {
            node: NodeId::new(0x1122_3344_5566_7788).unwrap(),
            before: Some(Checksum::new(0x1234)),
            after: Checksum::new(0x5678),
            claim: true,
        })
}

/// Half text, half noise, as pages of databases are.
fn page(bytes: u32, seed: u32) -> Vec<u8> {
    let noise =
        |i: u32| (i.wrapping_mul(2_654_435_761).wrapping_add(seed).wrapping_mul(0x9e37_79b1) >> 23) as u8;
    let text = |i: u32| b"INSERT INTO log VALUES"[(i + seed) as usize % 22];
    (0..bytes).map(|i| if i % 64 < 32 { text(i) } else { noise(i) }).collect()
}

fn encode(header: &Header, lock_byte: LockByte, pages: &Pages) -> Vec<u8> {
    let mut object = Vec::new();
    let mut encoder = Encoder::new(header, lock_byte, &mut object);
    for (pgno, page) in pages {
        encoder.push(*pgno, page, &mut object);
        assert_eq!(encoder.size_bytes(), object.len() as u64);
    }
    let finished = encoder.finish(&mut object);
    assert_eq!(finished.size_bytes, object.len() as u64);
    assert_eq!(finished.page_count as usize, pages.len());
    assert_eq!(object[object.len() - 8..], finished.file_checksum.into_inner().to_be_bytes());
    object
}

/// Feeds pieces and collects everything.
fn decode<'a>(
    pieces: impl IntoIterator<Item = &'a [u8]>,
    lock_byte: LockByte,
) -> Result<(Header, Pages, Trailer), DecodeError> {
    let mut decoder = Decoder::new(lock_byte);
    let (mut header, mut pages, mut end) = (None, Vec::new(), None);
    for mut piece in pieces {
        while let Some(item) = decoder.read(&mut piece)? {
            assert!(end.is_none(), "the end is last");
            match item {
                Item::Header(first) => assert_eq!(header.replace(first), None, "one header"),
                Item::Page { pgno, page } => pages.push((pgno, page.to_vec())),
                Item::End(trailer) => end = Some(trailer),
            }
        }
        assert!(piece.is_empty(), "all of a piece is taken");
    }
    let trailer = decoder.finish()?;
    assert_eq!(end, Some(trailer));
    Ok((header.unwrap(), pages, trailer))
}

/// A legal object's header, lock byte and pages, at any page size.
fn any_object() -> impl Strategy<Value = (Header, LockByte, Pages)> {
    let chain = (1..=u64::MAX, prop::option::of(any::<u64>()), any::<u64>(), any::<bool>()).prop_map(
        |(node, before, after, claim)| Chain {
            node: NodeId::new(node).unwrap(),
            before: before.map(Checksum::new),
            after: Checksum::new(after),
            claim,
        },
    );
    let wal = (1..=u64::MAX >> 2, 0..=u64::MAX >> 2, any::<(u32, u32)>())
        .prop_map(|(offset, size, (a, b))| WalSpan::new(offset, size, Salts(a, b)).unwrap());
    let numbers = (9..=16_u32, 1..24_u32, 1..5_u64, 0..5_u64, any::<i64>(), any::<u32>(), any::<u32>());
    (numbers, prop::option::of(wal), prop::option::of(chain)).prop_map(
        |((shift, commit, min, more, timestamp, seed, mask), wal, chain)| {
            let bytes = 1 << shift;
            let mut header = Header::new(
                page_size(bytes),
                pgno(commit),
                txids(min, min + more),
                Timestamp::from_millis(timestamp),
            );
            header = wal.into_iter().fold(header, Header::with_wal);
            header = chain.into_iter().fold(header, Header::with_chain);
            // Low enough that databases of small pages grow across it: page 2 of 64 KiB pages, page 129 of 512.
            let lock_byte = if seed % 2 == 0 { LockByte::moved(65536) } else { LockByte::SQLITE };
            let lock_page = lock_byte.pgno(header.page_size());
            let here = |n: &u32| header.is_snapshot() || mask >> n & 1 == 1;
            let pages = (1..=commit).filter(|n| here(n) && pgno(*n) != lock_page);
            let pages = pages.map(|n| (pgno(n), page(bytes, seed ^ n))).collect();
            (header, lock_byte, pages)
        },
    )
}
