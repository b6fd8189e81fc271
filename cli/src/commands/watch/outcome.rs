//! What comes of a run that another command made (`sync` and `snapshot` without a daemon).

use super::WatchJob;
use super::ledger::Ledger;
use crate::control::{Answer, Answers, Asked, Done, Request, Selection};
use crate::exit::{Failure, Kind};
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

/// Follows the databases of `job` until there is a full image of what is committed in each.
///
/// # Errors
/// As `watch --once`. Why there is no image of one is in what it says of it.
pub(in crate::commands) async fn snapshot_once(
    job: WatchJob,
    printer: &Printer,
) -> Result<Vec<Done>, Failure> {
    let (answers, mut answered) = Answers::channel();
    let patience_ms = u64::try_from(job.store.timeout.as_millis()).unwrap_or(u64::MAX);
    let asked = Asked { request: Request::Snapshot { databases: Selection::All, patience_ms }, answers };
    let outcome = Some(Outcome::default());
    super::run(WatchJob { once: true, outcome, asked: Some(asked), ..job }, printer).await?;
    while let Ok(answer) = answered.try_recv() {
        match answer {
            Answer::Snapshots { databases } => return Ok(databases),
            Answer::Failed(failed) => return Err(failed.into()),
            Answer::Waiting | Answer::Status(_) | Answer::Synced { .. } => {}
        }
    }
    Err(Failure::new(Kind::Unavailable, "ended before a snapshot was made")
        .hint("run the same command again"))
}
