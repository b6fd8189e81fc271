use super::*;
use crate::db::page_checksum;
use proptest::prelude::*;
use std::collections::BTreeMap;

fn pgno(n: u32) -> Pgno {
    Pgno::new(n).unwrap()
}

fn sums(values: &[u64]) -> PageSums {
    let mut sums = PageSums::unknown(u32::try_from(values.len()).unwrap());
    for (i, &value) in values.iter().enumerate().filter(|(_, v)| **v != 0) {
        sums.set(pgno_of(i), Checksum::new(value));
    }
    sums
}

#[test]
fn checksum_is_the_xor_of_the_page_checksums() {
    let pages: Vec<Vec<u8>> = (1..=5_u8).map(|n| vec![n; 512]).collect();
    let mut sums = PageSums::unknown(5);
    let mut expected = NO_PAGES;
    for (i, page) in pages.iter().enumerate() {
        let sum = page_checksum(pgno_of(i), page);
        expected = expected ^ sum;
        assert_eq!(sums.set(pgno_of(i), sum), None);
        assert_eq!(sums.checksum(), expected);
    }
    assert_eq!(PageSums::new().checksum(), NO_PAGES);
}

#[test]
fn lock_page_may_stay_unknown() {
    let sums = sums(&[1, 2, 0, 4]);
    assert_eq!(sums.first_unknown(pgno(3)), None);
    assert_eq!(sums.first_unknown(pgno(9)), Some(pgno(3)));
}

#[test]
fn changed_pages_are_those_that_differ_or_are_new() {
    let old = sums(&[1, 2, 0, 4, 5]);
    let changed = |new: &[u64]| sums(new).changed_since(&old).map(|p| p.into_inner()).collect::<Vec<_>>();
    assert_eq!(changed(&[1, 2, 0, 4, 5]), [0u32; 0]);
    assert_eq!(changed(&[1, 7, 0, 4, 5, 6]), [2, 6]);
    assert_eq!(changed(&[1, 2, 3, 0]), [3, 4]);
}

#[test]
#[should_panic(expected = "beyond")]
fn a_page_beyond_the_end_is_a_bug() {
    PageSums::unknown(3).set(pgno(4), Checksum::new(1));
}

#[test]
fn only_chunks_that_changed_are_dirty() {
    let mut sums = PageSums::unknown(3 * CHUNK_PAGES);
    let dirty = |sums: &PageSums| sums.dirty_chunks().collect::<Vec<_>>();
    assert_eq!(dirty(&sums), [0, 1, 2]);
    (0..3).for_each(|chunk| sums.mark_clean(chunk));
    assert_eq!(dirty(&sums), [0u32; 0]);
    sums.set(pgno(CHUNK_PAGES + 1), Checksum::new(1));
    assert_eq!(dirty(&sums), [1]);
    sums.mark_clean(1);
    sums.set(pgno(CHUNK_PAGES + 1), Checksum::new(1));
    assert_eq!(dirty(&sums), [0u32; 0], "the same sum again");
    sums.resize(2 * CHUNK_PAGES);
    assert_eq!(dirty(&sums), [0u32; 0], "whole chunks went");
    sums.resize(2 * CHUNK_PAGES - 1);
    assert_eq!(dirty(&sums), [1], "a chunk was cut");
    sums.mark_clean(1);
    sums.resize(2 * CHUNK_PAGES + 1);
    assert_eq!(dirty(&sums), [1, 2], "one chunk grew, one is new");
}

#[test]
fn dropped_chunks_are_clean_no_more_than_they_exist() {
    let mut sums = PageSums::unknown(130 * CHUNK_PAGES);
    sums.resize(CHUNK_PAGES);
    sums.mark_clean(0);
    assert_eq!(sums.dirty_chunks().count(), 0);
    sums.resize(130 * CHUNK_PAGES);
    assert_eq!(sums.dirty_chunks().count(), 129);
}

#[test]
fn impossible_chunks_are_refused_and_change_nothing() {
    let mut cached = sums(&[1, 2, 3]);
    let before = cached.clone();
    let legal = cached.chunk(0);
    let mut beyond = legal;
    beyond[24] = 0x80;
    let mut no_flag = legal;
    no_flag[8] = 0;
    assert_eq!(
        cached.load_chunk(0, &legal[1..]),
        Err(ChunkError::Length { chunk: 0, bytes: CHUNK_BYTES - 1 })
    );
    assert_eq!(cached.load_chunk(1, &legal), Err(ChunkError::Beyond { chunk: 1, chunks: 1 }));
    assert_eq!(cached.load_chunk(0, &beyond), Err(ChunkError::Sum { chunk: 0 }));
    assert_eq!(cached.load_chunk(0, &no_flag), Err(ChunkError::Sum { chunk: 0 }));
    assert_eq!((cached.checksum(), cached), (before.checksum(), before));
}

#[test]
fn loading_replaces_what_was_known() {
    let mut cached = sums(&[1, 2, 4]);
    let other = sums(&[7, 0, 9]);
    cached.load_chunk(0, &other.chunk(0)).unwrap();
    assert_eq!((cached.checksum(), &cached), (other.checksum(), &other));
}

#[test]
fn same_size_again_changes_nothing() {
    let mut sums = sums(&[1, 2, 3]);
    sums.mark_clean(0);
    sums.resize(3);
    assert_eq!(sums.dirty_chunks().count(), 0);
}

#[derive(Clone, Debug)]
enum Step {
    Set(u32, u64),
    Resize(u32),
}

fn step() -> impl Strategy<Value = Step> {
    let pages = 1..1400_u32;
    prop_oneof![
        8 => (pages.clone(), any::<u64>()).prop_map(|(page, sum)| Step::Set(page, sum)),
        1 => (0..1400_u32).prop_map(Step::Resize),
    ]
}

proptest! {
    /// A plain map says what is known; a cache that only ever gets the dirty chunks says what is on disk.
    #[test]
    fn incremental_state_equals_a_rebuilt_one(steps in prop::collection::vec(step(), 1..120)) {
        let mut sums = PageSums::new();
        let mut model: BTreeMap<u32, Checksum> = BTreeMap::new();
        let mut disk: BTreeMap<u32, [u8; CHUNK_BYTES]> = BTreeMap::new();
        for step in steps {
            match step {
                Step::Set(page, value) if page <= sums.page_count() => {
                    let sum = Checksum::new(value);
                    prop_assert_eq!(sums.set(pgno(page), sum), model.insert(page, sum));
                }
                Step::Set(page, _) => prop_assert_eq!(sums.get(pgno(page)), None),
                Step::Resize(count) => {
                    sums.resize(count);
                    model.retain(|page, _| *page <= count);
                }
            }
            for chunk in sums.dirty_chunks().collect::<Vec<_>>() {
                disk.insert(chunk, sums.chunk(chunk));
                sums.mark_clean(chunk);
            }
            disk.retain(|chunk, _| *chunk < sums.chunk_count());
        }
        let expected = model.values().fold(NO_PAGES, |all, sum| all ^ *sum);
        prop_assert_eq!(sums.checksum(), expected);
        for page in 1..=sums.page_count() {
            prop_assert_eq!(sums.get(pgno(page)), model.get(&page).copied());
        }
        let mut loaded = PageSums::unknown(sums.page_count());
        for (chunk, bytes) in &disk {
            loaded.load_chunk(*chunk, bytes).unwrap();
        }
        prop_assert_eq!(loaded.checksum(), expected);
        prop_assert_eq!(loaded.dirty_chunks().count(), 0);
        prop_assert_eq!(loaded, sums);
    }
}
