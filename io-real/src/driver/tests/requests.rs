//! Bounds and time limits of requests.

use super::block_on;
use super::store::FakeStore;
use crate::driver::requests::Requests;
use bytes::Bytes;
use engine::store::{Attributes, Condition, StoreError};
use futures::future::{Either, select};
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

fn requests(store: &FakeStore, in_flight_max: usize, timeout: Duration) -> Requests {
    Requests::new(Arc::new(store.clone()), in_flight_max, 0, timeout)
}

#[test]
fn a_write_without_an_answer_is_ambiguous_and_a_read_can_be_tried_again() {
    let store = FakeStore::default();
    store.with(|s| s.hangs = true);
    let requests = requests(&store, 1, Duration::ZERO);
    block_on(async {
        let put = requests.put("k", Bytes::new(), &Attributes::default(), &Condition::IfAbsent).await;
        assert!(matches!(put, Err(StoreError::Ambiguous(_))), "{put:?}");
        let get = requests.get("k", None).await;
        assert!(matches!(get, Err(StoreError::Retryable(_))), "{get:?}");
        let delete = requests.delete_if_match("k", &engine::store::ETag::new("1")).await;
        assert!(matches!(delete, Err(StoreError::Ambiguous(_))), "{delete:?}");
    });
}

#[test]
fn no_more_requests_are_in_flight_than_allowed() {
    let store = FakeStore::default();
    let requests = requests(&store, 3, Duration::from_secs(60));
    block_on(async {
        let many = (0..20).map(|_| requests.list("", None));
        for result in futures::future::join_all(many).await {
            result.unwrap();
        }
    });
    assert_eq!(store.with(|s| s.in_flight_max), 3);
}

#[test]
fn a_completion_has_minutes_where_other_requests_have_seconds() {
    let store = FakeStore::default();
    let (patient, hasty) =
        (requests(&store, 1, Duration::from_secs(60)), requests(&store, 2, Duration::ZERO));
    block_on(async {
        let mut upload = patient.upload("k", &Attributes::default()).await.unwrap();
        patient.part(&mut *upload, Bytes::from_static(b"part")).await.unwrap();
        store.with(|s| s.hangs = true);
        let (completion, head) = (pin!(hasty.complete(&mut *upload)), pin!(hasty.head("k")));
        match select(completion, head).await {
            Either::Right((late, _)) => assert!(matches!(late, Err(StoreError::Retryable(_))), "{late:?}"),
            Either::Left((given_up, _)) => panic!("{given_up:?}"),
        }
    });
}

#[test]
fn other_bounds_count_from_now_on_whether_more_or_fewer() {
    let store = FakeStore::default();
    let requests = requests(&store, 3, Duration::from_secs(60));
    let many = || async {
        store.with(|s| s.in_flight_max = 0);
        let all = (0..20).map(|_| requests.list("", None));
        futures::future::join_all(all).await.into_iter().for_each(|result| drop(result.unwrap()));
        store.with(|s| s.in_flight_max)
    };
    block_on(async {
        requests.clone().bound(5, 0).await;
        assert_eq!(many().await, 5);
        requests.clone().bound(1, 0).await;
        assert_eq!(many().await, 1);
        requests.clone().bound(2, 0).await;
        assert_eq!(many().await, 2);
    });
}

#[test]
fn bodies_wait_for_the_bandwidth_and_reads_do_not() {
    let store = FakeStore::default();
    let requests = Requests::new(Arc::new(store.clone()), 1, 1, Duration::from_secs(60));
    let put = |key: &'static str, bytes: usize| {
        let (requests, attributes) = (requests.clone(), Attributes::default());
        async move { requests.put(key, vec![0; bytes].into(), &attributes, &Condition::IfAbsent).await }
    };
    block_on(async {
        // A line that is taken for days.
        put("a", 1 << 20).await.unwrap();
        let (second, read) = (pin!(put("b", 1)), pin!(requests.list("", None)));
        let waiting = match select(second, read).await {
            Either::Right((listed, waiting)) => {
                listed.unwrap();
                waiting
            }
            Either::Left((done, _)) => panic!("it did not wait: {done:?}"),
        };
        let mut upload = requests.upload("c", &Attributes::default()).await.unwrap();
        let part = pin!(requests.part(&mut *upload, Bytes::from_static(b"part")));
        let (part, empty) = match select(part, pin!(put("d", 0))).await {
            Either::Right((empty, part)) => (part, empty),
            Either::Left((done, _)) => panic!("a part did not wait: {done:?}"),
        };
        empty.unwrap();
        requests.clone().bound(1, 0).await;
        let (second, part) = futures::future::join(waiting, part).await;
        second.unwrap();
        part.unwrap();
    });
}
