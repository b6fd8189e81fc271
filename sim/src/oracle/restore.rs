//! Properties 1, 2, 4 and 12: what the restore planner restores, byte for byte, from the store as it is.

use super::mirror::take_apart;
use crate::outcome::Violation;
use engine::db::{NO_PAGES, page_checksum};
use engine::key::{Layout, ListingBuilder, ModifiedIs, ObjectKey, Place, PlaceListing};
use engine::ltx::{HEADER_BYTES, Header, decode_page, index};
use engine::restore::{
    Apply, Facts, Knowledge, Needs, Plan, ReadLimits, Step, Target, is_full_image, plan, points,
};
use engine::store::ObjectMeta;
use engine::types::{LockByte, Pgno, Timestamp, Txid};
use io_sim::s3::{SimS3, StoredObject};
use std::collections::BTreeMap;

/// The objects of a place at one moment.
pub struct Snapshot {
    place: Place,
    objects: BTreeMap<String, StoredObject>,
    lock_byte: LockByte,
}

impl Snapshot {
    /// Of the place as it is now.
    pub fn take(store: &SimS3, place: &Place, lock_byte: LockByte) -> Snapshot {
        Snapshot { place: place.clone(), objects: store.peek_below(&place.prefix()), lock_byte }
    }

    /// Restores a target: the slot it is, and the database's bytes.
    pub fn restore(&self, target: Target) -> Result<(Txid, Vec<u8>), Violation> {
        let wrong = |message: String| Violation::new(1, format!("restore of {target:?}: {message}"));
        let listing = self.listing();
        let mut known = Knowledge::default();
        loop {
            match plan(&listing, &known, target).map_err(|error| wrong(error.to_string()))? {
                Step::Need(needs) => self.learn(&mut known, needs),
                Step::Done(plan) => match self.apply(&plan) {
                    Ok(database) => return Ok((plan.txid(), database)),
                    Err(why) if !self.learn_what_is_damaged(&mut known, &plan) => return Err(wrong(why)),
                    Err(_) => {}
                },
            }
        }
    }

    /// Reads the objects of a plan that led nowhere from end to end; whether one of them is not what it claims to be, and
    /// a way around it is to be looked for.
    fn learn_what_is_damaged(&self, known: &mut Knowledge, plan: &Plan) -> bool {
        let broken = |key: &ObjectKey| Some((*key, take_apart(self.bytes(*key), self.lock_byte).err()?));
        let broken: Vec<_> = plan.objects().iter().filter_map(|object| broken(&object.info.key)).collect();
        let any = !broken.is_empty();
        broken.into_iter().for_each(|(key, why)| known.learn_damage(key, why));
        any
    }

    /// Every point that a listing shows, with its time.
    pub fn points(&self) -> Vec<(Txid, Timestamp)> {
        let listing = self.listing();
        let mut known = Knowledge::default();
        loop {
            match points(&listing, &known) {
                Step::Need(needs) => self.learn(&mut known, needs),
                Step::Done(points) => {
                    // Links count as sound until headers contradict them.
                    let unknown =
                        |key: &ObjectKey| known.header(*key).is_none() && known.damage(*key).is_none();
                    let headers: Vec<ObjectKey> =
                        listing.objects().iter().map(|object| object.key).filter(unknown).collect();
                    if headers.is_empty() {
                        return points.iter().filter_map(|point| Some((point.txid, point.time?))).collect();
                    }
                    self.learn(&mut known, Needs { headers, page_indexes: Vec::new() });
                }
            }
        }
    }

    fn listing(&self) -> PlaceListing {
        let metas: Vec<ObjectMeta> = self
            .objects
            .iter()
            .map(|(key, object)| ObjectMeta {
                key: key.clone(),
                size_bytes: object.bytes.len() as u64,
                etag: object.etag.clone(),
                modified: object.modified,
                arrived: object.modified,
            })
            .collect();
        let mut builder = ListingBuilder::new(self.place.clone(), Layout::S3);
        builder.page(&metas);
        builder.finish(ModifiedIs::StoreTime)
    }

    fn learn(&self, known: &mut Knowledge, needs: Needs) {
        for key in needs.headers {
            match self.header(key) {
                Ok(header) => known.learn_header(key, Facts::from(&header)),
                Err(why) => known.learn_damage(key, why),
            }
        }
        for key in needs.page_indexes {
            match self.header(key).and_then(|header| Ok((self.index(key, &header)?, header))) {
                Ok((entries, header)) => {
                    let (facts, pages) = (Facts::from(&header), entries.iter().map(|entry| entry.pgno));
                    let full = is_full_image(facts.commit, facts.page_size, self.lock_byte, pages);
                    known.learn_header(key, facts);
                    known.learn_full_image(key, full);
                }
                Err(why) => known.learn_damage(key, why),
            }
        }
    }

    fn bytes(&self, key: ObjectKey) -> &[u8] {
        &self.objects[&self.place.object_key(Layout::S3, key)].bytes
    }

    fn header(&self, key: ObjectKey) -> Result<Header, String> {
        let bytes = self.bytes(key);
        let header = Header::decode(&bytes[..HEADER_BYTES.min(bytes.len())]).map_err(|e| e.to_string())?;
        if header.txids() == key.range() { Ok(header) } else { Err("it holds other TXIDs".into()) }
    }

    fn index(&self, key: ObjectKey, header: &Header) -> Result<Vec<index::PageEntry>, String> {
        let bytes = self.bytes(key);
        let tail = index::decode(bytes, bytes.len() as u64, header, self.lock_byte);
        match tail.map_err(|e| e.to_string())? {
            index::Tail::Index { entries, .. } => Ok(entries),
            index::Tail::NeedLast { bytes } => Err(format!("its index needs {bytes} bytes")),
        }
    }

    fn apply(&self, plan: &Plan) -> Result<Vec<u8>, String> {
        let mut apply = Apply::new(plan, self.lock_byte, ReadLimits::DEFAULT);
        let page_bytes = plan.page_size().into_inner() as usize;
        // A header says so, and the real restore writes only the pages that there are.
        if plan.database_bytes() > DATABASE_BYTES_MAX {
            return Err(format!("a database of {} bytes", plan.database_bytes()));
        }
        let mut database = vec![0; plan.page_count() as usize * page_bytes];
        for object in plan.newest_first() {
            let key = object.info.key;
            let entries = self.index(key, &self.header(key)?)?;
            for fetch in apply.object(object, entries).map_err(|e| e.to_string())? {
                let body = &self.bytes(key)[fetch.range.start as usize..fetch.range.end as usize];
                for page in &fetch.pages {
                    let start = (page.offset - fetch.range.start) as usize;
                    let frame = &body[start..start + page.length as usize];
                    let at = (page.pgno.into_inner() as usize - 1) * page_bytes;
                    decode_page(frame, &mut database[at..at + page_bytes]).map_err(|e| e.to_string())?;
                }
            }
        }
        apply.finish().map_err(|e| e.to_string())?;
        let lock = self.lock_byte.pgno(plan.page_size());
        let pages = database.chunks(page_bytes).zip(1u32..);
        let checksum = pages
            .filter_map(|(page, n)| Some((Pgno::new(n).ok()?, page)))
            .filter(|(pgno, _)| *pgno != lock)
            .fold(NO_PAGES, |xor, (pgno, page)| xor ^ page_checksum(pgno, page));
        apply.check_result(plan.page_count(), checksum).map_err(|e| e.to_string())?;
        Ok(database)
    }
}

/// Far more than any application here commits.
const DATABASE_BYTES_MAX: u64 = 1 << 30;
