//! One life of walsync: the real engine and the real SQLite access code, one event at a time.

use super::asked::Asked;
use super::config::{Identity, database_config, lock_byte};
use super::files::SimFiles;
use super::transfer::{Next, Transfer, Uploads};
use crate::coverage::Reached;
use crate::oracle::pace::Pace;
use crate::outcome::Violation;
use crate::settings::Settings;
use engine::key::Place;
use engine::manifest::DatabaseId;
use engine::replicate::{
    Command, Event, Fleet, HandOver, Hint, Notice, Output, RequestId, SourceAnswer, SourceError, SourceId,
    SourceJob, StateJob, StoreAnswer, StoreRequest, TakeOver,
};
use engine::store::{Fatal, StoreError};
use engine::types::{Instant, LockByte, NodeId, Now, Txid};
use io_real::sqlite::{Session, SessionConfig, Stager};
use io_real::state::StateStore;
use io_sim::disk::SimDisk;
use io_sim::faults::DiskFaults;
use io_sim::network::{self, ClientId, Network};
use io_sim::process::Process;
use io_sim::random::Random;
use io_sim::s3::Answer;
use io_sim::trace::Trace;
use std::collections::{BTreeMap, VecDeque};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

/// The database that every machine has.
pub(super) const DATABASE: &str = "/app/app.db";
pub(super) const STATE_FOLDER: &str = "/state";
const STATE: &str = "/state/state.db";

/// A living daemon.
pub(super) struct Daemon {
    // SQLite's connections go before the process: fields drop in order.
    session: Session,
    state: Option<StateStore>,
    pub(super) process: Process,
    pub(super) client: ClientId,
    fleet: Fleet,
    source: VecDeque<(RequestId, SourceJob)>,
    source_at: Instant,
    saves: VecDeque<(RequestId, StateJob)>,
    save_at: Instant,
    transfers: BTreeMap<network::RequestId, Transfer<Stager>>,
    encoding: VecDeque<Transfer<Stager>>,
    encode_at: Instant,
    uploads: Uploads,
    inbox: VecDeque<network::Answered>,
    pub(super) paused_until: Instant,
    pub(super) notices: VecDeque<Notice>,
    pub(super) asked: Asked,
    pace: Pace,
    /// What it must not have asked.
    pub(super) broken: Option<Violation>,
    /// The last answer of the store was no success. An object in parts is told of when one part has failed for good.
    pub(super) is_failing: bool,
    misses_what_is_new: bool,
    /// The newest slot of which it saved that the store had confirmed it.
    pub(super) confirmed: Option<Txid>,
    /// What this life told of trouble with store, source or state.
    pub(super) troubles: u64,
    /// Objects that came and did not decode.
    pub(super) damaged: u64,
    /// Its connections are open.
    pub(super) attached: bool,
    /// An attempt to open them failed: it may have entered WAL mode before.
    pub(super) failed_to_open: bool,
    /// How often it let go of its files.
    pub(super) let_go: u64,
    /// How often it looked whether they are still those that it opened.
    pub(super) checks: u64,
    pub(super) take_over: TakeOver,
    /// The last job was a look, and the log may begin anew after it.
    pub(super) stands_on_the_database: bool,
    disk_faults: DiskFaults,
    reached: Vec<Reached>,
    delays: Random,
    timers: Random,
    /// By how much the next timer is late.
    timer_late: Duration,
    part_bytes: usize,
    list_keys_max: usize,
    lock_byte: LockByte,
    trace: Trace,
}

/// What a daemon is told beside the run's settings.
pub(super) struct Life {
    pub(super) client: ClientId,
    pub(super) node: NodeId,
    pub(super) database: DatabaseId,
    pub(super) take_over: TakeOver,
    pub(super) place: Place,
    pub(super) delays: Random,
    /// Late timers.
    pub(super) timers: Random,
}

/// The only database of a daemon.
const ONLY: SourceId = SourceId(0);
/// How long the operating system lets a job wait for a thread.
const DISPATCH_US_MAX: u64 = 400;
/// Timers that are late, as on a machine that is busy.
const LATE_PPM: u32 = 50_000;
const LATE_US_MAX: u64 = 200_000;
/// Wake-ups that come twice.
const TWICE_PPM: u32 = 20_000;

impl Daemon {
    pub(super) fn start(disk: &SimDisk, settings: &Settings, life: Life, trace: &Trace, now: Now) -> Daemon {
        let process = Process::start(disk);
        let files = Arc::new(SimFiles { disk: disk.clone(), pid: process.pid() });
        let vfs = process.vfs_name().to_owned();
        let lock_byte = lock_byte(settings);
        let session = Session::new(SessionConfig {
            vfs: Some(vfs.clone()),
            path: DATABASE.into(),
            files: files.clone(),
            lock_byte,
            pause: super::meanwhile::pause,
        });
        let state = StateStore::open(Some(&vfs), Path::new(STATE), files).ok();
        let Life { client, node, database, take_over, place, delays, timers } = life;
        let host = format!("machine {}", client.0);
        let config = database_config(settings, Identity { place, node, database, host }, take_over);
        let mut fleet = Fleet::new();
        fleet.handle(now, Event::Added(ONLY, Box::new(config)));
        Daemon {
            session,
            state,
            process,
            client,
            fleet,
            source: VecDeque::new(),
            source_at: now.mono,
            saves: VecDeque::new(),
            save_at: now.mono,
            transfers: BTreeMap::new(),
            confirmed: None,
            encoding: VecDeque::new(),
            encode_at: now.mono,
            uploads: Uploads::new(),
            inbox: VecDeque::new(),
            paused_until: now.mono,
            notices: VecDeque::new(),
            asked: Asked::default(),
            pace: Pace::default(),
            broken: None,
            is_failing: false,
            misses_what_is_new: settings.faults.network.stale_ppm > 0,
            troubles: 0,
            damaged: 0,
            attached: false,
            failed_to_open: false,
            let_go: 0,
            checks: 0,
            take_over,
            stands_on_the_database: false,
            disk_faults: DiskFaults::default(),
            reached: Vec::new(),
            delays,
            timers,
            timer_late: Duration::ZERO,
            part_bytes: usize::try_from(settings.part_bytes).expect("small"),
            list_keys_max: settings.list_keys_max,
            lock_byte,
            trace: trace.clone(),
        }
    }

    /// When it next does something; `None`: never without an event.
    pub(super) fn next_at(&mut self) -> Option<Instant> {
        let deadline = match self.fleet.poll() {
            Output::Wait(deadline) => deadline.map(|at| at.after(self.timer_late)),
            Output::Command(_) => unreachable!("drained after every event"),
        };
        let source = (!self.source.is_empty()).then_some(self.source_at);
        let save = (!self.saves.is_empty()).then_some(self.save_at);
        let encode = (!self.encoding.is_empty()).then_some(self.encode_at);
        let inbox = self.inbox.front().map(|answered| answered.at);
        let next = [deadline, source, save, encode, inbox].into_iter().flatten().min();
        next.map(|at| at.max(self.paused_until))
    }

    /// Does one thing that is due.
    pub(super) fn step(&mut self, now: Now, network: &mut Network) {
        if let Some(answered) = self.inbox.pop_front() {
            self.deliver(network, answered.id, answered.answer);
        } else if !self.source.is_empty() && self.source_at <= now.mono {
            let (id, job) = self.source.pop_front().expect("checked");
            let name = job_name(&job);
            let result = self.run_job(job);
            self.troubles += u64::from(result.is_err());
            // What was asked of the store for it was asked in vain.
            self.asked.failed += u64::from(result.is_err());
            let done = format!("{name} {}", answer_text(&result));
            self.trace.record("job", &done, &[("id", id.get())], &[]);
            self.later_source(now.mono);
            self.fleet.handle(self.now(), Event::Source(id, result));
        } else if !self.saves.is_empty() && self.save_at <= now.mono {
            let (id, job) = self.saves.pop_front().expect("checked");
            let result = self.save(job);
            self.troubles += u64::from(result.is_err());
            self.trace.record("state", "", &[("id", id.get()), ("ok", result.is_ok().into())], &[]);
            self.save_at = self.delay(now.mono);
            self.fleet.handle(self.now(), Event::State(id, result));
        } else if !self.encoding.is_empty() && self.encode_at <= now.mono {
            let mut transfer = self.encoding.pop_front().expect("checked");
            let next = transfer.encode(|stager, out| stager.step(&mut self.session, out));
            self.encode_at = self.delay(now.mono);
            self.go_on(network, transfer, next);
        } else {
            self.wake(now);
        }
        self.drain(network);
    }

    /// A timer went off: at times late, at times twice.
    fn wake(&mut self, now: Now) {
        self.fleet.handle(now, Event::TimePassed);
        if self.timers.ppm(TWICE_PPM) {
            self.fleet.handle(now, Event::TimePassed);
        }
        let late_us_max = if self.timers.ppm(LATE_PPM) { LATE_US_MAX } else { 1 };
        self.timer_late = Duration::from_micros(self.timers.below(late_us_max));
    }

    /// Whether the next thing it does to the database is a look.
    pub(super) fn is_about_to_look(&self) -> bool {
        let looks = |job: &SourceJob| matches!(job, SourceJob::Look { hand_over: HandOver::Allowed, .. });
        self.source.front().is_some_and(|(_, job)| looks(job))
    }

    /// Whether the next thing it does to the database is a checkpoint.
    pub(super) fn is_about_to_checkpoint(&self) -> bool {
        self.source.front().is_some_and(|(_, job)| matches!(job, SourceJob::Checkpoint(_)))
    }

    /// A hint that the files changed.
    pub(super) fn poke(&mut self, now: Now, network: &mut Network, hint: Hint) {
        self.fleet.handle(now, Event::Poked(ONLY, hint));
        self.drain(network);
    }

    pub(super) fn stop(&mut self, now: Now, network: &mut Network) {
        self.fleet.handle(now, Event::StopRequested(ONLY));
        self.drain(network);
    }

    /// Whether it follows no database any more, and nothing is under way.
    pub(super) fn is_stopped(&self) -> bool {
        self.fleet.following() == 0
    }

    /// Whether it waits for nothing.
    pub(super) fn is_quiet(&self) -> bool {
        self.fleet.awaited() == 0 && self.inbox.is_empty()
    }

    pub(super) fn receive(&mut self, answered: network::Answered) {
        self.inbox.push_back(answered);
    }

    /// Interesting states since the last time.
    pub(super) fn take_coverage(&mut self) -> Vec<Reached> {
        std::mem::take(&mut self.reached)
    }

    /// Ends in order.
    pub(super) fn close(self) {
        drop(self.session);
        drop(self.state);
        drop(self.process);
    }

    /// Dies.
    pub(super) fn kill(self) {
        let Daemon { session, state, process, .. } = self;
        process.kill(move || drop((session, state)));
    }

    /// Runs a job. Bits flip only in reads of ours: SQLite copies what it reads in a checkpoint into the database
    /// without looking at checksums, and believes what it reads in a recovery, whoever runs it. What a wrong bit
    /// does there is beyond what anybody can promise (docs/faults.md).
    fn run_job(&mut self, job: SourceJob) -> Result<SourceAnswer, SourceError> {
        let looks = !matches!(
            job,
            SourceJob::Seal { .. } | SourceJob::UnpinImage | SourceJob::Measure | SourceJob::Close
        );
        let (opens, closes) = (matches!(job, SourceJob::Open { .. }), matches!(job, SourceJob::Close));
        self.let_go += u64::from(opens || closes);
        let drives = matches!(job, SourceJob::Look { hand_over: HandOver::Restart, .. });
        let reads = matches!(
            job,
            SourceJob::Look { .. }
                | SourceJob::PinImage { .. }
                | SourceJob::Survey { .. }
                | SourceJob::Seal { .. }
        );
        let ours = reads && !drives;
        let (disk, pid) = (self.process.disk().clone(), self.process.pid());
        if !ours {
            disk.set_faults_of(pid, DiskFaults { read_flip_ppm: 0, ..self.disk_faults });
        }
        let result = self.session.run(job);
        disk.set_faults_of(pid, self.disk_faults);
        self.checks += u64::from(looks && result.is_ok());
        if drives && matches!(&result, Ok(SourceAnswer::Looked(looked)) if looked.backfilled) {
            self.reached.push(Reached::LogDriven);
        }
        self.stands_on_the_database =
            matches!(&result, Ok(SourceAnswer::Looked(looked)) if looked.backfilled && looked.handed_over);
        if opens || closes {
            self.attached = opens && result.is_ok();
            self.failed_to_open |= opens && result.is_err();
        }
        result
    }

    /// What goes wrong with its disk from now on.
    pub(super) fn set_disk_faults(&mut self, faults: DiskFaults) {
        self.disk_faults = faults;
        self.process.disk().set_faults_of(self.process.pid(), faults);
    }

    fn now(&self) -> Now {
        self.process.disk().clock().now()
    }

    fn delay(&mut self, now: Instant) -> Instant {
        now.after(Duration::from_micros(self.delays.below(DISPATCH_US_MAX)))
    }

    fn later_source(&mut self, now: Instant) {
        self.source_at = self.delay(now);
    }

    fn save(
        &mut self,
        job: StateJob,
    ) -> Result<Option<Box<engine::replicate::LocalState>>, engine::replicate::StateError> {
        if self.state.is_none() {
            let files = Arc::new(SimFiles { disk: self.process.disk().clone(), pid: self.process.pid() });
            self.state = Some(StateStore::open(Some(self.process.vfs_name()), Path::new(STATE), files)?);
        }
        let state = self.state.as_mut().expect("opened above");
        match job {
            StateJob::Load => state.load(DATABASE).map(|state| Some(Box::new(state))),
            StateJob::Save(change) => {
                state.save(DATABASE, &change)?;
                self.confirmed = change.confirmed.map(|confirmed| confirmed.txid).or(self.confirmed);
                Ok(None)
            }
        }
    }

    fn deliver(&mut self, network: &mut Network, id: network::RequestId, answer: Answer) {
        let mut transfer = self.transfers.remove(&id).expect("an answer to what was sent");
        if let Some(event) = transfer.tells(&answer) {
            self.fleet.handle(self.now(), event);
        }
        let lock_byte = self.lock_byte;
        let next = transfer.answered(answer, &mut self.uploads, lock_byte);
        self.go_on(network, transfer, next);
    }

    fn go_on(&mut self, network: &mut Network, transfer: Transfer<Stager>, next: Next) {
        match next {
            Next::Send(request) => {
                let id = network.submit(self.now().mono, self.client, request);
                self.transfers.insert(id, transfer);
            }
            Next::Encode => self.encoding.push_back(transfer),
            Next::Answer(result) => {
                let fatal = matches!(result, Err(StoreError::Fatal { kind: Fatal::Unsupported, .. }));
                self.damaged += u64::from(fatal);
                // Also where the source was at fault: all that was asked for a try was asked in vain.
                let succeeded = !matches!(result, Err(_) | Ok(StoreAnswer::Unreadable(_)));
                self.asked.failed += u64::from(!succeeded);
                self.is_failing = !succeeded;
                // What is not found, yet, is looked for again, and nobody is told.
                self.troubles += u64::from(!succeeded && self.misses_what_is_new);
                self.pace.answered(transfer.id, self.now().mono, result.as_ref().err());
                match &result {
                    Err(StoreError::Refused) => self.reached.push(Reached::Refused),
                    Err(StoreError::Ambiguous(_)) => self.reached.push(Reached::Ambiguous),
                    Ok(StoreAnswer::Staged { .. }) => self.reached.push(Reached::Staged),
                    _ => {}
                }
                self.fleet.handle(self.now(), Event::Store(transfer.id, result));
            }
        }
    }

    /// Takes everything the engine wants, until it waits.
    fn drain(&mut self, network: &mut Network) {
        loop {
            let command = match self.fleet.poll() {
                Output::Command(command) => command,
                Output::Wait(_) => return,
            };
            let now = self.now().mono;
            match command {
                Command::Source(id, _, job) => {
                    if self.source.is_empty() {
                        self.later_source(now);
                    }
                    self.source.push_back((id, job));
                }
                Command::State(id, _, job) => {
                    if self.saves.is_empty() {
                        self.save_at = self.delay(now);
                    }
                    self.saves.push_back((id, job));
                }
                Command::Store(id, _, request) => self.request(network, id, request),
                Command::Notice(_, notice) => {
                    self.troubles += u64::from(is_trouble(&notice));
                    self.trace.record("notice", &format!("{notice:?}"), &[], &[]);
                    self.notices.push_back(notice);
                }
            }
        }
    }

    fn request(&mut self, network: &mut Network, id: RequestId, request: StoreRequest) {
        self.asked.count(&request);
        let asked = self.pace.asks(id, &request, self.now().mono);
        self.broken = self.broken.take().or(asked.err());
        let (transfer, next) = Transfer::start(
            id,
            request,
            |header, pages| self.session.stage(header, pages),
            &mut self.uploads,
            self.list_keys_max,
            self.part_bytes,
        );
        self.go_on(network, transfer, next);
    }
}

pub(crate) fn is_trouble(notice: &Notice) -> bool {
    matches!(
        notice,
        Notice::Store { .. } | Notice::Source { .. } | Notice::State { .. } | Notice::Corrupt { .. }
    )
}

pub(crate) fn answer_text(result: &Result<SourceAnswer, SourceError>) -> String {
    match result {
        Ok(SourceAnswer::Looked(looked)) => {
            let tail = looked.tail.as_ref().map(|t| (t.start.frames, t.end.frames, t.commit, t.pages.len()));
            let (end, over, filled) = (looked.snapshot.end, looked.handed_over, looked.backfilled);
            format!("to {} {} tail {tail:?} handed over {over} backfilled {filled}", end.salts, end.frames)
        }
        Ok(SourceAnswer::Surveyed(surveyed)) => {
            let (end, as_of) = (surveyed.snapshot.end, surveyed.as_of.as_ref().map(|(at, _)| at.frames));
            format!("{} {} as of {as_of:?}", end.salts, end.frames)
        }
        Ok(SourceAnswer::Checkpointed(done)) => format!("{done:?}"),
        Ok(SourceAnswer::Opened(opened)) => format!("{opened:?}"),
        Ok(SourceAnswer::Measured(log)) => format!("{} of {} bytes", log.committed_bytes, log.wal_bytes),
        Ok(SourceAnswer::ImagePinned(pinned)) => {
            let (end, frames) =
                (pinned.looked.snapshot.end, pinned.frames.as_ref().map(|frames| frames.len()));
            format!("at {} {}, pages in the log {frames:?}", end.salts, end.frames)
        }
        Ok(SourceAnswer::Sealed(_) | SourceAnswer::ImageUnpinned | SourceAnswer::Closed) => "done".to_owned(),
        Err(error) => format!("failed: {error}"),
    }
}

pub(crate) fn job_name(job: &SourceJob) -> &'static str {
    match job {
        SourceJob::Open { .. } => "open",
        SourceJob::Look { .. } => "look",
        SourceJob::Survey { .. } => "survey",
        SourceJob::PinImage { .. } => "pin image",
        SourceJob::UnpinImage => "unpin image",
        SourceJob::Seal { .. } => "seal",
        SourceJob::Checkpoint(_) => "checkpoint",
        SourceJob::Measure => "measure",
        SourceJob::Close => "close",
    }
}
