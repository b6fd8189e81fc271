//! The daemons that run, and which of their databases a DB argument means.

use crate::args::Target;
use crate::config::{Place, StoreUrl};
use crate::control::{Daemon, DaemonReport, DatabaseReport, daemons};
use crate::exit::Failure;
use std::path::{Path, PathBuf};

/// What runs on a state directory.
pub(super) struct Running {
    /// Daemons that said how they stand.
    pub(super) daemons: Vec<(Daemon, DaemonReport)>,
    /// Those that did not, and why.
    pub(super) silent: Vec<(Daemon, Failure)>,
}

impl Running {
    /// Asks all.
    ///
    /// # Errors
    /// Exit 2: this user may not look.
    pub(super) async fn ask(state_dir: &Path) -> Result<Running, Failure> {
        let mut running = Running { daemons: Vec::new(), silent: Vec::new() };
        for (daemon, report) in daemons(state_dir).await? {
            match report {
                Ok(report) => running.daemons.push((daemon, report)),
                Err(failure) => running.silent.push((daemon, failure)),
            }
        }
        Ok(running)
    }

    /// The database that `target` means: a local path, `<prefix>/<name>`, `<name>` where only one ends so, or the URL of
    /// a place. `None`: no daemon follows such a one.
    ///
    /// # Errors
    /// Exit 2 with the candidates if there are several, or for a URL that cannot be used.
    pub(super) fn find(
        &self,
        target: &Target,
        working_dir: &Path,
    ) -> Result<Option<(&Daemon, &DatabaseReport)>, Failure> {
        let all = || {
            self.daemons.iter().flat_map(|(daemon, report)| {
                report.databases.iter().map(move |database| (daemon, report, database))
            })
        };
        match target {
            Target::Url(text) => {
                let url = StoreUrl::parse(text, working_dir).map_err(|error| {
                    Failure::usage("the URL cannot be used").because(&error).hint("walsync status")
                })?;
                let found = all().find(|(_, report, database)| {
                    let store = StoreUrl::parse(&report.store, working_dir).ok();
                    let place = store.and_then(|store| url.place_within(&store));
                    place.is_some_and(|place| place.as_str() == database.name)
                });
                Ok(found.map(|(daemon, _, database)| (daemon, database)))
            }
            Target::Named(given) => {
                let name = given.trim_matches('/');
                let path = real_path(&working_dir.join(given));
                let by = |is_meant: &dyn Fn(&DatabaseReport) -> bool| {
                    let found: Vec<_> = all().filter(|(_, _, database)| is_meant(database)).collect();
                    one_of(given, &found)
                };
                // A path is a file, whatever is called so.
                if let Some(found) = by(&|database| real_path(Path::new(&database.path)) == path)? {
                    return Ok(Some(found));
                }
                if let Some(found) = by(&|database| database.name == name)? {
                    return Ok(Some(found));
                }
                by(&|database| Place::parse(&database.name).is_ok_and(|place| place.ends_with(name)))
            }
        }
    }
}

/// One of several is chosen by its file, which has one daemon only.
fn one_of<'a>(
    given: &str,
    found: &[(&'a Daemon, &'a DaemonReport, &'a DatabaseReport)],
) -> Result<Option<(&'a Daemon, &'a DatabaseReport)>, Failure> {
    match found {
        [] => Ok(None),
        [(daemon, _, database)] => Ok(Some((*daemon, *database))),
        [(_, _, first), ..] => {
            let shown: Vec<String> = found
                .iter()
                .take(SHOWN_MAX)
                .map(|(_, report, database)| {
                    format!("{} ({}, in {})", database.name, database.path, report.store)
                })
                .collect();
            let more = if found.len() > SHOWN_MAX { ", ..." } else { "" };
            Err(Failure::usage(format!("`{given}` could be any of {}", found.len()))
                .database(given)
                .cause(format!("candidates: {}{more}", shown.join(", ")))
                .hint(format!("give the path of its file, as in: {}", first.path)))
        }
    }
}

const SHOWN_MAX: usize = 10;

/// Without symbolic links, as far as it exists.
fn real_path(path: &Path) -> PathBuf {
    std::fs::canonicalize(path).unwrap_or_else(|_| path.components().collect())
}
