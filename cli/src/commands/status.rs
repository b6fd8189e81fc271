//! `status`: how the running daemons and their databases stand.

use super::interrupt::unless_interrupted;
use super::running::Running;
use super::status_report::{self, Summary};
use crate::args::StatusRequest;
use crate::config::Config;
use crate::exit::Failure;
use crate::output::Printer;
use std::path::PathBuf;
use std::time::Duration;

/// Everything that has to be known.
#[derive(Clone, Debug)]
pub struct StatusJob {
    /// Where the daemons are.
    pub state_dir: PathBuf,
    /// Again every second.
    pub watch: bool,
    /// A commit that waits for longer is unhealthy.
    pub lag_max: Option<Duration>,
    /// Standard output is a terminal, which is cleared before it is shown again.
    pub clears: bool,
}

const PAUSE: Duration = Duration::from_secs(1);

impl StatusJob {
    /// Decides which daemons are meant.
    pub fn plan(request: &StatusRequest, config: &Config) -> StatusJob {
        let beside = config.surroundings.working_dir.join("status.db");
        StatusJob {
            state_dir: config.state_dir(&beside).path,
            watch: request.watch,
            lag_max: request.lag_max,
            clears: config.surroundings.stdout_is_terminal,
        }
    }
}

/// Asks and prints.
///
/// # Errors
/// Exit 1: no daemon, or a database is unhealthy. Exit 2: this user may not ask.
pub async fn run(job: StatusJob, printer: &Printer) -> Result<(), Failure> {
    unless_interrupted(async {
        if !job.watch {
            return show(&job, printer).await?.verdict(&job.state_dir);
        }
        loop {
            if job.clears && !printer.is_json() {
                printer.data(CLEAR)?;
            }
            let summary = show(&job, printer).await?;
            if let Err(failure) = summary.verdict(&job.state_dir)
                && !printer.is_json()
            {
                printer.note(failure.headline());
            }
            tokio::time::sleep(PAUSE).await;
        }
    })
    .await
}

async fn show(job: &StatusJob, printer: &Printer) -> Result<Summary, Failure> {
    let running = Running::ask(&job.state_dir).await?;
    status_report::print(printer, running, job.lag_max)
}

/// Home, and nothing below.
const CLEAR: &str = "\x1b[H\x1b[J";
