//! A queue in the order of time.

use crate::random::Random;
use engine::types::Instant;
use std::collections::BTreeMap;

/// Events in the order of time. Those of one moment come in an order that the seed decides: real machines
/// promise none.
#[derive(Debug)]
pub struct Queue<T> {
    events: BTreeMap<EventId, T>,
    ties: Random,
    next_sequence: u64,
}

/// A queued event; also its place in the order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct EventId {
    at: Instant,
    tie: u64,
    sequence: u64,
}

impl<T> Queue<T> {
    /// An empty queue; `ties` orders the events of one moment.
    pub fn new(ties: Random) -> Queue<T> {
        Queue { events: BTreeMap::new(), ties, next_sequence: 0 }
    }

    /// Lets `event` happen at `at`.
    pub fn push(&mut self, at: Instant, event: T) -> EventId {
        let id = EventId { at, tie: self.ties.next_u64(), sequence: self.next_sequence };
        self.next_sequence += 1;
        self.events.insert(id, event);
        id
    }

    /// Takes an event out; `None` when it has happened.
    pub fn cancel(&mut self, id: EventId) -> Option<T> {
        self.events.remove(&id)
    }

    /// When the next event is due.
    pub fn next_at(&self) -> Option<Instant> {
        self.events.first_key_value().map(|(id, _)| id.at)
    }

    /// Takes the next event that is due at `now` or was before.
    pub fn pop_due(&mut self, now: Instant) -> Option<(Instant, T)> {
        if self.next_at()? > now { None } else { self.pop() }
    }

    /// Takes the next event, whenever it is.
    pub fn pop(&mut self) -> Option<(Instant, T)> {
        self.events.pop_first().map(|(id, event)| (id.at, event))
    }

    /// How many events wait.
    pub fn len(&self) -> usize {
        self.events.len()
    }

    /// Whether none waits.
    pub fn is_empty(&self) -> bool {
        self.events.is_empty()
    }
}
