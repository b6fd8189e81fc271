//! How the databases stand, and what that means for the end of the run. Knows no clock and prints nothing.

use super::account::{Account, What};
use super::again::Again;
use crate::commands::find::of_litestream_0_3;
use crate::exit::{Failure, Kind};
use engine::replicate::{Notice, SourceError, SourceId, Standing, Status};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// All databases of a run.
#[derive(Debug, Default)]
pub(super) struct Ledger {
    databases: BTreeMap<SourceId, Account>,
}

impl Ledger {
    pub(super) fn add(&mut self, id: SourceId, name: String, path: PathBuf, again: Again) {
        let account = Account::new(name, path, again);
        self.databases.insert(id, account);
    }

    pub(super) fn account(&self, id: SourceId) -> Option<&Account> {
        self.databases.get(&id)
    }

    pub(super) fn accounts(&self) -> impl Iterator<Item = (SourceId, &Account)> {
        self.databases.iter().map(|(id, account)| (*id, account))
    }

    /// The database at this path.
    pub(super) fn id_of(&self, path: &Path) -> Option<SourceId> {
        self.databases.iter().find(|(_, account)| account.path == path).map(|(id, _)| *id)
    }

    pub(super) fn is_fenced(&self, id: SourceId) -> bool {
        self.account(id).is_some_and(|account| account.status == Status::Fenced)
    }

    /// Forgets a database; its path.
    pub(super) fn remove(&mut self, id: SourceId) -> Option<PathBuf> {
        self.databases.remove(&id).map(|account| account.path)
    }

    /// Takes note. The failure, if this notice is why the database cannot go on.
    pub(super) fn note(&mut self, id: SourceId, notice: &Notice, now: Instant) -> Option<Failure> {
        let account = self.databases.get_mut(&id)?;
        account.upkeep.note(notice, now);
        match notice {
            Notice::Status(status) => account.entered(*status, now),
            Notice::Durable { txid, timestamp } => account.durable(*txid, *timestamp, now),
            Notice::Synced { .. } => account.trouble = None,
            Notice::Healed { .. } | Notice::EnteredWalMode => account.trouble = None,
            Notice::BudgetSpent { .. }
            | Notice::LogLetGo { .. }
            | Notice::ClockBehind { .. }
            | Notice::Compacted { .. }
            | Notice::ObjectDamaged { .. }
            | Notice::CompactionStopped { .. }
            | Notice::Retained { .. }
            | Notice::RetentionStopped { .. } => {}
            // What is in the store stays as good as it was, and slots go on.
            Notice::Snapshot { .. }
            | Notice::SnapshotRefused { .. }
            | Notice::SnapshotFailed { .. }
            | Notice::SnapshotDue { .. } => account.image(notice),
            Notice::Store { error, key, .. } => {
                account.failed(now, What::Store(error.clone(), key.clone()));
            }
            Notice::Fenced(fenced) => return account.lost_place(fenced),
            Notice::TooNew { format } => return account.ended(account.too_new(*format), true),
            Notice::OfLitestream03 => return account.ended(of_litestream_0_3(&account.name), true),
            // A missing file is waited for, but a run that ends meanwhile must say so.
            Notice::Source { error, fatal } if *fatal || *error == SourceError::Missing => {
                return account.ended(account.source(error), holds_commits(error));
            }
            Notice::Source { error, .. } => account.failed(now, What::Source(error.clone())),
            // Looked at again and again, but a run that ends meanwhile must say so.
            Notice::Corrupt { key, message } => return account.ended(account.damaged(key, message), true),
            Notice::State { message } => account.failed(now, What::State(message.clone())),
            Notice::Stopped { durable, complete } => account.stopped(*durable, *complete),
        }
        None
    }

    /// Whether nothing can go on without a person: then a daemon ends.
    pub(super) fn is_over(&self) -> bool {
        let over = |account: &Account| matches!(account.status, Status::Fenced | Status::Failed);
        !self.databases.is_empty() && self.databases.values().all(over)
    }

    /// Why databases cannot go on, the gravest last.
    pub(super) fn failures(&self) -> Vec<Failure> {
        let mut all: Vec<Failure> = self.databases.values().filter_map(Account::why).collect();
        all.sort_by_key(Failure::kind);
        all
    }

    /// Why a run that is to end ends now although databases are open, the gravest last: each of them has failed
    /// again after trying in vain for this long, or a person must mend the store. One that may still get on keeps
    /// the run alive. A single failure, however long ago, proves nothing: a long upload may be going well since.
    pub(super) fn given_up(&self, patience: Duration) -> Option<Vec<Failure>> {
        let is_open = |account: &&Account| account.status != Status::Stopped;
        let vain: Option<Vec<Failure>> =
            self.databases.values().filter(is_open).map(|account| account.in_vain(patience)).collect();
        let mut all = vain.filter(|failures| !failures.is_empty())?;
        all.extend(self.databases.values().filter(|account| !is_open(account)).filter_map(Account::why));
        all.sort_by_key(Failure::kind);
        Some(all)
    }

    /// What an end by signal left undone: databases that were not stopped in time, and those of which more may be committed
    /// than the store has. `standings`: of the former, where it is known.
    pub(super) fn undone(&self, standings: &BTreeMap<SourceId, Standing>) -> Option<Failure> {
        let is_left = |account: &&Account| account.is_open() || account.is_undone();
        let left: Vec<(SourceId, &Account)> =
            self.accounts().filter(|(_, account)| is_left(account)).collect();
        let (_, first) = left.first()?;
        let mut failure = Failure::new(Kind::Unavailable, "not everything could be made durable");
        if left.len() == 1 {
            failure = failure.database(&first.name);
        }
        for (id, account) in &left {
            failure = failure.cause(account.what_is_open(standings.get(id)));
            if let Some(why) = account.what_is_wrong() {
                failure = failure.cause(format!("{}: {why}", account.name));
            }
        }
        Some(failure.hint(format!("{}   # continues where the store ends", first.again.watch)))
    }
}

/// Whether a file that cannot be opened may have commits that the store lacks; what another walsync follows is its care.
fn holds_commits(error: &SourceError) -> bool {
    !matches!(error, SourceError::Missing | SourceError::NotADatabase(_) | SourceError::Held(_))
}
