//! Upkeep of one place by itself: the engine's machine, and the store.

use super::merge::MERGES_MAX;
use super::perform::{Format, Performer};
use super::requests::Requests;
use super::uploads::Uploads;
use crate::port::{Clock, Source, StagedObject, Store, Work};
use engine::ltx::Header;
use engine::replicate::{
    DatabaseConfig, Notice, Outcome, PageSet, RequestId, Solo, SoloOutput, SourceAnswer, SourceError,
    SourceId, SourceJob, StoreAnswer, Task,
};
use engine::store::StoreError;
use futures::stream::{FuturesUnordered, StreamExt as _};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Semaphore;
use tokio::sync::mpsc::unbounded_channel;

/// What a run needs of the world.
#[derive(Clone)]
pub struct SoloPorts {
    /// The store.
    pub store: Arc<dyn Store>,
    /// Threads that may compute.
    pub work: Arc<dyn Work>,
    /// The clocks.
    pub clock: Arc<dyn Clock>,
    /// Requests at one time.
    pub requests_in_flight: usize,
    /// How long one request may take.
    pub request_timeout: Duration,
    /// For uploads; 0: no bound.
    pub upload_bytes_per_second: u64,
}

/// There is no source: what compaction and retention need is in the store.
enum NoSource {}

impl Source for NoSource {
    type Stager = ();

    fn run(&mut self, _: SourceJob) -> Result<SourceAnswer, SourceError> {
        match *self {}
    }

    fn stage(&mut self, _: &Header, _: PageSet) {
        match *self {}
    }

    fn step(&mut self, (): &mut (), _: &mut Vec<u8>) -> Result<Option<StagedObject>, SourceError> {
        match *self {}
    }

    fn reset(&mut self) {
        match *self {}
    }
}

type Answer = (RequestId, Result<StoreAnswer, StoreError>);

/// Compacts one place, or deletes what its policy does not keep; `dry_run`: says what would be done. `tell` hears what is worth
/// telling.
///
/// # Errors
/// The store gave nothing but errors for `patience`: the last one.
pub async fn keep_up(
    ports: SoloPorts,
    config: DatabaseConfig,
    (task, dry_run): (Task, bool),
    patience: Duration,
    mut tell: impl FnMut(&Notice),
) -> Result<Outcome, StoreError> {
    let SoloPorts { store, work, clock, requests_in_flight, request_timeout, upload_bytes_per_second } =
        ports;
    let (messages, _) = unbounded_channel();
    let (answers, _) = unbounded_channel();
    let performer: Performer<NoSource> = Performer {
        requests: Requests::new(store, requests_in_flight, upload_bytes_per_second, request_timeout),
        uploads: Uploads::default(),
        work,
        seals: Arc::new(Semaphore::new(1)),
        merges: Arc::new(Semaphore::new(MERGES_MAX)),
        messages,
        answers,
    };
    let format = Format { lock_byte: config.lock_byte, part_bytes: config.part_bytes };
    let mut solo = Solo::start(clock.now(), config, task, dry_run);
    let mut running: FuturesUnordered<_> = FuturesUnordered::new();
    let mut succeeded_at = clock.now().mono;
    loop {
        let deadline = loop {
            match solo.poll() {
                SoloOutput::Request(id, request) => {
                    let performer = performer.clone();
                    running.push(async move {
                        let answer: Answer = (id, performer.perform(id, SourceId(0), format, request).await);
                        answer
                    });
                }
                SoloOutput::Notice(notice) => tell(&notice),
                SoloOutput::Wait(until) => break until,
                SoloOutput::Done(outcome) => return Ok(*outcome),
            }
        };
        let pause = deadline.map_or(Duration::MAX, |at| at.since(clock.now().mono));
        tokio::select! {
            Some((id, result)) = running.next(), if !running.is_empty() => {
                let now = clock.now();
                let nothing_deleted = match &result {
                    Ok(StoreAnswer::DeletedMany(each)) if each.iter().all(Result::is_err) => each.first().cloned(),
                    _ => None,
                };
                let judged = match nothing_deleted {
                    Some(Err(error)) => Err(error),
                    _ => result.as_ref().map(|_| ()).map_err(Clone::clone),
                };
                match &judged {
                    Err(error) if is_trouble(error) && now.mono.since(succeeded_at) >= patience => return Err(error.clone()),
                    Err(error) if is_trouble(error) => {}
                    _ => succeeded_at = now.mono,
                }
                solo.answered(now, id, result);
            }
            () = tokio::time::sleep(pause), if deadline.is_some() => solo.time_passed(clock.now()),
        }
    }
}

/// Whether an error says that the store does not do its work: a missing object is an answer.
fn is_trouble(error: &StoreError) -> bool {
    !matches!(error, StoreError::Missing | StoreError::Refused | StoreError::Conflict)
}
