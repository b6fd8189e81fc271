//! `snapshot`: a full image now, through the daemon that follows the database, or alone where none does.

use super::alone::{alone, not_followed};
use super::interrupt::unless_interrupted;
use super::running::Running;
use super::sync::state_dir;
use super::watch;
use crate::args::{SnapshotRequest, Target};
use crate::config::{Config, Flags, StoreUrl};
use crate::control::{Answer, Done, Image, Request, Selection};
use crate::exit::{Failure, Kind};
use crate::output::{Printer, human_size};
use serde::Serialize;
use std::path::PathBuf;

/// Everything that has to be known.
#[derive(Debug)]
pub struct SnapshotJob {
    /// Where the daemons are.
    pub state_dir: PathBuf,
    /// The database.
    pub target: Target,
    flags: Flags,
    config: Config,
}

impl SnapshotJob {
    /// Decides which daemons are meant.
    ///
    /// # Errors
    /// Exit 2: a URL that cannot be used.
    pub fn plan(request: &SnapshotRequest, config: Config) -> Result<SnapshotJob, Failure> {
        if let Target::Url(text) = &request.target {
            StoreUrl::parse(text, &config.surroundings.working_dir).map_err(|error| {
                Failure::usage("the URL cannot be used").because(&error).hint("walsync status")
            })?;
        }
        Ok(SnapshotJob {
            state_dir: state_dir(Some(&request.target), &config),
            target: request.target.clone(),
            flags: request.flags.clone(),
            config,
        })
    }
}

/// Takes the snapshot and says which it is, or which was there already.
///
/// # Errors
/// As in the table of exit codes: 4 where pages of the file are not what was written, 3 where it could not be made now.
pub async fn run(job: SnapshotJob, printer: &Printer) -> Result<(), Failure> {
    let asked = unless_interrupted(through_daemon(&job)).await?;
    let done = match asked {
        Some(done) => done,
        None => {
            let alone = alone(Some(&job.target), &job.flags, &job.config, printer)?;
            watch::snapshot_once(alone, printer).await?
        }
    };
    let lines: Vec<Line> = done.into_iter().map(Line::of).collect::<Result<_, Failure>>()?;
    for line in &lines {
        print(printer, line)?;
    }
    Ok(())
}

/// `None`: no daemon follows it.
async fn through_daemon(job: &SnapshotJob) -> Result<Option<Vec<Done>>, Failure> {
    let running = Running::ask(&job.state_dir).await?;
    let found = running.find(&job.target, &job.config.surroundings.working_dir)?;
    let Some((daemon, database)) = found else { return not_followed(running) };
    let patience = job.config.settings.store.timeout.as_millis();
    let request = Request::Snapshot {
        databases: Selection::One(database.name.clone()),
        patience_ms: u64::try_from(patience).unwrap_or(u64::MAX),
    };
    match daemon.ask(&request).await? {
        Some(Answer::Snapshots { databases }) => Ok(Some(databases)),
        _ => Err(Failure::new(Kind::Unavailable, format!("the daemon {} has just ended", daemon.pid))
            .hint("run the same command again")),
    }
}

fn print(printer: &Printer, line: &Line) -> Result<(), Failure> {
    if printer.is_json() {
        return printer.document(line);
    }
    let Line { name, txid, size_bytes, .. } = line;
    match size_bytes {
        Some(bytes) => printer.data(format!("{name}: snapshot {txid}, {}", human_size(*bytes))),
        None => {
            printer.data(format!("{name}: snapshot {txid} is there already, and nothing has changed since"))
        }
    }
}

#[derive(Serialize)]
struct Line {
    name: String,
    path: String,
    txid: String,
    timestamp: String,
    /// Bytes that went up.
    size_bytes: Option<u64>,
    /// It was in the store when it was asked for (in an empty place: as its first image), and nothing has changed since.
    existed: bool,
}

impl Line {
    fn of(done: Done) -> Result<Line, Failure> {
        match (done.failed, done.snapshot) {
            (Some(failed), _) => Err(failed.into()),
            (None, Some(Image { txid, timestamp, size_bytes })) => {
                let existed = size_bytes.is_none();
                Ok(Line { name: done.name, path: done.path, txid, timestamp, size_bytes, existed })
            }
            (None, None) => Err(Failure::new(Kind::Unavailable, "the daemon says nothing of a snapshot")
                .database(done.name)
                .hint("use the walsync that the daemon is of: walsync version")),
        }
    }
}
