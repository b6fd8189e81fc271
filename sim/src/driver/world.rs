//! The world of one run: databases with their applications, one store, one life of walsync after the other.

mod converge;
mod finale;
mod operate;

use super::database::Database;
use super::life::{End, Life, Surroundings, Told};
use super::plan::Step;
use super::settings::DriverSettings;
use super::time::Time;
use super::wire::Wire;
use crate::coverage::{Coverage, Reached};
use crate::oracle::history::History;
use crate::outcome::Violation;
use crate::world::daemon::is_trouble;
use engine::replicate::{HealReason, Notice, Status};
use engine::types::Instant;
use io_real::driver::Report;
use io_sim::clock::SimClock;
use io_sim::disk::SimDisk;
use io_sim::network::Network;
use io_sim::random::{Random, Stream};
use io_sim::s3::SimS3;
use io_sim::trace::Trace;
use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

/// The world.
pub(super) struct World {
    // Connections go before processes: fields drop in order.
    life: Option<Life>,
    databases: Vec<Database>,
    seed: u64,
    settings: DriverSettings,
    time: Time,
    trace: Trace,
    disk: SimDisk,
    store: SimS3,
    wire: Wire,
    history: History,
    /// When the next life begins.
    start_at: Option<Instant>,
    lives: u32,
    chaos: bool,
    random: Random,
    engine: Random,
    coverage: Rc<RefCell<Coverage>>,
}

type Checked = Result<(), Violation>;

impl World {
    pub(super) fn new(
        seed: u64,
        settings: DriverSettings,
        clock: &SimClock,
        trace: &Trace,
        disk: SimDisk,
        coverage: Rc<RefCell<Coverage>>,
    ) -> Result<World, Violation> {
        let store = SimS3::new(clock, trace);
        let mut network = Network::new(seed, &store, trace);
        network.set_faults(settings.network);
        let time = Time::new(clock);
        let wire = Wire::new(network, &time);
        let started = settings.databases.iter().enumerate();
        let databases = started.map(|(number, of)| Database::start(number, of, &disk, &store));
        Ok(World {
            life: None,
            databases: databases.collect::<Result<_, _>>()?,
            seed,
            settings,
            time,
            trace: trace.clone(),
            disk,
            store,
            wire,
            history: History::default(),
            start_at: None,
            lives: 0,
            chaos: true,
            random: Random::indexed(seed, Stream::Driver, WORLD),
            engine: Random::new(seed, Stream::Engine),
            coverage,
        })
    }

    pub(super) async fn play(&mut self, steps: &[Step]) -> Checked {
        tokio::task::spawn(self.wire.clone().pump());
        self.start_life()?;
        for step in steps {
            self.operate(step.operation).await?;
            self.pass(Duration::from_micros(step.then_us)).await?;
        }
        self.converge().await?;
        self.finale().await
    }

    /// Lets time pass, and listens meanwhile.
    async fn pass(&mut self, time: Duration) -> Checked {
        let until = self.time.in_step().after(time);
        loop {
            let now = self.time.in_step();
            self.start_what_is_due(now)?;
            self.check()?;
            if now >= until {
                return Ok(());
            }
            let adds =
                self.databases.iter().filter(|one| one.followed.is_none()).filter_map(|one| one.add_at);
            let next = adds.filter(|_| self.life.is_some()).chain(self.start_at).chain([until]).min();
            let sleeps = next.expect("there is one").since(now);
            let says = async {
                match &mut self.life {
                    Some(life) => life.says().await,
                    None => std::future::pending().await,
                }
            };
            let told = tokio::select! {
                biased;
                told = says => Some(told),
                () = tokio::time::sleep(sleeps) => None,
            };
            match told {
                Some(Told::Report(report)) => self.heard(report)?,
                Some(Told::Ended(end)) => self.life_ended(end).await?,
                None => {}
            }
        }
    }

    fn start_what_is_due(&mut self, now: Instant) -> Checked {
        if self.start_at.is_some_and(|at| at <= now) {
            self.start_life()?;
        }
        let Some(life) = self.life.as_mut().filter(|life| !life.is_finishing) else { return Ok(()) };
        for (number, database) in self.databases.iter_mut().enumerate() {
            // Not before it is stopped: each follows on a writer id of its own.
            if database.followed.is_none() && database.add_at.is_some_and(|at| at <= now) {
                life.add(number, database, &mut self.engine);
            }
        }
        Ok(())
    }

    /// What can be looked at whenever something has happened.
    fn check(&mut self) -> Checked {
        // No slot is ever taken back here: nobody takes over.
        let newest = self.databases.iter().filter_map(|database| database.mirror.txid()).max();
        self.history.check(&self.store, newest)?;
        match &self.life {
            Some(life) => {
                self.coverage.borrow_mut().add(&life.mischief.take_coverage());
                life.mischief.check()
            }
            None => Ok(()),
        }
    }

    fn start_life(&mut self) -> Checked {
        assert!(self.life.is_none(), "one after the other");
        self.lives += 1;
        self.start_at = None;
        let mut life = Life::start(&Surroundings {
            seed: self.seed,
            number: self.lives,
            time: &self.time,
            disk: &self.disk,
            wire: &self.wire,
            store: &self.store,
            trace: &self.trace,
            limits: self.settings.limits,
            slow_jobs_ppm: if self.chaos { self.settings.slow_jobs_ppm } else { 0 },
            keys_max: self.settings.databases[0].list_keys_max,
        })?;
        if self.chaos {
            self.disk.set_faults_of(life.process.pid(), self.settings.daemon_disk);
        }
        for (number, database) in self.databases.iter_mut().enumerate() {
            life.add(number, database, &mut self.engine);
        }
        self.life = Some(life);
        Ok(())
    }

    async fn life_ended(&mut self, end: End) -> Checked {
        let life = self.life.take().expect("it has just said so");
        self.trace.record("end", &format!("{end:?}"), &[], &[]);
        self.reached(match end {
            End::Finished => Reached::Stopped,
            End::Dropped => Reached::DriverDropped,
            End::Killed => Reached::DriverKilled,
        });
        let followed = self.databases.iter().filter(|database| database.followed.is_some()).count();
        if end == End::Finished && followed > 0 {
            let message = format!("the driver ended in order, and {followed} databases are not stopped");
            return Err(Violation::new(29, message));
        }
        for database in &mut self.databases {
            database.is_let_go();
            database.add_at = None;
        }
        let coverage = life.mischief.take_coverage();
        self.coverage.borrow_mut().add(&coverage);
        life.ends(end).await?;
        let away = Duration::from_micros(self.random.below(RESTART_US_MAX));
        self.start_at = Some(self.time.in_step().after(away));
        Ok(())
    }

    /// A process that died is buried before others go on: what its connections do while they are dropped is undone, and
    /// with it what anybody else would have done meanwhile.
    async fn bury_dead(&mut self) -> Checked {
        loop {
            let Some(life) = self.life.as_mut() else { return Ok(()) };
            if life.process.is_alive() {
                return Ok(());
            }
            life.mischief.doom();
            match life.says().await {
                Told::Report(report) => self.heard(report)?,
                Told::Ended(end) => self.life_ended(end).await?,
            }
        }
    }

    fn heard(&mut self, report: Report) -> Checked {
        self.trace.record("report", &format!("{report:?}"), &[], &[]);
        let Report::Notice(id, notice) = report else { return Ok(()) };
        if self.life.as_ref().is_some_and(|life| life.probes.contains(&id)) {
            return Ok(());
        }
        let number = self.life.as_ref().and_then(|life| life.databases.get(&id)).copied();
        let Some(number) = number else {
            return Err(Violation::new(29, format!("{notice:?} of a database that nobody follows")));
        };
        let database = &mut self.databases[number];
        database.troubles += u64::from(is_trouble(&notice));
        match notice {
            Notice::Durable { txid, .. } => {
                database.durable(txid)?;
                self.reached(Reached::Durable);
            }
            Notice::Stopped { complete, .. } => database.stopped(complete)?,
            Notice::Status(Status::Stopped) => {
                database.is_let_go();
                if let Some(life) = &self.life {
                    life.store.traffic.database_stops(database.place.prefix().trim_end_matches("/"));
                }
                self.stopped_alone();
            }
            Notice::Status(status @ (Status::Starting | Status::Following | Status::Degraded)) => {
                database.status = Some(status);
            }
            Notice::Status(status @ (Status::Fenced | Status::Failed | Status::Missing)) => {
                return Err(Violation::new(29, format!("{} is {status:?}", database.path)));
            }
            Notice::Healed { reason: HealReason::Adopted, .. } => self.reached(Reached::Adopted),
            Notice::Healed { reason: HealReason::LogGone, .. } => self.reached(Reached::LogGone),
            _ => {}
        }
        Ok(())
    }

    fn stopped_alone(&mut self) {
        let others = self.databases.iter().any(|database| database.followed.is_some());
        if others && self.life.as_ref().is_some_and(|life| !life.is_finishing) {
            self.reached(Reached::StoppedAlone);
        }
    }

    fn reached(&self, state: Reached) {
        self.coverage.borrow_mut().reached(state);
    }
}

/// Sub-stream of the draws.
const WORLD: u32 = 3;
const RESTART_US_MAX: u64 = 2_000_000;
