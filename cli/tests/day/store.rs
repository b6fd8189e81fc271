//! The real store, with requests that are counted. That of a directory tells the day's times instead of the disk's.

use crate::clock::{DayClock, Quiet};
use async_trait::async_trait;
use bytes::Bytes;
use engine::store::{Attributes, Condition, ETag, ObjectMeta, StoreError};
use engine::types::Timestamp;
use io_real::port::{Body, KeyFilter, Listing, PutDone, Store, Upload};
use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// A store that is waited for.
pub(crate) struct DayStore {
    pub(crate) inner: Arc<dyn Store>,
    pub(crate) account: Arc<Account>,
}

/// What goes on in it, and what was ever written.
pub(crate) struct Account {
    quiet: Arc<Quiet>,
    clock: Arc<DayClock>,
    /// It is a directory: nothing sets when an inode changed, and that is when a file came.
    tells_time: bool,
    written: Mutex<BTreeMap<String, (Timestamp, u64)>>,
    deleted: Mutex<Vec<(String, Timestamp)>>,
}

impl Account {
    pub(crate) fn new(quiet: Arc<Quiet>, clock: Arc<DayClock>, tells_time: bool) -> Account {
        Account { quiet, clock, tells_time, written: Mutex::default(), deleted: Mutex::default() }
    }

    /// How many objects were ever written, and their bytes.
    pub(crate) fn written(&self) -> (usize, u64) {
        let written = self.written.lock().unwrap();
        (written.len(), written.values().map(|(_, bytes)| bytes).sum())
    }

    /// No slot went before something had held it for so long: asserted of all that ever went.
    pub(crate) fn assert_slots_stayed(&self, l0: Duration) {
        let (written, deleted) = (self.written.lock().unwrap(), self.deleted.lock().unwrap());
        let l0_ms = i64::try_from(l0.as_millis()).unwrap();
        let slots =
            deleted.iter().filter_map(|(key, at)| Some((parse(key).filter(|slot| slot.0 == 0)?, *at)));
        let mut count = 0;
        for ((_, min, max), at) in slots {
            let mut holders = written.iter().filter(|(key, _)| {
                parse(key).is_some_and(|(level, from, to)| level > 0 && from <= min && max <= to)
            });
            // A server stamps in whole seconds.
            let is_old = |arrived: Timestamp| at.as_millis() - arrived.as_millis() >= l0_ms - 1000;
            assert!(holders.any(|(_, (arrived, _))| is_old(*arrived)), "slot {max} went too early");
            count += 1;
        }
        assert!(count > 0, "no slot was ever deleted");
    }

    fn note(&self, key: &str, bytes: u64) {
        let now = self.clock.wall();
        self.written.lock().unwrap().insert(key.to_owned(), (now, bytes));
    }

    fn arrived(&self, object: ObjectMeta) -> ObjectMeta {
        match self.written.lock().unwrap().get(&object.key) {
            Some((arrived, _)) if self.tells_time => ObjectMeta { arrived: *arrived, ..object },
            _ => object,
        }
    }

    fn arrived_all(&self, listing: Listing) -> Listing {
        Listing {
            objects: listing.objects.into_iter().map(|object| self.arrived(object)).collect(),
            ..listing
        }
    }
}

#[async_trait]
impl Store for DayStore {
    async fn put(
        &self,
        key: &str,
        body: Bytes,
        attributes: &Attributes,
        condition: &Condition,
    ) -> Result<PutDone, StoreError> {
        let _under_way = self.account.quiet.begin();
        let bytes = body.len() as u64;
        let done = self.inner.put(key, body, attributes, condition).await?;
        self.account.note(key, bytes);
        Ok(done)
    }

    async fn upload(&self, key: &str, attributes: &Attributes) -> Result<Box<dyn Upload>, StoreError> {
        let _under_way = self.account.quiet.begin();
        let inner = self.inner.upload(key, attributes).await?;
        Ok(Box::new(DayUpload { inner, key: key.to_owned(), bytes: 0, account: self.account.clone() }))
    }

    async fn get(&self, key: &str, range: Option<Range<u64>>) -> Result<Body, StoreError> {
        let _under_way = self.account.quiet.begin();
        self.inner.get(key, range).await
    }

    async fn get_tail(&self, key: &str, bytes_max: u64) -> Result<Body, StoreError> {
        let _under_way = self.account.quiet.begin();
        self.inner.get_tail(key, bytes_max).await
    }

    async fn head(&self, key: &str) -> Result<(ObjectMeta, Attributes), StoreError> {
        let _under_way = self.account.quiet.begin();
        let (object, attributes) = self.inner.head(key).await?;
        Ok((self.account.arrived(object), attributes))
    }

    async fn list(&self, prefix: &str, after: Option<&str>) -> Result<Listing, StoreError> {
        let _under_way = self.account.quiet.begin();
        Ok(self.account.arrived_all(self.inner.list(prefix, after).await?))
    }

    async fn list_folder(&self, prefix: &str, after: Option<&str>) -> Result<Listing, StoreError> {
        let _under_way = self.account.quiet.begin();
        Ok(self.account.arrived_all(self.inner.list_folder(prefix, after).await?))
    }

    async fn delete(&self, keys: &[String]) -> Vec<Result<(), StoreError>> {
        let _under_way = self.account.quiet.begin();
        let now = self.account.clock.wall();
        self.account.deleted.lock().unwrap().extend(keys.iter().map(|key| (key.clone(), now)));
        self.inner.delete(keys).await
    }

    async fn delete_if_match(&self, key: &str, etag: &ETag) -> Result<(), StoreError> {
        let _under_way = self.account.quiet.begin();
        self.inner.delete_if_match(key, etag).await
    }

    async fn time(&self, prefix: &str) -> Option<Timestamp> {
        let _under_way = self.account.quiet.begin();
        let told = self.inner.time(prefix).await?;
        Some(if self.account.tells_time { self.account.clock.wall() } else { told })
    }

    async fn abort_uploads(&self, prefix: &str, before: Timestamp) -> Result<usize, StoreError> {
        let _under_way = self.account.quiet.begin();
        self.inner.abort_uploads(prefix, before).await
    }

    async fn sweep_uploads(
        &self,
        prefix: &str,
        age: Duration,
        is_ours: KeyFilter<'_>,
    ) -> Result<usize, StoreError> {
        let _under_way = self.account.quiet.begin();
        self.inner.sweep_uploads(prefix, age, is_ours).await
    }
}

struct DayUpload {
    inner: Box<dyn Upload>,
    key: String,
    bytes: u64,
    account: Arc<Account>,
}

#[async_trait]
impl Upload for DayUpload {
    async fn part(&mut self, bytes: Bytes) -> Result<(), StoreError> {
        let _under_way = self.account.quiet.begin();
        self.bytes += bytes.len() as u64;
        self.inner.part(bytes).await
    }

    async fn complete(&mut self, condition: &Condition) -> Result<PutDone, StoreError> {
        let _under_way = self.account.quiet.begin();
        let done = self.inner.complete(condition).await?;
        self.account.note(&self.key, self.bytes);
        Ok(done)
    }

    async fn abort(&mut self) -> Result<(), StoreError> {
        let _under_way = self.account.quiet.begin();
        self.inner.abort().await
    }
}

/// Level, first and last TXID of an object.
fn parse(key: &str) -> Option<(u64, u64, u64)> {
    let (folder, name) = key.strip_suffix(".ltx")?.rsplit_once('/')?;
    let level = folder.rsplit_once('/')?.1;
    let (min, max) = name.split_once('-')?;
    let number = |text| u64::from_str_radix(text, 16).ok();
    Some((number(level)?, number(min)?, number(max)?))
}
