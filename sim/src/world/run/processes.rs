//! Who starts, who dies, and who comes back.

use super::*;
use crate::oracle::image;
use crate::oracle::restart::Promise;
use crate::world::daemon::STATE_FOLDER;
use crate::world::foreign::Operator;

impl World<'_> {
    pub(super) fn start_daemon(&mut self, number: usize) -> Checked {
        let promise = self.promise(number)?;
        self.clients += 1;
        self.starts += 1;
        let node = NodeId::new(self.engine.next_u64() | 1).expect("not zero");
        let mut uuid = [0; 16];
        self.engine.fill(&mut uuid);
        let machine = &mut self.machines[number];
        let life = Life {
            client: ClientId(self.clients),
            node,
            database: DatabaseId::from_random(uuid),
            take_over: machine.permit.take().unwrap_or(machine.take_over),
            place: self.place.clone(),
            delays: Random::indexed(self.seed, Stream::Process, self.clients),
            timers: Random::indexed(self.seed, Stream::Clock, TIMERS + self.clients),
        };
        machine.own.push(node);
        machine.restart_at = None;
        machine.stop_asked = None;
        machine.ended_complete = false;
        machine.files_changed = None;
        machine.awaits_let_go = None;
        machine.unsettled = false;
        machine.follows = false;
        machine.long_log_since = None;
        // Whether it is refused this time is not known, yet.
        machine.fenced = false;
        machine.promise = promise;
        machine.state_misread_at_start = machine.state_misread();
        machine.misread_at_start = machine.disk.misreads("");
        machine.states_at_start = self.states.get(&number).map_or(0, States::len);
        self.healed = false;
        let now = machine.disk.clock().now();
        let mut daemon = Daemon::start(&machine.disk, self.settings, life, self.trace, now);
        if self.chaos {
            daemon.set_disk_faults(self.settings.faults.daemon_disk);
        }
        let daemon = machine.daemon.insert(daemon);
        daemon.poke(now, &mut self.network, Hint::Log);
        Ok(())
    }

    /// What the next life may cost at its start: known where the store holds exactly what the database is.
    fn promise(&mut self, number: usize) -> Result<Option<Promise>, Violation> {
        let machine = &self.machines[number];
        let alone = self.machines.len() == 1 && !machine.exclusive && machine.permit.is_none();
        if !alone || machine.fenced || self.mirror.txid().is_none() || self.history.was_tampered_with() {
            return Ok(None);
        }
        let complete = machine.ended_complete && self.network.may_still_act() == 0;
        let image = self.machines[number].observe()?;
        let stored = !image.is_empty() && image::same(self.mirror.image(), &image);
        Ok(stored.then_some(if complete { Promise::Nothing } else { Promise::OnePage }))
    }

    /// A life is over: what it asked for is remembered.
    pub(super) fn disconnect(&mut self, number: usize, daemon: &Daemon) {
        let machine = &mut self.machines[number];
        machine.confirmed = daemon.confirmed.or(machine.confirmed);
        self.network.disconnect(daemon.client);
        self.asked.add(&daemon.asked);
    }

    /// Kills a daemon now, or stops it in order.
    pub(super) fn end_daemon(&mut self, number: usize, kill: bool) -> Checked {
        let states = self.states.get(&number).map_or(0, States::len);
        let machine = &mut self.machines[number];
        let now = machine.disk.clock().now();
        let Some(daemon) = &mut machine.daemon else { return Ok(()) };
        if kill {
            machine.disk.kill_in(daemon.process.pid(), 0);
            return self.bury_dead();
        }
        machine.stop_asked.get_or_insert(crate::oracle::stop::Asked { states });
        daemon.stop(now, &mut self.network);
        // It may have had nothing to do, and no event that would tell.
        self.heed(number)
    }

    pub(super) fn application_faults(&self, number: usize) {
        let machine = &self.machines[number];
        if self.chaos
            && let Some(application) = &machine.application
        {
            machine.disk.set_faults_of(application.process().pid(), self.settings.faults.application_disk);
        }
    }

    /// A second machine with a copy of the first one's database.
    pub(super) fn start_second(&mut self) -> Checked {
        if self.machines.len() > 1 || self.mirror.txid().is_none() || self.machines[0].fenced {
            return Ok(());
        }
        let copy = self.machines[0].observe()?;
        if copy.is_empty() {
            return Ok(());
        }
        let disk = SimDisk::new(self.seed, 1, &self.clock.machine(), self.trace);
        let restorer = Process::start(&disk);
        disk.calm(|| {
            let file = disk.open(restorer.pid(), DATABASE, OpenMode::New).expect("an empty disk");
            file.write_at(0, &copy).and_then(|()| file.fsync()).expect("no faults");
            disk.fsync_directory(restorer.pid(), "/app").expect("no faults");
        });
        let take_over = match (self.settings.second_takes_over, self.process.ppm(500_000)) {
            (false, _) => TakeOver::Never,
            (true, true) => TakeOver::IfIdentical,
            (true, false) => TakeOver::Always,
        };
        drop(restorer);
        let mut second = Machine::new(1, disk, take_over);
        if self.settings.operator.clones_state {
            Operator::at(&second.disk).copy_directory(&self.machines[0].disk, STATE_FOLDER);
            second.copied_until = self.newest_slot();
            second.copied.clone_from(&self.machines[0].own);
            self.coverage.reached(Reached::StateCopied);
        }
        self.machines.push(second);
        self.drift(1);
        self.states.entry(1).or_default().now(digest(&copy), copy);
        self.machines[1].start_application(self.settings)?;
        self.observe(1)?;
        self.start_daemon(1)
    }

    /// Clears away who died, and plans who comes back.
    pub(super) fn bury_dead(&mut self) -> Checked {
        for number in 0..self.machines.len() {
            if self.machines[number].power_lost_of(&mut self.network) {
                self.coverage.reached(Reached::PowerCut);
                self.revive_application(number)?;
                if self.states[&number].went_back() {
                    self.coverage.reached(Reached::RolledBack);
                    if self.states[&number].is_behind_the_slots() {
                        self.coverage.reached(Reached::StoreAhead);
                    }
                }
                self.restart_later(number);
                continue;
            }
            let machine = &mut self.machines[number];
            if machine.application.as_ref().is_some_and(|app| !app.process().is_alive()) {
                machine.exclusive = false;
                machine.application.take().expect("checked").kill();
                self.coverage.reached(Reached::ApplicationKilled);
                self.revive_application(number)?;
            }
            let machine = &mut self.machines[number];
            if machine.daemon.as_ref().is_some_and(|daemon| !daemon.process.is_alive()) {
                let daemon = machine.daemon.take().expect("checked");
                self.disconnect(number, &daemon);
                daemon.kill();
                self.coverage.reached(Reached::DaemonKilled);
                self.unchanged(number)?;
                self.restart_later(number);
            }
        }
        Ok(())
    }

    /// Starts an application where one died. What the dead one left is a state of its own, seen before the new one
    /// commits: entering its settings may write page 1.
    pub(super) fn revive_application(&mut self, number: usize) -> Checked {
        self.observe(number)?;
        self.machines[number].start_application(self.settings)?;
        self.application_faults(number);
        self.observe(number)
    }

    pub(super) fn restart_later(&mut self, number: usize) {
        let pause = Duration::from_micros(1_000 + self.process.below(2_000_000));
        let pause = self.machines[number].down.take().unwrap_or(pause);
        self.machines[number].restart_at = Some(self.clock.mono().after(pause));
    }

    /// Property 19: whatever a daemon did, the application's database is what the application made it.
    pub(super) fn unchanged(&mut self, number: usize) -> Checked {
        if self.machines[number].exclusive {
            return Ok(());
        }
        let look = self.machines[number].look()?;
        let states = self.states.get_mut(&number).expect("observed before");
        let (Look::AsBefore(measure) | Look::New(measure, _)) = &look;
        if measure.bytes == 0 || Some(measure.content) == states.last() {
            return Ok(());
        }
        let image = match look {
            Look::New(_, image) => image,
            Look::AsBefore(_) => self.machines[number].observe()?,
        };
        // Killed before it could say so, it may have entered WAL mode.
        if states.last_image().is_some_and(|last| only_entered_wal(last, &image)) {
            states.now(digest(&image), image);
            return Ok(());
        }
        Err(Violation::new(19, "the application's database changed although no application wrote"))
    }
}

/// Whether two images differ only as a database that entered WAL mode does: its version numbers and its counters.
fn only_entered_wal(before: &[u8], after: &[u8]) -> bool {
    let free = |at: usize| matches!(at, 18..20 | 24..28 | 92..100);
    let same = |at: usize| before[at] == after[at] || free(at);
    before.len() == after.len() && (0..100).all(same) && before[100..] == after[100..]
}

/// Sub-streams of timers begin here; those before are for the clocks of machines.
const TIMERS: u32 = 1000;
