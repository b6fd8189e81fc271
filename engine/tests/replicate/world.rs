//! A fleet driven by hand: fake answers after fixed delays, trouble where a test asks for it, and the promises
//! of the machine checked at every command.

use super::pauses::{Pauses, keys_of};
use super::source::FakeDatabase;
use super::store::FakeStore;
use engine::key::{Layout, ModifiedIs, Place};
use engine::ltx::Header;
use engine::manifest::DatabaseId;
use engine::replicate::{
    Command, DatabaseConfig, Event, Fleet, Hint, LocalState, Notice, Output, RequestId, SnapshotSchedule,
    SourceError, SourceId, SourceJob, Standing, StateChange, StateError, StateJob, Status, StoreRequest,
    SyncId, TakeOver,
};
use engine::store::{Sha256, StoreError};
use engine::types::{Instant, LockByte, NodeId, Now, Timestamp};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// What becomes of a request to the store.
#[derive(Clone, Debug)]
pub(crate) enum Fate {
    /// Done and answered.
    Answered,
    /// Done, but this is the answer.
    DoneBut(StoreError),
    /// Not done, and this is the answer.
    Fails(StoreError),
    /// This is the answer now, and it is done after so long.
    LandsLate(StoreError, Duration),
    /// Nothing for so long; then it is asked again what becomes of it.
    Hangs(Duration),
}

/// A database, what its host knows of it, and what was said about it.
pub(crate) struct Host {
    pub(crate) config: DatabaseConfig,
    pub(crate) database: FakeDatabase,
    pub(crate) state: LocalState,
    pub(crate) notices: Vec<(Instant, Notice)>,
    pub(crate) requests: Vec<(Instant, StoreRequest)>,
    pub(crate) jobs: Vec<(Instant, SourceJob)>,
    /// It was asked to open the database, and not to close it since.
    holds_source: bool,
    source_free_at: Instant,
    state_free_at: Instant,
    /// The L0 write that was sent and not answered.
    slot_sent: Option<RequestId>,
    /// Syncs that were not answered, and the state at each.
    syncs: BTreeMap<SyncId, usize>,
}

type OnStore = Box<dyn FnMut(SourceId, &StoreRequest) -> Fate>;
type OnSource = Box<dyn FnMut(SourceId, &SourceJob) -> Option<SourceError>>;

pub(crate) struct World {
    pub(crate) now: Now,
    pub(crate) store: FakeStore,
    pub(crate) hosts: BTreeMap<SourceId, Host>,
    pub(crate) on_store: OnStore,
    pub(crate) on_source: OnSource,
    pub(crate) state_fails: Box<dyn FnMut(SourceId) -> bool>,
    fleet: Fleet,
    deadline: Option<Instant>,
    due: BTreeMap<(Instant, u64), Due>,
    order: u64,
    lives: u64,
    syncs: u64,
    asked: BTreeSet<RequestId>,
    pauses: Pauses,
}

enum Due {
    Source(RequestId, SourceId, SourceJob),
    State(RequestId, SourceId, StateJob),
    Store(RequestId, SourceId, StoreRequest),
    Lands(RequestId, SourceId, StoreRequest),
}

pub(crate) const A: SourceId = SourceId(1);
pub(crate) const B: SourceId = SourceId(2);
pub(crate) const SECOND: Duration = Duration::from_secs(1);
const SOURCE_DELAY: Duration = Duration::from_micros(300);
const STATE_DELAY: Duration = Duration::from_millis(1);
const STORE_DELAY: Duration = Duration::from_millis(15);
/// More events than this at one moment are a machine that runs in circles.
const EVENTS_AT_ONCE_MAX: u32 = 1000;

impl World {
    pub(crate) fn empty() -> World {
        World {
            now: Now { mono: Instant::from_micros(0), wall: Timestamp::from_millis(1_700_000_000_000) },
            store: FakeStore::default(),
            hosts: BTreeMap::new(),
            on_store: Box::new(|_, _| Fate::Answered),
            on_source: Box::new(|_, _| None),
            state_fails: Box::new(|_| false),
            fleet: Fleet::new(),
            deadline: None,
            due: BTreeMap::new(),
            order: 0,
            lives: 0,
            syncs: 0,
            asked: BTreeSet::new(),
            pauses: Pauses::default(),
        }
    }

    /// One database of ten pages, not yet followed for any time.
    pub(crate) fn new() -> World {
        let mut world = World::empty();
        world.add(A, "a", FakeDatabase::new(1, 10), |_| {});
        world
    }

    /// One database, followed, its first image in the store.
    pub(crate) fn following() -> World {
        let mut world = World::new();
        world.run_for(SECOND);
        assert_eq!(world.status(A), Status::Following);
        world
    }

    pub(crate) fn add(
        &mut self,
        id: SourceId,
        place: &str,
        database: FakeDatabase,
        configure: impl FnOnce(&mut DatabaseConfig),
    ) {
        let mut config = DatabaseConfig {
            place: Place::new(place).unwrap(),
            layout: Layout::S3,
            modified_is: ModifiedIs::StoreTime,
            node: self.new_node(),
            database: DatabaseId::from_random([id.0 as u8; 16]),
            host: format!("host {}", id.0),
            store_name: "s3://bucket".to_owned(),
            max_interval: SECOND,
            max_changes: 0,
            min_interval: Duration::ZERO,
            enter_wal_mode: true,
            checkpoint_pages: 1000,
            max_wal_bytes: 1 << 30,
            memory_bytes_max: 1 << 20,
            conditional_writes: true,
            take_over: TakeOver::Never,
            l0_retention: Duration::from_secs(300),
            list_interval: Duration::from_secs(24 * 3600),
            lock_byte: LockByte::SQLITE,
            part_bytes: 1 << 20,
            upkeep: engine::replicate::UpkeepConfig::none(),
            snapshots: SnapshotSchedule::default(),
        };
        configure(&mut config);
        let host = Host {
            config: config.clone(),
            database,
            state: LocalState::default(),
            notices: Vec::new(),
            requests: Vec::new(),
            jobs: Vec::new(),
            holds_source: false,
            source_free_at: self.now.mono,
            state_free_at: self.now.mono,
            slot_sent: None,
            syncs: BTreeMap::new(),
        };
        self.hosts.insert(id, host);
        self.handle(Event::Added(id, Box::new(config)));
    }

    /// Changes the configuration of a database that is followed.
    pub(crate) fn reconfigure(&mut self, id: SourceId, configure: impl FnOnce(&mut DatabaseConfig)) {
        let config = &mut self.hosts.get_mut(&id).expect("it was added").config;
        configure(config);
        let config = Box::new(config.clone());
        self.handle(Event::Reconfigured(id, config));
    }

    /// What is staged now, and not answered.
    pub(crate) fn staging(&self) -> Option<RequestId> {
        self.due.values().find_map(|due| match due {
            Due::Store(id, _, StoreRequest::Stage { .. }) => Some(*id),
            _ => None,
        })
    }

    /// The process dies and starts again; requests under way may or may not have landed.
    pub(crate) fn restart(&mut self, mut landed: impl FnMut() -> bool) {
        for (_, due) in std::mem::take(&mut self.due) {
            if let Due::Store(id, db, request) | Due::Lands(id, db, request) = due
                && landed()
            {
                let _ = self.store.perform(id, &request, &self.hosts[&db].database);
            }
        }
        self.fleet = Fleet::new();
        self.asked.clear();
        self.pauses = Pauses::default();
        for id in self.hosts.keys().copied().collect::<Vec<_>>() {
            let node = self.new_node();
            let host = self.hosts.get_mut(&id).unwrap();
            host.database.close();
            host.holds_source = false;
            host.slot_sent = None;
            host.syncs.clear();
            host.notices.clear();
            host.config.node = node;
            let config = Box::new(host.config.clone());
            self.handle(Event::Added(id, config));
        }
    }

    pub(crate) fn handle(&mut self, event: Event) {
        self.fleet.handle(self.now, event);
        self.deadline = loop {
            match self.fleet.poll() {
                Output::Command(command) => self.take(command),
                Output::Wait(deadline) => break deadline,
            }
        };
        assert_eq!(self.fleet.awaited(), self.asked.len(), "every command is answered exactly once");
    }

    /// Lets time pass, answering everything that becomes due.
    pub(crate) fn run_for(&mut self, time: Duration) {
        let end = self.now.mono.after(time);
        let mut at_once = 0;
        loop {
            let due = self.due.keys().next().copied();
            let next = [due.map(|(at, _)| at), self.deadline].into_iter().flatten().min();
            let Some(next) = next.filter(|next| *next <= end) else { break };
            at_once = if next > self.now.mono { 0 } else { at_once + 1 };
            assert!(at_once < EVENTS_AT_ONCE_MAX, "the machine runs in circles");
            self.move_to(next);
            match due.filter(|(at, _)| *at <= self.now.mono) {
                Some(key) => {
                    let due = self.due.remove(&key).expect("the first");
                    self.happen(due);
                }
                None => self.handle(Event::TimePassed),
            }
        }
        self.move_to(end);
    }

    /// Lets time pass, millisecond by millisecond, until something is so.
    pub(crate) fn run_until(&mut self, happened: impl Fn(&World) -> bool) {
        for _ in 0..5000 {
            if happened(self) {
                return;
            }
            self.run_for(Duration::from_millis(1));
        }
        panic!("it never happened");
    }

    /// The application commits, and the file system says so.
    pub(crate) fn commit(&mut self, db: SourceId, pages: &[u32]) {
        let database = &mut self.hosts.get_mut(&db).unwrap().database;
        let size = database.page_count();
        database.commit(pages, size);
        self.handle(Event::Poked(db, Hint::Log));
    }

    pub(crate) fn host(&self, db: SourceId) -> &Host {
        &self.hosts[&db]
    }

    pub(crate) fn status(&self, db: SourceId) -> Status {
        let mut statuses = self.host(db).notices.iter().rev().filter_map(|(_, notice)| match notice {
            Notice::Status(status) => Some(*status),
            _ => None,
        });
        statuses.next().expect("a first status comes with the database")
    }

    /// Asks for a sync of what is committed now.
    pub(crate) fn sync(&mut self, db: SourceId) -> SyncId {
        self.syncs += 1;
        let id = SyncId(self.syncs);
        let host = self.hosts.get_mut(&db).unwrap();
        host.syncs.insert(id, host.database.history.len() - 1);
        self.handle(Event::SyncRequested(db, id));
        id
    }

    /// Whether every sync of this life was answered.
    pub(crate) fn is_all_synced(&self, db: SourceId) -> bool {
        self.host(db).syncs.is_empty()
    }

    /// Whether a sync was answered.
    pub(crate) fn is_synced(&self, db: SourceId, id: SyncId) -> bool {
        self.has_notice(db, |notice| matches!(notice, Notice::Synced { id: done, .. } if *done >= id))
    }

    /// How the database stands now.
    pub(crate) fn standing(&self, db: SourceId) -> Standing {
        self.fleet.standing(db, self.now).expect("it is followed")
    }

    /// The newest slot announced as durable.
    pub(crate) fn durable(&self, db: SourceId) -> u64 {
        let mut slots = self.host(db).notices.iter().rev().filter_map(|(_, notice)| match notice {
            Notice::Durable { txid, .. } => Some(txid.into_inner()),
            _ => None,
        });
        slots.next().unwrap_or(0)
    }

    /// What the end on request said: the durable slot, and whether everything is in it.
    pub(crate) fn stopped(&self, db: SourceId) -> Option<bool> {
        self.host(db).notices.iter().find_map(|(_, notice)| match notice {
            Notice::Stopped { complete, .. } => Some(*complete),
            _ => None,
        })
    }

    pub(crate) fn has_notice(&self, db: SourceId, is: impl Fn(&Notice) -> bool) -> bool {
        self.host(db).notices.iter().any(|(_, notice)| is(notice))
    }

    /// Requests to the store from now on.
    pub(crate) fn forget_requests(&mut self) {
        for host in self.hosts.values_mut() {
            host.requests.clear();
            host.jobs.clear();
        }
    }

    /// What a restore of the newest state gives is what the application committed.
    pub(crate) fn assert_store_equals_database(&self, db: SourceId) {
        let host = self.host(db);
        assert_eq!(self.store.restored(&host.config.place), host.database.committed());
    }

    fn new_node(&mut self) -> NodeId {
        self.lives += 1;
        NodeId::new(self.lives * 1_000_003).unwrap()
    }

    fn move_to(&mut self, mono: Instant) {
        let moved = i64::try_from(mono.since(self.now.mono).as_millis()).unwrap();
        let wall = Timestamp::from_millis(self.now.wall.as_millis() + moved);
        self.now = Now { mono: mono.max(self.now.mono), wall };
        self.store.now = u64::try_from(wall.as_millis()).unwrap();
    }

    fn schedule(&mut self, at: Instant, due: Due) {
        self.order += 1;
        self.due.insert((at, self.order), due);
    }

    fn take(&mut self, command: Command) {
        let now = self.now.mono;
        match command {
            Command::Source(id, db, job) => {
                assert!(self.asked.insert(id), "a request id is used once");
                let host = self.hosts.get_mut(&db).unwrap();
                host.jobs.push((now, job.clone()));
                match job {
                    SourceJob::Open { .. } => host.holds_source = true,
                    SourceJob::Close => host.holds_source = false,
                    _ => {}
                }
                host.source_free_at = host.source_free_at.max(now).after(SOURCE_DELAY);
                let at = host.source_free_at;
                self.schedule(at, Due::Source(id, db, job));
            }
            Command::State(id, db, job) => {
                assert!(self.asked.insert(id), "a request id is used once");
                let host = self.hosts.get_mut(&db).unwrap();
                host.state_free_at = host.state_free_at.max(now).after(STATE_DELAY);
                let at = host.state_free_at;
                self.schedule(at, Due::State(id, db, job));
            }
            Command::Store(id, db, request) => {
                assert!(self.asked.insert(id), "a request id is used once");
                self.check_request(id, db, &request);
                self.hosts.get_mut(&db).unwrap().requests.push((now, request.clone()));
                self.schedule(now.after(STORE_DELAY), Due::Store(id, db, request));
            }
            Command::Notice(db, notice) => {
                self.check_notice(db, &notice);
                self.hosts.get_mut(&db).unwrap().notices.push((now, notice));
            }
        }
    }

    fn happen(&mut self, due: Due) {
        match due {
            Due::Source(id, db, job) => {
                self.asked.remove(&id);
                let error = (self.on_source)(db, &job);
                let host = self.hosts.get_mut(&db).unwrap();
                let refusal = match &job {
                    SourceJob::Seal { pages, .. } => host.database.refusal(pages),
                    _ => None,
                };
                let result = match error.or(refusal) {
                    Some(error) => Err(error),
                    None => Ok(host.database.run(job)),
                };
                self.handle(Event::Source(id, result));
            }
            Due::State(id, db, job) => {
                self.asked.remove(&id);
                let fails = (self.state_fails)(db);
                let state = &mut self.hosts.get_mut(&db).unwrap().state;
                let result = match job {
                    _ if fails => Err(StateError("the disk is full".into())),
                    StateJob::Load => Ok(Some(Box::new(state.clone()))),
                    StateJob::Save(change) => {
                        save(state, *change);
                        Ok(None)
                    }
                };
                self.handle(Event::State(id, result));
            }
            Due::Store(id, db, request) => {
                self.asked.remove(&id);
                let host = self.hosts.get_mut(&db).unwrap();
                host.slot_sent.take_if(|sent| *sent == id);
                let keys = self.keys_of(&request);
                let fate = (self.on_store)(db, &request);
                let mut perform = || self.store.perform(id, &request, &self.hosts[&db].database);
                if let Fate::Hangs(time) = fate {
                    self.asked.insert(id);
                    return self.schedule(self.now.mono.after(time), Due::Store(id, db, request));
                }
                let result = match fate {
                    Fate::Hangs(_) => unreachable!("it hangs"),
                    Fate::Answered => perform(),
                    Fate::DoneBut(error) => perform().and(Err(error)),
                    Fate::Fails(error) => Err(error),
                    Fate::LandsLate(error, delay) => {
                        self.schedule(self.now.mono.after(delay), Due::Lands(id, db, request));
                        Err(error)
                    }
                };
                if let Err(StoreError::Throttled { retry_after }) = &result {
                    self.pauses.told(db, keys, self.now.mono, *retry_after);
                }
                self.handle(Event::Store(id, result));
            }
            Due::Lands(id, db, request) => {
                let _ = self.store.perform(id, &request, &self.hosts[&db].database);
            }
        }
    }

    fn keys_of(&self, request: &StoreRequest) -> Vec<String> {
        let upload = match request {
            StoreRequest::Complete { staged } => self.store.key_of_upload(*staged),
            _ => None,
        };
        keys_of(request, upload)
    }

    /// One slot at a time, and its record before its first write; no pin while the store is asked.
    fn check_request(&mut self, id: RequestId, db: SourceId, request: &StoreRequest) {
        self.pauses.check(db, self.keys_of(request), self.now.mono, request);
        if let StoreRequest::Stage { key, .. } = request {
            let folder = |key: &str| key.rsplit_once('/').map(|(folder, _)| folder.to_owned());
            let is_beside = |due: &Due| match due {
                Due::Store(_, of, StoreRequest::Stage { key: other, .. }) => {
                    *of == db && folder(other) == folder(key)
                }
                _ => false,
            };
            let other = self.due.values().any(is_beside);
            assert!(!other, "{key} goes up in parts beside another one of its database and level");
        }
        if matches!(request, StoreRequest::Digest { .. } | StoreRequest::Page { .. }) {
            assert!(!self.host(db).holds_source, "no pin is held while the store is asked");
        }
        let (key, sha256) = match request {
            StoreRequest::Put { key, body, .. } => (key.clone(), Some(Sha256::of(body))),
            StoreRequest::Complete { staged } => match self.store.key_of_upload(*staged) {
                Some(key) => (key.to_owned(), None),
                None => return,
            },
            _ => return,
        };
        let host = self.hosts.get_mut(&db).unwrap();
        if !key.contains("/0000/") {
            return;
        }
        assert_eq!(host.slot_sent, None, "one slot is outstanding, {key} is sent");
        host.slot_sent = Some(id);
        let name = host.config.place.name_of(&key).unwrap();
        let txid = engine::key::ObjectKey::parse(Layout::S3, name).unwrap().max();
        let recorded = host.state.pending.iter().any(|record| {
            record.txid == txid
                && record.node == host.config.node
                && sha256.is_none_or(|sha256| record.sha256 == sha256)
        });
        assert!(recorded, "{key} is sent before its record is durable");
    }

    /// Everything committed before a sync is in the store when the sync is answered.
    fn check_synced(&mut self, db: SourceId, id: SyncId) {
        let host = self.hosts.get_mut(&db).unwrap();
        let later = host.syncs.split_off(&SyncId(id.0 + 1));
        let answered = std::mem::replace(&mut host.syncs, later);
        let at = *answered.get(&id).expect("a sync is answered once");
        let stored = self.store.restored(&host.config.place);
        assert!(host.database.history[at..].contains(&stored), "{id:?} of {db:?} is answered too early");
    }

    /// Nothing is called durable that is not in the store, with our mark on it; numbers only grow.
    fn check_notice(&mut self, db: SourceId, notice: &Notice) {
        if let Notice::Synced { id, .. } = notice {
            self.check_synced(db, *id);
        }
        let Notice::Durable { txid, .. } = notice else { return };
        let host = self.host(db);
        assert!(txid.into_inner() > self.durable(db), "{txid} is announced twice, or late");
        let header: Option<Header> = self.store.slot(&host.config.place, txid.into_inner());
        let node = header.as_ref().and_then(|header| header.chain()).map(|chain| chain.node);
        assert!(
            node.is_some_and(|node| host.state.own.contains(&node)),
            "{txid} is called durable and the store has {header:?}"
        );
    }
}

fn save(state: &mut LocalState, change: StateChange) {
    let StateChange { add_own, add_pending, confirmed, sums, fenced_by } = change;
    state.own.extend(add_own);
    if let Some(confirmed) = confirmed {
        state.confirmed = Some(confirmed);
        state.pending.retain(|record| record.txid > confirmed.txid);
    }
    state.pending.extend(add_pending);
    if let Some(new) = sums {
        // Only the chunks marked dirty are written, as the real state does.
        let mut merged = state.sums.take().map_or_else(engine::db::PageSums::new, |old| old.sums);
        merged.resize(new.sums.page_count());
        for chunk in new.sums.dirty_chunks() {
            merged.load_chunk(chunk, &new.sums.chunk(chunk)).expect("a chunk of the same size");
        }
        state.sums = Some(engine::replicate::CachedSums { sums: merged, ..new });
        state.restored = None;
    }
    state.fenced_by = fenced_by.or(state.fenced_by);
}
