//! The followed databases: one queue each, worked off in order, a bounded number at a time.
//!
//! The number is counted for short and for long work apart. A look or a checkpoint takes milliseconds, and while
//! it waits a checkpoint of the application may wait for the hand-over that it brings; reading a whole database
//! takes minutes. As many of these as may run must not keep a look at another database waiting.

use super::message::Message;
use crate::port::{Source, Work};
use engine::mutants::{Mutant, mutated};
use engine::replicate::{SourceId, SourceJob};
use std::collections::{BTreeMap, VecDeque};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use tokio::sync::mpsc::UnboundedSender;

/// Something to do with a source. It answers for itself.
pub(super) type Task<S> = Box<dyn FnOnce(&mut S) + Send>;

/// How long a task may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Length {
    /// What the log's newest frames cost, and waits for locks.
    Short,
    /// What the database costs.
    Long,
}

impl Length {
    pub(super) fn of(job: &SourceJob) -> Length {
        match job {
            SourceJob::Look { .. }
            | SourceJob::PinImage { .. }
            | SourceJob::UnpinImage
            | SourceJob::Measure
            | SourceJob::Checkpoint(_)
            | SourceJob::Close => Length::Short,
            SourceJob::Open { .. } | SourceJob::Survey { .. } | SourceJob::Seal { .. } => Length::Long,
        }
    }
}

/// All sources of a driver.
pub(super) struct Sources<S> {
    slots: BTreeMap<SourceId, Slot<S>>,
    short: Pool,
    long: Pool,
    work: Arc<dyn Work>,
    messages: UnboundedSender<Message<S>>,
}

/// The work of one length.
struct Pool {
    /// Sources that are at home and whose next task is of this length, in the order in which they became so.
    ready: VecDeque<SourceId>,
    running: usize,
    running_max: usize,
}

impl Pool {
    fn new(running_max: usize) -> Pool {
        assert!(running_max > 0, "somebody must do the work");
        Pool { ready: VecDeque::new(), running: 0, running_max }
    }

    /// The next one whose turn it is, if one may start.
    fn next(&mut self) -> Option<SourceId> {
        if self.running == self.running_max {
            return None;
        }
        let next = self.ready.pop_front()?;
        self.running += 1;
        Some(next)
    }
}

struct Slot<S> {
    whereabouts: Whereabouts<S>,
    queue: VecDeque<(Length, Task<S>)>,
    /// Let it go when the queue is empty.
    retired: bool,
}

enum Whereabouts<S> {
    Home(S),
    /// On a job of this length.
    Out(Length),
}

impl<S: Source> Sources<S> {
    pub(super) fn new(
        work: Arc<dyn Work>,
        short_max: usize,
        long_max: usize,
        messages: UnboundedSender<Message<S>>,
    ) -> Sources<S> {
        let (short, long) = (Pool::new(short_max), Pool::new(long_max));
        Sources { slots: BTreeMap::new(), short, long, work, messages }
    }

    pub(super) fn add(&mut self, id: SourceId, source: S) {
        let slot = Slot { whereabouts: Whereabouts::Home(source), queue: VecDeque::new(), retired: false };
        let before = self.slots.insert(id, slot);
        assert!(before.is_none(), "a database id is used once");
    }

    /// The databases that were not retired.
    pub(super) fn active(&self) -> Vec<SourceId> {
        self.slots.iter().filter(|(_, slot)| !slot.retired).map(|(id, _)| *id).collect()
    }

    /// Whether every source was let go.
    pub(super) fn is_empty(&self) -> bool {
        self.slots.is_empty()
    }

    /// Queues a task. One for a source that is gone is dropped: its promise answers.
    pub(super) fn push(&mut self, id: SourceId, length: Length, task: Task<S>) {
        let Some(slot) = self.slots.get_mut(&id) else { return };
        slot.queue.push_back((length, task));
        if matches!(slot.whereabouts, Whereabouts::Home(_)) && slot.queue.len() == 1 {
            self.pool(length).ready.push_back(id);
        }
    }

    /// A source came back from a job.
    pub(super) fn back(&mut self, id: SourceId, source: S) {
        let slot = self.slots.get_mut(&id).expect("a slot stays while its source is out");
        let Whereabouts::Out(length) = std::mem::replace(&mut slot.whereabouts, Whereabouts::Home(source))
        else {
            unreachable!("there is one source per slot")
        };
        let next = slot.queue.front().map(|(length, _)| *length);
        self.pool(length).running -= 1;
        if let Some(length) = next {
            self.pool(length).ready.push_back(id);
        }
        self.let_go_if_done(id);
    }

    /// Lets a source go as soon as it has nothing left to do.
    pub(super) fn retire(&mut self, id: SourceId) {
        if let Some(slot) = self.slots.get_mut(&id) {
            slot.retired = true;
            self.let_go_if_done(id);
        }
    }

    /// Starts what can be started.
    pub(super) fn start(&mut self) {
        while let Some(id) = self.short.next().or_else(|| self.long.next()) {
            self.start_next_of(id);
        }
    }

    fn start_next_of(&mut self, id: SourceId) {
        let slot = self.slots.get_mut(&id).expect("what is ready is there");
        let (length, task) = slot.queue.pop_front().expect("what is ready has something to do");
        let Whereabouts::Home(mut source) =
            std::mem::replace(&mut slot.whereabouts, Whereabouts::Out(length))
        else {
            unreachable!("what is ready is at home")
        };
        let messages = self.messages.clone();
        self.work.start(Box::new(move || {
            if catch_unwind(AssertUnwindSafe(|| task(&mut source))).is_err() {
                // The promise in the task has answered. A source that panics here too is leaked as it is;
                // its next job fails or panics again.
                let _ = catch_unwind(AssertUnwindSafe(|| source.reset()));
                if mutated(Mutant::SourceLostInPanic) {
                    return;
                }
            }
            // A closed channel is a driver that was dropped; the source is dropped with the message.
            let _ = messages.send(Message::SourceBack(id, source));
        }));
    }

    fn pool(&mut self, length: Length) -> &mut Pool {
        match length {
            Length::Short => &mut self.short,
            Length::Long => &mut self.long,
        }
    }

    fn let_go_if_done(&mut self, id: SourceId) {
        let is_home = |slot: &Slot<S>| matches!(slot.whereabouts, Whereabouts::Home(_));
        let done = |slot: &Slot<S>| slot.retired && is_home(slot) && slot.queue.is_empty();
        if self.slots.get(&id).is_some_and(done) {
            let slot = self.slots.remove(&id);
            // Closing connections may block.
            self.work.start(Box::new(move || drop(slot)));
        }
    }
}
