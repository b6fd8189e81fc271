//! Replicas to restore: those that Litestream wrote, and chains of ours made up on the spot.

use engine::db::{NO_PAGES, page_checksum};
use engine::key::{Layout, ObjectKey};
use engine::ltx::{Chain, Encoder, Header};
use engine::store::Sha256;
use engine::types::{
    Checksum, Level, LockByte, NodeId, PageSize, Pgno, Timestamp, Txid, TxidRange, parse_txid_hex,
};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

/// In Litestream's replicas nothing comes near it.
pub(crate) const LOCK: LockByte = LockByte::moved(65536);

/// Objects, and the SHA-256 of what each TXID restores to; `None` where nothing does.
#[derive(Clone)]
pub(crate) struct Replica {
    pub(crate) name: String,
    pub(crate) objects: BTreeMap<ObjectKey, (Vec<u8>, Timestamp)>,
    pub(crate) expected: BTreeMap<Txid, Option<String>>,
}

#[derive(Deserialize)]
struct CaseManifest {
    mtime_unix_ms: BTreeMap<String, i64>,
    restore_by_txid: BTreeMap<String, BTreeMap<String, serde_json::Value>>,
}

/// Litestream's.
pub(crate) fn fixtures() -> Vec<Replica> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures");
    let cases = fs::read_dir(root).unwrap().map(|entry| entry.unwrap().path());
    // The lock page is moved here, and one case reaches it.
    let replicas = cases.filter(|case| case.is_dir()).map(|case| fixture(&case)).filter(|replica| {
        let ends_before_lock = |bytes: &[u8]| {
            let header = Header::decode(bytes).unwrap();
            header.commit() < LOCK.pgno(header.page_size())
        };
        replica.objects.values().all(|(bytes, _)| ends_before_lock(bytes))
    });
    let replicas: Vec<Replica> = replicas.collect();
    assert!(replicas.len() >= 4);
    replicas
}

fn fixture(case: &Path) -> Replica {
    let manifest: CaseManifest =
        serde_json::from_slice(&fs::read(case.join("manifest.json")).unwrap()).unwrap();
    let objects = manifest.mtime_unix_ms.iter().map(|(name, mtime)| {
        let bytes = fs::read(case.join("replica").join(name)).unwrap();
        (ObjectKey::parse(Layout::Tree, name).unwrap(), (bytes, Timestamp::from_millis(*mtime)))
    });
    let sha256 = |what: &BTreeMap<String, serde_json::Value>| Some(what.get("sha256")?.as_str()?.to_owned());
    let expected = manifest.restore_by_txid.iter();
    Replica {
        name: case.file_name().unwrap().to_str().unwrap().to_owned(),
        objects: objects.collect(),
        expected: expected.map(|(txid, what)| (parse_txid_hex(txid).unwrap(), sha256(what))).collect(),
    }
}

/// A history of ours: first image, claim, slots that grow and shrink the database past its lock page, a
/// compaction of the older slots, and the newest slots beside it.
pub(crate) fn chain() -> Replica {
    build(1)
}

/// Another history with the same names.
pub(crate) fn other_chain() -> Replica {
    build(2)
}

/// One image of some 120 KiB, without our tag.
pub(crate) fn image_of_another_tool() -> Replica {
    let mut database = Database { pages: BTreeMap::new(), commit: 0, noise: 3 };
    let mut replica =
        Replica { name: "image".to_owned(), objects: BTreeMap::new(), expected: BTreeMap::new() };
    database.resize(60);
    (1..=60).for_each(|pgno| database.touch(pgno));
    let key = slot(txid(1));
    replica.put_under(key, header(key, &database), &database, (1..=60).collect());
    replica.expected.insert(txid(1), Some(database.sha256()));
    replica
}

const PAGE_BYTES: u32 = 4096;
const SLOTS: u64 = 9;
const COMPACTED: u64 = 6;

fn build(seed: u64) -> Replica {
    let mut database = Database { pages: BTreeMap::new(), commit: 0, noise: seed };
    let mut replica =
        Replica { name: "chain".to_owned(), objects: BTreeMap::new(), expected: BTreeMap::new() };
    // More than fits into the memory for small objects.
    database.resize(60);
    (1..=60).for_each(|pgno| database.touch(pgno));
    let first = database.checksum();
    replica.put(snapshot(txid(1)), &database, None, (1..=60).collect());
    replica.expected.insert(txid(1), Some(database.sha256()));
    let mut compacted = (first, Vec::new());
    for slot_txid in 2..=SLOTS {
        let before = database.checksum();
        let touched: Vec<u32> = match slot_txid {
            2 => vec![1],
            3 => {
                // Page 17 holds the lock byte; 61 to 80 are new.
                database.resize(80);
                (61..=80).chain([1, 5]).collect()
            }
            5 => {
                database.resize(12);
                vec![1, 12]
            }
            7 => {
                database.resize(30);
                (13..=30).chain([1]).collect()
            }
            n => vec![1, u32::try_from(n).unwrap(), 11],
        };
        if slot_txid != 2 {
            touched.iter().for_each(|pgno| database.touch(*pgno));
        }
        if (3..=COMPACTED).contains(&slot_txid) {
            compacted.1.extend(touched.iter().copied());
            if slot_txid == 3 {
                compacted.0 = before;
            }
        }
        replica.put(slot(txid(slot_txid)), &database, Some(before), touched);
        replica.expected.insert(txid(slot_txid), Some(database.sha256()));
        if slot_txid == COMPACTED {
            let range = TxidRange::new(txid(3), txid(COMPACTED)).unwrap();
            let key = ObjectKey::new(Level::new(1).unwrap(), range).unwrap();
            replica.put(key, &database, Some(compacted.0), compacted.1.clone());
        }
    }
    replica
}

impl Replica {
    fn put(&mut self, key: ObjectKey, database: &Database, before: Option<Checksum>, pages: Vec<u32>) {
        let chain = Chain {
            node: NodeId::new(7).unwrap(),
            before,
            after: database.checksum(),
            claim: key == slot(txid(2)),
        };
        self.put_under(key, header(key, database).with_chain(chain), database, pages);
    }

    fn put_under(&mut self, key: ObjectKey, header: Header, database: &Database, mut pages: Vec<u32>) {
        let mut bytes = Vec::new();
        let mut encoder = Encoder::new(&header, LOCK, &mut bytes);
        let lock = LOCK.pgno(header.page_size());
        pages.sort_unstable();
        pages.dedup();
        pages.retain(|pgno| *pgno <= database.commit && Pgno::new(*pgno).unwrap() != lock);
        for pgno in pages {
            encoder.push(Pgno::new(pgno).unwrap(), &database.pages[&pgno], &mut bytes);
        }
        encoder.finish(&mut bytes);
        self.objects.insert(key, (bytes, header.timestamp()));
    }
}

fn header(key: ObjectKey, database: &Database) -> Header {
    let time =
        Timestamp::from_millis(1_700_000_000_000 + 1000 * i64::try_from(key.max().into_inner()).unwrap());
    let commit = Pgno::new(database.commit).unwrap();
    Header::new(PageSize::new(PAGE_BYTES).unwrap(), commit, key.range(), time)
}

/// A made-up database.
struct Database {
    pages: BTreeMap<u32, Vec<u8>>,
    commit: u32,
    noise: u64,
}

impl Database {
    fn resize(&mut self, commit: u32) {
        self.commit = commit;
        self.pages.retain(|pgno, _| *pgno <= commit);
        for pgno in 1..=commit {
            self.pages.entry(pgno).or_insert_with(|| vec![0; PAGE_BYTES as usize]);
        }
    }

    /// Half of the page is noise that does not compress.
    fn touch(&mut self, pgno: u32) {
        let lock = LOCK.pgno(PageSize::new(PAGE_BYTES).unwrap()).into_inner();
        if pgno == lock || pgno > self.commit {
            return;
        }
        for byte in self.pages.get_mut(&pgno).unwrap().iter_mut().take(PAGE_BYTES as usize / 2) {
            self.noise =
                self.noise.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            *byte = (self.noise >> 56) as u8;
        }
    }

    fn checksum(&self) -> Checksum {
        let lock = LOCK.pgno(PageSize::new(PAGE_BYTES).unwrap()).into_inner();
        let pages = self.pages.iter().filter(|(pgno, _)| **pgno != lock);
        pages.fold(NO_PAGES, |sum, (pgno, page)| sum ^ page_checksum(Pgno::new(*pgno).unwrap(), page))
    }

    fn sha256(&self) -> String {
        let bytes: Vec<u8> = self.pages.values().flatten().copied().collect();
        Sha256::of(&bytes).to_string()
    }
}

pub(crate) fn txid(n: u64) -> Txid {
    Txid::new(n).unwrap()
}

pub(crate) fn slot(txid: Txid) -> ObjectKey {
    ObjectKey::slot(txid)
}

pub(crate) fn snapshot(txid: Txid) -> ObjectKey {
    ObjectKey::snapshot(txid)
}
