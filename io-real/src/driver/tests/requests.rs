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
    Requests::new(Arc::new(store.clone()), in_flight_max, timeout)
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
