//! Merging against what real Litestream binaries compacted (`tests/fixtures`).

#![allow(clippy::disallowed_methods, reason = "a test may read files")]
#![allow(clippy::unwrap_used, reason = "a failing test is the report")]

use engine::compact::{Merge, Progress};
use engine::key::{Layout, ObjectKey};
use engine::ltx::{Decoder, Header, Item};
use engine::types::{Level, LockByte, Pgno};
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

const LOCK: LockByte = LockByte::SQLITE;

type Objects = BTreeMap<ObjectKey, Vec<u8>>;

/// What our merge makes of the objects that Litestream had made one of its own from is, page by page, the same.
#[test]
fn litestream_compacts_to_the_same_pages() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/fixtures");
    let mut compared = BTreeMap::<Level, usize>::new();
    for case in fs::read_dir(root).unwrap().map(|entry| entry.unwrap().path()).filter(|path| path.is_dir()) {
        let objects = objects(&case.join("replica"));
        for (key, theirs) in objects.iter().filter(|(key, _)| key.level() > Level::L0 && !key.starts_at_one())
        {
            let Some(inputs) = inputs(&objects, *key) else { continue };
            let ours = merge(&inputs);
            let (ours, theirs) = (decode(&ours), decode(theirs));
            assert_eq!(ours.1, theirs.1, "{}: {key}", case.display());
            let told = |header: &Header| {
                (header.txids(), header.commit(), header.page_size(), header.timestamp(), header.wal())
            };
            assert_eq!(told(&ours.0), told(&theirs.0), "{}: {key}", case.display());
            assert_eq!(ours.0.chain(), None);
            *compared.entry(key.level()).or_default() += 1;
        }
    }
    let levels: Vec<u8> = compared.keys().map(|level| level.get()).collect();
    assert_eq!(levels, [1, 2, 3], "{compared:?}");
}

fn objects(replica: &Path) -> Objects {
    let mut objects = Objects::new();
    for level in Level::all() {
        let Ok(folder) = fs::read_dir(replica.join(format!("ltx/{level}"))) else { continue };
        for path in folder.map(|entry| entry.unwrap().path()) {
            let name = format!("ltx/{level}/{}", path.file_name().unwrap().to_str().unwrap());
            objects.insert(ObjectKey::parse(Layout::Tree, &name).unwrap(), fs::read(path).unwrap());
        }
    }
    objects
}

/// The objects of the level below that make up one exactly, if all of them are there still.
fn inputs(objects: &Objects, output: ObjectKey) -> Option<Vec<(ObjectKey, &[u8])>> {
    let below = Level::new(output.level().get() - 1).ok()?;
    let inside = objects.iter().filter(|(key, _)| key.level() == below && output.range().covers(key.range()));
    let inputs: Vec<(ObjectKey, &[u8])> = inside.map(|(key, bytes)| (*key, &bytes[..])).collect();
    let follows = |pair: &[(ObjectKey, &[u8])]| pair[0].0.max() + 1 == pair[1].0.min();
    let ends = inputs.first()?.0.min() == output.min() && inputs.last()?.0.max() == output.max();
    (ends && inputs.windows(2).all(follows)).then_some(inputs)
}

fn merge(inputs: &[(ObjectKey, &[u8])]) -> Vec<u8> {
    let keys: Vec<ObjectKey> = inputs.iter().map(|(key, _)| *key).collect();
    let mut rest: Vec<&[u8]> = inputs.iter().map(|(_, bytes)| *bytes).collect();
    let (mut merge, mut out) = (Merge::new(&keys, LOCK), Vec::new());
    loop {
        match merge.poll(&mut out).unwrap() {
            Progress::Wrote => {}
            Progress::Done(_) => return out,
            Progress::Needs(input) if rest[input].is_empty() => merge.close(input).unwrap(),
            Progress::Needs(input) => merge.feed(input, &mut rest[input]).unwrap(),
        }
    }
}

fn decode(mut object: &[u8]) -> (Header, BTreeMap<Pgno, Vec<u8>>) {
    let (mut header, mut pages) = (None, BTreeMap::new());
    let mut decoder = Decoder::new(LOCK);
    while let Some(item) = decoder.read(&mut object).unwrap() {
        match item {
            Item::Header(read) => header = Some(read),
            Item::Page { pgno, page } => _ = pages.insert(pgno, page.to_vec()),
            Item::End(_) => {}
        }
    }
    decoder.finish().unwrap();
    (header.unwrap(), pages)
}
