//! Properties 1, 6, 7, 10 and 16: every slot, applied in order, gives a state that its writer's application
//! committed; checksums chain; what is announced is there.

use super::states::States;
use crate::outcome::Violation;
use bytes::Bytes;
use engine::db::page_checksum;
use engine::key::{Layout, ObjectKey, Place};
use engine::ltx::{Decoder, HEADER_BYTES, Header, Item};
use engine::store::Sha256;
use engine::types::{Checksum, LockByte, NodeId, Pgno, Timestamp, Txid};
use io_sim::s3::SimS3;
use std::collections::BTreeMap;

/// The store's history as an independent reader sees it: one image, one slot after the other.
pub struct Mirror {
    place: Place,
    store: SimS3,
    lock_byte: LockByte,
    image: Vec<u8>,
    txid: Option<Txid>,
    after: Option<Checksum>,
    /// What each slot restores to, for ever.
    pub contents: BTreeMap<Txid, Sha256>,
    /// The database checksum after each slot, as it was when it was announced.
    pub afters: BTreeMap<Txid, Checksum>,
    /// When each slot was sealed, by its header.
    pub times: BTreeMap<Txid, Timestamp>,
    /// Slots that were applied and not asked for yet.
    applied: Vec<Applied>,
    /// Somebody deleted the newest slots, up to this one. Who wrote them cannot tell one that was sent, and had not
    /// landed, from one that was deleted as well, and begins anew behind both.
    lost_to: Option<Txid>,
}

/// A slot as it was applied.
#[derive(Clone, Copy, Debug)]
pub struct Applied {
    /// Which.
    pub txid: Txid,
    /// The machine that wrote it.
    pub writer: usize,
    /// The content of the slot before.
    pub head: Option<Sha256>,
    /// The page size is another than that of the slot before.
    pub page_size_changed: bool,
}

/// An object, taken apart.
pub struct Object {
    /// Its header.
    pub header: Header,
    /// Its pages.
    pub pages: Vec<(Pgno, Vec<u8>)>,
}

impl Mirror {
    /// Of an empty place.
    pub fn new(place: Place, store: &SimS3, lock_byte: LockByte) -> Mirror {
        Mirror {
            place,
            store: store.clone(),
            lock_byte,
            image: Vec::new(),
            txid: None,
            after: None,
            contents: BTreeMap::new(),
            afters: BTreeMap::new(),
            times: BTreeMap::new(),
            applied: Vec::new(),
            lost_to: None,
        }
    }

    /// The newest image.
    pub fn image(&self) -> &[u8] {
        &self.image
    }

    /// The slots since the last time.
    pub fn take_applied(&mut self) -> Vec<Applied> {
        std::mem::take(&mut self.applied)
    }

    /// Somebody deletes the newest slots.
    pub fn loses_slots(&mut self) {
        self.lost_to = self.txid;
    }

    /// Whether the numbers of slots that somebody deleted are known to nobody but their writer.
    pub fn lacks_used_numbers(&self) -> bool {
        self.lost_to.is_some() && self.lost_to == self.txid
    }

    /// The newest slot.
    pub fn txid(&self) -> Option<Txid> {
        self.txid
    }

    /// Applies every slot up to `txid`, which was announced by a daemon whose writer ids are `own`.
    pub fn announced(
        &mut self,
        txid: Txid,
        own: &[NodeId],
        states: &mut BTreeMap<usize, States>,
        writer_of: &dyn Fn(NodeId) -> Option<usize>,
    ) -> Result<(), Violation> {
        self.follow_to(txid, states, writer_of)?;
        let bytes = self.stored(ObjectKey::slot(txid), 1)?;
        // It was decoded whole when it was applied.
        let header = Header::decode(&bytes[..HEADER_BYTES.min(bytes.len())]).ok();
        let node = header.and_then(|header| header.chain()).map(|chain| chain.node);
        if !node.is_some_and(|node| own.contains(&node)) {
            return Err(Violation::new(10, format!("slot {txid} was announced by one who did not write it")));
        }
        Ok(())
    }

    /// Applies every slot up to `txid`.
    pub fn follow_to(
        &mut self,
        txid: Txid,
        states: &mut BTreeMap<usize, States>,
        writer_of: &dyn Fn(NodeId) -> Option<usize>,
    ) -> Result<(), Violation> {
        if self.txid.is_none() {
            self.first(txid)?;
        }
        while self.txid.is_some_and(|at| at < txid) {
            let next = self.slot_after(self.txid.expect("just seen"), txid);
            let object = self.read(ObjectKey::slot(next), 6)?;
            self.apply(next, object, states, writer_of)?;
        }
        Ok(())
    }

    /// The next slot; after a loss it may be a later one up to `last`, if that begins a chain. So may the first one of a
    /// place that has no image: a slot that was sent by an earlier life, and never landed, keeps its number.
    fn slot_after(&self, txid: Txid, last: Txid) -> Txid {
        let begins = |txid: &Txid| {
            let object = self.read(ObjectKey::slot(*txid), 6).ok();
            object.and_then(|o| o.header.chain()).is_some_and(|chain| chain.before.is_none())
        };
        let next = txid + 1;
        let nothing_was_there = self.image.is_empty() && self.contents.is_empty();
        if self.lost_to.is_none() && !nothing_was_there
            || self.store.peek(&self.key(ObjectKey::slot(next))).is_some()
        {
            return next;
        }
        let later = (next.into_inner() + 1..=last.into_inner()).filter_map(|n| Txid::new(n).ok());
        later.take(GAP_MAX).find(begins).unwrap_or(next)
    }

    /// The first image, unless the first slot holds all of it.
    fn first(&mut self, announced: Txid) -> Result<(), Violation> {
        if announced == Txid::ONE {
            let message = "the first image was announced before a claim slot made it count";
            return Err(Violation::new(10, message));
        }
        self.txid = Some(Txid::ONE);
        if self.store.peek(&self.key(ObjectKey::snapshot(Txid::ONE))).is_some() {
            let object = self.read(ObjectKey::snapshot(Txid::ONE), 1)?;
            self.after = object.header.chain().map(|chain| chain.after);
            self.replace(&object);
        }
        Ok(())
    }

    fn apply(
        &mut self,
        txid: Txid,
        object: Object,
        states: &mut BTreeMap<usize, States>,
        writer_of: &dyn Fn(NodeId) -> Option<usize>,
    ) -> Result<(), Violation> {
        let chain =
            object.header.chain().ok_or_else(|| Violation::new(7, format!("slot {txid} is not tagged")))?;
        let head = self.txid.and_then(|txid| self.contents.get(&txid)).copied();
        let page_bytes_before = super::restart::page_bytes(&self.image);
        if chain.before.is_none() {
            self.image.clear();
        } else if chain.before != self.after {
            let (before, after) = (chain.before, self.after);
            return Err(Violation::new(
                7,
                format!("slot {txid} follows {before:?}, the one before ends in {after:?}"),
            ));
        }
        self.replace(&object);
        let found = self.checksum(&object.header);
        if found != chain.after {
            let want = chain.after;
            return Err(Violation::new(7, format!("slot {txid} leads to {found}, its header says {want}")));
        }
        self.after = Some(chain.after);
        self.txid = Some(txid);
        let content = super::image::digest(&self.image);
        self.contents.insert(txid, content);
        self.afters.insert(txid, chain.after);
        self.times.insert(txid, object.header.timestamp());
        let writer = writer_of(chain.node)
            .ok_or_else(|| Violation::new(10, format!("slot {txid} was written by nobody")))?;
        let page_size_changed =
            page_bytes_before.is_some_and(|before| Some(before) != super::restart::page_bytes(&self.image));
        self.applied.push(Applied { txid, writer, head, page_size_changed });
        let states = states.entry(writer).or_default();
        // A claim that changes nothing need not be a state of the claimer's.
        let empty_claim = chain.claim && chain.before == Some(chain.after);
        if !states.accept(content) && !empty_claim {
            let page_bytes = object.header.page_size().into_inner() as usize;
            let pages = states.differences(&self.image, page_bytes);
            return Err(Violation::new(
                1,
                format!(
                    "slot {txid} is no state committed since the slot before; pages that differ from the newest: {pages}"
                ),
            ));
        }
        Ok(())
    }

    /// A full image holds what its slot does.
    pub fn check_snapshot(&self, txid: Txid) -> Result<(), Violation> {
        let object = self.read(ObjectKey::snapshot(txid), 1)?;
        let page_bytes = object.header.page_size().into_inner() as usize;
        let mut image = vec![0; object.header.commit().into_inner() as usize * page_bytes];
        for (pgno, page) in &object.pages {
            let start = (pgno.into_inner() as usize - 1) * page_bytes;
            image[start..start + page_bytes].copy_from_slice(page);
        }
        let after = object.header.chain().map(|chain| chain.after);
        let same = self.contents.get(&txid) == Some(&super::image::digest(&image));
        if !same || after != self.afters.get(&txid).copied() {
            return Err(Violation::new(7, format!("the image of {txid} does not hold what the slot does")));
        }
        Ok(())
    }

    fn replace(&mut self, object: &Object) {
        let page_bytes = object.header.page_size().into_inner() as usize;
        self.image.resize(object.header.commit().into_inner() as usize * page_bytes, 0);
        for (pgno, page) in &object.pages {
            let start = (pgno.into_inner() as usize - 1) * page_bytes;
            self.image[start..start + page_bytes].copy_from_slice(page);
        }
    }

    fn checksum(&self, header: &Header) -> Checksum {
        let page_bytes = header.page_size().into_inner() as usize;
        let lock = self.lock_byte.pgno(header.page_size());
        let pages = self.image.chunks_exact(page_bytes).zip(1u32..);
        pages
            .filter_map(|(page, n)| Some((Pgno::new(n).ok()?, page)))
            .filter(|(pgno, _)| *pgno != lock)
            .fold(Checksum::new(0), |xor, (pgno, page)| xor ^ page_checksum(pgno, page))
    }

    fn key(&self, key: ObjectKey) -> String {
        self.place.object_key(Layout::S3, key)
    }

    fn read(&self, key: ObjectKey, property: u32) -> Result<Object, Violation> {
        let bytes = self.stored(key, property)?;
        take_apart(&bytes, self.lock_byte)
            .map_err(|error| Violation::new(28, format!("{} does not decode: {error}", self.key(key))))
    }

    fn stored(&self, key: ObjectKey, property: u32) -> Result<Bytes, Violation> {
        let key = self.key(key);
        let stored = self.store.peek(&key);
        let stored = stored.ok_or_else(|| Violation::new(property, format!("{key} is not in the store")))?;
        Ok(stored.bytes)
    }
}

/// One number for each end in the middle of such a beginning.
const GAP_MAX: usize = 8;

/// Decodes a whole object.
pub fn take_apart(bytes: &[u8], lock_byte: LockByte) -> Result<Object, String> {
    let mut decoder = Decoder::new(lock_byte);
    let mut input = bytes;
    let (mut header, mut pages) = (None, Vec::new());
    while let Some(item) = decoder.read(&mut input).map_err(|error| error.to_string())? {
        match item {
            Item::Header(h) => header = Some(h),
            Item::Page { pgno, page } => pages.push((pgno, page.to_vec())),
            Item::End(_) => {}
        }
    }
    decoder.finish().map_err(|error| error.to_string())?;
    header.map(|header| Object { header, pages }).ok_or_else(|| "it has no header".to_owned())
}
