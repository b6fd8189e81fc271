//! A pass of retention: what the place promised, the plan, the proof, the deletes, the index.

use super::index::Index;
use super::reads::{ATTEMPTS_MAX, Reading, Reads};
use crate::key::{ObjectKey, PlaceListing};
use crate::manifest::{IndexEntry, Manifest};
use crate::mutants::{Mutant, mutated};
use crate::replicate::backoff::Backoff;
use crate::replicate::command::{RequestId, StoreRequest};
use crate::replicate::context::Context;
use crate::replicate::event::StoreAnswer;
use crate::replicate::notice::Notice;
use crate::replicate::retrying::{Retrying, Settled};
use crate::restore::{Facts, Knowledge, Step};
use crate::retention::{Action, Arrivals, Delete, Retention, Trouble, plan};
use crate::store::{Fatal, Sha256, StoreError};
use crate::types::{Instant, Level, Now, Timestamp};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

/// A pass under way.
#[derive(Debug)]
pub(super) struct Retaining {
    listing: PlaceListing,
    /// The store's time at the listing.
    time: Timestamp,
    index: Index,
    planned: Option<Box<Retention>>,
    step: Doing,
    /// Deleted so far.
    deleted: BTreeSet<ObjectKey>,
    /// Kept although they could go: the store refused to delete them.
    refused: usize,
    mode: Mode,
    /// When the place had been listed.
    began: Now,
    /// Objects that were damaged when they were looked at, whatever the index says of them.
    doubted: BTreeSet<ObjectKey>,
}

/// On whose behalf.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mode {
    /// Who follows the place: what it keeps is what the place keeps.
    Follower,
    /// Somebody else.
    Solo {
        /// Only plan.
        dry_run: bool,
    },
}

/// What a pass has come to.
pub(super) struct Done {
    pub(super) planned: Option<Retention>,
    pub(super) deleted: BTreeSet<ObjectKey>,
    pub(super) refused: usize,
    pub(super) manifest: Option<Manifest>,
}

#[derive(Debug)]
enum Doing {
    /// The manifest, until two reads agree.
    Manifest(Retrying),
    Reading(Reads),
    /// Reading whole what makes up for others.
    Proving {
        retrying: Retrying,
        object: ObjectKey,
        /// What it was the last time, where the store keeps nothing to compare it with: a bit that comes wrong and changes
        /// no page would put a digest into the index that accuses a sound object.
        before: Option<Sha256>,
    },
    Deleting(Deleting),
    Index(RequestId),
}

#[derive(Debug)]
struct Deleting {
    stages: VecDeque<Vec<ObjectKey>>,
    /// Of the first stage, what is on its way.
    sent: Option<(RequestId, Vec<ObjectKey>)>,
    /// When the next are sent.
    at: Instant,
    backoff: Backoff,
}

/// Keys of one request. A store takes a thousand; an answer that is lost is asked again.
const KEYS_PER_DELETE: usize = 250;

/// For so long the listing and the manifest count for deletes, at least and at most. A process that slept, or that read back
/// for an hour what makes up for others, lists again: another writer may have come meanwhile, and may keep more.
const LISTING_COUNTS: [Duration; 2] = [Duration::from_secs(60), Duration::from_secs(300)];

/// How a pass ended.
#[derive(Debug)]
pub(super) enum Told {
    /// Everything that may go is gone.
    Done { troubles: Vec<Trouble> },
    /// The listing is out of date, or nothing may be deleted now.
    Stale,
}

impl Retaining {
    pub(super) fn start(
        cx: &mut Context<'_>,
        listing: PlaceListing,
        time: Timestamp,
        doubted: BTreeSet<ObjectKey>,
        mode: Mode,
    ) -> Retaining {
        let step = Doing::Manifest(Index::ask(cx));
        let (index, deleted, began) = (Index::default(), BTreeSet::new(), cx.now);
        Retaining { listing, time, index, planned: None, step, deleted, refused: 0, mode, began, doubted }
    }

    pub(super) fn into_done(self) -> Done {
        let Retaining { planned, deleted, refused, index, .. } = self;
        Done { planned: planned.map(|planned| *planned), deleted, refused, manifest: index.into_manifest() }
    }

    pub(super) fn awaits(&self, id: RequestId) -> bool {
        match &self.step {
            Doing::Manifest(retrying) | Doing::Proving { retrying, .. } => retrying.awaits(id),
            Doing::Reading(reads) => reads.awaits(id),
            Doing::Deleting(deleting) => deleting.sent.as_ref().is_some_and(|(sent, _)| *sent == id),
            Doing::Index(sent) => *sent == id,
        }
    }

    pub(super) fn tick(&mut self, cx: &mut Context<'_>) {
        match &mut self.step {
            Doing::Manifest(retrying) | Doing::Proving { retrying, .. } => retrying.tick(cx),
            Doing::Reading(reads) => reads.tick(cx),
            Doing::Deleting(deleting) => deleting.send_if_due(cx),
            Doing::Index(_) => {}
        }
    }

    pub(super) fn deadline(&self) -> Option<Instant> {
        match &self.step {
            Doing::Manifest(retrying) | Doing::Proving { retrying, .. } => retrying.deadline(),
            Doing::Reading(reads) => reads.deadline(),
            Doing::Deleting(deleting) => deleting.sent.is_none().then_some(deleting.at),
            Doing::Index(_) => None,
        }
    }

    /// `made`: what this life made and read back.
    pub(super) fn store(
        &mut self,
        cx: &mut Context<'_>,
        id: RequestId,
        result: Result<StoreAnswer, StoreError>,
        known: &mut Knowledge,
        made: &mut BTreeMap<ObjectKey, IndexEntry>,
    ) -> Option<Told> {
        match &mut self.step {
            Doing::Manifest(retrying) => {
                match retrying.answer(cx, result) {
                    Settled::NotYet => return None,
                    // It was listed: what it promises counts.
                    Settled::Missing if self.listing.manifest().is_some() => return Some(Told::Stale),
                    Settled::Missing => {}
                    Settled::Answer(StoreAnswer::Got(got)) => {
                        if !self.index.read(got) {
                            *retrying = Index::ask(cx);
                            return None;
                        }
                        if let Some(message) = self.index.damage() {
                            // What it promises is not known: nothing goes.
                            let key = cx.config.place.manifest_key();
                            cx.notice(Notice::ObjectDamaged { key, message });
                            let sent = match self.mode {
                                Mode::Follower => self.index.replace_damaged(cx),
                                Mode::Solo { .. } => None,
                            };
                            let Some(sent) = sent else { return Some(Told::Done { troubles: Vec::new() }) };
                            self.step = Doing::Index(sent);
                            return None;
                        }
                    }
                    Settled::Damaged => unreachable!("nothing is decoded"),
                    Settled::Answer(other) => unreachable!("asked for the manifest, answered {other:?}"),
                }
                self.plan(cx, known, made)
            }
            Doing::Reading(reads) => match reads.store(cx, id, result, known) {
                Reading::NotYet => None,
                Reading::Done => self.plan(cx, known, made),
                Reading::Unproven | Reading::Gone => Some(Told::Stale),
            },
            Doing::Proving { retrying, object, before } => {
                let object = *object;
                match retrying.answer(cx, result) {
                    Settled::NotYet if retrying.attempts() >= ATTEMPTS_MAX => Some(Told::Stale),
                    Settled::NotYet => None,
                    Settled::Missing => Some(Told::Stale),
                    Settled::Damaged => {
                        let key = cx.config.place.object_key(cx.config.layout, object);
                        let message: Box<str> = "it does not decode".into();
                        cx.notice(Notice::ObjectDamaged { key, message: message.clone() });
                        known.learn_damage(object, message);
                        self.plan(cx, known, made)
                    }
                    Settled::Answer(StoreAnswer::Hashed { sha256, is_compared })
                        if !is_compared && *before != Some(sha256) && !mutated(Mutant::HeaderReadOnce) =>
                    {
                        *before = Some(sha256);
                        let key = cx.config.place.object_key(cx.config.layout, object);
                        *retrying = Retrying::start(cx, StoreRequest::Hash { key });
                        None
                    }
                    Settled::Answer(StoreAnswer::Hashed { sha256, .. }) => {
                        self.prove(known, made, object, sha256);
                        self.prove_or_delete(cx, known, made)
                    }
                    Settled::Answer(other) => unreachable!("asked for a hash, answered {other:?}"),
                }
            }
            Doing::Deleting(deleting) => {
                let may_go_on = !is_old(self.began, cx);
                deleting.answered(cx, result, &mut self.deleted, &mut self.refused, may_go_on);
                // What lands there later, and late, is another object.
                made.retain(|key, _| !self.deleted.contains(key));
                if deleting.backoff.attempt() >= ATTEMPTS_MAX || !may_go_on && !deleting.is_done() {
                    // It was told; the next pass plans anew.
                    return Some(Told::Stale);
                }
                self.delete_or_index(cx, made)
            }
            // Refused, or lost: the next pass writes it.
            Doing::Index(_) if self.planned.is_some() => Some(self.tell(cx)),
            // In place of a damaged one: now it can be read what the place keeps.
            Doing::Index(_) => Some(Told::Stale),
        }
    }

    fn plan(
        &mut self,
        cx: &mut Context<'_>,
        known: &mut Knowledge,
        made: &mut BTreeMap<ObjectKey, IndexEntry>,
    ) -> Option<Told> {
        let policy = cx.config.upkeep.policy.expect("retention has a policy");
        let policy = self.index.manifest().map_or(policy, |manifest| policy.with_promised_l0(manifest));
        let mut arrivals = Arrivals::of(&self.listing);
        if mutated(Mutant::ArrivalsIgnored) {
            self.listing.objects().iter().for_each(|o| arrivals.learn(o.key, Timestamp::from_millis(0)));
        }
        match plan(&self.listing, known, &arrivals, &policy, self.time) {
            Step::Need(needs) => {
                self.step = Doing::Reading(Reads::start(cx, needs));
                None
            }
            Step::Done(planned) => {
                self.planned = Some(Box::new(planned));
                if self.mode == (Mode::Solo { dry_run: true }) && !mutated(Mutant::DryRunDeletes) {
                    return Some(self.tell(cx));
                }
                self.prove_or_delete(cx, known, made)
            }
        }
    }

    /// Reads back what makes up for what goes, where nobody is known to have done that; then deletes.
    fn prove_or_delete(
        &mut self,
        cx: &mut Context<'_>,
        known: &Knowledge,
        made: &mut BTreeMap<ObjectKey, IndexEntry>,
    ) -> Option<Told> {
        let planned = self.planned.as_ref().expect("planned before");
        let within = planned.deletes().filter_map(|decision| match decision.action {
            Action::Delete(Delete::Contained { within }) => Some(within),
            Action::Delete(_) | Action::Keep(_) => None,
        });
        let is_proven = |key: &ObjectKey| {
            let size = self.listing.get(*key).map(|info| info.size_bytes);
            let indexed = || self.index.manifest()?.entry(*key).filter(|_| !self.doubted.contains(key));
            let entry = made.get(key).or_else(indexed);
            entry.is_some_and(|entry| entry.sha256.is_some() && Some(entry.size_bytes) == size)
        };
        // And what the points before it lose with it must have a base that is whole.
        let lowest = planned.deletes().map(|decision| decision.info.key.max()).min();
        let is_base = |key: ObjectKey| {
            // Around one that is damaged nothing goes.
            if known.damage(key).is_some() {
                return false;
            }
            let begins = known.header(key).is_some_and(|facts| facts.before.is_none());
            key.level() == Level::SNAPSHOT || key.level() == Level::L0 && begins
        };
        let stays = planned.decisions.iter().filter(|decision| !decision.is_delete() && !decision.is_late);
        let bases = stays
            .map(|decision| decision.info.key)
            .filter(|key| lowest.is_some_and(|lowest| (*key).max() >= lowest) && is_base(*key));
        let needed = within.chain(bases.filter(|_| !mutated(Mutant::BasesUnproven)));
        let unproven = needed.filter(|key| !is_proven(key) && !mutated(Mutant::ContainersUnproven)).min();
        if let Some(object) = unproven {
            let key = cx.config.place.object_key(cx.config.layout, object);
            let retrying = Retrying::start(cx, StoreRequest::Hash { key });
            self.step = Doing::Proving { retrying, object, before: None };
            return None;
        }
        if is_old(self.began, cx) && planned.deletes().next().is_some() {
            // What was read back counts for the next pass.
            return Some(Told::Stale);
        }
        let stages = planned.stages();
        let stages: VecDeque<Vec<ObjectKey>> =
            stages.into_iter().map(|stage| stage.into_iter().map(|info| info.key).collect()).collect();
        let mut deleting = Deleting { stages, sent: None, at: cx.now.mono, backoff: Backoff::default() };
        deleting.send_if_due(cx);
        self.step = Doing::Deleting(deleting);
        self.delete_or_index(cx, made)
    }

    /// An object is whole: that is remembered in the index.
    fn prove(
        &mut self,
        known: &Knowledge,
        made: &mut BTreeMap<ObjectKey, IndexEntry>,
        object: ObjectKey,
        sha256: Sha256,
    ) {
        let (Some(info), Some(facts)) = (self.listing.get(object), known.header(object)) else { return };
        let Facts { timestamp, .. } = facts;
        let entry =
            IndexEntry { key: object, time: *timestamp, size_bytes: info.size_bytes, sha256: Some(sha256) };
        made.insert(object, entry);
    }

    fn delete_or_index(
        &mut self,
        cx: &mut Context<'_>,
        made: &BTreeMap<ObjectKey, IndexEntry>,
    ) -> Option<Told> {
        let Doing::Deleting(deleting) = &self.step else { unreachable!("deletes come first") };
        if !deleting.is_done() && self.refused == 0 {
            return None;
        }
        let deleted = &self.deleted;
        let left = self.listing.without(|key| deleted.contains(&key));
        let policy = cx.config.upkeep.policy.filter(|_| self.mode == Mode::Follower);
        match self.index.write(cx, &left, made, &self.doubted, policy) {
            Some(sent) => {
                self.step = Doing::Index(sent);
                None
            }
            None => Some(self.tell(cx)),
        }
    }

    fn tell(&self, cx: &mut Context<'_>) -> Told {
        let planned = self.planned.as_ref().expect("planned before");
        let troubles = planned.troubles.clone();
        let objects = self.deleted.len();
        if objects == 0 && self.refused == 0 {
            return Told::Done { troubles };
        }
        let gone = planned.deletes().filter(|decision| self.deleted.contains(&decision.info.key));
        let bytes = gone.map(|decision| decision.info.size_bytes).sum();
        let points = if self.refused == 0 { planned.points_removed.len() } else { 0 };
        cx.notice(Notice::Retained { objects, bytes, points, refused: self.refused });
        Told::Done { troubles }
    }
}

impl Deleting {
    fn is_done(&self) -> bool {
        self.sent.is_none() && self.stages.iter().all(Vec::is_empty)
    }

    fn send_if_due(&mut self, cx: &mut Context<'_>) {
        while self.stages.front().is_some_and(Vec::is_empty) {
            self.stages.pop_front();
        }
        if self.sent.is_some() || self.at > cx.now.mono {
            return;
        }
        let Some(stage) = self.stages.front() else { return };
        let objects: Vec<ObjectKey> = stage.iter().take(KEYS_PER_DELETE).copied().collect();
        let keys = objects.iter().map(|key| cx.config.place.object_key(cx.config.layout, *key)).collect();
        let request = StoreRequest::Delete { keys };
        match cx.request_paused_until(&request) {
            Some(until) => self.at = until,
            None => self.sent = Some((cx.store(request), objects)),
        }
    }

    fn answered(
        &mut self,
        cx: &mut Context<'_>,
        result: Result<StoreAnswer, StoreError>,
        deleted: &mut BTreeSet<ObjectKey>,
        refused: &mut usize,
        may_go_on: bool,
    ) {
        let (_, objects) = self.sent.take().expect("an awaited answer");
        let results = match result {
            Ok(StoreAnswer::DeletedMany(results)) => results,
            Ok(other) => unreachable!("asked to delete, answered {other:?}"),
            Err(error) => objects.iter().map(|_| Err(error.clone())).collect(),
        };
        let mut failed: Option<(ObjectKey, StoreError)> = None;
        for (object, result) in objects.into_iter().zip(results) {
            match result {
                Ok(()) | Err(StoreError::Missing) => {
                    deleted.insert(object);
                    self.stages.front_mut().expect("it was sent from there").retain(|key| *key != object);
                }
                Err(error @ StoreError::Fatal { kind: Fatal::Denied, .. }) => {
                    *refused += 1;
                    failed = Some((object, error));
                }
                Err(error) => failed = failed.or(Some((object, error))),
            }
        }
        if let Some((object, error)) = failed {
            self.at = self.backoff.failed(cx.now.mono, cx.config.node, &error);
            let key = cx.config.place.object_key(cx.config.layout, object);
            cx.notice(Notice::Store { error, key, attempt: self.backoff.attempt() });
        }
        if *refused == 0 && may_go_on {
            self.send_if_due(cx);
        }
    }
}

/// By either clock: one of them stands still while a machine sleeps.
fn is_old(began: Now, cx: &Context<'_>) -> bool {
    let [least, most] = LISTING_COUNTS;
    let counts = (cx.config.l0_retention / 2).clamp(least, most);
    let by_wall = Duration::from_millis(cx.now.wall.as_millis().abs_diff(began.wall.as_millis()));
    cx.now.mono.since(began.mono) >= counts || by_wall >= counts
}
