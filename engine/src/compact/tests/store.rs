//! A place full of real objects, what its history truly was, and a driver that compacts and restores.

use super::*;
use crate::db::{NO_PAGES, page_checksum};
use crate::key::{Layout, ListingBuilder, ModifiedIs, Place, PlaceListing};
use crate::ltx::index::{self, Tail};
use crate::ltx::{decode_page, index::PageEntry};
use crate::restore::world::txid;
use crate::restore::{Apply, Facts, Knowledge, Needs, ReadLimits, Step, Target, is_full_image};
use crate::store::{ETag, ObjectMeta};
use crate::types::Level;
use std::collections::BTreeMap;

/// A database after a slot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Database {
    pub(super) page_size: u32,
    pub(super) commit: u32,
    pub(super) pages: Pages,
}

/// What happens to a database.
#[derive(Clone, Debug)]
pub(super) enum Change {
    /// Pages are written, and it has this many pages after.
    Write { commit: u32, pages: Vec<u32> },
    /// It is replaced: a full image in a slot, perhaps with the other page size.
    Image { commit: u32, is_resized: bool },
}

#[derive(Clone, Debug)]
pub(super) struct Store {
    pub(super) objects: BTreeMap<ObjectKey, Vec<u8>>,
    /// The truth, by TXID.
    pub(super) states: BTreeMap<u64, Database>,
    is_tagged: bool,
}

impl Store {
    /// A place with its first image, and the claim on top of it.
    pub(super) fn new(commit: u32, is_tagged: bool) -> Store {
        let first = Database {
            page_size: 512,
            commit,
            pages: (1..=commit).map(|n| (n, page(512, n.into()))).collect(),
        };
        let mut store = Store { objects: BTreeMap::new(), states: BTreeMap::new(), is_tagged };
        store.put(key(9, 1, 1), None, &first, &first.pages);
        store.states.insert(1, first);
        store.change(&Change::Write { commit, pages: vec![1] });
        store
    }

    pub(super) fn head(&self) -> u64 {
        *self.states.last_key_value().unwrap().0
    }

    pub(super) fn change(&mut self, change: &Change) {
        let (head, before) = self.states.last_key_value().map(|(n, state)| (*n, state.clone())).unwrap();
        let number = head + 1;
        match change {
            Change::Write { commit, pages } => {
                let grown = before.commit + 1..=*commit;
                let written = pages.iter().copied().filter(|n| n <= commit).chain(grown);
                let value = |n: u32| page(before.page_size, number * 1000 + u64::from(n));
                let written: Pages = written.map(|n| (n, value(n))).collect();
                let mut after = Database { commit: *commit, ..before.clone() };
                after.pages.retain(|n, _| n <= commit);
                after.pages.extend(written.clone());
                self.put(key(0, number, number), Some(&before), &after, &written);
                self.states.insert(number, after);
            }
            Change::Image { commit, is_resized } => {
                let page_size = if *is_resized { 1536 - before.page_size } else { before.page_size };
                let pages: Pages =
                    (1..=*commit).map(|n| (n, page(page_size, number * 1000 + u64::from(n)))).collect();
                let image = Database { page_size, commit: *commit, pages };
                self.put(key(0, number, number), None, &image, &image.pages);
                self.put(key(9, 1, number), None, &image, &image.pages);
                self.states.insert(number, image);
            }
        }
    }

    fn put(&mut self, key: ObjectKey, before: Option<&Database>, after: &Database, pages: &Pages) {
        let mut header = header(key, after.page_size, after.commit);
        if self.is_tagged {
            let before = before.map(|before| checksum(&before.pages).into_inner());
            header = tagged(header, before, checksum(&after.pages).into_inner());
        }
        self.objects.insert(key, encode(&header, LOCK, pages));
    }

    pub(super) fn listing(&self) -> PlaceListing {
        let place = Place::new("a/b").unwrap();
        let meta = |(key, object): (&ObjectKey, &Vec<u8>)| ObjectMeta {
            key: place.object_key(Layout::S3, *key),
            size_bytes: object.len() as u64,
            etag: ETag::new("e"),
            modified: Timestamp::default(),
            arrived: Timestamp::default(),
        };
        let page: Vec<ObjectMeta> = self.objects.iter().map(meta).collect();
        let mut builder = ListingBuilder::new(place.clone(), Layout::S3);
        builder.page(&page);
        builder.finish(ModifiedIs::HeaderTime)
    }

    fn answer(&self, needs: &Needs, known: &mut Knowledge) {
        for key in needs.headers.iter().chain(&needs.page_indexes) {
            let header = Header::decode(&self.objects[key]).unwrap();
            known.learn_header(*key, Facts::from(&header));
            if needs.page_indexes.contains(key) {
                let pages = self.index(*key).into_iter().map(|entry| entry.pgno);
                let commit = header.commit().into_inner();
                known.learn_full_image(*key, is_full_image(commit, header.page_size(), LOCK, pages));
            }
        }
    }

    fn index(&self, key: ObjectKey) -> Vec<PageEntry> {
        let object = &self.objects[&key];
        let header = Header::decode(object).unwrap();
        match index::decode(object, object.len() as u64, &header, LOCK).unwrap() {
            Tail::Index { entries, .. } => entries,
            Tail::NeedLast { .. } => panic!("all of it was given"),
        }
    }

    pub(super) fn plan(&self, target: u8, confirmed: u64, limits: Limits) -> Plan {
        let (listing, mut known) = (self.listing(), Knowledge::default());
        let target = Level::new(target).unwrap();
        loop {
            match plan(&listing, &known, &Levels::default(), target, txid(confirmed), limits) {
                Step::Done(plan) => return plan,
                Step::Need(needs) => self.answer(&needs, &mut known),
            }
        }
    }

    /// Plans and merges until nothing is pending; the outputs.
    pub(super) fn compact(&mut self, target: u8, confirmed: u64, limits: Limits) -> Vec<Compaction> {
        let mut made = Vec::new();
        loop {
            let plan = self.plan(target, confirmed, limits);
            for compaction in &plan.compactions {
                let inputs: Vec<_> = compaction
                    .inputs
                    .iter()
                    .map(|input| (input.key, &self.objects[&input.key][..]))
                    .collect();
                let (object, merged) = merge(&inputs, LOCK).unwrap();
                assert_eq!(merged.header.txids(), compaction.output.range());
                assert_eq!(merged.header.chain().is_some(), compaction.is_chained);
                assert_eq!(self.objects.insert(compaction.output, object), None, "put if absent");
            }
            made.extend(plan.compactions);
            match plan.end {
                End::More => {}
                End::Reached => return made,
                End::Stopped(stop) => panic!("{stop}"),
            }
        }
    }

    /// What a careless retention does: of what a higher level contains nothing stays but the claim.
    pub(super) fn delete_what_is_contained(&mut self) {
        let keys: Vec<ObjectKey> = self.objects.keys().copied().collect();
        let is_contained = |key: &ObjectKey| {
            let higher =
                keys.iter().filter(|other| other.level() > key.level() && other.level() != Level::SNAPSHOT);
            higher.into_iter().any(|other| other.range().covers(key.range()))
        };
        self.objects.retain(|object, _| *object == key(0, 2, 2) || !is_contained(object));
    }

    pub(super) fn points(&self) -> Vec<u64> {
        let (listing, mut known) = (self.listing(), Knowledge::default());
        self.answer(
            &Needs { headers: self.objects.keys().copied().collect(), page_indexes: vec![] },
            &mut known,
        );
        loop {
            match crate::restore::points(&listing, &known) {
                Step::Done(points) => return points.iter().map(|point| point.txid.into_inner()).collect(),
                Step::Need(needs) => self.answer(&needs, &mut known),
            }
        }
    }

    pub(super) fn restore(&self, number: u64) -> Database {
        let (listing, mut known) = (self.listing(), Knowledge::default());
        let plan = loop {
            match crate::restore::plan(&listing, &known, Target::Txid(txid(number))).unwrap() {
                Step::Done(plan) => break plan,
                Step::Need(needs) => self.answer(&needs, &mut known),
            }
        };
        let mut apply = Apply::new(&plan, LOCK, ReadLimits::DEFAULT);
        let page_size = plan.page_size().into_inner();
        let mut database = Database { page_size, commit: plan.page_count(), pages: Pages::new() };
        for object in plan.newest_first() {
            for fetch in apply.object(object, self.index(object.info.key)).unwrap() {
                for entry in fetch.pages {
                    let mut page = vec![0; page_size as usize];
                    let from = entry.offset as usize;
                    let frame = &self.objects[&object.info.key][from..from + entry.length as usize];
                    assert_eq!(decode_page(frame, &mut page).unwrap(), entry.pgno);
                    database.pages.insert(entry.pgno.into_inner(), page);
                }
            }
        }
        apply.finish().unwrap();
        apply.check_result(database.commit, checksum(&database.pages)).unwrap();
        database
    }
}

/// The database checksum of pages.
fn checksum(pages: &Pages) -> Checksum {
    pages.iter().fold(NO_PAGES, |sum, (number, page)| sum ^ page_checksum(pgno(*number), page))
}
