//! Upkeep of a place by itself, once: what `compact` and `cleanup` do, beside a daemon or without one.
//!
//! It lists, and does what is planned from that. It has no head and needs none: what is in the store was acknowledged, and two
//! planners cannot justify deletes by each other (docs/retention.md).

use super::compacting::{self, Compacting};
use super::outcome::Outcome;
use super::reads::{Reading, Reads};
use super::retaining::{self, Mode, Retaining};
use super::versions::Versions;
use crate::compact::{Compaction, End, plan};
use crate::key::{ListingBuilder, ObjectInfo, ObjectKey, PlaceListing};
use crate::manifest::IndexEntry;
use crate::replicate::command::{Command, RequestId, SourceId, StoreRequest};
use crate::replicate::config::DatabaseConfig;
use crate::replicate::context::{Context, Outbox};
use crate::replicate::event::StoreAnswer;
use crate::replicate::notice::Notice;
use crate::replicate::retrying::{Retrying, Settled};
use crate::restore::{Facts, Knowledge, Step};
use crate::store::{ETag, StoreError};
use crate::types::{Instant, Level, Now, Timestamp, Txid};
use std::collections::{BTreeMap, BTreeSet};

/// What is to be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Task {
    /// Make the levels up to this one, whether they are due or not.
    Compact {
        /// The highest level.
        up_to: Level,
    },
    /// Delete what the policy does not keep.
    Retain,
}

/// One run over one place.
#[derive(Debug)]
pub struct Solo {
    config: DatabaseConfig,
    task: Task,
    /// Say what would be done, and do nothing.
    dry_run: bool,
    out: Outbox,
    doing: Doing,
    known: Knowledge,
    versions: Versions,
    made: BTreeMap<ObjectKey, IndexEntry>,
    outcome: Outcome,
    /// How often the place changed under it.
    stale: u32,
}

#[derive(Debug)]
#[expect(clippy::large_enum_variant, reason = "there is one of it")]
enum Doing {
    Listing(Retrying, Box<ListingBuilder>, Option<Timestamp>),
    Compacting(Box<Compacting>),
    /// A dry run reads what it must know.
    Reading(Reads, Box<PlaceListing>, Level),
    Retaining(Box<Retaining>),
    Done,
}

/// What a run wants.
#[derive(Debug)]
pub enum SoloOutput {
    /// A request to the store.
    Request(RequestId, StoreRequest),
    /// Something worth telling.
    Notice(Notice),
    /// Come back at this instant at the latest, or with an answer.
    Wait(Option<Instant>),
    /// It is over.
    Done(Box<Outcome>),
}

/// So often a place may change under a run.
const STALE_MAX: u32 = 5;

impl Solo {
    /// Begins. Of the configuration what the place, the format of its store and its upkeep say counts; a policy is needed to
    /// [`Task::Retain`].
    ///
    /// # Panics
    /// Without one.
    pub fn start(now: Now, config: DatabaseConfig, task: Task, dry_run: bool) -> Solo {
        assert!(task != Task::Retain || config.upkeep.policy.is_some(), "retention has a policy");
        let mut out = Outbox::default();
        let doing = list(&mut Context { now, db: SOLO, config: &config, out: &mut out });
        Solo {
            config,
            task,
            dry_run,
            out,
            doing,
            known: Knowledge::default(),
            versions: Versions::default(),
            made: BTreeMap::new(),
            outcome: Outcome::default(),
            stale: 0,
        }
    }

    /// Takes an answer.
    pub fn answered(&mut self, now: Now, id: RequestId, result: Result<StoreAnswer, StoreError>) {
        let config = self.config.clone();
        self.out.settle_store(id, now, &result);
        let mut out = std::mem::take(&mut self.out);
        let mut cx = Context { now, db: SOLO, config: &config, out: &mut out };
        if self.awaits(id) {
            self.store(&mut cx, id, result);
        } else if matches!(result, Ok(StoreAnswer::Merged(_))) {
            // Of a pass that was given up.
            cx.store(StoreRequest::Discard { staged: id });
        }
        self.out = out;
    }

    /// Whether the step that it is at asked for it: what an earlier one had asked for side by side may still come.
    fn awaits(&self, id: RequestId) -> bool {
        match &self.doing {
            Doing::Listing(retrying, ..) => retrying.awaits(id),
            Doing::Compacting(pass) => pass.awaits(id),
            Doing::Reading(reads, ..) => reads.awaits(id),
            Doing::Retaining(pass) => pass.awaits(id),
            Doing::Done => false,
        }
    }

    /// The instant that it waited for has come.
    pub fn time_passed(&mut self, now: Now) {
        let config = self.config.clone();
        let mut out = std::mem::take(&mut self.out);
        let mut cx = Context { now, db: SOLO, config: &config, out: &mut out };
        match &mut self.doing {
            Doing::Listing(retrying, ..) => retrying.tick(&mut cx),
            Doing::Compacting(pass) => pass.tick(&mut cx),
            Doing::Reading(reads, ..) => reads.tick(&mut cx),
            Doing::Retaining(pass) => pass.tick(&mut cx),
            Doing::Done => {}
        }
        self.out = out;
    }

    /// What to do next.
    pub fn poll(&mut self) -> SoloOutput {
        match self.out.pop() {
            Some(Command::Store(id, _, request)) => SoloOutput::Request(id, request),
            Some(Command::Notice(_, notice)) => SoloOutput::Notice(notice),
            Some(Command::Source(..) | Command::State(..)) => unreachable!("there is neither"),
            None => match &self.doing {
                Doing::Listing(retrying, ..) => SoloOutput::Wait(retrying.deadline()),
                Doing::Compacting(pass) => SoloOutput::Wait(pass.deadline()),
                Doing::Reading(reads, ..) => SoloOutput::Wait(reads.deadline()),
                Doing::Retaining(pass) => SoloOutput::Wait(pass.deadline()),
                Doing::Done => SoloOutput::Done(Box::new(self.outcome.clone())),
            },
        }
    }

    fn store(&mut self, cx: &mut Context<'_>, id: RequestId, result: Result<StoreAnswer, StoreError>) {
        match &mut self.doing {
            Doing::Listing(retrying, builder, time) => {
                let next = match retrying.answer(cx, result) {
                    Settled::NotYet => return,
                    Settled::Missing => None,
                    Settled::Answer(StoreAnswer::Listed { objects, next, time: told }) => {
                        *time = time.or(told);
                        builder.page(&objects);
                        next
                    }
                    Settled::Damaged | Settled::Answer(_) => unreachable!("asked to list"),
                };
                if next.is_some() {
                    let prefix = cx.config.place.prefix();
                    *retrying = Retrying::start(cx, StoreRequest::List { prefix, after: next });
                    return;
                }
                let (listing, time) = (builder.clone().finish(cx.config.modified_is), *time);
                self.listed(cx, listing, time);
            }
            Doing::Compacting(pass) => {
                let told = pass.store(cx, id, result, &mut self.known);
                self.compacting(cx, told);
            }
            Doing::Reading(reads, ..) => match reads.store(cx, id, result, &mut self.known) {
                Reading::NotYet => {}
                Reading::Unproven | Reading::Gone => self.again(cx),
                Reading::Done => {
                    let doing = std::mem::replace(&mut self.doing, Doing::Done);
                    let Doing::Reading(_, listing, level) = doing else { unreachable!("just seen") };
                    self.plan_only(cx, *listing, level);
                }
            },
            Doing::Retaining(pass) => match pass.store(cx, id, result, &mut self.known, &mut self.made) {
                None => {}
                Some(told) => {
                    let doing = std::mem::replace(&mut self.doing, Doing::Done);
                    let Doing::Retaining(pass) = doing else { unreachable!("just seen") };
                    let done = pass.into_done();
                    self.outcome.went(done.planned, done.deleted);
                    match told {
                        retaining::Told::Stale => {
                            // A plan that was given up before anything went says nothing.
                            let went = !self.outcome.deleted.is_empty();
                            self.outcome.retention.take_if(|_| !went);
                            self.again(cx);
                        }
                        retaining::Told::Done { .. } => {
                            self.outcome.refused += done.refused;
                            self.outcome.manifest = done.manifest;
                        }
                    }
                }
            },
            Doing::Done => unreachable!("nothing was asked"),
        }
    }

    fn listed(&mut self, cx: &mut Context<'_>, listing: PlaceListing, time: Option<Timestamp>) {
        self.versions.listed(&listing, &mut self.known, &mut self.made);
        let Some(confirmed) = listing.head() else {
            self.outcome.is_empty = true;
            self.doing = Doing::Done;
            return;
        };
        // Without conditions two may be writing the newest slot just now.
        let confirmed = match Txid::new(confirmed.into_inner().saturating_sub(1)) {
            Ok(before) if !cx.config.conditional_writes => before,
            _ => confirmed,
        };
        match self.task {
            Task::Compact { .. } => match self.next_level(None) {
                Some(level) if self.dry_run => self.plan_only(cx, listing, level),
                Some(level) => self.compact(cx, listing, confirmed, level),
                None => self.doing = Doing::Done,
            },
            Task::Retain => {
                let newest = listing.objects().iter().map(|object| object.arrived).max();
                let time = time.or(newest).expect("there is an object");
                self.doing = Doing::Retaining(Box::new(Retaining::start(
                    cx,
                    listing,
                    time,
                    BTreeSet::new(),
                    Mode::Solo { dry_run: self.dry_run },
                )));
            }
        }
    }

    fn compact(&mut self, cx: &mut Context<'_>, listing: PlaceListing, confirmed: Txid, level: Level) {
        match Compacting::start(cx, listing, confirmed, (level, None), &mut self.known) {
            Ok(pass) => self.doing = Doing::Compacting(Box::new(pass)),
            Err(ended) => {
                let (listing, told) = *ended;
                let compacting::Told::Level { level, stop } = told else { unreachable!("nothing was asked") };
                self.outcome.stops.extend(stop.map(|stop| (level, stop)));
                match self.next_level(Some(level)) {
                    Some(next) => self.compact(cx, listing, confirmed, next),
                    None => self.doing = Doing::Done,
                }
            }
        }
    }

    fn compacting(&mut self, cx: &mut Context<'_>, mut told: Option<compacting::Told>) {
        while let Some(event) = told.take() {
            let Doing::Compacting(pass) = &mut self.doing else { unreachable!("a pass told it") };
            match event {
                compacting::Told::Made { entry, .. } => {
                    self.outcome.compacted.extend(pass.made().cloned());
                    self.made.insert(entry.key, *entry);
                    told = pass.go_on(cx, &mut self.known);
                }
                compacting::Told::Level { level, stop } => {
                    self.outcome.stops.extend(stop.map(|stop| (level, stop)));
                    let (listing, confirmed) = (std::mem::take(&mut pass.listing), pass.confirmed());
                    match self.next_level(Some(level)) {
                        Some(next) => self.compact(cx, listing, confirmed, next),
                        None => self.doing = Doing::Done,
                    }
                }
                compacting::Told::Stale => self.again(cx),
            }
        }
    }

    /// Plans one level after the other as if what was planned had been made.
    fn plan_only(&mut self, cx: &mut Context<'_>, mut listing: PlaceListing, mut level: Level) {
        loop {
            let head = listing.head().expect("it has objects");
            let confirmed = match Txid::new(head.into_inner().saturating_sub(1)) {
                Ok(before) if !cx.config.conditional_writes => before,
                _ => head,
            };
            let upkeep = &cx.config.upkeep;
            match plan(&listing, &self.known, &upkeep.levels, level, confirmed, upkeep.limits) {
                Step::Need(needs) => {
                    let reads = Reads::start(cx, needs);
                    self.doing = Doing::Reading(reads, Box::new(listing), level);
                    return;
                }
                Step::Done(plan) => {
                    for compaction in &plan.compactions {
                        listing = listing.with(self.as_if_made(compaction));
                    }
                    self.outcome.compacted.extend(plan.compactions);
                    match plan.end {
                        End::More => continue,
                        End::Stopped(stop) => self.outcome.stops.push((level, stop)),
                        End::Reached => {}
                    }
                }
            }
            match self.next_level(Some(level)) {
                Some(next) => level = next,
                None => break,
            }
        }
        self.doing = Doing::Done;
    }

    /// What is known of an object that was not made.
    fn as_if_made(&mut self, compaction: &Compaction) -> ObjectInfo {
        let (first, last) = (&compaction.inputs[0], &compaction.inputs[compaction.inputs.len() - 1]);
        if let (Some(before), Some(facts)) =
            (self.known.header(first.key).map(|facts| facts.before), self.known.header(last.key).copied())
        {
            self.known.learn_header(compaction.output, Facts { before, claim: false, ..facts });
        }
        let size_bytes = compaction.inputs.iter().map(|input| input.size_bytes).sum();
        ObjectInfo { key: compaction.output, size_bytes, etag: ETag::new(""), ..last.clone() }
    }

    fn next_level(&self, after: Option<Level>) -> Option<Level> {
        let Task::Compact { up_to } = self.task else { return None };
        let mut levels = self.config.upkeep.levels.iter().map(|(level, _)| level);
        levels.find(|level| Some(*level) > after && *level <= up_to)
    }

    /// The place changed under it.
    fn again(&mut self, cx: &mut Context<'_>) {
        self.stale += 1;
        if self.stale > STALE_MAX {
            self.outcome.gave_up = true;
            self.doing = Doing::Done;
            return;
        }
        self.doing = list(cx);
    }
}

fn list(cx: &mut Context<'_>) -> Doing {
    let request = StoreRequest::List { prefix: cx.config.place.prefix(), after: None };
    let builder = ListingBuilder::new(cx.config.place.clone(), cx.config.layout);
    Doing::Listing(Retrying::start(cx, request), Box::new(builder), None)
}

/// The one place there is.
const SOLO: SourceId = SourceId(0);
