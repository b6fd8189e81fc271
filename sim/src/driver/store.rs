//! The store port on the simulated network.

use super::mischief::{At, Mischief};
use super::traffic::{Kind, Traffic};
use super::upload::SimUpload;
use super::wire::Wire;
use crate::answers;
use async_trait::async_trait;
use bytes::Bytes;
use engine::store::{Attributes, Condition, ETag, ObjectMeta, StoreError};
use engine::types::Timestamp;
use io_real::port::{Body, KeyFilter, Listing, PutDone, Store, Upload};
use io_sim::clock::SimClock;
use io_sim::network::ClientId;
use io_sim::s3::{Answer, Request, Response};
use std::ops::Range;
use std::time::Duration;

/// The store as one life sees it; cheap to clone.
#[derive(Clone)]
pub(super) struct SimStore {
    pub(super) wire: Wire,
    pub(super) client: ClientId,
    pub(super) traffic: Traffic,
    pub(super) mischief: Mischief,
    pub(super) keys_max: usize,
    /// The store's own.
    pub(super) clock: SimClock,
}

impl SimStore {
    /// One request of the driver's, which is one on the wire.
    pub(super) async fn ask(&self, kind: Kind, request: Request) -> Answer {
        let Some(mut under_way) = self.traffic.begin(kind) else { return std::future::pending().await };
        let answer = self.send(request).await;
        under_way.is_answered();
        answer
    }

    async fn send(&self, request: Request) -> Answer {
        self.traffic.may_go().await;
        self.mischief.step();
        self.mischief.may_panic(At::Request);
        let answer = self.wire.send(self.client, request).await;
        self.mischief.step();
        self.mischief.may_panic(At::Request);
        answer
    }

    async fn list_page(
        &self,
        prefix: &str,
        after: Option<&str>,
        folders: bool,
    ) -> Result<Listing, StoreError> {
        let (prefix, after) = (prefix.to_owned(), after.map(str::to_owned));
        let request = Request::List { prefix, after, folders, keys_max: self.keys_max };
        answers::listing(self.ask(Kind::Read, request).await)
    }

    async fn body(&self, request: Request) -> Result<Body, StoreError> {
        answers::body(self.ask(Kind::Read, request).await)
    }

    /// Lists, and ends one after the other.
    async fn end_uploads(&self, prefix: &str, before: Timestamp) -> Result<usize, StoreError> {
        let Some(mut under_way) = self.traffic.begin(Kind::Read) else { return std::future::pending().await };
        let listing = self.send(Request::ListUploads { prefix: prefix.to_owned(), before }).await;
        let mut ended = Ok(0);
        match listing {
            Ok(Response::Uploads(uploads)) => {
                for (upload, _) in uploads {
                    match self.send(Request::AbortUpload { upload }).await {
                        Ok(_) | Err(StoreError::Missing) => ended = ended.map(|count| count + 1),
                        Err(error) => ended = Err(error),
                    }
                }
            }
            Ok(other) => unreachable!("{other:?} to a listing of uploads"),
            Err(error) => ended = Err(error),
        }
        under_way.is_answered();
        ended
    }
}

#[async_trait]
impl Store for SimStore {
    async fn put(
        &self,
        key: &str,
        body: Bytes,
        attributes: &Attributes,
        condition: &Condition,
    ) -> Result<PutDone, StoreError> {
        let (attributes, condition) = (*attributes, condition.clone());
        self.traffic.writes(key);
        let request = Request::Put { key: key.to_owned(), body, attributes, condition };
        let answer = self.ask(Kind::Write, request).await;
        if !matches!(answer, Err(StoreError::Ambiguous(_))) {
            self.traffic.is_clear(key);
        }
        answers::done(answer)
    }

    async fn upload(&self, key: &str, attributes: &Attributes) -> Result<Box<dyn Upload>, StoreError> {
        let request = Request::StartUpload { key: key.to_owned(), attributes: *attributes };
        match self.ask(Kind::Read, request).await? {
            Response::Started(upload) => Ok(Box::new(SimUpload::new(self.clone(), upload, key))),
            other => unreachable!("{other:?} to the start of an upload"),
        }
    }

    async fn get(&self, key: &str, range: Option<Range<u64>>) -> Result<Body, StoreError> {
        self.traffic.is_clear(key);
        self.body(Request::Get { key: key.to_owned(), range }).await
    }

    async fn get_tail(&self, key: &str, bytes_max: u64) -> Result<Body, StoreError> {
        self.body(Request::GetTail { key: key.to_owned(), bytes_max }).await
    }

    async fn head(&self, key: &str) -> Result<(ObjectMeta, Attributes), StoreError> {
        match self.ask(Kind::Read, Request::Head { key: key.to_owned() }).await? {
            Response::Head(meta, attributes) => Ok((meta, attributes)),
            other => unreachable!("{other:?} to a head"),
        }
    }

    async fn list(&self, prefix: &str, after: Option<&str>) -> Result<Listing, StoreError> {
        self.list_page(prefix, after, false).await
    }

    async fn list_folder(&self, prefix: &str, after: Option<&str>) -> Result<Listing, StoreError> {
        self.list_page(prefix, after, true).await
    }

    async fn delete(&self, keys: &[String]) -> Vec<Result<(), StoreError>> {
        match self.ask(Kind::Write, Request::Delete { keys: keys.to_vec() }).await {
            Ok(Response::Deleted(outcomes)) => outcomes,
            Ok(other) => unreachable!("{other:?} to a delete"),
            Err(error) => keys.iter().map(|_| Err(error.clone())).collect(),
        }
    }

    async fn delete_if_match(&self, key: &str, etag: &ETag) -> Result<(), StoreError> {
        let request = Request::DeleteIfMatch { key: key.to_owned(), etag: etag.clone() };
        self.ask(Kind::Write, request).await.map(drop)
    }

    async fn abort_uploads(&self, prefix: &str, before: Timestamp) -> Result<usize, StoreError> {
        self.end_uploads(prefix, before).await
    }

    async fn sweep_uploads(
        &self,
        prefix: &str,
        age: Duration,
        _: KeyFilter<'_>,
    ) -> Result<usize, StoreError> {
        let age_ms = i64::try_from(age.as_millis()).expect("an age in this century");
        let before = Timestamp::from_millis(self.clock.now().wall.as_millis() - age_ms);
        self.end_uploads(prefix, before).await
    }
}
