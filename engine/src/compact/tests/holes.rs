//! Where objects are missing, damaged, late, or let go.

use super::plan::{FREE, ask, chained, keys, level, planned, slots, told, with_image};
use super::*;
use crate::key::{Layout, ListingBuilder, ModifiedIs, Place};
use crate::restore::Step;
use crate::restore::world::{World, key, txid};
use crate::store::{ETag, ObjectMeta};

/// Retention lets go of what a higher level contains, sooner or later all of it.
#[test]
fn level_whose_objects_were_let_go_continues_the_one_above() {
    let all = [slots(2..=9), keys(&[(9, 1, 1), (2, 2, 6)])].concat();
    assert_eq!(planned(&chained(&all), 1).0, ["1/7-9 from 0/7-7 0/8-8 0/9-9"]);
    let all = [slots(8..=9), keys(&[(9, 1, 1), (1, 7, 7), (2, 2, 6), (3, 2, 5)])].concat();
    assert_eq!(planned(&chained(&all), 1).0, ["1/8-9 from 0/8-8 0/9-9"]);
    assert_eq!(planned(&chained(&all), 2).0, ["2/7-7 from 1/7-7"]);
    assert_eq!(planned(&chained(&all), 3), (vec![], End::Reached));
    // Where both end, the level's own object is the one that is continued.
    let all = [slots(7..=8), keys(&[(9, 1, 1), (1, 2, 6), (2, 2, 6)])].concat();
    let world = chained(&all).tag(key(2, 2, 6), 1, 99);
    assert_eq!(planned(&world, 1), (vec!["1/7-8 from 0/7-7 0/8-8".into()], End::Reached));
}

#[test]
fn snapshot_that_leads_to_a_chain_must_fit_it() {
    let all = [slots(6..=8), keys(&[(9, 1, 5), (1, 2, 3)])].concat();
    assert_eq!(planned(&chained(&all), 1).0, ["1/6-8 from 0/6-6 0/7-7 0/8-8"]);
    let world = chained(&all).tag(key(9, 1, 5), 0, 99);
    let stop = Stop::Unlinked { left: key(9, 1, 5), right: key(0, 6, 6) };
    assert_eq!(planned(&world, 1), (vec![], End::Stopped(stop)));
}

#[test]
pub(super) fn gap_that_no_snapshot_bridges_stops_the_plan() {
    let all = [slots(2..=3), slots(6..=8), keys(&[(9, 1, 1)])].concat();
    let (made, end) = planned(&chained(&all), 1);
    assert_eq!(made, ["1/2-3 from 0/2-2 0/3-3"]);
    let missing = crate::types::TxidRange::new(txid(4), txid(5)).unwrap();
    assert_eq!(end, End::Stopped(Stop::Gap { missing, next: key(0, 6, 6) }));
    // Healed: an image in a slot, its snapshot, and nothing behind it yet.
    let healed =
        with_image(chained(&[slots(2..=3), slots(6..=7), keys(&[(9, 1, 1), (9, 1, 7)])].concat()), 7);
    assert_eq!(planned(&healed, 1), (vec!["1/2-3 from 0/2-2 0/3-3".into()], End::Reached));
    // What is missing then begins behind the image.
    let again = [slots(2..=3), slots(6..=7), slots(10..=11), keys(&[(9, 1, 1), (9, 1, 7)])].concat();
    let missing = crate::types::TxidRange::new(txid(8), txid(9)).unwrap();
    let stop = Stop::Gap { missing, next: key(0, 10, 10) };
    assert_eq!(planned(&with_image(chained(&again), 7), 1).1, End::Stopped(stop));
    // The healed history goes on behind it.
    let all = [all, keys(&[(9, 1, 7)])].concat();
    let world = with_image(chained(&[all.clone(), slots(10..=11)].concat()), 7);
    let missing = crate::types::TxidRange::single(txid(9));
    let stop = Stop::Gap { missing, next: key(0, 10, 10) };
    assert_eq!(planned(&world, 1).1, End::Stopped(stop), "the second gap");
    let world = with_image(chained(&all), 7);
    assert_eq!(
        planned(&world, 1),
        (vec!["1/2-3 from 0/2-2 0/3-3".into(), "1/8-8 from 0/8-8".into()], End::Reached)
    );
}

#[test]
fn snapshot_inside_an_object_bridges_the_hole_before_it() {
    let all = keys(&[(9, 1, 7), (1, 2, 4), (2, 2, 4), (1, 6, 8), (1, 9, 9)]);
    assert_eq!(planned(&chained(&all), 2).0, ["2/6-9 from 1/6-8 1/9-9"]);
    // One that ends with the object leads nowhere further than it does.
    let all = keys(&[(9, 1, 8), (1, 2, 4), (2, 2, 4), (1, 6, 8), (1, 9, 9)]);
    assert_eq!(planned(&chained(&all), 2).0, ["2/9-9 from 1/9-9"]);
}

#[test]
fn damaged_object_is_replaced_by_lower_ones_or_stops_the_plan() {
    let all = [slots(2..=6), keys(&[(9, 1, 1), (1, 2, 3), (1, 4, 6)])].concat();
    let mut world = chained(&all);
    world.damaged.insert(key(1, 4, 6));
    assert_eq!(planned(&world, 2).0, ["2/2-6 from 1/2-3 0/4-4 0/5-5 0/6-6"]);
    world.damaged.insert(key(0, 5, 5));
    let stop = Stop::Damaged { object: key(0, 5, 5), why: "cut off".into() };
    let (made, end) = planned(&world, 2);
    assert_eq!(made, ["2/2-4 from 1/2-3 0/4-4"]);
    assert_eq!(end, End::Stopped(stop));
    // In the level itself it says nothing of what follows; what it was made of is not made again under its key.
    let all = [slots(2..=6), keys(&[(9, 1, 1), (1, 2, 3)])].concat();
    let mut world = chained(&all);
    world.damaged.insert(key(1, 2, 3));
    assert_eq!(planned(&world, 1).0, ["1/4-6 from 0/4-4 0/5-5 0/6-6"]);
}

/// Somebody drew the bounds of level 1 otherwise than level 2 was made from.
#[test]
fn object_that_reaches_across_the_end_of_the_level_is_gone_around() {
    let all = keys(&[(9, 1, 1), (2, 2, 5), (1, 4, 7), (1, 8, 9)]);
    assert_eq!(planned(&chained(&all), 2).0, ["2/8-9 from 1/8-9"]);
    let all = [all, slots(6..=7)].concat();
    assert_eq!(planned(&chained(&all), 2).0, ["2/6-9 from 0/6-6 0/7-7 1/8-9"]);
}

#[test]
fn late_arrivals_are_no_inputs() {
    let place = Place::new("a/b").unwrap();
    let meta = |key: ObjectKey, modified_ms| ObjectMeta {
        key: place.object_key(Layout::Tree, key),
        size_bytes: 1000,
        etag: ETag::new("e"),
        modified: Timestamp::from_millis(modified_ms),
        arrived: Timestamp::from_millis(modified_ms),
    };
    // Slots 4 and 5 were settled without these, which came later, and what they were settled in is damaged.
    let settled = key(2, 4, 5);
    let page = [
        meta(key(9, 1, 1), 1),
        meta(key(3, 2, 3), 2),
        meta(settled, 5),
        meta(key(0, 4, 4), 9),
        meta(key(0, 5, 5), 9),
    ];
    let made = |modified| {
        let mut builder = ListingBuilder::new(place.clone(), Layout::Tree);
        builder.page(&page);
        let listing = builder.finish(modified);
        let mut known = World::of(
            &page.iter().map(|o| place.object_info(Layout::Tree, o).unwrap().key).collect::<Vec<_>>(),
        )
        .all_headers();
        known.learn_damage(settled, "cut off");
        slots(4..=5).into_iter().for_each(|slot| known.learn_full_image(slot, false));
        match plan(&listing, &known, &Levels::default(), level(3), txid(9), FREE) {
            Step::Done(plan) => (told(&plan), plan.end),
            Step::Need(needs) => panic!("all everything is known: {needs:?}"),
        }
    };
    let stop = Stop::Damaged { object: settled, why: "cut off".into() };
    assert_eq!(made(ModifiedIs::StoreTime), (vec![], End::Stopped(stop)));
    assert_eq!(made(ModifiedIs::HeaderTime), (vec!["3/4-5 from 0/4-4 0/5-5".into()], End::Reached));
}

#[test]
fn largest_numbers_are_no_trouble() {
    let top = u64::MAX;
    let all = keys(&[(9, 1, top - 2), (0, top - 1, top - 1), (0, top, top), (1, 5, top - 2)]);
    assert_eq!(ask(&chained(&all), &Levels::default(), 1, top, FREE).compactions[0].inputs.len(), 2);
    let all = keys(&[(0, top, top), (1, 5, top), (2, 3, 4)]);
    assert_eq!(ask(&chained(&all), &Levels::default(), 1, top, FREE).compactions, []);
    assert_eq!(ask(&chained(&all), &Levels::default(), 2, top, FREE).compactions.len(), 1);
}
