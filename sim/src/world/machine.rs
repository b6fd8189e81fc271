//! One machine: a disk, an application on it, a daemon beside it.

use super::daemon::{DATABASE, Daemon, STATE_FOLDER};
use super::foreign::Operator;
use crate::oracle::image::{self, Image};
use crate::oracle::restart::Promise;
use crate::oracle::stop::Asked;
use crate::outcome::Violation;
use crate::settings::Settings;
use crate::workload::Application;
use engine::replicate::TakeOver;
use engine::store::Sha256;
use engine::types::{Instant, NodeId, Txid};
use io_sim::disk::{DatabaseView, FileStat, Pid, SimDisk};
use io_sim::network::Network;
use io_sim::process::Process;
use std::time::Duration;

/// What an image is known by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Measure {
    pub(super) content: Sha256,
    pub(super) bytes: usize,
}

/// What a look at a database finds.
pub(super) enum Look {
    /// Nothing that an application reads changed since the last look.
    AsBefore(Measure),
    New(Measure, Image),
}

/// A machine.
pub(super) struct Machine {
    pub(super) number: usize,
    pub(super) application: Option<Application>,
    pub(super) daemon: Option<Daemon>,
    /// When the daemon is started again; `None`: it stays down.
    pub(super) restart_at: Option<Instant>,
    pub(super) take_over: TakeOver,
    /// The writer ids of all its daemon's lives.
    pub(super) own: Vec<NodeId>,
    /// An end that the daemon was asked for.
    pub(super) stop_asked: Option<Asked>,
    /// `take_over` for the next life, as an operator said.
    pub(super) permit: Option<TakeOver>,
    /// How long the daemon stays down when it ends.
    pub(super) down: Option<Duration>,
    /// The last life ended in order, with everything in the store.
    pub(super) ended_complete: bool,
    /// And told of no trouble.
    pub(super) ended_untroubled: bool,
    /// What the start of this life may cost.
    pub(super) promise: Option<Promise>,
    /// How many states the application had gone through when this life began.
    pub(super) states_at_start: usize,
    /// How many reads of its local state had come with a wrong bit by then.
    pub(super) state_misread_at_start: u64,
    /// And how many of all its files.
    pub(super) misread_at_start: u64,
    /// Of its local state, before the life began in which it was told that it lost the place.
    pub(super) state_misread_when_told: u64,
    /// When the application comes back.
    pub(super) application_at: Option<Instant>,
    /// It comes back only when the daemon has let go of its files: it had done so this often before.
    pub(super) awaits_let_go: Option<u64>,
    /// Somebody changed the files when the daemon had let go of its own so often.
    pub(super) files_changed: Option<u64>,
    /// How often the daemon had looked at the files when the application last did something.
    pub(super) checks_then: u64,
    /// The database file when its daemon was last told of a change.
    pub(super) database_then: Option<FileStat>,
    /// Attempts of the application to come back.
    pub(super) attempts: u32,
    /// What its daemon asked for before the faults were over may still be answered wrongly, and it has not come to follow
    /// since.
    pub(super) unsettled: bool,
    /// This life has come to follow.
    pub(super) follows: bool,
    /// Since when the daemon has held a log that is too long, with the store away.
    pub(super) long_log_since: Option<Instant>,
    /// The newest slot of which a life that is over saved that the store had confirmed it.
    pub(super) confirmed: Option<Txid>,
    /// The state directory was lost at some time.
    pub(super) lost_state: bool,
    /// The application has the file for itself: nobody else can look.
    pub(super) exclusive: bool,
    /// Writer ids that came with a copied state directory.
    pub(super) copied: Vec<NodeId>,
    /// The newest slot when they came.
    pub(super) copied_until: Option<Txid>,
    /// Its daemon was refused or fenced.
    pub(super) fenced: bool,
    /// It was told so in some life, and its configuration counts no more (decision 0015).
    pub(super) knows_loss: bool,
    /// What the oracles read last, and the database that it was read from.
    seen: Option<(DatabaseView, Measure)>,
    /// Reads for the oracles. `None` only while the power is off.
    pub(super) observer: Option<Process>,
    pub(super) disk: SimDisk,
}

impl Machine {
    pub(super) fn new(number: usize, disk: SimDisk, take_over: TakeOver) -> Machine {
        let observer = Some(Process::start(&disk));
        Machine {
            number,
            application: None,
            daemon: None,
            restart_at: None,
            take_over,
            own: Vec::new(),
            stop_asked: None,
            permit: None,
            down: None,
            ended_complete: false,
            ended_untroubled: false,
            promise: None,
            states_at_start: 0,
            state_misread_at_start: 0,
            misread_at_start: 0,
            state_misread_when_told: 0,
            application_at: None,
            awaits_let_go: None,
            files_changed: None,
            checks_then: 0,
            database_then: None,
            attempts: 0,
            follows: false,
            long_log_since: None,
            confirmed: None,
            unsettled: false,
            lost_state: false,
            exclusive: false,
            copied: Vec::new(),
            copied_until: None,
            fenced: false,
            knows_loss: false,
            seen: None,
            observer,
            disk,
        }
    }

    /// Starts the application, without faults: a database that cannot be opened is beyond what is asked.
    pub(super) fn start_application(&mut self, settings: &Settings) -> Result<(), Violation> {
        let started = self.disk.calm(|| Application::start(&self.disk, DATABASE, settings));
        self.application = Some(started.map_err(|e| Violation::new(0, format!("the application: {e}")))?);
        Ok(())
    }

    /// The application's database now, if it is another one than when it was looked at last: a connection and a copy are
    /// most of what a look costs.
    pub(super) fn look(&mut self) -> Result<Look, Violation> {
        if self.application_at.is_none()
            && let Some((view, measure)) = &self.seen
            && *view == self.disk.view(DATABASE)
        {
            return Ok(Look::AsBefore(*measure));
        }
        let image = self.observe()?;
        let measure = Measure { content: image::digest(&image), bytes: image.len() };
        // The connection itself may have made the wal-index.
        self.seen = self.application_at.is_none().then(|| (self.disk.view(DATABASE), measure));
        Ok(Look::New(measure, image))
    }

    /// The application's database now.
    pub(super) fn observe(&mut self) -> Result<Image, Violation> {
        // After an operator's work at the files it is what is found when all have let go of the old ones.
        if self.application_at.is_some() {
            return Operator::at(&self.disk).look();
        }
        let observer = self.observer.get_or_insert_with(|| Process::start(&self.disk));
        image::observe(observer, DATABASE)
    }

    /// Whether the daemon has the database open that is there now.
    pub(super) fn daemon_has_files(&self) -> bool {
        let daemon = self.daemon.as_ref().filter(|daemon| daemon.attached);
        daemon.is_some_and(|daemon| self.files_changed != Some(daemon.let_go))
    }

    /// Whether the daemon has looked at the files since the application last did something.
    pub(super) fn daemon_has_looked(&self) -> bool {
        self.daemon.as_ref().is_none_or(|daemon| daemon.checks > self.checks_then)
    }

    /// How many reads of the daemon's local state came with a wrong bit so far.
    pub(super) fn state_misread(&self) -> u64 {
        self.disk.misreads(STATE_FOLDER)
    }

    /// Whether a read of this life of the daemon came with a wrong bit, or one of its local state at any time: SQLite
    /// keeps no checksums of that, and what was misread may have been written back.
    pub(super) fn has_misread(&self) -> bool {
        self.state_misread() > 0 || self.disk.misreads("") > self.misread_at_start
    }

    /// Its living processes, but the observer.
    pub(super) fn pids(&self) -> Vec<Pid> {
        let application = self.application.as_ref().map(|application| application.process().pid());
        let daemon = self.daemon.as_ref().map(|daemon| daemon.process.pid());
        application.into_iter().chain(daemon).collect()
    }

    /// Whether the machine lost its power; then everything on it is dead, and it is started again.
    pub(super) fn power_lost_of(&mut self, network: &mut Network) -> bool {
        if self.disk.is_powered() {
            return false;
        }
        self.application_at = None;
        self.awaits_let_go = None;
        self.exclusive = false;
        self.ended_complete = false;
        if let Some(application) = self.application.take() {
            application.kill();
        }
        if let Some(daemon) = self.daemon.take() {
            network.disconnect(daemon.client);
            self.confirmed = daemon.confirmed.or(self.confirmed);
            daemon.kill();
        }
        drop(self.observer.take());
        self.disk.power_cycle();
        true
    }
}
