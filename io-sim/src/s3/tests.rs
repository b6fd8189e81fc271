use super::*;
use crate::clock::SimClock;
use crate::trace::Trace;
use bytes::Bytes;
use engine::store::{Attributes, Condition, ETag, StoreError};
use engine::types::Timestamp;
use proptest::prelude::*;
use std::time::Duration;

fn store() -> (SimS3, SimClock) {
    let clock = SimClock::new();
    (SimS3::new(&clock, &Trace::new(&clock)), clock)
}

fn put(store: &SimS3, key: &str, body: &'static str, condition: Condition) -> Result<ETag, StoreError> {
    let body = Bytes::from_static(body.as_bytes());
    let request = Request::Put { key: key.into(), body, attributes: Attributes::default(), condition };
    match store.apply(&request)? {
        Response::Written(written) => Ok(written.etag),
        other => panic!("{other:?}"),
    }
}

fn read(store: &SimS3, request: Request) -> Result<String, StoreError> {
    match store.apply(&request)? {
        Response::Body(body) => Ok(String::from_utf8(body.bytes.to_vec()).unwrap()),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_key_is_created_once() {
    let (store, _) = store();
    put(&store, "a", "one", Condition::IfAbsent).unwrap();
    assert_eq!(put(&store, "a", "two", Condition::IfAbsent), Err(StoreError::Refused));
    assert_eq!(store.peek("a").unwrap().bytes, "one");
}

#[test]
fn a_version_is_replaced_only_while_it_is_there() {
    let (store, _) = store();
    let absent = put(&store, "a", "x", Condition::IfMatch(ETag::new("none")));
    assert_eq!(absent, Err(StoreError::Missing));
    let first = put(&store, "a", "same", Condition::IfAbsent).unwrap();
    let second = put(&store, "a", "same", Condition::IfMatch(first.clone())).unwrap();
    assert_ne!(first, second, "versions differ although the bytes are the same");
    assert_eq!(put(&store, "a", "late", Condition::IfMatch(first.clone())), Err(StoreError::Refused));
    let delete = |etag: &ETag| store.apply(&Request::DeleteIfMatch { key: "a".into(), etag: etag.clone() });
    assert_eq!(delete(&first), Err(StoreError::Refused));
    assert_eq!(delete(&second), Ok(Response::Done));
    assert_eq!(delete(&second), Ok(Response::Done), "nothing is there: as wished");
    let kinds: Vec<ChangeKind> = store.changes_from(0).iter().map(|change| change.kind).collect();
    assert_eq!(kinds, [ChangeKind::Created, ChangeKind::Replaced, ChangeKind::Deleted]);
}

#[test]
fn a_store_that_ignores_conditions_overwrites() {
    let (store, _) = store();
    store.set_ignores_conditions(true);
    put(&store, "a", "one", Condition::IfAbsent).unwrap();
    put(&store, "a", "two", Condition::IfAbsent).unwrap();
    assert_eq!(store.peek("a").unwrap().bytes, "two");
}

#[test]
fn an_upload_shows_nothing_before_it_is_completed() {
    let (store, clock) = store();
    let start = |key: &str| match store
        .apply(&Request::StartUpload { key: key.into(), attributes: Attributes::default() })
    {
        Ok(Response::Started(upload)) => upload,
        other => panic!("{other:?}"),
    };
    let upload = start("big");
    for (part, body) in [(2, "two"), (1, "lost"), (1, "one ")] {
        let body = Bytes::from_static(body.as_bytes());
        assert_eq!(store.apply(&Request::UploadPart { upload, part, body }), Ok(Response::Done));
    }
    assert_eq!(store.peek("big"), None);
    let complete = || store.apply(&Request::CompleteUpload { upload, condition: Condition::IfAbsent });
    complete().unwrap();
    assert_eq!(store.peek("big").unwrap().bytes, "one two");
    assert_eq!(complete(), Err(StoreError::Missing), "an upload is completed once");

    let second = start("big");
    clock.advance(Duration::from_secs(1));
    let refused = store.apply(&Request::CompleteUpload { upload: second, condition: Condition::IfAbsent });
    assert_eq!(refused, Err(StoreError::Refused));
    let list = |before| store.apply(&Request::ListUploads { prefix: "b".into(), before });
    assert_eq!(list(clock.now().wall), Ok(Response::Uploads(vec![(second, "big".into())])));
    assert_eq!(list(Timestamp::from_millis(0)), Ok(Response::Uploads(vec![])));
    store.apply(&Request::AbortUpload { upload: second }).unwrap();
    assert_eq!(store.unfinished_uploads(), 0);
}

#[test]
fn ranges_are_clipped_to_the_object() {
    let (store, _) = store();
    put(&store, "a", "0123456789", Condition::IfAbsent).unwrap();
    let range = |start, end| read(&store, Request::Get { key: "a".into(), range: Some(start..end) });
    assert_eq!(range(8, u64::MAX).unwrap(), "89");
    assert!(matches!(range(10, 12), Err(StoreError::Fatal { .. })));
    let tail = |bytes_max| read(&store, Request::GetTail { key: "a".into(), bytes_max });
    assert_eq!((tail(3).unwrap().as_str(), tail(99).unwrap().as_str()), ("789", "0123456789"));
    assert_eq!(read(&store, Request::Get { key: "b".into(), range: None }), Err(StoreError::Missing));
}

#[test]
fn times_are_those_of_the_stores_own_clock() {
    let clock = SimClock::new();
    let store_clock = clock.machine();
    store_clock.jump_wall_ms(5000);
    let store = SimS3::new(&store_clock, &Trace::new(&clock));
    put(&store, "a", "x", Condition::IfAbsent).unwrap();
    let modified = store.peek("a").unwrap().modified;
    assert_eq!(modified.as_millis(), clock.now().wall.as_millis() + 5000);
}

#[test]
fn rot_changes_one_bit_under_the_same_version() {
    let (store, _) = store();
    let etag = put(&store, "a", "x", Condition::IfAbsent).unwrap();
    assert!(store.rot("a", 0) && !store.rot("b", 0));
    let object = store.peek("a").unwrap();
    assert_eq!((object.bytes.as_ref(), object.etag), (&b"y"[..], etag));
}

/// All pages of a listing, put together.
fn list_all(store: &SimS3, prefix: &str, folders: bool, keys_max: usize) -> (Vec<String>, Vec<String>) {
    let (mut keys, mut found_folders, mut after) = (Vec::new(), Vec::new(), None);
    loop {
        let request = Request::List { prefix: prefix.into(), after, folders, keys_max };
        let Ok(Response::Listing(page)) = store.apply(&request) else { panic!("no listing") };
        assert!(page.objects.len() + page.folders.len() <= keys_max);
        assert!(page.next.is_none() || page.objects.len() + page.folders.len() == keys_max);
        keys.extend(page.objects.into_iter().map(|object| object.key));
        found_folders.extend(page.folders);
        after = page.next;
        if after.is_none() {
            return (keys, found_folders);
        }
    }
}

proptest! {
    #[test]
    fn pages_of_any_size_are_the_whole(
        keys in prop::collection::btree_set("[ab]{1,2}(/[ab0]{1,2}){0,2}", 0..20),
        prefix in prop::sample::select(vec!["", "a", "a/", "ab/", "b/a"]),
        folders: bool,
        keys_max in 1_usize..8,
    ) {
        let (store, _) = store();
        for key in &keys {
            put(&store, key, "x", Condition::IfAbsent).unwrap();
        }
        let below: Vec<&String> = keys.iter().filter(|key| key.starts_with(prefix)).collect();
        let peeked = store.peek_below(prefix);
        prop_assert!(peeked.keys().eq(below.iter().copied()));
        let is_deep = |key: &str| folders && key[prefix.len()..].contains('/');
        let direct: Vec<String> = below.iter().filter(|k| !is_deep(k)).map(|k| (*k).clone()).collect();
        let folder = |key: &str| {
            let end = key[prefix.len()..].find('/').unwrap();
            key[..=prefix.len() + end].to_owned()
        };
        let mut gathered: Vec<String> = below.iter().filter(|k| is_deep(k)).map(|k| folder(k)).collect();
        gathered.dedup();
        prop_assert_eq!(list_all(&store, prefix, folders, keys_max), (direct, gathered));
    }
}
