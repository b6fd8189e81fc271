//! The event loop of one run: plays the plan, lets everything happen in order of time, asks the oracles.

use super::asked::Asked;
use super::config::lock_byte;
use super::daemon::{DATABASE, Daemon, Life};
use super::machine::{Look, Machine, Measure};
use super::meanwhile::{self, Acted};
use crate::coverage::{Coverage, Reached};
use crate::frame;
use crate::oracle::image::{Image, digest, integrity};
use crate::oracle::manifest::Claimed;
use crate::oracle::mirror::Mirror;
use crate::oracle::reachable::Reachable;
use crate::oracle::restore::Snapshot;
use crate::oracle::{history::History, ownership::Ownership, states::States};
use crate::outcome::{Outcome, Violation};
use crate::plan::{Operation, Plan, Step};
use crate::settings::Settings;
use engine::key::Place;
use engine::manifest::DatabaseId;
use engine::mutants::{Mutant, mutated};
use engine::replicate::{HealReason, Hint, Notice, Status, TakeOver};
use engine::restore::Target;
use engine::store::Sha256;
use engine::types::{Instant, NodeId, Txid};
use io_sim::clock::SimClock;
use io_sim::disk::{OpenMode, SimDisk};
use io_sim::faults::{DiskFaults, NetworkFaults};
use io_sim::network::{ClientId, Network};
use io_sim::process::Process;
use io_sim::random::{Random, Stream};
use io_sim::s3::SimS3;
use io_sim::sqlite_vfs::SqliteRun;
use io_sim::trace::Trace;
use std::collections::BTreeMap;
use std::time::Duration;

mod converge;
mod finale;
mod heed;
mod judge;
mod operate;
mod operator;
mod processes;
mod restore;
mod trouble;
mod unusual;

/// How to run.
#[derive(Clone, Copy, Debug, Default)]
pub struct Options {
    /// The seeded bug that is switched on.
    pub mutant: Option<Mutant>,
    /// How many of the last events to keep as text.
    pub keep_events: usize,
}

/// Runs a plan in a fresh world.
pub fn run(plan: &Plan, settings: &Settings, options: Options) -> Outcome {
    frame::run(plan.seed, options, |clock, trace, counts| {
        let disk = SimDisk::new(plan.seed, 0, clock, trace);
        // It outlives the world, whose connections it serves.
        let mut sqlite = SqliteRun::start(&disk);
        if settings.lock_page_moved {
            sqlite.move_lock_page(lock_byte(settings));
        }
        let mut world = World::new(plan.seed, settings, clock, trace, disk);
        let result = world.play(&plan.steps);
        counts.coverage = std::mem::take(&mut world.coverage);
        result
    })
}

struct World<'a> {
    settings: &'a Settings,
    clock: &'a SimClock,
    trace: &'a Trace,
    machines: Vec<Machine>,
    store: SimS3,
    network: Network,
    place: Place,
    mirror: Mirror,
    reachable: Reachable,
    history: History,
    claimed: Claimed,
    /// Who wrote the manifest last had lost the place by then (docs/faults.md).
    manifest_is_late: bool,
    states: BTreeMap<usize, States>,
    /// The content that each announced slot was announced with.
    announced: BTreeMap<Txid, usize>,
    coverage: Coverage,
    seed: u64,
    process: Random,
    meanwhile: Random,
    engine: Random,
    clients: u32,
    healed: bool,
    image_bytes: usize,
    chaos: bool,
    ownership: Ownership,
    /// Images of earlier states, newest last, for operators who want one back.
    kept: Vec<Vec<u8>>,
    /// What the lives that are over asked of the store.
    asked: Asked,
    starts: u64,
    /// The disk of the machine that operators restore to.
    restored_to: Option<SimDisk>,
    /// What was restored of slots that nobody had announced.
    restored: Vec<(Txid, Sha256)>,
    events_max: u64,
}

type Checked = Result<(), Violation>;

/// Events of a run: more is a storm.
const EVENTS_MAX: u64 = 400_000;
/// What each long outage adds, with what is written meanwhile.
const EVENTS_PER_OUTAGE_MAX: u64 = 60_000;
const LONG_OUTAGE_MS: u64 = 60_000;

impl<'a> World<'a> {
    fn new(
        seed: u64,
        settings: &'a Settings,
        clock: &'a SimClock,
        trace: &'a Trace,
        disk: SimDisk,
    ) -> World<'a> {
        disk.set_crash_policy(settings.faults.crash);
        disk.set_reuse_inodes(settings.faults.reuse_inodes);
        let store = SimS3::new(&clock.machine(), trace);
        store.set_ignores_conditions(settings.unconditional || mutated(Mutant::UnconditionalPut));
        if settings.unconditional {
            store.keep_history();
        }
        let mut network = Network::new(seed, &store, trace);
        network.set_faults(settings.faults.network);
        let place = Place::new("prod/app").expect("a legal folder");
        let first = if settings.operator.first_takes_over { TakeOver::Always } else { TakeOver::Never };
        let mirror = Mirror::new(place.clone(), &store, lock_byte(settings));
        let reachable = Reachable::new(&store, &place, lock_byte(settings));
        World {
            settings,
            clock,
            trace,
            machines: vec![Machine::new(0, disk, first)],
            store,
            network,
            place,
            mirror,
            reachable,
            history: History::default(),
            claimed: Claimed::default(),
            manifest_is_late: false,
            states: BTreeMap::new(),
            announced: BTreeMap::new(),
            coverage: Coverage::default(),
            seed,
            process: Random::new(seed, Stream::Process),
            meanwhile: Random::new(seed, Stream::Meanwhile),
            engine: Random::new(seed, Stream::Engine),
            clients: 0,
            healed: false,
            image_bytes: 0,
            chaos: true,
            ownership: Ownership::default(),
            kept: Vec::new(),
            asked: Asked::default(),
            starts: 0,
            restored_to: None,
            restored: Vec::new(),
            events_max: EVENTS_MAX,
        }
    }

    fn play(&mut self, steps: &[Step]) -> Checked {
        let is_long = |step: &&Step| matches!(step.operation, Operation::Outage { ms } | Operation::Silence { ms } if ms >= LONG_OUTAGE_MS);
        self.events_max += EVENTS_PER_OUTAGE_MAX * steps.iter().filter(is_long).count() as u64;
        self.drift(0);
        self.machines[0].start_application(self.settings)?;
        self.application_faults(0);
        self.observe(0)?;
        self.start_daemon(0)?;
        for step in steps {
            self.operate(step.operation)?;
            let until = self.clock.mono().after(Duration::from_micros(step.then_us));
            self.let_happen(until)?;
        }
        self.converge()?;
        self.check_everything()?;
        self.finale()
    }

    // --- Time -----------------------------------------------------------------------------------------

    /// Lets everything happen that is due until then.
    fn let_happen(&mut self, until: Instant) -> Checked {
        while self.step_before(until)? {}
        if self.clock.mono() < until {
            self.clock.advance_to(until);
        }
        Ok(())
    }

    fn daemon_steps(&mut self, number: usize) -> Checked {
        let (machine, network) = (&mut self.machines[number], &mut self.network);
        let now = machine.disk.clock().now();
        let daemon = machine.daemon.as_mut().expect("it is its turn");
        let mut nobody = None;
        // A checkpoint of a file that was replaced explains what is in it (docs/faults.md).
        let unnoticed = machine.awaits_let_go.is_some();
        let acts = self.chaos && !machine.exclusive && !unnoticed && daemon.is_about_to_look();
        let application = if acts { &mut machine.application } else { &mut nobody };
        let ((), Acted { waited, acted }) =
            meanwhile::beside(application, &mut self.meanwhile, || daemon.step(now, network));
        if waited {
            self.coverage.reached(Reached::CopyAwaited);
            if daemon.stands_on_the_database {
                self.coverage.reached(Reached::CopyEnded);
            }
        }
        if acted {
            return self.after_application(number);
        }
        self.bury_dead()?;
        self.heed(number)
    }

    /// Lets the next thing happen, if it is due before `until`.
    fn step_before(&mut self, until: Instant) -> Result<bool, Violation> {
        if self.trace.events() > self.events_max {
            return Err(Violation::new(31, format!("more than {} events", self.events_max)));
        }
        let network_at = self.network.next_at();
        let restart = next_of(&self.machines, |m| m.restart_at);
        let mut daemon: Option<(Instant, usize)> = None;
        for machine in &mut self.machines {
            let at = machine.daemon.as_mut().and_then(Daemon::next_at);
            if let Some(at) = at.filter(|at| daemon.is_none_or(|(best, _)| *at < best)) {
                daemon = Some((at, machine.number));
            }
        }
        let application = next_of(&self.machines, |m| m.application_at);
        let times =
            [network_at, restart.map(|(at, _)| at), daemon.map(|(at, _)| at), application.map(|(at, _)| at)];
        let Some(at) = times.into_iter().flatten().min().filter(|at| *at <= until) else {
            return Ok(false);
        };
        if self.clock.mono() < at {
            self.clock.advance_to(at);
        }
        let now = self.clock.mono();
        if network_at == Some(at) {
            while let Some(answered) = self.network.poll(now) {
                let to = self.machines.iter_mut().filter_map(|m| m.daemon.as_mut());
                let client = answered.client;
                if let Some(daemon) = to.into_iter().find(|daemon| daemon.client == client) {
                    daemon.receive(answered);
                }
            }
            self.history.check(&self.store, self.mirror.txid())?;
            if let Some(named) = self.claimed.look(&self.store, &self.place)? {
                let writer = self.machines.iter().find(|machine| machine.own.contains(&named));
                self.manifest_is_late =
                    writer.is_some_and(|machine| self.ownership.is_of_another(machine.number));
            }
        } else if let Some((_, number)) = daemon.filter(|(due, _)| *due == at) {
            self.daemon_steps(number)?;
        } else if let Some((_, number)) = restart.filter(|(due, _)| *due == at) {
            self.start_daemon(number)?;
            self.bury_dead()?;
            self.heed(number)?;
        } else if let Some((_, number)) = application {
            self.application_returns(number)?;
        }
        Ok(true)
    }
}

fn next_of(machines: &[Machine], at: impl Fn(&Machine) -> Option<Instant>) -> Option<(Instant, usize)> {
    machines.iter().filter_map(|m| Some((at(m)?, m.number))).min()
}
