//! What `status` shows: a table for people, the documented JSON for programs, and whether all is well.

use super::running::Running;
use crate::control::DatabaseReport;
use crate::exit::Failure;
use crate::output::{Printer, human_size, table};
use serde::Serialize;
use std::path::Path;
use std::time::Duration;

/// Whether all is well.
pub(super) struct Summary {
    daemons: usize,
    databases: usize,
    unhealthy: Vec<String>,
    silent: Vec<Failure>,
}

/// Prints how everything stands.
///
/// # Errors
/// Standard output does not take it.
pub(super) fn print(
    printer: &Printer,
    running: Running,
    lag_max: Option<Duration>,
) -> Result<Summary, Failure> {
    let Running { daemons, silent } = running;
    let mut lines = Vec::new();
    let mut daemon_lines: Vec<DaemonLine> = Vec::new();
    for (_, report) in daemons {
        let (pid, store) = (report.pid, report.store.clone());
        daemon_lines.push(DaemonLine {
            pid,
            version: Some(report.version),
            store: Some(report.store),
            running_for_ms: Some(report.running_for_ms),
            ending: report.ending,
            error: None,
        });
        lines.extend(report.databases.into_iter().map(|report| Line { report, pid, store: store.clone() }));
    }
    for (daemon, failure) in &silent {
        daemon_lines.push(DaemonLine {
            pid: daemon.pid,
            version: None,
            store: None,
            running_for_ms: None,
            ending: false,
            error: Some(failure.headline()),
        });
    }
    lines.sort_by(|a, b| (&a.report.name, &a.store).cmp(&(&b.report.name, &b.store)));
    let (daemons, databases) = (daemon_lines.len(), lines.len());
    let unhealthy = lines.iter().filter_map(|line| what_is_wrong(&line.report, lag_max)).collect();
    if printer.is_json() {
        printer.document(&Document { databases: &lines, daemons: &daemon_lines })?;
    } else if !lines.is_empty() {
        printer.data(text(&lines))?;
    } else if silent.is_empty() && daemons > 0 {
        printer.note("the daemons follow no database, yet");
    }
    Ok(Summary { daemons, databases, unhealthy, silent: silent.into_iter().map(|(_, why)| why).collect() })
}

impl Summary {
    /// # Errors
    /// Exit 1: something is not well, or there is no daemon.
    pub(super) fn verdict(self, state_dir: &Path) -> Result<(), Failure> {
        if self.daemons == 0 {
            return Err(Failure::no("no daemon is running")
                .cause(format!("none listens in {}", state_dir.join("run").display()))
                .hint("walsync watch   # or the --state-dir of the daemon that is meant"));
        }
        if self.unhealthy.is_empty() && self.silent.is_empty() {
            return Ok(());
        }
        let mut what = Vec::new();
        if !self.unhealthy.is_empty() {
            what.push(format!("{} of {} databases unhealthy", self.unhealthy.len(), self.databases));
        }
        if !self.silent.is_empty() {
            what.push(format!("{} of {} daemons do not answer", self.silent.len(), self.daemons));
        }
        let failure = Failure::no(what.join(", "));
        let failure = self.unhealthy.into_iter().fold(failure, Failure::cause);
        let failure = self.silent.iter().fold(failure, |failure, silent| failure.cause(silent.headline()));
        Err(failure.hint("walsync status --watch"))
    }
}

/// Why a database is unhealthy, if it is. One that is not followed yet waits at least as long as it is not.
fn what_is_wrong(report: &DatabaseReport, lag_max: Option<Duration>) -> Option<String> {
    let name = &report.name;
    if report.is_faulty() {
        return Some(format!("{name}: verify found faults in what is stored"));
    }
    if !report.goes_on() {
        let error = report.last_error.as_ref().map_or_else(String::new, |error| format!(": {error}"));
        return Some(format!("{name} is {}{error}", report.state));
    }
    let lag_max = u64::try_from(lag_max?.as_millis()).unwrap_or(u64::MAX);
    let (lag, what) = match report.lag_ms {
        Some(lag) => (lag, "commits wait"),
        None => (report.state_for_ms, "it is not followed"),
    };
    (lag > lag_max).then(|| format!("{name}: {what} for {}", human_time(lag)))
}

fn text(lines: &[Line]) -> String {
    let or_dash = |text: &Option<String>| text.clone().unwrap_or_else(|| "-".to_owned());
    let rows = lines.iter().map(|Line { report, .. }| {
        let verify = report.verify.as_ref().map_or("-".to_owned(), |verify| {
            let verdict = match (verify.ok, verify.problems.len()) {
                (Some(true), _) => "ok".to_owned(),
                (Some(false), 1) => "1 fault".to_owned(),
                (Some(false), faults) => format!("{faults} faults"),
                (None, _) => "not checked".to_owned(),
            };
            format!("{verdict}, {}", verify.at)
        });
        [
            report.name.clone(),
            report.state.clone(),
            or_dash(&report.txid),
            or_dash(&report.durable_txid),
            or_dash(&report.last_sync_at),
            verify,
            report.lag_ms.map_or("-".to_owned(), human_time),
            report.wal_bytes.map_or("-".to_owned(), human_size),
        ]
    });
    let head = ["NAME", "STATE", "TXID", "DURABLE", "LAST SYNC", "VERIFY", "LAG", "WAL"];
    let mut text = table(head, rows, 6);
    for Line { report, .. } in lines {
        if let Some(error) = &report.last_error {
            text += &format!("\n\n{}: {error}", report.name);
        }
        for problem in report.verify.iter().flat_map(|verify| &verify.problems) {
            text += &format!("\n\n{}: verify: {problem}", report.name);
        }
    }
    text
}

/// Milliseconds as people say them.
fn human_time(ms: u64) -> String {
    match ms {
        0..1_000 => format!("{ms} ms"),
        1_000..60_000 => format!("{}.{} s", ms / 1000, ms % 1000 / 100),
        60_000..3_600_000 => format!("{} min {} s", ms / 60_000, ms / 1000 % 60),
        _ => format!("{} h {} min", ms / 3_600_000, ms / 60_000 % 60),
    }
}

#[derive(Serialize)]
struct Document<'a> {
    databases: &'a [Line],
    daemons: &'a [DaemonLine],
}

/// A database, and whose it is.
#[derive(Serialize)]
struct Line {
    #[serde(flatten)]
    report: DatabaseReport,
    pid: u32,
    store: String,
}

#[derive(Serialize)]
struct DaemonLine {
    pid: u32,
    version: Option<String>,
    store: Option<String>,
    running_for_ms: Option<u64>,
    ending: bool,
    error: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::control::{UpkeepReport, VerifyReport};

    fn report(state: &str, lag_ms: Option<u64>, state_for_ms: u64) -> DatabaseReport {
        DatabaseReport {
            name: "app".to_owned(),
            path: "/data/app.db".to_owned(),
            state: state.to_owned(),
            txid: None,
            durable_txid: None,
            lag_ms,
            wal_bytes: None,
            last_sync_at: None,
            next_snapshot_at: None,
            fenced_by: None,
            last_error: None,
            state_for_ms,
            unsent_pages: None,
            verify: None,
            upkeep: UpkeepReport::default(),
        }
    }

    #[test]
    fn states_in_which_commits_do_not_get_through_are_unhealthy() {
        for state in ["starting", "following", "cold", "paused"] {
            assert_eq!(what_is_wrong(&report(state, None, u64::MAX), None), None, "{state}");
        }
        for state in ["degraded", "fenced", "missing", "failed", "a word of a later version"] {
            assert!(what_is_wrong(&report(state, Some(0), 0), None).is_some(), "{state}");
        }
    }

    #[test]
    fn stored_faults_are_unhealthy_and_a_check_that_could_not_be_made_is_not() {
        for (ok, is_wrong) in [(Some(true), false), (Some(false), true), (None, false)] {
            let problems = vec!["x".to_owned()];
            let verify = VerifyReport { at: "then".to_owned(), deep: true, ok, objects_checked: 1, problems };
            let report = DatabaseReport { verify: Some(verify), ..report("following", Some(0), 0) };
            assert_eq!(what_is_wrong(&report, None).is_some(), is_wrong, "{ok:?}");
        }
    }

    #[test]
    fn lag_counts_also_while_it_is_not_known() {
        let lag_max = Some(Duration::from_secs(60));
        let is_wrong = |report| what_is_wrong(&report, lag_max).is_some();
        assert!(!is_wrong(report("following", Some(60_000), u64::MAX)));
        assert!(is_wrong(report("following", Some(60_001), 0)));
        assert!(!is_wrong(report("starting", None, 60_000)));
        assert!(is_wrong(report("starting", None, 60_001)), "it has not been followed for so long");
    }

    #[test]
    fn times_are_said_as_people_say_them() {
        let said = [0, 999, 1_250, 59_999, 61_000, 3_660_000].map(human_time);
        assert_eq!(said, ["0 ms", "999 ms", "1.2 s", "59.9 s", "1 min 1 s", "1 h 1 min"]);
    }
}
