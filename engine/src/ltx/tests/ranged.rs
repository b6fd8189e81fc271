use super::*;
use crate::ltx::index::{IndexError, PageEntry, TAIL_BYTES_MIN, Tail};

fn entries(tail: &[u8], object: &[u8], header: &Header, lock_byte: LockByte) -> Vec<PageEntry> {
    match index::decode(tail, object.len() as u64, header, lock_byte) {
        Ok(Tail::Index { entries, trailer }) => {
            assert_eq!(trailer.file.into_inner().to_be_bytes(), object[object.len() - 8..]);
            entries
        }
        other => panic!("{other:?}"),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn every_page_is_found_through_the_index((header, lock_byte, pages) in any_object()) {
        let object = encode(&header, lock_byte, &pages);
        let mut page = vec![0; header.page_size().into_inner() as usize];
        let mut read = Vec::new();
        for entry in entries(&object, &object, &header, lock_byte) {
            let frame = &object[entry.offset as usize..][..entry.length as usize];
            prop_assert_eq!(decode_page(frame, &mut page), Ok(entry.pgno));
            read.push((entry.pgno, page.clone()));
            prop_assert!(decode_page(&frame[..frame.len() - 1], &mut page).is_err());
            prop_assert!(decode_page(&[frame, &[0]].concat(), &mut page).is_err());
        }
        prop_assert_eq!(read, pages);
    }

    #[test]
    fn arbitrary_tails_never_panic(
        bytes in prop::collection::vec(any::<u8>(), 0..300),
        index_bytes in 0..200_u64,
        size_bytes in any::<u64>(),
    ) {
        let header = header(512, 9, 2, 2);
        let sealed = [&bytes[..], &index_bytes.to_be_bytes(), &[0; 8], &[0xff; 8]].concat();
        for tail in [&bytes, &sealed] {
            for size in [size_bytes, tail.len() as u64, tail.len() as u64 + size_bytes % 500] {
                if let Ok(Tail::NeedLast { bytes }) = index::decode(tail, size, &header, LockByte::SQLITE) {
                    prop_assert!(bytes > tail.len() as u64 && bytes <= size);
                }
            }
        }
    }
}

#[test]
fn a_short_tail_says_how_much_is_needed() {
    let header = header(512, 30, 2, 2);
    let pages = (1..=30).map(|n| (pgno(n), page(512, n))).collect();
    let object = encode(&header, LockByte::SQLITE, &pages);
    let size = object.len() as u64;
    let from_all = entries(&object, &object, &header, LockByte::SQLITE);
    assert_eq!(from_all.len(), 30);
    let mut tails = 0;
    for length in 0..object.len() {
        let tail = &object[object.len() - length..];
        match index::decode(tail, size, &header, LockByte::SQLITE).unwrap() {
            Tail::NeedLast { bytes } => {
                let exact = &object[object.len() - bytes as usize..];
                assert!(bytes > length as u64);
                assert!(
                    bytes == TAIL_BYTES_MIN || entries(exact, &object, &header, LockByte::SQLITE) == from_all
                );
            }
            Tail::Index { entries, .. } => {
                assert_eq!(entries, from_all);
                tails += 1;
            }
        }
    }
    assert!(tails > 0 && tails < object.len());
}

#[test]
fn flipped_bit_in_the_index_is_an_error() {
    let pages = vec![(pgno(1), page(512, 3)), (pgno(2), vec![0; 512]), (pgno(4), page(512, 4))];
    let header = header(512, 9, 2, 4);
    let object = encode(&header, LockByte::SQLITE, &pages);
    let index_bytes = object[object.len() - 17] as usize;
    let start = object.len() - 24 - index_bytes - 6;
    let legal = entries(&object, &object, &header, LockByte::SQLITE);
    let mut errors = 0;
    for bit in start * 8..(object.len() - 16) * 8 {
        let mut flipped = object.clone();
        flipped[bit / 8] ^= 1 << (bit % 8);
        let whole = index::decode(&flipped, object.len() as u64, &header, LockByte::SQLITE);
        // Another page number that fits as well is all that only the file checksum sees.
        let places = |entries: &[PageEntry]| entries.iter().map(|e| (e.offset, e.length)).collect::<Vec<_>>();
        match whole {
            Ok(Tail::Index { entries, .. }) => assert_eq!(places(&entries), places(&legal), "bit {bit}"),
            Ok(Tail::NeedLast { .. }) => panic!("bit {bit}: all of the object was given"),
            Err(_) => errors += 1,
        }
    }
    let flips = (object.len() - 16 - start) * 8;
    assert!(errors > flips - 16, "{errors} of {flips}");
}

#[test]
fn index_of_another_object_is_refused() {
    let object = encode(&header(512, 9, 2, 2), LockByte::SQLITE, &vec![(pgno(3), page(512, 3))]);
    let size = object.len() as u64;
    let decode = |header: &Header, size| index::decode(&object, size, header, LockByte::SQLITE);
    let order = |error: OrderError| Err(IndexError::Order(error));
    assert_eq!(decode(&header(512, 9, 1, 2), size), order(OrderError::Missing(pgno(1))), "a snapshot");
    let beyond = OrderError::BeyondCommit { pgno: pgno(3), commit: pgno(2) };
    assert_eq!(decode(&header(512, 2, 2, 2), size), order(beyond), "a shorter database");
    assert!(matches!(decode(&header(512, 9, 2, 2), size + 1), Err(IndexError::Malformed)), "a longer object");
    assert!(matches!(decode(&header(512, 9, 2, 2), size - 1), Err(IndexError::ObjectSize { .. })));
}

/// A tail that says what its object never could.
fn made_up(entries: &[[u64; 3]], after: &[u8], frames_bytes: u64) -> Result<Tail, IndexError> {
    let mut index = Vec::new();
    for value in entries.iter().flatten() {
        let mut bytes = [0; uvarint::UVARINT_BYTES_MAX];
        let length = uvarint::put(&mut bytes, *value);
        index.extend_from_slice(&bytes[..length]);
    }
    index.push(0);
    index.extend_from_slice(after);
    let size = (index.len() as u64).to_be_bytes();
    let tail = [&[0; 6][..], &index, &size, &[0; 8], &[0x80; 8]].concat();
    let size_bytes = 100 + frames_bytes + tail.len() as u64;
    index::decode(&tail, size_bytes, &header(512, 9, 2, 2), LockByte::SQLITE)
}

#[test]
fn frames_must_lie_side_by_side_and_be_no_longer_than_a_frame_can_be() {
    let max = frame_bytes_max(page_size(512)) as u64;
    assert!(made_up(&[[1, 100, 50], [2, 150, max]], &[], 50 + max).is_ok());
    let entry = |result, n, offset, length| {
        assert_eq!(result, Err(IndexError::Entry { pgno: pgno(n), offset, length }))
    };
    entry(made_up(&[[1, 100, max + 1]], &[], max + 1), 1, 100, max + 1);
    entry(made_up(&[[1, 100, u64::MAX]], &[], 50), 1, 100, u64::MAX);
    entry(made_up(&[[1, 100, 50], [2, 151, 49]], &[], 100), 2, 151, 49);
    entry(made_up(&[[1, 100, 50], [2, 149, 51]], &[], 100), 2, 149, 51);
    assert_eq!(made_up(&[[1, 100, 50]], &[], 51), Err(IndexError::Malformed), "a gap at the end");
    assert_eq!(made_up(&[[1, 100, 50]], &[], 49), Err(IndexError::Malformed), "beyond the end");
    assert_eq!(made_up(&[[1, 100, 50]], &[0], 50), Err(IndexError::Malformed), "bytes after the end mark");
    assert_eq!(made_up(&[[1 << 32, 100, 50]], &[], 50), Err(IndexError::Malformed), "no page number");
}

#[test]
fn frame_of_another_page_size_is_refused() {
    let header = header(1024, 9, 2, 2);
    let object = encode(&header, LockByte::SQLITE, &vec![(pgno(3), page(1024, 3))]);
    let entry = entries(&object, &object, &header, LockByte::SQLITE)[0];
    let frame = &object[entry.offset as usize..][..entry.length as usize];
    assert_eq!(decode_page(frame, &mut [0; 1024]), Ok(pgno(3)));
    for bytes in [512, 2048] {
        let refused = Err(FrameError::Lz4 { pgno: pgno(3) }.into());
        assert_eq!(decode_page(frame, &mut vec![0; bytes]), refused);
    }
}

#[test]
fn frame_whose_size_field_is_wrong_is_refused() {
    let mut frame = [&[0, 0, 0, 3, 0, 1][..], &[0; 4], &lz4_flex::block::compress(&page(512, 3))].concat();
    for (size, legal) in [(frame.len() - 10, true), (frame.len() - 11, false), (frame.len() - 9, false)] {
        frame[6..10].copy_from_slice(&(size as u32).to_be_bytes());
        assert_eq!(decode_page(&frame, &mut [0; 512]).is_ok(), legal);
    }
}
