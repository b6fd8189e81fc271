//! `verify`: whether what the store holds is what it claims to be.

use super::find::{self, Found};
use super::interrupt::unless_interrupted;
use super::list::{configured, store_and_target};
use super::restore::JobTarget;
use super::restore_failure::Context;
use super::verify_report::{self, Checked, Outcome};
use super::verify_scratch::Scratch;
use crate::args::VerifyRequest;
use crate::config::{Config, DatabaseSpec, StateDir, StoreSettings};
use crate::exit::Failure;
use crate::output::{Printer, Progress};
use futures::stream::{self, StreamExt as _};
use io_real::driver::TokioWork;
use io_real::restore::{Catalog, Output};
use io_real::verify::Verifier;
use std::path::PathBuf;
use std::sync::Arc;

/// Everything the verifier needs to know.
#[derive(Clone, Debug)]
pub struct VerifyJob {
    /// The configured store, of which all is meant where nothing was named.
    pub store: StoreSettings,
    /// What was named.
    pub asked: Vec<Asked>,
    /// Read everything.
    pub deep: bool,
    /// Where the temporary database of `--deep` is.
    pub state_dir: StateDir,
    /// What a local path given as NAME is relative to.
    pub working_dir: PathBuf,
}

/// One database that was named.
#[derive(Clone, Debug)]
pub struct Asked {
    /// Its store. For [`JobTarget::Root`] its URL is the place's.
    pub store: StoreSettings,
    /// Which one.
    pub target: JobTarget,
    /// What is configured, for `config::resolve`.
    pub databases: Vec<DatabaseSpec>,
}

impl VerifyJob {
    /// Decides which stores and databases are meant.
    ///
    /// # Errors
    /// Exit 2: a URL that cannot be used.
    pub fn plan(request: &VerifyRequest, config: &Config) -> Result<VerifyJob, Failure> {
        let asked = request.targets.iter().map(|target| {
            let (store, target) = store_and_target(target, config)?;
            let databases = configured(Some(&target), config);
            Ok(Asked { store, target, databases })
        });
        let working_dir = config.surroundings.working_dir.clone();
        Ok(VerifyJob {
            store: config.settings.store.clone(),
            asked: asked.collect::<Result<_, Failure>>()?,
            deep: request.deep,
            state_dir: config.state_dir(&working_dir.join("verify.db")),
            working_dir,
        })
    }
}

/// Verifies and prints the report. A signal ends it without a trace.
///
/// # Errors
/// As in the table of exit codes; exit 1 where anything is wrong.
pub async fn run(job: VerifyJob, printer: &Printer) -> Result<(), Failure> {
    unless_interrupted(verify(&job, printer)).await
}

async fn verify(job: &VerifyJob, printer: &Printer) -> Result<(), Failure> {
    let scratch = if job.deep { Some(Scratch::new(&job.state_dir, &job.store)?) } else { None };
    let progress = Arc::new(printer.progress("verifying", None));
    let run = Run { output: scratch.as_ref().map(Scratch::output), progress: progress.clone() };
    let outcomes = if job.asked.is_empty() { run.all(job).await } else { run.each(job).await };
    // The progress bar goes before anything else is said.
    drop((run, progress));
    verify_report::print(printer, &job.store, &outcomes?)
}

/// What the checks of all databases share.
struct Run<'a> {
    output: Option<&'a Output>,
    progress: Arc<Progress>,
}

impl Run<'_> {
    async fn all(&self, job: &VerifyJob) -> Result<Vec<Outcome>, Failure> {
        let url = &job.store.url;
        let catalog = find::catalog(&job.store)?;
        let places = catalog.all_places().await.map_err(|error| find::unreadable(url, &error))?;
        let looks = stream::iter(places.places)
            .map(async |place| self.look(&catalog, &job.store, find::found(place, url)).await);
        let mut outcomes: Vec<Outcome> = looks.buffered(self.at_once()).collect().await;
        outcomes.extend(places.of_litestream_0_3.into_iter().map(|place| {
            let name = find::found(place, url).name;
            let checked = Err(find::of_litestream_0_3(&name));
            Outcome { name, checked }
        }));
        Ok(outcomes)
    }

    async fn each(&self, job: &VerifyJob) -> Result<Vec<Outcome>, Failure> {
        let looks = stream::iter(&job.asked).map(async |Asked { store, target, databases }| {
            let found = async {
                let catalog = find::catalog(store)?;
                let found = find::database(&catalog, &store.url, target, databases, &job.working_dir).await?;
                Ok((catalog, found))
            };
            match found.await {
                Ok((catalog, found)) => self.look(&catalog, store, found).await,
                Err(failure) => {
                    let name = match target {
                        JobTarget::Place(place) => place.to_string(),
                        JobTarget::Named(name) => name.clone(),
                        JobTarget::Root => store.url.to_string(),
                    };
                    Outcome { name, checked: Err(failure) }
                }
            }
        });
        let mut outcomes: Vec<Outcome> = looks.buffered(self.at_once()).collect().await;
        // A database may have been named twice.
        let mut seen = std::collections::BTreeSet::new();
        outcomes.retain(|outcome| seen.insert(outcome.name.clone()));
        Ok(outcomes)
    }

    async fn look(&self, catalog: &Catalog, store: &StoreSettings, found: Found) -> Outcome {
        let Found { place, name } = found;
        let progress = self.progress.clone();
        let on_bytes = Arc::new(move |bytes| progress.advance(bytes));
        let verifier = Verifier::new(catalog.clone(), Arc::new(TokioWork::current()), on_bytes);
        let looked = match self.output {
            Some(scratch) => verifier.deep(&place, scratch).await,
            None => verifier.shallow(&place).await,
        };
        let context = Context { name: &name, store, output: None };
        let checked = looked.map(Checked::of).map_err(|error| context.failure(&error));
        Outcome { name, checked }
    }

    /// Each has up to the store's bound of requests in flight by itself; a deep look also a temporary database.
    fn at_once(&self) -> usize {
        if self.output.is_some() { 1 } else { PLACES_AT_ONCE }
    }
}

const PLACES_AT_ONCE: usize = 8;
