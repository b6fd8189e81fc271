//! Reading objects.

use super::store::FakeStore;
use super::{Inline, block_on};
use crate::driver::object::RANGE_BYTES;
use crate::driver::read;
use crate::driver::requests::Requests;
use crate::port::Work;
use engine::db::page_checksum;
use engine::ltx::{Chain, Encoder, Header};
use engine::store::{Fatal, Sha256, StoreError};
use engine::types::{Checksum, LockByte, NodeId, PageSize, Pgno, Timestamp, Txid, TxidRange};
use std::sync::Arc;
use std::time::Duration;

struct World {
    store: FakeStore,
    requests: Requests,
    work: Arc<dyn Work>,
}

fn world(objects: &[(&str, Vec<u8>)]) -> World {
    let store = FakeStore::default();
    for (key, bytes) in objects {
        store.with(|s| s.objects.insert((*key).to_owned(), bytes.clone().into()));
    }
    let requests = Requests::new(Arc::new(store.clone()), 8, 0, Duration::from_secs(60));
    World { store, requests, work: Arc::new(Inline) }
}

/// A slot with these pages, each filled with its byte.
fn slot(pages: &[(u32, u8)]) -> Vec<u8> {
    let chain = Chain { node: NodeId::new(1).unwrap(), before: None, after: Checksum::new(1), claim: false };
    let commit = Pgno::new(9).unwrap();
    let txids = TxidRange::single(Txid::new(5).unwrap());
    let page_size = PageSize::new(512).unwrap();
    let header = Header::new(page_size, commit, txids, Timestamp::from_millis(1)).with_chain(chain);
    let mut bytes = Vec::new();
    let mut encoder = Encoder::new(&header, LockByte::SQLITE, &mut bytes);
    for (pgno, fill) in pages {
        encoder.push(Pgno::new(*pgno).unwrap(), &[*fill; 512], &mut bytes);
    }
    encoder.finish(&mut bytes);
    bytes
}

fn keys(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

/// A slot of several ranges: its pages cannot be compressed.
fn large_slot() -> Vec<u8> {
    let (commit, page_size) = (Pgno::new(80).unwrap(), PageSize::new(65536).unwrap());
    let txids = TxidRange::single(Txid::new(5).unwrap());
    let header = Header::new(page_size, commit, txids, Timestamp::from_millis(1));
    let mut bytes = Vec::new();
    let mut encoder = Encoder::new(&header, LockByte::SQLITE, &mut bytes);
    for pgno in 1..=80 {
        let hashes = (0..2048_u32).flat_map(|n| Sha256::of(&[pgno, n].map(u32::to_be_bytes).concat()).0);
        encoder.push(Pgno::new(pgno).unwrap(), &hashes.collect::<Vec<u8>>(), &mut bytes);
    }
    encoder.finish(&mut bytes);
    assert!(bytes.len() as u64 > RANGE_BYTES);
    bytes
}

#[test]
fn a_hash_covers_an_object_of_several_ranges() {
    let bytes = large_slot();
    let world = world(&[("k", bytes.clone())]);
    let hash = block_on(read::hash(&world.requests, &world.work, "k", LockByte::SQLITE));
    assert_eq!(hash, Ok((Sha256::of(&bytes), false)), "there is nothing to compare it with");
}

#[test]
fn an_object_that_came_with_a_wrong_bit_has_no_hash() {
    let mut bytes = slot(&[(1, 10)]);
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    let world = world(&[("k", bytes)]);
    let hash = block_on(read::hash(&world.requests, &world.work, "k", LockByte::SQLITE));
    let Err(StoreError::Fatal { kind: Fatal::Unsupported, message }) = hash else { panic!("{hash:?}") };
    assert!(message.starts_with("k is damaged"), "{message}");
}

#[test]
fn an_object_that_is_not_what_was_sent_has_no_hash() {
    let bytes = slot(&[(1, 10)]);
    let world = world(&[("k", bytes.clone())]);
    let hash_beside = |sha256: Sha256| {
        world.store.with(|s| s.attributes.sha256 = Some(sha256));
        block_on(read::hash(&world.requests, &world.work, "k", LockByte::SQLITE))
    };
    assert_eq!(hash_beside(Sha256::of(&bytes)), Ok((Sha256::of(&bytes), true)));
    let hash = hash_beside(Sha256::of(b"another packing of the same pages"));
    let Err(StoreError::Fatal { kind: Fatal::Unsupported, message }) = hash else { panic!("{hash:?}") };
    assert!(message.starts_with("k is damaged"), "{message}");
}

#[test]
fn an_object_that_changes_while_it_is_read_is_read_again() {
    let world = world(&[("k", large_slot())]);
    world.store.with(|s| s.restless = 1);
    let hash = block_on(read::hash(&world.requests, &world.work, "k", LockByte::SQLITE));
    let Err(StoreError::Retryable(why)) = hash else { panic!("{hash:?}") };
    assert!(why.contains("changed while it was read"), "{why}");
}

#[test]
fn digests_come_in_the_order_of_the_keys() {
    let world = world(&[("a", slot(&[(1, 10), (3, 30)])), ("b", slot(&[(2, 20)]))]);
    let keys = keys(&["b", "a"]);
    let digests = block_on(read::digest(&world.requests, &world.work, &keys, LockByte::SQLITE)).unwrap();
    let sum = |pgno: u32, fill: u8| {
        let pgno = Pgno::new(pgno).unwrap();
        (pgno, page_checksum(pgno, &[fill; 512]))
    };
    assert_eq!(digests[0].pages, [sum(2, 20)]);
    assert_eq!(digests[1].pages, [sum(1, 10), sum(3, 30)]);
}

#[test]
fn a_damaged_object_is_no_digest() {
    let mut bytes = slot(&[(1, 10)]);
    let last = bytes.len() - 1;
    bytes[last] ^= 1;
    let world = world(&[("k", bytes)]);
    let digest = block_on(read::digest(&world.requests, &world.work, &keys(&["k"]), LockByte::SQLITE));
    let Err(StoreError::Fatal { kind: Fatal::Unsupported, message }) = digest else { panic!("{digest:?}") };
    assert!(message.starts_with("k is damaged"), "{message}");
}

#[test]
fn a_page_comes_from_the_first_object_that_has_it() {
    let world = world(&[("new", slot(&[(2, 22)])), ("old", slot(&[(1, 10), (2, 20)]))]);
    let keys = keys(&["new", "old"]);
    let page = |number: u32| {
        let pgno = Pgno::new(number).unwrap();
        block_on(read::page(&world.requests, &world.work, &keys, pgno, LockByte::SQLITE)).unwrap()
    };
    assert_eq!(page(2).unwrap(), [22; 512][..]);
    assert_eq!(page(1).unwrap(), [10; 512][..]);
    assert_eq!(page(3), None);
}

#[test]
fn a_truncated_object_gives_nothing() {
    let mut bytes = slot(&[(1, 10)]);
    bytes.truncate(bytes.len() - 1);
    let world = world(&[("k", bytes)]);
    let (keys, page) = (keys(&["k"]), Pgno::new(1).unwrap());
    let digest = block_on(read::digest(&world.requests, &world.work, &keys, LockByte::SQLITE));
    assert!(matches!(digest, Err(StoreError::Fatal { .. })), "{digest:?}");
    let page = block_on(read::page(&world.requests, &world.work, &keys, page, LockByte::SQLITE));
    assert!(matches!(page, Err(StoreError::Fatal { .. })), "{page:?}");
}
