//! Compaction by somebody else, who deletes the slots at once: names that are free again, and a claim that lands there.

use super::*;
use crate::oracle::mirror::take_apart;
use crate::world::transfer::Transfer;
use engine::key::{Layout, ObjectKey};
use engine::ltx::{Chain, Encoder, Header};
use engine::types::{Level, Txid, TxidRange};
use io_sim::s3::Request;

/// A request that leaves later.
pub(super) type Delayed = (usize, Transfer<crate::fleet::source::Stager>, Request);

impl World<'_> {
    /// Makes one object of the newest slots; `frees`: and deletes them, but claims, which nobody deletes.
    pub(super) fn compact(&mut self, place: usize, known: Txid, slots: u64, frees: bool) -> Option<()> {
        let first = Txid::new(known.into_inner().checked_sub(slots.max(1) - 1)?).ok()?;
        // The claim of the first image stays as long as that is what a chain begins with.
        let range = TxidRange::new(first, known).filter(|range| TxidRange::min(*range) > Txid::ONE + 1)?;
        let folder = self.places[place].place.clone();
        let key = |key: ObjectKey| folder.object_key(Layout::S3, key);
        let mut merged: BTreeMap<_, _> = BTreeMap::new();
        let mut last: Option<(Header, Chain)> = None;
        let mut before = None;
        let mut claims = Vec::new();
        for number in first.into_inner()..=known.into_inner() {
            let slot = self.store.peek(&key(ObjectKey::slot(Txid::new(number).ok()?)))?;
            let object = take_apart(&slot.bytes, LockByte::SQLITE).ok()?;
            // What begins a chain is not compacted with what came before it.
            let chain = object.header.chain().filter(|chain| chain.before.is_some())?;
            before = before.or(chain.before);
            merged.extend(object.pages);
            merged.retain(|pgno, _| *pgno <= object.header.commit());
            claims.extend(Some(object.header.txids().max()).filter(|_| chain.claim));
            last = Some((object.header, chain));
        }
        let (last, chain) = last?;
        let header = Header::new(last.page_size(), last.commit(), range, last.timestamp());
        let header = header.with_chain(Chain { before, claim: false, ..chain });
        let mut body = Vec::new();
        let mut encoder = Encoder::new(&header, LockByte::SQLITE, &mut body);
        merged.iter().for_each(|(pgno, page)| encoder.push(*pgno, page, &mut body));
        encoder.finish(&mut body);
        let compacted = ObjectKey::new(Level::new(1).expect("a level"), range).expect("not a snapshot");
        self.store.overwrite(&key(compacted), body.into(), Default::default());
        self.coverage.reached(Reached::Compacted);
        if frees {
            for number in first.into_inner()..=known.into_inner() {
                let txid = Txid::new(number).expect("not zero");
                let is_claim = claims.contains(&txid);
                if !is_claim {
                    self.store.remove(&key(ObjectKey::slot(txid)));
                    self.places[place].was_freed(txid);
                }
                // What comes before the first one is still there.
                if txid != known && !(is_claim && txid == first) {
                    self.places[place].is_no_point(txid);
                }
            }
        }
        Some(())
    }

    /// The second machine comes to take the place; what it sends first is so long on its way that the owner has gone on
    /// meanwhile, and the name that it writes to is free again.
    pub(super) fn race(&mut self, place: usize) -> Checked {
        let alone = self.places[place].copies[1].database.is_none();
        if !alone || self.settings.unconditional || self.settings.clones_state {
            return Ok(());
        }
        self.start_second_with(place, 1, TakeOver::Always)?;
        self.places[place].races = self.places[place].copies[1].database.is_some();
        Ok(())
    }

    /// Holds a claim back, once. What follows a claim is protected by the time that slots stay, which is not kept here.
    pub(super) fn holds_back(&mut self, machine: usize, number: usize, request: &Request) -> bool {
        let place = self.seat(machine, number).place;
        let claim = match request {
            Request::Put { key, body, .. } if key.contains("/0000/") && machine == 1 => claim_of(body),
            _ => None,
        };
        let Some(txid) = claim.filter(|_| self.chaos && std::mem::take(&mut self.places[place].races)) else {
            return false;
        };
        self.burst(place, 0, 2, 1_000_000);
        self.plan(RACE, Due::Free(place, txid));
        self.coverage.reached(Reached::ClaimHeldBack);
        true
    }

    pub(super) fn free(&mut self, place: usize, claim: Txid) -> Checked {
        self.check_changes()?;
        // A store that does not tell when an object came shows a late one that ends where the compacted one does as the
        // newest.
        let known_min = if self.settings.folders { claim + 1 } else { claim };
        let known = self.places[place].mirror.txid().filter(|known| *known >= known_min);
        let Some(known) = known.filter(|_| self.chaos) else { return Ok(()) };
        for slots in (1..=known.into_inner() - claim.into_inner() + 1).rev() {
            if self.compact(place, known, slots, true).is_some() {
                break;
            }
        }
        self.skip_changes();
        Ok(())
    }

    pub(super) fn submit_later(&mut self, machine: usize, delayed: Delayed) {
        self.plan_turn_after(machine, 2 * RACE, Turn::Submit(Box::new(delayed)));
    }
}

/// The slot that an object claims a place with, if it does.
fn claim_of(body: &[u8]) -> Option<Txid> {
    let header = Header::decode(body).ok()?;
    header.chain().filter(|chain| chain.claim).map(|_| header.txids().max())
}

/// Time for the owner to write a slot.
const RACE: Duration = Duration::from_secs(3);
