//! What is said while a restore goes on: progress, and what turned out to be wrong with the store's objects.

use crate::output::Progress;
use io_real::restore::Event;
use std::sync::{Arc, Mutex, PoisonError};

/// Hears of a restore's events on any thread.
#[derive(Debug, Default)]
pub(super) struct Told(Mutex<Option<Arc<Progress>>>);

impl Told {
    pub(super) fn hear(&self, event: Event<'_>) {
        match event {
            Event::Downloaded(bytes) => {
                if let Some(progress) = &*self.0.lock().unwrap_or_else(PoisonError::into_inner) {
                    progress.advance(bytes);
                }
            }
            Event::Planned(plan) => tracing::debug!(txid = %plan.txid(), "planned:\n{plan}"),
            Event::Damaged { object, why } => {
                tracing::warn!("{object} is damaged: {why}; looking for another way")
            }
            Event::ListedAgain { object } => tracing::info!("{object} is gone; listing again"),
            Event::NoWayAround { object } => {
                tracing::info!("nothing leads around {object}; listing again, for what came meanwhile");
            }
        }
    }

    /// From now on downloads show.
    pub(super) fn show_on(&self, progress: Arc<Progress>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(progress);
    }

    /// What shows them is let go.
    pub(super) fn hide(&self) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take();
    }
}
