//! What the store has after a run that another command made (`sync` without a daemon).

use super::WatchJob;
use super::ledger::Ledger;
use crate::exit::Failure;
use crate::output::Printer;
use engine::types::Txid;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

/// Filled at the end of the run.
#[derive(Clone, Debug, Default)]
pub struct Outcome(Arc<Mutex<Vec<Synced>>>);

/// A database, by its NAME.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Synced {
    /// Its NAME.
    pub name: String,
    /// Its file.
    pub path: PathBuf,
    /// The newest slot that the store has.
    pub txid: Option<Txid>,
}

impl Outcome {
    pub(super) fn fill(&self, ledger: &Ledger) {
        let synced = ledger.accounts().map(|(_, account)| Synced {
            name: account.name.clone(),
            path: account.path.clone(),
            txid: account.durable,
        });
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = synced.collect();
    }
}

/// Syncs the databases of `job` once, and says what the store has then.
///
/// # Errors
/// As `watch --once`.
pub(in crate::commands) async fn sync_once(job: WatchJob, printer: &Printer) -> Result<Vec<Synced>, Failure> {
    let outcome = Outcome::default();
    super::run(WatchJob { once: true, outcome: Some(outcome.clone()), ..job }, printer).await?;
    Ok(std::mem::take(&mut *outcome.0.lock().unwrap_or_else(PoisonError::into_inner)))
}
