//! The deeds of a plan.

use super::hosts::Work;
use super::*;
use crate::fleet::mischief::Meddling;

impl World<'_> {
    pub(super) fn perform(&mut self, deed: Deed) -> Checked {
        let count = self.places.len() as u64;
        let place = |database: u64| usize::try_from(database % count).expect("an index");
        let machine = |machine: u64| usize::try_from(machine).expect("an index") % MACHINES;
        match deed {
            Deed::Burst { database, commits, gap_us } => self.burst(place(database), 0, commits, gap_us),
            Deed::Round { every } => self.round(every),
            Deed::Checkpoint { database, truncate } => self.checkpoint(place(database), truncate),
            Deed::Shrink { database } => self.shrink(place(database)),
            Deed::Grow { database } => self.grow(place(database)),
            Deed::Reopen { database } => self.reopen(place(database)),
            Deed::CutPower { machine: m, down_ms } => self.cut_power(machine(m), ms(down_ms)),
            Deed::KillDaemon { machine: m, down_ms } => {
                self.kill_daemon(machine(m));
                self.plan(ms(down_ms), Due::Start(machine(m)));
            }
            Deed::StopDaemon { machine: m, down_ms } => return self.stop_daemon(machine(m), ms(down_ms)),
            Deed::StopOne { database, down_ms } => return self.stop_one(place(database), ms(down_ms)),
            Deed::AddOne => {
                let place = self.new_place();
                self.coverage.reached(Reached::AddedOne);
                return self.add(0, place);
            }
            Deed::Recreate { database, after_ms } => self.delete(place(database), ms(after_ms)),
            Deed::Replace { database } => self.replace(place(database)),
            Deed::Outage { ms: length } => {
                let until = self.clock.mono().after(ms(length));
                self.network.set_outage_until(until);
                self.by_hand.set_outage_until(until);
                self.coverage.reached(Reached::Outage);
            }
            Deed::Idle { ms: length } => {
                if ms(length) >= 7 * daemons::DAY {
                    self.coverage.reached(Reached::IdleWeek);
                }
                return self.pass_slowly(ms(length));
            }
            Deed::Pause { machine: m, ms: length } => {
                let until = self.clock.mono().after(ms(length));
                let owner = &mut self.machines[machine(m)];
                owner.paused_until = owner.paused_until.max(until);
            }
            Deed::Sleep { ms: length } => self.sleep(length),
            Deed::JumpWall { machine: m, forward, ms: length } => {
                let by = i64::try_from(length).expect("hours");
                self.machines[machine(m)].clock.jump_wall_ms(if forward { by } else { -by });
            }
            Deed::Drift { machine: m, fast, ppm } => {
                let ppm = i32::try_from(ppm).expect("below a million");
                self.machines[machine(m)].clock.set_wall_drift_ppm(if fast { ppm } else { -ppm });
            }
            Deed::StartSecond { database, commits } => return self.start_second(place(database), commits),
            Deed::Refuse { database, why, ms: length, restarts } => {
                self.refuse(place(database), why, ms(length));
                if restarts {
                    return self.stop_one(place(database), ms(length / 3));
                }
            }
            Deed::FailState { machine: m, ms: length } => self.fail_state(machine(m), ms(length)),
            Deed::DamageState { database, how } => self.damage_state(place(database), how),
            Deed::RestoreOver { database, earlier, commits } => {
                return self.while_stopped(place(database), Work::Restore { earlier, commits });
            }
            Deed::Meddle { database, with, restarts } => {
                return self.meddles(place(database), with, restarts);
            }
            Deed::AddTo { manifest, races, ms: length, refused } => {
                return self.add_to(manifest, (races, ms(length)), refused);
            }
            Deed::TakeDamaged { database, which, bit, identical } => {
                let (place, commits) = (place(database), u32::from(!identical));
                self.meddle(place, Meddling::Rot { which, bit })?;
                let take_over = if identical { TakeOver::IfIdentical } else { TakeOver::Always };
                return self.start_second_with(place, commits, take_over);
            }
            Deed::Race { database } => return self.race(place(database)),
            Deed::Chore { database, machine: m, chore, dry_run, killed_at_write } => {
                let what = chores::What { place: place(database), machine: machine(m), chore, dry_run };
                return self.begin_chore(what, killed_at_write);
            }
            Deed::RestoreSlowly { database, restore } => {
                return self.restore_slowly(place(database), restore);
            }
            Deed::SecondBurst { database, commits, gap_us } => {
                // Where there is one at all.
                let with_second = |p: &usize| self.places[*p].copies[1].database.is_some();
                let mut all = (0..self.places.len()).cycle().skip(place(database)).take(self.places.len());
                if let Some(place) = all.find(with_second) {
                    self.burst(place, 1, commits, gap_us);
                }
            }
        }
        Ok(())
    }

    /// The applications are back at once, and some of them commit before the daemon is.
    fn cut_power(&mut self, machine: usize, down: Duration) {
        self.kill_daemon(machine);
        for place in 0..self.places.len() {
            let model = &mut self.places[place];
            let Some(database) = &mut model.copies[machine].database else { continue };
            if database.lose_power(&mut self.work) {
                model.committed(machine);
                self.coverage.reached(Reached::RolledBack);
            }
            for _ in 0..self.work.below(4) {
                self.commit(place, machine);
            }
        }
        self.coverage.reached(Reached::PowerCut);
        self.plan(down, Due::Start(machine));
    }

    pub(super) fn stop_daemon(&mut self, machine: usize, down: Duration) -> Checked {
        if self.machines[machine].life.is_none() {
            return Ok(());
        }
        self.machines[machine].ending = Some(down);
        let seats = self.life(machine).seats.len();
        for number in 0..seats {
            // The last one may end it.
            if self.machines[machine].life.is_some() {
                self.stop_seat(machine, number)?;
            }
        }
        // One without databases has ended.
        if self.machines[machine].life.is_some() { self.drain(machine) } else { Ok(()) }
    }

    pub(super) fn stop_seat(&mut self, machine: usize, number: usize) -> Checked {
        let place = self.seat(machine, number).place;
        let states = self.places[place].states[machine].len();
        let seat = self.seat(machine, number);
        if !seat.stopped {
            seat.stop_asked.get_or_insert(states);
            seat.watch.stops();
        }
        let id = engine::replicate::SourceId(u32::try_from(number).expect("thousands"));
        self.hand(machine, Event::StopRequested(id))
    }

    pub(super) fn stop_one(&mut self, place: usize, down: Duration) -> Checked {
        let Some(number) = self.places[place].copies[0].seat.filter(|_| self.machines[0].life.is_some())
        else {
            return Ok(());
        };
        self.coverage.reached(Reached::StoppedOne);
        self.plan(down, Due::Add(0, place));
        self.stop_seat(0, number)
    }

    /// Where its end is not over, yet, it is tried again.
    pub(super) fn add_again(&mut self, machine: usize, place: usize) -> Checked {
        if self.is_ending(machine, place) {
            self.plan(Duration::from_secs(1), Due::Add(machine, place));
            return Ok(());
        }
        self.add(machine, place)
    }

    pub(super) fn is_ending(&self, machine: usize, place: usize) -> bool {
        self.places[place].copies[machine].seat.is_some_and(|seat| {
            let life = self.machines[machine].life.as_ref();
            life.is_some_and(|life| life.seats[seat].stop_asked.is_some())
        })
    }

    fn delete(&mut self, place: usize, after: Duration) {
        let Some(database) = &mut self.places[place].copies[0].database else { return };
        (database.files, database.pin) = (None, None);
        self.plan(after, Due::Recreate(place));
        self.hint(place, 0, Hint::Log);
    }

    pub(super) fn recreated(&mut self, place: usize) -> Checked {
        let pages = 1 + self.work.below(20) as u32;
        let page_size = self.work.ppm(OTHER_SIZE_PPM).then(|| FleetSettings::page_size(&mut self.work));
        let model = &mut self.places[place];
        let Some(database) = model.copies[0].database.as_mut().filter(|d| d.files.is_none()) else {
            return Ok(());
        };
        database.recreate(pages, page_size);
        model.committed(0);
        self.coverage.reached(Reached::Recreated);
        self.hint(place, 0, Hint::Database);
        Ok(())
    }

    fn replace(&mut self, place: usize) {
        let copy = &mut self.places[place].copies[0];
        let Some(image) = copy.kept.pop() else { return };
        let Some(database) = copy.database.as_mut().filter(|d| d.files.is_some()) else { return };
        database.place_file(image);
        database.pin = None;
        self.places[place].committed(0);
        self.hint(place, 0, Hint::Database);
    }

    /// The monotonic clocks stand still.
    pub(super) fn sleep(&mut self, length: u64) {
        let by = i64::try_from(length).expect("days");
        self.machines.iter().for_each(|machine| machine.clock.jump_wall_ms(by));
        self.store.clock().jump_wall_ms(by);
        self.has_slept = true;
        self.coverage.reached(Reached::Slept);
    }

    fn start_second(&mut self, place: usize, commits: u32) -> Checked {
        let modes = [TakeOver::Never, TakeOver::IfIdentical, TakeOver::Always, TakeOver::Always];
        let take_over = *self.work.pick(&modes);
        self.start_second_with(place, commits, take_over)
    }

    pub(super) fn start_second_with(&mut self, place: usize, commits: u32, take_over: TakeOver) -> Checked {
        let clones = self.settings.clones_state;
        let harm = self.places[place].harm;
        if harm.lost
            || harm.rewritten
            || self.places[place].copies[0].fenced
            || !self.places[place].copy_to_second(take_over, clones)
        {
            return Ok(());
        }
        if clones {
            self.coverage.reached(Reached::StateCopied);
        }
        if !clones && self.settings.mischief_ppm > 0 && self.work.ppm(HALF) {
            let earlier = self.work.ppm(HALF / 2);
            self.restore_over(place, 1, earlier);
        }
        for _ in 0..commits {
            self.commit(place, 1);
        }
        if let Some(database) = self.places[place].copies[1].database.as_mut().filter(|_| commits % 2 == 1) {
            database.close();
        }
        self.start_daemon(1)?;
        self.add(1, place)
    }
}

const HALF: u32 = 500_000;
/// Of a million databases that are created anew so many may have another page size.
const OTHER_SIZE_PPM: u32 = 200_000;

fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}
