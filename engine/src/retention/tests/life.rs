//! Lives of places: writers, compaction, snapshots, strangers, accidents, clocks that jump.

use super::place::{Objects, Stored, key, txid};
use crate::key::ObjectKey;
use crate::restore::Facts;
use crate::types::{Checksum, Level, PageSize, Timestamp};
use proptest::prelude::*;
use std::collections::BTreeMap;

/// What happens to a place.
#[derive(Clone, Debug)]
pub(super) enum Deed {
    /// Nothing, for so many milliseconds.
    Pause(i64),
    /// So many slots, so many milliseconds apart.
    Sync {
        count: u64,
        apart_ms: i64,
    },
    /// A claim slot.
    Claim,
    /// A full image in a slot, perhaps with another page size, and its snapshot.
    Image {
        other_page_size: bool,
        snapshot: bool,
    },
    /// The next slots are another tool's, or ours again, which begin with a claim.
    OtherTool(bool),
    /// At most so many objects of the level below become one; perhaps across images, as another tool does.
    Compact {
        level: u8,
        count: usize,
        across: bool,
    },
    /// A snapshot of the head.
    Snapshot,
    /// A write that was sent long ago lands in a slot that is free again.
    Late(usize),
    /// Somebody deletes an object, or a bit of it flips.
    Lose(usize),
    Damage(usize),
    /// The writer's or the store's clock is off by so much from now on.
    WriterClock(i64),
    StoreClock(i64),
    /// Retention, planned and done; or planned now and done after the next deed but so many.
    Retain,
    RetainLater(usize),
}

/// A slot that was.
#[derive(Clone, Copy, Debug)]
pub(super) struct Slot {
    /// By true time.
    pub(super) sealed: i64,
    /// By its header.
    pub(super) header: i64,
    pub(super) is_image: bool,
}

/// An object above level 0 that was made.
#[derive(Clone, Copy, Debug)]
pub(super) struct Made {
    pub(super) key: ObjectKey,
    /// By the store's clock.
    pub(super) arrived: i64,
}

#[derive(Clone, Debug)]
pub(super) struct Life {
    pub(super) objects: Objects,
    /// Everything that was, but what strangers took away.
    pub(super) slots: BTreeMap<u64, Slot>,
    pub(super) made: Vec<Made>,
    pub(super) true_time: i64,
    store_off: i64,
    /// The latest time that the store's clock ever showed.
    pub(super) store_shown: i64,
    writer_off: i64,
    other_tool: bool,
    page_size: u32,
    /// Checksum after each slot.
    after: BTreeMap<u64, u64>,
    /// Whether anything but writers, compaction and retention touched the place.
    pub(super) is_touched: bool,
}

impl Life {
    /// A place as a writer of ours begins it, or another tool.
    pub(super) fn begin(other_tool: bool) -> Life {
        let mut life = Life {
            objects: Objects::default(),
            slots: BTreeMap::new(),
            made: Vec::new(),
            true_time: BEGIN_MS,
            store_off: 0,
            store_shown: BEGIN_MS,
            writer_off: 0,
            other_tool,
            page_size: 4096,
            after: BTreeMap::new(),
            is_touched: false,
        };
        life.number_slot(true);
        let first = if other_tool { key(0, 1, 1) } else { ObjectKey::snapshot(txid(1)) };
        life.put(first, 1, None, true);
        if !other_tool {
            life.slot(false, true);
        }
        life
    }

    pub(super) fn head(&self) -> u64 {
        *self.slots.last_key_value().expect("a place begins with a slot").0
    }

    pub(super) fn store_time(&self) -> i64 {
        self.true_time + self.store_off
    }

    /// Does everything but retention.
    pub(super) fn act(&mut self, deed: &Deed) {
        self.true_time += 1000;
        match *deed {
            Deed::Pause(ms) => self.true_time += ms,
            Deed::Sync { count, apart_ms } => {
                for _ in 0..count {
                    self.true_time += apart_ms;
                    self.slot(false, false);
                }
            }
            Deed::Claim => self.slot(false, true),
            Deed::Image { other_page_size, snapshot } => {
                if other_page_size {
                    self.page_size = if self.page_size == 4096 { 512 } else { 4096 };
                }
                self.slot(true, false);
                // A page size that changes without a snapshot leaves the image alone to begin with.
                if snapshot {
                    self.snapshot();
                }
            }
            Deed::OtherTool(other_tool) => {
                let takes_over = self.other_tool && !other_tool;
                self.other_tool = other_tool;
                if takes_over {
                    self.slot(false, true);
                }
            }
            Deed::Compact { level, count, across } => self.compact(level, count, across),
            Deed::Snapshot => self.snapshot(),
            Deed::Late(pick) => self.late(pick),
            Deed::Lose(pick) => self.lose(pick),
            Deed::Damage(pick) => self.damage(pick),
            Deed::WriterClock(off) => self.writer_off = off,
            Deed::StoreClock(off) => {
                // Where it goes back again, slots look as if they had come late.
                self.is_touched |= off < self.store_off;
                self.store_off = off;
            }
            Deed::Retain | Deed::RetainLater(_) => {}
        }
        self.store_shown = self.store_shown.max(self.store_time());
    }

    fn number_slot(&mut self, is_image: bool) -> u64 {
        let next = self.slots.last_key_value().map_or(1, |(head, _)| head + 1);
        let header = self.slots.values().next_back().map_or(0, |slot| slot.header + 1);
        let header = header.max(self.true_time + self.writer_off);
        self.slots.insert(next, Slot { sealed: self.true_time, header, is_image });
        self.after.insert(next, next * 7919);
        next
    }

    fn slot(&mut self, is_image: bool, is_claim: bool) {
        let before = self.head();
        let next = self.number_slot(is_image);
        if is_claim {
            self.after.insert(next, self.after[&before]);
        }
        let before = (!is_image).then_some(self.after[&before]);
        self.put(ObjectKey::slot(txid(next)), next, before, is_image);
        let stored = self.objects.0.get_mut(&ObjectKey::slot(txid(next))).unwrap();
        stored.facts.claim = is_claim && !self.other_tool;
    }

    fn put(&mut self, key: ObjectKey, state: u64, before: Option<u64>, is_full_image: bool) {
        let is_ours = !self.other_tool;
        let facts = Facts {
            page_size: PageSize::new(self.page_size).unwrap(),
            commit: 3,
            timestamp: Timestamp::from_millis(self.slots[&state].header),
            before: before.filter(|_| is_ours).map(Checksum::new),
            after: is_ours.then(|| Checksum::new(self.after[&state])),
            claim: false,
        };
        self.store(key, facts, is_full_image);
    }

    fn store(&mut self, key: ObjectKey, facts: Facts, is_full_image: bool) {
        let modified = self.store_time();
        let stored = Stored { facts, modified, is_full_image, is_damaged: false };
        if self.objects.0.contains_key(&key) {
            return;
        }
        self.objects.0.insert(key, stored);
        if key.level() > Level::L0 {
            self.made.push(Made { key, arrived: modified });
        }
    }

    fn snapshot(&mut self) {
        let head = self.head();
        if self.objects.restorable().contains(&head) {
            self.put(ObjectKey::snapshot(txid(head)), head, None, true);
        }
    }

    /// Merges what follows the last object of the level, as far as it goes on without a break; behind a gap only what follows
    /// a full state.
    fn compact(&mut self, level: u8, count: usize, across: bool) {
        let level = Level::new(level).unwrap();
        let done = self.made.iter().filter(|made| made.key.level() == level).map(|made| made.key.max()).max();
        let listing = self.objects.listing();
        let below = Level::new(level.get() - 1).unwrap();
        let mut inputs: Vec<(ObjectKey, Facts)> = Vec::new();
        for info in listing.level(below).iter().filter(|info| Some(info.key.min()) > done) {
            let stored = &self.objects.0[&info.key];
            let is_image = below == Level::L0 && self.slots[&info.key.max().into_inner()].is_image;
            if inputs.is_empty() && is_image && !across && !info.key.starts_at_one() {
                continue;
            }
            let goes_on = done.is_none_or(|done| done + 1 == info.key.min());
            if inputs.is_empty() && !across && !goes_on && !self.is_base_before(info.key) {
                continue;
            }
            let continues = inputs.last().is_none_or(|(last, facts)| {
                let is_next = (*last).max() + 1 == info.key.min();
                let links =
                    facts.after.zip(stored.facts.before).is_none_or(|(after, before)| after == before);
                is_next && links && (across || !is_image)
            });
            if !continues || stored.is_damaged || inputs.len() == count {
                break;
            }
            inputs.push((info.key, stored.facts));
        }
        let (Some(first), Some(last)) = (inputs.first(), inputs.last()) else { return };
        let key = key(level.get(), first.0.min().into_inner(), last.0.max().into_inner());
        let is_ours = !across && first.1.before.is_some() && last.1.after.is_some();
        let (before, after) = if is_ours { (first.1.before, last.1.after) } else { (None, None) };
        self.store(key, Facts { before, after, claim: false, ..last.1 }, false);
        self.is_touched |= across;
    }

    /// Whether a full state ends right before an object: only from there a level goes on behind a gap.
    fn is_base_before(&self, key: ObjectKey) -> bool {
        let ends_there = |other: &ObjectKey| (*other).max() + 1 == key.min();
        self.objects.0.iter().any(|(other, stored)| ends_there(other) && stored.is_full_image)
    }

    fn late(&mut self, pick: usize) {
        let merged = self.made.iter().filter(|made| self.objects.0.contains_key(&made.key));
        let free = merged
            .flat_map(|made| made.key.min().into_inner()..=made.key.max().into_inner())
            .filter(|n| *n > 1 && !self.objects.0.contains_key(&ObjectKey::slot(txid(*n))));
        let free: Vec<u64> = free.collect();
        if let Some(n) = free.get(pick % free.len().max(1)).copied() {
            let facts = super::place::facts(Some(self.after[&(n - 1)]), n * 104_729, self.true_time);
            let facts = Facts { page_size: PageSize::new(self.page_size).unwrap(), ..facts };
            self.store(ObjectKey::slot(txid(n)), facts, false);
            self.is_touched = true;
        }
    }

    fn lose(&mut self, pick: usize) {
        if let Some(lost) = self.picked(pick) {
            self.objects.0.remove(&lost);
            self.made.retain(|made| made.key != lost);
            self.is_touched = true;
        }
    }

    fn damage(&mut self, pick: usize) {
        if let Some(damaged) = self.picked(pick) {
            self.objects.0.get_mut(&damaged).unwrap().is_damaged = true;
            self.is_touched = true;
        }
    }

    fn picked(&self, pick: usize) -> Option<ObjectKey> {
        let keys: Vec<ObjectKey> = self.objects.0.keys().copied().collect();
        keys.get(pick % keys.len().max(1)).copied()
    }
}

/// Which accidents happen in a life, besides what always may.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// None: writers, claims, images, compaction, snapshots, retention.
    Plain,
    /// Another tool, late writes, deletes and damage.
    Rough,
    /// The writer's clock jumps.
    WriterJumps,
    /// The store's clock jumps forward.
    StoreJumps,
}

pub(super) fn deeds(kind: Kind) -> impl Strategy<Value = Vec<Deed>> {
    let times =
        prop::sample::select(vec![1_000, 30_000, 600_000, HOUR_MS, 7 * HOUR_MS, 75 * HOUR_MS, 500 * HOUR_MS]);
    let off = prop::sample::select(vec![
        -60 * DAY_MS,
        -2 * DAY_MS,
        -HOUR_MS,
        0,
        0,
        HOUR_MS,
        3 * DAY_MS,
        400 * DAY_MS,
    ]);
    let usual = prop_oneof![
        3 => times.clone().prop_map(Deed::Pause),
        8 => (1..9_u64, times).prop_map(|(count, apart_ms)| Deed::Sync { count, apart_ms }),
        1 => Just(Deed::Claim),
        1 => (any::<bool>(), prop::bool::weighted(0.8))
            .prop_map(|(other_page_size, snapshot)| Deed::Image { other_page_size, snapshot }),
        6 => (1..10_usize).prop_map(|count| Deed::Compact { level: 1, count, across: false }),
        4 => (2..=4_u8, 1..6_usize).prop_map(|(level, count)| Deed::Compact { level, count, across: false }),
        2 => Just(Deed::Snapshot),
        3 => Just(Deed::Retain),
        2 => (0..5_usize).prop_map(Deed::RetainLater),
    ];
    let unusual = match kind {
        Kind::Plain => times_only(),
        Kind::Rough => prop_oneof![
            2 => any::<usize>().prop_map(Deed::Late),
            1 => any::<usize>().prop_map(Deed::Lose),
            1 => any::<usize>().prop_map(Deed::Damage),
            1 => any::<bool>().prop_map(Deed::OtherTool),
            1 => (2..9_usize).prop_map(|count| Deed::Compact { level: 1, count, across: true }),
        ]
        .boxed(),
        Kind::WriterJumps => off.prop_map(Deed::WriterClock).boxed(),
        Kind::StoreJumps => off.prop_map(|off| Deed::StoreClock(off.max(0))).boxed(),
    };
    prop::collection::vec(prop_oneof![9 => usual, 1 => unusual], 5..40)
}

fn times_only() -> BoxedStrategy<Deed> {
    (1..2_000_000_000_i64).prop_map(Deed::Pause).boxed()
}

pub(super) const HOUR_MS: i64 = 3_600_000;
pub(super) const DAY_MS: i64 = 24 * HOUR_MS;
/// Some day in 2026, shortly before the end of a week.
const BEGIN_MS: i64 = 1_790_000_000_000;
