//! Ending in order: everything committed goes up, the database file is left complete, the state is saved.

use super::machine::{Follow, Job};
use crate::mutants::{Mutant, mutated};
use crate::replicate::command::{CheckpointMode, SourceJob};
use crate::replicate::context::Context;

/// How far an orderly end has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stop {
    /// A look that began after the request, and everything it found into the store.
    Draining { asked: bool, looked: bool },
    /// Copy the log into the database.
    Backfilling,
    /// Hand over to mark 0.
    HandingOver,
    /// Empty the log.
    Emptying,
    /// Save what is confirmed.
    Saving,
    /// Let go.
    Closing,
}

impl Stop {
    pub(super) fn wants_look(self) -> bool {
        matches!(self, Stop::Draining { .. } | Stop::HandingOver)
    }
}

impl Follow {
    pub(in crate::replicate) fn request_stop(&mut self) {
        if self.stop.is_none() {
            self.stop = Some(Stop::Draining { asked: self.job.is_none(), looked: false });
        }
    }

    /// Takes the steps of an end that are due. Trouble on the way (a busy checkpoint) is passed over: the next
    /// start heals what is left.
    pub(super) fn advance_stop(&mut self, cx: &mut Context<'_>) {
        while self.job.is_none() && self.saving.is_none() {
            let Some(next) = self.next_of_stop() else { return };
            self.stop = Some(next);
            match next {
                Stop::Draining { .. } | Stop::HandingOver => {}
                Stop::Backfilling => self.start_checkpoint(cx, CheckpointMode::Passive),
                // Only when nothing came meanwhile: what is not in the store stays in the log.
                Stop::Emptying if self.unsent.is_some() => {}
                Stop::Emptying => self.start_checkpoint(cx, CheckpointMode::Truncate),
                Stop::Saving => self.save(cx),
                Stop::Closing => self.job = Some((cx.source(SourceJob::Close), Job::Close)),
            }
        }
    }

    /// The step after the one that is over; `None` while it is not.
    fn next_of_stop(&self) -> Option<Stop> {
        match self.stop? {
            // A look that was under way when the stop came does not count.
            Stop::Draining { asked: false, .. } => Some(Stop::Draining { asked: true, looked: false }),
            Stop::Draining { looked, .. } => {
                let looked = looked || mutated(Mutant::StopWithoutDraining);
                let sent = self.unsent.is_none() && self.slot.is_none();
                (looked && sent && !self.pace.has_more()).then_some(Stop::Backfilling)
            }
            Stop::Backfilling => Some(Stop::HandingOver),
            // What came since the request is not waited for.
            Stop::HandingOver => {
                (self.unsent.is_some() || !self.pace.look_is_pending()).then_some(Stop::Emptying)
            }
            Stop::Emptying => Some(Stop::Saving),
            Stop::Saving => Some(Stop::Closing),
            Stop::Closing => None,
        }
    }
}
