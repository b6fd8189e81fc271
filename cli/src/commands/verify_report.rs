//! What `verify` found: a table and each problem for people, the documented JSON for programs.

use super::find::list_of;
use crate::config::StoreSettings;
use crate::exit::{Failure, Kind};
use crate::output::{Printer, human_size, table};
use engine::verify::Problem;
use io_real::verify::Verified;
use serde::Serialize;

/// What came of one database.
pub(super) struct Outcome {
    /// As the user calls it.
    pub(super) name: String,
    /// What was found, or why nothing could be.
    pub(super) checked: Result<Checked, Failure>,
}

/// What was found in one database.
pub(super) struct Checked {
    objects_checked: usize,
    bytes_checked: u64,
    problems: Vec<ProblemLine>,
    notes: Vec<ProblemLine>,
}

impl Checked {
    pub(super) fn of(verified: Verified) -> Checked {
        let Verified { report, bytes_checked } = verified;
        Checked {
            objects_checked: report.objects_count,
            bytes_checked,
            problems: report.problems.iter().map(ProblemLine::of).collect(),
            notes: report.notes.iter().map(ProblemLine::of).collect(),
        }
    }
}

/// Prints what came of all databases.
///
/// # Errors
/// Exit 1 where something is wrong; where one could not be looked at, its own failure if that is worse.
pub(super) fn print(printer: &Printer, store: &StoreSettings, outcomes: &[Outcome]) -> Result<(), Failure> {
    let lines: Vec<DatabaseLine> = outcomes.iter().map(DatabaseLine::of).collect();
    if printer.is_json() {
        printer.document(&Document { databases: &lines })?;
    } else if lines.is_empty() {
        printer.note(format!("{} holds no database", store.url));
    } else {
        tables(printer, &lines)?;
    }
    let failures = outcomes.iter().filter_map(|outcome| outcome.checked.as_ref().err());
    match failures.max_by_key(|failure| failure.kind()) {
        Some(worst) if worst.kind() > Kind::No => Err(worst.clone()),
        worst => {
            let faulty = lines.iter().filter(|line| line.is_checked && !line.ok);
            let faults = faulty.clone().map(|line| line.problems.len()).sum::<usize>();
            match (faults, worst) {
                (0, None) => Ok(()),
                (0, Some(worst)) => Err(worst.clone()),
                (faults, _) => {
                    let what = format!(
                        "{} in {} of {}",
                        counted(faults, "fault"),
                        faulty.clone().count(),
                        counted(lines.len(), "database")
                    );
                    let hint = match (faulty.clone().next(), faulty.count()) {
                        (Some(line), 1) if line.name.contains("://") => {
                            format!("walsync list {} --points   # what restores", line.name)
                        }
                        (Some(line), 1) => {
                            let command = list_of(&store.url);
                            let command = command.replacen(" list", &format!(" list {}", line.name), 1);
                            format!("{command} --points   # what restores")
                        }
                        _ => list_of(&store.url),
                    };
                    Err(Failure::no(what).hint(hint))
                }
            }
        }
    }
}

/// A line for each database, then one for each problem; what is no fault is said in passing.
fn tables(printer: &Printer, lines: &[DatabaseLine]) -> Result<(), Failure> {
    let rows = lines.iter().map(|line| {
        let verdict = match (line.ok, line.is_checked) {
            (true, _) => "ok".to_owned(),
            (false, true) => counted(line.problems.len(), "fault"),
            (false, false) => "not checked".to_owned(),
        };
        [line.name.clone(), verdict, line.objects_checked.to_string(), human_size(line.bytes_checked)]
    });
    let mut text = table(["NAME", "VERDICT", "OBJECTS", "READ"], rows, 2);
    let problems: Vec<[String; 4]> =
        lines.iter().flat_map(|line| line.problems.iter().map(|problem| problem.row(&line.name))).collect();
    if !problems.is_empty() {
        text += "\n\n";
        text += &table(["NAME", "PROBLEM", "OBJECT", "WHAT"], problems, 4);
    }
    printer.data(text)?;
    for line in lines {
        for note in &line.notes {
            let object = note.object.as_ref().map_or_else(String::new, |object| format!(" {object}:"));
            printer.note(format!("{}: {}:{object} {}", line.name, note.kind, note.message));
        }
    }
    Ok(())
}

#[derive(Serialize)]
struct Document<'a> {
    databases: &'a [DatabaseLine],
}

#[derive(Serialize)]
struct DatabaseLine {
    name: String,
    ok: bool,
    #[serde(skip)]
    is_checked: bool,
    objects_checked: usize,
    bytes_checked: u64,
    problems: Vec<ProblemLine>,
    notes: Vec<ProblemLine>,
}

impl DatabaseLine {
    fn of(outcome: &Outcome) -> DatabaseLine {
        let name = outcome.name.clone();
        match &outcome.checked {
            Ok(checked) => DatabaseLine {
                name,
                ok: checked.problems.is_empty(),
                is_checked: true,
                objects_checked: checked.objects_checked,
                bytes_checked: checked.bytes_checked,
                problems: checked.problems.clone(),
                notes: checked.notes.clone(),
            },
            Err(failure) => DatabaseLine {
                name,
                ok: false,
                is_checked: false,
                objects_checked: 0,
                bytes_checked: 0,
                problems: vec![ProblemLine::of_failure(failure)],
                notes: Vec::new(),
            },
        }
    }
}

#[derive(Clone, Serialize)]
struct ProblemLine {
    kind: &'static str,
    object: Option<String>,
    message: String,
}

impl ProblemLine {
    fn of(problem: &Problem) -> ProblemLine {
        let Problem { kind, object, message } = problem;
        // Names and messages may hold what somebody else wrote.
        let one_line = |text: &str| text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
        ProblemLine { kind: kind.name(), object: object.as_deref().map(one_line), message: one_line(message) }
    }

    fn of_failure(failure: &Failure) -> ProblemLine {
        let mut message = failure.headline();
        for cause in failure.causes() {
            message += ": ";
            message += cause;
        }
        ProblemLine { kind: failure.kind().name(), object: None, message }
    }

    fn row(&self, name: &str) -> [String; 4] {
        let object = self.object.clone().unwrap_or_else(|| "-".to_owned());
        [name.to_owned(), self.kind.to_owned(), object, self.message.clone()]
    }
}

fn counted(count: usize, thing: &str) -> String {
    if count == 1 { format!("1 {thing}") } else { format!("{count} {thing}s") }
}
