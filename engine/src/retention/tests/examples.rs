//! Places that people can follow.

use super::life::{DAY_MS, HOUR_MS};
use super::place::{Objects, Stored, at, facts, key, numbers};
use crate::key::{ModifiedIs, ObjectKey};
use crate::manifest::{DatabaseId, Manifest, WriterClaim};
use crate::restore::Knowledge;
use crate::retention::{Action, Arrivals, Keep, Policy, Retention, Trouble, plan};
use crate::types::{NodeId, PageSize};
use std::fmt::Write as _;
use std::time::Duration;

/// The default policy.
const DEFAULT: Policy = Policy {
    l0: Duration::from_secs(300),
    pitr: Duration::from_secs(24 * 3600),
    hourly: 24,
    daily: 7,
    weekly: 12,
    monthly: 12,
};

/// 2026-11-27T00:00:00Z, a Friday.
const FRIDAY: i64 = 1_795_737_600_000;

/// Objects without a break; a state's checksum is its number.
struct Shelf(Objects);

impl Shelf {
    fn new() -> Shelf {
        Shelf(Objects::default())
    }

    fn with(mut self, key: ObjectKey, sealed: i64, modified: i64) -> Shelf {
        let before = (!key.starts_at_one()).then(|| key.min().into_inner() - 1);
        let facts = facts(before, key.max().into_inner(), sealed);
        let is_full_image = key.starts_at_one();
        self.0.0.insert(key, Stored { facts, modified, is_full_image, is_damaged: false });
        self
    }

    fn slots(self, range: std::ops::RangeInclusive<u64>, sealed: impl Fn(u64) -> i64) -> Shelf {
        range.fold(self, |shelf, n| shelf.with(key(0, n, n), sealed(n), sealed(n)))
    }

    fn edit(mut self, key: ObjectKey, edit: impl Fn(&mut Stored)) -> Shelf {
        edit(self.0.0.get_mut(&key).unwrap());
        self
    }

    fn plan(&self, policy: &Policy, now: i64) -> Retention {
        self.0.plan(policy, now)
    }
}

fn told(retention: &Retention) -> String {
    let mut text = String::new();
    for one in &retention.decisions {
        let verb = if one.is_delete() { "delete" } else { "keep" };
        let (level, min, max) = (one.info.key.level(), one.info.key.min(), one.info.key.max());
        writeln!(text, "{verb:6} {level}/{}-{}: {}", min.into_inner(), max.into_inner(), one.action).unwrap();
    }
    write!(text, "points that go: {:?}", numbers(&retention.points_removed)).unwrap();
    text
}

fn gone(retention: &Retention) -> Vec<ObjectKey> {
    retention.deletes().map(|one| one.info.key).collect()
}

/// A snapshot at midnight, then a slot every ten seconds for two minutes, compacted every minute.
fn two_minutes() -> Shelf {
    let slot_time = |n: u64| FRIDAY + 10_000 * i64::try_from(n).unwrap();
    Shelf::new()
        .with(key(9, 1, 2), FRIDAY, FRIDAY)
        .slots(3..=14, slot_time)
        .with(key(1, 3, 8), slot_time(8), slot_time(8) + 1_000)
        .with(key(1, 9, 13), slot_time(13), slot_time(13) + 1_000)
}

#[test]
fn each_object_has_a_reason() {
    let retention = two_minutes().plan(&DEFAULT, FRIDAY + 90_000 + 300_000);
    insta::assert_snapshot!(told(&retention), @"
    delete 0/3-3: 1/0000000000000003-0000000000000008 contains it
    delete 0/4-4: 1/0000000000000003-0000000000000008 contains it
    delete 0/5-5: 1/0000000000000003-0000000000000008 contains it
    delete 0/6-6: 1/0000000000000003-0000000000000008 contains it
    delete 0/7-7: 1/0000000000000003-0000000000000008 contains it
    delete 0/8-8: 1/0000000000000003-0000000000000008 contains it
    keep   0/9-9: compacted less than `l0` ago
    keep   0/10-10: compacted less than `l0` ago
    keep   0/11-11: compacted less than `l0` ago
    keep   0/12-12: compacted less than `l0` ago
    keep   0/13-13: compacted less than `l0` ago
    keep   0/14-14: the newest slot is never deleted
    keep   1/3-8: TXID 000000000000000e needs it: the newest state
    keep   1/9-13: written less than `l0` ago
    keep   9/1-2: TXID 000000000000000e needs it: the newest state
    points that go: {3, 4, 5, 6, 7}
    ");
}

#[test]
fn hours_and_days_keep_their_last_points() {
    let every_20_minutes = |n: u64| FRIDAY + 20 * 60_000 * i64::try_from(n - 2).unwrap() - 1_000;
    let mut shelf = Shelf::new().with(key(9, 1, 2), FRIDAY - 1_000, FRIDAY);
    for n in 3..=150 {
        shelf = shelf.with(key(1, n, n), every_20_minutes(n), every_20_minutes(n));
    }
    let shelf = shelf.slots(150..=150, every_20_minutes);
    let policy =
        Policy { pitr: Duration::from_secs(3600), hourly: 4, daily: 2, weekly: 0, monthly: 0, ..DEFAULT };
    let retention = shelf.plan(&policy, every_20_minutes(150) + 600_000);
    let promised: Vec<u64> = retention.promised.iter().map(|(txid, _)| txid.into_inner()).collect();
    // Of four hours, the newest one among them, the last points are 143, 146, 149 and 150; of two days 146 and 150; 148 is
    // an hour old at most.
    assert_eq!(promised, [143, 146, 148, 149, 150], "{:?}", retention.promised);
}

#[test]
fn all_zeros_keep_the_newest_chain_alone() {
    let shelf = two_minutes().with(key(9, 1, 12), FRIDAY + 120_000, FRIDAY + 121_000);
    let zeros = Policy::default();
    let retention = shelf.plan(&zeros, FRIDAY + DAY_MS);
    let kept: Vec<ObjectKey> =
        retention.decisions.iter().filter(|one| !one.is_delete()).map(|one| one.info.key).collect();
    assert_eq!(kept, [key(0, 14, 14), key(1, 9, 13), key(9, 1, 12)]);
}

#[test]
fn an_older_snapshot_is_no_reason_to_delete_one() {
    let shelf = two_minutes().with(key(9, 1, 8), FRIDAY + 80_000, FRIDAY + 81_000);
    let retention = shelf.plan(&DEFAULT, FRIDAY + 2 * HOUR_MS);
    assert!(!gone(&retention).iter().any(|key| (*key).starts_at_one()));
    let zeros = shelf.plan(&Policy::default(), FRIDAY + 2 * HOUR_MS);
    assert!(gone(&zeros).contains(&key(9, 1, 2)) && !gone(&zeros).contains(&key(9, 1, 8)));
}

#[test]
fn damage_stops_its_chain_and_no_other() {
    let shelf = two_minutes()
        .with(key(9, 1, 13), FRIDAY + 130_000, FRIDAY + 131_000)
        .with(key(9, 1, 14), FRIDAY + 140_000, FRIDAY + 141_000)
        .slots(15..=16, |n| FRIDAY + 10_000 * i64::try_from(n).unwrap())
        .with(key(1, 14, 15), FRIDAY + 150_000, FRIDAY + 151_000)
        .edit(key(1, 3, 8), |stored| stored.is_damaged = true);
    let retention = shelf.plan(&Policy::default(), FRIDAY + DAY_MS);
    assert_eq!(gone(&retention), [key(0, 14, 14), key(0, 15, 15)]);
    assert!(matches!(&*retention.troubles, [Trouble::Damaged { object, .. }] if *object == key(1, 3, 8)));
}

#[test]
fn a_contradiction_stops_its_chain() {
    let shelf = two_minutes()
        .edit(key(1, 9, 13), |stored| stored.facts.after = Some(crate::types::Checksum::new(99)));
    let retention = shelf.plan(&Policy::default(), FRIDAY + DAY_MS);
    assert_eq!(gone(&retention), []);
    let is_told = |trouble: &Trouble| matches!(trouble, Trouble::Contradiction { .. });
    assert!(retention.troubles.iter().any(is_told));
}

#[test]
fn what_nobody_has_seen_arrive_lets_nothing_go() {
    let shelf = two_minutes();
    let listing = shelf.0.listing_as(ModifiedIs::HeaderTime);
    let plan_with = |arrivals: &Arrivals| {
        let known = &mut Knowledge::default();
        shelf.0.drive(known, |known| plan(&listing, known, arrivals, &DEFAULT, at(FRIDAY + DAY_MS)))
    };
    let mut arrivals = Arrivals::default();
    let unseen = plan_with(&arrivals);
    assert_eq!(gone(&unseen), []);
    assert!(unseen.decisions.iter().any(|one| one.action == Action::Keep(Keep::AgeUnknown)));
    arrivals.learn(key(1, 3, 8), at(FRIDAY + HOUR_MS));
    assert_eq!(gone(&plan_with(&arrivals)), (3..=8).map(|n| key(0, n, n)).collect::<Vec<_>>());
}

#[test]
fn a_full_image_without_its_snapshot_begins_the_chain() {
    let other_size = |stored: &mut Stored| {
        stored.facts.page_size = PageSize::new(512).unwrap();
    };
    let image = |stored: &mut Stored| {
        other_size(stored);
        stored.facts.before = None;
        stored.is_full_image = true;
    };
    let shelf = two_minutes().edit(key(0, 14, 14), image).slots(15..=15, |_| FRIDAY + 150_000);
    let shelf = shelf.edit(key(0, 15, 15), other_size);
    let retention = shelf.plan(&Policy::default(), FRIDAY + DAY_MS);
    assert_eq!(retention.troubles, []);
    let kept: Vec<ObjectKey> =
        retention.decisions.iter().filter(|one| !one.is_delete()).map(|one| one.info.key).collect();
    assert_eq!(kept, [key(0, 14, 14), key(0, 15, 15)]);
}

#[test]
fn what_another_writer_promised_is_kept() {
    assert!(another_writers_l0_is_kept());
}

/// Whether `l0` is at least what the manifest says.
pub(super) fn another_writers_l0_is_kept() -> bool {
    let node = NodeId::new(7).unwrap();
    let manifest = Manifest {
        database: DatabaseId::from_random([7; 16]),
        writer: WriterClaim { id: node, host: "a".to_owned(), time: at(0) },
        store: "file:///a".to_owned(),
        l0_ms: 3_600_000,
        policy: None,
        objects: Vec::new(),
    };
    let policy = DEFAULT.with_promised_l0(&manifest);
    gone(&two_minutes().plan(&policy, FRIDAY + 600_000)).is_empty()
}

#[test]
fn slots_before_an_image_stay_although_something_was_merged_across_it() {
    assert!(a_merge_across_an_image_stands_for_itself());
}

/// Whether slots before a full image stay where only another tool's merge across it contains them.
pub(super) fn a_merge_across_an_image_stands_for_itself() -> bool {
    let slot_time = |n: u64| FRIDAY + 10_000 * i64::try_from(n).unwrap();
    let image = |stored: &mut Stored| {
        stored.facts.before = None;
        stored.is_full_image = true;
    };
    let shelf = Shelf::new()
        .with(key(9, 1, 2), FRIDAY, FRIDAY)
        .slots(3..=8, slot_time)
        .edit(key(0, 5, 5), image)
        .with(key(1, 3, 7), slot_time(7), slot_time(7) + 1_000);
    gone(&shelf.plan(&DEFAULT, FRIDAY + HOUR_MS)).is_empty()
}
