//! The restore path of the engine against replicas that real Litestream binaries wrote: every TXID restores to
//! the bytes that Litestream itself restored, or is refused where Litestream refuses it too.
//!
//! The driver here is the smallest there can be: a store in memory, one request after the other.
#![allow(clippy::unwrap_used, reason = "a failing test is the report")]

use engine::db::{NO_PAGES, page_checksum};
use engine::key::{Layout, ListingBuilder, ModifiedIs, ObjectKey, Place, PlaceListing};
use engine::ltx::{Decoder, HEADER_BYTES, Header, decode_page, index};
use engine::restore::{
    Apply, ApplyError, Facts, Fetch, Knowledge, Plan, PlanError, PlanErrorKind, ReadLimits, Reading, Step,
    Target, is_full_image, plan, points,
};
use engine::store::{ETag, ObjectMeta, Sha256};
use engine::types::{LockByte, Timestamp, Txid, parse_txid_hex};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

const LOCK: LockByte = LockByte::SQLITE;

/// What Litestream restored for a TXID.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(untagged)]
enum Expected {
    Database { sha256: String, size: u64 },
    Refused { error: String },
}

#[derive(Deserialize)]
struct CaseManifest {
    mtime_unix_ms: BTreeMap<String, i64>,
    restore_by_txid: BTreeMap<String, Expected>,
}

/// A replica in memory, and what must come out of it.
#[derive(Clone)]
struct Replica {
    case: String,
    objects: BTreeMap<ObjectKey, (Vec<u8>, Timestamp)>,
    expected: BTreeMap<Txid, Expected>,
}

fn replicas() -> Vec<Replica> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures");
    let mut cases: Vec<PathBuf> = fs::read_dir(root).unwrap().map(|entry| entry.unwrap().path()).collect();
    cases.retain(|case| case.is_dir());
    cases.sort();
    assert!(cases.len() >= 5);
    cases.iter().map(|case| Replica::load(case)).collect()
}

fn replica(case: &str) -> Replica {
    replicas().into_iter().find(|replica| replica.case == case).unwrap()
}

impl Replica {
    fn load(case: &Path) -> Replica {
        let manifest = fs::read(case.join("manifest.json")).unwrap();
        let manifest: CaseManifest = serde_json::from_slice(&manifest).unwrap();
        let objects = manifest.mtime_unix_ms.iter().map(|(name, mtime)| {
            let bytes = fs::read(case.join("replica").join(name)).unwrap();
            (ObjectKey::parse(Layout::Tree, name).unwrap(), (bytes, Timestamp::from_millis(*mtime)))
        });
        let expected = manifest.restore_by_txid.into_iter();
        Replica {
            case: case.file_name().unwrap().to_str().unwrap().to_owned(),
            objects: objects.collect(),
            expected: expected.map(|(txid, what)| (parse_txid_hex(&txid).unwrap(), what)).collect(),
        }
    }

    fn listing(&self) -> PlaceListing {
        let place = Place::new("db").unwrap();
        let metas: Vec<ObjectMeta> = self
            .objects
            .iter()
            .map(|(key, (bytes, modified))| ObjectMeta {
                key: place.object_key(Layout::Tree, *key),
                size_bytes: bytes.len() as u64,
                etag: ETag::new("1"),
                modified: *modified,
                arrived: *modified,
            })
            .collect();
        let mut builder = ListingBuilder::new(place, Layout::Tree);
        builder.page(&metas);
        builder.finish(ModifiedIs::HeaderTime)
    }

    fn bytes(&self, key: ObjectKey) -> &[u8] {
        &self.objects[&key].0
    }

    fn header(&self, key: ObjectKey) -> Result<Header, String> {
        let bytes = self.bytes(key);
        let header = Header::decode(&bytes[..HEADER_BYTES.min(bytes.len())]).map_err(|e| e.to_string())?;
        if header.txids() == key.range() { Ok(header) } else { Err("holds other TXIDs".into()) }
    }

    fn index(&self, key: ObjectKey, header: &Header) -> Result<Vec<index::PageEntry>, String> {
        let bytes = self.bytes(key);
        let mut length = bytes.len().min(64);
        loop {
            let tail = &bytes[bytes.len() - length..];
            match index::decode(tail, bytes.len() as u64, header, LOCK).map_err(|e| e.to_string())? {
                index::Tail::Index { entries, .. } => return Ok(entries),
                index::Tail::NeedLast { bytes } => length = usize::try_from(bytes).unwrap(),
            }
        }
    }

    /// Answers what planning asks until it asks nothing more.
    fn ask<T>(
        &self,
        known: &mut Knowledge,
        mut question: impl FnMut(&PlaceListing, &Knowledge) -> Result<Step<T>, PlanError>,
    ) -> Result<T, PlanError> {
        let listing = self.listing();
        loop {
            let needs = match question(&listing, known)? {
                Step::Done(answer) => return Ok(answer),
                Step::Need(needs) => needs,
            };
            for key in needs.headers {
                match self.header(key) {
                    Ok(header) => known.learn_header(key, Facts::from(&header)),
                    Err(why) => known.learn_damage(key, why),
                }
            }
            for key in needs.page_indexes {
                let look = self.header(key).and_then(|header| Ok((self.index(key, &header)?, header)));
                match look {
                    Ok((entries, header)) => {
                        let (facts, pages) = (Facts::from(&header), entries.iter().map(|e| e.pgno));
                        let full = is_full_image(facts.commit, facts.page_size, LOCK, pages);
                        known.learn_header(key, facts);
                        known.learn_full_image(key, full);
                    }
                    Err(why) => known.learn_damage(key, why),
                }
            }
        }
    }

    fn points(&self) -> Vec<u64> {
        let found = self.ask(&mut Knowledge::default(), |listing, known| Ok(points(listing, known)));
        found.unwrap().iter().map(|point| point.txid.into_inner()).collect()
    }

    /// Restores; an object that turns out to be damaged while it is read is planned around.
    fn restore(&self, target: Target) -> Result<(Txid, Vec<u8>), PlanError> {
        let mut known = Knowledge::default();
        loop {
            let plan = self.ask(&mut known, |listing, known| plan(listing, known, target))?;
            match self.apply(&plan) {
                Ok(database) => return Ok((plan.txid(), database)),
                Err((object, why)) => known.learn_damage(object, why),
            }
        }
    }

    fn apply(&self, plan: &Plan) -> Result<Vec<u8>, (ObjectKey, String)> {
        let limits = ReadLimits { gap_bytes_max: 100, request_bytes_max: 4000 };
        let mut apply = Apply::new(plan, LOCK, limits);
        assert_eq!(apply.reading(), Reading::Whole, "Litestream leaves no checksum of the database");
        let mut all = Vec::new();
        for object in plan.newest_first() {
            let key = object.info.key;
            let damage = |why: String| (key, why);
            let header = self.header(key).map_err(damage)?;
            let entries = self.index(key, &header).map_err(damage)?;
            let fetches = apply.object(object, entries).map_err(|e| damage(e.to_string()))?;
            if !fetches.is_empty() {
                self.check_whole(key, &fetches).map_err(damage)?;
            }
            all.extend(fetches);
        }
        let size = apply.finish().map_err(|error| match error {
            ApplyError::PageMissing { object, .. } => (object, error.to_string()),
            other => panic!("{other}"),
        })?;
        let mut database = vec![0; usize::try_from(size).unwrap()];
        let page_bytes = plan.page_size().into_inner() as usize;
        for fetch in all {
            let body = &self.bytes(fetch.object)[bytes_of(fetch.range.clone())];
            for page in &fetch.pages {
                let start = page.offset - fetch.range.start;
                let frame = &body[bytes_of(start..start + u64::from(page.length))];
                let at = (page.pgno.into_inner() as usize - 1) * page_bytes;
                let decoded = decode_page(frame, &mut database[at..at + page_bytes]);
                assert_eq!(decoded.map_err(|e| (fetch.object, e.to_string()))?, page.pgno);
            }
        }
        let pages = database.chunks(page_bytes).zip(1..).map(|(page, n)| page_checksum(pgno(n), page));
        let checksum = pages.fold(NO_PAGES, |all, page| all ^ page);
        assert_eq!(apply.check_result(plan.page_count(), checksum), Ok(false));
        Ok(database)
    }

    /// Reads an object through its fetches, in order, and checks its own checksum.
    fn check_whole(&self, key: ObjectKey, fetches: &[Fetch]) -> Result<(), String> {
        let mut decoder = Decoder::new(LOCK);
        for fetch in fetches {
            let mut piece = &self.bytes(key)[bytes_of(fetch.range.clone())];
            while decoder.read(&mut piece).map_err(|e| e.to_string())?.is_some() {}
        }
        assert_eq!(decoder.bytes_read(), self.bytes(key).len() as u64);
        decoder.finish().map(drop).map_err(|e| e.to_string())
    }

    /// Restores and compares with what Litestream made of the whole replica; whether there was something.
    fn restores_right(&self, txid: Txid) -> bool {
        let Ok((reached, database)) = self.restore(Target::Txid(txid)) else { return false };
        assert_eq!(reached, txid);
        let found =
            Expected::Database { sha256: Sha256::of(&database).to_string(), size: database.len() as u64 };
        assert_eq!(found, self.expected[&txid], "{} {txid}", self.case);
        true
    }
}

fn bytes_of(range: std::ops::Range<u64>) -> std::ops::Range<usize> {
    usize::try_from(range.start).unwrap()..usize::try_from(range.end).unwrap()
}

fn pgno(n: u32) -> engine::types::Pgno {
    engine::types::Pgno::new(n).unwrap()
}

fn txid(n: u64) -> Txid {
    Txid::new(n).unwrap()
}

#[test]
fn every_txid_restores_to_litestreams_bytes_or_is_refused_as_there() {
    for replica in replicas() {
        let mut restorable = Vec::new();
        for (txid, expected) in &replica.expected {
            let is_right = replica.restores_right(*txid);
            assert_eq!(is_right, matches!(expected, Expected::Database { .. }), "{} {txid}", replica.case);
            if let Expected::Refused { error } = expected {
                assert!(error.contains("no matching backup files"), "{error}");
            }
            if is_right {
                restorable.push(txid.into_inner());
            }
        }
        assert_eq!(replica.points(), restorable, "{}", replica.case);
        let newest = replica.restore(Target::Latest).unwrap().0;
        assert_eq!(newest.into_inner(), *restorable.last().unwrap());
        let beyond = replica.restore(Target::Txid(newest + 1)).unwrap_err();
        assert!(matches!(beyond, PlanError::BeyondNewest { .. }), "{beyond}");
        assert_eq!(beyond.kind(), PlanErrorKind::Missing);
    }
}

#[test]
fn a_time_restores_the_newest_state_that_is_not_younger() {
    for replica in replicas() {
        // The first object that a sync or a compaction made; a snapshot's time is when it was taken.
        let mut times: BTreeMap<Txid, Timestamp> = BTreeMap::new();
        for (key, (_, modified)) in &replica.objects {
            let time = times.entry((*key).max()).or_insert(*modified);
            *time = (*time).min(*modified);
        }
        let points: Vec<Txid> = replica.points().into_iter().map(txid).collect();
        let at = |ms: i64| replica.restore(Target::Timestamp(Timestamp::from_millis(ms)));
        for (i, point) in points.iter().enumerate() {
            let ms = times[point].as_millis();
            assert_eq!(at(ms).unwrap().0, *point, "{}", replica.case);
            let before = at(ms - 1);
            match i.checked_sub(1) {
                Some(previous) => assert_eq!(before.unwrap().0, points[previous], "{}", replica.case),
                None => assert!(matches!(before, Err(PlanError::BeforeFirst { .. }))),
            }
        }
        assert_eq!(at(i64::MAX).unwrap().0, *points.last().unwrap());
    }
}

#[test]
fn without_any_one_object_nothing_restores_to_something_else() {
    for whole in replicas() {
        for key in whole.objects.keys() {
            let mut less = whole.clone();
            less.objects.remove(key);
            let points = less.points();
            for txid in whole.expected.keys() {
                let is_right = less.restores_right(*txid);
                assert_eq!(is_right, points.contains(&txid.into_inner()), "{} without {key}", whole.case);
            }
        }
    }
}

#[test]
fn a_damaged_object_is_planned_around_or_refused() {
    let whole = replica("multi-level");
    let newest = txid(0x42);
    for (key, (bytes, _)) in &whole.objects {
        for at in [0, 12, 100, bytes.len() / 2, bytes.len() - 30, bytes.len() - 1] {
            let mut flipped = whole.clone();
            flipped.objects.get_mut(key).unwrap().0[at] ^= 4;
            let mut cut = whole.clone();
            cut.objects.get_mut(key).unwrap().0.truncate(at);
            let restored = [flipped.restores_right(newest), cut.restores_right(newest)];
            match (*key).max().into_inner() {
                0x42 => assert_eq!(restored, [false, false], "nothing else holds the newest slot: {at}"),
                // Nothing else holds this one either, but the newest slot writes the same pages again.
                0x41 => {}
                _ => assert_eq!(restored, [true, true], "{key} at {at}"),
            }
        }
    }
}

#[test]
fn a_full_image_in_level_0_restores_what_is_behind_a_gap() {
    let mut replica = replica("checkpoint-and-resume");
    let all = replica.points();
    replica.objects.remove(&ObjectKey::slot(txid(0x10)));
    // Litestream took a full image into slot 0x15, after a checkpoint that it had not seen.
    let expected: Vec<u64> = all.into_iter().filter(|n| *n < 0x10 || *n >= 0x15).collect();
    assert_eq!(replica.points(), expected);
    assert!(replica.restores_right(txid(0x16)));
    let error = replica.restore(Target::Txid(txid(0x12))).unwrap_err();
    assert!(matches!(error, PlanError::Gap { .. }), "{error}");
    assert_eq!(error.nearest().before, Some(txid(0xf)));
    assert_eq!(error.nearest().after, Some(txid(0x15)));
}
