//! Version 1 files, as litetx writes them.
#![allow(clippy::disallowed_types, reason = "litetx takes a SystemTime; none is read")]

use super::*;
use crate::db::{NO_PAGES, page_checksum};
use std::time::{Duration, SystemTime};

fn version1(compressed: bool, min: u64, pages: &Pages) -> Vec<u8> {
    let mut object = Vec::new();
    let header = litetx::Header {
        flags: if compressed { litetx::HeaderFlags::COMPRESS_LZ4 } else { litetx::HeaderFlags::empty() },
        page_size: page_size(512),
        commit: pgno(9),
        min_txid: Txid::new(min).unwrap(),
        max_txid: Txid::new(7).unwrap(),
        timestamp: SystemTime::UNIX_EPOCH + Duration::from_millis(1234),
        pre_apply_checksum: (min > 1).then(|| Checksum::new(99)),
    };
    let mut encoder = litetx::Encoder::new(&mut object, &header).unwrap();
    for (pgno, page) in pages {
        encoder.encode_page(*pgno, page).unwrap();
    }
    encoder.finish(database_checksum(pages)).unwrap();
    object
}

fn database_checksum(pages: &Pages) -> Checksum {
    pages.iter().fold(NO_PAGES, |sum, (pgno, page)| sum ^ page_checksum(*pgno, page))
}

fn snapshot() -> Pages {
    (1..=9).map(|n| (pgno(n), page(512, n))).collect()
}

#[test]
fn version_1_files_are_told_apart_and_read() {
    for compressed in [true, false] {
        for (min, pages) in [(1, snapshot()), (3, vec![(pgno(4), page(512, 1))]), (3, Vec::new())] {
            let object = version1(compressed, min, &pages);
            assert_eq!(version(&object), Version::V1);
            let mut read = Vec::new();
            let (header, trailer) =
                read_any(&object, LockByte::SQLITE, |pgno, page| read.push((pgno, page.to_vec()))).unwrap();
            assert_eq!(read, pages);
            assert_eq!((header.commit(), header.txids()), (pgno(9), txids(min, 7)));
            assert_eq!(header.timestamp(), Timestamp::from_millis(1234));
            assert_eq!(header.pre_apply(), (min > 1).then(|| Checksum::new(99)));
            assert_eq!((header.wal(), header.chain()), (None, None));
            assert_eq!(trailer.post_apply, Some(database_checksum(&pages)));
        }
    }
}

#[test]
fn incremental_decoder_names_version_1() {
    let object = version1(true, 1, &snapshot());
    assert_eq!(decode([&object[..]], LockByte::SQLITE), Err(HeaderError::Version1.into()));
    assert_eq!(Header::decode(&object), Err(HeaderError::Version1));
    let uncompressed = version1(false, 1, &snapshot());
    assert!(decode([&uncompressed[..]], LockByte::SQLITE).is_err());
    let header = Header::decode(&uncompressed).expect("without bit 0 the header alone does not tell");
    let tail = index::decode(&uncompressed, uncompressed.len() as u64, &header, LockByte::SQLITE);
    assert!(matches!(tail, Err(index::IndexError::IndexSize { .. })), "{tail:?}");
}

/// An overflow page may begin with bytes that look like page flags 1 and a small block.
#[test]
fn a_page_that_looks_like_a_frame_does_not_deceive() {
    let mut deceiver = page(512, 1);
    deceiver[..6].copy_from_slice(&[0, 1, 0, 0, 0, 40]);
    let pages = vec![(pgno(4), deceiver)];
    let object = version1(false, 3, &pages);
    let mut read = Vec::new();
    read_any(&object, LockByte::SQLITE, |pgno, page| read.push((pgno, page.to_vec()))).unwrap();
    assert_eq!(read, pages);
}

#[test]
fn pages_that_version_1_must_not_hold_are_refused() {
    let mut snapshot = snapshot();
    snapshot.pop();
    let object = version1(true, 1, &snapshot);
    let read = |object: &[u8]| read_any(object, LockByte::SQLITE, |_, _| ());
    assert_eq!(read(&object), Err(OrderError::Missing(pgno(9)).into()));
    let beyond = version1(true, 3, &vec![(pgno(10), page(512, 1))]);
    assert_eq!(read(&beyond), Err(OrderError::BeyondCommit { pgno: pgno(10), commit: pgno(9) }.into()));
}

#[test]
fn damaged_version_1_files_are_refused() {
    for compressed in [true, false] {
        let pages = vec![(pgno(4), page(512, 1)), (pgno(5), vec![0; 512])];
        let object = version1(compressed, 3, &pages);
        let read = |object: &[u8]| {
            let mut read = Vec::new();
            read_any(object, LockByte::SQLITE, |pgno, page| read.push((pgno, page.to_vec())))
                .map(|ok| (ok, read))
        };
        let whole = read(&object).unwrap();
        for end in 0..object.len() {
            assert!(read(&object[..end]).is_err(), "{end}");
        }
        assert!(read(&[&object[..], &[0]].concat()).is_err());
        for bit in 0..object.len() * 8 {
            let mut flipped = object.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            if let Ok(same) = read(&flipped) {
                assert_eq!(same, whole, "bit {bit}");
                assert!(compressed && (104..object.len() - 16).contains(&(bit / 8)), "bit {bit}");
            }
        }
    }
}
