//! S3: answers that are not what was asked for are never taken for it.

#![allow(clippy::unwrap_used)]

mod served;

use bytes::Bytes;
use engine::store::{Attributes, Condition, Fatal, StoreError};
use io_real::port::{Listing, Store};
use io_real::store::{StoreUrl, open};
use served::options;
use std::sync::Arc;
use tests::s3::{Fault, Operation, Rule, S3Server};

fn scene() -> (S3Server, Arc<dyn Store>) {
    let server = S3Server::start(&["bucket"]);
    let store = open(&StoreUrl::parse("s3://bucket/p").unwrap(), &options(&server)).unwrap();
    (server, store)
}

fn object(status: u16, content_range: Option<&str>, body: impl Into<Bytes>) -> Fault {
    let mut headers =
        vec![("etag", "\"e\"".to_owned()), ("last-modified", "Sun, 06 Nov 1994 08:49:37 GMT".to_owned())];
    headers.extend(content_range.map(|range| ("content-range", range.to_owned())));
    Fault::Answer { status, headers, body: body.into() }
}

fn may_be_repeated<T: std::fmt::Debug>(answer: &Result<T, StoreError>) -> bool {
    matches!(answer, Err(StoreError::Retryable(_)))
}

#[tokio::test]
async fn part_that_is_not_the_one_asked_for_is_not_taken() {
    for (range, body) in [
        ("bytes 0-3/100", "abcd"),
        ("bytes 10-14/100", "abcde"),
        ("bytes 10-12/100", "abc"),
        ("bytes 11-14/100", "abcd"),
        ("bytes 10-13/100", "abcde"),
        ("bytes 10-13/*", "abcd"),
    ] {
        let (server, store) = scene();
        server.inject(Rule::on(Operation::GetObject, object(206, Some(range), body)));
        let answer = store.get("k", Some(10..14)).await;
        assert!(may_be_repeated(&answer), "{range}: {answer:?}");
    }
    let (server, store) = scene();
    server.inject(Rule::on(Operation::GetObject, object(206, Some("bytes 10-13/100"), "abcd")));
    assert_eq!(store.get("k", Some(10..14)).await.unwrap().bytes, "abcd");
    for range in ["bytes 0-3/100", "bytes 90-93/100"] {
        server.inject(Rule::on(Operation::GetObject, object(206, Some(range), "abcd")));
        let answer = store.get_tail("k", 4).await;
        assert!(may_be_repeated(&answer), "{range}: {answer:?}");
    }
}

#[tokio::test]
async fn endless_answer_is_given_up_at_what_was_asked_for() {
    let (server, store) = scene();
    let much = Bytes::from(vec![7; (64 << 20) + 1]);
    server.inject(Rule::on(Operation::GetObject, object(206, Some("bytes 0-3/67108865"), much.clone())));
    let answer = store.get("k", Some(0..4)).await;
    assert!(answer.as_ref().unwrap_err().to_string().contains("more than 4 bytes"), "{answer:?}");
    for range in [None, Some(0..4)] {
        server.inject(Rule::on(Operation::GetObject, object(200, None, much.clone())));
        let answer = store.get("k", range).await;
        assert!(answer.as_ref().unwrap_err().to_string().contains("more than 67108864"), "{answer:?}");
    }
}

fn listing(keys: &[&str], truncated: bool, token: Option<&str>) -> Fault {
    let contents: String = keys
        .iter()
        .map(|key| {
            format!(
                "<Contents><Key>p/{key}</Key><Size>1</Size><LastModified>2026-01-01T00:00:00Z</LastModified>\
                 <ETag>e</ETag></Contents>"
            )
        })
        .collect();
    let token = token.map(|token| format!("<NextContinuationToken>{token}</NextContinuationToken>"));
    let body = format!(
        "<ListBucketResult><IsTruncated>{truncated}</IsTruncated>{}{contents}</ListBucketResult>",
        token.unwrap_or_default()
    );
    Fault::Answer { status: 200, headers: Vec::new(), body: body.into() }
}

async fn listed(pages: Vec<Fault>, after: Option<&str>) -> Result<Listing, StoreError> {
    let (server, store) = scene();
    pages.into_iter().for_each(|page| server.inject(Rule::on(Operation::ListObjects, page)));
    let answer = store.list("", after).await;
    // What the script does not answer the empty bucket would.
    assert!(server.count(Operation::ListObjects) <= 3, "asked again and again");
    answer
}

#[tokio::test]
async fn listing_that_goes_on_without_saying_where_is_no_end() {
    let answer = listed(vec![listing(&[], true, None)], None).await;
    assert!(may_be_repeated(&answer), "{answer:?}");
    let answer = listed(vec![listing(&["a"], true, None)], Some("b")).await;
    assert!(may_be_repeated(&answer), "{answer:?}");
    // Where there are keys the next page begins after them.
    let answer = listed(vec![listing(&["a", "b"], true, None)], None).await.unwrap();
    assert_eq!(answer.next.as_deref(), Some("b"));
    let answer = listed(vec![listing(&["a", "b"], false, Some("t"))], None).await.unwrap();
    assert_eq!(answer.next.as_deref(), Some("b"));
}

#[tokio::test]
async fn page_that_comes_again_ends_the_listing_with_an_error() {
    let same_mark = vec![listing(&[], true, Some("t")), listing(&[], true, Some("t"))];
    let answer = listed(same_mark, None).await;
    assert!(may_be_repeated(&answer), "{answer:?}");
    let same_keys = vec![listing(&["a", "b"], true, Some("t")), listing(&["a", "b"], true, Some("u"))];
    let answer = listed(same_keys, Some("c")).await;
    assert!(may_be_repeated(&answer), "{answer:?}");
}

#[tokio::test]
async fn keys_out_of_order_are_no_page_that_others_follow() {
    for keys in [["b", "a"], ["a", "a"]] {
        let answer = listed(vec![listing(&keys, true, Some("t"))], None).await;
        assert!(may_be_repeated(&answer), "{answer:?}");
    }
    let answer = listed(vec![listing(&["a", "a"], false, None)], None).await;
    assert!(may_be_repeated(&answer), "{answer:?}");
    let whole = listed(vec![listing(&["b", "a"], false, None)], None).await.unwrap();
    assert_eq!(whole.objects.iter().map(|object| &object.key[..]).collect::<Vec<_>>(), ["a", "b"]);
}

#[tokio::test]
async fn listing_that_breaks_off_is_not_a_short_one() {
    for cut in ["</ListBucketResult>", "<ETag>e</ETag></Contents></ListBucketResult>"] {
        let Fault::Answer { body, .. } = listing(&["a", "b"], false, None) else { unreachable!() };
        let text = String::from_utf8(body.to_vec()).unwrap();
        let body = Bytes::from(text.strip_suffix(cut).unwrap().to_owned());
        let answer = listed(vec![Fault::Answer { status: 200, headers: Vec::new(), body }], None).await;
        assert!(may_be_repeated(&answer), "{answer:?}");
    }
}

#[tokio::test]
async fn redirects_are_not_followed() {
    let (server, store) = scene();
    let (other, _) = scene();
    for status in [301, 302, 303, 307, 308] {
        for operation in [Operation::PutObject, Operation::GetObject] {
            let headers = vec![("location", format!("{}/bucket/p/k", other.endpoint()))];
            server.inject(Rule::on(operation, Fault::Answer { status, headers, body: Bytes::new() }));
        }
        let answer = store.get("k", None).await.map(drop);
        assert!(matches!(answer, Err(StoreError::Fatal { kind: Fatal::NoBucket, .. })), "{answer:?}");
        let put = store.put("k", "body".into(), &Attributes::default(), &Condition::IfAbsent).await;
        assert!(matches!(put, Err(StoreError::Fatal { kind: Fatal::NoBucket, .. })), "{put:?}");
    }
    assert_eq!(other.count_all(), 0, "a request went elsewhere");
}
