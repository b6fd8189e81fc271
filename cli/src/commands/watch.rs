//! `watch`: replicate continuously, or once.

use crate::args::WatchRequest;
use crate::config::{
    Collision, Config, DatabaseEntry, DatabaseSpec, LimitSettings, Refused, StateDir, StoreSettings,
    VerifySettings, discover, without_collisions,
};
use crate::control::Asked;
use crate::exit::Failure;
use crate::output::Printer;
use daemon::Daemon;
use signals::Signals;
use std::path::Path;

mod account;
mod again;
mod control;
mod daemon;
mod databases;
mod events;
pub(super) mod fencing;
pub(super) mod host;
mod images;
pub(super) use databases::upkeep as upkeep_config;
mod ledger;
mod outcome;
mod reload;
mod signals;
#[cfg(test)]
mod tests;
mod upkeep_done;
mod verify;
mod verify_kept;
mod verify_plan;
mod waits;

pub use outcome::{Outcome, Synced};
pub(super) use outcome::{snapshot_once, sync_once};

/// Everything the driver needs to know.
#[derive(Clone, Debug)]
pub struct WatchJob {
    /// Where objects go.
    pub store: StoreSettings,
    /// The databases that there are now (a named file may be missing), each with its place and settings.
    pub databases: Vec<DatabaseSpec>,
    /// What they were found by: run `config::discover(&entries, &known)` again to notice files that appear.
    pub entries: Vec<DatabaseEntry>,
    /// For the whole process.
    pub limits: LimitSettings,
    /// Checks of what is stored.
    pub verify: VerifySettings,
    /// This host's state.
    pub state_dir: StateDir,
    /// End after one sync of each.
    pub once: bool,
    /// Where what the store has at the end goes, instead of events on standard output under `--json`.
    pub outcome: Option<Outcome>,
    /// What a run that is to end is asked first; it ends with the answer.
    asked: Option<Asked>,
    origin: (WatchRequest, Config),
}

impl WatchJob {
    /// Decides what is to be replicated, and warns of what is doubtful about it.
    ///
    /// # Errors
    /// Exit 2: nothing to watch, a path that cannot be a database, two databases for one place.
    pub fn plan(request: &WatchRequest, config: &Config, printer: &Printer) -> Result<WatchJob, Failure> {
        WatchJob::plan_beside(request, config, &[], printer)
    }

    /// The same while these databases are followed.
    fn plan_beside(
        request: &WatchRequest,
        config: &Config,
        known: &[DatabaseSpec],
        printer: &Printer,
    ) -> Result<WatchJob, Failure> {
        let entries = if request.databases.is_empty() {
            config.entries.clone()
        } else {
            let arguments = request.databases.iter();
            arguments.map(|argument| entry_of(argument, config)).collect::<Result<_, Failure>>()?
        };
        if entries.is_empty() {
            return Err(Failure::usage("no database to watch")
                .cause("neither a DB argument nor [[databases]] in the configuration")
                .hint("walsync watch app.db"));
        }
        let mut discovery = discover(&entries, known);
        // Of files that come while others are followed it is said when they are looked for.
        let is_named = |collision: &Collision| {
            let path = &collision.second.path;
            let names = |entry: &DatabaseEntry| !entry.pattern.has_wildcard() && entry.pattern.matches(path);
            known.is_empty() || entries.iter().any(names)
        };
        discovery.collisions.retain(is_named);
        let discovery = without_collisions(discovery)?;
        for Refused { path, reason } in &discovery.refused {
            printer.warn(format!("{} is left out: {reason}", path.display()), None);
        }
        if discovery.databases.is_empty() && request.once {
            let patterns: Vec<&str> = entries.iter().map(|entry| entry.pattern.as_str()).collect();
            return Err(Failure::usage("no file matches")
                .cause(patterns.join(", "))
                .hint("walsync config show"));
        }
        let (count, count_max) = (discovery.databases.len(), config.settings.limits.open_databases);
        if count as u64 > count_max {
            return Err(Failure::usage("more databases than may be open")
                .cause(format!("there are {count}, and limits.open_databases is {count_max}"))
                .hint("raise limits.open_databases, or leave some out"));
        }
        let store = config.settings.store.clone();
        if store.is_default {
            let warning = format!("replicating to {}: a copy on the same disk is not a backup", store.url);
            printer.warn(warning, Some("walsync watch --store s3://BUCKET/PREFIX"));
        }
        let beside = match discovery.databases.first() {
            Some(database) => database.path.clone(),
            None => entries[0].pattern.root().join("-"),
        };
        let state_dir = config.state_dir(&beside);
        if state_dir.is_last_resort {
            let warning =
                format!("keeping state in {}: no other directory is writable", state_dir.path.display());
            printer.warn(warning, Some("walsync watch --state-dir DIR"));
        }
        Ok(WatchJob {
            store,
            databases: discovery.databases,
            entries,
            limits: config.settings.limits.clone(),
            verify: config.settings.verify.clone(),
            state_dir,
            once: request.once,
            outcome: None,
            asked: None,
            origin: (request.clone(), config.clone()),
        })
    }

    /// The same for this database alone.
    pub(super) fn only(self, database: DatabaseSpec) -> WatchJob {
        WatchJob { databases: vec![database], ..self }
    }

    /// The job of the same command line with the configuration as it is now (SIGHUP). `known`: what is followed.
    ///
    /// # Errors
    /// As [`WatchJob::plan`], or the configuration cannot be used; the caller goes on with `self`.
    pub fn reload(&self, known: &[DatabaseSpec], printer: &Printer) -> Result<WatchJob, Failure> {
        let (request, config) = &self.origin;
        let (config, warnings) = config.reload()?;
        printer.warn_of(&warnings);
        WatchJob::plan_beside(request, &config, known, printer)
    }

    fn open_databases_max(&self) -> usize {
        usize::try_from(self.limits.open_databases).unwrap_or(usize::MAX)
    }
}

/// Replicates until a signal, or once.
///
/// # Errors
/// As in the table of exit codes; see `watch` there for what ends it.
pub async fn run(job: WatchJob, printer: &Printer) -> Result<(), Failure> {
    let mut next = Some((job, Signals::listen()?));
    while let Some((job, signals)) = next {
        next = Daemon::start(&job, signals, printer).await?.run(job, printer).await?;
    }
    Ok(())
}

/// Refuses what is certainly no database before anything is opened.
fn entry_of(argument: &Path, config: &Config) -> Result<DatabaseEntry, Failure> {
    let working_dir = &config.surroundings.working_dir;
    let refused = |reason: &dyn std::error::Error| {
        Failure::usage(format!("`{}` cannot be watched", argument.display()))
            .because(reason)
            .hint("walsync watch app.db")
    };
    if working_dir.join(argument).is_dir() {
        let pattern = argument.join("*.db");
        return Err(Failure::usage(format!("`{}` is a directory", argument.display()))
            .hint(format!("walsync watch '{}'", pattern.display())));
    }
    let entry =
        DatabaseEntry::of_argument(argument, working_dir, &config.values).map_err(|error| refused(&error))?;
    if !entry.pattern.has_wildcard() {
        entry.spec(&working_dir.join(argument)).map_err(|error| refused(&error))?;
    }
    Ok(entry)
}
