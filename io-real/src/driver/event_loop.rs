//! The loop: facts in, commands out, until everything is stopped.

use super::handle::{Handle, Poker};
use super::merge::MERGES_MAX;
use super::message::{Message, Report};
use super::perform::{Format, Performer, may_be_left, writes};
use super::promise;
use super::records::{Record, Records};
use super::requests::Requests;
use super::sources::{Length, Sources};
use super::sweep::Sweep;
use super::uploads::Uploads;
use crate::port::{Clock, Source, State, Store, Work};
use engine::mutants::{Mutant, mutated};
use engine::replicate::{
    Command, Event, Fleet, Notice, Output, PageSet, RequestId, SourceId, SourceJob, StateJob, Status,
    StoreRequest,
};
use engine::types::{Instant, Now};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::sync::{Semaphore, watch};

/// The world, as far as the driver needs it.
pub struct Ports {
    /// One store for all databases.
    pub store: Arc<dyn Store>,
    /// The local state of all databases.
    pub state: Box<dyn State>,
    /// Threads.
    pub work: Arc<dyn Work>,
    /// Clocks.
    pub clock: Arc<dyn Clock>,
}

/// What is bounded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Requests to the store at one time; at least 1.
    pub requests_in_flight: usize,
    /// Short jobs on sources at one time; at least 1. A job may wait for seconds, and the others behind it.
    pub source_jobs: usize,
    /// Long jobs on sources at one time, beside the short ones, and as many objects that are encoded; at least 1. They
    /// read whole databases.
    pub source_jobs_long: usize,
    /// Bandwidth of uploads, the mean over several bodies; 0: no bound.
    pub upload_bytes_per_second: u64,
    /// A request to the store without an answer for this long (a body: plus its time at 64 KiB/s; the completion
    /// of an upload in parts: plus 15 minutes) is given up.
    pub request_timeout: Duration,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            requests_in_flight: 64,
            source_jobs: 32,
            source_jobs_long: 16,
            upload_bytes_per_second: 0,
            request_timeout: Duration::from_secs(40),
        }
    }
}

/// The driver of any number of databases in one store.
pub struct Driver<S: Source> {
    fleet: Fleet,
    clock: Arc<dyn Clock>,
    now: Now,
    sources: Sources<S>,
    records: Records<S>,
    performer: Performer<S>,
    sweep: Sweep,
    databases: BTreeMap<SourceId, Database>,
    poker: Poker,
    finishing: bool,
    /// Requests under way that nothing is lost by leaving.
    may_be_left: BTreeSet<RequestId>,
    inbox: Inbox<S>,
    answers: UnboundedSender<Event>,
    reports: UnboundedSender<Report>,
    /// Dropped with the driver, which ends every request under way.
    ended: watch::Sender<()>,
}

struct Inbox<S> {
    messages: UnboundedReceiver<Message<S>>,
    answers: UnboundedReceiver<Event>,
}

struct Database {
    state_key: String,
    format: Format,
}

/// Longer waits are cut: some timers cannot count further.
const WAIT_MAX: Duration = Duration::from_secs(3600);

impl<S: Source> Driver<S> {
    /// A driver without databases, the way to talk to it, and what it has to say. Reports are not bounded: take
    /// them, or drop the receiver.
    pub fn new(ports: Ports, limits: Limits) -> (Driver<S>, Handle<S>, UnboundedReceiver<Report>) {
        let Ports { store, state, work, clock } = ports;
        let (send_message, messages) = unbounded_channel();
        let (send_answer, answers) = unbounded_channel();
        let (reports, told) = unbounded_channel();
        let poker = Poker::default();
        let requests = Requests::new(
            store,
            limits.requests_in_flight,
            limits.upload_bytes_per_second,
            limits.request_timeout,
        );
        let driver = Driver {
            fleet: Fleet::new(),
            now: clock.now(),
            clock,
            sources: Sources::new(
                work.clone(),
                limits.source_jobs,
                limits.source_jobs_long,
                send_message.clone(),
            ),
            records: Records::new(state, work.clone(), send_message.clone(), reports.clone()),
            sweep: Sweep::new(requests.clone(), reports.clone()),
            performer: Performer {
                requests,
                uploads: Uploads::default(),
                work,
                seals: Arc::new(Semaphore::new(limits.source_jobs_long)),
                merges: Arc::new(Semaphore::new(MERGES_MAX)),
                messages: send_message.clone(),
                answers: send_answer.clone(),
            },
            databases: BTreeMap::new(),
            poker: poker.clone(),
            finishing: false,
            may_be_left: BTreeSet::new(),
            inbox: Inbox { messages, answers },
            answers: send_answer,
            reports,
            ended: watch::Sender::new(()),
        };
        (driver, Handle::new(send_message, poker), told)
    }

    /// Follows databases until [`Handle::finish`] was called and every one is stopped in order, with all its requests
    /// answered but those that only read: a snapshot of 100 GB that is read back holds up no end. Dropping it ends
    /// everything at once: blocking jobs that are under way go on to their end on their threads, nothing new begins.
    pub async fn run(mut self) {
        loop {
            let deadline = self.drain();
            self.sources.start();
            self.records.start();
            if self.is_done() {
                return;
            }
            let now = self.clock.now().mono;
            tokio::select! {
                Some(answer) = self.inbox.answers.recv() => self.handle(answer),
                Some(message) = self.inbox.messages.recv() => self.take(message),
                hints = self.poker.wait() => {
                    hints.into_iter().for_each(|(id, hint)| self.handle(Event::Poked(id, hint)));
                }
                () = sleep(deadline, now) => self.handle(Event::TimePassed),
            }
        }
    }

    fn is_done(&self) -> bool {
        let stopped = self.fleet.following() == 0 && self.sources.is_empty();
        let stopped = stopped || mutated(Mutant::EndBetweenRequests);
        self.finishing && self.fleet.awaited() == self.may_be_left.len() && stopped
    }

    fn take(&mut self, message: Message<S>) {
        match message {
            // A source that is not followed is dropped where it may block.
            Message::Add(_, _, source, _) if self.finishing && !mutated(Mutant::FollowedAfterFinish) => {
                self.performer.work.start(Box::new(move || drop(source)));
            }
            Message::Add(id, config, source, state_key) => {
                let format = Format { lock_byte: config.lock_byte, part_bytes: config.part_bytes };
                self.databases.insert(id, Database { state_key, format });
                self.sources.add(id, source);
                if !mutated(Mutant::PlacesNeverSwept) {
                    self.spawn(self.sweep.clone().sweep(config.place.clone(), config.layout));
                }
                self.handle(Event::Added(id, config));
            }
            Message::Sync(id, sync) => self.handle(Event::SyncRequested(id, sync)),
            Message::Standings(asked) => {
                let now = self.clock_now();
                let standing = |id: &SourceId| Some((*id, self.fleet.standing(*id, now)?));
                // Who asked may not wait any more.
                let _ = asked.send(self.databases.keys().filter_map(standing).collect());
            }
            Message::Snapshot(id) => self.handle(Event::SnapshotRequested(id)),
            Message::Reconfigure(id, config) => self.handle(Event::Reconfigured(id, config)),
            Message::Bound { requests_in_flight, upload_bytes_per_second } => {
                let requests = self.performer.requests.clone();
                self.spawn(requests.bound(requests_in_flight, upload_bytes_per_second));
            }
            Message::Stop(id) => self.handle(Event::StopRequested(id)),
            Message::Finish => {
                self.finishing = true;
                for id in self.sources.active() {
                    self.handle(Event::StopRequested(id));
                }
            }
            Message::SourceBack(id, source) => self.sources.back(id, source),
            Message::SourceTask(id, task) => self.sources.push(id, Length::Long, task),
            Message::StateBack(state) => self.records.back(state),
        }
    }

    /// The engine insists on a clock that never goes back; one that breaks its promise must not end replication.
    fn clock_now(&self) -> Now {
        let now = self.clock.now();
        Now { mono: now.mono.max(self.now.mono), ..now }
    }

    /// Hands a fact in, and what comes of it out.
    fn handle(&mut self, event: Event) {
        self.now = self.clock_now();
        if let Event::Store(id, _) = &event {
            self.may_be_left.remove(id);
        }
        self.fleet.handle(self.now, event);
        self.drain();
    }

    /// Carries out what the engine wants; when it wants to be woken.
    fn drain(&mut self) -> Option<Instant> {
        loop {
            match self.fleet.poll() {
                Output::Wait(deadline) => return deadline,
                Output::Command(Command::Source(id, database, job)) => self.source(id, database, job),
                Output::Command(Command::State(id, database, job)) => self.state(id, database, job),
                Output::Command(Command::Store(id, database, request)) => self.store(id, database, request),
                Output::Command(Command::Notice(database, notice)) => self.tell(database, notice),
            }
        }
    }

    fn source(&mut self, id: RequestId, database: SourceId, job: SourceJob) {
        let promise = promise::of_source(id, self.answers.clone());
        let job = match job {
            // It needs nothing of the source, which may look meanwhile.
            SourceJob::Seal { header, pages: PageSet::Memory(pages) } => {
                let sealed = self.performer.clone().seal(self.database(database).format, header, pages);
                return self.spawn(async move { promise.keep(sealed.await) });
            }
            job => job,
        };
        let length = Length::of(&job);
        self.sources.push(database, length, Box::new(move |source| promise.keep(source.run(job))));
    }

    fn state(&mut self, id: RequestId, database: SourceId, job: StateJob) {
        let mut answers = self.answers.clone();
        if matches!(job, StateJob::Save(_)) && mutated(Mutant::SaveAnsweredEarly) {
            promise::of_state(id, answers).keep(Ok(None));
            answers = unbounded_channel().0;
        }
        let promise = promise::of_state(id, answers);
        let key = self.database(database).state_key.clone();
        self.records.push(match job {
            StateJob::Load => Record::Load(promise, key),
            StateJob::Save(change) => Record::Save(promise, key, change),
        });
    }

    fn store(&mut self, id: RequestId, database: SourceId, request: StoreRequest) {
        let promise = promise::of_store(id, self.answers.clone(), writes(&request));
        if may_be_left(&request) {
            self.may_be_left.insert(id);
        }
        let request = self.performer.clone().perform(id, database, self.database(database).format, request);
        // The promise tells, also when it panics.
        self.spawn(async move { promise.keep(request.await) });
    }

    /// Starts what nobody waits for; the driver's end ends it.
    fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        if mutated(Mutant::RequestOutlivesDriver) {
            tokio::task::spawn(task);
            return;
        }
        let mut ended = self.ended.subscribe();
        tokio::task::spawn(async move {
            tokio::select! {
                _ = ended.changed() => {}
                () = task => {}
            }
        });
    }

    fn tell(&mut self, database: SourceId, notice: Notice) {
        if notice == Notice::Status(Status::Stopped) {
            self.databases.remove(&database);
            self.sources.retire(database);
        }
        // A caller that does not listen has dropped the receiver.
        let _ = self.reports.send(Report::Notice(database, notice));
    }

    fn database(&self, id: SourceId) -> &Database {
        self.databases.get(&id).expect("the engine commands for databases that it follows")
    }
}

async fn sleep(deadline: Option<Instant>, now: Instant) {
    match deadline {
        Some(deadline) => tokio::time::sleep(deadline.since(now).min(WAIT_MAX)).await,
        None => std::future::pending().await,
    }
}
