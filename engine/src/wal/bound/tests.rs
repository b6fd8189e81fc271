use super::super::WalHeader;
use super::*;
use crate::types::Pgno;
use proptest::prelude::*;

/// A log of one page of `size` bytes, at its end.
fn header(size: u32) -> (WalIndexHeader, TransactionEnd) {
    let header = WalHeader::new(ByteOrder::Big, PageSize::new(size).unwrap(), 0, Salts(1, 0xa0b0_c0d0));
    let mut writer = WalWriter::new(header);
    writer.append(Pgno::ONE, Some(1), &vec![7; size as usize], &mut Vec::new());
    (WalIndexHeader::of(&writer, 1), TransactionEnd { position: writer.position(), pages: 1 })
}

fn shm(header: &WalIndexHeader, backfilled: u32) -> Vec<u8> {
    [&header.encode()[..], &header.encode(), &backfilled.to_ne_bytes(), &[0; 36]].concat()
}

#[test]
fn every_page_size_survives_its_code() {
    for log in 9..=16 {
        let (header, reached) = header(1 << log);
        let end = CommittedEnd::from_snapshot(&header.encode()).unwrap();
        assert_eq!(end.page_size(), PageSize::new(1 << log).ok());
        assert_eq!((end.frames(), end.pages(), end.salts()), (1, 1, Salts(1, 0xa0b0_c0d0)));
        assert_eq!(end.check_end(&reached), Ok(()));
        assert!(end.is_at(&reached.position));
    }
}

#[test]
fn every_flipped_bit_is_refused() {
    let good = header(4096).0.encode();
    for bit in 0..good.len() * 8 {
        let mut bad = good;
        bad[bit / 8] ^= 1 << (bit % 8);
        // Any value but 0 means initialized, for SQLite too; its checksum still covers the byte.
        assert!(CommittedEnd::from_snapshot(&bad).is_err(), "bit {bit}");
    }
}

#[test]
fn copies_that_differ_are_torn() {
    let (header, _) = header(512);
    let good = shm(&header, 1);
    assert_eq!(CommittedEnd::from_shm(&good).unwrap().backfilled, 1);
    let mut torn = good.clone();
    torn[48 + 16] ^= 1;
    assert_eq!(CommittedEnd::from_shm(&torn), Err(BoundError::Torn));
    assert!(matches!(CommittedEnd::from_shm(&good[..99]), Err(BoundError::TooShort { bytes: 99, .. })));
}

#[test]
fn backfill_of_the_generation_before_is_not_taken_over() {
    let (header, _) = header(512);
    let empty = WalIndexHeader { frames: 0, ..header };
    assert_eq!(CommittedEnd::from_shm(&shm(&empty, 900)).unwrap().backfilled, 0);
}

#[test]
fn a_log_that_was_never_written_has_no_page_size() {
    let (header, _) = header(512);
    let fresh = WalIndexHeader { frames: 0, page_size_code: 0, ..header };
    assert_eq!(CommittedEnd::from_snapshot(&fresh.encode()).unwrap().page_size(), None);
    let broken = WalIndexHeader { page_size_code: 0, ..header };
    assert_eq!(CommittedEnd::from_snapshot(&broken.encode()), Err(BoundError::PageSize { code: 0 }));
}

#[test]
fn each_difference_of_the_end_is_named() {
    let (header, reached) = header(512);
    let mismatch = |changed: WalIndexHeader| {
        CommittedEnd::from_snapshot(&changed.encode()).unwrap().check_end(&reached).unwrap_err()
    };
    let checksum = FrameChecksum(1, 2);
    assert!(matches!(mismatch(WalIndexHeader { salts: Salts(9, 9), ..header }), EndMismatch::Salts { .. }));
    assert!(matches!(mismatch(WalIndexHeader { frames: 2, ..header }), EndMismatch::Frames { .. }));
    assert!(matches!(mismatch(WalIndexHeader { checksum, ..header }), EndMismatch::Checksum { .. }));
    assert!(matches!(mismatch(WalIndexHeader { pages: 2, ..header }), EndMismatch::Pages { .. }));
}

#[test]
fn the_same_frame_number_with_another_checksum_is_another_place() {
    let (header, reached) = header(512);
    let other = WalIndexHeader { checksum: FrameChecksum(1, 2), ..header };
    assert!(!CommittedEnd::from_snapshot(&other.encode()).unwrap().is_at(&reached.position));
    let empty = WalIndexHeader { frames: 0, ..other };
    let start = WalPosition { frames: 0, ..reached.position };
    assert!(CommittedEnd::from_snapshot(&empty.encode()).unwrap().is_at(&start));
}

proptest! {
    #[test]
    fn arbitrary_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..150)) {
        let _ = CommittedEnd::from_snapshot(&bytes);
        let _ = CommittedEnd::from_shm(&bytes);
    }
}
