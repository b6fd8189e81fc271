use super::*;
use proptest::prelude::*;

fn page_size(log: u32) -> PageSize {
    PageSize::new(1 << log).unwrap()
}

proptest! {
    #[test]
    fn decode_reads_what_encode_wrote(
        big in any::<bool>(), log in 9u32..=16, seq in any::<u32>(), a in any::<u32>(), b in any::<u32>(),
    ) {
        let order = if big { ByteOrder::Big } else { ByteOrder::Little };
        let header = WalHeader::new(order, page_size(log), seq, Salts(a, b));
        prop_assert_eq!(WalHeader::decode(&header.encode()), Ok(header));
    }

    #[test]
    fn arbitrary_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..64)) {
        let _ = WalHeader::decode(&bytes);
    }
}

#[test]
fn every_flipped_bit_is_refused() {
    let good = WalHeader::new(ByteOrder::Little, page_size(12), 3, Salts(7, 9)).encode();
    for bit in 0..good.len() * 8 {
        let mut bad = good;
        bad[bit / 8] ^= 1 << (bit % 8);
        assert!(WalHeader::decode(&bad).is_err(), "bit {bit}");
    }
}

#[test]
fn every_truncation_is_too_short() {
    let good = WalHeader::new(ByteOrder::Big, page_size(16), 0, Salts(1, 2)).encode();
    for bytes in 0..good.len() {
        assert_eq!(WalHeader::decode(&good[..bytes]), Err(WalHeaderError::TooShort { bytes }));
    }
}

#[test]
fn other_version_and_page_size_are_refused_though_the_checksum_fits() {
    let mut bytes = WalHeader::new(ByteOrder::Little, page_size(12), 0, Salts(1, 2)).encode();
    let refused = |field: super::super::layout::Field, value: u32| {
        let mut bad = bytes;
        field.put(&mut bad, value.to_be_bytes());
        let sum = header_checksum(ByteOrder::Little, &bad);
        field::CHECKSUM_1.put(&mut bad, sum.0.to_be_bytes());
        field::CHECKSUM_2.put(&mut bad, sum.1.to_be_bytes());
        WalHeader::decode(&bad).unwrap_err()
    };
    assert_eq!(refused(field::VERSION, 3_007_001), WalHeaderError::Version { version: 3_007_001 });
    for page_size in [0, 1, 256, 4095, 131_072, u32::MAX] {
        assert_eq!(refused(field::PAGE_SIZE, page_size), WalHeaderError::PageSize { page_size });
    }
    bytes[0] = 0;
    assert!(matches!(WalHeader::decode(&bytes), Err(WalHeaderError::Magic { .. })));
}

#[test]
fn golden_header_of_a_real_log_decodes() {
    let log = include_bytes!("../../../../tests/fixtures/small-4096/source-state/source.db-wal");
    let header = WalHeader::decode(log).unwrap();
    assert_eq!(header.page_size().into_inner(), 4096);
    assert_eq!(header.byte_order(), ByteOrder::Little);
    assert_eq!(header.encode(), log[..32]);
}
