//! `restore`: one database, to one file.

use super::find;
use super::interrupt::unless_interrupted;
use super::list::{configured, store_and_target};
use super::restore_failure::{Context, word};
use super::restore_place::{NOTHING_STORED, Outcome, Restoring, output};
use super::restore_proof::Keeper;
use super::restore_report::Report;
use crate::args::{How, Target};
use crate::config::{Config, DatabaseSpec, Place, Resolved, StateDir, StoreSettings, StoreUrl, resolve};
use crate::exit::{Failure, Kind};
use crate::output::Printer;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Everything the restorer needs to know.
#[derive(Clone, Debug)]
pub struct RestoreJob {
    /// The store. For [`JobTarget::Root`] its URL is the place's.
    pub store: StoreSettings,
    /// Which database.
    pub target: JobTarget,
    /// What is configured, for [`resolve`].
    pub databases: Vec<DatabaseSpec>,
    /// Where to write, absolute.
    pub output: PathBuf,
    /// How.
    pub how: How,
    /// Where it is left what a later `watch` needs to go on from the result.
    pub state_dir: StateDir,
    /// What a local path given as NAME is relative to.
    pub working_dir: PathBuf,
}

/// Which database of a store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum JobTarget {
    /// This one.
    Place(Place),
    /// The one that this NAME or path stands for among the places of the store: list them, then
    /// [`resolve`].
    Named(String),
    /// The store's URL is the place itself: its keys start right there.
    Root,
}

impl RestoreJob {
    /// Decides where the answer goes; `to`: what `-o` says.
    ///
    /// # Errors
    /// Exit 2: no output given and none configured, a URL that cannot be used, an ambiguous NAME.
    pub fn plan(
        target: &Target,
        to: Option<&Path>,
        how: How,
        config: &Config,
    ) -> Result<RestoreJob, Failure> {
        let (store, target) = store_and_target(target, config)?;
        let databases = configured(Some(&target), config);
        let working_dir = &config.surroundings.working_dir;
        let (target, output) = match (to, target) {
            (Some(output), target) => (target, working_dir.join(output)),
            (None, target) => {
                let (place, path) = configured_path(&target, &databases, config, &store.url)?;
                (JobTarget::Place(place), path)
            }
        };
        let state_dir = config.state_dir(&output);
        Ok(RestoreJob { store, target, databases, output, how, state_dir, working_dir: working_dir.clone() })
    }
}

/// Restores and prints the report. A signal ends it without a trace.
///
/// # Errors
/// As in the table of exit codes.
pub async fn run(job: RestoreJob, printer: &Printer) -> Result<(), Failure> {
    unless_interrupted(restore(&job, printer)).await
}

async fn restore(job: &RestoreJob, printer: &Printer) -> Result<(), Failure> {
    let given = match &job.target {
        JobTarget::Place(place) => place.to_string(),
        JobTarget::Named(name) => name.clone(),
        JobTarget::Root => job.store.url.to_string(),
    };
    let report = |name: &str, outcome: &Outcome| {
        Report { name, output: &job.output, verify: job.how.verify, outcome }.print(printer)
    };
    let context = Context { name: &given, store: &job.store, output: Some(&job.output) };
    let output = match output(&context, &job.output, job.how)? {
        Ok(output) => output,
        Err(nothing) => return report(&given, &nothing),
    };
    let catalog = find::catalog(&job.store)?;
    let target = &job.target;
    match find::database(&catalog, &job.store.url, target, &job.databases, &job.working_dir).await {
        Ok(found) => {
            let keeper = Keeper::new(&job.state_dir);
            let restoring = Restoring { catalog: &catalog, store: &job.store, how: job.how, keeper: &keeper };
            let label = format!("restoring {}", found.name);
            let begin = |bytes| Arc::new(printer.progress(&label, Some(bytes)));
            let done = restoring.place(&found, (&output, &job.output), begin).await;
            keeper.tell(printer);
            report(&found.name, &done?)
        }
        Err(failure) if job.how.allow_empty && failure.kind() == Kind::No => {
            report(&given, &Outcome::Nothing(NOTHING_STORED))
        }
        Err(failure) => Err(failure),
    }
}

/// Without `-o`: the configured database that is meant. Its place is kept, so that no other database of a
/// similar name can end up in its file.
fn configured_path(
    target: &JobTarget,
    databases: &[DatabaseSpec],
    config: &Config,
    store: &StoreUrl,
) -> Result<(Place, PathBuf), Failure> {
    let given = match target {
        JobTarget::Place(place) => place.to_string(),
        JobTarget::Named(name) => name.clone(),
        JobTarget::Root => store.to_string(),
    };
    let places: Vec<Place> = databases.iter().map(|database| database.place.clone()).collect();
    let found = match target {
        JobTarget::Root => None,
        _ => match resolve(&given, &places, databases, &config.surroundings.working_dir) {
            Ok(Resolved { place, path }) => path.map(|path| (place, path)),
            Err(failure) if failure.kind() == Kind::No => None,
            Err(failure) => return Err(failure),
        },
    };
    found.ok_or_else(|| {
        Failure::usage("where to restore is not known")
            .database(&given)
            .cause("no path is configured for it")
            .hint(match target {
                JobTarget::Root => format!("walsync restore {} -o restored.db", word(Path::new(&given))),
                _ => {
                    let (name, store) = (word(Path::new(&given)), word(Path::new(&store.to_string())));
                    format!("walsync restore {name} -b {store} -o restored.db")
                }
            })
    })
}

/// A target of the command line without a store to look it up in.
impl From<&Target> for JobTarget {
    fn from(target: &Target) -> JobTarget {
        match target {
            Target::Url(_) => JobTarget::Root,
            Target::Named(name) => JobTarget::Named(name.clone()),
        }
    }
}
