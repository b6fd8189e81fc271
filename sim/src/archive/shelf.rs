//! The objects of the place: what they are, what they were, and which states they lead to.

use super::history::History;
use super::object::{Content, Tool};
use engine::key::ObjectKey;
use engine::types::{Level, LockByte, PageSize, Timestamp, Txid};
use io_sim::random::Random;
use std::collections::{BTreeMap, BTreeSet};

/// One object.
#[derive(Clone, Debug)]
pub struct Item {
    /// Who wrote it.
    pub tool: Tool,
    /// What its header says about time.
    pub time: Timestamp,
    /// The page size of its states.
    pub page_size: PageSize,
    /// Whether it holds every page.
    pub is_image: bool,
    /// What was written.
    pub bytes: Vec<u8>,
    /// It is something else now.
    pub is_damaged: bool,
    /// It is what another object was that leads to the same state: nobody can tell, and this is the time in its header.
    pub time_of_another: Option<Timestamp>,
}

/// All of them.
#[derive(Clone, Debug, Default)]
pub struct Shelf {
    /// By key.
    pub items: BTreeMap<ObjectKey, Item>,
}

impl Shelf {
    /// Puts down what leads to `key`'s last state.
    pub fn write(
        &mut self,
        history: &History,
        (key, image): (ObjectKey, bool),
        (tool, time): (Tool, Timestamp),
        lock_byte: LockByte,
        draw: &mut Random,
    ) -> Vec<u8> {
        let content = Content::of(history, key, image || key.starts_at_one(), time, lock_byte);
        let state = content.state;
        let lock = history.lock_page(state);
        let pages_there = state.commit() - u32::from(lock <= state.commit());
        let is_image = content.pages.len() as u32 == pages_there;
        let bytes = content.write(tool, None, draw);
        let item = Item {
            tool,
            time,
            page_size: state.page_size,
            is_image,
            bytes: bytes.clone(),
            is_damaged: false,
            time_of_another: None,
        };
        self.items.insert(key, item);
        bytes
    }

    /// The nth object, counted around.
    pub fn nth(&self, which: u64) -> Option<ObjectKey> {
        let count = self.items.len() as u64;
        (count > 0).then(|| *self.items.keys().nth((which % count) as usize).expect("counted around"))
    }

    /// The last state that an object leads to.
    pub fn head(&self) -> Option<Txid> {
        self.items.keys().map(|key| key.range().max()).max()
    }

    /// Whether any object is not what it was.
    pub fn is_damaged(&self) -> bool {
        self.items.values().any(|item| item.is_damaged)
    }

    /// The objects that are there and are what they were.
    fn sound(&self) -> impl Iterator<Item = (ObjectKey, &Item)> {
        let unclaimed = self.is_first_image_unclaimed();
        let sound = self.items.iter().filter(|(_, item)| !item.is_damaged).map(|(key, item)| (*key, item));
        sound.filter(move |(key, _)| !(unclaimed && *key == ObjectKey::snapshot(Txid::ONE)))
    }

    /// walsync's first image counts when its writer got slot 2.
    fn is_first_image_unclaimed(&self) -> bool {
        let is_ours = |key: ObjectKey| {
            self.items.get(&key).is_some_and(|item| item.tool == Tool::Walsync && !item.is_damaged)
        };
        is_ours(ObjectKey::snapshot(Txid::ONE)) && !is_ours(ObjectKey::slot(Txid::ONE + 1))
    }

    /// Every state that sound objects lead to.
    pub fn points(&self, history: &History) -> BTreeSet<Txid> {
        self.usable(history).iter().map(|key| key.range().max()).collect()
    }

    /// The states for which nobody has to look for an image behind a gap.
    pub fn certain_points(&self, history: &History) -> BTreeSet<Txid> {
        self.usable_from(history, BTreeSet::new()).iter().map(|key| key.range().max()).collect()
    }

    /// Every object that something leads to: a count of its own, by trying every object on every state. What begins at
    /// TXID 1 is where it begins; behind a gap an image in a slot is, where nothing else contains it.
    pub fn usable(&self, history: &History) -> BTreeSet<ObjectKey> {
        let mut images = BTreeSet::new();
        loop {
            let usable = self.usable_from(history, images.clone());
            let is_behind_a_gap = |key: &ObjectKey| {
                let contains = |other: &ObjectKey| other.range().contains(key.range().max());
                key.level() == Level::L0 && !usable.iter().any(contains)
            };
            let more: Vec<ObjectKey> = self
                .sound()
                .filter(|(_, item)| item.is_image)
                .map(|(key, _)| key)
                .filter(is_behind_a_gap)
                .collect();
            if more.is_empty() {
                return usable;
            }
            images.extend(more);
        }
    }

    fn usable_from(&self, history: &History, images: BTreeSet<ObjectKey>) -> BTreeSet<ObjectKey> {
        let mut usable = images;
        usable.extend(self.sound().map(|(key, _)| key).filter(|key| key.starts_at_one()));
        loop {
            let states: BTreeSet<Txid> = usable.iter().map(|key| key.range().max()).collect();
            let applies = |(key, item): &(ObjectKey, &Item)| {
                let mut on = states.range(
                    Txid::new(key.range().min().into_inner() - 1).unwrap_or(Txid::ONE)..key.range().max(),
                );
                on.any(|state| history.state(*state).expect("a state that was").page_size == item.page_size)
            };
            let more: Vec<ObjectKey> = self
                .sound()
                .filter(|(key, _)| !usable.contains(key))
                .filter(applies)
                .map(|(key, _)| key)
                .collect();
            if more.is_empty() {
                return usable;
            }
            usable.extend(more);
        }
    }

    /// When a point was sealed, as the objects tell it that lead to it.
    pub fn time(&self, history: &History, txid: Txid) -> Option<Timestamp> {
        self.asked(history, txid).map(|item| item.time)
    }

    /// The object that is asked when a point was sealed; no second one is. A snapshot of another tool says when it was taken, so
    /// others come before it, and slots after those that an index knows.
    pub fn asked(&self, history: &History, txid: Txid) -> Option<&Item> {
        let usable = self.usable(history);
        let ending = usable.iter().filter(|key| key.range().max() == txid);
        let dullness =
            |key: &&ObjectKey| (key.level() == Level::SNAPSHOT, key.level() == Level::L0, key.level());
        ending.min_by_key(dullness).map(|key| &self.items[key])
    }

    /// Whether there are states of several page sizes: objects that join by name do not join then.
    pub fn has_page_sizes(&self) -> bool {
        let sizes: BTreeSet<u32> = self.items.values().map(|item| item.page_size.into_inner()).collect();
        sizes.len() > 1
    }

    /// Whether an object is needed by nobody: without it the same points are left.
    pub fn is_spare(&self, history: &History, key: ObjectKey) -> bool {
        let mut without = self.clone();
        without.items.remove(&key);
        let kept: BTreeSet<Txid> = without.items.keys().map(|key| key.range().max()).collect();
        let points = self.points(history);
        let left = without.points(history);
        // What another object ends with stays; the end itself may go with its only object.
        points.iter().all(|point| left.contains(point) || !kept.contains(point))
            && without.head() == self.head()
    }
}
