//! `[[databases]]` entries and the databases they stand for.

use super::document::DatabaseTable;
use super::origin::Origin;
use super::pattern::{Pattern, PatternError, is_never_a_database};
use super::place::{Place, PlaceError};
use super::problem::Problem;
use super::settings::DatabaseSettings;
use super::values::Values;
use std::path::{Path, PathBuf};

/// One `[[databases]]` entry, or one DB argument: a path or pattern, and how its databases are treated.
#[derive(Clone, Debug)]
pub struct DatabaseEntry {
    /// Which files.
    pub pattern: Pattern,
    /// First part of their places; may be empty.
    pub prefix: String,
    /// Last part of the place, only without a wildcard.
    pub name: Option<String>,
    /// The keys that it sets itself.
    pub overrides: Values,
    /// The effective settings of its databases.
    pub settings: DatabaseSettings,
    /// Where it was given.
    pub origin: Origin,
}

/// One database to replicate.
#[derive(Clone, Debug)]
pub struct DatabaseSpec {
    /// Its file, absolute; links are not resolved.
    pub path: PathBuf,
    /// Where below the store its objects live.
    pub place: Place,
    /// How it is treated.
    pub settings: DatabaseSettings,
    /// Where its entry was given.
    pub origin: Origin,
}

impl DatabaseEntry {
    /// The entry of a DB argument of the command line: no prefix, the default name, the general settings.
    ///
    /// A file that exists under exactly this name is meant literally, also with wildcard characters in it.
    pub fn of_argument(
        argument: &Path,
        working_dir: &Path,
        general: &Values,
    ) -> Result<DatabaseEntry, PatternError> {
        let pattern = match argument.to_str() {
            Some(text) if !working_dir.join(argument).is_file() => Pattern::parse(text, working_dir)?,
            _ => Pattern::literal(argument, working_dir)?,
        };
        Ok(DatabaseEntry {
            pattern,
            prefix: String::new(),
            name: None,
            overrides: Values::default(),
            settings: DatabaseSettings::of(general),
            origin: Origin::Flag { flag: "DB" },
        })
    }

    /// The entry of a table of the file; `None` after adding what is wrong with it to `problems`.
    pub(super) fn of_table(
        table: DatabaseTable,
        working_dir: &Path,
        general: &Values,
        problems: &mut Vec<Problem>,
    ) -> Option<DatabaseEntry> {
        let DatabaseTable { origin, path, prefix, name, overrides } = table;
        let Some(path) = path else {
            problems.push(Problem::error("databases.path", origin, "is missing"));
            return None;
        };
        let pattern = match Pattern::parse(&path.value, working_dir) {
            Ok(pattern) => pattern,
            Err(error) => {
                problems.push(Problem::error("databases.path", path.origin, error.to_string()));
                return None;
            }
        };
        let before = problems.len();
        if let Some(name) = name.as_ref().filter(|_| pattern.has_wildcard()) {
            let message = "is not allowed with a wildcard in `path`: every file would get the same place";
            problems.push(
                Problem::error("databases.name", name.origin.clone(), message)
                    .suggest("use `prefix`, names come from the file names"),
            );
        }
        if let Some(prefix) = prefix.as_ref().filter(|prefix| !prefix.value.trim_matches('/').is_empty())
            && let Err(error) = Place::parse(prefix.value.trim_matches('/'))
        {
            problems.push(Problem::error("databases.prefix", prefix.origin.clone(), error.to_string()));
        }
        let settings = DatabaseSettings::of(&general.overlaid(&overrides));
        let entry = DatabaseEntry {
            pattern,
            prefix: prefix.map_or_else(String::new, |prefix| prefix.value),
            name: name.map(|name| name.value),
            overrides,
            settings,
            origin,
        };
        if problems.len() == before
            && !entry.pattern.has_wildcard()
            && let Some(path) = entry.pattern.files(&mut |_, _| {}).first()
            && let Err(error) = entry.spec(path)
        {
            let key = if entry.name.is_some() { "databases.name" } else { "databases.path" };
            problems.push(Problem::error(key, entry.origin.clone(), error.to_string()));
        }
        (problems.len() == before).then_some(entry)
    }

    /// The database at `path`, which must match the pattern.
    pub fn spec(&self, path: &Path) -> Result<DatabaseSpec, SpecError> {
        if path.file_name().is_some_and(is_never_a_database) {
            return Err(SpecError::SideFile(path.to_owned()));
        }
        let part = self.pattern.naming_part(path);
        let name = match (&self.name, part.to_str()) {
            (Some(name), _) => name.trim_matches('/'),
            (None, Some(text)) => without_extension(text),
            (None, None) => return Err(SpecError::NotUtf8(path.to_owned())),
        };
        let place = Place::new(&self.prefix, name)?;
        let (path, settings, origin) = (path.to_owned(), self.settings.clone(), self.origin.clone());
        Ok(DatabaseSpec { path, place, settings, origin })
    }
}

/// Why a file cannot be replicated under the name it would get.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SpecError {
    /// A `-wal`, `-shm` or `-journal` file.
    #[error("`{}` belongs to a database, it is none", .0.display())]
    SideFile(PathBuf),
    /// Names of places are UTF-8.
    #[error("`{}` is not UTF-8: give it a `name`", .0.display())]
    NotUtf8(PathBuf),
    /// The name cannot be a place.
    #[error(transparent)]
    Place(#[from] PlaceError),
}

/// A path or file name without `.db`, `.sqlite` or `.sqlite3`, unless nothing would remain.
pub(super) fn without_extension(name: &str) -> &str {
    let stem = EXTENSIONS.iter().find_map(|extension| name.strip_suffix(extension));
    stem.filter(|stem| !stem.is_empty() && !stem.ends_with('/')).unwrap_or(name)
}

/// What names of databases end with, and their places do not.
pub(super) const EXTENSIONS: [&str; 3] = [".db", ".sqlite", ".sqlite3"];
