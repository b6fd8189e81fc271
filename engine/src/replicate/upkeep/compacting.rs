//! A pass of compaction: one level after the other, from the lowest up.

use super::merging::{Merging, MergingEnd};
use super::reads::{Reading, Reads};
use crate::compact::{Compaction, End, Stop, plan};
use crate::key::{ObjectInfo, ObjectKey, PlaceListing};
use crate::ltx::Header;
use crate::manifest::IndexEntry;
use crate::replicate::command::RequestId;
use crate::replicate::context::Context;
use crate::replicate::event::StoreAnswer;
use crate::replicate::notice::Notice;
use crate::restore::{Facts, Knowledge, Step};
use crate::store::StoreError;
use crate::types::{Instant, Level, Txid};
use std::collections::{BTreeSet, VecDeque};

/// A pass under way.
#[derive(Debug)]
pub(super) struct Compacting {
    /// The place as it was listed, and what was made since.
    pub(super) listing: PlaceListing,
    /// The newest slot that counts.
    confirmed: Txid,
    level: Level,
    queue: VecDeque<Compaction>,
    /// The plan had more than it may do at once.
    more: bool,
    /// What keeps the level from being made any further.
    stop: Option<Stop>,
    /// What was told to keep it before this pass: that is not looked into again.
    told: Option<Stop>,
    /// Objects that were read whole because another one contradicts them.
    read_whole: BTreeSet<ObjectKey>,
    step: Doing,
}

#[derive(Debug)]
enum Doing {
    Reading(Reads),
    Merging(Box<Merging>),
}

/// What a pass tells.
#[derive(Debug)]
pub(super) enum Told {
    /// An object was made.
    Made { info: ObjectInfo, header: Box<Header>, entry: Box<IndexEntry> },
    /// The level is up to date, as far as it can be.
    Level { level: Level, stop: Option<Stop> },
    /// The listing is out of date.
    Stale,
}

impl Compacting {
    /// Begins with a level; what it tells at once comes back.
    pub(super) fn start(
        cx: &mut Context<'_>,
        listing: PlaceListing,
        confirmed: Txid,
        (level, told): (Level, Option<Stop>),
        known: &mut Knowledge,
    ) -> Result<Compacting, Box<(PlaceListing, Told)>> {
        let mut read_whole = BTreeSet::new();
        let planned =
            Compacting::plan(cx, &listing, confirmed, (level, told.as_ref()), known, &mut read_whole);
        let (queue, end, step) = match planned {
            Planned::Read(reads) => (VecDeque::new(), End::Reached, Doing::Reading(reads)),
            Planned::Queue(mut queue, end) => match queue.pop_front() {
                Some(first) => (queue, end, Doing::Merging(Box::new(Merging::start(cx, first)))),
                None => return Err(Box::new((listing, Told::Level { level, stop: stop_of(end) }))),
            },
        };
        let more = end == End::More;
        Ok(Compacting { listing, confirmed, level, queue, more, stop: stop_of(end), told, read_whole, step })
    }

    /// What was made last.
    pub(super) fn made(&self) -> Option<&Compaction> {
        match &self.step {
            Doing::Reading(_) => None,
            Doing::Merging(merging) => Some(&merging.compaction),
        }
    }

    pub(super) fn confirmed(&self) -> Txid {
        self.confirmed
    }

    pub(super) fn awaits(&self, id: RequestId) -> bool {
        match &self.step {
            Doing::Reading(reads) => reads.awaits(id),
            Doing::Merging(merging) => merging.awaits(id),
        }
    }

    pub(super) fn tick(&mut self, cx: &mut Context<'_>) {
        match &mut self.step {
            Doing::Reading(reads) => reads.tick(cx),
            Doing::Merging(merging) => merging.tick(cx),
        }
    }

    pub(super) fn deadline(&self) -> Option<Instant> {
        match &self.step {
            Doing::Reading(reads) => reads.deadline(),
            Doing::Merging(merging) => merging.deadline(),
        }
    }

    /// The upload that somebody must end if this is given up now.
    pub(super) fn staged(&self) -> Option<RequestId> {
        match &self.step {
            Doing::Reading(_) => None,
            Doing::Merging(merging) => merging.staged(),
        }
    }

    /// A request whose answer may be an upload that is staged.
    pub(super) fn stages(&self) -> Option<RequestId> {
        match &self.step {
            Doing::Reading(_) => None,
            Doing::Merging(merging) => merging.stages(),
        }
    }

    pub(super) fn store(
        &mut self,
        cx: &mut Context<'_>,
        id: RequestId,
        result: Result<StoreAnswer, StoreError>,
        known: &mut Knowledge,
    ) -> Option<Told> {
        match &mut self.step {
            Doing::Reading(reads) => match reads.store(cx, id, result, known) {
                Reading::NotYet => None,
                Reading::Done | Reading::Unproven => self.plan_anew(cx, known),
                Reading::Gone => Some(Told::Stale),
            },
            Doing::Merging(merging) => {
                let end = merging.store(cx, id, result)?;
                let output = merging.compaction.output;
                match end {
                    MergingEnd::Made { info, header, entry } => {
                        known.learn_header(output, Facts::from(&*header));
                        self.listing = std::mem::take(&mut self.listing).with(info.clone());
                        let (inputs, bytes) = (merging.compaction.inputs.len(), info.size_bytes);
                        cx.notice(Notice::Compacted { object: output, inputs, bytes });
                        Some(Told::Made { info, header, entry })
                    }
                    MergingEnd::Damaged { object, why } => {
                        let key = cx.config.place.object_key(cx.config.layout, object);
                        cx.notice(Notice::ObjectDamaged { key, message: why.clone() });
                        known.learn_damage(object, why);
                        // Without it, or with what it was made of.
                        self.plan_anew(cx, known)
                    }
                    MergingEnd::Unlinked(error) => {
                        let message = error.to_string().into();
                        let key = cx.config.place.object_key(cx.config.layout, output);
                        cx.notice(Notice::ObjectDamaged { key, message });
                        Some(Told::Stale)
                    }
                    MergingEnd::Spoiled(why) => {
                        let key = cx.config.place.object_key(cx.config.layout, output);
                        cx.notice(Notice::ObjectDamaged { key, message: why.clone() });
                        known.learn_damage(output, why);
                        Some(Told::Stale)
                    }
                    MergingEnd::Stale => Some(Told::Stale),
                }
            }
        }
    }

    /// Goes on after an object was made; what comes of it at once.
    pub(super) fn go_on(&mut self, cx: &mut Context<'_>, known: &mut Knowledge) -> Option<Told> {
        match self.queue.pop_front() {
            Some(next) => {
                self.step = Doing::Merging(Box::new(Merging::start(cx, next)));
                None
            }
            // What comes before a contradiction is made; then it is looked into.
            None if self.more || self.accuses() => self.plan_anew(cx, known),
            None => Some(Told::Level { level: self.level, stop: self.stop.take() }),
        }
    }

    /// Whether objects contradict each other that nobody has read whole for that.
    fn accuses(&self) -> bool {
        let Some(stop @ Stop::Unlinked { left, right }) = &self.stop else { return false };
        self.told.as_ref() != Some(stop)
            && [left, right].iter().any(|object| !self.read_whole.contains(object))
    }

    fn plan_anew(&mut self, cx: &mut Context<'_>, known: &mut Knowledge) -> Option<Told> {
        let of = (self.level, self.told.as_ref());
        let planned = Compacting::plan(cx, &self.listing, self.confirmed, of, known, &mut self.read_whole);
        match planned {
            Planned::Read(reads) => self.step = Doing::Reading(reads),
            Planned::Queue(mut queue, end) => {
                let more = end == End::More;
                let stop = stop_of(end);
                let Some(first) = queue.pop_front() else {
                    return Some(Told::Level { level: self.level, stop });
                };
                (self.queue, self.more, self.stop) = (queue, more, stop);
                self.step = Doing::Merging(Box::new(Merging::start(cx, first)));
            }
        }
        None
    }

    /// Of two objects that contradict each other one may be damaged in its header, which nothing proves: both are read whole
    /// before that stops a level.
    fn plan(
        cx: &mut Context<'_>,
        listing: &PlaceListing,
        confirmed: Txid,
        (level, told): (Level, Option<&Stop>),
        known: &Knowledge,
        read_whole: &mut BTreeSet<ObjectKey>,
    ) -> Planned {
        let upkeep = &cx.config.upkeep;
        let plan = match plan(listing, known, &upkeep.levels, level, confirmed, upkeep.limits) {
            Step::Need(needs) => return Planned::Read(Reads::start(cx, needs)),
            Step::Done(plan) => plan,
        };
        if let End::Stopped(stop @ Stop::Unlinked { left, right }) = &plan.end
            && told != Some(stop)
            && plan.compactions.is_empty()
        {
            let accused: Vec<ObjectKey> =
                [*left, *right].into_iter().filter(|object| read_whole.insert(*object)).collect();
            if !accused.is_empty() {
                return Planned::Read(Reads::prove(cx, accused));
            }
        }
        Planned::Queue(plan.compactions.into(), plan.end)
    }
}

enum Planned {
    Read(Reads),
    Queue(VecDeque<Compaction>, End),
}

fn stop_of(end: End) -> Option<Stop> {
    match end {
        End::Stopped(stop) => Some(stop),
        End::Reached | End::More => None,
    }
}
