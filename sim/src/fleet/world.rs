//! The event loop of one run: plays the plan, lets everything happen in order of time, asks the oracles.

use super::database::{Database, Transaction};
use super::life::{Life, Seat, part_bytes};
use super::place::{MACHINES, PlaceModel};
use super::plan::{Deed, FleetPlan, FleetStep};
use super::settings::FleetSettings;
use crate::coverage::{Coverage, Reached};
use crate::frame::{self, Counts};
use crate::outcome::{Outcome, Violation};
use crate::world::Options;
use engine::mutants::{Mutant, mutated};
use engine::replicate::{Event, Hint, TakeOver};
use engine::types::{Instant, LockByte, Txid};
use io_sim::clock::SimClock;
use io_sim::events::Queue;
use io_sim::faults::NetworkFaults;
use io_sim::network::{Answered, ClientId, Network};
use io_sim::random::{Random, Stream};
use io_sim::s3::SimS3;
use io_sim::trace::Trace;
use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

mod applications;
mod chores;
mod compaction;
mod converge;
mod daemons;
mod finale;
mod heed;
mod hosts;
mod jobs;
mod meddlers;
mod operators;
mod orders;
mod slow_restores;
mod snapshots;

pub(crate) use meddlers::Undo;

/// Runs a plan in a fresh world.
pub fn run(plan: &FleetPlan, settings: &FleetSettings, options: Options) -> Outcome {
    frame::run(plan.seed, options, |clock, trace, counts| {
        let mut world = World::new(plan.seed, settings, clock, trace);
        let result = world.play(&plan.steps);
        *counts = Counts { coverage: std::mem::take(&mut world.coverage), happened: world.happened() };
        result
    })
}

struct World<'a> {
    seed: u64,
    settings: &'a FleetSettings,
    clock: &'a SimClock,
    trace: &'a Trace,
    machines: [Machine; MACHINES],
    places: Vec<PlaceModel>,
    store: SimS3,
    network: Network,
    queue: Queue<Due>,
    clients: u32,
    /// Faults strike.
    chaos: bool,
    /// Clocks showed more than had passed by those that never jump.
    has_slept: bool,
    coverage: Coverage,
    /// Changes of the store that were looked at.
    changes_seen: usize,
    /// The newest content of each object, where the store may take another one over it.
    written: BTreeMap<String, String>,
    /// Events and commands of lives that are over.
    happened: u64,
    /// What applications do.
    work: Random,
    /// Faults of source and state, and hints that do not come.
    faults: Random,
    /// How long jobs wait for their turn.
    delays: Random,
    /// Objects that are damaged as they are written.
    spoils: Random,
    /// Writer ids.
    engine: Random,
    pages: Random,
    /// Full images that are asked for.
    images: Random,
    /// What is done by hand.
    hands: Random,
    /// The network between people and the store.
    by_hand: Network,
    /// Runs of `compact` and `cleanup` that are under way.
    chores: BTreeMap<ClientId, chores::Run>,
    orders: orders::Orders,
    /// The machine that is restored to, once there was a restore.
    reader: Option<slow_restores::Reader>,
    waiting: slow_restores::Waiting,
}

/// A machine: a clock, and a daemon now and then.
struct Machine {
    clock: SimClock,
    life: Option<Life>,
    /// Lives so far: what was planned for an earlier one does not happen.
    lives: u32,
    paused_until: Instant,
    /// What came meanwhile.
    held: VecDeque<Turn>,
    /// Its local state can neither be read nor written until then.
    state_fails_until: Instant,
    /// So late its timers come.
    slack: Duration,
    /// An orderly end was asked for; so long it stays down after it.
    ending: Option<Duration>,
}

/// What is planned.
enum Due {
    /// A machine's daemon starts.
    Start(usize),
    /// A database of a place is followed again.
    Add(usize, usize),
    /// A deleted database is created anew.
    Recreate(usize),
    /// An application commits, so many times more, so many microseconds apart.
    Commit { place: usize, machine: usize, left: u32, gap_us: u64 },
    /// It commits beside a restore.
    WriteOn { place: usize, left: u32, gap_us: u64 },
    /// Something is done while nobody follows the database of a place.
    Work(usize, hosts::Work),
    /// The newest slots of a place are compacted and deleted.
    Free(usize, Txid),
    /// What somebody did to a place is undone.
    Undo(usize),
    /// Somebody ends what he does by hand.
    KillChore(ClientId),
    /// Something happens to a life, if it still is that one.
    Of(usize, u32, Turn),
}

/// What happens to a life.
enum Turn {
    Job(usize),
    Save(usize),
    Encode(usize),
    Poke(usize, Hint),
    /// A job was done a while ago.
    Answer(Box<Event>),
    Receive(Box<Answered>),
    /// Somebody ends it.
    Stop(usize),
    /// A request leaves that was held back.
    Submit(Box<compaction::Delayed>),
}

type Checked = Result<(), Violation>;

/// Events and commands of a run: more is a storm.
const HAPPENED_MAX: u64 = 40_000_000;

impl<'a> World<'a> {
    fn new(seed: u64, settings: &'a FleetSettings, clock: &'a SimClock, trace: &'a Trace) -> World<'a> {
        let store = SimS3::new(&clock.machine(), trace);
        store.set_ignores_conditions(settings.unconditional || mutated(Mutant::UnconditionalPut));
        let mut network = Network::new(seed, &store, trace);
        network.set_faults(settings.faults.network);
        let mut by_hand = Network::new(!seed, &store, trace);
        by_hand.set_faults(settings.faults.network);
        let draw = |index| Random::indexed(seed, Stream::Fleet, index);
        let mut world = World {
            seed,
            settings,
            clock,
            trace,
            machines: [Machine::new(clock.clone()), Machine::new(clock.machine())],
            places: Vec::new(),
            store,
            network,
            queue: Queue::new(Random::indexed(seed, Stream::Events, 2)),
            clients: 0,
            chaos: true,
            has_slept: false,
            coverage: Coverage::default(),
            changes_seen: 0,
            written: BTreeMap::new(),
            happened: 0,
            work: draw(3),
            faults: draw(4),
            delays: draw(5),
            spoils: draw(21),
            engine: draw(6),
            pages: draw(7),
            images: draw(8),
            hands: draw(24),
            by_hand,
            chores: BTreeMap::new(),
            orders: Default::default(),
            reader: None,
            waiting: Default::default(),
        };
        for _ in 0..settings.databases {
            world.new_place();
        }
        world
    }

    fn play(&mut self, steps: &[FleetStep]) -> Checked {
        if self.places.len() >= 100 {
            self.coverage.reached(Reached::Hundreds);
        }
        self.start_daemon(0)?;
        for step in steps {
            self.trace.record("deed", &format!("{:?}", step.deed), &[], &[]);
            self.perform(step.deed)?;
            self.ask_for_image()?;
            self.pass(Duration::from_micros(step.then_us))?;
        }
        self.converge()?;
        self.chores_end()?;
        self.check_everything()?;
        self.finale()
    }

    fn happened(&self) -> u64 {
        let now = self.machines.iter().filter_map(|machine| machine.life.as_ref());
        self.happened + now.map(|life| life.happened).sum::<u64>()
    }

    fn pass(&mut self, time: Duration) -> Checked {
        let until = self.clock.mono().after(time);
        while self.step_before(until)? {}
        self.clock.advance_to(until);
        Ok(())
    }

    /// Lets time pass with timers that come late, as on a machine that saves power: what a fleet does in weeks without
    /// a commit is mostly to look.
    fn pass_slowly(&mut self, time: Duration) -> Checked {
        self.machines.iter_mut().for_each(|machine| machine.slack = time / LOOKS_PER_REST);
        let passed = self.pass(time);
        self.machines.iter_mut().for_each(|machine| machine.slack = Duration::ZERO);
        passed
    }

    /// Lets the next thing happen, if it is due before `until`.
    fn step_before(&mut self, until: Instant) -> Result<bool, Violation> {
        let network_at = self.network.next_at();
        let planned_at = self.queue.next_at();
        let wake = (0..MACHINES).filter_map(|m| Some((self.machines[m].wakes_at()?, m))).min();
        let (by_hand_at, chore) = (self.by_hand.next_at(), self.next_chore());
        let wakes = [wake.map(|(at, _)| at), chore.map(|(at, _)| at)];
        let next = [network_at, planned_at, by_hand_at].into_iter().chain(wakes).flatten().min();
        let Some(at) = next.filter(|at| *at <= until) else { return Ok(false) };
        self.clock.advance_to(at);
        let now = self.clock.mono();
        if network_at == Some(at) {
            while let Some(answered) = self.network.poll(now) {
                self.arrived(answered)?;
            }
            self.check_changes()?;
        } else if let Some((_, due)) = self.queue.pop_due(now) {
            self.happen(due)?;
        } else if by_hand_at == Some(at) {
            while let Some(answered) = self.by_hand.poll(now) {
                self.handed(answered)?;
            }
            self.check_changes()?;
        } else if let Some((_, client)) = chore.filter(|(wakes_at, _)| *wakes_at == at) {
            self.chore_wakes(client)?;
        } else if let Some((_, machine)) = wake {
            match self.machines[machine].held.pop_front() {
                Some(turn) => self.turn(machine, turn)?,
                None => self.hand(machine, Event::TimePassed)?,
            }
        }
        if self.happened() > HAPPENED_MAX {
            return Err(Violation::new(31, format!("more than {HAPPENED_MAX} events and commands")));
        }
        Ok(true)
    }

    fn happen(&mut self, due: Due) -> Checked {
        match due {
            Due::Start(machine) => self.start_daemon(machine),
            Due::Add(machine, place) => self.add_again(machine, place),
            Due::Recreate(place) => self.recreated(place),
            Due::Work(place, work) => self.work_at(place, work),
            Due::Free(place, claim) => self.free(place, claim),
            Due::Undo(place) => self.undo(place),
            Due::WriteOn { place, left, gap_us } => {
                self.writes_on(place, left, gap_us);
                Ok(())
            }
            Due::KillChore(client) => {
                self.kill_chore(client);
                Ok(())
            }
            Due::Commit { place, machine, left, gap_us } => {
                self.commit(place, machine);
                if let Some(left) = left.checked_sub(1).filter(|left| *left > 0) {
                    self.plan(Duration::from_micros(gap_us), Due::Commit { place, machine, left, gap_us });
                }
                Ok(())
            }
            Due::Of(machine, life, turn) => {
                let owner = &self.machines[machine];
                if owner.life.is_none() || owner.lives != life {
                    return Ok(());
                }
                self.turn_or_hold(machine, turn)
            }
        }
    }

    /// A daemon that stands still gets to it later, in the same order.
    fn turn_or_hold(&mut self, machine: usize, turn: Turn) -> Checked {
        let owner = &mut self.machines[machine];
        if self.clock.mono() < owner.paused_until || !owner.held.is_empty() {
            owner.held.push_back(turn);
            return Ok(());
        }
        self.turn(machine, turn)
    }

    fn plan(&mut self, after: Duration, due: Due) {
        self.queue.push(self.clock.mono().after(after), due);
    }
}

impl Machine {
    fn new(clock: SimClock) -> Machine {
        Machine {
            clock,
            life: None,
            lives: 0,
            paused_until: Instant::default(),
            held: VecDeque::new(),
            state_fails_until: Instant::default(),
            slack: Duration::ZERO,
            ending: None,
        }
    }

    fn wakes_at(&self) -> Option<Instant> {
        let timer = self.life.as_ref()?.wake_at.map(|at| at.after(self.slack));
        let at = if self.held.is_empty() { timer? } else { Instant::default() };
        Some(at.max(self.paused_until))
    }
}

/// A database is looked at about so often in a time without commits.
const LOOKS_PER_REST: u32 = 12;
