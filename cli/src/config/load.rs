//! From file, environment and flags to a configuration, or to everything that is wrong with it.

use super::database::DatabaseEntry;
use super::discover::{Collision, Discovery, Twice, discover};
use super::document::{self, Document};
use super::environment::Surroundings;
use super::key::Key;
use super::locate::{ConfigFile, find};
use super::origin::Origin;
use super::problem::Problem;
use super::relations;
use super::settings::Settings;
use super::state_dir::StateDir;
use super::store_url::StoreUrl;
use super::values::{Values, unknown_variables};
use crate::exit::Failure;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Keys that the command line sets.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Flags(Vec<(&'static Key, &'static str, String)>);

impl Flags {
    /// Sets `path` (`section.name`) to what `flag` says, if it says anything.
    ///
    /// # Panics
    /// If the key table has no such key.
    pub fn set(&mut self, path: &str, flag: &'static str, text: Option<&str>) {
        let key = Key::find(path).expect("flags stand for keys of the table");
        self.0.extend(text.map(|text| (key, flag, text.to_owned())));
    }

    /// The flags that were given, with their values.
    pub fn given(&self) -> impl Iterator<Item = (&'static str, &str)> {
        self.0.iter().map(|(_, flag, text)| (*flag, text.as_str()))
    }
}

/// A configuration without errors.
#[derive(Clone, Debug)]
pub struct Config {
    /// The file it came from.
    pub file: Option<PathBuf>,
    /// Every key with its origin, without those of entries.
    pub values: Values,
    /// The same, typed.
    pub settings: Settings,
    /// `[[databases]]`, in the order of the file.
    pub entries: Vec<DatabaseEntry>,
    /// What the command line said over it.
    pub flags: Flags,
    /// The process it was made for.
    pub surroundings: Surroundings,
}

/// What came of reading a configuration.
#[derive(Clone, Debug)]
pub struct Loaded {
    /// The file, if there is one.
    pub file: Option<PathBuf>,
    /// Everything that is wrong, in the order of the file.
    pub problems: Vec<Problem>,
    /// The configuration, if no problem is an error.
    pub config: Option<Config>,
}

impl Loaded {
    /// Finds the file and reads everything.
    ///
    /// # Errors
    /// As [`find`]; what is wrong inside the file is in [`Loaded::problems`].
    pub fn of(flag: Option<&Path>, flags: &Flags, surroundings: &Surroundings) -> Result<Loaded, Failure> {
        Ok(Loaded::of_file(find(flag, surroundings)?, flags, surroundings))
    }

    /// The same with a file that was read already.
    pub fn of_file(file: Option<ConfigFile>, flags: &Flags, surroundings: &Surroundings) -> Loaded {
        let mut problems = unknown_variables(&surroundings.environment);
        let (path, document) = match file {
            Some(ConfigFile { path, text }) => {
                let document = document::read(&text, &surroundings.environment, &mut problems);
                (Some(path), document)
            }
            None => (None, Document::default()),
        };
        let values = layered(&document, flags, surroundings, &mut problems);
        relations::check_general(&values, &mut problems);
        let url = store_url(&values, surroundings, &mut problems);
        let entries = entries(document, &values, surroundings, &mut problems);
        problems.sort_by(|a, b| a.origin.cmp(&b.origin));
        let has_errors = problems.iter().any(Problem::is_error);
        let config = url.filter(|_| !has_errors).map(|url| Config {
            file: path.clone(),
            settings: Settings::of(&values, url),
            values,
            entries,
            flags: flags.clone(),
            surroundings: surroundings.clone(),
        });
        Loaded { file: path, problems, config }
    }

    /// The configuration with its warnings.
    ///
    /// # Errors
    /// Exit 2 with every error as a cause.
    pub fn into_config(self) -> Result<(Config, Vec<Problem>), Failure> {
        let file = self.file.map(|path| path.display().to_string());
        match self.config {
            Some(config) => Ok((config, self.problems)),
            None => {
                let what = match &file {
                    Some(file) => format!("the configuration {file} cannot be used"),
                    None => "the configuration cannot be used".to_owned(),
                };
                let failure = Failure::usage(what);
                let errors = self.problems.iter().filter(|problem| problem.is_error());
                let failure = errors.fold(failure, |failure, problem| failure.cause(problem));
                let hint = file.map_or_else(String::new, |file| format!(" {file}"));
                Err(failure.hint(format!("walsync config check{hint}")))
            }
        }
    }
}

impl Config {
    /// Reads the file again (or looks for one, if there was none), with the same flags and environment.
    ///
    /// # Errors
    /// Exit 2: it cannot be read or used; the caller goes on with `self`.
    pub fn reload(&self) -> Result<(Config, Vec<Problem>), Failure> {
        Loaded::of(self.file.as_deref(), &self.flags, &self.surroundings)?.into_config()
    }

    /// The databases of `[[databases]]` now.
    ///
    /// # Errors
    /// Exit 2 if two would use one place.
    pub fn databases(&self) -> Result<Discovery, Failure> {
        without_collisions(discover(&self.entries, &[]))
    }

    /// The state directory for commands about the database at `database`.
    pub fn state_dir(&self, database: &Path) -> StateDir {
        StateDir::resolve(&self.values, &self.surroundings, database, &StateDir::is_usable_on_disk)
    }
}

/// Refuses a discovery in which two databases would use one place, or two paths lead to one file.
pub(crate) fn without_collisions(discovery: Discovery) -> Result<Discovery, Failure> {
    if !discovery.twice.is_empty() {
        let failure = Failure::usage("one database is named twice");
        let failure = discovery.twice.iter().fold(failure, |failure, Twice { first, second }| {
            failure.cause(format!("{} and {} are the same file", first.display(), second.path.display()))
        });
        return Err(failure.hint("name it once, by the path that the application opens"));
    }
    let Some(collision) = discovery.collisions.first() else { return Ok(discovery) };
    let failure = Failure::usage(format!("two databases for one place `{}`", collision.place));
    let failure = discovery.collisions.iter().fold(failure, |failure, Collision { first, second, .. }| {
        failure.cause(format!("{} and {}", first.path.display(), second.path.display()))
    });
    Err(failure.hint("give each `[[databases]]` entry a `prefix` or `name` of its own"))
}

/// Default < variables that rank low < file < environment < flag.
fn layered(
    document: &Document,
    flags: &Flags,
    surroundings: &Surroundings,
    problems: &mut Vec<Problem>,
) -> Values {
    let mut values = Values::defaults();
    values.read_environment(&surroundings.environment, true, problems);
    let mut values = values.overlaid(&document.values);
    values.read_environment(&surroundings.environment, false, problems);
    for (key, flag, text) in &flags.0 {
        let origin = Origin::Flag { flag };
        match key.kind.parse(text) {
            Ok(value) => values.set(key, value, origin),
            Err(error) => {
                problems.push(Problem::error(key.path, origin, error.message).suggest_maybe(error.suggestion))
            }
        }
    }
    values
}

fn store_url(values: &Values, surroundings: &Surroundings, problems: &mut Vec<Problem>) -> Option<StoreUrl> {
    let parsed = StoreUrl::parse(values.text("store.url").unwrap_or_default(), &surroundings.working_dir);
    let add = |error: super::StoreUrlError| {
        problems.push(Problem::error("store.url", values.origin("store.url"), error.to_string()));
    };
    parsed.map_err(add).ok()
}

fn entries(
    document: Document,
    values: &Values,
    surroundings: &Surroundings,
    problems: &mut Vec<Problem>,
) -> Vec<DatabaseEntry> {
    let mut entries = Vec::new();
    for table in document.databases {
        relations::check_database(values, &table.overrides, problems);
        entries.extend(DatabaseEntry::of_table(table, &surroundings.working_dir, values, problems));
    }
    let mut seen: BTreeMap<PathBuf, &Origin> = BTreeMap::new();
    for entry in entries.iter().filter(|entry| !entry.pattern.has_wildcard()) {
        let Some(path) = entry.pattern.files(&mut |_, _| {}).pop() else { continue };
        if let Some(first) = seen.get(&path) {
            let message = format!("{} is listed twice, first at {first}", path.display());
            problems.push(Problem::error("databases.path", entry.origin.clone(), message));
        } else {
            seen.insert(path, &entry.origin);
        }
    }
    entries
}
