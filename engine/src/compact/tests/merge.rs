//! What a merge makes of sound objects.

use super::*;
use proptest::prelude::*;

/// Objects that need not be of one history: any pages up to any end.
fn contents() -> impl Strategy<Value = Vec<(u32, Pages)>> {
    let content = (1..12_u32).prop_flat_map(|commit| {
        let pages = prop::collection::btree_map(1..=commit, any::<u64>(), 0..6);
        pages.prop_map(move |pages| (commit, pages.into_iter().map(|(n, v)| (n, page(512, v))).collect()))
    });
    prop::collection::vec(content, 1..6)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn merged_object_leaves_what_all_its_inputs_leave(contents in contents(), is_tagged in any::<bool>()) {
        let objects = slots(&contents, is_tagged);
        let inputs = refs(&objects);
        let (object, merged) = merge(&inputs, LOCK).unwrap();
        let (header, pages) = decode(&object, LOCK);
        prop_assert_eq!(&header, &merged.header);
        prop_assert_eq!(header.commit().into_inner(), contents.last().unwrap().0);
        prop_assert_eq!(pages, apply_all(&inputs, LOCK));
    }

    #[test]
    fn merging_in_two_steps_equals_merging_at_once(
        contents in contents(),
        is_tagged in any::<bool>(),
        cut in any::<prop::sample::Index>(),
    ) {
        let objects = slots(&contents, is_tagged);
        let inputs = refs(&objects);
        let (first, second) = inputs.split_at(cut.index(inputs.len()) + 1);
        let at_once = merge(&inputs, LOCK).unwrap();
        let (object, merged) = merge(first, LOCK).unwrap();
        let range = merged.header.txids();
        let made = key(1, range.min().into_inner(), range.max().into_inner());
        let rest = [&[(made, &object[..])], second].concat();
        prop_assert_eq!(merge(&rest, LOCK).unwrap(), at_once);
    }

    #[test]
    fn pieces_make_no_difference(
        contents in contents(),
        pieces in prop::collection::vec(1..900_usize, 1..9),
    ) {
        let objects = slots(&contents, true);
        let inputs = refs(&objects);
        prop_assert_eq!(merge_in_pieces(&inputs, LOCK, &pieces).unwrap(), merge(&inputs, LOCK).unwrap());
    }
}

#[test]
fn single_bytes_are_enough_to_merge() {
    let objects = overlapping();
    let inputs = refs(&objects);
    assert_eq!(merge_in_pieces(&inputs, LOCK, &[1]).unwrap(), merge(&inputs, LOCK).unwrap());
}

#[test]
pub(super) fn newest_page_wins_and_what_was_cut_off_is_gone() {
    let objects = overlapping();
    let (object, merged) = merge(&refs(&objects), LOCK).unwrap();
    let (header, pages) = decode(&object, LOCK);
    assert_eq!(header.commit(), pgno(3));
    let expected = [(1, page(512, 301)), (2, page(512, 102)), (3, page(512, 303))];
    assert_eq!(pages, expected.into_iter().collect());
    assert_eq!(merged.page_count, 3);
    assert_eq!(merged.size_bytes, object.len() as u64);
    assert_eq!(merged.sha256, crate::store::Sha256::of(&object));
    assert_eq!(object[object.len() - 8..], merged.file_checksum.into_inner().to_be_bytes());
}

/// A database that shrinks and grows again: page 5 of the first slot is not that of the third.
#[test]
fn page_that_was_cut_off_does_not_come_back_with_a_growth() {
    let content = |commit, pages: &[(u32, u64)]| {
        (commit, pages.iter().map(|(n, value)| (*n, page(512, *value))).collect())
    };
    let objects = slots(&[content(5, &[(5, 1)]), content(2, &[(1, 2)]), content(5, &[(3, 3), (4, 3)])], true);
    let (object, _) = merge(&refs(&objects), LOCK).unwrap();
    assert_eq!(decode(&object, LOCK).1.into_keys().collect::<Vec<_>>(), [1, 3, 4]);
}

#[test]
pub(super) fn header_is_of_the_last_input_but_for_where_it_begins() {
    let mut objects = overlapping();
    let header = decode(&objects[2].1, LOCK).0;
    let chain = Chain { claim: true, ..header.chain().unwrap() };
    let wal = crate::ltx::WalSpan::new(32, 4120, crate::types::Salts(1, 2)).unwrap();
    objects[2].1 = encode(&header.with_chain(chain).with_wal(wal), LOCK, &Pages::new());
    let merged = merge(&refs(&objects), LOCK).unwrap().1.header;
    assert_eq!(merged.txids(), key(1, 2, 4).range());
    assert_eq!(merged.timestamp(), Timestamp::from_millis(40));
    assert_eq!((merged.commit(), merged.page_size().into_inner()), (pgno(3), 512));
    assert_eq!(merged.wal(), None);
    let (before, after) = (Some(Checksum::new(1)), Checksum::new(4));
    assert_eq!(merged.chain(), Some(Chain { node: node(4), before, after, claim: false }));
}

#[test]
fn one_input_without_a_tag_makes_the_output_unchained() {
    for without in 0..3 {
        let mut objects = overlapping();
        let (header, pages) = decode(&objects[without].1, LOCK);
        let untagged = Header::new(header.page_size(), header.commit(), header.txids(), header.timestamp());
        objects[without].1 = encode(&untagged, LOCK, &pages);
        assert_eq!(merge(&refs(&objects), LOCK).unwrap().1.header.chain(), None);
    }
}

#[test]
fn lock_page_is_never_in_the_output() {
    let lock_is_2 = LockByte::moved(65536);
    let object = |number, pages: &[u32]| {
        let key = key(0, number, number);
        let pages = pages.iter().map(|n| (*n, page(65536, number))).collect();
        (key, encode(&header(key, 65536, 3), lock_is_2, &pages))
    };
    let objects = [object(2, &[1, 3]), object(3, &[3])];
    let (merged, _) = merge(&refs(&objects), lock_is_2).unwrap();
    assert_eq!(
        decode(&merged, lock_is_2).1,
        [(1, page(65536, 2)), (3, page(65536, 3))].into_iter().collect()
    );
    // Where another page is the lock page, the same objects hold one that they must not.
    let lock_is_3 = LockByte::moved(2 * 65536);
    assert!(matches!(merge(&refs(&objects), lock_is_3), Err(MergeError::Damaged { .. })));
}

/// The documented bound holds for every moment, and does not know how many pages there are.
#[test]
fn memory_is_bounded_by_inputs_and_page_size() {
    let noise = |seed: u32, number: u32| -> Vec<u8> {
        let byte = |i: u32| ((i ^ seed).wrapping_add(number).wrapping_mul(0x9e37_79b1) >> 21) as u8;
        (0..512).map(byte).collect()
    };
    let content = |seed| (3000, (1..=3000).filter(|n| n % seed != 0).map(|n| (n, noise(seed, n))).collect());
    let objects = slots(&[content(2), content(3), content(5)], true);
    let bytes_max = Merge::buffer_bytes_max(3, PageSize::new(512).unwrap());
    assert!(objects.iter().all(|(_, bytes)| bytes.len() > 20 * bytes_max), "{bytes_max}");

    let keys: Vec<ObjectKey> = objects.iter().map(|(key, _)| *key).collect();
    let mut merge = Merge::new(&keys, LOCK);
    let mut pieces: Vec<_> = objects.iter().map(|(_, bytes)| bytes.chunks(77)).collect();
    let mut given: Vec<&[u8]> = vec![&[]; 3];
    let (mut out, mut pages_out) = (Vec::new(), 0);
    loop {
        assert!(merge.buffered_bytes() <= bytes_max, "{} of {bytes_max}", merge.buffered_bytes());
        out.clear();
        match merge.poll(&mut out).unwrap() {
            Progress::Done(merged) => break assert_eq!(merged.page_count, pages_out),
            Progress::Wrote => {
                pages_out += u32::from(out.len() != crate::ltx::HEADER_BYTES);
                assert!(out.len() <= crate::ltx::frame_bytes_max(PageSize::new(512).unwrap()));
            }
            Progress::Needs(input) => {
                if given[input].is_empty() {
                    given[input] = pieces[input].next().unwrap_or(&[]);
                }
                if given[input].is_empty() {
                    merge.close(input).unwrap();
                } else {
                    merge.feed(input, &mut given[input]).unwrap();
                }
            }
        }
    }
    assert_eq!(merge.buffered_bytes(), 0);
}

#[test]
#[should_panic(expected = "not contiguous")]
fn inputs_with_a_hole_are_a_bug() {
    Merge::new(&[key(0, 2, 2), key(0, 4, 4)], LOCK);
}

#[test]
#[should_panic(expected = "nothing to merge")]
fn merging_nothing_is_a_bug() {
    Merge::new(&[], LOCK);
}
