//! Checks of what is stored, by `[verify] interval`: one place at a time, behind the uploads. What one finds is told, shown
//! by `status`, kept for the next life, and stops nothing.

use super::WatchJob;
use super::ledger::Ledger;
use super::verify_kept::{Kept, KeptChecks};
use super::verify_plan::{self, Candidate};
use crate::commands::open_store::open_store;
use crate::commands::restore_failure::Context;
use crate::commands::verify_scratch::Scratch;
use crate::config::{StateDir, StoreSettings, StoreUrl, VerifySettings};
use crate::control::VerifyReport;
use crate::exit::Failure;
use crate::output::{Printer, format_timestamp};
use engine::key::{Layout, Place};
use engine::replicate::{Standing, Status};
use io_real::driver::{SystemClock, TokioWork};
use io_real::port::Clock as _;
use io_real::restore::{Catalog, Courtesy, Limits};
use io_real::verify::{Verified, Verifier};
use serde_json::json;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::task::JoinHandle;

/// All checks of a daemon.
pub(super) struct Checks {
    kept: KeptChecks,
    running: Option<Running>,
    begun_at: Option<Instant>,
    /// Uploads that are behind go first.
    courtesy: Courtesy,
}

struct Running {
    name: String,
    deep: bool,
    check: JoinHandle<Result<Verified, Failure>>,
}

/// What came of a check.
pub(super) struct Ended {
    name: String,
    deep: bool,
    result: Result<Verified, Failure>,
}

/// It reads beside uploads, and is in no hurry.
const REQUESTS_IN_FLIGHT: usize = 2;
const REQUEST_BYTES_MAX: u64 = 1 << 20;
/// A commit that waits for longer than this beyond its interval is behind.
const LAG_PATIENCE: Duration = Duration::from_secs(2);

impl Checks {
    pub(super) fn new(job: &WatchJob) -> Checks {
        Checks {
            kept: KeptChecks::load(&job.state_dir.path.join("verify.json"), &job.store.url.to_string()),
            running: None,
            begun_at: None,
            courtesy: Courtesy::default(),
        }
    }

    /// What the last check of a place found.
    pub(super) fn report(&self, name: &str) -> Option<VerifyReport> {
        self.kept.get(name).map(|kept| kept.report.clone())
    }

    pub(super) fn is_running(&self) -> bool {
        self.running.is_some()
    }

    /// How uploads stand, while a check runs.
    pub(super) fn note_standings(&self, standings: impl IntoIterator<Item = Standing>, interval: Duration) {
        let behind = |standing: Standing| standing.lag.is_some_and(|lag| lag > interval + LAG_PATIENCE);
        self.courtesy.hurry(standings.into_iter().any(behind));
    }

    /// Begins the next check, if one is due.
    pub(super) fn begin_if_due(&mut self, job: &WatchJob, ledger: &Ledger) {
        let VerifySettings { interval, deep } = job.verify;
        if interval.is_zero() || self.running.is_some() {
            return;
        }
        // Where nothing of ours is known to be there is nothing to be checked, or it is another's.
        let accounts: Vec<&str> = ledger
            .accounts()
            .filter(|(_, account)| account.durable.is_some())
            .filter(|(_, account)| {
                !matches!(account.status, Status::Starting | Status::Fenced | Status::Stopped)
            })
            .map(|(_, account)| account.name.as_str())
            .collect();
        let candidates: Vec<Candidate> = accounts
            .iter()
            .map(|name| {
                let kept = self.kept.get(name);
                Candidate { last: kept.map(Kept::ended_at), was_made: kept.is_some_and(|kept| kept.was_made) }
            })
            .collect();
        let begun = self.begun_at.map(|at| at.elapsed());
        let now = SystemClock.now().wall;
        let Some(next) = verify_plan::next(&candidates, interval, begun, now) else { return };
        self.begun_at = Some(Instant::now());
        let name = accounts[next].to_owned();
        let (store, state_dir) = (job.store.clone(), job.state_dir.clone());
        let check = check(name.clone(), store, state_dir, deep, self.courtesy.clone());
        tracing::debug!(database = name, deep, "verifying");
        self.running = Some(Running { name, deep, check: tokio::task::spawn(check) });
    }

    /// Waits for the end of the check that runs.
    pub(super) async fn ended(&mut self) -> Ended {
        let Some(running) = &mut self.running else { return std::future::pending().await };
        let result = (&mut running.check).await.unwrap_or_else(|error| {
            Err(Failure::new(crate::exit::Kind::Bug, "the check broke off").because(&error))
        });
        let (name, deep) = (std::mem::take(&mut running.name), running.deep);
        self.running = None;
        Ended { name, deep, result }
    }

    /// Tells what a check found, and keeps it.
    ///
    /// # Errors
    /// Standard output does not take the line.
    pub(super) fn tell(&mut self, ended: Ended, printer: &Printer) -> Result<(), Failure> {
        let Ended { name, deep, result } = ended;
        let name = name.as_str();
        let now = SystemClock.now().wall;
        let was_made = result.is_ok();
        let report = VerifyReport { at: format_timestamp(now), deep, ..of(&result) };
        let hint = format!("walsync verify {name}{}", if report.deep { " --deep" } else { "" });
        match &result {
            Ok(_) if report.problems.is_empty() => {
                tracing::info!(database = name, objects = report.objects_checked, "verified");
            }
            Ok(_) => {
                for problem in &report.problems {
                    tracing::error!(database = name, hint, "verify found a fault: {problem}");
                }
            }
            Err(failure) => {
                let causes = failure.causes().join(": ");
                tracing::error!(database = name, causes, hint, "cannot verify: {}", failure.headline());
            }
        }
        self.kept.keep(name, now, was_made, report.clone());
        if !printer.is_json() {
            return Ok(());
        }
        let mut line = json!(report);
        line["event"] = json!("verified");
        line["database"] = json!(name);
        printer.document(&line)
    }
}

impl Drop for Checks {
    fn drop(&mut self) {
        if let Some(running) = &self.running {
            running.check.abort();
        }
    }
}

async fn check(
    name: String,
    settings: StoreSettings,
    state_dir: StateDir,
    deep: bool,
    courtesy: Courtesy,
) -> Result<Verified, Failure> {
    let place = Place::new(&name)
        .map_err(|error| Failure::usage("a database has no usable place").because(&error))?;
    let scratch = if deep { Some(Scratch::new(&state_dir, &settings)?) } else { None };
    let layout = match settings.url {
        StoreUrl::S3 { .. } => Layout::S3,
        StoreUrl::File { .. } => Layout::Tree,
    };
    let mut limits =
        Limits { requests_in_flight: REQUESTS_IN_FLIGHT, timeout: settings.timeout, ..Limits::default() };
    limits.read.request_bytes_max = REQUEST_BYTES_MAX;
    let catalog = Catalog::new(open_store(&settings)?, layout, limits).behind(courtesy);
    let verifier = Verifier::new(catalog, Arc::new(TokioWork::current()), Arc::new(|_| ()));
    let looked = match &scratch {
        Some(scratch) => verifier.deep(&place, scratch.output()).await,
        None => verifier.shallow(&place).await,
    };
    let output: Option<&Path> = None;
    looked.map_err(|error| Context { name: &name, store: &settings, output }.failure(&error))
}

fn of(result: &Result<Verified, Failure>) -> VerifyReport {
    let one_line = |text: String| text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    let (objects_checked, problems): (u64, Vec<String>) = match result {
        Ok(Verified { report, .. }) => {
            let problems = report.problems.iter().map(|problem| {
                let object = problem.object.as_ref().map_or_else(String::new, |key| format!(" {key}"));
                one_line(format!("{}{object}: {}", problem.kind.name(), problem.message))
            });
            (report.objects_count as u64, problems.collect())
        }
        Err(failure) => {
            let causes: String = failure.causes().iter().map(|cause| format!(": {cause}")).collect();
            (0, vec![one_line(format!("{}{causes}", failure.headline()))])
        }
    };
    let ok = result.is_ok().then_some(problems.is_empty());
    VerifyReport { at: String::new(), deep: false, ok, objects_checked, problems }
}
