//! What the daemons say, and the oracles that look at it and at the store.

use super::*;
use crate::oracle::mirror::take_apart;
use crate::oracle::stop;
use engine::key::{Layout, ObjectKey};
use engine::replicate::{HealReason, Notice, Status};
use engine::retention::Trouble;
use engine::store::{ETag, Sha256};
use engine::types::{Level, Txid};
use io_sim::s3::{Change, ChangeKind};

impl World<'_> {
    pub(super) fn heard(&mut self, machine: usize, number: usize, notice: Notice) -> Checked {
        let seat = self.seat(machine, number);
        let place = seat.place;
        if let Notice::Store { .. } | Notice::Source { .. } | Notice::State { .. } | Notice::Corrupt { .. } =
            &notice
        {
            seat.troubles += 1;
        }
        match notice {
            Notice::Durable { txid, .. } => {
                seat.watch.durable(txid);
                seat.owned = true;
                self.coverage.reached(Reached::Durable);
                if machine == 1 {
                    self.coverage.reached(Reached::TakenOver);
                }
                self.places[place].durable(machine, txid)?;
            }
            Notice::Status(status) => {
                seat.following = status == Status::Following;
                seat.owned |= seat.following;
                let knows = status == Status::Fenced && seat.owned && seat.stop_asked.is_none();
                match status {
                    Status::Following => self.places[place].copies[machine].fenced = false,
                    Status::Fenced => {
                        let copy = &mut self.places[place].copies[machine];
                        (copy.fenced, copy.knows_loss) = (true, copy.knows_loss || knows);
                    }
                    Status::Missing => self.coverage.reached(Reached::Missing),
                    _ => {}
                }
            }
            Notice::Fenced(fenced) => {
                self.coverage.reached(Reached::Fenced);
                if fenced.copied_state {
                    self.coverage.reached(Reached::CopyFenced);
                }
            }
            Notice::Compacted { object, .. } => {
                let upper = object.level() > Level::new(1).expect("a level");
                self.coverage.reached(if upper { Reached::UpperLevelMade } else { Reached::LevelMade });
            }
            Notice::ObjectDamaged { .. } => self.places[place].custody.doubted = true,
            // Where somebody else let a base go while a level was made of what stands on it, the rest stays, and that is said.
            Notice::RetentionStopped { trouble: Trouble::Gap { .. } } => {
                self.places[place].custody.has_stopped = true;
            }
            Notice::CompactionStopped { .. } => self.coverage.reached(Reached::CompactionStopped),
            Notice::LogLetGo { .. } => self.coverage.reached(Reached::LogLetGo),
            Notice::Healed { reason, .. } => self.healed(reason),
            Notice::TooNew { .. } => {
                seat.troubles += 1;
                seat.watch.is_too_new();
                if !self.places[place].was_newer {
                    return Err(Violation::new(34, "a manifest that nobody wrote is said to be newer"));
                }
                self.coverage.reached(Reached::TooNew);
            }
            Notice::Snapshot { txid, size_bytes, .. } => {
                self.image_is_there(machine, place, txid, size_bytes.is_some())?;
            }
            Notice::SnapshotRefused { pages, .. } => self.image_was_refused(machine, place, &pages)?,
            Notice::SnapshotFailed { .. } => drop(self.medium_recovers(machine, place)),
            Notice::Stopped { complete, .. } => self.stopped(machine, number, complete)?,
            _ => {}
        }
        Ok(())
    }

    fn healed(&mut self, reason: HealReason) {
        let reached = match reason {
            HealReason::LogGone => Reached::LogGone,
            HealReason::StoreAhead => Reached::StoreAhead,
            HealReason::Adopted => Reached::Adopted,
            HealReason::Replaced => Reached::Replaced,
            HealReason::HeadLost => Reached::HeadLost,
            HealReason::Overwritten => Reached::Overwritten,
            _ => return,
        };
        self.coverage.reached(reached);
    }

    /// Property 29 of an end.
    fn stopped(&mut self, machine: usize, number: usize, complete: bool) -> Checked {
        let seat = self.seat(machine, number);
        seat.stopped = true;
        let (place, troubles) = (seat.place, seat.troubles);
        let asked = seat.stop_asked.map(|states| stop::Asked { states });
        let place = &mut self.places[place];
        let copy = &mut place.copies[machine];
        if copy.seat == Some(number) {
            copy.seat = None;
        }
        let missing = copy.database.as_ref().is_none_or(|database| database.files.is_none());
        let (fenced, states) = (copy.fenced || missing, &place.states[machine]);
        stop::check(asked, complete, states, fenced, troubles)
    }

    /// What was done by somebody who is no writer.
    pub(super) fn skip_changes(&mut self) {
        self.changes_seen += self.store.changes_from(self.changes_seen).len();
    }

    /// Properties 2, 6 and 34: what happened to keys since the last time.
    pub(super) fn check_changes(&mut self) -> Checked {
        let changes = self.store.changes_from(self.changes_seen);
        self.changes_seen += changes.len();
        self.keep_custody(&changes)?;
        for change in changes {
            if self.settings.unconditional && change.kind == ChangeKind::Created {
                self.written.insert(change.key.clone(), content(&change.etag));
            }
            let parts = change.key.strip_prefix("fleet/").and_then(|rest| rest.split_once('/'));
            let Some((number, name)) = parts else { continue };
            let place = &mut self.places[number.parse::<usize>().expect("a place's number")];
            if name == "manifest.json" {
                place.claimed.look(&self.store, &place.place)?;
            } else if change.kind == ChangeKind::Replaced
                // Where nothing is refused the same bytes may be put down again.
                && self.written.get(&change.key).is_none_or(|before| *before != content(&change.etag))
            {
                return Err(Violation::new(6, format!("{} was written over", change.key)));
            } else if change.kind == ChangeKind::Deleted && self.settings.upkeep.is_none() {
                // A claim that came too late is taken away again before it counts.
                let newest = place.mirror.txid();
                let counts = slot(name).is_none_or(|txid| {
                    newest.is_some_and(|newest| txid <= newest) && !place.freed.contains(&txid)
                });
                if counts {
                    return Err(Violation::new(8, format!("{} was deleted", change.key)));
                }
            }
        }
        Ok(())
    }
}

impl World<'_> {
    /// Property 8: what goes had to go, and what a policy promises stays.
    fn keep_custody(&mut self, changes: &[Change]) -> Checked {
        let Some(policy) = self.settings.upkeep.as_ref().and_then(|upkeep| upkeep.policy) else {
            return Ok(());
        };
        let clocks_are_right = self.clocks_are_right();
        for change in changes {
            let parts = change.key.strip_prefix("fleet/").and_then(|rest| rest.split_once('/'));
            let Some((number, _)) = parts else { continue };
            let model = &mut self.places[number.parse::<usize>().expect("a place's number")];
            let what = (change.key.as_str(), change.kind, change.at);
            if change.kind == ChangeKind::Deleted {
                for theirs in self.orders.deleted_under(&change.key) {
                    model.custody.lets_go(change.at, [theirs, &policy], clocks_are_right);
                }
                let by = self.orders.deleted_by(&change.key).and_then(|client| self.chores.get_mut(&client));
                if let Some(run) = by {
                    run.has_deleted(&change.key);
                }
            }
            let by_hand = self.orders.is_made_by_hand(&change.key);
            model.custody.changed(&self.store, &model.place, what, &policy, by_hand)?;
            if change.kind == ChangeKind::Created && self.chaos && self.spoils.ppm(self.settings.spoils_ppm) {
                let bit = self.spoils.below_usize(1 << 20);
                if spoil(&self.store, model, &change.key, bit) {
                    self.coverage.reached(Reached::Spoiled);
                }
            }
        }
        let now = self.store.clock().now().wall;
        for model in &mut self.places {
            if model.custody.take_deleted() {
                model.custody.check(now, &policy, clocks_are_right)?;
                model.forget_gone_points();
                self.coverage.reached(Reached::Retained);
                if model.custody.gone.1 > 0 {
                    self.coverage.reached(Reached::RetainedUpper);
                }
            }
        }
        Ok(())
    }

    /// Whether no wall clock is ever wrong in this run: headers then tell when something was.
    pub(super) fn clocks_are_right(&self) -> bool {
        let process = &self.settings.faults.process;
        process.wall_jump_ppm == 0 && process.wall_drift_ppm_max == 0
    }
}

/// Flips a bit of an object of a level above 0, which nobody but its writer has heard of.
fn spoil(store: &SimS3, model: &mut PlaceModel, name: &str, bit: usize) -> bool {
    let key = model.place.name_of(name).and_then(|name| ObjectKey::parse(Layout::S3, name));
    // Without its first image a place has nothing.
    let is_made = |key: &ObjectKey| key.level() > Level::L0 && (*key).max() > Txid::ONE + 1;
    let Some(key) = key.filter(is_made) else { return false };
    if !store.rot(name, bit) {
        return false;
    }
    // A block that makes the same page all the same is as good, where nothing beside the object says otherwise.
    let is_whole = store.peek(name).is_some_and(|object| {
        let told = object.attributes.sha256;
        let is_told = told.is_none_or(|told| told == Sha256::of(&object.bytes));
        is_told && take_apart(&object.bytes, LockByte::SQLITE).is_ok()
    });
    if !is_whole {
        model.custody.spoiled(key);
    }
    !is_whole
}

/// What a version's name says of its bytes.
fn content(etag: &ETag) -> String {
    etag.as_str().split('-').next().unwrap_or_default().to_owned()
}

/// The slot that a name of level 0 is of.
fn slot(name: &str) -> Option<Txid> {
    let first = name.strip_prefix("0000/")?.split('-').next()?;
    Txid::new(u64::from_str_radix(first, 16).ok()?).ok()
}
