use super::*;
use crate::types::TxidRange;
use proptest::prelude::*;

fn txid(n: u64) -> Txid {
    Txid::new(n).unwrap()
}

fn object(level: u8, min: u64, max: u64, modified: i64) -> ObjectInfo {
    let range = TxidRange::new(txid(min), txid(max)).unwrap();
    ObjectInfo {
        key: ObjectKey::new(Level::new(level).unwrap(), range).unwrap(),
        size_bytes: 100,
        modified: Timestamp::from_millis(modified),
        arrived: Timestamp::from_millis(modified),
        etag: ETag::new("e"),
    }
}

fn meta(key: &str) -> ObjectMeta {
    let never = Timestamp::default();
    ObjectMeta { key: key.into(), size_bytes: 1, etag: ETag::new("e"), modified: never, arrived: never }
}

fn listing(objects: Vec<ObjectInfo>) -> PlaceListing {
    PlaceListing::new(objects, None, ModifiedIs::StoreTime)
}

#[test]
fn pages_in_any_order_make_one_ordered_listing() {
    let mut builder = ListingBuilder::new(Place::new("a").unwrap(), Layout::S3);
    builder.page(&[
        meta("a/0009/0000000000000001-0000000000000005.ltx"),
        meta("a/manifest.json"),
        meta("b/0000/0000000000000009-0000000000000009.ltx"),
        meta("a/sync/0000/0000000000000008-0000000000000008.ltx"),
    ]);
    builder.page(&[
        meta("a/0000/0000000000000006-0000000000000006.ltx"),
        meta("a/0000/0000000000000005-0000000000000005.ltx"),
        meta("a/0000/0000000000000006-0000000000000006.ltx"),
        meta("a/0000/junk"),
    ]);
    let listing = builder.finish(ModifiedIs::StoreTime);
    let keys: Vec<String> = listing.objects().iter().map(|o| o.key.to_string()).collect();
    assert_eq!(
        keys,
        [
            "0/0000000000000005-0000000000000005",
            "0/0000000000000006-0000000000000006",
            "9/0000000000000001-0000000000000005"
        ]
    );
    assert_eq!(listing.head(), Some(txid(6)));
    assert_eq!(listing.level(Level::L0).len(), 2);
    assert_eq!(listing.level(Level::SNAPSHOT).len(), 1);
    assert_eq!(listing.covering(txid(5)).count(), 2);
    assert!(listing.manifest().is_some());
    assert!(listing.get(ObjectKey::snapshot(txid(5))).is_some());
    assert!(listing.get(ObjectKey::snapshot(txid(6))).is_none());
}

#[test]
fn replica_of_litestream_0_3_is_told_where_it_is_all_there_is() {
    let of = |keys: &[&str]| {
        let mut builder = ListingBuilder::new(Place::new("app").unwrap(), Layout::S3);
        builder.page(&keys.iter().map(|key| meta(key)).collect::<Vec<_>>());
        builder.finish(ModifiedIs::StoreTime).is_of_litestream_0_3()
    };
    let old = "app/generations/0123456789abcdef/wal/00000000_00000000.wal.lz4";
    assert!(of(&[old]) && of(&[old, "app/notes", "app/inner/manifest.json"]));
    assert!(!of(&[]) && !of(&["app/inner/generations/0123456789abcdef/wal/x"]));
    assert!(!of(&[old, "app/manifest.json"]));
    assert!(!of(&[old, "app/0000/0000000000000001-0000000000000001.ltx"]));
}

#[test]
fn head_is_the_largest_over_all_levels() {
    assert_eq!(
        listing(vec![object(0, 3, 3, 0), object(9, 1, 7, 0), object(1, 2, 5, 0)]).head(),
        Some(txid(7))
    );
    assert_eq!(listing(vec![]).head(), None);
}

#[test]
fn an_object_that_came_after_its_compaction_is_dead() {
    let objects = vec![object(0, 2, 2, 50), object(0, 3, 3, 101), object(1, 2, 3, 100), object(0, 4, 4, 200)];
    let by_store = listing(objects.clone());
    assert_eq!(by_store.late_arrivals().len(), 1);
    assert_eq!(by_store.late_arrivals()[0].key, ObjectKey::slot(txid(3)));
    assert!(by_store.get(ObjectKey::slot(txid(3))).is_none());
    let by_header = PlaceListing::new(objects, None, ModifiedIs::HeaderTime);
    assert!(by_header.late_arrivals().is_empty());
}

#[test]
fn an_object_of_the_same_moment_lives() {
    assert!(listing(vec![object(0, 3, 3, 100), object(1, 2, 3, 100)]).late_arrivals().is_empty());
}

proptest! {
    #[test]
    fn late_arrivals_are_those_of_the_definition(
        all in proptest::collection::vec((0u8..=3, 1u64..9, 0u64..4, 0i64..6), 0..12),
    ) {
        let mut objects = BTreeMap::new();
        for (level, min, more, time) in all {
            let max = if level == 0 { min } else { min + more };
            let o = object(level, min, max, time);
            objects.insert(o.key, o);
        }
        let objects: Vec<ObjectInfo> = objects.into_values().collect();
        let expected: Vec<ObjectKey> = objects
            .iter()
            .filter(|o| o.key.level() == Level::L0)
            .filter(|o| objects.iter().any(|c| {
                c.key.level() > Level::L0 && c.key.range().covers(o.key.range()) && c.modified < o.modified
            }))
            .map(|o| o.key)
            .collect();
        let found: Vec<ObjectKey> = listing(objects).late_arrivals().iter().map(|o| o.key).collect();
        prop_assert_eq!(found, expected);
    }
}
