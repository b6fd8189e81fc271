//! What people and other programs do to places of the store.

use super::hosts::Work;
use super::*;
use crate::fleet::mischief::{Meddling, Paper, Refusal};
use crate::oracle::mirror::take_apart;
use crate::oracle::rot::tells_the_writer;
use bytes::Bytes;
use engine::key::{Layout, ObjectKey};
use engine::ltx::{Encoder, Header};
use engine::manifest::{DatabaseId, Manifest, WriterClaim};
use engine::store::Attributes;
use engine::types::{NodeId, Timestamp, Txid};

/// What is put back after a while.
pub(crate) struct Undo {
    key: String,
    /// As it was; `None`: it was not there.
    before: Option<Bytes>,
    /// As it was left.
    after: Option<Bytes>,
}

impl World<'_> {
    pub(super) fn meddles(&mut self, place: usize, with: Meddling, restarts: bool) -> Checked {
        if restarts {
            return self.while_stopped(place, Work::Meddle(with));
        }
        self.meddle(place, with)?;
        // What was seen before is old then: the next commit makes the daemon look. Without conditions it does so anyway.
        if self.settings.unconditional {
            self.burst(place, 0, 1, 0);
            return Ok(());
        }
        self.sleep(u64::try_from(self.settings.l0_retention.as_millis()).expect("days"));
        self.burst(place, 0, 1, 0);
        Ok(())
    }

    /// Only at objects that the oracle has read: what is on its way is nobody's, yet.
    pub(super) fn meddle(&mut self, place: usize, with: Meddling) -> Checked {
        self.check_changes()?;
        let Some(known) = self.places[place].mirror.txid() else { return Ok(()) };
        // A number that somebody freed is free for another writer, too: nobody can tell.
        let alone = self.places[place].copies[1].database.is_none();
        // Nor does its writer know, if it died before it saved that the slot is there: it may not have landed.
        let unconfirmed = self.places[place].copies[0].saved.confirmed() < Some(known);
        match with {
            Meddling::LoseNewest { .. } | Meddling::LoseOne { .. } if !alone || unconfirmed => return Ok(()),
            Meddling::Compact { slots, frees } => {
                self.compact(place, known, slots, frees && alone);
            }
            Meddling::LoseNewest { slots } => self.lose_newest(place, known, slots),
            Meddling::LoseOne { which } => {
                let keys = self.objects_up_to(place, known);
                if let Some(key) = pick(&keys, which) {
                    self.store.remove(&self.key(place, key));
                    self.places[place].mirror.was_touched(key);
                    self.places[place].was_harmed(|harm| harm.lost = true);
                    self.coverage.reached(Reached::ObjectLost);
                }
            }
            Meddling::Rot { which, bit } => {
                let keys = self.objects_up_to(place, known);
                let newest = keys.iter().copied().find(|key: &ObjectKey| ObjectKey::max(*key) == known);
                let key = which.map_or(newest, |which| pick(&keys, which));
                let bit = usize::try_from(bit).expect("small");
                // Who could not save that the newest one is there waits for a person, where its header says now that
                // another wrote it. So does everybody where it said so before.
                let accuses = |key| {
                    let Some(object) = self.store.peek(&self.key(place, key)) else { return false };
                    let header = Header::decode(&object.bytes);
                    let is_tagged = header.is_ok_and(|header| header.chain().is_some());
                    let untells = unconfirmed && tells_the_writer(bit % (object.bytes.len() * 8));
                    Some(key) == newest && (untells || !is_tagged)
                };
                let key = key.filter(|key| !accuses(*key));
                let rots = |key| self.store.rot(&self.key(place, key), bit);
                if let Some(key) = key.filter(|key| rots(*key)) {
                    self.places[place].mirror.was_touched(key);
                    self.places[place].was_harmed(|harm| harm.rotted = true);
                    self.coverage.reached(Reached::HeadRotted);
                }
            }
            Meddling::Copied | Meddling::Retimed | Meddling::Untagged => self.rewrite(place, known, with),
            Meddling::Manifest { is, ms } => self.put_manifest(place, is, Duration::from_millis(ms)),
            Meddling::LastNumber { ms } => {
                let last = ObjectKey::slot(Txid::new(u64::MAX).expect("not zero"));
                let key = self.key(place, last);
                self.put_for_a_while(place, key, Some(Bytes::from_static(b"?")), Duration::from_millis(ms));
            }
        }
        self.skip_changes();
        Ok(())
    }

    fn lose_newest(&mut self, place: usize, known: Txid, slots: u64) {
        let all = slots >= ALL;
        let first_lost = if all { 0 } else { known.into_inner().saturating_sub(slots - 1) };
        for key in self.objects_up_to(place, known) {
            if key.max().into_inner() >= first_lost {
                self.store.remove(&self.key(place, key));
                self.places[place].mirror.was_touched(key);
            }
        }
        if all {
            self.store.remove(&self.places[place].place.manifest_key());
            self.places[place].claimed = Default::default();
        }
        self.places[place].was_harmed(|harm| harm.lost = true);
        self.coverage.reached(Reached::ObjectLost);
    }

    /// The newest slot has another version.
    fn rewrite(&mut self, place: usize, known: Txid, with: Meddling) {
        let key = self.key(place, ObjectKey::slot(known));
        let Some(object) = self.store.peek(&key) else { return };
        let body = match with {
            Meddling::Copied => object.bytes,
            // Of a slot that its writer does not know to be there it could not tell whose it is.
            Meddling::Retimed if self.places[place].copies[0].saved.confirmed() < Some(known) => return,
            _ => match rewritten(&object.bytes, with == Meddling::Untagged) {
                Some(body) => body,
                None => return,
            },
        };
        self.store.overwrite(&key, body, object.attributes);
        if with != Meddling::Copied {
            self.places[place].mirror.was_touched(ObjectKey::slot(known));
            // Who goes on above the first claim does not see that it is gone: like rot, it is found by who verifies.
            let goes_on = self.places[place].copies[0].seat.is_some()
                || self.settings.faults.network.late_ppm > 0
                || self.network.may_still_act() > 0
                || self.store.peek(&self.key(place, ObjectKey::slot(known + 1))).is_some();
            let is_claim = known == Txid::ONE + 1;
            self.places[place].was_harmed(|harm| {
                harm.rewritten = true;
                harm.rotted |= with == Meddling::Untagged && is_claim && goes_on;
            });
        }
        self.coverage.reached(Reached::ObjectRewritten);
    }

    pub(super) fn add_to(
        &mut self,
        manifest: Paper,
        (races, length): (bool, Duration),
        refused: Option<Refusal>,
    ) -> Checked {
        let place = self.new_place();
        if let Some(why) = refused {
            self.refuse(place, why, length);
        }
        self.coverage.reached(Reached::AddedOne);
        if !races {
            self.put_manifest(place, manifest, length);
            self.skip_changes();
        } else {
            self.places[place].paper = Some((manifest, length));
        }
        self.add(0, place)
    }

    /// Somebody is faster, by a moment.
    pub(super) fn comes_before_the_claim(&mut self, machine: usize, number: usize) -> Checked {
        let place = self.seat(machine, number).place;
        if let Some((paper, length)) = self.places[place].paper.take().filter(|_| self.chaos) {
            self.check_changes()?;
            self.put_manifest(place, paper, length);
            self.skip_changes();
        }
        Ok(())
    }

    pub(super) fn put_manifest(&mut self, place: usize, is: Paper, length: Duration) {
        let before = self.store.peek(&self.places[place].place.manifest_key());
        let id = NodeId::new(self.work.next_u64() | 1).expect("not zero");
        let time = Timestamp::from_millis(1_700_000_000_000);
        let other = Manifest {
            database: DatabaseId::from_random([7; 16]),
            writer: WriterClaim { id, host: "another".to_owned(), time },
            store: "s3://simulated".to_owned(),
            l0_ms: 1000,
            policy: None,
            objects: Vec::new(),
        };
        let kept = before.and_then(|object| Manifest::decode(&object.bytes).ok());
        let manifest = kept.map_or(other.clone(), |kept| Manifest { writer: other.writer, ..kept });
        let text = String::from_utf8(manifest.encode()).expect("JSON");
        let of_format = |format: &str| text.replacen("\"format\": 1", &format!("\"format\": {format}"), 1);
        let body = match is {
            Paper::Anothers => Some(text),
            Paper::Newer => Some(of_format("2")),
            Paper::MuchNewer => Some(of_format("99999999999")),
            Paper::Zero => Some(of_format("0")),
            Paper::Torn => Some(text[..text.len() / 2].to_owned()),
            Paper::Gone => None,
        };
        let model = &mut self.places[place];
        model.was_newer |= matches!(is, Paper::Newer | Paper::MuchNewer);
        model.claimed = Default::default();
        model.was_harmed(|harm| harm.manifest = true);
        let key = model.place.manifest_key();
        self.put_for_a_while(place, key, body.map(Bytes::from), length);
        self.coverage.reached(Reached::ManifestChanged);
    }

    fn put_for_a_while(&mut self, place: usize, key: String, after: Option<Bytes>, length: Duration) {
        let before = self.store.peek(&key).map(|object| object.bytes);
        self.put(&key, after.clone());
        self.places[place].was_harmed(|_| {});
        self.places[place].undo.push(Undo { key, before, after });
        self.plan(length, Due::Undo(place));
    }

    /// Puts back what was there, unless somebody else has written since; and starts anew what gave up meanwhile.
    pub(super) fn undo(&mut self, place: usize) -> Checked {
        self.check_changes()?;
        let all = std::mem::take(&mut self.places[place].undo);
        if all.is_empty() {
            return Ok(());
        }
        for Undo { key, before, after } in all.into_iter().rev() {
            if self.store.peek(&key).map(|object| object.bytes) == after {
                self.put(&key, before);
            }
        }
        self.places[place].claimed = Default::default();
        self.skip_changes();
        self.stop_one(place, Duration::from_millis(500))
    }

    fn put(&mut self, key: &str, body: Option<Bytes>) {
        match body {
            Some(body) => drop(self.store.overwrite(key, body, Attributes::default())),
            None => drop(self.store.remove(key)),
        }
    }

    fn objects_up_to(&self, place: usize, known: Txid) -> Vec<ObjectKey> {
        let place = &self.places[place].place;
        let all = self.store.peek_below(&place.prefix());
        let parsed = all.keys().filter_map(|key| ObjectKey::parse(Layout::S3, place.name_of(key)?));
        parsed.filter(|key| ObjectKey::max(*key) <= known).collect()
    }

    fn key(&self, place: usize, key: ObjectKey) -> String {
        self.places[place].place.object_key(Layout::S3, key)
    }
}

fn pick(keys: &[ObjectKey], which: u64) -> Option<ObjectKey> {
    keys.get(usize::try_from(which).expect("small") % keys.len().max(1)).copied()
}

/// The same pages in another object.
fn rewritten(bytes: &[u8], untagged: bool) -> Option<Bytes> {
    let object = take_apart(bytes, LockByte::SQLITE).ok()?;
    let old = object.header;
    let time = if untagged { old.timestamp() } else { old.timestamp().next() };
    let mut header = Header::new(old.page_size(), old.commit(), old.txids(), time);
    if let Some(chain) = old.chain().filter(|_| !untagged) {
        header = header.with_chain(chain);
    }
    let mut body = Vec::new();
    let mut encoder = Encoder::new(&header, LockByte::SQLITE, &mut body);
    object.pages.iter().for_each(|(pgno, page)| encoder.push(*pgno, page, &mut body));
    encoder.finish(&mut body);
    Some(body.into())
}

/// So many slots are all of a place.
const ALL: u64 = 255;
