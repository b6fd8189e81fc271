//! The upkeep of one place, over the lives of following.

use super::compacting::{self, Compacting};
use super::retaining::{self, Mode, Retaining};
use super::schedule::Schedule;
use super::versions::Versions;
use crate::compact::Stop;
use crate::key::{ModifiedIs, ObjectKey, PlaceListing};
use crate::manifest::IndexEntry;
use crate::replicate::command::{RequestId, StoreRequest};
use crate::replicate::config::DatabaseConfig;
use crate::replicate::context::Context;
use crate::replicate::event::StoreAnswer;
use crate::replicate::notice::Notice;
use crate::restore::{Facts, Knowledge};
use crate::retention::Trouble;
use crate::store::{ETag, StoreError};
use crate::types::{Instant, Level, Now, Timestamp, Txid};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// A place as it was listed, while no slot was on its way.
#[derive(Debug)]
pub(in crate::replicate) struct Listed {
    pub(in crate::replicate) listing: PlaceListing,
    /// The store's time, where it told it, and when.
    pub(in crate::replicate) time: Option<(Timestamp, Instant)>,
}

/// The sub-machine.
#[derive(Debug, Default)]
pub(in crate::replicate) struct Upkeep {
    schedule: Schedule,
    /// Of objects of these versions.
    known: Knowledge,
    versions: Versions,
    /// When what is known of damaged objects is looked at again.
    damage_until: Option<Instant>,
    /// Objects that were damaged.
    doubted: BTreeSet<ObjectKey>,
    /// Where the store's clock is this machine's: what it showed at the first listing, and when.
    began: Option<(Timestamp, Instant)>,
    /// Since when it shows more than has passed.
    ahead_since: Option<Instant>,
    /// What this life made, or read whole.
    made: BTreeMap<ObjectKey, IndexEntry>,
    pass: Option<Pass>,
    /// What was told that keeps a level, or retention, from going on: said again when it is something else.
    stops: BTreeMap<Level, Stop>,
    troubles: Vec<Trouble>,
    /// Requests of passes that were given up: what they stage is given up, too.
    orphans: BTreeSet<RequestId>,
}

/// What was found damaged counts as that for so long: reading it again costs what it holds.
const DAMAGE_COUNTS: Duration = Duration::from_secs(3600);

type Due = ([Option<Duration>; Level::MERGED_MAX], Option<Duration>);

/// So much more than has passed, and than a part of that, is no inaccuracy.
const JUMP: Duration = Duration::from_secs(600);
const DRIFT: u32 = 64;
/// What a local clock says beyond the time that passed is believed after that.
const JUMP_COUNTS: Duration = Duration::from_secs(24 * 3600);

#[derive(Debug)]
enum Pass {
    Compacting(Box<Compacting>),
    Retaining(Box<Retaining>, Instant),
}

impl Upkeep {
    /// The place is followed from now on; `listing` is what its start saw, without what was sent since.
    pub(in crate::replicate) fn follows(&mut self, cx: &Context<'_>, listing: &PlaceListing) {
        if !cx.config.upkeep.is_none() {
            self.schedule.listed(cx.now, &cx.config.upkeep.levels, listing);
        }
    }

    /// A slot was confirmed, or a full image.
    pub(in crate::replicate) fn confirmed(
        &mut self,
        cx: &Context<'_>,
        object: ObjectKey,
        timestamp: Timestamp,
        known: Option<(Facts, ETag)>,
    ) {
        if cx.config.upkeep.is_none() {
            return;
        }
        self.schedule.came(cx.now, &cx.config.upkeep.levels, object, timestamp);
        if let Some((facts, etag)) = known {
            self.known.learn_header(object, facts);
            self.versions.insert(object, etag);
        }
    }

    /// When the place must be listed for it.
    pub(in crate::replicate) fn lists_at(&self, cx: &Context<'_>) -> Option<Instant> {
        let idle = self.pass.is_none() && !cx.config.upkeep.is_none();
        idle.then(|| self.schedule.at(cx.now, cx.config)).flatten()
    }

    /// In how long each level is due, from level 1 up, and retention.
    pub(in crate::replicate) fn due(&self, now: Now, config: &DatabaseConfig) -> Due {
        let until = |at: Instant| at.since(now.mono);
        let mut levels = [None; Level::MERGED_MAX];
        for (level, _) in config.upkeep.levels.iter() {
            levels[usize::from(level.get()) - 1] = self.schedule.level_at(now, config, level).map(until);
        }
        (levels, self.schedule.retention_at(config).map(until))
    }

    /// The place was listed, and the head is ours.
    pub(in crate::replicate) fn listed(&mut self, cx: &mut Context<'_>, listed: Listed, head: Txid) {
        if self.pass.is_some() || cx.config.upkeep.is_none() {
            return;
        }
        let Listed { listing, time } = listed;
        self.forget_changed(cx.now, &listing);
        // A store that does not tell its time is at least as old as what it holds.
        let newest = || listing.objects().iter().map(|object| object.arrived).max();
        let time = time.map(|(time, at)| self.time(cx, time, at)).or_else(newest);
        if self.schedule.retention_at(cx.config).is_some_and(|at| at <= cx.now.mono) {
            if let Some(time) = time {
                let pass = Retaining::start(cx, listing, time, self.doubted.clone(), Mode::Follower);
                self.pass = Some(Pass::Retaining(Box::new(pass), cx.now.mono));
            }
            return;
        }
        if let Some(level) = self.schedule.due_level(cx.now, cx.config, None) {
            self.compact(cx, listing, head, level);
        }
    }

    pub(in crate::replicate) fn awaits(&self, id: RequestId) -> bool {
        let of_pass = match &self.pass {
            Some(Pass::Compacting(pass)) => pass.awaits(id),
            Some(Pass::Retaining(pass, _)) => pass.awaits(id),
            None => false,
        };
        of_pass || self.orphans.contains(&id)
    }

    pub(in crate::replicate) fn store(
        &mut self,
        cx: &mut Context<'_>,
        id: RequestId,
        result: Result<StoreAnswer, StoreError>,
    ) {
        if self.orphans.remove(&id) {
            if matches!(result, Ok(StoreAnswer::Merged(_))) {
                cx.store(StoreRequest::Discard { staged: id });
            }
            return;
        }
        match &mut self.pass {
            Some(Pass::Compacting(pass)) => {
                let told = pass.store(cx, id, result, &mut self.known);
                self.go_on(cx, told);
            }
            Some(Pass::Retaining(pass, began)) => {
                let (told, began) = (pass.store(cx, id, result, &mut self.known, &mut self.made), *began);
                match told {
                    None => {}
                    Some(retaining::Told::Done { troubles }) => {
                        self.pass = None;
                        for trouble in troubles.iter().filter(|trouble| !self.troubles.contains(trouble)) {
                            cx.notice(Notice::RetentionStopped { trouble: trouble.clone() });
                        }
                        self.troubles = troubles;
                        match self.ahead_since {
                            // What came after the jump is of a time that is still to come.
                            Some(since) => self.schedule.hold_retention(since.after(JUMP_COUNTS)),
                            None => self.schedule.retained(began, cx.config),
                        }
                    }
                    Some(retaining::Told::Stale) => {
                        self.pass = None;
                        self.schedule.postpone_retention(cx.now.mono);
                    }
                }
            }
            None => unreachable!("nothing was asked"),
        }
    }

    pub(in crate::replicate) fn tick(&mut self, cx: &mut Context<'_>) {
        match &mut self.pass {
            Some(Pass::Compacting(pass)) => pass.tick(cx),
            Some(Pass::Retaining(pass, _)) => pass.tick(cx),
            None => {}
        }
    }

    pub(in crate::replicate) fn deadline(&self) -> Option<Instant> {
        match self.pass.as_ref()? {
            Pass::Compacting(pass) => pass.deadline(),
            Pass::Retaining(pass, _) => pass.deadline(),
        }
    }

    /// Following ended: who owns the place is open.
    pub(in crate::replicate) fn give_up(&mut self, cx: &mut Context<'_>) {
        let Some(pass) = self.pass.take() else { return };
        if let Pass::Compacting(pass) = pass {
            if let Some(staged) = pass.staged() {
                cx.store(StoreRequest::Discard { staged });
            }
            self.orphans.extend(pass.stages());
        }
    }

    fn compact(&mut self, cx: &mut Context<'_>, listing: PlaceListing, confirmed: Txid, level: Level) {
        let told = self.stops.get(&level).cloned();
        match Compacting::start(cx, listing, confirmed, (level, told), &mut self.known) {
            Ok(pass) => self.pass = Some(Pass::Compacting(Box::new(pass))),
            Err(ended) => {
                let (listing, told) = *ended;
                let compacting::Told::Level { level, stop } = told else {
                    unreachable!("nothing was asked yet")
                };
                self.level_made(cx, level, confirmed, stop);
                if let Some(next) = self.schedule.due_level(cx.now, cx.config, Some(level)) {
                    self.compact(cx, listing, confirmed, next);
                }
            }
        }
    }

    fn go_on(&mut self, cx: &mut Context<'_>, mut told: Option<compacting::Told>) {
        while let Some(event) = told.take() {
            let Some(Pass::Compacting(pass)) = &mut self.pass else { unreachable!("a pass told it") };
            match event {
                compacting::Told::Made { info, header, entry } => {
                    let levels = &cx.config.upkeep.levels;
                    self.schedule.came(cx.now, levels, info.key, header.timestamp());
                    self.schedule.progressed();
                    self.versions.insert(info.key, info.etag);
                    self.made.insert(entry.key, *entry);
                    told = pass.go_on(cx, &mut self.known);
                }
                compacting::Told::Level { level, stop } => {
                    let (listing, confirmed) = (std::mem::take(&mut pass.listing), pass.confirmed());
                    self.pass = None;
                    self.level_made(cx, level, confirmed, stop);
                    if let Some(next) = self.schedule.due_level(cx.now, cx.config, Some(level)) {
                        self.compact(cx, listing, confirmed, next);
                    }
                }
                compacting::Told::Stale => {
                    self.pass = None;
                    self.schedule.postpone_levels(cx.now.mono);
                }
            }
        }
    }

    /// The time that ages are measured by. A store on this machine has its clock, and so has everything that is written
    /// there: where that jumps forward, everything would be old at once. So no more time passes than by the clock that never
    /// jumps, until the other has been ahead for a day: then somebody has seen it, or the machine had slept.
    fn time(&mut self, cx: &Context<'_>, told: Timestamp, now: Instant) -> Timestamp {
        if cx.config.modified_is == ModifiedIs::StoreTime {
            return told;
        }
        let (time, at) = *self.began.get_or_insert((told, now));
        let passed = i64::try_from(now.since(at).as_millis()).unwrap_or(i64::MAX);
        let by_mono = Timestamp::from_millis(time.as_millis().saturating_add(passed));
        let ahead = told.as_millis().saturating_sub(by_mono.as_millis());
        let inaccuracy = JUMP + now.since(at) / DRIFT;
        let is_jump = u64::try_from(ahead).is_ok_and(|ahead| Duration::from_millis(ahead) > inaccuracy);
        if is_jump && now.since(*self.ahead_since.get_or_insert(now)) < JUMP_COUNTS {
            return by_mono;
        }
        if ahead > 0 {
            self.began = Some((told, now));
        }
        self.ahead_since = None;
        told
    }

    fn level_made(&mut self, cx: &mut Context<'_>, level: Level, confirmed: Txid, stop: Option<Stop>) {
        self.schedule.made(level, confirmed);
        let Some(stop) = stop else {
            self.stops.remove(&level);
            return;
        };
        if self.stops.get(&level) != Some(&stop) {
            cx.notice(Notice::CompactionStopped { level, stop: stop.clone() });
            self.stops.insert(level, stop);
        }
    }

    fn forget_changed(&mut self, now: Now, listing: &PlaceListing) {
        self.damage_until.get_or_insert(now.mono.after(DAMAGE_COUNTS));
        if self.damage_until.is_some_and(|until| until <= now.mono) {
            // It may have come wrong, again and again. Whatever the index says of it, it is read whole before anything goes
            // for its sake.
            for damaged in self.known.damaged() {
                self.made.remove(&damaged);
                self.doubted.insert(damaged);
            }
            self.known.forget_damage();
            self.damage_until = None;
        }
        self.versions.listed(listing, &mut self.known, &mut self.made);
    }
}
