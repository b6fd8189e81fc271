//! What every store promises. One test file per kind of store runs the whole suite through [`suite!`].

use bytes::Bytes;
use engine::store::{Attributes, Condition, ETag, Fatal, Sha256, StoreError};
use engine::types::Timestamp;
use io_real::port::{Listing, Store};
use io_real::store::{ConditionalWrites, probe_conditional_writes};
use std::sync::Arc;
use std::time::Duration;

/// A store of one kind, alone in the world.
pub(crate) trait World {
    /// Whether `walsync-sha256` is stored beside the bytes.
    const KEEPS_SHA256: bool;

    /// Objects in one page of a listing.
    const LISTED_AT_ONCE: usize;
    /// An empty store.
    fn new() -> Self;
    /// The store.
    fn store(&self) -> Arc<dyn Store>;
    /// Puts small objects there by the short way.
    fn seed(&self, keys: &[String]);
    /// Makes everything in the store older than the age that it gives, by the store's clock.
    fn grow_old(&self) -> Duration;
    /// Every object's key, as the world itself sees it.
    fn keys(&self) -> Vec<String>;
}

/// Runs every promise of this file as a test against a [`World`].
macro_rules! suite {
    ($world:ty: $($promise:ident)*) => {
        $(
            #[tokio::test]
            async fn $promise() {
                contract::$promise::<$world>().await;
            }
        )*
    };
    ($world:ty) => {
        contract::suite! { $world:
            an_object_comes_back_as_it_went
            an_empty_object_is_an_object
            exactly_one_of_two_creators_wins
            creating_what_exists_is_refused_and_changes_nothing
            a_version_is_replaced_once
            exactly_one_of_two_replacers_wins
            parts_become_one_object_at_completion
            the_loser_of_an_upload_is_refused_and_changes_nothing
            an_upload_may_replace_a_version
            an_aborted_upload_leaves_nothing
            old_unfinished_uploads_are_swept_and_young_ones_stay
            the_stores_own_clock_says_what_is_old
            ranges_are_clipped_to_the_object
            tails_are_clipped_to_the_object
            what_is_not_there_is_missing
            listings_are_in_key_order_and_start_after_a_key
            long_listings_come_in_pages
            folders_are_listed_once_and_skipped_whole
            long_folder_listings_come_in_pages
            deleting_many_answers_for_each_key
            only_the_version_that_was_named_is_deleted
            keys_may_hold_odd_characters
            keys_that_leave_the_store_are_refused
            the_probe_sees_the_refusal_and_leaves_nothing
        }
    };
}
pub(crate) use suite;

fn none() -> Attributes {
    Attributes::default()
}

fn pattern(bytes: usize) -> Bytes {
    (0..bytes).map(|at| (at * 31 % 251) as u8).collect()
}

async fn create(store: &dyn Store, key: &str, body: impl Into<Bytes>) -> ETag {
    store.put(key, body.into(), &none(), &Condition::IfAbsent).await.unwrap().etag
}

async fn read(store: &dyn Store, key: &str) -> Bytes {
    store.get(key, None).await.unwrap().bytes
}

fn is_unsupported<T>(answer: Result<T, StoreError>) -> bool {
    matches!(answer, Err(StoreError::Fatal { kind: Fatal::Unsupported, .. }))
}

fn names(listing: &Listing) -> Vec<&str> {
    listing.objects.iter().map(|object| object.key.as_str()).collect()
}

pub(crate) async fn an_object_comes_back_as_it_went<W: World>() {
    let world = W::new();
    let store = world.store();
    let body = pattern(10_000);
    let attributes = Attributes {
        timestamp: Some(Timestamp::from_millis(1_600_000_000_123)),
        sha256: Some(Sha256::of(&body)),
    };
    let done = store.put("0000/a.ltx", body.clone(), &attributes, &Condition::IfAbsent).await.unwrap();
    assert!(done.store_time.unwrap() > Timestamp::from_millis(1_700_000_000_000), "{done:?}");

    let got = store.get("0000/a.ltx", None).await.unwrap();
    let (meta, described) = store.head("0000/a.ltx").await.unwrap();
    let listed = store.list("", None).await.unwrap().objects;
    assert_eq!((got.bytes, got.object_bytes), (body, 10_000));
    assert_eq!((meta.key.as_str(), meta.size_bytes), ("0000/a.ltx", 10_000));
    assert_eq!([&got.etag, &meta.etag, &listed[0].etag], [&done.etag; 3]);
    assert_eq!((listed.len(), listed[0].size_bytes), (1, 10_000));
    let expected = Attributes { sha256: attributes.sha256.filter(|_| W::KEEPS_SHA256), ..attributes };
    assert_eq!([got.attributes, described], [expected; 2]);
}

pub(crate) async fn an_empty_object_is_an_object<W: World>() {
    let world = W::new();
    let store = world.store();
    create(&*store, "empty", Bytes::new()).await;
    assert_eq!(read(&*store, "empty").await.len(), 0);
    assert_eq!(store.head("empty").await.unwrap().0.size_bytes, 0);
    assert!(is_unsupported(store.get("empty", Some(0..1)).await));
    assert!(is_unsupported(store.get_tail("empty", 1).await));
}

pub(crate) async fn exactly_one_of_two_creators_wins<W: World>() {
    let world = W::new();
    for round in 0..20 {
        let key = format!("race/{round}");
        let writers = ["first", "second"].map(|body| {
            let (store, key) = (world.store(), key.clone());
            tokio::spawn(
                async move { (body, store.put(&key, body.into(), &none(), &Condition::IfAbsent).await) },
            )
        });
        let mut winners = Vec::new();
        for writer in writers {
            match writer.await.unwrap() {
                (body, Ok(_)) => winners.push(body),
                (_, Err(error)) => assert_eq!(error, StoreError::Refused),
            }
        }
        assert_eq!(winners.len(), 1, "round {round}");
        assert_eq!(read(&*world.store(), &key).await, winners[0]);
    }
}

pub(crate) async fn creating_what_exists_is_refused_and_changes_nothing<W: World>() {
    let world = W::new();
    let store = world.store();
    let etag = create(&*store, "key", "old").await;
    let second = store.put("key", "new".into(), &none(), &Condition::IfAbsent).await;
    assert_eq!(second, Err(StoreError::Refused));
    let got = store.get("key", None).await.unwrap();
    assert_eq!((got.bytes, got.etag), (Bytes::from("old"), etag));
    assert_eq!(world.keys(), ["key"]);
}

pub(crate) async fn a_version_is_replaced_once<W: World>() {
    let world = W::new();
    let store = world.store();
    let first = create(&*store, "manifest.json", "one").await;
    let replace = Condition::IfMatch(first.clone());
    let done = store.put("manifest.json", "two!".into(), &none(), &replace).await.unwrap();
    assert_ne!(done.etag, first);
    let stale = store.put("manifest.json", "three".into(), &none(), &replace).await;
    assert_eq!(stale, Err(StoreError::Refused));
    assert_eq!(read(&*store, "manifest.json").await, "two!");
    let absent = store.put("nowhere/absent", "x".into(), &none(), &replace).await;
    assert_eq!(absent, Err(StoreError::Refused));
    assert_eq!(world.keys(), ["manifest.json"]);
}

pub(crate) async fn exactly_one_of_two_replacers_wins<W: World>() {
    let world = W::new();
    let mut etag = create(&*world.store(), "manifest.json", "start").await;
    for round in 0..20 {
        let writers = ["a", "b"].map(|body| {
            let (store, when) = (world.store(), Condition::IfMatch(etag.clone()));
            let body = format!("{body}{round}");
            tokio::spawn(async move { store.put("manifest.json", body.into(), &none(), &when).await })
        });
        let mut winners = Vec::new();
        for writer in writers {
            match writer.await.unwrap() {
                Ok(done) => winners.push(done.etag),
                Err(StoreError::Refused | StoreError::Conflict) => {}
                Err(error) => panic!("{error:?}"),
            }
        }
        assert_eq!(winners.len(), 1, "round {round}");
        etag = winners.remove(0);
        assert_eq!(world.store().head("manifest.json").await.unwrap().0.etag, etag);
    }
    assert_eq!(world.keys(), ["manifest.json"]);
}

/// As S3 demands it of all parts but the last.
const PART_BYTES: usize = 5 << 20;

pub(crate) async fn parts_become_one_object_at_completion<W: World>() {
    let world = W::new();
    let store = world.store();
    let whole = pattern(PART_BYTES + 1000);
    let attributes = Attributes { timestamp: Some(Timestamp::from_millis(1_600_000_000_456)), sha256: None };
    let mut upload = store.upload("0009/big.ltx", &attributes).await.unwrap();
    upload.part(whole.slice(..PART_BYTES)).await.unwrap();
    upload.part(whole.slice(PART_BYTES..)).await.unwrap();
    assert_eq!(store.head("0009/big.ltx").await.err(), Some(StoreError::Missing));
    assert_eq!(names(&store.list("", None).await.unwrap()), Vec::<&str>::new());
    let done = upload.complete(&Condition::IfAbsent).await.unwrap();
    let got = store.get("0009/big.ltx", None).await.unwrap();
    assert!(got.bytes == whole);
    assert_eq!((got.etag, got.attributes), (done.etag, attributes));
    assert_eq!(store.abort_uploads("", FAR_FUTURE).await, Ok(0));
}

pub(crate) async fn the_loser_of_an_upload_is_refused_and_changes_nothing<W: World>() {
    let world = W::new();
    let store = world.store();
    let mut upload = store.upload("0001/x.ltx", &none()).await.unwrap();
    upload.part("late".into()).await.unwrap();
    let etag = create(&*store, "0001/x.ltx", "winner").await;
    assert_eq!(upload.complete(&Condition::IfAbsent).await, Err(StoreError::Refused));
    let got = store.get("0001/x.ltx", None).await.unwrap();
    assert_eq!((got.bytes, got.etag), (Bytes::from("winner"), etag));
    upload.abort().await.unwrap();
    assert_eq!(world.keys(), ["0001/x.ltx"]);
}

pub(crate) async fn an_upload_may_replace_a_version<W: World>() {
    let world = W::new();
    let store = world.store();
    let etag = create(&*store, "manifest.json", "old").await;
    for (condition, body, expected) in [
        (Condition::IfMatch(ETag::new("0-0-0")), "lost", "old"),
        (Condition::IfMatch(etag), "replaced", "replaced"),
    ] {
        let mut upload = store.upload("manifest.json", &none()).await.unwrap();
        upload.part(body.into()).await.unwrap();
        let done = upload.complete(&condition).await;
        assert_eq!(done.is_ok(), body == expected, "{done:?}");
        assert_eq!(read(&*store, "manifest.json").await, expected);
    }
}

pub(crate) async fn an_aborted_upload_leaves_nothing<W: World>() {
    let world = W::new();
    let store = world.store();
    let mut upload = store.upload("a/b", &none()).await.unwrap();
    upload.part("x".into()).await.unwrap();
    upload.abort().await.unwrap();
    assert_eq!(upload.abort().await, Ok(()), "once more is fine");
    assert_eq!(store.abort_uploads("", FAR_FUTURE).await, Ok(0));
    assert_eq!(world.keys(), Vec::<String>::new());
}

/// After the end of every test.
const FAR_FUTURE: Timestamp = Timestamp::from_millis(4_000_000_000_000);

pub(crate) async fn old_unfinished_uploads_are_swept_and_young_ones_stay<W: World>() {
    let world = W::new();
    let store = world.store();
    for key in ["a/1", "a/2", "b/1"] {
        let mut upload = store.upload(key, &none()).await.unwrap();
        upload.part("x".into()).await.unwrap();
        // As a crash leaves it.
        std::mem::forget(upload);
    }
    create(&*store, "a/object", "stays").await;
    assert_eq!(store.abort_uploads("a/", Timestamp::from_millis(0)).await, Ok(0));
    assert_eq!(store.abort_uploads("a/", FAR_FUTURE).await, Ok(2));
    assert_eq!(store.abort_uploads("", FAR_FUTURE).await, Ok(1));
    assert_eq!(store.abort_uploads("", FAR_FUTURE).await, Ok(0));
    assert_eq!(world.keys(), ["a/object"]);
}

pub(crate) async fn the_stores_own_clock_says_what_is_old<W: World>() {
    let world = W::new();
    let store = world.store();
    let day = Duration::from_secs(86_400);
    assert_eq!(store.sweep_uploads("a/", day, &|_| true).await, Ok(0), "nobody has written there");
    let mut upload = store.upload("a/1", &none()).await.unwrap();
    upload.part("x".into()).await.unwrap();
    std::mem::forget(upload);
    assert_eq!(store.sweep_uploads("a/", day, &|_| true).await, Ok(0));
    let age = world.grow_old();
    assert_eq!(store.sweep_uploads("b/", age, &|_| true).await, Ok(0));
    assert_eq!(store.sweep_uploads("a/", age, &|key| key != "a/1").await, Ok(0), "not one of ours");
    assert_eq!(store.sweep_uploads("a/", age, &|_| true).await, Ok(1));
    assert_eq!(world.keys(), Vec::<String>::new());
    assert!(is_unsupported(store.sweep_uploads("a", day, &|_| true).await));
}

pub(crate) async fn ranges_are_clipped_to_the_object<W: World>() {
    let world = W::new();
    let store = world.store();
    let whole = pattern(1000);
    create(&*store, "key", whole.clone()).await;
    for range in [0..1000, 0..100, 100..228, 999..1000] {
        let got = store.get("key", Some(range.clone())).await.unwrap();
        assert_eq!(got.bytes, whole.slice(range.start as usize..range.end as usize), "{range:?}");
        assert_eq!(got.object_bytes, 1000);
    }
    assert_eq!(store.get("key", Some(900..5000)).await.unwrap().bytes, whole.slice(900..));
    assert!(is_unsupported(store.get("key", Some(1000..1001)).await));
    assert!(is_unsupported(store.get("key", Some(5..5)).await));
}

pub(crate) async fn tails_are_clipped_to_the_object<W: World>() {
    let world = W::new();
    let store = world.store();
    let whole = pattern(1000);
    create(&*store, "key", whole.clone()).await;
    for (bytes_max, from) in [(1, 999), (400, 600), (1000, 0), (5000, 0)] {
        let got = store.get_tail("key", bytes_max).await.unwrap();
        assert_eq!((got.bytes, got.object_bytes), (whole.slice(from..), 1000), "{bytes_max}");
    }
    assert!(is_unsupported(store.get_tail("key", 0).await));
}

pub(crate) async fn what_is_not_there_is_missing<W: World>() {
    let world = W::new();
    let store = world.store();
    assert_eq!(names(&store.list("", None).await.unwrap()), Vec::<&str>::new());
    assert_eq!(names(&store.list("no/where/", None).await.unwrap()), Vec::<&str>::new());
    assert_eq!(store.abort_uploads("no/where/", FAR_FUTURE).await, Ok(0));
    create(&*store, "file", "x").await;
    for key in ["nothing", "no/where", "file/below"] {
        assert_eq!(store.get(key, None).await.err(), Some(StoreError::Missing), "{key}");
        assert_eq!(store.get(key, Some(0..1)).await.err(), Some(StoreError::Missing), "{key}");
        assert_eq!(store.get_tail(key, 1).await.err(), Some(StoreError::Missing), "{key}");
        assert_eq!(store.head(key).await.err(), Some(StoreError::Missing), "{key}");
        assert_eq!(store.delete_if_match(key, &ETag::new("x")).await, Err(StoreError::Missing), "{key}");
        assert_eq!(store.delete(&[key.to_owned()]).await, [Ok(())], "{key}");
    }
}

pub(crate) async fn listings_are_in_key_order_and_start_after_a_key<W: World>() {
    let world = W::new();
    let store = world.store();
    // `-` and `.` sort before `/`, `0` after it.
    let keys = ["a-b", "a.b", "a/b", "a/b.c", "a/b/c", "a/c", "a0", "b"].map(str::to_owned);
    world.seed(&keys[..2]);
    world.seed(&keys[3..]);
    let keys: Vec<&str> = keys.iter().map(String::as_str).filter(|key| *key != "a/b").collect();
    assert_eq!(names(&store.list("", None).await.unwrap()), keys);
    for (at, key) in keys.iter().enumerate() {
        assert_eq!(names(&store.list("", Some(key)).await.unwrap()), keys[at + 1..], "{key}");
    }
    assert_eq!(names(&store.list("", Some("a/b")).await.unwrap()), keys[2..]);
    assert_eq!(names(&store.list("a/", None).await.unwrap()), ["a/b.c", "a/b/c", "a/c"]);
    assert_eq!(names(&store.list("a/", Some("a/b.c")).await.unwrap()), ["a/b/c", "a/c"]);
    assert_eq!(names(&store.list("a/b/", None).await.unwrap()), ["a/b/c"]);
}

pub(crate) async fn long_listings_come_in_pages<W: World>() {
    let world = W::new();
    let store = world.store();
    let keys: Vec<String> = (0..2345).map(|at| format!("{}/{at:05}", at / 1000)).collect();
    world.seed(&keys);
    let (mut seen, mut pages, mut after) = (Vec::new(), 0, None::<String>);
    loop {
        let page = store.list("", after.as_deref()).await.unwrap();
        seen.extend(page.objects.into_iter().map(|object| object.key));
        pages += 1;
        match page.next {
            Some(next) => after = Some(next),
            None => break,
        }
    }
    assert_eq!((seen == keys, pages), (true, 2345_usize.div_ceil(W::LISTED_AT_ONCE)));
}

pub(crate) async fn folders_are_listed_once_and_skipped_whole<W: World>() {
    let world = W::new();
    let store = world.store();
    let keys = ["p/0000/1", "p/0000/2", "p/0001/1/x", "p/a", "p/z", "q"].map(str::to_owned);
    world.seed(&keys);
    let listing = store.list_folder("p/", None).await.unwrap();
    assert_eq!(
        (names(&listing), &listing.folders[..]),
        (vec!["p/a", "p/z"], &FOLDERS.map(str::to_owned)[..])
    );
    let listing = store.list_folder("p/", Some("p/0000/")).await.unwrap();
    assert_eq!((names(&listing), listing.folders.len()), (vec!["p/a", "p/z"], 1));
    let listing = store.list_folder("p/", Some("p/a")).await.unwrap();
    assert_eq!((names(&listing), listing.folders.len()), (vec!["p/z"], 0));
    let root = store.list_folder("", None).await.unwrap();
    assert_eq!((names(&root), &root.folders[..], &root.next), (vec!["q"], &["p/".to_owned()][..], &None));
    // A folder whose objects are gone is gone.
    store.delete(&["p/0001/1/x".to_owned()]).await.remove(0).unwrap();
    assert_eq!(store.list_folder("p/", None).await.unwrap().folders, ["p/0000/"]);
}

const FOLDERS: [&str; 2] = ["p/0000/", "p/0001/"];

pub(crate) async fn long_folder_listings_come_in_pages<W: World>() {
    let world = W::new();
    let store = world.store();
    let keys: Vec<String> = (0..1203)
        .map(|at| if at % 2 == 0 { format!("place-{at:04}/manifest.json") } else { format!("place-{at:04}") })
        .collect();
    world.seed(&keys);
    let (mut objects, mut folders, mut after, mut pages) = (0, 0, None::<String>, 0);
    loop {
        let page = store.list_folder("", after.as_deref()).await.unwrap();
        objects += page.objects.len();
        folders += page.folders.len();
        pages += 1;
        match page.next {
            Some(next) => after = Some(next),
            None => break,
        }
    }
    assert_eq!((objects, folders, pages), (601, 602, 1203_usize.div_ceil(W::LISTED_AT_ONCE)));
}

pub(crate) async fn deleting_many_answers_for_each_key<W: World>() {
    let world = W::new();
    let store = world.store();
    let keys: Vec<String> = (0..1005).map(|at| format!("d/{at:04}")).collect();
    world.seed(&keys[..1003]);
    world.seed(&["d/stays".to_owned()]);
    let answers = store.delete(&keys).await;
    assert_eq!(answers.len(), 1005);
    assert!(answers.iter().all(Result::is_ok), "{answers:?}");
    assert_eq!(world.keys(), ["d/stays"]);
    assert_eq!(store.delete(&[]).await, []);
}

pub(crate) async fn only_the_version_that_was_named_is_deleted<W: World>() {
    let world = W::new();
    let store = world.store();
    let etag = create(&*store, "0000/claim", "claim").await;
    let other = ETag::new("1-2-3");
    assert_eq!(store.delete_if_match("0000/claim", &other).await, Err(StoreError::Refused));
    assert_eq!(read(&*store, "0000/claim").await, "claim");
    assert_eq!(store.delete_if_match("0000/claim", &etag).await, Ok(()));
    assert_eq!(world.keys(), Vec::<String>::new());
}

pub(crate) async fn keys_may_hold_odd_characters<W: World>() {
    let world = W::new();
    let store = world.store();
    let mut keys =
        ["a b/c d", "a+b", "100%/50%25", "k&a=b?c", "tenänt/数据.db", "(x)~'!*;:@,$", "\"<&>\"", "#/x"];
    keys.sort_unstable();
    for key in keys {
        create(&*store, key, key.to_owned()).await;
        assert_eq!(read(&*store, key).await, key);
        assert_eq!(store.head(key).await.unwrap().0.key, key);
    }
    assert_eq!(names(&store.list("", None).await.unwrap()), keys);
    assert_eq!(names(&store.list("tenänt/", None).await.unwrap()), ["tenänt/数据.db"]);
    for (at, key) in keys.iter().enumerate() {
        assert_eq!(names(&store.list("", Some(key)).await.unwrap()), keys[at + 1..]);
    }
    let keys = keys.map(str::to_owned);
    assert!(store.delete(&keys).await.iter().all(Result::is_ok));
    assert_eq!(world.keys(), Vec::<String>::new());
}

pub(crate) async fn keys_that_leave_the_store_are_refused<W: World>() {
    let world = W::new();
    let store = world.store();
    for key in ["../x", "a/../../x", "/etc/passwd", "", "a//b", "a/", "."] {
        assert!(is_unsupported(store.put(key, "x".into(), &none(), &Condition::IfAbsent).await), "{key}");
        assert!(is_unsupported(store.upload(key, &none()).await.map(|_| ())), "{key}");
        assert!(is_unsupported(store.get(key, None).await), "{key}");
        assert!(is_unsupported(store.head(key).await), "{key}");
        assert!(is_unsupported(store.delete_if_match(key, &ETag::new("x")).await), "{key}");
        assert!(is_unsupported(store.delete(&[key.to_owned()]).await.remove(0)), "{key}");
    }
    for prefix in ["../", "a", "/"] {
        assert!(is_unsupported(store.list(prefix, None).await), "{prefix}");
        assert!(is_unsupported(store.list_folder(prefix, None).await), "{prefix}");
        assert!(is_unsupported(store.abort_uploads(prefix, FAR_FUTURE).await), "{prefix}");
    }
}

pub(crate) async fn the_probe_sees_the_refusal_and_leaves_nothing<W: World>() {
    let world = W::new();
    assert_eq!(probe_conditional_writes(&*world.store()).await, Ok(ConditionalWrites::Honoured));
    assert_eq!(world.keys(), Vec::<String>::new());
}
