//! The codec against replicas that real Litestream binaries wrote (`tests/fixtures`).

#![allow(clippy::disallowed_methods, reason = "a test may read files")]
#![allow(clippy::unwrap_used, reason = "a failing test is the report")]

use engine::db::{NO_PAGES, PageSums, page_checksum};
use engine::ltx::{
    DecodeError, Decoder, Encoder, Header, Item, Trailer, Version, decode_page, index, read_any, version,
};
use engine::store::Sha256;
use engine::types::{LockByte, Pgno};
use litetx::PageChecksum as _;
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

const LOCK: LockByte = LockByte::SQLITE;

type Pages = Vec<(Pgno, Vec<u8>)>;

struct Object {
    path: PathBuf,
    /// Level, first and last transaction id: what its name says.
    name: (u8, u64, u64),
    bytes: Vec<u8>,
}

fn cases() -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/fixtures");
    let entries = fs::read_dir(root).unwrap().map(|entry| entry.unwrap().path());
    let mut cases: Vec<_> = entries.filter(|path| path.is_dir()).collect();
    cases.sort();
    assert!(cases.len() >= 7, "{} cases", cases.len());
    cases
}

fn objects(case: &Path) -> Vec<Object> {
    let mut objects = Vec::new();
    for level in 0..=9 {
        let Ok(folder) = fs::read_dir(case.join(format!("replica/ltx/{level}"))) else { continue };
        for entry in folder {
            let path = entry.unwrap().path();
            let (min, max) = path.file_stem().unwrap().to_str().unwrap().split_once('-').unwrap();
            let txid = |hex| u64::from_str_radix(hex, 16).unwrap();
            let name = (level, txid(min), txid(max));
            objects.push(Object { name, bytes: fs::read(&path).unwrap(), path });
        }
    }
    objects.sort_by_key(|object| object.name);
    assert!(!objects.is_empty());
    objects
}

fn all_objects() -> impl Iterator<Item = Object> {
    cases().into_iter().flat_map(|case| objects(&case))
}

fn decode(bytes: &[u8]) -> Result<(Header, Pages, Trailer), DecodeError> {
    let (mut header, mut pages) = (None, Vec::new());
    let mut decoder = Decoder::new(LOCK);
    for mut piece in bytes.chunks(97) {
        while let Some(item) = decoder.read(&mut piece)? {
            match item {
                Item::Header(first) => header = Some(first),
                Item::Page { pgno, page } => pages.push((pgno, page.to_vec())),
                Item::End(_) => {}
            }
        }
    }
    let trailer = decoder.finish()?;
    Ok((header.unwrap(), pages, trailer))
}

fn entries(object: &[u8], header: &Header) -> Vec<index::PageEntry> {
    let mut length = 0;
    loop {
        let tail = &object[object.len() - length..];
        match index::decode(tail, object.len() as u64, header, LOCK).unwrap() {
            index::Tail::Index { entries, .. } => return entries,
            index::Tail::NeedLast { bytes } => length = usize::try_from(bytes).unwrap(),
        }
    }
}

fn frame<'a>(object: &'a [u8], entry: &index::PageEntry) -> &'a [u8] {
    &object[usize::try_from(entry.offset).unwrap()..][..entry.length as usize]
}

#[test]
fn every_object_decodes_to_what_its_name_says() {
    for object in all_objects() {
        let (level, min, max) = object.name;
        let (header, pages, trailer) =
            decode(&object.bytes).unwrap_or_else(|error| panic!("{:?}: {error}", object.path));
        assert_eq!(header.txids().min().into_inner(), min);
        assert_eq!(header.txids().max().into_inner(), max);
        assert!(header.chain().is_none() && header.pre_apply().is_none() && trailer.post_apply.is_none());
        // Litestream's snapshots keep the WAL span of their last transaction; compactions do not.
        assert_eq!(header.wal().is_some(), level == 0 || level == 9, "{:?}", object.path);
        assert_eq!(version(&object.bytes), Version::V3);
        let mut read = Vec::new();
        let whole = read_any(&object.bytes, LOCK, |pgno, page| read.push((pgno, page.to_vec())));
        assert_eq!((whole.unwrap(), read), ((header, trailer), pages));
    }
}

#[test]
fn wal_spans_of_neighbours_fit_or_start_another_generation() {
    let mut previous: Option<Header> = None;
    for object in all_objects().filter(|object| object.name.0 == 0) {
        let header = Header::decode(&object.bytes).unwrap();
        let wal = header.wal().unwrap();
        if let Some(before) = previous.filter(|before| before.txids().max() + 1 == header.txids().min()) {
            let before = before.wal().unwrap();
            let continues = wal.salts() == before.salts() && wal.offset() == before.end();
            assert!(continues || wal.offset() == 32, "{:?}", object.path);
        }
        previous = Some(header);
    }
}

#[test]
fn page_frames_of_both_packings_are_among_the_fixtures() {
    for case in cases() {
        let legacy = case.file_name().unwrap().to_str().unwrap().starts_with("legacy");
        for object in objects(&case) {
            let header = Header::decode(&object.bytes).unwrap();
            for entry in entries(&object.bytes, &header) {
                let flags = &frame(&object.bytes, &entry)[4..6];
                assert_eq!(flags, [0, u8::from(!legacy)], "{:?}", object.path);
            }
        }
    }
}

#[test]
fn pages_read_through_the_index_are_those_of_the_whole_object() {
    for object in all_objects() {
        let (header, pages, _) = decode(&object.bytes).unwrap();
        let mut page = vec![0; header.page_size().into_inner() as usize];
        let mut read = Vec::new();
        for entry in entries(&object.bytes, &header) {
            assert_eq!(decode_page(frame(&object.bytes, &entry), &mut page), Ok(entry.pgno));
            read.push((entry.pgno, page.clone()));
        }
        assert_eq!(read, pages, "{:?}", object.path);
    }
}

/// With another CRC implementation, straight from the format's description.
#[test]
fn file_checksum_agrees_with_an_independent_one() {
    for object in all_objects() {
        let (header, pages, trailer) = decode(&object.bytes).unwrap();
        let mut covered = object.bytes[..100].to_vec();
        let mut end_of_pages = 100;
        for (entry, (_, page)) in entries(&object.bytes, &header).iter().zip(&pages) {
            let frame = frame(&object.bytes, entry);
            let has_size = frame[5] == 1;
            covered.extend_from_slice(&frame[..if has_size { 10 } else { 6 }]);
            covered.extend_from_slice(page);
            end_of_pages += frame.len();
        }
        covered.extend_from_slice(&object.bytes[end_of_pages..object.bytes.len() - 8]);
        // litetx offers its CRC only as a page checksum, of a page number and bytes: the magic is the number.
        let magic = Pgno::new(u32::from_be_bytes(*b"LTX1")).unwrap();
        assert_eq!((&covered[4..]).page_checksum(magic), trailer.file, "{:?}", object.path);
    }
}

#[test]
fn encoded_again_only_the_compression_differs() {
    let (mut total, mut identical, mut bytes, mut bytes_again) = (0, 0, 0, 0);
    for object in all_objects() {
        let (header, pages, _) = decode(&object.bytes).unwrap();
        let mut again = Vec::new();
        let mut encoder = Encoder::new(&header, LOCK, &mut again);
        for (pgno, page) in &pages {
            encoder.push(*pgno, page, &mut again);
        }
        encoder.finish(&mut again);

        let (header_again, pages_again, trailer_again) = decode(&again).unwrap();
        assert_eq!((&header_again, &pages_again), (&header, &pages), "{:?}", object.path);
        assert_eq!(trailer_again.post_apply, None);
        assert_eq!(again[..100], object.bytes[..100], "{:?}", object.path);
        total += 1;
        identical += u32::from(again == object.bytes);
        bytes += object.bytes.len();
        bytes_again += again.len();
    }
    println!(
        "{identical} of {total} objects byte for byte as Litestream's; {bytes_again} bytes, theirs {bytes}"
    );
    assert!(total > 90);
}

/// Joins objects that begin where the one before ended, the longest first.
fn restore(objects: &[Object], txid: u64) -> Option<Vec<u8>> {
    let mut at = 0;
    let mut database = Vec::new();
    while at < txid {
        let next =
            objects.iter().filter(|o| o.name.1 == at + 1 && o.name.2 <= txid).max_by_key(|o| o.name.2)?;
        let (header, pages, _) = decode(&next.bytes).unwrap();
        let page_bytes = header.page_size().into_inner() as usize;
        database.resize(header.commit().into_inner() as usize * page_bytes, 0);
        for (pgno, page) in pages {
            database[(pgno.into_inner() as usize - 1) * page_bytes..][..page_bytes].copy_from_slice(&page);
        }
        at = next.name.2;
    }
    Some(database)
}

#[test]
fn restored_databases_have_the_bytes_that_litestream_restored() {
    let mut restored = 0;
    for case in cases() {
        let manifest = fs::read_to_string(case.join("manifest.json")).unwrap();
        let manifest: serde_json::Value = serde_json::from_str(&manifest).unwrap();
        let objects = objects(&case);
        for (txid, expected) in manifest["restore_by_txid"].as_object().unwrap() {
            let Some(sha256) = expected["sha256"].as_str() else { continue };
            let txid = u64::from_str_radix(txid, 16).unwrap();
            if let Some(database) = restore(&objects, txid) {
                assert_eq!(Some(Sha256::of(&database)), Sha256::parse(sha256), "{case:?} {txid}");
                restored += 1;
            }
        }
    }
    println!("{restored} points restored");
    assert!(restored > 60, "{restored}");
}

#[test]
fn page_sums_kept_object_by_object_equal_those_of_the_database() {
    let mut compared = 0;
    for case in cases() {
        let objects = objects(&case);
        let slots: BTreeMap<_, _> =
            objects.iter().filter(|o| o.name.0 == 0).map(|o| (o.name.1, &o.bytes)).collect();
        if slots.keys().next() != Some(&1) {
            continue;
        }
        let mut sums = PageSums::new();
        for (&txid, bytes) in &slots {
            let (header, pages, _) = decode(bytes).unwrap();
            sums.resize(header.commit().into_inner());
            for (pgno, page) in pages {
                sums.set(pgno, page_checksum(pgno, &page));
            }
            assert_eq!(sums.first_unknown(LOCK.pgno(header.page_size())), None);
            let database = restore(&objects, txid).unwrap();
            let pages = database.chunks(header.page_size().into_inner() as usize).zip(1..);
            let sum = |(page, n): (&[u8], u32)| page.page_checksum(Pgno::new(n).unwrap());
            assert_eq!(
                sums.checksum(),
                pages.map(sum).fold(NO_PAGES, |all, sum| all ^ sum),
                "{case:?} {txid}"
            );
            compared += 1;
        }
    }
    assert!(compared > 40, "{compared}");
}
