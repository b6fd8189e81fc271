//! `restore`: one database, to one file.

use super::interrupt::unless_interrupted;
use super::list::{configured, store_and_target};
use super::restore_failure::{Context, word};
use super::restore_proof::Keeper;
use super::restore_told::Told;
use super::{find, restore_report};
use crate::args::{Existing, Point, RestoreRequest, Target, Verify};
use crate::config::{Config, DatabaseSpec, Place, Resolved, StateDir, StoreSettings, StoreUrl, resolve};
use crate::exit::{Failure, Kind};
use crate::output::Printer;
use engine::restore::Target as State;
use io_real::driver::TokioWork;
use io_real::restore::{Catalog, IfExists, Output, RestoreError, Restorer};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

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
    /// Which state.
    pub point: Point,
    /// If the output exists.
    pub existing: Existing,
    /// Only say what would be done.
    pub dry_run: bool,
    /// An empty store is exit 0.
    pub allow_empty: bool,
    /// How the result is proven.
    pub verify: Verify,
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
    /// Decides where the answer goes.
    ///
    /// # Errors
    /// Exit 2: no output given and none configured, a URL that cannot be used, an ambiguous NAME.
    pub fn plan(request: &RestoreRequest, config: &Config) -> Result<RestoreJob, Failure> {
        let (store, target) = store_and_target(&request.target, config)?;
        let databases = configured(Some(&target), config);
        let working_dir = &config.surroundings.working_dir;
        let (target, output) = match (&request.output, target) {
            (Some(output), target) => (target, working_dir.join(output)),
            (None, target) => {
                let (place, path) = configured_path(&target, &databases, config, &store.url)?;
                (JobTarget::Place(place), path)
            }
        };
        let state_dir = config.state_dir(&output);
        Ok(RestoreJob {
            store,
            target,
            databases,
            output,
            point: request.point,
            existing: request.existing,
            dry_run: request.dry_run,
            allow_empty: request.allow_empty,
            verify: request.verify,
            state_dir,
            working_dir: working_dir.clone(),
        })
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
    let context = Context { name: &given, store: &job.store, output: Some(&job.output) };
    // Before anything is asked of the store: what cannot be written need not be read.
    let if_exists = match job.existing {
        Existing::Replace => IfExists::Replace,
        Existing::Refuse | Existing::LeaveAlone => IfExists::Refuse,
    };
    let failed = |error| context.output(&error).database(&given);
    if job.existing == Existing::LeaveAlone && Output::exists(&job.output).map_err(failed)? {
        return restore_report::nothing(printer, &given, &job.output, "the output exists");
    }
    let output = Output::new(&job.output, if_exists).map_err(failed)?;
    let catalog = find::catalog(&job.store)?;
    let target = &job.target;
    match find::database(&catalog, &job.store.url, target, &job.databases, &job.working_dir).await {
        Ok(found) => restore_place(job, printer, catalog, &found, &output).await,
        Err(failure) if job.allow_empty && failure.kind() == Kind::No => {
            restore_report::nothing(printer, &given, &job.output, NOTHING_STORED)
        }
        Err(failure) => Err(failure),
    }
}

async fn restore_place(
    job: &RestoreJob,
    printer: &Printer,
    catalog: Catalog,
    found: &find::Found,
    output: &Output,
) -> Result<(), Failure> {
    let context = Context { name: &found.name, store: &job.store, output: Some(&job.output) };
    let failed = |error: RestoreError| context.failure(&error);
    let began = Instant::now();
    let told = Arc::new(Told::default());
    let keeper = Keeper::new(&job.state_dir);
    let restorer = Restorer::new(catalog, Arc::new(TokioWork::current()), {
        let told = told.clone();
        Arc::new(move |event| told.hear(event))
    });
    let restorer = restorer.recording(keeper.recorder());
    let mut survey = restorer.survey(&found.place).await.map_err(failed)?;
    if job.allow_empty && survey.listing().is_empty() {
        return restore_report::nothing(printer, &found.name, &job.output, NOTHING_STORED);
    }
    let state = match job.point {
        Point::Latest => State::Latest,
        Point::Txid(txid) => State::Txid(txid),
        Point::AtOrBefore(time) => State::Timestamp(time),
    };
    let plan = restorer.plan(&mut survey, state).await.map_err(failed)?;
    if job.dry_run {
        return restore_report::planned(printer, &found.name, &job.output, &plan);
    }
    let progress = printer.progress(&format!("restoring {}", found.name), Some(plan.objects_bytes()));
    told.show_on(progress);
    let done = restorer.restore(&mut survey, state, output, job.verify == Verify::Full).await;
    // The progress bar goes before anything else is said.
    drop((restorer, survey));
    told.hide();
    keeper.tell(printer);
    let done = done.map_err(failed)?;
    restore_report::restored(printer, &found.name, &job.output, job.verify, (&done, began.elapsed()))
}

const NOTHING_STORED: &str = "nothing is stored";

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
