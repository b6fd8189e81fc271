//! What a restore sees of the store: the store port of `io-real` on requests that the world carries to the simulated
//! store, and the damage that only this reader meets.
//!
//! The objects themselves stay as they are: what the daemons are promised does not change by it.

use crate::answers;
use async_trait::async_trait;
use bytes::Bytes;
use engine::store::{Attributes, Condition, ETag, ObjectMeta, StoreError};
use engine::types::Timestamp;
use io_real::port::{Body, Listing, PutDone, Store, Upload};
use io_sim::s3::{Answer, Request, Response};
use std::ops::Range;
use tokio::sync::{mpsc, oneshot};

/// A request of a restore, and where its answer goes.
pub(crate) struct Asked {
    pub(crate) request: Request,
    pub(crate) answer: oneshot::Sender<Answer>,
}

/// The store, for one process.
pub(crate) struct Window {
    asked: mpsc::UnboundedSender<Asked>,
    list_keys_max: usize,
}

impl Window {
    /// The store and what is asked of it.
    pub(crate) fn new(list_keys_max: usize) -> (Window, mpsc::UnboundedReceiver<Asked>) {
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
        answers::body(self.ask(request).await)
    }

    async fn page(&self, prefix: &str, after: Option<&str>, folders: bool) -> Result<Listing, StoreError> {
        let (prefix, after) = (prefix.to_owned(), after.map(str::to_owned));
        let request = Request::List { prefix, after, folders, keys_max: self.list_keys_max };
        answers::listing(self.ask(request).await)
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
    /// The object that is not what it is.
    pub(super) fn spoils(&self) -> Option<&str> {
        match self {
            Damage::Rotten { key, .. } | Damage::Gone { key } => Some(key),
            Damage::Late { .. } | Damage::None => None,
        }
    }

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

#[cfg(test)]
mod tests {
    use super::Damage;
    use bytes::Bytes;
    use engine::store::{Attributes, StoreError};
    use io_sim::clock::SimClock;
    use io_sim::s3::{Request, Response, SimS3};
    use io_sim::trace::Trace;

    const KEY: &str = "a";

    fn get(range: Option<std::ops::Range<u64>>) -> Request {
        Request::Get { key: KEY.to_owned(), range }
    }

    /// The bytes that a reader gets of a store whose only object is 100 zeros.
    fn seen(damage: &mut Damage, request: &Request) -> Result<Vec<u8>, StoreError> {
        let clock = SimClock::new();
        let store = SimS3::new(&clock, &Trace::new(&clock));
        store.overwrite(KEY, Bytes::from(vec![0; 100]), Attributes::default());
        match damage.seen_through(request, store.apply(request))? {
            Response::Body(body) => Ok(body.bytes.to_vec()),
            response => panic!("{response:?}"),
        }
    }

    #[test]
    fn rotten_bit_is_the_same_one_in_whatever_part_is_read() {
        let mut damage = Damage::Rotten { key: KEY.to_owned(), bit: 90 * 8 + 3 };
        let tail = Request::GetTail { key: KEY.to_owned(), bytes_max: 30 };
        for (request, start) in [(get(None), 0), (get(Some(85..95)), 85), (tail, 70)] {
            let found = seen(&mut damage, &request).unwrap();
            let wrong: Vec<usize> = (0..found.len()).filter(|at| found[*at] != 0).collect();
            assert_eq!((wrong, found[90 - start]), (vec![90 - start], 8), "{request:?}");
        }
        assert_eq!(seen(&mut damage, &get(Some(0..90))).unwrap(), vec![0; 90]);
    }

    #[test]
    fn late_object_is_found_missed_and_found_again() {
        let mut damage = Damage::Late { key: KEY.to_owned(), found: 1, reads: 2, missed: false };
        let outcomes: Vec<bool> = (0..4).map(|_| seen(&mut damage, &get(None)).is_ok()).collect();
        assert_eq!(outcomes, [true, false, false, true]);
        assert!(matches!(damage, Damage::Late { missed: true, .. }));
    }

    #[test]
    fn object_that_is_gone_is_neither_read_nor_listed() {
        let clock = SimClock::new();
        let store = SimS3::new(&clock, &Trace::new(&clock));
        store.overwrite(KEY, Bytes::new(), Attributes::default());
        store.overwrite("b", Bytes::new(), Attributes::default());
        let mut damage = Damage::Gone { key: KEY.to_owned() };
        let list = Request::List { prefix: String::new(), after: None, folders: false, keys_max: 10 };
        let Ok(Response::Listing(page)) = damage.seen_through(&list, store.apply(&list)) else { panic!() };
        assert_eq!(page.objects.iter().map(|object| object.key.as_str()).collect::<Vec<_>>(), ["b"]);
        assert_eq!(seen(&mut damage, &get(None)), Err(StoreError::Missing));
    }
}
