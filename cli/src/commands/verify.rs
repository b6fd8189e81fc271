//! `verify`: whether what the store holds is what it claims to be.

use super::asked::AskedDatabases;
use super::find::Found;
use super::interrupt::unless_interrupted;
use super::restore_failure::Context;
use super::verify_report::{self, Checked, Outcome};
use super::verify_scratch::Scratch;
use crate::args::VerifyRequest;
use crate::config::{Config, StateDir, StoreSettings};
use crate::exit::Failure;
use crate::output::{Printer, Progress};
use io_real::driver::TokioWork;
use io_real::restore::{Catalog, Output};
use io_real::verify::Verifier;
use std::sync::Arc;

/// Everything the verifier needs to know.
#[derive(Clone, Debug)]
pub struct VerifyJob {
    /// Which databases.
    pub asked: AskedDatabases,
    /// Read everything.
    pub deep: bool,
    /// Where the temporary database of `--deep` is.
    pub state_dir: StateDir,
}

impl VerifyJob {
    /// Decides which stores and databases are meant.
    ///
    /// # Errors
    /// Exit 2: a URL that cannot be used.
    pub fn plan(request: &VerifyRequest, config: &Config) -> Result<VerifyJob, Failure> {
        Ok(VerifyJob {
            asked: AskedDatabases::plan(&request.targets, config)?,
            deep: request.deep,
            state_dir: config.state_dir(&config.surroundings.working_dir.join("verify.db")),
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
    let scratch = if job.deep { Some(Scratch::new(&job.state_dir, &job.asked.store)?) } else { None };
    let progress = Arc::new(printer.progress("verifying", None));
    let run = Run { output: scratch.as_ref().map(Scratch::output), progress: progress.clone() };
    let all = job
        .asked
        .each(run.at_once(), async |catalog, store, found| run.look(catalog, store, found).await)
        .await;
    // The progress bar goes before anything else is said.
    drop((run, progress));
    let outcomes = all?.into_iter().map(|(name, checked)| Outcome { name, checked }).collect::<Vec<_>>();
    verify_report::print(printer, &job.asked.store, &outcomes)
}

/// What the checks of all databases share.
struct Run<'a> {
    output: Option<&'a Output>,
    progress: Arc<Progress>,
}

impl Run<'_> {
    async fn look(
        &self,
        catalog: &Catalog,
        store: &StoreSettings,
        found: &Found,
    ) -> Result<Checked, Failure> {
        let Found { place, name } = found;
        let progress = self.progress.clone();
        let on_bytes = Arc::new(move |bytes| progress.advance(bytes));
        let verifier = Verifier::new(catalog.clone(), Arc::new(TokioWork::current()), on_bytes);
        let looked = match self.output {
            Some(scratch) => verifier.deep(place, scratch).await,
            None => verifier.shallow(place).await,
        };
        let context = Context { name, store, output: None };
        looked.map(Checked::of).map_err(|error| context.failure(&error))
    }

    /// Each has up to the store's bound of requests in flight by itself; a deep look also a temporary database.
    fn at_once(&self) -> usize {
        if self.output.is_some() { 1 } else { PLACES_AT_ONCE }
    }
}

const PLACES_AT_ONCE: usize = 8;
