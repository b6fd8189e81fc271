use super::*;

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn what_was_encoded_is_decoded((header, lock_byte, pages) in any_object()) {
        let object = encode(&header, lock_byte, &pages);
        let (read_header, read_pages, trailer) = decode([&object[..]], lock_byte).unwrap();
        prop_assert_eq!(&read_header, &header);
        prop_assert_eq!(&read_pages, &pages);
        prop_assert_eq!(trailer.post_apply, None);

        let mut seen = Vec::new();
        let read = read_any(&object, lock_byte, |pgno, page| seen.push((pgno, page.to_vec()))).unwrap();
        prop_assert_eq!((read, seen), ((header, trailer), pages));
    }

    #[test]
    fn pieces_make_no_difference(
        (header, lock_byte, pages) in any_object(),
        cuts in prop::collection::vec(1..2000_usize, 1..20),
    ) {
        let object = encode(&header, lock_byte, &pages);
        let whole = decode([&object[..]], lock_byte).unwrap();
        let mut rest = &object[..];
        let mut pieces = Vec::new();
        for cut in cuts.iter().cycle().take(5000) {
            let (piece, after) = rest.split_at(rest.len().min(*cut));
            pieces.push(piece);
            rest = after;
        }
        pieces.push(rest);
        prop_assert_eq!(decode(pieces, lock_byte).unwrap(), whole);
    }

    #[test]
    fn output_taken_between_calls_makes_no_difference((header, lock_byte, pages) in any_object()) {
        let (mut sent, mut out) = (Vec::new(), Vec::new());
        let mut encoder = Encoder::new(&header, lock_byte, &mut out);
        for (pgno, page) in &pages {
            sent.append(&mut out);
            encoder.push(*pgno, page, &mut out);
        }
        sent.append(&mut out);
        let finished = encoder.finish(&mut sent);
        prop_assert_eq!(finished.size_bytes, sent.len() as u64);
        prop_assert_eq!(sent, encode(&header, lock_byte, &pages));
    }
}

#[test]
fn single_bytes_are_enough_to_decode() {
    let pages = vec![(pgno(2), page(512, 1)), (pgno(3), vec![0; 512])];
    let header = header(512, 3, 5, 5);
    let object = encode(&header, LockByte::SQLITE, &pages);
    let (read_header, read_pages, _) = decode(object.chunks(1), LockByte::SQLITE).unwrap();
    assert_eq!((read_header, read_pages), (header, pages));
}

#[test]
fn snapshot_skips_the_lock_page() {
    let lock_byte = LockByte::moved(65536);
    let header = Header::new(page_size(65536), pgno(3), txids(1, 1), Timestamp::default());
    let pages = vec![(pgno(1), vec![1; 65536]), (pgno(3), vec![3; 65536])];
    let object = encode(&header, lock_byte, &pages);
    assert_eq!(decode([&object[..]], lock_byte).unwrap().1, pages);
    let elsewhere = decode([&object[..]], LockByte::SQLITE);
    assert_eq!(elsewhere, Err(OrderError::Missing(pgno(2)).into()), "there page 2 is a page");
}

#[test]
fn snapshot_may_end_with_the_lock_page() {
    let lock_byte = LockByte::moved(65536);
    let header = Header::new(page_size(65536), pgno(2), txids(1, 9), Timestamp::default());
    let object = encode(&header, lock_byte, &vec![(pgno(1), vec![7; 65536])]);
    assert!(decode([&object[..]], lock_byte).is_ok());
}

#[test]
fn pages_that_do_not_compress_are_read() {
    for shift in 9..=16 {
        let bytes = 1 << shift;
        let mut state = 1_u64;
        let mut noise = || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 56) as u8
        };
        let pages = vec![(pgno(1), (0..bytes).map(|_| noise()).collect::<Vec<_>>())];
        let header = Header::new(page_size(bytes), pgno(1), txids(2, 2), Timestamp::default());
        let object = encode(&header, LockByte::SQLITE, &pages);
        assert!(object.len() > bytes as usize, "not compressed");
        assert!(object.len() < frame_bytes_max(header.page_size()) + 100 + 40);
        assert_eq!(decode([&object[..]], LockByte::SQLITE).unwrap().1, pages);
    }
}

#[test]
fn object_without_pages_is_legal_unless_it_is_a_snapshot() {
    let header = header(4096, 9, 2, 3);
    let object = encode(&header, LockByte::SQLITE, &Vec::new());
    assert_eq!(object.len(), 100 + 6 + 1 + 8 + 16);
    assert_eq!(decode([&object[..]], LockByte::SQLITE).unwrap().1, []);
}

fn push_all(header: &Header, lock_byte: LockByte, pages: &[u32]) {
    let pages = pages.iter().map(|&n| (pgno(n), vec![0; header.page_size().into_inner() as usize])).collect();
    encode(header, lock_byte, &pages);
}

#[test]
#[should_panic(expected = "page 3 follows page 3")]
fn pages_out_of_order_are_a_bug() {
    push_all(&header(512, 4, 2, 2), LockByte::SQLITE, &[3, 3]);
}

#[test]
#[should_panic(expected = "page 5 in a database of 4 pages")]
fn pages_beyond_the_commit_are_a_bug() {
    push_all(&header(512, 4, 2, 2), LockByte::SQLITE, &[5]);
}

#[test]
#[should_panic(expected = "page 2 is the lock page")]
fn storing_the_lock_page_is_a_bug() {
    push_all(&header(65536, 4, 2, 2), LockByte::moved(65536), &[2]);
}

#[test]
#[should_panic(expected = "the snapshot lacks page 2")]
fn a_snapshot_with_a_hole_is_a_bug() {
    push_all(&header(512, 4, 1, 2), LockByte::SQLITE, &[1, 3]);
}

#[test]
#[should_panic(expected = "the snapshot lacks page 4")]
fn a_snapshot_that_ends_early_is_a_bug() {
    push_all(&header(512, 4, 1, 2), LockByte::SQLITE, &[1, 2, 3]);
}

#[test]
#[should_panic(expected = "wrong length")]
fn a_page_of_another_size_is_a_bug() {
    encode(&header(512, 4, 2, 2), LockByte::SQLITE, &vec![(pgno(1), vec![0; 511])]);
}
