use super::super::WalHeader;
use super::*;
use crate::types::Pgno;
use proptest::prelude::*;

/// Of a log of one page of `size` bytes, with its end.
fn header(size: u32) -> (WalIndexHeader, WalPosition) {
    let header = WalHeader::new(ByteOrder::Big, PageSize::new(size).unwrap(), 0, Salts(1, 0xa0b0_c0d0));
    let mut writer = WalWriter::new(header);
    writer.append(Pgno::ONE, Some(1), &vec![7; size as usize], &mut Vec::new());
    (WalIndexHeader::of(&writer, 1), writer.position())
}

#[test]
fn every_page_size_survives_its_code() {
    for log in 9..=16 {
        let (header, reached) = header(1 << log);
        let end = CommittedEnd::from_snapshot(&header.encode()).unwrap();
        assert_eq!(end.page_size(), PageSize::new(1 << log).ok());
        assert_eq!((end.frames(), end.pages(), end.salts()), (1, 1, Salts(1, 0xa0b0_c0d0)));
        assert_eq!((end.position(), end.byte_order()), (reached, ByteOrder::Big));
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
fn a_log_that_was_never_written_has_no_page_size() {
    let (header, _) = header(512);
    let fresh = WalIndexHeader { frames: 0, page_size_code: 0, ..header };
    assert_eq!(CommittedEnd::from_snapshot(&fresh.encode()).unwrap().page_size(), None);
    let broken = WalIndexHeader { page_size_code: 0, ..header };
    assert_eq!(CommittedEnd::from_snapshot(&broken.encode()), Err(BoundError::PageSize { code: 0 }));
}

#[test]
fn a_log_without_frames_has_no_checksum_of_its_own() {
    let (header, reached) = header(512);
    let empty = WalIndexHeader { frames: 0, ..header };
    let end = CommittedEnd::from_snapshot(&empty.encode()).unwrap();
    assert_eq!(end.position(), WalPosition { frames: 0, checksum: FrameChecksum::default(), ..reached });
}

proptest! {
    #[test]
    fn arbitrary_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..150)) {
        let _ = CommittedEnd::from_snapshot(&bytes);
    }
}
