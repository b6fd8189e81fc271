//! The run that does what a daemon would have done, where none follows the database.

use super::running::Running;
use super::watch::WatchJob;
use crate::args::{Target, WatchRequest};
use crate::config::{Config, DatabaseSpec, Flags, StoreUrl, discover, resolve};
use crate::exit::{Failure, Kind};
use crate::output::Printer;
use std::path::PathBuf;

/// A daemon that does not answer may follow it: to do its work beside it would only find the lock.
pub(super) fn not_followed<T>(running: Running) -> Result<Option<T>, Failure> {
    match running.silent.into_iter().next() {
        Some((_, silent)) => Err(silent),
        None => Ok(None),
    }
}

/// The run for one database, by its entry in the configuration if it has one; `None`: for all.
///
/// # Errors
/// Exit 1: there is no such database. Exit 2: as `watch`.
pub(super) fn alone(
    target: Option<&Target>,
    flags: &Flags,
    config: &Config,
    printer: &Printer,
) -> Result<WatchJob, Failure> {
    let all = WatchRequest { databases: Vec::new(), once: true, flags: flags.clone() };
    let Some(target) = target else { return WatchJob::plan(&all, config, printer) };
    match meant(target, config)? {
        Meant::Configured(spec) => Ok(WatchJob::plan(&all, config, printer)?.only(*spec)),
        Meant::File(path) => WatchJob::plan(&WatchRequest { databases: vec![path], ..all }, config, printer),
    }
}

enum Meant {
    Configured(Box<DatabaseSpec>),
    File(PathBuf),
}

fn meant(target: &Target, config: &Config) -> Result<Meant, Failure> {
    let working_dir = &config.surroundings.working_dir;
    let databases = discover(&config.entries, &[]).databases;
    let places: Vec<_> = databases.iter().map(|spec| spec.place.clone()).collect();
    let unknown = |given: &str| {
        Failure::no(format!("no database `{given}` is followed or configured"))
            .database(given)
            .cause("no daemon of this state directory follows it, and neither [[databases]] nor a file is so called")
            .hint("walsync status")
    };
    match target {
        Target::Url(text) => {
            let url = StoreUrl::parse(text, working_dir)
                .map_err(|error| Failure::usage("the URL cannot be used").because(&error))?;
            let place = url.place_within(&config.settings.store.url);
            let spec = databases.into_iter().find(|spec| Some(&spec.place) == place.as_ref());
            spec.map(|spec| Meant::Configured(Box::new(spec))).ok_or_else(|| unknown(text))
        }
        Target::Named(given) => {
            let file: PathBuf = working_dir.join(given).components().collect();
            let resolved = match resolve(given, &places, &databases, working_dir) {
                Ok(resolved) => Some(resolved),
                Err(failure) if failure.kind() == Kind::No => None,
                Err(failure) => return Err(failure),
            };
            // A path may have the name of another database's place.
            let is_meant = |spec: &&DatabaseSpec| {
                resolved
                    .as_ref()
                    .is_some_and(|found| found.place == spec.place && found.path.as_ref() == Some(&spec.path))
            };
            match databases.iter().find(is_meant) {
                Some(spec) => Ok(Meant::Configured(Box::new(spec.clone()))),
                None if file.is_file() => Ok(Meant::File(PathBuf::from(given))),
                None => Err(unknown(given)),
            }
        }
    }
}
