//! What is planned, by names and headers.

use super::*;
use crate::restore::world::{World, key, txid};
use crate::restore::{Knowledge, Step};
use crate::types::{Level, Txid};

/// No limit that matters.
pub(super) const FREE: Limits = Limits { inputs_max: 1000, input_bytes_max: u64::MAX, outputs_max: 1000 };

pub(super) fn level(n: u8) -> Level {
    Level::new(n).unwrap()
}

pub(super) fn keys(levels: &[(u8, u64, u64)]) -> Vec<ObjectKey> {
    levels.iter().map(|(level, min, max)| key(*level, *min, *max)).collect()
}

pub(super) fn slots(range: std::ops::RangeInclusive<u64>) -> Vec<ObjectKey> {
    range.map(|n| key(0, n, n)).collect()
}

/// Every object but those that begin at 1 continues the state before it: the checksum of a state is its number.
pub(super) fn chained(keys: &[ObjectKey]) -> World {
    keys.iter().fold(World::of(keys), |world, &key| {
        world.tag(key, key.min().into_inner() - 1, key.max().into_inner())
    })
}

/// The same, and this slot is a full image.
pub(super) fn with_image(world: World, at: u64) -> World {
    let mut world = world;
    world.facts.get_mut(&key(0, at, at)).unwrap().before = None;
    world
}

pub(super) fn ask(world: &World, levels: &Levels, target: u8, confirmed: u64, limits: Limits) -> Plan {
    let ask =
        |listing: &_, known: &_| Ok(plan(listing, known, levels, level(target), txid(confirmed), limits));
    world.drive(&mut Knowledge::default(), ask).0.unwrap()
}

/// Outputs as `min-max:inputs`, and the end.
pub(super) fn planned(world: &World, target: u8) -> (Vec<String>, End) {
    let plan = ask(world, &Levels::default(), target, 1000, FREE);
    (told(&plan), plan.end)
}

pub(super) fn told(plan: &Plan) -> Vec<String> {
    let name =
        |key: ObjectKey| format!("{}/{}-{}", key.level(), key.min().into_inner(), key.max().into_inner());
    let one = |made: &Compaction| {
        let inputs: Vec<String> = made.inputs.iter().map(|input| name(input.key)).collect();
        format!("{} from {}", name(made.output), inputs.join(" "))
    };
    plan.compactions.iter().map(one).collect()
}

#[test]
fn level_goes_on_where_its_newest_object_ends() {
    let mut all = slots(2..=9);
    all.extend(keys(&[(9, 1, 1), (1, 2, 3), (1, 4, 6)]));
    let (made, end) = planned(&chained(&all), 1);
    assert_eq!(made, ["1/7-9 from 0/7-7 0/8-8 0/9-9"]);
    assert_eq!(end, End::Reached);
}

#[test]
pub(super) fn first_image_is_never_an_input() {
    let mut all = slots(2..=3);
    all.push(key(9, 1, 1));
    assert_eq!(planned(&chained(&all), 1).0, ["1/2-3 from 0/2-2 0/3-3"]);
    // Another tool has its first image in level 0, and copies it upward.
    let all = [slots(1..=4), keys(&[(1, 1, 2), (9, 1, 2)])].concat();
    assert_eq!(planned(&World::of(&all), 1).0, ["1/3-4 from 0/3-3 0/4-4"]);
    let all = [slots(3..=6), keys(&[(1, 1, 2), (1, 3, 4), (1, 5, 6)])].concat();
    assert_eq!(planned(&World::of(&all), 2).0, ["2/3-6 from 1/3-4 1/5-6"]);
    assert_eq!(planned(&World::of(&slots(1..=3)), 1).0, ["1/2-3 from 0/2-2 0/3-3"]);
}

#[test]
fn database_that_did_not_change_costs_nothing() {
    let all = [slots(2..=6), keys(&[(9, 1, 1), (1, 2, 6), (2, 2, 6), (3, 2, 6)])].concat();
    let world = chained(&all);
    for target in 1..=3 {
        let ask = |listing: &_, known: &_| {
            Ok(plan(listing, known, &Levels::default(), level(target), txid(6), Limits::DEFAULT))
        };
        let (plan, asked) = world.drive(&mut Knowledge::default(), ask);
        assert_eq!(plan.unwrap(), Plan { compactions: vec![], end: End::Reached });
        assert_eq!(asked, 0, "not even a header");
    }
    assert_eq!(planned(&World::default(), 1), (vec![], End::Reached));
}

#[test]
fn nothing_is_asked_but_the_headers_of_what_is_compacted() {
    let all = [slots(2..=9), keys(&[(9, 1, 1), (1, 2, 6), (9, 1, 6)])].concat();
    let ask = |listing: &_, known: &_| {
        Ok(plan(listing, known, &Levels::default(), level(1), txid(1000), Limits::DEFAULT))
    };
    let (_, asked) = chained(&all).drive(&mut Knowledge::default(), ask);
    assert_eq!(asked, 4, "three slots, and the object that they follow");
}

#[test]
pub(super) fn only_confirmed_slots_are_compacted() {
    let all = [slots(2..=9), keys(&[(9, 1, 1), (1, 2, 3), (1, 4, 6)])].concat();
    let world = chained(&all);
    let at = |target, confirmed| told(&ask(&world, &Levels::default(), target, confirmed, FREE));
    assert_eq!(at(1, 8), ["1/7-8 from 0/7-7 0/8-8"]);
    assert_eq!(at(1, 7), ["1/7-7 from 0/7-7"]);
    assert_eq!(at(1, 6), Vec::<String>::new());
    assert_eq!(at(2, 5), ["2/2-3 from 1/2-3"]);
}

#[test]
pub(super) fn nothing_is_merged_across_a_full_image_nor_copied_with_it() {
    let all = [slots(2..=8), keys(&[(9, 1, 1), (9, 1, 5)])].concat();
    let world = with_image(chained(&all), 5);
    assert_eq!(planned(&world, 1).0, ["1/2-4 from 0/2-2 0/3-3 0/4-4", "1/6-8 from 0/6-6 0/7-7 0/8-8"]);
    // Two in a row, one at the beginning, one at the end.
    let world = [2, 5, 6, 8].into_iter().fold(chained(&all), with_image);
    assert_eq!(
        planned(&world, 1),
        (vec!["1/3-4 from 0/3-3 0/4-4".into(), "1/7-7 from 0/7-7".into()], End::Reached)
    );
    // The next level has the same hole, also when the slot is gone, and its snapshot is there.
    let mut above = keys(&[(9, 1, 1), (1, 2, 4), (1, 6, 8), (9, 1, 5)]);
    assert_eq!(planned(&chained(&above), 2).0, ["2/2-4 from 1/2-4", "2/6-8 from 1/6-8"]);
    above.push(key(0, 5, 5));
    assert_eq!(planned(&with_image(chained(&above), 5), 2).0, ["2/2-4 from 1/2-4", "2/6-8 from 1/6-8"]);
}

/// The chain that begins with a full image is checked like any other.
#[test]
fn what_follows_a_full_image_must_continue_it() {
    let all = [slots(2..=8), keys(&[(9, 1, 1)])].concat();
    let world = with_image(chained(&all), 2).tag(key(0, 3, 3), 77, 3);
    let stop = Stop::Unlinked { left: key(0, 2, 2), right: key(0, 3, 3) };
    assert_eq!(planned(&world, 1), (vec![], End::Stopped(stop)));
}

#[test]
pub(super) fn contradiction_stops_the_plan_and_names_both() {
    let all = [slots(2..=8), keys(&[(9, 1, 1)])].concat();
    let world = chained(&all).tag(key(0, 5, 5), 99, 5);
    let stop = Stop::Unlinked { left: key(0, 4, 4), right: key(0, 5, 5) };
    assert_eq!(planned(&world, 1), (vec!["1/2-4 from 0/2-2 0/3-3 0/4-4".into()], End::Stopped(stop)));
    let world = chained(&[all, keys(&[(1, 2, 4)])].concat()).tag(key(1, 2, 4), 1, 99);
    let stop = Stop::Unlinked { left: key(1, 2, 4), right: key(0, 5, 5) };
    assert_eq!(planned(&world, 1), (vec![], End::Stopped(stop)));
}

#[test]
fn links_without_checksums_are_allowed_and_told() {
    let all = [slots(2..=6), keys(&[(9, 1, 1), (9, 1, 4)])].concat();
    let made = |world: &World| ask(world, &Levels::default(), 1, 1000, FREE).compactions;
    assert!(made(&chained(&all))[0].is_chained);
    assert!(!made(&World::of(&all))[0].is_chained);
    for number in 2..=6 {
        let mut world = chained(&all);
        let facts = world.facts.get_mut(&key(0, number, number)).unwrap();
        (facts.before, facts.after) = (None, None);
        let made = made(&world);
        assert_eq!((made.len(), made[0].inputs.len(), made[0].is_chained), (1, 5, false));
    }
}

#[test]
fn level_does_not_overtake_the_one_below() {
    let all = [slots(2..=9), keys(&[(9, 1, 1), (1, 2, 3), (1, 4, 6)])].concat();
    assert_eq!(planned(&chained(&all), 2).0, ["2/2-6 from 1/2-3 1/4-6"]);
    assert_eq!(planned(&chained(&all), 3), (vec![], End::Reached));
}

#[test]
fn level_that_is_skipped_is_made_from_what_is_below() {
    let hour = std::time::Duration::from_secs(3600);
    let all = [slots(2..=9), keys(&[(9, 1, 1), (1, 2, 3), (1, 4, 6)])].concat();
    let only_three = Levels::new([(level(3), hour)]).unwrap();
    let plan = ask(&chained(&all), &only_three, 3, 8, FREE);
    assert_eq!(told(&plan), ["3/2-8 from 1/2-3 1/4-6 0/7-7 0/8-8"]);
    // Level 2 is no longer made; what there is of it is taken where it makes the chain shorter.
    let one_and_three = Levels::new([(level(1), hour), (level(3), hour)]).unwrap();
    let world = chained(&[all, keys(&[(2, 2, 6)])].concat());
    assert_eq!(told(&ask(&world, &one_and_three, 3, 1000, FREE)), ["3/2-6 from 2/2-6"]);
}

#[test]
fn fewest_objects_that_fit_exactly_are_taken() {
    let all =
        [slots(2..=9), keys(&[(9, 1, 1), (1, 2, 3), (1, 4, 9), (1, 3, 9), (2, 4, 6), (2, 2, 3)])].concat();
    let only_three = Levels::new([(level(3), std::time::Duration::from_secs(1))]).unwrap();
    let made = |all: &[ObjectKey]| told(&ask(&chained(all), &only_three, 3, 1000, FREE));
    assert_eq!(made(&all), ["3/2-9 from 0/2-2 1/3-9"]);
    // Of those that are as few the ones of the higher level.
    assert_eq!(made(&keys(&[(9, 1, 1), (1, 2, 3), (2, 2, 3)])), ["3/2-3 from 2/2-3"]);
}

#[test]
fn backlog_becomes_several_outputs() {
    let all = [slots(2..=9), keys(&[(9, 1, 1)])].concat();
    let world = chained(&all);
    let made = |limits| {
        let plan = ask(&world, &Levels::default(), 1, 1000, limits);
        (plan.compactions.iter().map(|c| c.inputs.len()).collect::<Vec<_>>(), plan.end)
    };
    assert_eq!(made(Limits { inputs_max: 3, ..FREE }), (vec![3, 3, 2], End::Reached));
    // Objects have 1000 bytes here.
    assert_eq!(made(Limits { input_bytes_max: 2999, ..FREE }), (vec![2; 4], End::Reached));
    assert_eq!(made(Limits { input_bytes_max: 3000, ..FREE }), (vec![3, 3, 2], End::Reached));
    assert_eq!(made(Limits { input_bytes_max: 1, ..FREE }), (vec![1; 8], End::Reached), "one at least");
    assert_eq!(made(Limits { inputs_max: 3, outputs_max: 2, ..FREE }), (vec![3, 3], End::More));
    assert_eq!(made(Limits { inputs_max: 4, outputs_max: 2, ..FREE }), (vec![4, 4], End::Reached));
    assert_eq!(made(Limits { inputs_max: 0, input_bytes_max: 0, outputs_max: 0 }), (vec![1], End::More));
}

/// Limits bound also what is asked for at once.
#[test]
fn backlog_is_not_asked_for_as_a_whole() {
    let all = [slots(2..=900), keys(&[(9, 1, 1)])].concat();
    let listing = chained(&all).listing();
    let limits = Limits { inputs_max: 5, outputs_max: 4, ..FREE };
    let step = plan(&listing, &Knowledge::default(), &Levels::default(), level(1), txid(1000), limits);
    let Step::Need(needs) = step else { panic!("headers are lacking") };
    assert_eq!(needs.headers.len(), 21, "20 inputs, and the snapshot that they follow");
}

#[test]
fn only_a_full_image_changes_the_page_size() {
    let all = [slots(2..=6), keys(&[(9, 1, 1), (9, 1, 4)])].concat();
    let resized = |mut world: World| {
        for (key, facts) in &mut world.facts {
            if (*key).max() >= txid(4) {
                facts.page_size = PageSize::new(512).unwrap();
            }
        }
        world
    };
    let both = ["1/2-3 from 0/2-2 0/3-3", "1/5-6 from 0/5-5 0/6-6"];
    assert_eq!(planned(&with_image(resized(chained(&all)), 4), 1).0, both);
    let stop = End::Stopped(Stop::Unlinked { left: key(0, 3, 3), right: key(0, 4, 4) });
    assert_eq!(planned(&resized(chained(&all)), 1), (vec![both[0].into()], stop.clone()));
    // One that says that it builds on the state before has no business with another page size, whatever it holds.
    let mut world = resized(chained(&all));
    world.full_images.insert(key(0, 4, 4));
    assert_eq!(planned(&world, 1), (vec![both[0].into()], stop.clone()));
    // Another tool's object does not say what it is: its page index does.
    let mut world = resized(World::of(&all));
    assert_eq!(planned(&world, 1), (vec![both[0].into()], stop));
    world.full_images.insert(key(0, 4, 4));
    assert_eq!(planned(&world, 1).0, both);
}

#[test]
pub(super) fn an_image_that_another_tool_put_into_a_slot_stays_where_it_is() {
    let mut world = World::of(&[slots(2..=6), keys(&[(9, 1, 1)])].concat());
    assert_eq!(planned(&world, 1).0, ["1/2-6 from 0/2-2 0/3-3 0/4-4 0/5-5 0/6-6"]);
    world.full_images.insert(key(0, 4, 4));
    assert_eq!(planned(&world, 1).0, ["1/2-3 from 0/2-2 0/3-3", "1/5-6 from 0/5-5 0/6-6"]);
}

#[test]
fn a_slot_of_another_tool_that_is_too_small_for_every_page_costs_no_look() {
    let mut world = World::of(&[slots(2..=6), keys(&[(9, 1, 1)])].concat());
    world.facts.values_mut().for_each(|facts| facts.commit = 1000);
    let (listing, mut known) = (world.listing(), Knowledge::default());
    for (key, facts) in &world.facts {
        known.learn_header(*key, *facts);
    }
    let planned = plan(&listing, &known, &Levels::default(), level(1), txid(6), FREE);
    assert!(matches!(planned, Step::Done(_)), "{planned:?}");
}

#[test]
#[should_panic(expected = "only a level that is configured")]
fn planning_a_level_that_is_not_made_is_a_bug() {
    let listing = World::default().listing();
    let _ = plan(&listing, &Knowledge::default(), &Levels::default(), level(4), Txid::ONE, FREE);
}
