//! Properties 1, 6, 7, 10 and 16 of one place: every slot, folded in order by an independent reader, gives a state that
//! its writer's application committed. Digests are kept up with each page, so that a slot costs what it holds.

use super::image::Image;
use super::page;
use crate::oracle::mirror::{Object, take_apart};
use crate::oracle::states::States;
use crate::outcome::Violation;
use engine::db::page_checksum;
use engine::key::{Layout, ObjectKey, Place};
use engine::store::Sha256;
use engine::types::{Checksum, Level, LockByte, NodeId, Txid};
use io_sim::s3::SimS3;
use std::collections::{BTreeMap, BTreeSet};

/// The place's history as an independent reader sees it.
pub struct Mirror {
    place: Place,
    database: u64,
    store: SimS3,
    image: Image,
    /// XOR of the page checksums of the image.
    checksum: Checksum,
    sums: Vec<Checksum>,
    txid: Option<Txid>,
    after: Option<Checksum>,
    /// What each slot restores to.
    pub contents: BTreeMap<Txid, Sha256>,
    /// Bytes per page of each slot.
    pub page_bytes: BTreeMap<Txid, usize>,
    /// The database checksum after each slot.
    afters: BTreeMap<Txid, Checksum>,
    /// An image that an operator may want back.
    earlier: Option<(Txid, Image)>,
    /// Others took objects away, or wrote over them, since the newest full image: numbers may be missing below the next.
    harmed: bool,
    /// Slots that are gone, damaged or another's work since.
    touched: BTreeSet<Txid>,
    /// Slots that were folded and not asked for yet.
    applied: Vec<Applied>,
}

/// A slot as it was folded.
#[derive(Clone, Copy, Debug)]
pub struct Applied {
    /// Which.
    pub txid: Txid,
    /// The machine that wrote it.
    pub machine: usize,
    /// And the life.
    pub node: NodeId,
    /// The content of the slot before.
    pub head: Option<Sha256>,
    /// It is a full image.
    pub begins_anew: bool,
}

impl Mirror {
    /// Of an empty place; `database` is what its pages are made from.
    pub fn new(place: Place, database: u64, store: &SimS3) -> Mirror {
        Mirror {
            place,
            database,
            store: store.clone(),
            image: Image::default(),
            checksum: Checksum::new(0),
            sums: Vec::new(),
            txid: None,
            after: None,
            contents: BTreeMap::new(),
            page_bytes: BTreeMap::new(),
            afters: BTreeMap::new(),
            earlier: None,
            harmed: false,
            touched: BTreeSet::new(),
            applied: Vec::new(),
        }
    }

    /// The newest image.
    pub fn image(&self) -> &Image {
        &self.image
    }

    /// The newest slot.
    pub fn txid(&self) -> Option<Txid> {
        self.txid
    }

    /// What its writers build on may be gone.
    pub fn was_harmed(&mut self) {
        self.harmed = true;
    }

    /// Somebody else took this object away, or wrote over it.
    pub fn was_touched(&mut self, key: ObjectKey) {
        if key.level() == Level::L0 {
            self.touched.insert(key.max());
        }
    }

    /// A state that can be restored: the newest, or an earlier one.
    pub fn restorable(&self, earlier: bool) -> Option<(Txid, &Image)> {
        let newest = self.txid.map(|txid| (txid, &self.image)).filter(|(_, image)| !image.is_empty());
        let kept = self.earlier.as_ref().map(|(txid, image)| (*txid, image)).filter(|_| earlier);
        kept.or(newest)
    }

    /// The slots since the last time.
    pub fn take_applied(&mut self) -> Vec<Applied> {
        std::mem::take(&mut self.applied)
    }

    /// Folds every slot up to `txid`, which was announced by a machine whose writer ids are `own`.
    pub fn announced(
        &mut self,
        txid: Txid,
        own: &[NodeId],
        states: &mut [States],
        writer_of: &dyn Fn(NodeId) -> Option<usize>,
    ) -> Result<(), Violation> {
        if self.txid.is_none() {
            self.first(txid)?;
        }
        while self.txid.is_some_and(|at| at < txid) {
            let next = self.slot_after(self.txid.expect("just seen"), txid);
            let object = self.read(ObjectKey::slot(next), 6)?;
            self.fold(next, &object, states, writer_of)?;
        }
        let chain = match self.read(ObjectKey::slot(txid), 1) {
            Ok(object) => object.header.chain(),
            // It was taken away, damaged or written over since.
            Err(_) if self.touched.contains(&txid) => return Ok(()),
            Err(violation) => return Err(violation),
        };
        let (after, known) = (chain.map(|chain| chain.after), self.afters.get(&txid).copied());
        if after.is_some() && known.is_some() && after != known {
            // The name was free again, and another's late claim lies there until it is taken away.
            if self.touched.contains(&txid) {
                return Ok(());
            }
            return Err(Violation::new(6, format!("slot {txid} was another one before")));
        }
        if chain.is_none() && self.touched.contains(&txid) {
            return Ok(());
        }
        let node = chain.map(|chain| chain.node);
        if !node.is_some_and(|node| own.contains(&node)) {
            return Err(Violation::new(10, format!("slot {txid} was announced by one who did not write it")));
        }
        Ok(())
    }

    /// The next slot. The first one of a place that has no image may have a later number, if it begins a chain: a slot
    /// that an earlier life sent, and that never landed, keeps its number.
    fn slot_after(&self, txid: Txid, last: Txid) -> Txid {
        let next = txid + 1;
        let is_there = |txid| self.store.peek(&self.key(ObjectKey::slot(txid))).is_some();
        let begun = !self.contents.is_empty() || !self.image.is_empty();
        if begun && !self.harmed || is_there(next) {
            return next;
        }
        let later = (next.into_inner() + 1..=last.into_inner()).filter_map(|n| Txid::new(n).ok());
        later.take(GAP_MAX).find(|txid| is_there(*txid)).unwrap_or(next)
    }

    /// The first image, unless the first slot holds all of it.
    fn first(&mut self, announced: Txid) -> Result<(), Violation> {
        if announced == Txid::ONE {
            let message = "the first image was announced before a claim slot made it count";
            return Err(Violation::new(10, message));
        }
        self.txid = Some(Txid::ONE);
        let key = ObjectKey::snapshot(Txid::ONE);
        if self.store.peek(&self.key(key)).is_some() {
            let object = self.read(key, 1)?;
            self.after = object.header.chain().map(|chain| chain.after);
            self.replace(Txid::ONE, &object)?;
        }
        Ok(())
    }

    fn fold(
        &mut self,
        txid: Txid,
        object: &Object,
        states: &mut [States],
        writer_of: &dyn Fn(NodeId) -> Option<usize>,
    ) -> Result<(), Violation> {
        let wrong =
            |property, message: String| Err(Violation::new(property, format!("slot {txid} {message}")));
        let Some(chain) = object.header.chain() else { return wrong(7, "is not tagged".into()) };
        let head = self.txid.and_then(|txid| self.contents.get(&txid)).copied();
        if chain.before.is_none() {
            self.image = Image::default();
            (self.checksum, self.sums) = (Checksum::new(0), Vec::new());
            self.harmed = false;
        } else if self.txid.is_some_and(|at| at + 1 != txid) {
            return wrong(6, "follows numbers that are missing, and is no full image".into());
        } else if chain.before != self.after {
            let (before, after) = (chain.before, self.after);
            return wrong(7, format!("follows {before:?}, the one before ends in {after:?}"));
        }
        self.replace(txid, object)?;
        if self.checksum != chain.after {
            return wrong(7, format!("leads to {}, its header says {}", self.checksum, chain.after));
        }
        let content = self.image.digest();
        (self.after, self.txid) = (Some(chain.after), Some(txid));
        self.touched.remove(&txid);
        self.contents.insert(txid, content);
        self.afters.insert(txid, chain.after);
        self.page_bytes.insert(txid, object.header.page_size().into_inner() as usize);
        if txid.into_inner().is_multiple_of(EVERY) {
            self.earlier = Some((txid, self.image.clone()));
        }
        let Some(writer) = writer_of(chain.node) else { return wrong(10, "was written by nobody".into()) };
        self.applied.push(Applied {
            txid,
            machine: writer,
            node: chain.node,
            head,
            begins_anew: chain.before.is_none(),
        });
        // A claim that changes nothing need not be a state of the claimer's.
        let empty_claim = chain.claim && chain.before == Some(chain.after);
        if !states[writer].accept(content) && !empty_claim {
            return wrong(1, format!("is no state that machine {writer} committed since the slot before"));
        }
        Ok(())
    }

    fn replace(&mut self, txid: Txid, object: &Object) -> Result<(), Violation> {
        let pages = object.header.commit().into_inner();
        let zero = Checksum::new(0);
        let cut = self.sums.drain((pages as usize).min(self.sums.len())..);
        self.checksum = cut.fold(self.checksum, |all, sum| all ^ sum);
        self.sums.resize(pages as usize, zero);
        self.image.resize(pages);
        for (pgno, bytes) in &object.pages {
            let number = pgno.into_inner();
            let Some(version) = page::version(self.database, number, bytes) else {
                return Err(Violation::new(16, format!("page {number} of slot {txid} was never written")));
            };
            let sum = page_checksum(*pgno, bytes);
            let old = std::mem::replace(&mut self.sums[number as usize - 1], sum);
            self.checksum = self.checksum ^ old ^ sum;
            self.image.set(number, version);
        }
        Ok(())
    }

    /// A full image holds what its slot does.
    pub fn check_snapshot(&self, txid: Txid) -> Result<(), Violation> {
        let object = self.read(ObjectKey::snapshot(txid), 1)?;
        let after = object.header.chain().map(|chain| chain.after);
        let pages = object.pages.iter();
        let found = pages.fold(Checksum::new(0), |xor, (pgno, page)| xor ^ page_checksum(*pgno, page));
        let known = self.afters.get(&txid).copied();
        if known.is_none() || after != known || Some(found) != known {
            let message = format!(
                "the image of {txid} leads to {found}, its header says {after:?}, the slot {known:?}"
            );
            return Err(Violation::new(7, message));
        }
        Ok(())
    }

    fn key(&self, key: ObjectKey) -> String {
        self.place.object_key(Layout::S3, key)
    }

    fn read(&self, key: ObjectKey, property: u32) -> Result<Object, Violation> {
        let key = self.key(key);
        let stored = self.store.peek(&key);
        let stored = stored.ok_or_else(|| Violation::new(property, format!("{key} is not in the store")))?;
        take_apart(&stored.bytes, LockByte::SQLITE)
            .map_err(|error| Violation::new(28, format!("{key} does not decode: {error}")))
    }
}

/// Of every so manieth slot the image is kept for a while.
const EVERY: u64 = 3;
/// One number for each end in the middle of such a beginning.
const GAP_MAX: usize = 8;
