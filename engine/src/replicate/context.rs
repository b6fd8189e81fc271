//! What a part of the machine may touch while it handles one event: the clocks, the configuration, and the
//! way out.

use super::command::{Command, RequestId, SourceId, SourceJob, StateJob, StoreRequest};
use super::config::DatabaseConfig;
use super::event::StoreAnswer;
use super::notice::Notice;
use super::pauses::{Pauses, keys_of};
use crate::store::StoreError;
use crate::types::{Instant, Now};
use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// Commands on their way out, and whose answers are awaited.
#[derive(Debug, Default)]
pub(super) struct Outbox {
    next: u64,
    commands: VecDeque<Command>,
    owners: BTreeMap<RequestId, SourceId>,
    /// What requests to the store are about that were not answered.
    subjects: BTreeMap<RequestId, Vec<String>>,
    pauses: Pauses,
    /// Databases of which a full image is under way.
    snapshots: BTreeSet<SourceId>,
}

/// Full images that are under way at one time, of all databases: each has a part or two in memory.
const SNAPSHOTS_MAX: usize = 4;

impl Outbox {
    pub(super) fn pop(&mut self) -> Option<Command> {
        self.commands.pop_front()
    }

    /// Takes the owner of an answered request. An answer that nobody asked for is our bug.
    pub(super) fn settle(&mut self, id: RequestId) -> SourceId {
        self.owners.remove(&id).expect("every request is answered exactly once")
    }

    /// The same of a request to the store, with what the store answered.
    pub(super) fn settle_store(
        &mut self,
        id: RequestId,
        now: Now,
        result: &Result<StoreAnswer, StoreError>,
    ) -> SourceId {
        let subject = self.subjects.remove(&id).unwrap_or_default();
        if let Err(error) = result {
            // Of several keys it does not say which.
            subject.iter().for_each(|key| self.pauses.heard(key, now.mono, error));
        }
        self.settle(id)
    }

    /// Who awaits the answer to a request, if it was not given.
    pub(super) fn owner(&self, id: RequestId) -> Option<SourceId> {
        self.owners.get(&id).copied()
    }

    /// No full image of this database is under way any more.
    pub(super) fn snapshot_is_over(&mut self, db: SourceId) {
        self.snapshots.remove(&db);
    }

    pub(super) fn awaited(&self) -> usize {
        self.owners.len()
    }

    fn ask(&mut self, db: SourceId) -> RequestId {
        self.next += 1;
        let id = RequestId(self.next);
        self.owners.insert(id, db);
        id
    }
}

/// One database's view of one event.
pub(super) struct Context<'a> {
    pub(super) now: Now,
    pub(super) db: SourceId,
    pub(super) config: &'a DatabaseConfig,
    pub(super) out: &'a mut Outbox,
}

impl Context<'_> {
    pub(super) fn source(&mut self, job: SourceJob) -> RequestId {
        let id = self.out.ask(self.db);
        self.out.commands.push_back(Command::Source(id, self.db, job));
        id
    }

    pub(super) fn state(&mut self, job: StateJob) -> RequestId {
        let id = self.out.ask(self.db);
        self.out.commands.push_back(Command::State(id, self.db, job));
        id
    }

    /// Until when the store does not want to be asked for this key. Whoever asks looks first.
    pub(super) fn paused_until(&self, key: &str) -> Option<Instant> {
        self.out.pauses.until([key], self.now.mono)
    }

    /// The same of all that a request asks for.
    pub(super) fn request_paused_until(&self, request: &StoreRequest) -> Option<Instant> {
        self.out.pauses.until(keys_of(request), self.now.mono)
    }

    pub(super) fn store(&mut self, request: StoreRequest) -> RequestId {
        let keys = keys_of(&request).into_iter().map(str::to_owned).collect();
        self.store_at(keys, request)
    }

    /// A request that does not name the key that it is about.
    pub(super) fn store_at(&mut self, keys: Vec<String>, request: StoreRequest) -> RequestId {
        let id = self.out.ask(self.db);
        if !keys.is_empty() {
            self.out.subjects.insert(id, keys);
        }
        self.out.commands.push_back(Command::Store(id, self.db, request));
        id
    }

    /// Takes a turn for a full image, if one is free. It is given back when none is under way.
    pub(super) fn may_snapshot(&mut self) -> bool {
        let may = self.out.snapshots.len() < SNAPSHOTS_MAX || self.out.snapshots.contains(&self.db);
        if may {
            self.out.snapshots.insert(self.db);
        }
        may
    }

    pub(super) fn notice(&mut self, notice: Notice) {
        self.out.commands.push_back(Command::Notice(self.db, notice));
    }
}
