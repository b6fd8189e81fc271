//! `sync`: what is committed goes up now, through the daemon that follows the database, or alone where none does.

use super::alone::{alone, not_followed};
use super::interrupt::unless_interrupted;
use super::running::Running;
use super::watch;
use crate::args::{SyncRequest, Target};
use crate::config::{Config, Flags, StoreUrl};
use crate::control::{Answer, Daemon, Done, Request, Selection};
use crate::exit::{Failure, Kind};
use crate::output::Printer;
use serde::Serialize;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Everything that has to be known.
#[derive(Debug)]
pub struct SyncJob {
    /// Where the daemons are.
    pub state_dir: PathBuf,
    /// One database; `None`: all.
    pub target: Option<Target>,
    /// Return when it is done.
    pub wait: bool,
    /// Give up when nothing has come of it for this long.
    pub patience: Duration,
    flags: Flags,
    config: Config,
}

impl SyncJob {
    /// Decides which daemons are meant.
    ///
    /// # Errors
    /// Exit 2: a URL that cannot be used.
    pub fn plan(request: &SyncRequest, config: Config) -> Result<SyncJob, Failure> {
        if let Some(Target::Url(text)) = &request.target {
            StoreUrl::parse(text, &config.surroundings.working_dir).map_err(|error| {
                Failure::usage("the URL cannot be used").because(&error).hint("walsync status")
            })?;
        }
        Ok(SyncJob {
            state_dir: state_dir(request.target.as_ref(), &config),
            target: request.target.clone(),
            wait: request.wait,
            patience: config.settings.store.timeout,
            flags: request.flags.clone(),
            config,
        })
    }
}

/// Where the daemon of a database keeps its state.
pub(super) fn state_dir(target: Option<&Target>, config: &Config) -> PathBuf {
    let working_dir = &config.surroundings.working_dir;
    let beside = match target {
        Some(Target::Named(given)) => working_dir.join(given),
        Some(Target::Url(_)) | None => working_dir.join("sync.db"),
    };
    config.state_dir(&beside).path
}

/// Syncs and says what the store has then.
///
/// # Errors
/// As in the table of exit codes; the worst where several were meant.
pub async fn run(job: SyncJob, printer: &Printer) -> Result<(), Failure> {
    let asked = unless_interrupted(through_daemons(&job)).await?;
    let lines = match asked {
        Some(lines) => lines,
        None => {
            let alone = alone(job.target.as_ref(), &job.flags, &job.config, printer)?;
            let synced = watch::sync_once(alone, printer).await?.into_iter().map(Line::alone);
            synced.collect()
        }
    };
    print(printer, &lines, job.wait)
}

/// `None`: no daemon follows what is meant.
async fn through_daemons(job: &SyncJob) -> Result<Option<Vec<Line>>, Failure> {
    let running = Running::ask(&job.state_dir).await?;
    let asked: Vec<(&Daemon, Selection)> = match &job.target {
        Some(target) => {
            let found = running.find(target, &job.config.surroundings.working_dir)?;
            let Some((daemon, database)) = found else { return not_followed(running) };
            vec![(daemon, Selection::One(database.name.clone()))]
        }
        None if running.daemons.is_empty() => return not_followed(running),
        None => running.daemons.iter().map(|(daemon, _)| (daemon, Selection::All)).collect(),
    };
    let patience_ms = u64::try_from(job.patience.as_millis()).unwrap_or(u64::MAX);
    let asked = asked.into_iter().map(|(daemon, databases)| async move {
        let request = Request::Sync { databases, wait: job.wait, patience_ms };
        match daemon.ask(&request).await? {
            Some(Answer::Synced { databases }) => Ok(databases),
            _ => Err(Failure::new(Kind::Unavailable, format!("the daemon {} has just ended", daemon.pid))
                .hint("run the same command again")),
        }
    });
    let mut lines = Vec::new();
    for answer in futures::future::join_all(asked).await {
        lines.extend(answer?.into_iter().map(Line::of_daemon));
    }
    // All were meant, and those that did not say anything follow some.
    if let Some((_, silent)) = running.silent.into_iter().next().filter(|_| job.target.is_none()) {
        return Err(silent);
    }
    Ok(Some(lines))
}

fn print(printer: &Printer, lines: &[Line], wait: bool) -> Result<(), Failure> {
    if printer.is_json() {
        printer.document(&Document { databases: lines })?;
    } else {
        for line in lines {
            match (&line.txid, line.failure.is_some()) {
                (_, true) => {}
                (Some(txid), _) if line.durable => {
                    printer.data(format!("{}: durable to {txid}", line.name))?
                }
                (txid, _) => {
                    let txid = txid.as_deref().unwrap_or("nothing");
                    printer.data(format!("{}: sync requested, durable to {txid} so far", line.name))?;
                }
            }
        }
        if lines.is_empty() {
            printer.note(if wait { "there was nothing to sync" } else { "there is nothing to sync" });
        }
    }
    let mut failures: Vec<&Failure> = lines.iter().filter_map(|line| line.failure.as_ref()).collect();
    failures.sort_by_key(|failure| failure.kind());
    let Some(worst) = failures.pop() else { return Ok(()) };
    failures.into_iter().for_each(|failure| printer.failure(failure));
    Err(worst.clone())
}

#[derive(Serialize)]
struct Document<'a> {
    databases: &'a [Line],
}

#[derive(Serialize)]
struct Line {
    name: String,
    path: String,
    txid: Option<String>,
    /// Everything committed before the command is in the store.
    durable: bool,
    error: Option<String>,
    #[serde(skip)]
    failure: Option<Failure>,
}

impl Line {
    fn of_daemon(done: Done) -> Line {
        let failure = done.failed.map(Failure::from);
        let error = failure.as_ref().map(Failure::headline);
        Line { name: done.name, path: done.path, txid: done.txid, durable: done.durable, error, failure }
    }

    fn alone(synced: watch::Synced) -> Line {
        let path = Path::new(&synced.path).display().to_string();
        let txid = synced.txid.map(|txid| txid.to_string());
        Line { name: synced.name, path, txid, durable: true, error: None, failure: None }
    }
}
