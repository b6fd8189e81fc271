//! Many databases behind one queue: routes facts to their database, and its commands and deadlines out.

use super::command::{Command, SourceId};
use super::context::Outbox;
use super::database::Database;
use super::event::Event;
use super::standing::Standing;
use crate::mutants::{Mutant, mutated};
use crate::types::{Instant, Now};
use std::collections::{BTreeMap, BTreeSet};

/// The replication machine.
///
/// The contract: after each [`Fleet::handle`], take outputs with [`Fleet::poll`] until it says
/// [`Output::Wait`]; hand in [`Event::TimePassed`] at that instant, or any other event before it.
#[derive(Debug, Default)]
pub struct Fleet {
    databases: BTreeMap<SourceId, Database>,
    /// When each database wants to look at the clock; exactly those of `databases` that have a deadline.
    deadlines: BTreeSet<(Instant, SourceId)>,
    armed: BTreeMap<SourceId, Instant>,
    out: Outbox,
    now: Now,
}

/// What comes out.
#[derive(Debug)]
#[expect(clippy::large_enum_variant, reason = "moved once and never stored")]
pub enum Output {
    /// Something to do.
    Command(Command),
    /// Drained. Come back at this instant at the latest; `None`: only an event changes anything.
    Wait(Option<Instant>),
}

impl Fleet {
    /// Without databases.
    pub fn new() -> Fleet {
        Fleet::default()
    }

    /// Takes one fact. Never fails, never blocks.
    ///
    /// # Panics
    /// When the monotonic clock goes back, or an answer comes that nobody asked for: bugs of the driver.
    pub fn handle(&mut self, now: Now, event: Event) {
        assert!(now.mono >= self.now.mono, "the monotonic clock went back");
        self.now = now;
        match event {
            Event::Added(id, config) => {
                let database = Database::start(id, *config, now, &mut self.out);
                let before = self.databases.insert(id, database);
                assert!(before.is_none(), "a database id is used once");
                self.arm(id);
            }
            Event::Reconfigured(id, config) => {
                self.with(id, |database, out| database.reconfigure(now, out, *config));
            }
            Event::TimePassed => self.time_passed(),
            Event::Poked(id, hint) => self.with(id, |database, out| database.poked(now, out, hint)),
            Event::SyncRequested(id, sync) => {
                self.with(id, |database, out| database.sync_requested(now, out, sync));
            }
            Event::StopRequested(id) => self.with(id, |database, out| database.stop(now, out)),
            Event::SnapshotRequested(id) => {
                self.with(id, |database, out| database.request_snapshot(now, out));
            }
            Event::Source(request, result) => {
                let id = self.out.settle(request);
                self.with(id, |database, out| database.source(now, out, request, result));
            }
            Event::State(request, result) => {
                let id = self.out.settle(request);
                self.with(id, |database, out| database.state(now, out, request, result));
            }
            Event::Store(request, result) => {
                let id = self.out.settle_store(request, now, &result);
                self.with(id, |database, out| database.store(now, out, request, result));
            }
            Event::Part(request, result) => {
                if let Some(id) = self.out.owner(request) {
                    self.with(id, |database, out| database.part(now, out, request, &result));
                }
            }
        }
    }

    /// What to do next.
    pub fn poll(&mut self) -> Output {
        match self.out.pop() {
            Some(command) => Output::Command(command),
            None => Output::Wait(self.deadlines.first().map(|(at, _)| *at)),
        }
    }

    /// How a database stands at `now`; `None`: it is not followed, or stopped.
    pub fn standing(&self, id: SourceId, now: Now) -> Option<Standing> {
        self.databases.get(&id).map(|database| database.standing(now))
    }

    /// Commands whose answers are awaited: for the bounds that a test asserts.
    pub fn awaited(&self) -> usize {
        self.out.awaited()
    }

    /// Databases that are not stopped.
    pub fn following(&self) -> usize {
        self.databases.len()
    }

    fn time_passed(&mut self) {
        let now = self.now;
        let mut served = 0;
        while let Some((at, id)) = self.deadlines.first().copied() {
            if at > now.mono {
                break;
            }
            served += 1;
            if served > 8 && mutated(Mutant::DueForgotten) {
                self.deadlines.remove(&(at, id));
                self.armed.remove(&id);
                continue;
            }
            self.with(id, |database, out| database.advance(now, out));
            let next = self.armed.get(&id);
            assert!(next.is_none_or(|next| *next > now.mono), "{id:?} wants the time that has passed");
        }
    }

    fn with(&mut self, id: SourceId, act: impl FnOnce(&mut Database, &mut Outbox)) {
        let Some(database) = self.databases.get_mut(&id) else { return };
        act(database, &mut self.out);
        if !database.makes_snapshot() {
            self.out.snapshot_is_over(id);
        }
        if database.is_stopped() {
            self.databases.remove(&id);
        }
        self.arm(id);
    }

    fn arm(&mut self, id: SourceId) {
        let wanted = self.databases.get(&id).and_then(Database::deadline);
        let later = self.armed.get(&id).is_some_and(|before| wanted.is_some_and(|at| at < *before));
        if later && mutated(Mutant::DeadlineOnlyLater) {
            return;
        }
        if let Some(before) = self.armed.remove(&id) {
            self.deadlines.remove(&(before, id));
        }
        if let Some(at) = wanted {
            self.armed.insert(id, at);
            self.deadlines.insert((at, id));
        }
    }
}
