//! Chains by names.

use super::{chain, ends, is_dead};
use crate::key::{Layout, ListingBuilder, ModifiedIs, ObjectKey, Place, PlaceListing};
use crate::store::{ETag, ObjectMeta};
use crate::types::{Level, Timestamp, Txid, TxidRange};
use proptest::prelude::*;

type Name = (u8, u64, u64);

#[test]
fn newest_snapshot_and_the_objects_that_reach_furthest_are_taken() {
    let names = [(9, 1, 1), (9, 1, 4), (0, 2, 2), (0, 5, 5), (0, 6, 6), (0, 7, 7), (1, 4, 6), (0, 8, 8)];
    assert_eq!(of(&names, 7), Some(vec![(9, 1, 4), (1, 4, 6), (0, 7, 7)]));
}

#[test]
fn gap_or_a_missing_base_is_no_chain() {
    assert_eq!(of(&[(9, 1, 1), (0, 2, 2), (0, 4, 4)], 4), None);
    assert_eq!(of(&[(0, 2, 2), (0, 3, 3)], 3), None);
    assert_eq!(of(&[], 3), None);
}

#[test]
fn chain_of_many_slots_is_found_in_one_sweep() {
    let names: Vec<Name> = std::iter::once((9, 1, 1)).chain((2..=200_000).map(|n| (0, n, n))).collect();
    assert_eq!(of(&names, 200_000).map(|chain| chain.len()), Some(200_000));
}

#[test]
fn claim_that_was_claimed_upon_is_not_dead_though_an_image_came_since() {
    let slots = [(9, 1, 5), (0, 6, 6), (0, 7, 7), (0, 8, 8), (0, 9, 9), (0, 10, 10), (9, 1, 10)];
    assert!(!is_dead_in_a_directory(&slots, 8), "9 is reached through it");
    let compacted = [&slots[..], &[(1, 6, 8)]].concat();
    assert!(is_dead_in_a_directory(&compacted, 8), "9 is reached without it");
    let further = [&slots[..], &[(1, 6, 9)]].concat();
    assert!(is_dead_in_a_directory(&further, 8), "so it is here");
    assert!(!is_dead_in_a_directory(&further, 7), "8 is reached through it");
}

#[test]
fn claim_whose_number_was_not_compacted_is_not_dead() {
    assert!(!is_dead_in_a_directory(&[(9, 1, 5), (0, 6, 6)], 6), "it is the head");
    assert!(!is_dead_in_a_directory(&[(9, 1, 5), (0, 6, 6), (0, 9, 9)], 6), "behind it is a gap");
    // The image stands on it, or is its own.
    assert!(!is_dead_in_a_directory(&[(9, 1, 5), (0, 6, 6), (0, 7, 7), (9, 1, 7)], 6));
    assert!(!is_dead_in_a_directory(&[(9, 1, 5), (0, 6, 6), (9, 1, 6), (0, 7, 7)], 6));
}

#[test]
fn claim_on_a_number_that_was_compacted_is_dead() {
    assert!(is_dead_in_a_directory(&[(9, 1, 1), (0, 2, 2), (1, 3, 6), (0, 4, 4), (0, 6, 6)], 4));
}

proptest! {
    #[test]
    fn sweep_finds_what_a_search_from_every_image_finds(
        names in prop::collection::vec((0..4u8, 1..12u64, 0..5u64), 0..14),
        images in prop::collection::vec(1..12u64, 0..3),
        head in 1..14u64,
    ) {
        let objects = names.into_iter().map(|(level, min, more)| match level {
            0 => (0, min, min),
            level => (level, min, min + more),
        });
        let names: Vec<Name> = objects.chain(images.into_iter().map(|max| (9, 1, max))).collect();
        // Every TXID that an object leads to, from any image on, until nothing is added.
        let mut reached: Vec<u64> = names.iter().filter(|(_, min, _)| *min == 1).map(|n| n.2).collect();
        reached.retain(|max| *max <= head);
        for _ in 0..names.len() {
            for (level, min, max) in &names {
                let leads = reached.iter().any(|r| *min <= r + 1 && max > r);
                if *level < 9 && *max <= head && leads {
                    reached.push(*max);
                }
            }
            reached.sort_unstable();
            reached.dedup();
        }
        let found = of(&names, head);
        prop_assert_eq!(found.is_some(), reached.contains(&head));
        let until: Vec<u64> = ends(&listing(&names), None).into_iter().map(|end| end.into_inner()).collect();
        prop_assert_eq!(until.into_iter().filter(|end| *end <= head).collect::<Vec<_>>(), reached);
        for pair in found.unwrap_or_default().windows(2) {
            prop_assert!(pair[1].1 <= pair[0].2 + 1 && pair[1].2 > pair[0].2, "{:?}", pair);
        }
    }
}

fn is_dead_in_a_directory(names: &[Name], slot: u64) -> bool {
    is_dead(&listing(names), ObjectKey::slot(txid(slot)), ModifiedIs::HeaderTime)
}

fn of(names: &[Name], head: u64) -> Option<Vec<Name>> {
    let name =
        |key: ObjectKey| (key.level().get(), key.range().min().into_inner(), key.range().max().into_inner());
    chain(&listing(names), txid(head)).map(|chain| chain.into_iter().map(name).collect())
}

fn listing(names: &[Name]) -> PlaceListing {
    let place = Place::new("a").expect("a place");
    let meta = |(level, min, max): &Name| {
        let range = TxidRange::new(txid(*min), txid(*max)).expect("ordered");
        let key = ObjectKey::new(Level::new(*level).expect("a level"), range).expect("a name");
        ObjectMeta {
            key: place.object_key(Layout::S3, key),
            size_bytes: 1,
            etag: ETag::new("1".to_owned()),
            modified: Timestamp::from_millis(0),
            arrived: Timestamp::from_millis(0),
        }
    };
    let mut builder = ListingBuilder::new(place.clone(), Layout::S3);
    builder.page(&names.iter().map(meta).collect::<Vec<_>>());
    builder.finish(ModifiedIs::StoreTime)
}

fn txid(number: u64) -> Txid {
    Txid::new(number).expect("a TXID")
}
