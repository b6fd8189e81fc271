//! The driver's ports, by SQLite: the session of a database, and the state file.

use crate::port::{Source, StagedObject, State};
use crate::sqlite::{Progress, Session, Staged, Stager};
use crate::state::StateStore;
use engine::ltx::Header;
use engine::replicate::{LocalState, PageSet, SourceAnswer, SourceError, SourceJob, StateChange, StateError};

impl Source for Session {
    type Stager = Stager;

    fn run(&mut self, job: SourceJob) -> Result<SourceAnswer, SourceError> {
        Session::run(self, job)
    }

    fn stage(&mut self, header: &Header, pages: PageSet) -> Stager {
        Session::stage(self, header, pages)
    }

    fn step(&mut self, stager: &mut Stager, out: &mut Vec<u8>) -> Result<Option<StagedObject>, SourceError> {
        Ok(match stager.step(self, out)? {
            Progress::More => None,
            Progress::Done(Staged { sha256, size_bytes, .. }) => Some(StagedObject { sha256, size_bytes }),
        })
    }

    fn reset(&mut self) {
        // Closing never fails, and the answer says nothing.
        let _ = Session::run(self, SourceJob::Close);
    }
}

impl State for StateStore {
    fn load(&mut self, key: &str) -> Result<LocalState, StateError> {
        StateStore::load(self, key)
    }

    fn save_many(&mut self, changes: &[(&str, &StateChange)]) -> Result<(), StateError> {
        StateStore::save_many(self, changes)
    }

    fn take_warnings(&mut self) -> Vec<String> {
        StateStore::take_warnings(self)
    }
}
