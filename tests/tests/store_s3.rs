//! S3: the common promises, and what each way in which a request goes wrong means.

#![allow(clippy::unwrap_used)]

mod contract;
mod served;

use bytes::Bytes;
use contract::World;
use engine::store::{Attributes, Condition, ETag, Fatal, Sha256, StoreError};
use engine::types::Timestamp;
use io_real::port::Store;
use io_real::store::{
    ConditionalWrites, CustomerKey, Encryption, Secret, StoreOptions, StoreUrl, open,
    probe_conditional_writes,
};
use std::sync::Arc;
use std::time::Duration;
use tests::s3::{Fault, Operation, Rule, S3Server};

struct S3World {
    server: S3Server,
    store: Arc<dyn Store>,
}

fn options(server: &S3Server) -> StoreOptions {
    StoreOptions { timeout: Duration::from_millis(700), ..served::options(server) }
}

fn store_at(url: &str, options: &StoreOptions) -> Arc<dyn Store> {
    open(&StoreUrl::parse(url).unwrap(), options).unwrap()
}

impl World for S3World {
    const KEEPS_SHA256: bool = true;
    const LISTED_AT_ONCE: usize = 1000;

    fn new() -> S3World {
        let server = S3Server::start(&["bucket"]);
        // Beside the prefix, to be left alone.
        server.put_object("bucket", "other/object", "other");
        server.put_object("bucket", "pre", "other");
        let store = store_at("s3://bucket/pre fix/é", &options(&server));
        S3World { server, store }
    }

    fn store(&self) -> Arc<dyn Store> {
        self.store.clone()
    }

    fn seed(&self, keys: &[String]) {
        for key in keys {
            self.server.put_object("bucket", &format!("pre fix/é/{key}"), "seed");
        }
    }

    fn grow_old(&self) -> Duration {
        self.server.advance_clock(Duration::from_secs(2 * 86_400));
        Duration::from_secs(86_400)
    }

    fn keys(&self) -> Vec<String> {
        let keys = self.server.keys("bucket");
        assert!(keys.contains(&"other/object".to_owned()) && keys.contains(&"pre".to_owned()));
        keys.iter().filter_map(|key| key.strip_prefix("pre fix/é/")).map(str::to_owned).collect()
    }
}

contract::suite!(S3World);

async fn create(store: &dyn Store, key: &str) -> Result<ETag, StoreError> {
    let body = Bytes::from("body");
    store.put(key, body, &Attributes::default(), &Condition::IfAbsent).await.map(|done| done.etag)
}

fn fatal<T>(answer: Result<T, StoreError>) -> Option<Fatal> {
    match answer.err()? {
        StoreError::Fatal { kind, .. } => Some(kind),
        _ => None,
    }
}

/// What a conditional PUT answers when this happens to it, and whether it took effect.
async fn put_under(fault: Fault) -> (Result<ETag, StoreError>, bool) {
    let world = S3World::new();
    world.server.inject(Rule::on(Operation::PutObject, fault));
    let answer = create(&*world.store, "key").await;
    assert_eq!(world.server.count(Operation::PutObject), 1, "nothing is sent twice");
    (answer, !world.keys().is_empty())
}

#[tokio::test]
async fn an_error_after_the_write_is_ambiguous_and_not_refused() {
    let (answer, written) = put_under(Fault::COMMIT_THEN_500).await;
    assert!(matches!(answer, Err(StoreError::Ambiguous(_))) && written, "{answer:?}");
}

#[tokio::test]
async fn a_connection_that_ends_without_an_answer_is_ambiguous() {
    for (fault, takes_effect) in [(Fault::CommitThenDrop, true), (Fault::Drop, false)] {
        let (answer, written) = put_under(fault).await;
        assert!(matches!(answer, Err(StoreError::Ambiguous(_))), "{answer:?}");
        assert_eq!(written, takes_effect);
    }
}

#[tokio::test]
async fn an_answer_that_never_comes_is_ambiguous() {
    let (answer, written) = put_under(Fault::CommitThenHang).await;
    assert!(matches!(answer, Err(StoreError::Ambiguous(_))) && written, "{answer:?}");
}

#[tokio::test]
async fn a_conflict_is_told_from_a_refusal() {
    assert_eq!(put_under(Fault::CONFLICT).await, (Err(StoreError::Conflict), false));
    let exists = Fault::Refuse { status: 409, code: "ObjectAlreadyExists", retry_after_s: None };
    assert_eq!(put_under(exists).await, (Err(StoreError::Refused), false));
}

#[tokio::test]
async fn throttling_passes_on_how_long_to_wait() {
    let none = StoreError::Throttled { retry_after: None };
    assert_eq!(put_under(Fault::SLOW_DOWN).await, (Err(none), false));
    let wait = Fault::Refuse { status: 429, code: "TooManyRequests", retry_after_s: Some(9) };
    let waiting = StoreError::Throttled { retry_after: Some(Duration::from_secs(9)) };
    assert_eq!(put_under(wait).await, (Err(waiting), false));
}

#[tokio::test]
async fn a_denied_request_is_for_a_person() {
    assert_eq!(fatal(put_under(Fault::DENIED).await.0), Some(Fatal::Denied));
}

#[tokio::test]
async fn a_slow_answer_within_the_time_limit_is_an_answer() {
    let (answer, written) = put_under(Fault::Delay(Duration::from_millis(50))).await;
    assert!(answer.is_ok() && written, "{answer:?}");
}

#[tokio::test]
async fn reads_that_go_wrong_may_be_repeated() {
    let world = S3World::new();
    create(&*world.store, "key").await.unwrap();
    let internal = Fault::Refuse { status: 500, code: "InternalError", retry_after_s: None };
    for fault in
        [internal, Fault::Drop, Fault::CommitThenDrop, Fault::CommitThenHang, Fault::Truncate { bytes: 2 }]
    {
        world.server.inject(Rule::on(Operation::GetObject, fault.clone()).times(2));
        world.server.inject(Rule::on(Operation::ListObjects, fault.clone()));
        let whole = world.store.get("key", None).await.map(|body| body.bytes);
        let part = world.store.get("key", Some(0..4)).await.map(|body| body.bytes);
        let listing = world.store.list("", None).await.map(|_| Bytes::new());
        for answer in [whole, part, listing] {
            assert!(matches!(answer, Err(StoreError::Retryable(_))), "{fault:?}: {answer:?}");
        }
    }
    world.server.inject(Rule::on(Operation::GetObject, Fault::SLOW_DOWN));
    let throttled = world.store.get("key", None).await.err();
    assert_eq!(throttled, Some(StoreError::Throttled { retry_after: None }));
    assert_eq!(world.store.get("key", None).await.unwrap().bytes, "body");
}

#[tokio::test]
async fn a_bucket_that_is_not_there_is_told_from_a_missing_object() {
    let server = S3Server::start(&["bucket"]);
    let store = store_at("s3://nobody", &options(&server));
    assert_eq!(fatal(create(&*store, "key").await), Some(Fatal::NoBucket));
    assert_eq!(fatal(store.get("key", None).await), Some(Fatal::NoBucket));
    assert_eq!(fatal(store.list("", None).await), Some(Fatal::NoBucket));
    assert_eq!(fatal(store.upload("key", &Attributes::default()).await), Some(Fatal::NoBucket));
    assert_eq!(fatal(store.delete(&["key".to_owned()]).await.remove(0)), Some(Fatal::NoBucket));
}

#[tokio::test]
async fn a_wrong_secret_is_denied() {
    let server = S3Server::start(&["bucket"]);
    let wrong = StoreOptions { secret_access_key: Some(Secret::new("guess")), ..options(&server) };
    let store = store_at("s3://bucket", &wrong);
    assert_eq!(fatal(create(&*store, "key").await), Some(Fatal::Denied));
    assert_eq!(fatal(store.list("", None).await), Some(Fatal::Denied));
    assert_eq!(fatal(store.head("key").await), Some(Fatal::Denied));
    assert_eq!(server.keys("bucket"), Vec::<String>::new());
}

#[tokio::test]
async fn a_refused_connection_has_sent_nothing() {
    let server = S3Server::start(&["bucket"]);
    let store = store_at("s3://bucket", &options(&server));
    drop(server);
    assert!(matches!(create(&*store, "key").await, Err(StoreError::Retryable(_))));
    assert!(matches!(store.get("key", None).await, Err(StoreError::Retryable(_))));
    assert!(matches!(store.delete_if_match("key", &ETag::new("x")).await, Err(StoreError::Retryable(_))));
}

#[tokio::test]
async fn a_completion_that_goes_wrong_is_told_apart_like_a_put() {
    let world = S3World::new();
    let mut upload = world.store.upload("big", &Attributes::default()).await.unwrap();
    upload.part("part".into()).await.unwrap();
    world.server.inject(Rule::on(Operation::CompleteUpload, Fault::CONFLICT));
    assert_eq!(upload.complete(&Condition::IfAbsent).await, Err(StoreError::Conflict));
    // S3 may answer 200 and then notice.
    let late = Fault::Refuse { status: 200, code: "InternalError", retry_after_s: None };
    world.server.inject(Rule::on(Operation::CompleteUpload, late));
    let answer = upload.complete(&Condition::IfAbsent).await;
    assert!(matches!(answer, Err(StoreError::Ambiguous(_))), "{answer:?}");
    let late = Fault::Refuse { status: 200, code: "PreconditionFailed", retry_after_s: None };
    world.server.inject(Rule::on(Operation::CompleteUpload, late));
    assert_eq!(upload.complete(&Condition::IfAbsent).await, Err(StoreError::Refused));
    world.server.inject(Rule::on(Operation::CompleteUpload, Fault::CommitThenHang));
    let answer = upload.complete(&Condition::IfAbsent).await;
    assert!(matches!(answer, Err(StoreError::Ambiguous(_))), "{answer:?}");
    assert_eq!(world.keys(), ["big"]);
    // The first completion took effect: the second finds the object.
    assert!(matches!(
        upload.complete(&Condition::IfAbsent).await,
        Err(StoreError::Missing | StoreError::Refused)
    ));
}

#[tokio::test]
async fn a_completion_may_take_long_as_long_as_the_store_says_that_it_is_at_it() {
    let world = S3World::new();
    // Longer than the time limit of a request.
    let busy = Fault::KeepAlive { spaces: 5, pause: Duration::from_millis(200) };
    let mut upload = world.store.upload("big", &Attributes::default()).await.unwrap();
    upload.part("part".into()).await.unwrap();
    world.server.inject(Rule::on(Operation::CompleteUpload, busy.clone()));
    upload.complete(&Condition::IfAbsent).await.unwrap();
    assert_eq!(world.keys(), ["big"]);
    // What it finds out at the end counts.
    let mut upload = world.store.upload("big", &Attributes::default()).await.unwrap();
    upload.part("late".into()).await.unwrap();
    world.server.inject(Rule::on(Operation::CompleteUpload, busy));
    assert_eq!(upload.complete(&Condition::IfAbsent).await, Err(StoreError::Refused));
    assert_eq!(world.store.get("big", None).await.unwrap().bytes, "part");
}

#[tokio::test]
async fn a_customers_key_goes_with_everything_that_needs_it() {
    let server = S3Server::start(&["bucket"]);
    let encryption = Encryption::Customer { key: CustomerKey([7; 32]) };
    let store = store_at("s3://bucket", &StoreOptions { encryption, ..options(&server) });
    create(&*store, "one").await.unwrap();
    let mut upload = store.upload("parts", &Attributes::default()).await.unwrap();
    upload.part("body".into()).await.unwrap();
    upload.complete(&Condition::IfAbsent).await.unwrap();
    for key in ["one", "parts"] {
        assert_eq!(store.get(key, None).await.unwrap().bytes, "body");
        assert_eq!(store.get(key, Some(0..2)).await.unwrap().bytes, "bo");
        assert_eq!(store.head(key).await.unwrap().0.size_bytes, 4);
    }
    let without = store_at("s3://bucket", &options(&server));
    assert!(without.get("parts", None).await.is_err(), "the server checks it");
}

#[tokio::test]
async fn a_part_that_goes_wrong_may_be_sent_again() {
    let world = S3World::new();
    let mut upload = world.store.upload("big", &Attributes::default()).await.unwrap();
    world.server.inject(Rule::on(Operation::UploadPart, Fault::COMMIT_THEN_500));
    assert!(matches!(upload.part("part".into()).await, Err(StoreError::Retryable(_))));
    upload.part("part".into()).await.unwrap();
    upload.complete(&Condition::IfAbsent).await.unwrap();
    assert_eq!(world.store.get("big", None).await.unwrap().bytes, "part");
    assert_eq!(world.server.unfinished_uploads(), Vec::<String>::new());
}

#[tokio::test]
async fn single_failures_inside_a_200_are_told_apart() {
    let world = S3World::new();
    world.seed(&["a".to_owned(), "b".to_owned(), "c".to_owned()]);
    world.server.set_undeletable("pre fix/é/a", "AccessDenied");
    world.server.set_undeletable("pre fix/é/c", "InternalError");
    let keys = ["a", "b", "c"].map(str::to_owned);
    let answers = world.store.delete(&keys).await;
    assert_eq!(fatal(answers[0].clone()), Some(Fatal::Denied));
    assert_eq!(answers[1], Ok(()));
    assert!(matches!(answers[2], Err(StoreError::Ambiguous(_))), "{answers:?}");
    assert_eq!(world.keys(), ["a", "c"]);
}

#[tokio::test]
async fn a_key_that_the_answer_leaves_out_is_not_deleted_for_sure() {
    let world = S3World::new();
    world.seed(&["a".to_owned()]);
    let silent = Fault::Refuse { status: 200, code: "Nothing", retry_after_s: None };
    world.server.inject(Rule::on(Operation::DeleteObjects, silent));
    let answer = world.store.delete(&["a".to_owned()]).await.remove(0);
    assert!(matches!(answer, Err(StoreError::Ambiguous(_))), "{answer:?}");
}

#[tokio::test]
async fn a_store_without_bulk_deletes_is_asked_for_each_key() {
    let world = S3World::new();
    world.seed(&["a".to_owned(), "b".to_owned()]);
    let unknown = Fault::Refuse { status: 501, code: "NotImplemented", retry_after_s: None };
    world.server.inject(Rule::on(Operation::DeleteObjects, unknown).always());
    let answers = world.store.delete(&["a".to_owned(), "b".to_owned()]).await;
    assert_eq!(answers, [Ok(()), Ok(())]);
    assert_eq!(world.keys(), Vec::<String>::new());
}

#[tokio::test]
async fn a_lost_answer_to_a_delete_is_ambiguous() {
    let world = S3World::new();
    world.seed(&["a".to_owned()]);
    world.server.inject(Rule::on(Operation::DeleteObjects, Fault::CommitThenDrop));
    let answer = world.store.delete(&["a".to_owned()]).await.remove(0);
    assert!(matches!(answer, Err(StoreError::Ambiguous(_))), "{answer:?}");
    world.server.inject(Rule::on(Operation::DeleteObject, Fault::CommitThenHang));
    let answer = world.store.delete_if_match("a", &ETag::new("x")).await;
    assert!(matches!(answer, Err(StoreError::Ambiguous(_))), "{answer:?}");
}

#[tokio::test]
async fn the_probe_finds_a_store_that_ignores_conditions() {
    let world = S3World::new();
    world.server.set_ignore_conditions(true);
    assert_eq!(probe_conditional_writes(&*world.store).await, Ok(ConditionalWrites::Ignored));
    assert_eq!(world.keys(), Vec::<String>::new());
    world.server.inject(Rule::on(Operation::PutObject, Fault::DENIED));
    assert_eq!(fatal(probe_conditional_writes(&*world.store).await), Some(Fatal::Denied));
}

#[tokio::test]
async fn the_probe_finds_a_store_that_ignores_conditions_on_completions_only() {
    let world = S3World::new();
    world.server.set_ignore_conditions_on_complete(true);
    create(&*world.store, "key").await.unwrap();
    assert_eq!(create(&*world.store, "key").await, Err(StoreError::Refused), "a PUT is refused");
    assert_eq!(probe_conditional_writes(&*world.store).await, Ok(ConditionalWrites::Ignored));
    assert_eq!(world.keys(), ["key"]);
    assert_eq!(world.server.unfinished_uploads(), Vec::<String>::new());
}

#[tokio::test]
async fn the_probe_leaves_no_upload_and_passes_on_what_is_no_answer() {
    let world = S3World::new();
    assert_eq!(probe_conditional_writes(&*world.store).await, Ok(ConditionalWrites::Honoured));
    assert_eq!(world.server.count(Operation::CompleteUpload), 1);
    assert_eq!(world.server.unfinished_uploads(), Vec::<String>::new());
    for operation in [Operation::CreateUpload, Operation::UploadPart, Operation::CompleteUpload] {
        world.server.inject(Rule::on(operation, Fault::DENIED));
        assert_eq!(
            fatal(probe_conditional_writes(&*world.store).await),
            Some(Fatal::Denied),
            "{operation:?}"
        );
        assert_eq!(world.keys(), Vec::<String>::new());
        assert_eq!(world.server.unfinished_uploads(), Vec::<String>::new());
    }
}

#[tokio::test]
async fn a_store_without_uploads_in_parts_overwrites_nothing_by_them() {
    let world = S3World::new();
    let unknown = Fault::Refuse { status: 501, code: "NotImplemented", retry_after_s: None };
    world.server.inject(Rule::on(Operation::CreateUpload, unknown.clone()));
    assert_eq!(probe_conditional_writes(&*world.store).await, Ok(ConditionalWrites::Honoured));
    world.server.inject(Rule::on(Operation::CompleteUpload, unknown));
    assert_eq!(probe_conditional_writes(&*world.store).await, Ok(ConditionalWrites::Ignored));
    assert_eq!(world.keys(), Vec::<String>::new());
}

#[tokio::test]
async fn attributes_are_where_litestream_looks_for_them() {
    let world = S3World::new();
    let attributes = Attributes {
        timestamp: Some(Timestamp::from_millis(1_700_000_000_120)),
        sha256: Some(Sha256::of(b"x")),
    };
    world.store.put("key", "x".into(), &attributes, &Condition::IfAbsent).await.unwrap();
    let metadata = world.server.metadata("bucket", "pre fix/é/key").unwrap();
    assert_eq!(metadata["litestream-timestamp"], "2023-11-14T22:13:20.120Z");
    assert_eq!(metadata["walsync-sha256"], Sha256::of(b"x").to_string());
}

#[tokio::test]
async fn every_write_carries_its_condition_and_its_checksum() {
    let world = S3World::new();
    create(&*world.store, "key").await.unwrap();
    let mut upload = world.store.upload("big", &Attributes::default()).await.unwrap();
    upload.part("part".into()).await.unwrap();
    upload.complete(&Condition::IfAbsent).await.unwrap();
    for request in world.server.log() {
        let has = |name: &str| request.headers.contains_key(name);
        let (condition, checksum) = match request.operation {
            Operation::PutObject => (true, true),
            Operation::UploadPart => (false, true),
            Operation::CompleteUpload => (true, false),
            _ => (false, false),
        };
        assert_eq!(
            (has("if-none-match"), has("x-amz-checksum-sha256")),
            (condition, checksum),
            "{request:?}"
        );
        assert_eq!(request.headers["host"], world.server.address().to_string());
    }
}

#[tokio::test]
async fn a_checksum_that_is_not_the_bodys_is_not_taken() {
    let world = S3World::new();
    let attributes = Attributes { timestamp: None, sha256: Some(Sha256::of(b"other bytes")) };
    let answer = world.store.put("key", "bytes".into(), &attributes, &Condition::IfAbsent).await;
    assert!(answer.is_err(), "{answer:?}");
    assert_eq!(world.keys(), Vec::<String>::new());
}

#[tokio::test]
async fn the_stores_clock_comes_with_each_write() {
    let world = S3World::new();
    let put = |key: &'static str| {
        let store = world.store.clone();
        async move {
            let done =
                store.put(key, "x".into(), &Attributes::default(), &Condition::IfAbsent).await.unwrap();
            done.store_time.unwrap().as_millis()
        }
    };
    let before = put("a").await;
    world.server.advance_clock(Duration::from_secs(86_400));
    let elapsed_ms = put("b").await - before;
    assert!((86_400_000..86_460_000).contains(&elapsed_ms), "{elapsed_ms}");
    let listed = world.store.list("", None).await.unwrap().objects;
    assert!(listed[1].modified.as_millis() - listed[0].modified.as_millis() >= 86_400_000);
}

#[tokio::test]
async fn other_peoples_odd_keys_do_not_break_a_listing() {
    let world = S3World::new();
    world.seed(&["a".to_owned(), "b//c".to_owned(), "d/".to_owned(), "e/../f".to_owned()]);
    let listing = world.store.list("", None).await.unwrap();
    let keys: Vec<&str> = listing.objects.iter().map(|object| object.key.as_str()).collect();
    assert_eq!(keys, ["a", "b//c", "e/../f"]);
}

#[tokio::test]
async fn opening_a_store_sends_nothing() {
    let world = S3World::new();
    assert_eq!(world.server.count_all(), 0);
}
