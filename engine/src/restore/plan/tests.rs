use crate::key::ObjectKey;
use crate::manifest::{DatabaseId, IndexEntry, Manifest, WriterClaim};
use crate::restore::link::is_broken;
use crate::restore::world::{World, key, txid, untagged};
use crate::restore::*;
use crate::types::{Checksum, NodeId, PageSize, Timestamp};
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};

fn keys_of(plan: &Plan) -> Vec<ObjectKey> {
    plan.objects().iter().map(|o| o.info.key).collect()
}

fn at(ms: i64) -> Target {
    Target::Timestamp(Timestamp::from_millis(ms))
}

fn slots(range: impl IntoIterator<Item = u64>) -> Vec<ObjectKey> {
    range.into_iter().map(|n| key(0, n, n)).collect()
}

#[test]
fn the_newest_base_and_the_fewest_objects_win() {
    let mut keys = slots(1..=12);
    keys.extend([key(9, 1, 3), key(9, 1, 6), key(1, 7, 8), key(1, 9, 10), key(2, 7, 10), key(3, 7, 10)]);
    let plan = World::of(&keys).plan(Target::Latest).unwrap();
    assert_eq!(keys_of(&plan), [key(9, 1, 6), key(3, 7, 10), key(0, 11, 11), key(0, 12, 12)]);
}

#[test]
fn a_plan_reads_as_one_line_per_object() {
    let keys = [key(9, 1, 2), key(1, 3, 5), key(1, 5, 7), key(0, 8, 8)];
    let world = World::of(&keys).tag(keys[0], 1, 2).tag(keys[1], 2, 5);
    insta::assert_snapshot!(world.plan(Target::Latest).unwrap(), @"
    9/0000000000000001-0000000000000002          1000 bytes  base
    1/0000000000000003-0000000000000005          1000 bytes  chained
    1/0000000000000005-0000000000000007          1000 bytes  overlapping
    0/0000000000000008-0000000000000008          1000 bytes  unchained
    TXID 0000000000000008: 3 pages of 4096 bytes from 4 objects, 1 link without checksums
    ");
    insta::assert_snapshot!(world.plan(Target::Txid(txid(2))).unwrap(), @"
    9/0000000000000001-0000000000000002          1000 bytes  base
    TXID 0000000000000002: 3 pages of 4096 bytes from 1 object
    ");
}

#[test]
fn a_broken_link_is_planned_around() {
    let mut keys = slots(2..=4);
    keys.extend([key(9, 1, 1), key(9, 1, 2), key(1, 3, 4)]);
    // The compacted object does not continue the snapshot; the slots it was made of do.
    let world = World::of(&keys)
        .tag(key(9, 1, 2), 0, 20)
        .tag(key(1, 3, 4), 21, 40)
        .tag(key(0, 3, 3), 20, 30)
        .tag(key(0, 4, 4), 30, 40);
    let plan = world.plan(Target::Latest).unwrap();
    assert_eq!(keys_of(&plan), [key(9, 1, 2), key(0, 3, 3), key(0, 4, 4)]);
    assert_eq!(plan.unchained_count(), 0);
    assert_eq!(plan.checksum(), Some(Checksum::new(40)));
}

#[test]
fn an_object_of_another_history_is_not_smuggled_in_by_overlapping() {
    let keys = [key(9, 1, 2), key(9, 1, 3), key(1, 3, 4)];
    let world = World::of(&keys).tag(keys[0], 0, 20).tag(keys[1], 0, 30).tag(keys[2], 21, 40);
    let error = world.plan(Target::Latest).unwrap_err();
    assert!(matches!(error, PlanError::Unlinked { left, right, .. } if left == keys[0] && right == keys[2]));
    assert_eq!(world.tag(keys[2], 20, 40).plan(Target::Latest).unwrap().objects().len(), 2);
}

#[test]
fn a_damaged_object_is_planned_around() {
    let mut keys = slots(2..=3);
    keys.extend([key(9, 1, 1), key(9, 1, 3)]);
    let mut world = World::of(&keys);
    world.damaged.insert(key(9, 1, 3));
    assert_eq!(keys_of(&world.plan(Target::Latest).unwrap()), [key(9, 1, 1), key(0, 2, 2), key(0, 3, 3)]);
    world.damaged.insert(key(0, 2, 2));
    let error = world.plan(Target::Latest).unwrap_err();
    assert_eq!(error.kind(), PlanErrorKind::Corrupt);
}

#[test]
fn another_page_size_needs_a_full_image() {
    let mut world = World::of(&slots(1..=4));
    for n in 3..=4 {
        world.facts.get_mut(&key(0, n, n)).unwrap().page_size = PageSize::new(512).unwrap();
    }
    let error = world.plan(Target::Latest).unwrap_err();
    insta::assert_snapshot!(error, @"the newest state cannot be reached: 0/0000000000000003-0000000000000003 does not continue 0/0000000000000002-0000000000000002; nearest point: 0000000000000002 before");
    world.full_images.insert(key(0, 3, 3));
    assert_eq!(keys_of(&world.plan(Target::Latest).unwrap()), [key(0, 3, 3), key(0, 4, 4)]);
}

#[test]
fn every_error_names_the_nearest_points() {
    let mut keys = slots([8, 9, 12, 13]);
    keys.extend([key(9, 1, 4), key(1, 5, 7)]);
    let world = World::of(&keys);
    let error = |target| world.plan(target).unwrap_err().to_string();
    let text = [
        error(Target::Txid(txid(14))),
        error(Target::Txid(txid(2))),
        error(Target::Txid(txid(6))),
        error(Target::Txid(txid(10))),
        error(Target::Txid(txid(13))),
        error(Target::Latest),
        error(at(39)),
        error(at(91)),
        error(at(135)),
    ]
    .join("\n");
    insta::assert_snapshot!(text, @"
    TXID 000000000000000e is beyond the newest point; nearest point: 0000000000000009 before
    TXID 0000000000000002 is no restore point: it lies inside 9/0000000000000001-0000000000000004; nearest point: 0000000000000004 after
    TXID 0000000000000006 is no restore point: it lies inside 1/0000000000000005-0000000000000007; nearest points: 0000000000000004 before, 0000000000000007 after
    TXID 000000000000000a cannot be reached: 000000000000000a-000000000000000b is missing; nearest point: 0000000000000009 before
    TXID 000000000000000d cannot be reached: 000000000000000a-000000000000000b is missing; nearest point: 0000000000000009 before
    the newest state cannot be reached: 000000000000000a-000000000000000b is missing; nearest point: 0000000000000009 before
    the state at 39ms is before the first point, 0000000000000004
    the state at 91ms cannot be reached: 000000000000000a-000000000000000b is missing; nearest point: 0000000000000009 before
    the state at 135ms cannot be reached: 000000000000000a-000000000000000b is missing; nearest point: 0000000000000009 before
    ");
    assert_eq!(World::default().plan(Target::Latest), Err(PlanError::Empty));
}

#[test]
fn an_unclaimed_first_image_is_no_answer() {
    let image = key(9, 1, 1);
    let error = World::of(&[image]).tag(image, 0, 7).plan(Target::Latest).unwrap_err();
    assert_eq!(error, PlanError::Unclaimed { wanted: Wanted::Latest, nearest: Nearest::default() });
    assert_eq!(error.kind(), PlanErrorKind::Missing);
}

#[test]
fn claim_that_is_damaged_is_damage_and_no_claim_that_was_never_won() {
    let (image, claim) = (key(9, 1, 1), key(0, 2, 2));
    let mut world = World::of(&[image, claim]).tag(image, 0, 7).tag(claim, 7, 7);
    world.damaged.insert(claim);
    let error = world.plan(Target::Txid(txid(1))).unwrap_err();
    assert!(matches!(error, PlanError::Damaged { object, .. } if object == claim), "{error}");
}

#[test]
fn a_time_means_the_newest_point_that_is_not_younger() {
    let mut keys = slots([8, 9]);
    keys.extend([key(9, 1, 4), key(1, 5, 7)]);
    let world = World::of(&keys);
    let found = |ms| world.plan(at(ms)).unwrap().txid().into_inner();
    assert_eq!([found(40), found(69), found(70), found(80), found(89), found(5000)], [4, 4, 7, 8, 8, 9]);
    assert_eq!(world.plan(at(69)).unwrap().time(), Timestamp::from_millis(40));
}

#[test]
fn the_exact_time_of_the_last_point_before_a_gap_is_answered() {
    let world = World::of(&slots([1, 2, 5]));
    assert_eq!(world.plan(at(20)).unwrap().txid(), txid(2));
    assert_eq!(world.plan(at(19)).unwrap().txid(), txid(1));
    assert!(matches!(world.plan(at(21)), Err(PlanError::Gap { .. })));
}

#[test]
fn what_was_lost_before_a_full_image_is_a_gap() {
    let mut world = World::of(&slots([1, 2, 3, 6, 7]));
    world.full_images.insert(key(0, 6, 6));
    assert_eq!(world.plan(at(60)).unwrap().txid(), txid(6));
    assert!(matches!(world.plan(at(45)), Err(PlanError::Gap { .. })));
}

#[test]
fn gap_behind_a_damaged_object_starts_with_it() {
    let mut world = World::of(&slots([1, 2, 3, 5]));
    world.damaged.insert(key(0, 3, 3));
    let target = Target::Txid(txid(4));
    let error = world.drive(&mut world.all_headers(), |l, k| super::plan(l, k, target)).0.unwrap_err();
    insta::assert_snapshot!(error, @"TXID 0000000000000004 cannot be reached: 0000000000000003-0000000000000004 is missing; nearest point: 0000000000000002 before");
}

#[test]
fn states_that_the_policy_let_go_are_no_gap() {
    let world = World::of(&[key(9, 1, 4), key(9, 1, 9), key(0, 6, 6)]);
    assert_eq!(world.plan(at(75)).unwrap().txid(), txid(4));
}

#[test]
fn a_time_whose_state_is_spoiled_gets_no_older_one() {
    let mut world = World::of(&slots(1..=3));
    world.damaged.insert(key(0, 3, 3));
    assert!(matches!(world.plan(at(30)), Err(PlanError::Damaged { .. })));
    let broken = World::of(&slots(1..=3)).tag(key(0, 2, 2), 1, 2).tag(key(0, 3, 3), 5, 6);
    assert!(matches!(broken.plan(at(30)), Err(PlanError::Unlinked { .. })));
    assert_eq!(broken.plan(at(29)).unwrap().txid(), txid(2));
}

#[test]
fn header_of_a_damaged_object_tells_no_time() {
    let mut world = World::of(&slots(1..=3));
    world.facts.get_mut(&key(0, 3, 3)).unwrap().timestamp = Timestamp::from_millis(999);
    let mut known = world.all_headers();
    known.learn_damage(key(0, 3, 3), "its checksum is wrong");
    let (found, _) = world.drive(&mut known, |l, k| super::plan(l, k, at(30)));
    assert!(matches!(found, Err(PlanError::Damaged { .. })), "{found:?}");
}

#[test]
fn time_of_a_state_is_not_that_of_another_tools_snapshot() {
    let snapshot = key(9, 1, 3);
    let mut world = World::of(&[snapshot, key(0, 1, 1), key(0, 2, 2), key(0, 3, 3)]);
    world.facts.get_mut(&snapshot).unwrap().timestamp = Timestamp::from_millis(99);
    let plan = world.plan(Target::Latest).unwrap();
    assert_eq!((keys_of(&plan), plan.time()), (vec![snapshot], Timestamp::from_millis(30)));
}

/// Slots of a history beside another tool's snapshot of its third state, which was taken at 99 ms.
fn beside_a_late_snapshot(slots_there: impl IntoIterator<Item = u64>) -> World {
    let snapshot = key(9, 1, 3);
    let mut keys = slots(slots_there);
    keys.push(snapshot);
    let mut world = World::of(&keys);
    world.facts.get_mut(&snapshot).unwrap().timestamp = Timestamp::from_millis(99);
    world
}

#[test]
fn state_that_is_told_late_hides_none_after_it() {
    let world = beside_a_late_snapshot([1, 2, 4, 5, 6]);
    let found = |ms| world.plan(at(ms)).unwrap().txid().into_inner();
    assert_eq!(
        [found(29), found(39), found(40), found(49), found(55), found(98), found(99)],
        [2, 2, 4, 4, 5, 6, 6]
    );
    let world = beside_a_late_snapshot([4, 5]);
    assert_eq!(world.plan(at(45)).unwrap().txid(), txid(4));
    assert!(matches!(world.plan(at(35)), Err(PlanError::BeforeFirst { .. })));
}

#[test]
fn no_earlier_state_is_given_where_damage_hides_when_the_next_was_sealed() {
    let mut world = beside_a_late_snapshot([1, 2, 3, 4]);
    let slot = key(0, 3, 3);
    world.damaged.insert(slot);
    for ms in [21, 30, 39] {
        let error = world.plan(at(ms)).unwrap_err();
        assert!(matches!(error, PlanError::Damaged { object, .. } if object == slot), "{ms}: {error}");
    }
    assert_eq!(world.plan(at(20)).unwrap().txid(), txid(2));
    assert_eq!(world.plan(at(40)).unwrap().txid(), txid(4));
    assert_eq!(world.plan(Target::Txid(txid(2))).unwrap().txid(), txid(2));
}

#[test]
fn no_earlier_state_is_given_where_a_damaged_slot_may_have_begun_anew() {
    let (image, slot) = (key(0, 5, 5), key(0, 7, 7));
    let mut world = World::of(&[image, slot, key(0, 8, 8), key(1, 4, 10)]);
    world.full_images.extend([image, slot]);
    let found = |world: &World, ms| world.plan(at(ms)).map(|plan| plan.txid().into_inner());
    let whole = [50, 69, 70, 80, 99, 100].map(|ms| found(&world, ms).unwrap());
    assert_eq!(whole, [5, 5, 7, 8, 8, 10]);
    world.damaged.insert(slot);
    for target in [at(69), at(70), at(80), at(99), Target::Txid(txid(7)), Target::Txid(txid(8))] {
        let error = world.plan(target).unwrap_err();
        assert!(matches!(error, PlanError::Damaged { object, .. } if object == slot), "{target:?}: {error}");
    }
    assert_eq!([50, 100].map(|ms| found(&world, ms).unwrap()), [5, 10]);
    assert!(matches!(world.plan(Target::Txid(txid(6))), Err(PlanError::Compacted { .. })));
}

#[test]
fn damaged_slot_that_nothing_leads_to_is_asked_when_the_next_state_was_sealed() {
    let (snapshot, slot) = (key(9, 1, 5), key(0, 5, 5));
    let mut world = World::of(&[key(9, 1, 2), snapshot, slot]);
    assert_eq!(world.plan(at(21)).unwrap().txid(), txid(2));
    world.damaged.insert(slot);
    let error = world.plan(at(21)).unwrap_err();
    assert!(matches!(error, PlanError::Damaged { object, .. } if object == slot), "{error}");
}

#[test]
fn slot_that_was_sealed_too_late_tells_of_damaged_ones_after_it() {
    let slot = key(0, 8, 8);
    let mut world = World::of(&[key(0, 5, 5), key(0, 7, 7), slot, key(1, 4, 10)]);
    world.full_images.insert(key(0, 5, 5));
    world.damaged.insert(slot);
    assert_eq!(world.plan(at(65)).unwrap().txid(), txid(5));
    let error = world.plan(at(75)).unwrap_err();
    assert!(matches!(error, PlanError::Damaged { object, .. } if object == slot), "{error}");
}

#[test]
fn image_behind_a_gap_is_found_however_many_slots_were_asked_before_it() {
    let (image, other) = (key(0, 5, 5), key(0, 45, 45));
    let mut keys: Vec<ObjectKey> = (7..=46).map(|n| key(0, n, n)).collect();
    keys.extend([image, key(1, 4, 50)]);
    let mut world = World::of(&keys);
    world.full_images.extend([image, other]);
    assert_eq!(world.plan(Target::Txid(txid(45))).unwrap().txid(), txid(45));
    assert_eq!(world.plan(at(455)).unwrap().txid(), txid(45));
    world.damaged.insert(other);
    for target in [at(455), Target::Txid(txid(45))] {
        let error = world.plan(target).unwrap_err();
        assert!(matches!(error, PlanError::Damaged { object, .. } if object == other), "{target:?}: {error}");
    }
}

#[test]
fn damaged_slot_inside_what_starts_at_one_hides_nothing() {
    let slot = key(0, 7, 7);
    let mut world = World::of(&[key(9, 1, 3), slot, key(0, 8, 8), key(1, 4, 10)]);
    world.damaged.insert(slot);
    let plan = |target| world.drive(&mut world.all_headers(), |l, k| super::plan(l, k, target)).0;
    assert_eq!(plan(at(80)).unwrap().txid(), txid(3));
    assert!(matches!(plan(Target::Txid(txid(7))), Err(PlanError::Compacted { .. })));
}

#[test]
fn times_of_an_index_are_hints_and_headers_decide() {
    let keys = [key(9, 1, 2), key(1, 3, 4), key(1, 5, 6)];
    let world = World::of(&keys);
    let times = [[20, 15, 60], [20, 55, 60], [5, 6, 7], [90, 91, 92]];
    for (times, ms) in times.into_iter().flat_map(|times| [19, 20, 39, 40, 59, 60].map(|ms| (times, ms))) {
        let entry = |(key, ms): (&ObjectKey, i64)| IndexEntry {
            key: *key,
            time: Timestamp::from_millis(ms),
            size_bytes: 1000,
            sha256: None,
        };
        let mut known = Knowledge::default();
        known.learn_index(&index(keys.iter().zip(times).map(entry).collect()), &world.listing());
        let (found, _) = world.drive(&mut known, |l, k| super::plan(l, k, at(ms)));
        let newest = [20, 40, 60].into_iter().filter(|sealed| *sealed <= ms).max();
        assert_eq!(found.ok().map(|plan| plan.time()), newest.map(Timestamp::from_millis), "{times:?} {ms}");
    }
}

fn index(objects: Vec<IndexEntry>) -> Manifest {
    let time = Timestamp::default();
    Manifest {
        database: DatabaseId::from_random([7; 16]),
        writer: WriterClaim { id: NodeId::new(7).unwrap(), host: String::new(), time },
        store: String::new(),
        l0_ms: 0,
        policy: None,
        objects,
    }
}

#[test]
fn a_time_is_found_with_few_headers() {
    let mut keys = slots(2..=1000);
    keys.push(key(9, 1, 1));
    keys.extend((2..=1000).map(|n| key(9, 1, n)));
    let world = World::of(&keys);
    let mut known = Knowledge::default();
    let (plan, asked) = world.drive(&mut known, |l, k| super::plan(l, k, at(5005)));
    assert_eq!(plan.unwrap().txid(), txid(500));
    assert!(asked <= 2 + 2 + 10 + 1, "{asked}");
    let early = world.drive(&mut Knowledge::default(), |l, k| super::plan(l, k, at(9)));
    assert!(matches!(early, (Err(PlanError::BeforeFirst { .. }), 0..=4)), "{early:?}");
}

#[test]
fn the_index_spares_headers() {
    let keys = [key(9, 1, 2), key(9, 1, 4), key(9, 1, 6)];
    let world = World::of(&keys);
    let manifest = crate::manifest::Manifest {
        database: crate::manifest::DatabaseId::from_random([1; 16]),
        writer: crate::manifest::WriterClaim {
            id: crate::types::NodeId::new(1).unwrap(),
            host: String::new(),
            time: Timestamp::default(),
        },
        store: String::new(),
        l0_ms: 0,
        policy: None,
        objects: keys
            .iter()
            .map(|key| crate::manifest::IndexEntry {
                key: *key,
                time: untagged(*key).timestamp,
                size_bytes: if (*key).max() == txid(4) { 999 } else { 1000 },
                sha256: None,
            })
            .collect(),
    };
    let mut known = Knowledge::default();
    known.learn_index(&manifest, &world.listing());
    assert_eq!(known.time(keys[0]), Some(Timestamp::from_millis(20)));
    assert_eq!(known.time(keys[1]), None);
    let (plan, asked) = world.drive(&mut known, |listing, known| plan(listing, known, at(25)));
    assert_eq!((plan.unwrap().txid(), asked), (txid(2), 2));
}

/// Few TXIDs, so that names collide and overlap; checksums of a small set, so that some links break.
fn worlds() -> impl Strategy<Value = World> {
    let object = (0u8..=3, 1u64..8, 0u64..4, 0u8..10, any::<bool>());
    let checksum = proptest::option::weighted(0.6, 0u64..2);
    proptest::collection::vec((object, checksum.clone(), checksum), 1..10).prop_map(|objects| {
        let mut world = World::default();
        for ((level, min, more, oddity, is_full), before, after) in objects {
            let key = match level {
                0 => key(0, min, min),
                3 => key(9, 1, min),
                _ => key(level, min, min + more),
            };
            let mut facts = untagged(key);
            (facts.before, facts.after) = (before.map(Checksum::new), after.map(Checksum::new));
            world.facts.insert(key, facts);
            if oddity == 0 {
                world.damaged.insert(key);
            }
            if is_full && level == 0 && oddity < 4 {
                world.full_images.insert(key);
            }
        }
        world
    })
}

/// Every way there is, by definition: a base, then objects that each go on from the one before.
fn all_ways(world: &World, known: &Knowledge, is_base: impl Fn(ObjectKey) -> bool) -> Vec<Vec<ObjectKey>> {
    let unclaimed = || {
        let (image, claim) = (key(9, 1, 1), key(0, 2, 2));
        let after = world.facts.get(&image).filter(|_| !world.damaged.contains(&image))?.after?;
        let says = world.facts.get(&claim).filter(|_| !world.damaged.contains(&claim)).and_then(|f| f.before);
        (says != Some(after)).then_some(image)
    };
    let unclaimed = unclaimed();
    let usable: Vec<ObjectKey> = world.facts.keys().copied().collect();
    let mut usable: Vec<ObjectKey> =
        usable.into_iter().filter(|k| !world.damaged.contains(k) && Some(*k) != unclaimed).collect();
    let mut ways: Vec<Vec<ObjectKey>> = Vec::new();
    usable.sort_by_key(|k| (*k).max());
    for right in usable.iter().copied() {
        let mut longer = if is_base(right) { vec![vec![right]] } else { Vec::new() };
        let befores = known.header(right).and_then(|f| f.before);
        let afters = usable.iter().copied().filter(|k| (*k).max() < right.min());
        let adjacent = afters.filter(|k| (*k).max().into_inner() + 1 == right.min().into_inner());
        let afters: Vec<_> = adjacent.filter_map(|k| known.header(k).and_then(|f| f.after)).collect();
        let is_alien = befores.is_some_and(|b| !afters.is_empty() && !afters.contains(&b));
        for way in ways.iter().filter(|_| !is_base(right)) {
            let left = way[way.len() - 1];
            let no_hole = right.min().into_inner() <= left.max().into_inner() + 1;
            let overlaps = right.min() <= left.max();
            if no_hole
                && right.max() > left.max()
                && !(overlaps && is_alien)
                && !is_broken(left, right, known)
            {
                longer.push(way.iter().copied().chain([right]).collect());
            }
        }
        ways.extend(longer);
    }
    ways
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn points_and_plans_are_those_of_a_search_through_all_ways(mut world in worlds()) {
        world.full_images.clear();
        let truth = world.all_headers();
        let ways = all_ways(&world, &truth, ObjectKey::starts_at_one);
        let mut reachable: BTreeMap<u64, Vec<&Vec<ObjectKey>>> = BTreeMap::new();
        for way in &ways {
            reachable.entry(way[way.len() - 1].max().into_inner()).or_default().push(way);
        }
        let expected: Vec<u64> = reachable.keys().copied().collect();
        prop_assert_eq!(world.points(&mut truth.clone()), expected);
        for n in 1..14 {
            match (world.plan(Target::Txid(txid(n))), reachable.get(&n)) {
                (Err(_), None) => {}
                (Ok(plan), Some(ways)) => {
                    let keys = keys_of(&plan);
                    let base = |way: &[ObjectKey]| (way[0].max(), way[0].level());
                    let newest = ways.iter().map(|way| base(way)).max().unwrap();
                    prop_assert_eq!(base(&keys), newest);
                    let fewest = ways.iter().filter(|w| base(w) == newest).map(|w| w.len()).min().unwrap();
                    prop_assert_eq!(keys.len(), fewest);
                    let shortest = ways.iter().filter(|w| base(w) == newest && w.len() == fewest);
                    let level = shortest.map(|w| w[fewest - 1].level()).max().unwrap();
                    prop_assert_eq!(keys[fewest - 1].level(), level, "ties to the higher level");
                    prop_assert!(ways.contains(&&keys));
                }
                (plan, ways) => prop_assert!(false, "{n}: {plan:?} but {ways:?}"),
            }
        }
    }

    #[test]
    fn without_faults_no_plan_is_longer_than_the_shortest_way(mut world in worlds()) {
        world.full_images.clear();
        world.damaged.clear();
        for facts in world.facts.values_mut() {
            (facts.before, facts.after) = (None, None);
        }
        let ways = all_ways(&world, &world.all_headers(), ObjectKey::starts_at_one);
        for n in world.points(&mut Knowledge::default()) {
            let shortest = ways.iter().filter(|w| w[w.len() - 1].max() == txid(n)).map(Vec::len).min();
            let plan = world.plan(Target::Txid(txid(n))).unwrap();
            prop_assert_eq!(Some(plan.objects().len()), shortest);
        }
    }

    #[test]
    fn full_images_add_exactly_the_ways_from_those_that_were_looked_at(world in worlds()) {
        let mut known = world.all_headers();
        let found = world.points(&mut known);
        let is_base = |k: ObjectKey| k.starts_at_one() || known.full_image(k) == Some(true);
        let ways = all_ways(&world, &known, is_base);
        let expected: BTreeSet<u64> = ways.iter().map(|w| w[w.len() - 1].max().into_inner()).collect();
        prop_assert_eq!(found, expected.into_iter().collect::<Vec<_>>());
        // Whoever has a full image behind a gap gets it.
        for image in world.full_images.iter().copied() {
            let contained = ways.iter().flatten().any(|k| k.range().contains(image.max()));
            prop_assert!(contained || world.damaged.contains(&image), "{image}");
        }
    }

    #[test]
    fn asking_step_by_step_finds_what_knowing_everything_finds(mut world in worlds(), ms in 0i64..140) {
        world.full_images.clear();
        let target = at(ms);
        let step_by_step = world.plan(target).map(|plan| plan.txid()).ok();
        let (at_once, asked) = world.drive(&mut world.all_headers(), |l, k| plan(l, k, target));
        prop_assert!(world.damaged.is_empty() || asked < 20);
        prop_assert_eq!(step_by_step, at_once.map(|plan| plan.txid()).ok());
    }
}

#[test]
fn state_whose_slot_is_damaged_hides_nothing_where_one_before_it_was_sealed_too_late() {
    let (first, second) = (key(1, 1, 1), key(1, 2, 5));
    let mut world = World::of(&[key(0, 1, 1), first, second, key(1, 4, 6), key(9, 1, 6)]);
    world.facts.get_mut(&first).unwrap().after = Some(Checksum::new(0));
    world.facts.get_mut(&second).unwrap().before = Some(Checksum::new(1));
    world.damaged.extend([key(0, 1, 1), key(1, 4, 6)]);
    let at_once = world.drive(&mut world.all_headers(), |l, k| super::plan(l, k, at(11))).0;
    assert_eq!([world.plan(at(11)), at_once].map(|plan| plan.unwrap().txid()), [txid(1); 2]);
    assert!(matches!(world.plan(at(51)), Err(PlanError::Damaged { .. })));
}
