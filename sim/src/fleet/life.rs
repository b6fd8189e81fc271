//! One life of a daemon: an engine for a fleet, and what it waits for, database by database.

use super::settings::FleetSettings;
use super::source::{Source, Stager};
use super::watch::Watch;
use crate::world::Asked;
use crate::world::transfer::{Transfer, Uploads};
use engine::replicate::{Event, Fleet, Output, RequestId, SourceJob, StateJob};
use engine::types::{Instant, Now};
use io_sim::network::{self, ClientId};
use std::collections::{BTreeMap, VecDeque};

/// A living daemon.
pub struct Life {
    /// Its number on the network.
    pub client: ClientId,
    /// Its databases, in the order in which they were added.
    pub seats: Vec<Seat>,
    /// Requests under way: whose, and how far.
    pub(super) transfers: BTreeMap<network::RequestId, (usize, Transfer<Stager>)>,
    /// When the engine wants to look at the clock.
    pub wake_at: Option<Instant>,
    /// Events that it took and commands that it gave.
    pub happened: u64,
    fleet: Fleet,
}

/// One database of a life.
pub struct Seat {
    /// Which place.
    pub place: usize,
    /// Its end of the database.
    pub source: Source,
    /// Jobs for the source, and whether the first of them is on its way.
    pub jobs: Queue<(RequestId, SourceJob)>,
    /// Jobs for the local state.
    pub saves: Queue<(RequestId, StateJob)>,
    /// Objects that are being encoded into parts.
    pub(super) encoding: VecDeque<Transfer<Stager>>,
    /// Objects in parts that are staged.
    pub(crate) uploads: Uploads,
    /// What it asked of the store.
    pub asked: Asked,
    /// Its rules.
    pub watch: Watch,
    /// Trouble that it told of store, source and state.
    pub troubles: u64,
    /// Every commit goes up.
    pub following: bool,
    /// It has announced a slot, or come to follow.
    pub owned: bool,
    /// It has said that it ended, and whether in order.
    pub stopped: bool,
    /// An end was asked for, when the application had gone through so many states.
    pub stop_asked: Option<usize>,
}

/// Things that are done one after the other.
pub struct Queue<T> {
    waiting: VecDeque<T>,
    /// The first one's turn is planned.
    pub planned: bool,
}

impl Life {
    /// Without databases.
    pub fn start(client: ClientId) -> Life {
        Life {
            client,
            seats: Vec::new(),
            transfers: BTreeMap::new(),
            wake_at: None,
            happened: 0,
            fleet: Fleet::new(),
        }
    }

    /// Hands the engine an event.
    pub fn handle(&mut self, now: Now, event: Event) {
        self.happened += 1;
        self.fleet.handle(now, event);
    }

    /// The engine's next output.
    pub fn poll(&mut self) -> Output {
        let output = self.fleet.poll();
        match &output {
            Output::Command(_) => self.happened += 1,
            Output::Wait(at) => self.wake_at = *at,
        }
        output
    }

    /// Answers that the engine waits for.
    pub fn awaited(&self) -> usize {
        self.fleet.awaited()
    }

    /// Databases that the engine follows.
    pub fn following(&self) -> usize {
        self.fleet.following()
    }
}

impl Seat {
    /// Of a database that is added now.
    pub fn new(place: usize) -> Seat {
        Seat {
            place,
            source: Source::default(),
            jobs: Queue::default(),
            saves: Queue::default(),
            encoding: VecDeque::new(),
            uploads: Uploads::new(),
            asked: Asked::default(),
            watch: Watch::default(),
            troubles: 0,
            following: false,
            owned: false,
            stopped: false,
            stop_asked: None,
        }
    }
}

impl<T> Queue<T> {
    /// Adds one at the end; whether its turn must be planned.
    pub fn push(&mut self, item: T) -> bool {
        self.waiting.push_back(item);
        !std::mem::replace(&mut self.planned, true)
    }

    /// The first.
    pub fn first(&self) -> Option<&T> {
        self.waiting.front()
    }

    /// Takes the first; its turn has come.
    pub fn take(&mut self) -> Option<T> {
        self.planned = false;
        self.waiting.pop_front()
    }

    /// Whether another one waits whose turn must be planned now.
    pub fn plan_next(&mut self) -> bool {
        let plans = !self.planned && !self.waiting.is_empty();
        self.planned |= plans;
        plans
    }
}

impl<T> Default for Queue<T> {
    fn default() -> Queue<T> {
        Queue { waiting: VecDeque::new(), planned: false }
    }
}

/// The bytes of a part.
pub fn part_bytes(settings: &FleetSettings) -> usize {
    usize::try_from(settings.part_bytes).expect("in memory")
}
