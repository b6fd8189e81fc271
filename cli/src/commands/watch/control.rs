//! What is asked of a running daemon over its control socket: how everything stands, and syncs. Nothing here waits.

use super::account::{Account, What};
use super::events;
use super::ledger::Ledger;
use crate::config::Collision;
use crate::control::{
    Answer, Answers, Asked, DaemonReport, DatabaseReport, Done, Failed, Request, Selection, Server,
};
use crate::exit::{Failure, Kind};
use crate::output::format_timestamp;
use engine::replicate::{Notice, SourceId, Standing, Status, SyncId};
use engine::store::StoreError;
use io_real::driver::Handle;
use io_real::sqlite::Session;
use io_real::wake::Armed;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// The socket, and who waits for something.
pub(super) struct Control {
    /// `None`: there can be none here; the daemon goes on without.
    server: Option<Server>,
    waits: Vec<Wait>,
    syncs: u64,
    started_at: Instant,
    store: String,
    /// Files whose place is another's.
    refused: Vec<(String, PathBuf, String)>,
}

/// Somebody who waits for syncs.
struct Wait {
    answers: Answers,
    open: BTreeMap<SourceId, SyncId>,
    done: Vec<Done>,
    asked_at: Instant,
    patience: Duration,
}

/// Syncs that are waited for at one time; each is a client that is connected.
const WAITS_MAX: usize = 256;

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
        let (waits, refused) = (Vec::new(), Vec::new());
        Control { server, waits, syncs: 0, started_at: Instant::now(), store, refused }
    }

    /// Waits for the next request.
    pub(super) async fn next(&mut self) -> Asked {
        match &mut self.server {
            Some(server) => server.next().await,
            None => std::future::pending().await,
        }
    }

    /// A file is not followed.
    pub(super) fn refuse(&mut self, collision: &Collision) {
        let Collision { place, first, second } = collision;
        let error = format!("its place is the one of {}", first.path.display());
        self.refused.push((place.to_string(), second.path.clone(), error));
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
                databases.extend(self.refused.iter().filter(|(_, path, _)| path.exists()).map(of_refused));
                let daemon = DaemonReport {
                    pid: std::process::id(),
                    version: env!("CARGO_PKG_VERSION").to_owned(),
                    store: self.store.clone(),
                    running_for_ms: ms(now.duration_since(self.started_at)),
                    ending,
                    databases: Vec::new(),
                };
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
                Ok(_) if wait && self.waits.len() >= WAITS_MAX => {
                    let failure = Failure::new(Kind::Unavailable, "too many wait for syncs of this daemon");
                    answers.end(Answer::Failed(Failed::from(&failure)));
                }
                Ok(selected) => {
                    let asked_at = Instant::now();
                    let patience = Duration::from_millis(patience_ms);
                    let mut waiting =
                        Wait { answers, open: BTreeMap::new(), done: Vec::new(), asked_at, patience };
                    for (id, account) in selected {
                        if let Some(failure) = &account.end {
                            waiting.done.push(done(account, Err(failure)));
                            continue;
                        }
                        self.syncs += 1;
                        handle.sync(id, SyncId(self.syncs));
                        if wait {
                            waiting.open.insert(id, SyncId(self.syncs));
                        } else {
                            waiting.done.push(done(account, Ok(false)));
                        }
                    }
                    self.waits.push(waiting);
                    self.answer_settled();
                }
            },
            Request::Snapshot { .. } => {
                let failure = Failure::not_in_this_version("snapshot").hint("walsync --help");
                answers.end(Answer::Failed(Failed::from(&failure)));
            }
        }
    }

    /// Something was said of a database, and noted.
    pub(super) fn heard(&mut self, id: SourceId, notice: &Notice, ledger: &Ledger) {
        let Some(account) = ledger.account(id) else { return };
        match notice {
            Notice::Synced { id: synced, .. } => {
                self.settle(id, |wanted| wanted <= *synced, || done(account, Ok(true)));
            }
            Notice::Stopped { complete: true, .. } => {
                self.settle(id, |_| true, || done(account, Ok(true)));
            }
            Notice::Stopped { complete: false, .. } => {
                let failure =
                    Failure::new(Kind::Unavailable, "the daemon ended before everything was synced")
                        .database(&account.name)
                        .cause(account.what_is_open(None))
                        .hint(format!("{}   # continues where the store ends", account.again.watch));
                self.settle(id, |_| true, || done(account, Err(&failure)));
            }
            _ => {
                if let Some(failure) = &account.end {
                    self.settle(id, |_| true, || done(account, Err(failure)));
                }
            }
        }
    }

    /// Time passed: tells who waits that it goes on, or that it does not.
    pub(super) fn tick(&mut self, now: Instant, ledger: &Ledger) {
        for wait in &mut self.waits {
            let vain: Vec<(SourceId, Failure)> = wait
                .open
                .keys()
                .filter_map(|id| Some((*id, in_vain(ledger.account(*id)?, wait, now)?)))
                .collect();
            for (id, failure) in vain {
                wait.open.remove(&id);
                wait.done.extend(ledger.account(id).map(|account| done(account, Err(&failure))));
            }
            wait.answers.waiting();
        }
        self.waits.retain(|wait| !wait.answers.is_closed());
        self.answer_settled();
    }

    fn settle(&mut self, id: SourceId, is_meant: impl Fn(SyncId) -> bool, done: impl Fn() -> Done) {
        for wait in &mut self.waits {
            if wait.open.get(&id).is_some_and(|wanted| is_meant(*wanted)) {
                wait.open.remove(&id);
                wait.done.push(done());
            }
        }
        self.answer_settled();
    }

    fn answer_settled(&mut self) {
        for wait in self.waits.extract_if(.., |wait| wait.open.is_empty()) {
            let mut databases = wait.done;
            databases.sort_by(|a, b| a.name.cmp(&b.name));
            wait.answers.end(Answer::Synced { databases });
        }
    }
}

/// Why a sync is not waited for any longer: nothing has become durable for so long and something fails, or a person must
/// mend the store.
fn in_vain(account: &Account, wait: &Wait, now: Instant) -> Option<Failure> {
    let trouble = account.trouble.as_ref()?;
    let since = account.durable_heard_at.map_or(wait.asked_at, |heard| heard.max(wait.asked_at));
    let is_fatal = matches!(trouble.what, What::Store(StoreError::Fatal { .. }, _));
    let is_vain = now.duration_since(since) >= wait.patience || (is_fatal && trouble.last >= wait.asked_at);
    is_vain.then(|| account.given_up(&trouble.what).cause(account.what_is_open(None)))
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

fn done(account: &Account, durable: Result<bool, &Failure>) -> Done {
    Done {
        name: account.name.clone(),
        path: account.path.display().to_string(),
        txid: account.durable.map(|txid| txid.to_string()),
        durable: durable.is_ok_and(|durable| durable),
        failed: durable.err().map(Failed::from),
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
        next_snapshot_at: None,
        fenced_by: account.fenced_by.clone(),
        last_error: account.what_is_wrong(),
        state_for_ms: account.status_since.map_or(0, |since| ms(now.duration_since(since))),
        unsent_pages: None,
        verify,
    }
}

fn of_refused((name, path, error): &(String, PathBuf, String)) -> (Option<SourceId>, DatabaseReport) {
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
        ..report
    }
}

fn ms(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}
