//! A made-up place whose whole truth is known: what is stored, and everything that ever was.

use crate::key::{Layout, ListingBuilder, ModifiedIs, ObjectKey, Place, PlaceListing};
use crate::restore::{Facts, Knowledge, Point, Step, points};
use crate::retention::{Arrivals, Policy, Retention, plan};
use crate::store::{ETag, ObjectMeta};
use crate::types::{Checksum, Level, PageSize, Timestamp, Txid, TxidRange};
use std::collections::{BTreeMap, BTreeSet};

pub(super) fn txid(n: u64) -> Txid {
    Txid::new(n).unwrap()
}

pub(super) fn key(level: u8, min: u64, max: u64) -> ObjectKey {
    let range = TxidRange::new(txid(min), txid(max)).unwrap();
    ObjectKey::new(Level::new(level).unwrap(), range).unwrap()
}

pub(super) fn at(ms: i64) -> Timestamp {
    Timestamp::from_millis(ms)
}

/// What the store holds under one key.
#[derive(Clone, Debug)]
pub(super) struct Stored {
    pub(super) facts: Facts,
    /// By the store's clock.
    pub(super) modified: i64,
    pub(super) is_full_image: bool,
    pub(super) is_damaged: bool,
}

/// A header of one of our objects.
pub(super) fn facts(before: Option<u64>, after: u64, sealed: i64) -> Facts {
    Facts {
        page_size: PageSize::new(4096).unwrap(),
        commit: 3,
        timestamp: at(sealed),
        before: before.map(Checksum::new),
        after: Some(Checksum::new(after)),
        claim: false,
    }
}

#[derive(Clone, Debug, Default)]
pub(super) struct Objects(pub(super) BTreeMap<ObjectKey, Stored>);

impl Objects {
    pub(super) fn listing(&self) -> PlaceListing {
        self.listing_as(ModifiedIs::StoreTime)
    }

    pub(super) fn listing_as(&self, modified: ModifiedIs) -> PlaceListing {
        let place = Place::new("a/b").unwrap();
        let meta = |(key, stored): (&ObjectKey, &Stored)| ObjectMeta {
            key: place.object_key(Layout::Tree, *key),
            size_bytes: 1000,
            etag: ETag::new("e"),
            modified: at(stored.modified),
            arrived: at(stored.modified),
        };
        let page: Vec<ObjectMeta> = self.0.iter().map(meta).collect();
        let mut builder = ListingBuilder::new(place.clone(), Layout::Tree);
        builder.page(&page);
        builder.finish(modified)
    }

    /// Answers until the end, like a driver; nothing is asked twice.
    pub(super) fn drive<T>(&self, known: &mut Knowledge, mut ask: impl FnMut(&Knowledge) -> Step<T>) -> T {
        loop {
            let needs = match ask(known) {
                Step::Done(done) => return done,
                Step::Need(needs) => needs,
            };
            assert!(!needs.is_empty());
            for key in needs.headers {
                assert!(known.header(key).is_none() && known.damage(key).is_none(), "{key} asked twice");
                self.answer_header(known, key);
            }
            for key in needs.page_indexes {
                assert!(known.full_image(key).is_none() && known.damage(key).is_none(), "{key} asked twice");
                self.answer_header(known, key);
                if !self.0[&key].is_damaged {
                    known.learn_full_image(key, self.0[&key].is_full_image);
                }
            }
        }
    }

    fn answer_header(&self, known: &mut Knowledge, key: ObjectKey) {
        match &self.0[&key] {
            stored if stored.is_damaged => known.learn_damage(key, "cut off"),
            stored => known.learn_header(key, stored.facts),
        }
    }

    pub(super) fn plan(&self, policy: &Policy, now: i64) -> Retention {
        self.plan_and_learn(policy, now).0
    }

    /// A plan, and what had to be known for it.
    pub(super) fn plan_and_learn(&self, policy: &Policy, now: i64) -> (Retention, Knowledge) {
        let listing = self.listing();
        let arrivals = Arrivals::of(&listing);
        let mut known = Knowledge::default();
        let retention = self.drive(&mut known, |known| plan(&listing, known, &arrivals, policy, at(now)));
        (retention, known)
    }

    /// Every point that restores without some objects, for somebody who knows no more than `known` and what restoring asks
    /// for. What is late in the whole place stays late.
    pub(super) fn points_without(&self, gone: &BTreeSet<ObjectKey>, known: &Knowledge) -> Vec<Point> {
        let listing = self.listing().without(|key| gone.contains(&key));
        self.drive(&mut known.clone(), |known| points(&listing, known))
    }

    /// Every state that restores for somebody who knows everything.
    pub(super) fn restorable(&self) -> BTreeSet<u64> {
        let mut known = Knowledge::default();
        for (key, stored) in &self.0 {
            self.answer_header(&mut known, *key);
            if !stored.is_damaged && key.level() == Level::L0 {
                known.learn_full_image(*key, stored.is_full_image);
            }
        }
        numbers(&self.points_without(&BTreeSet::new(), &known))
    }

    pub(super) fn remove(&mut self, gone: impl IntoIterator<Item = ObjectKey>) {
        for key in gone {
            self.0.remove(&key);
        }
    }
}

pub(super) fn numbers(points: &[Point]) -> BTreeSet<u64> {
    points.iter().map(|point| point.txid.into_inner()).collect()
}
