//! The local state: what queues up while a save is under way is saved together, with one sync.

use super::message::{Message, Report};
use super::promise::{Promise, StateResult};
use crate::port::{State, Work};
use engine::mutants::{Mutant, mutated};
use engine::replicate::{StateChange, StateError};
use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use tokio::sync::mpsc::UnboundedSender;

/// The state and who waits for it.
pub(super) struct Records<S> {
    /// `None` while it is out on a batch.
    home: Option<Box<dyn State>>,
    queue: VecDeque<Record>,
    work: Arc<dyn Work>,
    messages: UnboundedSender<Message<S>>,
    reports: UnboundedSender<Report>,
}

/// One job on the state.
pub(super) enum Record {
    Load(Promise<StateResult>, String),
    Save(Promise<StateResult>, String, Box<StateChange>),
}

/// Jobs done in one go at most: more would let the first ones wait for the last.
const BATCH_MAX: usize = 1024;

impl<S: Send + 'static> Records<S> {
    pub(super) fn new(
        state: Box<dyn State>,
        work: Arc<dyn Work>,
        messages: UnboundedSender<Message<S>>,
        reports: UnboundedSender<Report>,
    ) -> Records<S> {
        Records { home: Some(state), queue: VecDeque::new(), work, messages, reports }
    }

    pub(super) fn push(&mut self, record: Record) {
        self.queue.push_back(record);
    }

    pub(super) fn back(&mut self, state: Box<dyn State>) {
        assert!(self.home.is_none(), "there is one state");
        self.home = Some(state);
    }

    /// Starts the next batch if there is one and the state is at home.
    pub(super) fn start(&mut self) {
        if self.queue.is_empty() {
            return;
        }
        let Some(mut state) = self.home.take() else { return };
        let count = self.queue.len().min(BATCH_MAX);
        let batch: Vec<Record> = self.queue.drain(..count).collect();
        let (messages, reports) = (self.messages.clone(), self.reports.clone());
        self.work.start(Box::new(move || {
            // What a panic leaves unanswered is answered by the promises.
            let _ = catch_unwind(AssertUnwindSafe(|| run(&mut *state, batch)));
            for warning in state.take_warnings() {
                let _ = reports.send(Report::StateWarning(warning));
            }
            let _ = messages.send(Message::StateBack(state));
        }));
    }
}

/// Does a batch in order: a database that saves and then loads finds what it saved.
fn run(state: &mut dyn State, batch: Vec<Record>) {
    let mut saves = Vec::new();
    for record in batch {
        match record {
            Record::Save(promise, key, change) => saves.push((promise, key, change)),
            Record::Load(promise, key) => {
                save(state, std::mem::take(&mut saves));
                promise.keep(state.load(&key).map(|found| Some(Box::new(found))));
            }
        }
    }
    save(state, saves);
}

type Save = (Promise<StateResult>, String, Box<StateChange>);

fn save(state: &mut dyn State, saves: Vec<Save>) {
    if saves.is_empty() {
        return;
    }
    let changes: Vec<(&str, &StateChange)> = saves.iter().map(|(_, key, c)| (key.as_str(), &**c)).collect();
    match state.save_many(&changes) {
        Ok(()) => saves.into_iter().for_each(|(promise, ..)| promise.keep(Ok(None))),
        Err(_) if saves.len() > 1 && mutated(Mutant::FailedBatchTakenForSaved) => {
            saves.into_iter().for_each(|(promise, ..)| promise.keep(Ok(None)));
        }
        Err(error) if saves.len() == 1 => answer_all(saves, &error),
        // Trouble is per database: one change that cannot be saved must not hold the others up.
        Err(_) => {
            for (promise, key, change) in saves {
                promise.keep(state.save_many(&[(&key, &change)]).map(|()| None));
            }
        }
    }
}

fn answer_all(saves: Vec<Save>, error: &StateError) {
    saves.into_iter().for_each(|(promise, ..)| promise.keep(Err(error.clone())));
}
