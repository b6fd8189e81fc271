//! One life of walsync: a process with the real driver in it.

use super::database::Database;
use super::jobs::Jobs;
use super::mischief::Mischief;
use super::source::SimSource;
use super::state::SimState;
use super::store::SimStore;
use super::time::Time;
use super::traffic::Traffic;
use super::wire::Wire;
use crate::coverage::Reached;
use crate::outcome::Violation;
use crate::settings::Settings;
use crate::world::SimFiles;
use crate::world::config::{Identity, database_config, lock_byte};
use engine::key::Place;
use engine::manifest::DatabaseId;
use engine::replicate::{SourceId, TakeOver};
use engine::types::NodeId;
use io_real::driver::{Driver, Handle, Limits, Ports, Report};
use io_real::sqlite::{Session, SessionConfig};
use io_real::state::StateStore;
use io_sim::disk::SimDisk;
use io_sim::network::ClientId;
use io_sim::process::Process;
use io_sim::random::Random;
use io_sim::trace::Trace;
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::task::JoinHandle;

/// A living driver.
pub(super) struct Life {
    pub(super) handle: Handle<SimSource>,
    told: UnboundedReceiver<Report>,
    run: JoinHandle<End>,
    pub(super) process: Process,
    pub(super) store: SimStore,
    pub(super) mischief: Mischief,
    pub(super) jobs: Jobs,
    /// Which database has which number.
    pub(super) databases: BTreeMap<SourceId, usize>,
    /// What is followed only to see whether it can be.
    pub(super) probes: Vec<SourceId>,
    /// The end of all was asked for.
    pub(super) is_finishing: bool,
    /// Whether the process dies with its driver.
    kills: Arc<AtomicBool>,
    trace: Trace,
}

/// How a driver ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// It came to its end.
    Finished,
    /// It was dropped, and its process went on to an end in order.
    Dropped,
    /// Its process died.
    Killed,
}

/// What a life has to say.
pub(super) enum Told {
    Report(Report),
    Ended(End),
}

/// What a life is made of.
pub(super) struct Surroundings<'a> {
    pub(super) seed: u64,
    pub(super) number: u32,
    pub(super) time: &'a Time,
    pub(super) disk: &'a SimDisk,
    pub(super) wire: &'a Wire,
    pub(super) store: &'a io_sim::s3::SimS3,
    pub(super) trace: &'a Trace,
    pub(super) limits: Limits,
    pub(super) slow_jobs_ppm: u32,
    pub(super) keys_max: usize,
}

impl Life {
    pub(super) fn start(around: &Surroundings<'_>) -> Result<Life, Violation> {
        let mischief = Mischief::new(around.seed, around.number, around.slow_jobs_ppm);
        let process = Process::start(around.disk);
        let jobs = Jobs::new(around.time, &mischief, around.disk, process.pid());
        let store = SimStore {
            wire: around.wire.clone(),
            client: ClientId(around.number),
            traffic: Traffic::new(around.limits.requests_in_flight, &mischief),
            mischief: mischief.clone(),
            keys_max: around.keys_max,
            clock: around.store.clock().clone(),
        };
        let files = Arc::new(SimFiles { disk: around.disk.clone(), pid: process.pid() });
        let opened = around.disk.calm(|| StateStore::open(Some(process.vfs_name()), Path::new(STATE), files));
        let state = opened.map_err(|error| Violation::new(0, format!("the local state: {error}")))?;
        let state = SimState { store: state, mischief: mischief.clone(), trace: around.trace.clone() };
        let ports = Ports {
            store: Arc::new(store.clone()),
            state: Box::new(state),
            work: Arc::new(jobs.clone()),
            clock: Arc::new(around.time.clone()),
        };
        let (driver, handle, told) = Driver::new(ports, around.limits);
        let kills = Arc::new(AtomicBool::new(false));
        let mortal = Mortal {
            mischief: mischief.clone(),
            store: store.clone(),
            jobs: jobs.clone(),
            disk: around.disk.clone(),
            pid: process.pid(),
            kills: kills.clone(),
        };
        Ok(Life {
            handle,
            told,
            run: tokio::task::spawn(mortal.live(driver)),
            process,
            store,
            mischief,
            jobs,
            databases: BTreeMap::new(),
            probes: Vec::new(),
            is_finishing: false,
            kills,
            trace: around.trace.clone(),
        })
    }

    /// Follows a database from now on, unless the driver is at its end.
    pub(super) fn add(&mut self, number: usize, database: &mut Database, engine: &mut Random) {
        let (id, node) = self.follow(number, &database.path, &database.place, &database.settings, engine);
        self.trace.record("add", &database.path, &[("id", u64::from(id.0))], &[]);
        if self.is_finishing {
            self.mischief.reached(Reached::AddedAfterFinish);
            return;
        }
        database.own.push(node);
        database.is_let_go();
        database.followed = Some(id);
        database.add_at = None;
        self.databases.insert(id, number);
    }

    /// Follows a file that is not there: that asks something of the store, and no more.
    pub(super) fn probe(&mut self, number: usize, settings: &Settings, engine: &mut Random) -> SourceId {
        let place = Place::new(&format!("probe/{number}")).expect("a legal folder");
        let (id, _) = self.follow(PROBES + number, &format!("/app/probe{number}"), &place, settings, engine);
        self.probes.push(id);
        id
    }

    fn follow(
        &mut self,
        number: usize,
        path: &str,
        place: &Place,
        settings: &Settings,
        engine: &mut Random,
    ) -> (SourceId, NodeId) {
        let node = NodeId::new(engine.next_u64() | 1).expect("not zero");
        let mut uuid = [0; 16];
        engine.fill(&mut uuid);
        let disk = self.process.disk().clone();
        let session = Session::new(SessionConfig {
            vfs: Some(self.process.vfs_name().to_owned()),
            path: path.into(),
            files: Arc::new(SimFiles { disk, pid: self.process.pid() }),
            lock_byte: lock_byte(settings),
            pause,
        });
        let source =
            SimSource { session, mischief: self.mischief.clone(), trace: self.trace.clone(), number };
        let identity = Identity {
            place: place.clone(),
            node,
            database: DatabaseId::from_random(uuid),
            host: "machine 0".to_owned(),
        };
        let config = database_config(settings, identity, TakeOver::Never);
        (self.handle.add(config, source, path.to_owned()), node)
    }

    /// Drops the driver some steps from now.
    pub(super) fn ends_in(&self, steps: u64, kills: bool) {
        self.kills.fetch_or(kills, Ordering::Relaxed);
        self.mischief.dies_in(steps);
    }

    /// The next thing that it says.
    pub(super) async fn says(&mut self) -> Told {
        tokio::select! {
            biased;
            Some(report) = self.told.recv() => Told::Report(report),
            ended = &mut self.run => Told::Ended(ended.expect("a panic of the driver ends the run")),
        }
    }

    /// Lets everything come to its end, and looks whether it does. Property 24: nothing of an ended driver goes on.
    pub(super) async fn ends(self, end: End) -> Result<(), Violation> {
        let Life { handle, process, store, mischief, jobs, .. } = self;
        drop(handle);
        // Every task that has something to do does it first.
        tokio::time::sleep(Duration::from_millis(2)).await;
        let left = store.traffic.count();
        if left > 0 {
            return Err(Violation::new(
                24,
                format!("{left} requests go on after the driver's end ({end:?})"),
            ));
        }
        if tokio::time::timeout(JOBS_END, jobs.are_over()).await.is_err() {
            let pending = jobs.pending();
            return Err(Violation::new(29, format!("{pending} jobs of an ended driver never end")));
        }
        tokio::time::sleep(Duration::from_millis(2)).await;
        mischief.check()?;
        if process.open_files() > 0 {
            let files = process.open_files();
            return Err(Violation::new(
                24,
                format!("{files} files stay open after the driver's end ({end:?})"),
            ));
        }
        store.wire.disconnect(store.client);
        if end == End::Killed {
            process.kill(|| {});
        }
        Ok(())
    }
}

/// The task that a driver lives in.
struct Mortal {
    mischief: Mischief,
    store: SimStore,
    jobs: Jobs,
    disk: SimDisk,
    pid: io_sim::disk::Pid,
    kills: Arc<AtomicBool>,
}

impl Mortal {
    async fn live(self, driver: Driver<SimSource>) -> End {
        let mut run = Box::pin(driver.run());
        let counted = std::future::poll_fn(|context| {
            self.mischief.step();
            run.as_mut().poll(context)
        });
        let finished = tokio::select! {
            biased;
            () = self.mischief.doomed() => false,
            () = counted => true,
        };
        if finished {
            return End::Finished;
        }
        self.dies(run)
    }

    fn dies<T>(&self, run: T) -> End {
        if self.jobs.pending() > 0 {
            self.mischief.reached(Reached::DroppedInJob);
        }
        self.store.traffic.ends();
        let killed = self.kills.load(Ordering::Relaxed) || !self.disk.is_alive(self.pid);
        if killed {
            self.disk.kill_in(self.pid, 0);
            self.store.wire.disconnect(self.store.client);
            self.jobs.die();
        }
        drop(run);
        if killed { End::Killed } else { End::Dropped }
    }
}

/// Instead of time that passes: others act between jobs only.
fn pause(duration: Duration) -> Duration {
    duration
}

/// Numbers of probes begin here.
const PROBES: usize = 100;
const STATE: &str = "/state/state.db";
/// The longest that a job may take, and a few of them one after the other.
const JOBS_END: Duration = Duration::from_secs(600);
