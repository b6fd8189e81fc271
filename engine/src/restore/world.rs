//! Test support: a made-up store whose whole truth is known, and a driver that answers what is asked.

use super::*;
use crate::key::{Layout, ListingBuilder, ModifiedIs, ObjectKey, Place, PlaceListing};
use crate::store::{ETag, ObjectMeta};
use crate::types::{Checksum, Level, PageSize, Timestamp, Txid, TxidRange};
use std::collections::{BTreeMap, BTreeSet};

pub(crate) fn txid(n: u64) -> Txid {
    Txid::new(n).unwrap()
}

pub(crate) fn key(level: u8, min: u64, max: u64) -> ObjectKey {
    let range = TxidRange::new(txid(min), txid(max)).unwrap();
    ObjectKey::new(Level::new(level).unwrap(), range).unwrap()
}

/// What a header says of an object without a tag whose state was sealed at ten times its TXID.
pub(crate) fn untagged(key: ObjectKey) -> Facts {
    Facts {
        page_size: PageSize::new(4096).unwrap(),
        commit: 3,
        timestamp: Timestamp::from_millis(
            i64::try_from(key.max().into_inner()).unwrap_or(i64::MAX).saturating_mul(10),
        ),
        before: None,
        after: None,
        claim: false,
    }
}

#[derive(Clone, Debug, Default)]
pub(crate) struct World {
    pub(crate) facts: BTreeMap<ObjectKey, Facts>,
    pub(crate) full_images: BTreeSet<ObjectKey>,
    pub(crate) damaged: BTreeSet<ObjectKey>,
}

impl World {
    pub(crate) fn of(keys: &[ObjectKey]) -> World {
        World { facts: keys.iter().map(|k| (*k, untagged(*k))).collect(), ..World::default() }
    }

    pub(crate) fn tag(mut self, key: ObjectKey, before: u64, after: u64) -> World {
        let facts = self.facts.get_mut(&key).unwrap();
        facts.before = Some(Checksum::new(before));
        facts.after = Some(Checksum::new(after));
        self
    }

    pub(crate) fn listing(&self) -> PlaceListing {
        let place = Place::new("a/b").unwrap();
        let meta = |key: &ObjectKey| ObjectMeta {
            key: place.object_key(Layout::Tree, *key),
            size_bytes: 1000,
            etag: ETag::new("e"),
            modified: Timestamp::default(),
            arrived: Timestamp::default(),
        };
        let page: Vec<ObjectMeta> = self.facts.keys().map(meta).collect();
        let mut builder = ListingBuilder::new(place.clone(), Layout::Tree);
        builder.page(&page);
        builder.finish(ModifiedIs::HeaderTime)
    }

    /// Every header, learned beforehand.
    pub(crate) fn all_headers(&self) -> Knowledge {
        let mut known = Knowledge::default();
        for key in self.facts.keys() {
            self.answer_header(&mut known, *key);
        }
        known
    }

    fn answer_header(&self, known: &mut Knowledge, key: ObjectKey) {
        if self.damaged.contains(&key) {
            known.learn_damage(key, "cut off");
        } else {
            known.learn_header(key, self.facts[&key]);
        }
    }

    /// Answers until the end, like a driver; checks that nothing is asked twice.
    pub(crate) fn drive<T>(
        &self,
        known: &mut Knowledge,
        mut ask: impl FnMut(&PlaceListing, &Knowledge) -> Result<Step<T>, PlanError>,
    ) -> (Result<T, PlanError>, usize) {
        let listing = self.listing();
        let mut asked = 0;
        loop {
            let needs = match ask(&listing, known) {
                Ok(Step::Need(needs)) => needs,
                Ok(Step::Done(done)) => return (Ok(done), asked),
                Err(error) => return (Err(error), asked),
            };
            assert!(!needs.is_empty());
            for key in needs.headers {
                assert!(known.header(key).is_none() && known.damage(key).is_none(), "{key} asked twice");
                self.answer_header(known, key);
                asked += 1;
            }
            for key in needs.page_indexes {
                assert!(known.full_image(key).is_none() && known.damage(key).is_none(), "{key} asked twice");
                self.answer_header(known, key);
                if !self.damaged.contains(&key) {
                    known.learn_full_image(key, self.full_images.contains(&key));
                }
                asked += 1;
            }
        }
    }

    pub(crate) fn plan(&self, target: Target) -> Result<Plan, PlanError> {
        self.drive(&mut Knowledge::default(), |listing, known| plan(listing, known, target)).0
    }

    pub(crate) fn points(&self, known: &mut Knowledge) -> Vec<u64> {
        let (points, _) = self.drive(known, |listing, known| Ok(points(listing, known)));
        points.unwrap().iter().map(|p| p.txid.into_inner()).collect()
    }
}
