//! Tests of the driver's parts, with a world of fakes: threads that run when told, a store in memory, a
//! source and a state that do as scripted.

mod read;
mod records;
mod requests;
mod run;
mod sources;
mod stage;
mod store;

use crate::port::{Clock, Source, StagedObject, State, Work};
use engine::ltx::Header;
use engine::replicate::{LocalState, PageSet, SourceAnswer, SourceError, SourceJob, StateChange, StateError};
use engine::store::Sha256;
use engine::types::{Instant, Now, Timestamp};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

/// Runs every job at once, where it is started.
struct Inline;

impl Work for Inline {
    fn start(&self, job: Box<dyn FnOnce() + Send>) {
        job();
    }
}

/// Keeps jobs until they are let go.
#[derive(Clone, Default)]
struct Held(Arc<Mutex<Vec<Job>>>);

type Job = Box<dyn FnOnce() + Send>;

impl Held {
    fn count(&self) -> usize {
        self.0.lock().unwrap().len()
    }

    fn release(&self) {
        let jobs = std::mem::take(&mut *self.0.lock().unwrap());
        jobs.into_iter().for_each(|job| job());
    }
}

impl Work for Held {
    fn start(&self, job: Box<dyn FnOnce() + Send>) {
        self.0.lock().unwrap().push(job);
    }
}

/// A second passes whenever somebody looks.
#[derive(Default)]
struct HastyClock(AtomicU64);

impl Clock for HastyClock {
    fn now(&self) -> Now {
        let seconds = self.0.fetch_add(1, Ordering::Relaxed);
        Now { mono: Instant::from_micros(seconds * 1_000_000), wall: Timestamp::from_millis(1) }
    }
}

/// A source whose jobs all end the same way, and whose objects are these bytes, so many at a step.
struct FakeSource {
    object: Vec<u8>,
    step_bytes: usize,
    /// The step that fails, counted from 0.
    broken_step: Option<usize>,
    panics: bool,
    /// It may not be opened as it is.
    not_wal: bool,
    resets: Arc<Mutex<u32>>,
}

impl FakeSource {
    fn new() -> FakeSource {
        FakeSource {
            object: Vec::new(),
            step_bytes: 10,
            broken_step: None,
            panics: false,
            not_wal: false,
            resets: Arc::default(),
        }
    }
}

impl Source for FakeSource {
    type Stager = usize;

    fn run(&mut self, job: SourceJob) -> Result<SourceAnswer, SourceError> {
        assert!(!self.panics, "as scripted");
        match job {
            SourceJob::Close => Ok(SourceAnswer::Closed),
            SourceJob::Open { enter_wal_mode: false } if self.not_wal => {
                Err(SourceError::NotWal("as scripted".into()))
            }
            _ => Err(SourceError::Missing),
        }
    }

    fn stage(&mut self, _: &Header, _: PageSet) -> usize {
        0
    }

    fn step(&mut self, stager: &mut usize, out: &mut Vec<u8>) -> Result<Option<StagedObject>, SourceError> {
        if self.broken_step == Some(*stager) {
            return Err(SourceError::Unstable("as scripted".into()));
        }
        let from = *stager * self.step_bytes;
        let to = (from + self.step_bytes).min(self.object.len());
        out.extend_from_slice(&self.object[from..to]);
        *stager += 1;
        let size_bytes = self.object.len() as u64;
        let whole = StagedObject { sha256: Sha256::of(&self.object), size_bytes };
        Ok((to == self.object.len()).then_some(whole))
    }

    fn reset(&mut self) {
        *self.resets.lock().unwrap() += 1;
    }
}

/// Remembers how many changes each save had; refuses the databases it is told to.
#[derive(Clone, Default)]
struct FakeState {
    batches: Arc<Mutex<Vec<usize>>>,
    saved: Arc<Mutex<Vec<String>>>,
    refused: Option<&'static str>,
    panics: bool,
}

impl State for FakeState {
    fn load(&mut self, key: &str) -> Result<LocalState, StateError> {
        assert!(!self.panics, "as scripted");
        self.saved.lock().unwrap().push(format!("load {key}"));
        Ok(LocalState::default())
    }

    fn save_many(&mut self, changes: &[(&str, &StateChange)]) -> Result<(), StateError> {
        assert!(!self.panics, "as scripted");
        self.batches.lock().unwrap().push(changes.len());
        if changes.iter().any(|(key, _)| Some(*key) == self.refused) {
            return Err(StateError("as scripted".into()));
        }
        self.saved.lock().unwrap().extend(changes.iter().map(|(key, _)| format!("save {key}")));
        Ok(())
    }

    fn take_warnings(&mut self) -> Vec<String> {
        Vec::new()
    }
}

pub(super) fn block_on<T>(work: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(work)
}
