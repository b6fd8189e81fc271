//! `config check`: all problems at once.

use super::open_store::fault_of_a_key;
use crate::config::{Loaded, Origin, Problem, discover};
use crate::exit::Failure;
use crate::output::Printer;
use serde::Serialize;
use std::path::Path;

/// Prints every problem with its key, line and suggestion.
///
/// # Errors
/// Exit 2 if one of them prevents a start.
pub(super) fn run(loaded: Loaded, printer: &Printer) -> Result<(), Failure> {
    let mut problems = loaded.problems;
    if let Some(config) = &loaded.config {
        // Files that settings name, and what else shows only where the store is opened.
        problems.extend(
            fault_of_a_key(&config.settings.store)
                .map(|(key, message)| Problem::error(key.clone(), config.values.origin(&key), message)),
        );
        let discovery = discover(&config.entries, &[]);
        problems.extend(discovery.collisions.iter().map(|collision| {
            let (first, second) = (collision.first.path.display(), collision.second.path.display());
            let message = format!("{second} would use the place `{}` of {first}", collision.place);
            Problem::error("databases", collision.second.origin.clone(), message)
                .suggest("give one of them another `prefix` or `name`")
        }));
        problems.extend(discovery.twice.iter().map(|twice| {
            let (first, second) = (twice.first.display(), twice.second.path.display());
            let message = format!("{second} is the same file as {first}");
            Problem::error("databases", twice.second.origin.clone(), message)
                .suggest("name it once, by the path that the application opens")
        }));
        problems.extend(discovery.refused.iter().map(|refused| {
            let message = format!("{} is left out: {}", refused.path.display(), refused.reason);
            Problem::warning("databases", Origin::Default, message)
        }));
    }
    let file = loaded.file.as_deref();
    let errors = problems.iter().filter(|problem| problem.is_error()).count();
    if printer.is_json() {
        printer.document(&Report::of(file, &problems))?;
    } else {
        for problem in &problems {
            printer.data(line(file, problem))?;
        }
    }
    let shown = file.map_or_else(|| "the environment".to_owned(), |file| file.display().to_string());
    if errors > 0 {
        let argument = file.map_or_else(String::new, |file| format!(" {}", file.display()));
        let noun = if errors == 1 { "problem" } else { "problems" };
        return Err(Failure::usage(format!("{errors} {noun} in {shown}"))
            .hint(format!("mend them, then: walsync config check{argument}")));
    }
    if !printer.is_json() {
        printer.data(format!("{shown}: no errors"))?;
    }
    Ok(())
}

/// `FILE:LINE: error: KEY: message; suggestion`, as editors and CI understand it.
fn line(file: Option<&Path>, problem: &Problem) -> String {
    let location = match &problem.origin {
        Origin::File { line } => {
            let file = file.map_or_else(|| "-".to_owned(), |file| file.display().to_string());
            format!("{file}:{line}: ")
        }
        Origin::Environment { variable } if *variable != problem.key => format!("{variable}: "),
        Origin::Flag { flag } => format!("{flag}: "),
        Origin::Environment { .. } | Origin::Default => String::new(),
    };
    let key = if problem.key.is_empty() { String::new() } else { format!("{}: ", problem.key) };
    let suggestion = problem.suggestion.as_ref().map_or_else(String::new, |text| format!("; {text}"));
    format!("{location}{}: {key}{}{suggestion}", problem.severity.word(), problem.message)
}

#[derive(Serialize)]
struct Report<'a> {
    file: Option<String>,
    ok: bool,
    problems: Vec<ReportedProblem<'a>>,
}

#[derive(Serialize)]
struct ReportedProblem<'a> {
    severity: &'static str,
    key: &'a str,
    line: Option<u32>,
    origin: String,
    message: &'a str,
    suggestion: Option<&'a str>,
}

impl<'a> Report<'a> {
    fn of(file: Option<&Path>, problems: &'a [Problem]) -> Report<'a> {
        let reported = problems.iter().map(|problem| ReportedProblem {
            severity: problem.severity.word(),
            key: &problem.key,
            line: problem.origin.line(),
            origin: problem.origin.to_string(),
            message: &problem.message,
            suggestion: problem.suggestion.as_deref(),
        });
        Report {
            file: file.map(|file| file.display().to_string()),
            ok: !problems.iter().any(Problem::is_error),
            problems: reported.collect(),
        }
    }
}
