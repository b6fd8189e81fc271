//! What `restore --all` says in the end: a report for each database, and which failed.

use super::restore_all::RestoreAllJob;
use super::restore_failure::word;
use super::restore_place::Outcome;
use super::restore_report::{Document, Report};
use crate::exit::Failure;
use crate::output::Printer;
use serde::Serialize;
use std::borrow::Cow;
use std::path::{Path, PathBuf};

/// One database.
pub(super) struct Entry {
    /// As the user calls it.
    pub(super) name: String,
    /// Where it was to go.
    pub(super) output: PathBuf,
    /// What came of it.
    pub(super) came: Result<Outcome, Failure>,
}

/// Prints what came of all.
///
/// # Errors
/// Exit 1 where any failed, with each failure.
pub(super) fn report(printer: &Printer, job: &RestoreAllJob, entries: &[Entry]) -> Result<(), Failure> {
    let failed: Vec<(&Entry, &Failure)> =
        entries.iter().filter_map(|entry| Some((entry, entry.came.as_ref().err()?))).collect();
    if printer.is_json() {
        let databases = entries.iter().map(|entry| entry.line(job)).collect();
        printer.document(&All { databases })?;
    } else {
        for entry in entries {
            match &entry.came {
                Ok(Outcome::Nothing(why)) => printer.note(format!("{}: nothing restored: {why}", entry.name)),
                Ok(outcome) => entry.report(job, outcome).print(printer)?,
                Err(_) => {}
            }
        }
        failed.iter().for_each(|(_, failure)| printer.failure(failure));
        if entries.is_empty() {
            printer.note(format!("{} holds no database", job.store.url));
        }
    }
    if failed.is_empty() {
        return Ok(());
    }
    let (count, all) = (failed.len(), entries.len());
    let be = if job.how.dry_run { "can be restored" } else { "were restored" };
    let summary = Failure::no(format!("{} of {all} databases {be}", all - count));
    let causes = failed.iter().map(|(_, failure)| match failure.causes() {
        [] => failure.headline(),
        [first, ..] => format!("{}: {first}", failure.headline()),
    });
    let again = format!(
        "walsync restore --all -b {} -o {} --if-missing   # tries those again that are not there",
        word(Path::new(&job.store.url.to_string())),
        word(&job.dir)
    );
    Err(causes.fold(summary, Failure::cause).hint(again))
}

impl Entry {
    fn report<'a>(&'a self, job: &RestoreAllJob, outcome: &'a Outcome) -> Report<'a> {
        Report { name: &self.name, output: &self.output, verify: job.how.verify, outcome }
    }

    fn line<'a>(&'a self, job: &RestoreAllJob) -> Line<'a> {
        match &self.came {
            Ok(outcome) => Line::Came(self.report(job, outcome).document()),
            Err(error) => Line::Failed(FailedDocument {
                name: &self.name,
                output: self.output.to_string_lossy(),
                restored: false,
                error,
            }),
        }
    }
}

#[derive(Serialize)]
struct All<'a> {
    databases: Vec<Line<'a>>,
}

#[derive(Serialize)]
#[serde(untagged)]
enum Line<'a> {
    Came(Document<'a>),
    Failed(FailedDocument<'a>),
}

#[derive(Serialize)]
struct FailedDocument<'a> {
    name: &'a str,
    output: Cow<'a, str>,
    restored: bool,
    error: &'a Failure,
}
