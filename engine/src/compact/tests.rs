//! What all tests of compaction need: objects made from pages, and a driver of merges.

mod any_place;
mod damage;
mod due;
mod holes;
mod levels;
mod merge;
#[cfg(feature = "mutants")]
mod mutants;
mod plan;
mod store;
mod stored;

use super::*;
use crate::key::ObjectKey;
use crate::ltx::{Chain, Decoder, Encoder, Header, Item};
use crate::restore::world::key;
use crate::types::{Checksum, LockByte, NodeId, PageSize, Pgno, Timestamp};
use std::collections::BTreeMap;

const LOCK: LockByte = LockByte::SQLITE;

/// Pages by number.
type Pages = BTreeMap<u32, Vec<u8>>;

fn pgno(n: u32) -> Pgno {
    Pgno::new(n).unwrap()
}

/// A page of one number, so that who wrote it can be told.
fn page(page_size: u32, value: u64) -> Vec<u8> {
    let mut page = vec![0; page_size as usize];
    page[..8].copy_from_slice(&value.to_be_bytes());
    page
}

fn node(n: u64) -> NodeId {
    NodeId::new(n).unwrap()
}

/// A header of an object that its key's last slot made, at ten milliseconds per TXID.
fn header(key: ObjectKey, page_size: u32, commit: u32) -> Header {
    let time = Timestamp::from_millis(10 * i64::try_from(key.max().into_inner()).unwrap());
    Header::new(PageSize::new(page_size).unwrap(), pgno(commit), key.range(), time)
}

fn tagged(header: Header, before: Option<u64>, after: u64) -> Header {
    let (before, after) = (before.map(Checksum::new), Checksum::new(after));
    let node = node(header.txids().max().into_inner());
    header.with_chain(Chain { node, before, after, claim: false })
}

fn encode(header: &Header, lock_byte: LockByte, pages: &Pages) -> Vec<u8> {
    let mut object = Vec::new();
    let mut encoder = Encoder::new(header, lock_byte, &mut object);
    for (number, page) in pages {
        encoder.push(pgno(*number), page, &mut object);
    }
    encoder.finish(&mut object);
    object
}

fn decode(mut object: &[u8], lock_byte: LockByte) -> (Header, Pages) {
    let (mut header, mut pages) = (None, Pages::new());
    let mut decoder = Decoder::new(lock_byte);
    while let Some(item) = decoder.read(&mut object).unwrap() {
        match item {
            Item::Header(read) => header = Some(read),
            Item::Page { pgno, page } => _ = pages.insert(pgno.into_inner(), page.to_vec()),
            Item::End(_) => {}
        }
    }
    decoder.finish().unwrap();
    (header.unwrap(), pages)
}

type Input<'a> = (ObjectKey, &'a [u8]);

/// Merges objects whose bytes come in pieces of these lengths, again and again.
fn merge_in_pieces(
    inputs: &[Input<'_>],
    lock_byte: LockByte,
    pieces: &[usize],
) -> Result<(Vec<u8>, Merged), MergeError> {
    let keys: Vec<ObjectKey> = inputs.iter().map(|(key, _)| *key).collect();
    let mut rest: Vec<&[u8]> = inputs.iter().map(|(_, bytes)| *bytes).collect();
    let mut given: Vec<&[u8]> = vec![&[]; inputs.len()];
    let mut pieces = pieces.iter().cycle();
    let (mut sent, mut out) = (Vec::new(), Vec::new());
    let mut merge = Merge::new(&keys, lock_byte);
    loop {
        match merge.poll(&mut out)? {
            Progress::Wrote => sent.append(&mut out),
            Progress::Done(merged) => {
                sent.append(&mut out);
                assert_eq!(merge.poll(&mut out), Ok(Progress::Done(merged.clone())));
                return Ok((sent, merged));
            }
            Progress::Needs(input) if given[input].is_empty() && rest[input].is_empty() => {
                merge.close(input)?;
            }
            Progress::Needs(input) => {
                if given[input].is_empty() {
                    let length = rest[input].len().min(*pieces.next().unwrap());
                    (given[input], rest[input]) = rest[input].split_at(length);
                }
                merge.feed(input, &mut given[input])?;
            }
        }
    }
}

fn merge(inputs: &[Input<'_>], lock_byte: LockByte) -> Result<(Vec<u8>, Merged), MergeError> {
    merge_in_pieces(inputs, lock_byte, &[usize::MAX])
}

/// What is in the objects after each other: of each page the last one, nothing that was cut off.
fn apply_all(inputs: &[Input<'_>], lock_byte: LockByte) -> Pages {
    let mut database = Pages::new();
    for (_, object) in inputs {
        let (header, pages) = decode(object, lock_byte);
        database.retain(|number, _| *number <= header.commit().into_inner());
        database.extend(pages);
    }
    database
}

/// Objects that follow each other, each with the pages given, all of page size 512; chained if `is_tagged`.
fn slots(contents: &[(u32, Pages)], is_tagged: bool) -> Vec<(ObjectKey, Vec<u8>)> {
    let slot = |(at, (commit, pages)): (usize, &(u32, Pages))| {
        let number = at as u64 + 2;
        let key = key(0, number, number);
        let mut header = header(key, 512, *commit);
        if is_tagged {
            header = tagged(header, Some(number - 1), number);
        }
        (key, encode(&header, LOCK, pages))
    };
    contents.iter().enumerate().map(slot).collect()
}

fn refs(objects: &[(ObjectKey, Vec<u8>)]) -> Vec<Input<'_>> {
    objects.iter().map(|(key, bytes)| (*key, &bytes[..])).collect()
}

/// Three slots that write over each other; the last one shrinks the database to 3 pages.
fn overlapping() -> Vec<(ObjectKey, Vec<u8>)> {
    let content = |commit, pages: &[u32], value: u64| {
        let pages = pages.iter().map(|n| (*n, page(512, value * 100 + u64::from(*n)))).collect();
        (commit, pages)
    };
    slots(&[content(5, &[1, 2, 5], 1), content(6, &[1, 3, 6], 2), content(3, &[1, 3], 3)], true)
}
