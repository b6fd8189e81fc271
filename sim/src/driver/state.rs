//! The state port: the real state file of `io-real` on the simulated disk.

use super::mischief::{At, Mischief};
use crate::coverage::Reached;
use engine::replicate::{LocalState, StateChange, StateError};
use io_real::port::State;
use io_real::state::StateStore;
use io_sim::trace::Trace;

/// The local state of one life.
pub(super) struct SimState {
    pub(super) store: StateStore,
    pub(super) mischief: Mischief,
    pub(super) trace: Trace,
}

impl State for SimState {
    fn load(&mut self, key: &str) -> Result<LocalState, StateError> {
        let loaded = State::load(&mut self.store, key);
        self.trace.record("load", key, &[("ok", loaded.is_ok().into())], &[]);
        loaded
    }

    fn save_many(&mut self, changes: &[(&str, &StateChange)]) -> Result<(), StateError> {
        if changes.len() > 1 {
            self.mischief.reached(Reached::SavedTogether);
        }
        self.mischief.may_panic(At::Job);
        let saved = State::save_many(&mut self.store, changes);
        let numbers = [("changes", changes.len() as u64), ("ok", saved.is_ok().into())];
        self.trace.record("save", "", &numbers, &[]);
        self.mischief.may_panic(At::Job);
        saved
    }

    fn take_warnings(&mut self) -> Vec<String> {
        State::take_warnings(&mut self.store)
    }
}
