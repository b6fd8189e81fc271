//! The answer that every request is owed.

use engine::mutants::{Mutant, mutated};
use engine::replicate::{Event, LocalState, RequestId, SourceAnswer, SourceError, StateError, StoreAnswer};
use engine::store::StoreError;
use tokio::sync::mpsc::UnboundedSender;

/// One answer to give. Dropping it without one (a panic, a part of the driver that ended) gives the answer
/// that promises least.
pub(super) struct Promise<T> {
    id: RequestId,
    answers: UnboundedSender<Event>,
    event: fn(RequestId, T) -> Event,
    /// The answer when there is none; taken by the first answer.
    lost: Option<T>,
}

pub(super) type SourceResult = Result<SourceAnswer, SourceError>;
pub(super) type StateResult = Result<Option<Box<LocalState>>, StateError>;
pub(super) type StoreResult = Result<StoreAnswer, StoreError>;

impl<T> Promise<T> {
    /// Gives the answer.
    pub(super) fn keep(mut self, answer: T) {
        self.lost = None;
        self.send(answer);
    }

    fn send(&self, answer: T) {
        // A closed channel is a driver that was dropped: nobody waits any more.
        let _ = self.answers.send((self.event)(self.id, answer));
    }
}

impl<T> Drop for Promise<T> {
    fn drop(&mut self) {
        if let Some(lost) = self.lost.take().filter(|_| !mutated(Mutant::PromiseNotKept)) {
            self.send(lost);
        }
    }
}

/// The promise of a job on a source.
pub(super) fn of_source(id: RequestId, answers: UnboundedSender<Event>) -> Promise<SourceResult> {
    Promise { id, answers, event: Event::Source, lost: Some(Err(SourceError::Io(LOST.into()))) }
}

/// The promise of a job on the state.
pub(super) fn of_state(id: RequestId, answers: UnboundedSender<Event>) -> Promise<StateResult> {
    Promise { id, answers, event: Event::State, lost: Some(Err(StateError(LOST.into()))) }
}

/// The promise of a request to the store. Of a lost write nothing is known.
pub(super) fn of_store(id: RequestId, answers: UnboundedSender<Event>, writes: bool) -> Promise<StoreResult> {
    let lost = if writes { StoreError::Ambiguous(LOST.into()) } else { StoreError::Retryable(LOST.into()) };
    Promise { id, answers, event: Event::Store, lost: Some(Err(lost)) }
}

/// What a request says that broke off.
pub(super) const LOST: &str = "the job broke off: a bug in walsync";
