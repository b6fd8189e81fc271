//! What is asked of a running daemon over its control socket: how everything stands, syncs and snapshots. Nothing here
//! waits.

use super::WatchJob;
use super::account::Account;
use super::events;
use super::ledger::Ledger;
use super::upkeep_done::with_due;
use super::waits::{Waits, Wanted};
use crate::config::DatabaseSpec;
use crate::control::{
    Answer, Asked, DaemonReport, DatabaseReport, Failed, Request, Selection, Server, UpkeepReport,
};
use crate::exit::{Failure, Kind};
use crate::output::format_timestamp;
use engine::replicate::{Notice, SourceId, Standing, Status};
use io_real::driver::{Handle, SystemClock};
use io_real::port::Clock as _;
use io_real::sqlite::Session;
use io_real::wake::Armed;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// The socket, and who waits for something.
pub(super) struct Control {
    /// `None`: there can be none here; the daemon goes on without.
    server: Option<Server>,
    waits: Waits,
    started_at: Instant,
    store: String,
    /// Files that are not followed: their NAME, and why.
    refused: BTreeMap<PathBuf, (String, String)>,
}

impl Control {
    /// Listens in the state directory.
    pub(super) fn start(state_dir: &Path, store: String) -> Control {
        let server = Server::start(state_dir)
            .inspect_err(|error| {
                tracing::warn!(
                    %error,
                    hint = "choose a shorter or another one with --state-dir",
                    "no control socket: status, sync and snapshot do not find this daemon"
                );
            })
            .ok();
        let (waits, refused) = (Waits::default(), BTreeMap::new());
        Control { server, waits, started_at: Instant::now(), store, refused }
    }

    /// Waits for the next request.
    pub(super) async fn next(&mut self) -> Asked {
        match &mut self.server {
            Some(server) => server.next().await,
            None => std::future::pending().await,
        }
    }

    /// Answers while the store has not answered yet: nothing is followed, and nothing can be done.
    pub(super) fn asked_too_early(&self, asked: Asked, job: &WatchJob) {
        let Asked { request, answers } = asked;
        let why = format!("the store {} has not answered yet", self.store);
        if !matches!(request, Request::Status) {
            let failure = Failure::new(Kind::Unavailable, why).hint("walsync status");
            return answers.end(Answer::Failed(Failed::from(&failure)));
        }
        let waiting = |spec: &DatabaseSpec| {
            let (_, report) = of_refused((&spec.path, &(spec.place.to_string(), why.clone())));
            let state_for_ms = ms(self.started_at.elapsed());
            DatabaseReport { state: events::state(Status::Starting).to_owned(), state_for_ms, ..report }
        };
        let databases = job.databases.iter().map(waiting).collect();
        let report = DaemonReport { databases, ..self.report(Instant::now(), false) };
        answers.end(Answer::Status(Box::new(report)));
    }

    /// Of the daemon, without its databases.
    fn report(&self, now: Instant, ending: bool) -> DaemonReport {
        DaemonReport {
            pid: std::process::id(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            store: self.store.clone(),
            running_for_ms: ms(now.duration_since(self.started_at)),
            ending,
            databases: Vec::new(),
        }
    }

    /// A file is not followed.
    pub(super) fn refuse(&mut self, name: String, path: PathBuf, why: String) {
        self.refused.insert(path, (name, why));
    }

    /// Whether nobody waits.
    pub(super) fn is_idle(&self) -> bool {
        self.waits.is_empty()
    }

    /// Takes a request. What can be answered at once is.
    pub(super) fn asked(
        &mut self,
        asked: Asked,
        ledger: &Ledger,
        handle: &Handle<Armed<Session>>,
        report: impl FnOnce(&str) -> Option<crate::control::VerifyReport> + Copy,
        ending: bool,
    ) {
        let Asked { request, answers } = asked;
        match request {
            Request::Status => {
                let now = Instant::now();
                let mut databases: Vec<(Option<SourceId>, DatabaseReport)> = ledger
                    .accounts()
                    .filter(|(_, account)| account.status != Status::Stopped)
                    .map(|(id, account)| (Some(id), of_account(account, now, report(&account.name))))
                    .collect();
                // One may have got its place since.
                let is_out = |path: &Path| path.exists() && ledger.id_of(path).is_none();
                databases.extend(self.refused.iter().filter(|(path, _)| is_out(path)).map(of_refused));
                let daemon = self.report(now, ending);
                let standings = handle.standings();
                tokio::task::spawn(async move {
                    let standings = standings.await;
                    let databases = databases.into_iter().map(|(id, report)| {
                        let standing = id.and_then(|id| standings.get(&id));
                        with_standing(report, standing)
                    });
                    let report = DaemonReport { databases: databases.collect(), ..daemon };
                    answers.end(Answer::Status(Box::new(report)));
                });
            }
            Request::Sync { databases, wait, patience_ms } => match select(&databases, ledger) {
                Err(failure) => answers.end(Answer::Failed(Failed::from(&failure))),
                Ok(selected) => {
                    let wanted = if wait { Wanted::Sync } else { Wanted::Nothing };
                    self.waits.begin(answers, wanted, Duration::from_millis(patience_ms), &selected, handle);
                }
            },
            Request::Snapshot { databases, patience_ms } => match select(&databases, ledger) {
                Err(failure) => answers.end(Answer::Failed(Failed::from(&failure))),
                Ok(selected) => {
                    let patience = Duration::from_millis(patience_ms);
                    self.waits.begin(answers, Wanted::Snapshot, patience, &selected, handle);
                }
            },
        }
    }

    /// Something was said of a database, and noted.
    pub(super) fn heard(
        &mut self,
        id: SourceId,
        notice: &Notice,
        ledger: &Ledger,
        handle: &Handle<Armed<Session>>,
    ) {
        self.waits.heard(id, notice, ledger, handle);
    }

    /// Time passed: tells who waits that it goes on, or that it does not.
    pub(super) fn tick(&mut self, now: Instant, ledger: &Ledger) {
        self.waits.tick(now, ledger);
    }
}

fn select<'a>(selection: &Selection, ledger: &'a Ledger) -> Result<Vec<(SourceId, &'a Account)>, Failure> {
    let followed = ledger.accounts().filter(|(_, account)| account.status != Status::Stopped);
    match selection {
        Selection::All => Ok(followed.collect()),
        Selection::One(name) => {
            let found: Vec<_> = followed.filter(|(_, account)| account.name == *name).collect();
            if found.is_empty() {
                return Err(Failure::no(format!("the daemon does not follow `{name}`"))
                    .database(name)
                    .hint("walsync status"));
            }
            Ok(found)
        }
    }
}

fn of_account(
    account: &Account,
    now: Instant,
    verify: Option<crate::control::VerifyReport>,
) -> DatabaseReport {
    DatabaseReport {
        name: account.name.clone(),
        path: account.path.display().to_string(),
        state: events::state(account.status).to_owned(),
        txid: None,
        durable_txid: account.durable.map(|txid| txid.to_string()),
        lag_ms: None,
        wal_bytes: None,
        last_sync_at: account.synced_at.map(format_timestamp),
        next_snapshot_at: account.images.due.map(format_timestamp),
        fenced_by: account.fenced_by.clone(),
        last_error: account.last_error(),
        state_for_ms: account.status_since.map_or(0, |since| ms(now.duration_since(since))),
        unsent_pages: None,
        verify,
        upkeep: account.upkeep.report(now, SystemClock.now().wall),
    }
}

fn of_refused((path, (name, error)): (&PathBuf, &(String, String))) -> (Option<SourceId>, DatabaseReport) {
    let report = DatabaseReport {
        name: name.clone(),
        path: path.display().to_string(),
        state: events::state(Status::Failed).to_owned(),
        txid: None,
        durable_txid: None,
        lag_ms: None,
        wal_bytes: None,
        last_sync_at: None,
        next_snapshot_at: None,
        fenced_by: None,
        last_error: Some(error.clone()),
        state_for_ms: 0,
        unsent_pages: None,
        verify: None,
        upkeep: UpkeepReport::default(),
    };
    (None, report)
}

fn with_standing(report: DatabaseReport, standing: Option<&Standing>) -> DatabaseReport {
    let Some(standing) = standing else { return report };
    let text = |txid: engine::types::Txid| txid.to_string();
    DatabaseReport {
        txid: standing.read.map(text).or_else(|| report.durable_txid.clone()),
        durable_txid: standing.durable.map(text).or(report.durable_txid),
        lag_ms: standing.lag.map(ms),
        wal_bytes: standing.wal_bytes,
        unsent_pages: standing.lag.map(|_| standing.unsent_pages),
        upkeep: with_due(report.upkeep, standing, SystemClock.now().wall),
        ..report
    }
}

fn ms(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}
