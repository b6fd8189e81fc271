//! The run itself: the driver, the files' notifications, the signals, and when it ends.

use super::again::{self, Again};
use super::control::Control;
use super::databases::{config, memory_share, session, state_key};
use super::events::{self, Events};
use super::ledger::Ledger;
use super::reload::Leaving;
use super::signals::{Asked, Signals};
use super::verify::Checks;
use super::{WatchJob, fencing, host};
use crate::commands::open_store::open_store;
use crate::config::{DatabaseSpec, discover};
use crate::control;
use crate::exit::{Failure, Kind};
use crate::output::Printer;
use engine::replicate::{Notice, Status};
use io_real::driver::{Driver, Handle, Limits, Ports, Report, SystemClock, TokioWork};
use io_real::files::RealFiles;
use io_real::sqlite::Session;
use io_real::state::StateStore;
use io_real::wake::{Armed, Wake};
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::task::JoinHandle;

/// A running daemon.
pub(super) struct Daemon {
    pub(super) handle: Handle<Armed<Session>>,
    reports: UnboundedReceiver<Report>,
    driver: JoinHandle<()>,
    pub(super) signals: Signals,
    files: RealFiles,
    /// `None`: the engine's own look every second must do.
    pub(super) wake: Option<Wake>,
    pub(super) ledger: Ledger,
    events: Events,
    control: Control,
    checks: Checks,
    /// Databases that were added, for the search for new files.
    pub(super) known: Vec<DatabaseSpec>,
    /// Files that appeared and were not added, each said once.
    pub(super) refused: BTreeSet<PathBuf>,
    pub(super) memory_bytes_each: u64,
    /// The store refuses to create what is there.
    pub(super) conditional_writes: bool,
    pub(super) ending: Ending,
    /// Databases that a reload stopped.
    pub(super) leaving: Leaving,
    /// What begins when this has ended: a reload with another store.
    pub(super) next: Option<Box<WatchJob>>,
}

/// Whether and why it ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ending {
    /// It does not.
    No,
    /// Everything is asked to stop; however long it takes.
    WhenDone,
    /// Everything is asked to stop until then.
    By(Instant),
}

/// How often wildcards are looked up again, and clocks are looked at.
const TICK: Duration = Duration::from_millis(500);
const DISCOVER_EVERY: Duration = Duration::from_secs(5);
/// The store's own time limit comes first: it knows more.
const REQUEST_GRACE: Duration = Duration::from_secs(5);

impl Daemon {
    /// Prepares this machine, opens store and state, and starts the driver without databases.
    pub(super) async fn start(
        job: &WatchJob,
        mut signals: Signals,
        printer: &Printer,
    ) -> Result<Daemon, Failure> {
        let elsewhere = again::with_another_state(job);
        host::make_state_dir(&job.state_dir.path, &elsewhere)?;
        host::raise_open_files(job.databases.len(), job.limits.requests_in_flight)?;
        let store = open_store(&job.store)?;
        // Whoever asks how it stands must find it also while the store is away.
        let mut control = Control::start(&job.state_dir.path, job.store.url.to_string());
        let conditional_writes = {
            let mut probe = std::pin::pin!(fencing::probe(job, &*store, printer));
            loop {
                tokio::select! {
                    probed = &mut probe => break probed?,
                    asked = control.next() => control.asked_too_early(asked, job),
                    asked = signals.next() => match asked {
                        Asked::End => return Err(interrupted(job)),
                        Asked::Reload => tracing::warn!("SIGHUP: the store has not answered yet, nothing is reloaded"),
                    },
                }
            }
        };
        let files = RealFiles::new(host::name());
        let path = job.state_dir.path.join("state.db");
        let state = StateStore::open(None, &path, Arc::new(files.clone()))
            .map_err(|error| host::state_failure(&error, &elsewhere))?;
        let ports = Ports {
            store,
            state: Box::new(state),
            work: Arc::new(TokioWork::current()),
            clock: Arc::new(SystemClock),
        };
        let limits = Limits {
            requests_in_flight: usize::try_from(job.limits.requests_in_flight).unwrap_or(usize::MAX).max(1),
            upload_bytes_per_second: job.limits.upload_bytes_per_second,
            request_timeout: job.store.timeout.saturating_add(REQUEST_GRACE),
            ..Limits::default()
        };
        let (driver, handle, reports) = Driver::new(ports, limits);
        let wake = Wake::start(handle.poker())
            .inspect_err(|error| tracing::warn!(%error, "no file notifications, looking every second"))
            .ok();
        Ok(Daemon {
            handle,
            reports,
            driver: tokio::task::spawn(driver.run()),
            signals,
            files,
            wake,
            ledger: Ledger::default(),
            events: Events::new(job.outcome.is_none()),
            control,
            checks: Checks::new(job),
            known: Vec::new(),
            refused: BTreeSet::new(),
            memory_bytes_each: memory_share(job.limits.memory_bytes, job.databases.len()),
            conditional_writes,
            ending: Ending::No,
            leaving: Leaving::new(),
            next: None,
        })
    }

    /// Replicates until it ends, or until a reload wants all to begin anew: with that job.
    pub(super) async fn run(
        mut self,
        mut job: WatchJob,
        printer: &Printer,
    ) -> Result<Option<(WatchJob, Signals)>, Failure> {
        let job = &mut job;
        for spec in &job.databases {
            self.add(spec, job)?;
        }
        // Those were said when the run was planned.
        self.refused.extend(discover(&job.entries, &[]).refused.into_iter().map(|refused| refused.path));
        if let Some(asked) = &job.asked {
            self.asked(asked.clone());
        } else if job.once {
            self.finish(Ending::WhenDone);
        }
        let mut ticks = tokio::time::interval(TICK);
        let mut discovered_at = Instant::now();
        loop {
            tokio::select! {
                report = self.reports.recv() => match report {
                    Some(report) => self.told(report, job, printer)?,
                    // The driver ended, and everything it said was heard.
                    None => match self.next.take() {
                        Some(next) => return Ok(Some((*next, self.signals))),
                        None => return self.verdict(job, printer).map(|()| None),
                    },
                },
                asked = self.signals.next() => match asked {
                    Asked::End => self.asked_to_end(),
                    Asked::Reload => self.reload(job, printer).await?,
                },
                asked = self.control.next() => self.asked(asked),
                ended = self.checks.ended() => self.checks.tell(ended, printer)?,
                _ = ticks.tick() => self.tick(job).await,
            }
            let now = Instant::now();
            if let Some(failures) = self.out_of_time(job, now).await {
                self.driver.abort();
                let Some(next) = self.next.take() else { return worst(failures, printer).map(|()| None) };
                failures.iter().for_each(|failure| printer.failure(failure));
                return Ok(Some((*next, self.signals)));
            }
            let is_answered = job.asked.is_some() && self.control.is_idle();
            if self.ending == Ending::No && (is_answered || self.ledger.is_over()) {
                self.finish(Ending::WhenDone);
            }
            if self.ending == Ending::No && !job.once && now.duration_since(discovered_at) >= DISCOVER_EVERY {
                discovered_at = now;
                self.discover(job, printer)?;
            }
        }
    }

    fn asked(&mut self, asked: control::Asked) {
        let (checks, ending) = (&self.checks, self.ending != Ending::No);
        self.control.asked(asked, &self.ledger, &self.handle, |name| checks.report(name), ending);
    }

    /// What is looked at twice a second.
    async fn tick(&mut self, job: &WatchJob) {
        self.control.tick(Instant::now(), &self.ledger);
        if self.ending != Ending::No || job.once {
            return;
        }
        self.checks.begin_if_due(job, &self.ledger);
        if self.checks.is_running() {
            let interval = self.known.iter().map(|spec| spec.settings.sync.max_interval).max();
            let standings = self.handle.standings().await;
            self.checks.note_standings(standings.into_values(), interval.unwrap_or_default());
        }
    }

    pub(super) fn add(&mut self, spec: &DatabaseSpec, job: &WatchJob) -> Result<(), Failure> {
        let config = config(spec, job, self.memory_bytes_each, self.conditional_writes)?;
        let key = state_key(&spec.path, &job.store.url, spec.place.as_str());
        let session = session(spec, &self.files);
        let source = match &self.wake {
            Some(wake) => wake.armed(session, &spec.path),
            None => Armed::not(session),
        };
        let id = self.handle.add(config, source, key);
        let name = spec.place.to_string();
        let again = Again::of(job, &spec.path, &name);
        self.ledger.add(id, name, spec.path.clone(), again);
        if let Some(wake) = &self.wake
            && let Err(error) = wake.watch(&spec.path, id)
        {
            tracing::warn!(database = %spec.place, %error, "no file notifications, looking every second");
        }
        self.known.push(spec.clone());
        Ok(())
    }

    /// Files that appeared under a wildcard. One whose place is taken is refused, the first goes on.
    fn discover(&mut self, job: &WatchJob, printer: &Printer) -> Result<(), Failure> {
        if !job.entries.iter().any(|entry| entry.pattern.has_wildcard()) {
            return Ok(());
        }
        let found = discover(&job.entries, &self.known);
        let is_new = |spec: &&DatabaseSpec| !self.known.iter().any(|known| known.path == spec.path);
        let new: Vec<DatabaseSpec> = found.databases.iter().filter(is_new).cloned().collect();
        let room = job.open_databases_max().saturating_sub(self.known.len());
        for spec in new.iter().take(room) {
            tracing::info!(database = %spec.place, path = %spec.path.display(), "found");
            self.add(spec, job)?;
        }
        for spec in new.iter().skip(room) {
            if self.refused.insert(spec.path.clone()) {
                let why = events::no_room(spec, job.limits.open_databases, printer)?;
                self.control.refuse(spec.place.to_string(), spec.path.clone(), why);
            }
        }
        self.share_memory(job)?;
        for left_out in &found.refused {
            if self.refused.insert(left_out.path.clone()) {
                tracing::warn!(path = %left_out.path.display(), "left out: {}", left_out.reason);
            }
        }
        for collision in &found.collisions {
            if self.refused.insert(collision.second.path.clone()) {
                let why = events::refused(collision, printer)?;
                self.control.refuse(collision.place.to_string(), collision.second.path.clone(), why);
            }
        }
        Ok(())
    }

    fn told(&mut self, report: Report, job: &WatchJob, printer: &Printer) -> Result<(), Failure> {
        match report {
            Report::StateWarning(warning) => tracing::warn!("{warning}"),
            // What is wrong with one place is as a rule wrong with all.
            Report::SweepFailed { place, error, count: 1 } => {
                tracing::warn!(place = place.folder(), %error, "unfinished uploads of earlier lives stay in the store");
            }
            Report::SweepFailed { place, error, count } => {
                tracing::debug!(place = place.folder(), %error, count, "here as well");
            }
            Report::Notice(id, notice) => {
                let now = Instant::now();
                let failure = self.ledger.note(id, &notice, now);
                if let Some(account) = self.ledger.account(id) {
                    self.events.tell(id, account, &notice, failure.as_ref(), printer, now)?;
                }
                self.control.heard(id, &notice, &self.ledger, &self.handle);
                if notice == Notice::Status(Status::Stopped) {
                    self.left(id, job)?;
                }
            }
        }
        Ok(())
    }

    pub(super) fn shutdown_timeout(&self) -> Duration {
        self.known.iter().map(|spec| spec.settings.sync.shutdown_timeout).max().unwrap_or_default()
    }

    pub(super) fn asked_to_end(&mut self) {
        let timeout = self.shutdown_timeout();
        self.next = None;
        tracing::info!("ending, for at most {} s", timeout.as_secs_f32());
        self.finish(Ending::By(Instant::now() + timeout));
    }

    pub(super) fn finish(&mut self, ending: Ending) {
        self.ending = ending;
        self.handle.finish();
    }

    /// Why it must not go on, although not everything is done; the gravest last.
    async fn out_of_time(&self, job: &WatchJob, now: Instant) -> Option<Vec<Failure>> {
        match self.ending {
            Ending::By(deadline) if deadline <= now => {
                let standings = tokio::time::timeout(TICK, self.handle.standings()).await.unwrap_or_default();
                let failure = self.ledger.undone(&standings).unwrap_or_else(|| {
                    Failure::new(Kind::Unavailable, "the end took too long; everything is durable")
                        .hint(again::show_config(job))
                });
                Some(vec![failure])
            }
            Ending::WhenDone if job.once => self.ledger.given_up(job.store.timeout),
            Ending::By(_) | Ending::WhenDone | Ending::No => None,
        }
    }

    /// Everything is stopped: what the run as a whole amounts to.
    fn verdict(self, job: &WatchJob, printer: &Printer) -> Result<(), Failure> {
        if let Some(outcome) = &job.outcome {
            outcome.fill(&self.ledger);
        }
        // Asked to end by signal, a daemon has reported its troubles before, but not what that left undone.
        if matches!(self.ending, Ending::By(_)) && !job.once {
            return self.ledger.undone(&BTreeMap::new()).map_or(Ok(()), Err);
        }
        worst(self.ledger.failures(), printer)
    }
}

/// The last one, after the others were printed.
fn worst(mut failures: Vec<Failure>, printer: &Printer) -> Result<(), Failure> {
    let Some(worst) = failures.pop() else { return Ok(()) };
    failures.iter().for_each(|failure| printer.failure(failure));
    Err(worst)
}

fn interrupted(job: &WatchJob) -> Failure {
    Failure::new(Kind::Unavailable, "ended before anything was replicated")
        .cause("the store has not answered yet")
        .hint(again::show_config(job))
}
