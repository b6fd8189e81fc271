//! One run: the bytes to their end, then no more trouble, and an orderly end of both databases.

use super::digest::Digest;
use super::host::{Asked, Host, save};
use super::laws::{COMMANDS_AT_ONCE_MAX, Laws, written_slot};
use super::script::{Setup, Step, Trouble};
use super::source::{FakeDatabase, PAGE_BYTES};
use super::store::FakeStore;
use crate::input::Input;
use engine::key::{Layout, ModifiedIs, Place};
use engine::manifest::DatabaseId;
use engine::replicate::{
    Command, DatabaseConfig, Event, Fleet, Hint, LocalState, Output, RequestId, SnapshotSchedule,
    SourceError, SourceId, SourceJob, StateError, StateJob, Status, StoreRequest,
};
use engine::types::{Instant, LockByte, NodeId, Now, Timestamp};
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::Duration;

const FIRST: SourceId = SourceId(1);
const SECOND: SourceId = SourceId(2);
/// Events that end it all take; each phase waits for a few answers, and for its pauses.
const EVENTS_TO_THE_END_MAX: u32 = 4000;

pub(super) struct Run<'a> {
    input: Input<'a>,
    now: Now,
    fleet: Fleet,
    deadline: Option<Instant>,
    hosts: BTreeMap<SourceId, Host>,
    store: FakeStore,
    /// Writes that were given up, and land when they like.
    late: Vec<(RequestId, SourceId, StoreRequest)>,
    laws: Laws,
    lives: u64,
    one_place: bool,
    digest: Option<Digest>,
}

impl<'a> Run<'a> {
    pub(super) fn new(data: &'a [u8], with_digest: bool) -> Run<'a> {
        let mut input = Input(data);
        let setup = input.setup();
        let mut run = Run {
            input,
            now: Now { mono: Instant::from_micros(0), wall: Timestamp::from_millis(1_700_000_000_000) },
            fleet: Fleet::new(),
            deadline: None,
            hosts: BTreeMap::new(),
            store: FakeStore::default(),
            late: Vec::new(),
            laws: Laws::default(),
            lives: 0,
            one_place: setup.one_place,
            digest: with_digest.then(Digest::default),
        };
        for (id, place) in [(FIRST, "a"), (SECOND, if setup.one_place { "a" } else { "b" })] {
            run.add(id, place, &setup);
        }
        run
    }

    /// A digest of all commands, if one was asked for.
    pub(super) fn play(mut self) -> Option<u64> {
        while let Some(step) = self.input.step() {
            self.happen(step);
        }
        for at in (0..self.late.len()).rev() {
            self.lands(at);
        }
        // Nobody who follows has a reason to leave anything out.
        let is_patient = |host: &Host| host.at_the_end.is_empty() && host.status() == Some(Status::Following);
        let patient: Vec<SourceId> =
            self.hosts.iter().filter(|(_, host)| is_patient(host)).map(|(id, _)| *id).collect();
        for id in [FIRST, SECOND] {
            self.stop(id);
        }
        let mut events = 0;
        while self.hosts.values().any(|host| host.stopped().is_none()) {
            events += 1;
            assert!(events < EVENTS_TO_THE_END_MAX, "it never ends");
            if !self.answer(0, true) {
                self.pass_deadline();
            }
        }
        assert_eq!(self.fleet.following(), 0, "who has stopped is gone");
        for (id, host) in self.hosts.iter().filter(|_| !self.one_place) {
            if host.stopped() == Some(true) {
                let restored = self.store.restored(&host.config.place);
                assert!(
                    host.at_the_end.contains(&restored),
                    "complete, and not what was committed: {restored:?}"
                );
            } else {
                assert!(!patient.contains(id), "{id:?} followed, had no trouble, and left something out");
            }
        }
        self.digest.map(|digest| digest.0)
    }

    fn happen(&mut self, step: Step) {
        let id = |second| if second { SECOND } else { FIRST };
        match step {
            Step::Answer { which, well } => drop(self.answer(which, well)),
            Step::Commit { second, pages, size, is_told } => {
                let size = u32::from(size) % PAGES_MAX + 1;
                let pages: Vec<u32> =
                    (0..8).filter(|bit| pages >> bit & 1 == 1).map(|bit| bit * 3 + 1).collect();
                let pages = pages.into_iter().map(|page| page.min(size)).chain([1]).collect::<Vec<_>>();
                let host = self.host(id(second));
                host.database.commit(&pages, size);
                if !host.at_the_end.is_empty() {
                    host.at_the_end.push(host.database.committed());
                }
                if is_told {
                    self.handle(Event::Poked(id(second), Hint::Log));
                }
            }
            Step::Poke { second, database_file } => {
                let hint = if database_file { Hint::Database } else { Hint::Log };
                self.handle(Event::Poked(id(second), hint));
            }
            Step::Deadline => drop(self.pass_deadline()),
            Step::Wait(time) => self.wait(time),
            Step::Jump(millis) => {
                let wall = self.now.wall.as_millis() + millis;
                self.now.wall = Timestamp::from_millis(wall);
                self.handle(Event::TimePassed);
            }
            Step::Application { second, deed } => {
                let database = &mut self.host(id(second)).database;
                match deed {
                    // What is pinned stays as it is.
                    0..=3 if database.is_pinned() => {}
                    0 | 1 => database.copy_log(),
                    2 | 3 => {
                        database.copy_log();
                        database.restart_log();
                    }
                    4 | 5 => database.has_reader ^= true,
                    _ => database.copying ^= true,
                }
            }
            Step::Lands { which } => {
                if let Some(at) = usize::from(which).checked_rem(self.late.len()) {
                    self.lands(at);
                }
            }
            Step::Restart { acted } => self.restart(acted),
            Step::Stop { second } => self.stop(id(second)),
        }
    }

    /// Answers one of the commands that wait; whether there was one.
    fn answer(&mut self, which: u8, well: bool) -> bool {
        let waiting: Vec<(SourceId, usize)> = self
            .hosts
            .iter()
            .flat_map(|(id, host)| host.answerable().into_iter().map(|at| (*id, at)))
            .collect();
        let Some(at) = usize::from(which).checked_rem(waiting.len()) else { return false };
        let (db, at) = waiting[at];
        let (id, asked) = self.host(db).asked.remove(at);
        let event = match asked {
            Asked::Source(job) => Event::Source(id, self.source(db, job, well)),
            Asked::State(_) if !well => Event::State(id, Err(StateError("the disk is full".into()))),
            Asked::State(StateJob::Load) => Event::State(id, Ok(Some(Box::new(self.host(db).state.clone())))),
            Asked::State(StateJob::Save(change)) => {
                save(&mut self.host(db).state, *change);
                Event::State(id, Ok(None))
            }
            Asked::Store(request) => self.store(id, db, request, well),
        };
        self.handle(event);
        true
    }

    fn source(
        &mut self,
        db: SourceId,
        job: SourceJob,
        well: bool,
    ) -> Result<engine::replicate::SourceAnswer, SourceError> {
        if !well {
            return Err(self.input.source_trouble(&job));
        }
        let database = &mut self.host(db).database;
        match &job {
            SourceJob::Seal { pages, .. } if database.refusal(pages).is_some() => {
                Err(database.refusal(pages).expect("asked just now"))
            }
            _ => Ok(database.run(job)),
        }
    }

    fn store(&mut self, id: RequestId, db: SourceId, request: StoreRequest, well: bool) -> Event {
        let slot = written_slot(&request, &self.store).map(|(key, _)| key);
        let trouble = (!well).then(|| self.input.store_trouble(&request));
        let database = &self.hosts[&db].database;
        let answer = match trouble {
            None => self.store.perform(id, &request, database),
            Some(Trouble::DoneBut(error)) => self.store.perform(id, &request, database).and(Err(error)),
            Some(Trouble::Fails(error)) => Err(error),
            Some(Trouble::Later(error)) => {
                self.late.push((id, db, request.clone()));
                Err(error)
            }
            Some(Trouble::Misread(at)) => {
                self.store.misread = Some(at);
                let answer = self.store.perform(id, &request, database);
                self.store.misread = None;
                answer
            }
        };
        self.laws.hear(&request, slot, &answer);
        Event::Store(id, answer)
    }

    fn lands(&mut self, at: usize) {
        let (id, db, request) = self.late.remove(at);
        let _ = self.store.perform(id, &request, &self.hosts[&db].database);
    }

    fn restart(&mut self, acted: u8) {
        let mut acted = (0..).map(|bit: u32| acted.rotate_right(bit) & 1 == 1);
        self.fleet = Fleet::new();
        self.laws = Laws::default();
        for host in self.hosts.values_mut() {
            for (request, asked) in std::mem::take(&mut host.asked) {
                if let Asked::Store(asked) = asked
                    && acted.next() == Some(true)
                {
                    let _ = self.store.perform(request, &asked, &host.database);
                }
            }
            host.database.close();
            host.notices.clear();
            host.at_the_end.clear();
        }
        for id in [FIRST, SECOND] {
            let node = self.new_node();
            let config = &mut self.host(id).config;
            config.node = node;
            let config = Box::new(config.clone());
            self.handle(Event::Added(id, config));
        }
    }

    fn stop(&mut self, id: SourceId) {
        let host = self.host(id);
        if host.at_the_end.is_empty() {
            host.at_the_end.push(host.database.committed());
        }
        self.handle(Event::StopRequested(id));
    }

    fn wait(&mut self, time: Duration) {
        let millis = i64::try_from(time.as_millis()).expect("minutes");
        self.now = Now {
            mono: self.now.mono.after(time),
            wall: Timestamp::from_millis(self.now.wall.as_millis() + millis),
        };
        self.handle(Event::TimePassed);
    }

    /// Whether there was one.
    fn pass_deadline(&mut self) -> bool {
        let Some(deadline) = self.deadline else { return false };
        self.wait(if deadline > self.now.mono { deadline.since(self.now.mono) } else { Duration::ZERO });
        true
    }

    fn handle(&mut self, event: Event) {
        self.fleet.handle(self.now, event);
        for _ in 0..=COMMANDS_AT_ONCE_MAX {
            match self.fleet.poll() {
                Output::Command(command) => self.take(command),
                Output::Wait(deadline) => {
                    self.deadline = deadline;
                    let waiting: usize = self.hosts.values().map(|host| host.asked.len()).sum();
                    assert_eq!(self.fleet.awaited(), waiting, "every command is answered exactly once");
                    return;
                }
            }
        }
        panic!("one event led to more than {COMMANDS_AT_ONCE_MAX} commands");
    }

    fn take(&mut self, command: Command) {
        if let Some(digest) = &mut self.digest {
            write!(digest, "{command:?}").expect("a digest takes everything");
        }
        let id = match &command {
            Command::Source(_, id, _)
            | Command::State(_, id, _)
            | Command::Store(_, id, _)
            | Command::Notice(id, _) => *id,
        };
        let host = self.hosts.get_mut(&id).expect("both are there");
        self.laws.check(&command, host, &self.store);
        match command {
            Command::Source(id, _, job) => host.asked.push((id, Asked::Source(job))),
            Command::State(id, _, job) => host.asked.push((id, Asked::State(job))),
            Command::Store(id, _, request) => host.asked.push((id, Asked::Store(request))),
            Command::Notice(_, notice) => host.notices.push(notice),
        }
    }

    fn add(&mut self, id: SourceId, place: &str, setup: &Setup) {
        let config = DatabaseConfig {
            place: Place::new(place).expect("a legal folder"),
            layout: Layout::S3,
            modified_is: ModifiedIs::StoreTime,
            node: self.new_node(),
            database: DatabaseId::from_random([id.0 as u8; 16]),
            host: format!("host {}", id.0),
            store_name: "s3://bucket".to_owned(),
            max_interval: Duration::from_secs(1),
            max_changes: setup.max_changes,
            min_interval: setup.min_interval,
            enter_wal_mode: true,
            checkpoint_pages: 20,
            max_wal_bytes: 300 * u64::from(PAGE_BYTES),
            memory_bytes_max: setup.memory * u64::from(PAGE_BYTES),
            conditional_writes: true,
            take_over: setup.take_over,
            l0_retention: setup.l0_retention,
            list_interval: Duration::from_secs(24 * 3600),
            lock_byte: LockByte::SQLITE,
            part_bytes: setup.part * u64::from(PAGE_BYTES),
            upkeep: engine::replicate::UpkeepConfig::none(),
            snapshots: SnapshotSchedule::default(),
        };
        let host = Host {
            config: config.clone(),
            // In one place both begin with the same content, so that a take-over may be allowed.
            database: FakeDatabase::new(if setup.one_place { 1 } else { id.0 }, 10),
            state: LocalState::default(),
            notices: Vec::new(),
            asked: Vec::new(),
            at_the_end: Vec::new(),
        };
        self.hosts.insert(id, host);
        self.handle(Event::Added(id, Box::new(config)));
    }

    fn host(&mut self, id: SourceId) -> &mut Host {
        self.hosts.get_mut(&id).expect("both are there")
    }

    fn new_node(&mut self) -> NodeId {
        self.lives += 1;
        NodeId::new(self.lives * 1_000_003).expect("above 0")
    }
}

/// Pages that a database may have.
const PAGES_MAX: u32 = 24;
