//! `snapshot`: a full image now, through the daemon that follows the database.

use super::interrupt::unless_interrupted;
use super::running::Running;
use super::sync::state_dir;
use crate::args::{SnapshotRequest, Target};
use crate::config::Config;
use crate::control::{Request, Selection};
use crate::exit::Failure;
use std::path::PathBuf;

/// Everything that has to be known.
#[derive(Clone, Debug)]
pub struct SnapshotJob {
    /// Where the daemons are.
    pub state_dir: PathBuf,
    /// The database.
    pub target: Target,
    /// What a local path is relative to.
    pub working_dir: PathBuf,
}

impl SnapshotJob {
    /// Decides which daemons are meant.
    pub fn plan(request: &SnapshotRequest, config: Config) -> SnapshotJob {
        SnapshotJob {
            state_dir: state_dir(Some(&request.target), &config),
            target: request.target.clone(),
            working_dir: config.surroundings.working_dir,
        }
    }
}

/// Asks the daemon, which refuses it in this version; so does a run without a daemon.
///
/// # Errors
/// As in the table of exit codes.
pub async fn run(job: SnapshotJob) -> Result<(), Failure> {
    unless_interrupted(async {
        let running = Running::ask(&job.state_dir).await?;
        if let Some((daemon, database)) = running.find(&job.target, &job.working_dir)? {
            daemon.ask(&Request::Snapshot { databases: Selection::One(database.name.clone()) }).await?;
        }
        Err(Failure::not_in_this_version("snapshot"))
    })
    .await
}
