//! What a restore sees of the store: the store port of `io-real` on requests that the world carries to the simulated
//! store, and the damage that only this reader meets.
//!
//! The objects themselves stay as they are: what the daemons are promised does not change by it.

use async_trait::async_trait;
use bytes::Bytes;
use engine::store::{Attributes, Condition, ETag, ObjectMeta, StoreError};
use engine::types::Timestamp;
use io_real::port::{Body, Listing, PutDone, Store, Upload};
use io_sim::s3::{Answer, Request, Response};
use std::ops::Range;
use tokio::sync::{mpsc, oneshot};

/// A request of a restore, and where its answer goes.
pub(super) struct Asked {
    pub(super) request: Request,
    pub(super) answer: oneshot::Sender<Answer>,
}

/// The store, for one process.
pub(super) struct Window {
    asked: mpsc::UnboundedSender<Asked>,
    list_keys_max: usize,
}

impl Window {
    /// The store and what is asked of it.
    pub(super) fn new(list_keys_max: usize) -> (Window, mpsc::UnboundedReceiver<Asked>) {
        let (asked, requests) = mpsc::unbounded_channel();
        (Window { asked, list_keys_max }, requests)
    }

    async fn ask(&self, request: Request) -> Answer {
        let (answer, answered) = oneshot::channel();
        // Who carries requests may be gone, with the process: then nobody waits for the answer.
        let _ = self.asked.send(Asked { request, answer });
        match answered.await {
            Ok(answer) => answer,
            Err(_) => std::future::pending().await,
        }
    }

    async fn body(&self, request: Request) -> Result<Body, StoreError> {
        match self.ask(request).await? {
            Response::Body(body) => Ok(Body {
                bytes: body.bytes,
                object_bytes: body.meta.size_bytes,
                etag: body.meta.etag,
                modified: body.meta.modified,
                attributes: body.attributes,
            }),
            response => unreachable!("{response:?}"),
        }
    }

    async fn page(&self, prefix: &str, after: Option<&str>, folders: bool) -> Result<Listing, StoreError> {
        let (prefix, after) = (prefix.to_owned(), after.map(str::to_owned));
        let request = Request::List { prefix, after, folders, keys_max: self.list_keys_max };
        match self.ask(request).await? {
            Response::Listing(page) => {
                Ok(Listing { objects: page.objects, folders: page.folders, next: page.next })
            }
            response => unreachable!("{response:?}"),
        }
    }
}

#[async_trait]
impl Store for Window {
    async fn get(&self, key: &str, range: Option<Range<u64>>) -> Result<Body, StoreError> {
        self.body(Request::Get { key: key.to_owned(), range }).await
    }

    async fn get_tail(&self, key: &str, bytes_max: u64) -> Result<Body, StoreError> {
        self.body(Request::GetTail { key: key.to_owned(), bytes_max }).await
    }

    async fn list(&self, prefix: &str, after: Option<&str>) -> Result<Listing, StoreError> {
        self.page(prefix, after, false).await
    }

    async fn list_folder(&self, prefix: &str, after: Option<&str>) -> Result<Listing, StoreError> {
        self.page(prefix, after, true).await
    }

    async fn head(&self, _: &str) -> Result<(ObjectMeta, Attributes), StoreError> {
        unreachable!("{ONLY_READS}")
    }

    async fn put(&self, _: &str, _: Bytes, _: &Attributes, _: &Condition) -> Result<PutDone, StoreError> {
        unreachable!("{ONLY_READS}")
    }

    async fn upload(&self, _: &str, _: &Attributes) -> Result<Box<dyn Upload>, StoreError> {
        unreachable!("{ONLY_READS}")
    }

    async fn delete(&self, _: &[String]) -> Vec<Result<(), StoreError>> {
        unreachable!("{ONLY_READS}")
    }

    async fn delete_if_match(&self, _: &str, _: &ETag) -> Result<(), StoreError> {
        unreachable!("{ONLY_READS}")
    }

    async fn abort_uploads(&self, _: &str, _: Timestamp) -> Result<usize, StoreError> {
        unreachable!("{ONLY_READS}")
    }
}

const ONLY_READS: &str = "a restore reads objects and lists them, and nothing else";

/// What is wrong with one object, for this reader.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Damage {
    /// Nothing.
    None,
    /// One bit of it is wrong where it lies.
    Rotten {
        /// The object.
        key: String,
        /// Which bit of its bytes.
        bit: usize,
    },
    /// It is not there.
    Gone {
        /// The object.
        key: String,
    },
    /// It is listed, and some reads do not find it.
    Late {
        /// The object.
        key: String,
        /// How many will find it before.
        found: u32,
        /// How many will not then.
        reads: u32,
        /// Whether one did not.
        missed: bool,
    },
}

impl Damage {
    /// What this reader is told.
    pub(super) fn seen_through(&mut self, request: &Request, answer: Answer) -> Answer {
        let is_about = |key: &str| {
            matches!(request, Request::Get { .. } | Request::GetTail { .. }) && request.subject() == key
        };
        match (self, answer) {
            (Damage::Rotten { key, bit }, Ok(Response::Body(mut body))) if is_about(key) => {
                let start = match request {
                    Request::Get { range: Some(range), .. } => range.start,
                    Request::GetTail { bytes_max, .. } => body.meta.size_bytes.saturating_sub(*bytes_max),
                    _ => 0,
                };
                let mut bytes = body.bytes.to_vec();
                let at = (*bit / 8).checked_sub(usize::try_from(start).expect("a simulated object is small"));
                if let Some(byte) = at.and_then(|at| bytes.get_mut(at)) {
                    *byte ^= 1 << (*bit % 8);
                }
                body.bytes = bytes.into();
                Ok(Response::Body(body))
            }
            (Damage::Gone { key }, _) if is_about(key) => Err(StoreError::Missing),
            (Damage::Gone { key }, Ok(Response::Listing(mut page))) => {
                page.objects.retain(|object| object.key != *key);
                Ok(Response::Listing(page))
            }
            (Damage::Late { key, found, .. }, answer) if is_about(key) && *found > 0 => {
                *found -= 1;
                answer
            }
            (Damage::Late { key, reads, missed, .. }, Ok(_)) if is_about(key) && *reads > 0 => {
                *reads -= 1;
                *missed = true;
                Err(StoreError::Missing)
            }
            (_, answer) => answer,
        }
    }
}
