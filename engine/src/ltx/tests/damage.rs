//! Objects that are cut, altered or made up.

use super::*;

/// A small object of each packing: ours, and a legacy one that Litestream 0.5.5 wrote.
fn samples() -> [Vec<u8>; 2] {
    let pages = vec![(pgno(1), page(512, 3)), (pgno(2), vec![0; 512]), (pgno(4), page(512, 4))];
    let ours = encode(&header(512, 9, 2, 4), LockByte::SQLITE, &pages);
    let legacy = include_bytes!(
        "../../../../tests/fixtures/legacy-frames-4096/replica/ltx/0/0000000000000001-0000000000000001.ltx"
    );
    [ours, legacy.to_vec()]
}

/// Puts the file checksum right, as a careless writer would.
fn resealed(object: &[u8], crc_of: &[&[u8]]) -> Vec<u8> {
    let mut crc = crate::db::Crc64::new();
    crc_of.iter().for_each(|part| crc.update(part));
    let mut object = object.to_vec();
    let end = object.len() - 8;
    object[end..].copy_from_slice(&crc.checksum().into_inner().to_be_bytes());
    object
}

#[test]
fn truncated_object_is_never_whole() {
    for object in samples() {
        for end in 0..object.len() {
            let cut = &object[..end];
            assert_eq!(decode([cut], LockByte::SQLITE), Err(DecodeError::Truncated(end as u64)));
            assert!(read_any(cut, LockByte::SQLITE, |_, _| ()).is_err(), "{end}");
        }
    }
}

#[test]
fn object_that_goes_on_after_its_end_is_refused() {
    for object in samples() {
        let end = object.len() as u64;
        let longer = [&object[..], &[0]].concat();
        assert_eq!(decode([&longer[..]], LockByte::SQLITE), Err(DecodeError::TrailingBytes(end)));
        assert_eq!(decode([&object[..], &[0]], LockByte::SQLITE), Err(DecodeError::TrailingBytes(end)));
        assert!(read_any(&longer, LockByte::SQLITE, |_, _| ()).is_err());
    }
}

/// docs/formats/ltx.md, "What the checksum does not cover".
#[test]
fn flipped_bit_is_an_error_or_changes_nothing() {
    for object in samples() {
        let whole = decode([&object[..]], LockByte::SQLITE).unwrap();
        let Ok(index::Tail::Index { entries, .. }) =
            index::decode(&object, object.len() as u64, &whole.0, LockByte::SQLITE)
        else {
            panic!("an index")
        };
        let compressed =
            |at: u64| entries.iter().any(|e| at >= e.offset + 10 && at < e.offset + u64::from(e.length));
        let mut harmless = 0;
        for bit in 0..object.len() * 8 {
            let mut flipped = object.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            if let Ok(same) = decode([&flipped[..]], LockByte::SQLITE) {
                assert_eq!(same, whole, "bit {bit}");
                assert!(compressed(bit as u64 / 8), "bit {bit} is outside the LZ4 data");
                harmless += 1;
            }
            if let Ok(same) = read_any(&flipped, LockByte::SQLITE, |_, _| ()) {
                assert_eq!(same, (whole.0.clone(), whole.2), "bit {bit}");
            }
        }
        assert!(harmless < 200, "{harmless} flips in {} bytes made no difference", object.len());
    }
}

#[test]
fn error_is_sticky() {
    let [object, _] = samples();
    let mut broken = object.clone();
    broken[104] ^= 0xff;
    let mut decoder = Decoder::new(LockByte::SQLITE);
    let mut input = &broken[..];
    assert!(matches!(decoder.read(&mut input), Ok(Some(Item::Header(_)))));
    let error = decoder.read(&mut input).unwrap_err();
    assert_eq!(decoder.read(&mut &object[100..]), Err(error.clone()));
    assert_eq!(decoder.finish(), Err(error));
}

/// A frame may claim 4 GiB; nothing is allocated for it.
#[test]
fn oversized_frame_is_refused_before_it_is_read() {
    let [ours, legacy] = samples();
    let mut block = ours[..110].to_vec();
    block[106..110].copy_from_slice(&u32::MAX.to_be_bytes());
    let bytes_max = page_frame::block_bytes_max(512);
    let too_large = FrameError::TooLarge { pgno: pgno(1), bytes_max };
    assert_eq!(decode([&block[..]], LockByte::SQLITE), Err(too_large.into()));

    // Magic and descriptor of the LZ4 frame are at 106..113, the first block's size follows.
    let mut frame = legacy[..117].to_vec();
    frame[113..117].copy_from_slice(&0x7fff_ffff_u32.to_le_bytes());
    let too_large = FrameError::TooLarge { pgno: pgno(1), bytes_max: legacy_frame::bytes_max(4096) };
    assert_eq!(decode([&frame[..]], LockByte::SQLITE), Err(too_large.into()));
}

#[test]
fn memory_is_bounded_by_a_page_frame() {
    let header = header(512, 5000, 2, 2);
    let pages = (1..=5000).map(|n| (pgno(n), page(512, n))).collect();
    let object = encode(&header, LockByte::SQLITE, &pages);
    let mut decoder = Decoder::new(LockByte::SQLITE);
    for mut piece in object.chunks(100) {
        while decoder.read(&mut piece).unwrap().is_some() {}
        assert!(decoder.buffered_bytes_max() <= 2 * frame_bytes_max(header.page_size()));
    }
    decoder.finish().unwrap();
}

#[test]
fn wrong_index_with_a_right_checksum_is_refused() {
    let page = page(512, 3);
    let object = encode(&header(512, 9, 2, 4), LockByte::SQLITE, &vec![(pgno(1), page.clone())]);
    let index = object.len() - 24 - 5..object.len() - 24;
    assert_eq!(object[index.start], 1, "page 1");
    let frame_end = index.start - 6;
    let reseal =
        |object: &[u8]| resealed(object, &[&object[..110], &page, &object[frame_end..object.len() - 8]]);
    assert_eq!(reseal(&object), object, "the test knows what the checksum covers");
    for at in index {
        let mut wrong = object.clone();
        wrong[at] ^= 1;
        assert_eq!(decode([&reseal(&wrong)[..]], LockByte::SQLITE), Err(DecodeError::Index));
    }
    let mut size = object.clone();
    size[object.len() - 17] ^= 1;
    assert_eq!(decode([&reseal(&size)[..]], LockByte::SQLITE), Err(DecodeError::Index));
}

#[test]
fn snapshot_that_ends_early_is_refused() {
    let pages = vec![(pgno(1), page(512, 3)), (pgno(2), page(512, 4))];
    let mut object = encode(&header(512, 3, 2, 4), LockByte::SQLITE, &pages);
    object[16..24].copy_from_slice(&1_u64.to_be_bytes());
    let missing = OrderError::Missing(pgno(3));
    assert_eq!(decode([&object[..]], LockByte::SQLITE), Err(missing.into()));
    let header = Header::decode(&object).unwrap();
    let tail = index::decode(&object, object.len() as u64, &header, LockByte::SQLITE);
    assert_eq!(tail, Err(index::IndexError::Order(missing)));
}

proptest! {
    #[test]
    fn arbitrary_bytes_are_never_an_object(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        prop_assert!(decode([&bytes[..]], LockByte::SQLITE).is_err());
        prop_assert!(read_any(&bytes, LockByte::SQLITE, |_, _| ()).is_err());
    }

    #[test]
    fn arbitrary_bytes_after_a_legal_header_are_never_an_object(
        bytes in prop::collection::vec(prop_oneof![Just(0_u8), Just(1), any::<u8>()], 0..400),
        legacy in any::<bool>(),
    ) {
        let [_, real] = samples();
        let start = if legacy { &real[..113] } else { &real[..100] };
        let object = [start, &bytes].concat();
        prop_assert!(decode([&object[..]], LockByte::SQLITE).is_err());
        prop_assert!(read_any(&object, LockByte::SQLITE, |_, _| ()).is_err());
    }

    #[test]
    fn arbitrary_page_frames_never_panic(
        bytes in prop::collection::vec(any::<u8>(), 0..200),
        flags in 0..3_u16,
    ) {
        let mut page = vec![0; 512];
        let _ = decode_page(&bytes, &mut page);
        let frame = [&[0, 0, 0, 1][..], &flags.to_be_bytes(), &[4, 0x22, 0x4d, 0x18, 0x64, 0x40, 0xa7], &bytes].concat();
        let _ = decode_page(&frame, &mut page);
        let block = [&[0, 0, 0, 1, 0, 1][..], &(bytes.len() as u32).to_be_bytes(), &bytes].concat();
        let _ = decode_page(&block, &mut page);
    }
}
