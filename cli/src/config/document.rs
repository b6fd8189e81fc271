//! The configuration file: TOML text to values with lines. Finds every unknown key and every wrong value, and
//! knows nothing of what values mean together.

use super::environment::Environment;
use super::key::{KEYS, Key, PER_DATABASE_SECTIONS};
use super::origin::Origin;
use super::problem::{Problem, did_you_mean};
use super::value::{Value, ValueKind};
use super::values::{Sourced, Values};
use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// What a configuration file says.
#[derive(Debug, Default)]
pub(super) struct Document {
    /// The keys that it sets.
    pub(super) values: Values,
    /// `[[databases]]`, in the order of the file.
    pub(super) databases: Vec<DatabaseTable>,
}

/// One `[[databases]]` entry.
#[derive(Debug)]
pub(super) struct DatabaseTable {
    pub(super) origin: Origin,
    pub(super) path: Option<Sourced<String>>,
    pub(super) prefix: Option<Sourced<String>>,
    pub(super) name: Option<Sourced<String>>,
    pub(super) overrides: Values,
}

/// Reads a whole file. After a syntax error nothing else is looked at: what follows one is guesswork.
pub(super) fn read(text: &str, environment: &Environment, problems: &mut Vec<Problem>) -> Document {
    let lines = Lines::of(text);
    let (table, errors) = DeTable::parse_recoverable(text);
    for error in &errors {
        let line = error.span().map_or(1, |span| lines.line(span.start));
        problems.push(Problem::error("", Origin::File { line }, format!("not TOML: {}", error.message())));
    }
    if !errors.is_empty() {
        return Document::default();
    }
    let mut reader = Reader { lines, environment, problems, document: Document::default() };
    reader.sections(table.get_ref());
    reader.document
}

struct Reader<'a> {
    lines: Lines,
    environment: &'a Environment,
    problems: &'a mut Vec<Problem>,
    document: Document,
}

impl Reader<'_> {
    fn sections(&mut self, table: &DeTable<'_>) {
        for (name, value) in table {
            let origin = self.origin(name);
            let section: &str = name.get_ref();
            match (section, value.get_ref()) {
                ("databases", DeValue::Array(entries)) => {
                    entries.iter().for_each(|entry| self.database(entry));
                    self.document.databases.sort_by(|a, b| a.origin.cmp(&b.origin));
                }
                ("databases", _) => self.problems.push(
                    Problem::error("databases", origin, "must be a list of tables")
                        .suggest("write `[[databases]]`"),
                ),
                ("stores", _) => self.problems.push(
                    Problem::error("stores", origin, "not in this version").suggest("use one `[store]`"),
                ),
                ("s3", DeValue::Table(keys)) => {
                    if table.contains_key("store") {
                        let both = "`[s3]` means the same as `[store]`: only one of them can be given";
                        self.problems.push(Problem::error("s3", origin, both));
                    }
                    self.section("s3", "store", keys);
                }
                (section, DeValue::Table(keys)) if Key::sections().contains(&section) => {
                    self.section(section, section, keys);
                }
                (section, _) => {
                    let known = Key::sections().contains(&section) || section == "s3";
                    let problem = match Key::find_by_name(section) {
                        _ if known => Problem::error(section, origin, "must be a table")
                            .suggest(format!("write `[{section}]`")),
                        Some(key) => Problem::error(section, origin, "unknown key")
                            .suggest(format!("it belongs under `[{}]`", key.section())),
                        None => Problem::error(section, origin, "unknown section")
                            .suggest_maybe(did_you_mean(section, section_names())),
                    };
                    self.problems.push(problem);
                }
            }
        }
    }

    fn section(&mut self, shown: &str, section: &str, keys: &DeTable<'_>) {
        for (name, value) in keys {
            let origin = self.origin(name);
            let name: &str = name.get_ref();
            let shown_path = format!("{shown}.{name}");
            if shown == "s3" && name == "bucket" {
                self.bucket(keys, value.get_ref(), origin);
            } else if let Some(key) = Key::find_in(section, name) {
                if let Some(value) = self.value(key, &shown_path, value.get_ref(), &origin) {
                    self.document.values.set(key, value, origin);
                }
            } else {
                let names = KEYS.iter().filter(|key| key.section() == section).map(Key::name);
                let suggestion = did_you_mean(name, names).or_else(|| {
                    Key::find_by_name(name).map(|key| format!("it belongs under `[{}]`", key.section()))
                });
                self.problems
                    .push(Problem::error(shown_path, origin, "unknown key").suggest_maybe(suggestion));
            }
        }
    }

    /// `[s3] bucket`: a bare name is a bucket, a URL is `store.url`.
    fn bucket(&mut self, keys: &DeTable<'_>, value: &DeValue<'_>, origin: Origin) {
        let Some(key) = Key::find("store.url") else { unreachable!("the key table has store.url") };
        if keys.contains_key("url") {
            let both = "`bucket` means the same as `url`: only one of them can be given";
            self.problems.push(Problem::error("s3.bucket", origin, both));
        } else if let Some(Value::Text(text)) = self.value(key, "s3.bucket", value, &origin) {
            let url = if text.contains("://") { text } else { format!("s3://{text}") };
            self.document.values.set(key, Value::Text(url), origin);
        }
    }

    fn database(&mut self, entry: &Spanned<DeValue<'_>>) {
        let line = self.lines.line(entry.span().start);
        let DeValue::Table(keys) = entry.get_ref() else {
            let problem = Problem::error("databases", Origin::File { line }, "must be a list of tables");
            self.problems.push(problem.suggest("write `[[databases]]`"));
            return;
        };
        let mut table = DatabaseTable {
            origin: Origin::File { line },
            path: None,
            prefix: None,
            name: None,
            overrides: Values::default(),
        };
        for (name, value) in keys {
            let origin = self.origin(name);
            let name: &str = name.get_ref();
            match (name, value.get_ref()) {
                ("path", value) => table.path = self.text("databases.path", value, origin),
                ("prefix", value) => table.prefix = self.text("databases.prefix", value, origin),
                ("name", value) => table.name = self.text("databases.name", value, origin),
                (section, DeValue::Table(nested)) if PER_DATABASE_SECTIONS.contains(&section) => {
                    for (name, value) in nested {
                        let origin = self.origin(name);
                        let key = Key::find_in(section, name.get_ref());
                        let shown = format!("databases.{section}.{}", name.get_ref());
                        self.set_override(&mut table, key, &shown, value.get_ref(), origin);
                    }
                }
                (name, value) => {
                    let shown = format!("databases.{name}");
                    self.set_override(&mut table, Key::find_per_database(name), &shown, value, origin);
                }
            }
        }
        self.document.databases.push(table);
    }

    fn set_override(
        &mut self,
        table: &mut DatabaseTable,
        key: Option<&'static Key>,
        shown: &str,
        value: &DeValue<'_>,
        origin: Origin,
    ) {
        let Some(key) = key else {
            let name = shown.rsplit('.').next().unwrap_or(shown);
            let problem = if Key::find_by_name(name).is_some_and(|key| !key.is_per_database()) {
                Problem::error(shown, origin, "cannot be set per database")
            } else {
                Problem::error(shown, origin, "unknown key")
                    .suggest_maybe(did_you_mean(name, database_key_names()))
            };
            self.problems.push(problem);
            return;
        };
        if table.overrides.get(key.path).is_some() {
            let message = format!("sets `{}` for the second time", key.path);
            self.problems.push(Problem::error(shown, origin, message));
        } else if let Some(value) = self.value(key, shown, value, &origin) {
            table.overrides.set(key, value, origin);
        }
    }

    fn text(&mut self, shown: &str, value: &DeValue<'_>, origin: Origin) -> Option<Sourced<String>> {
        match ValueKind::Text.read(value, self.environment) {
            Ok(Value::Text(value)) => Some(Sourced { value, origin }),
            Ok(other) => unreachable!("text was read as {other:?}"),
            Err(error) => {
                let problem = Problem::error(shown, origin, error.message);
                self.problems.push(problem.suggest_maybe(error.suggestion));
                None
            }
        }
    }

    fn value(
        &mut self,
        key: &'static Key,
        shown: &str,
        value: &DeValue<'_>,
        origin: &Origin,
    ) -> Option<Value> {
        match key.kind.read(value, self.environment) {
            Ok(value) => Some(value),
            Err(error) => {
                let problem = Problem::error(shown, origin.clone(), error.message);
                self.problems.push(problem.suggest_maybe(error.suggestion));
                None
            }
        }
    }

    fn origin<T>(&self, spanned: &Spanned<T>) -> Origin {
        Origin::File { line: self.lines.line(spanned.span().start) }
    }
}

impl Key {
    /// A key of any section with this name.
    fn find_by_name(name: &str) -> Option<&'static Key> {
        KEYS.iter().find(|key| key.name() == name)
    }

    /// A key as a `[[databases]]` entry spells it: its bare name, or `snapshot_interval`.
    fn find_per_database(name: &str) -> Option<&'static Key> {
        let name = if name == SNAPSHOT_INTERVAL { "interval" } else { name };
        KEYS.iter().find(|key| key.is_per_database() && key.name() == name)
    }
}

fn section_names() -> impl Iterator<Item = &'static str> {
    Key::sections().into_iter().chain(["s3", "databases"])
}

fn database_key_names() -> impl Iterator<Item = &'static str> {
    let keys = KEYS.iter().filter(|key| key.is_per_database()).map(Key::name);
    keys.chain(["path", "prefix", "name", SNAPSHOT_INTERVAL])
}

const SNAPSHOT_INTERVAL: &str = "snapshot_interval";

/// Byte offsets to line numbers.
struct Lines {
    starts: Vec<usize>,
}

impl Lines {
    fn of(text: &str) -> Lines {
        let ends = text.bytes().enumerate().filter(|(_, byte)| *byte == b'\n');
        Lines { starts: std::iter::once(0).chain(ends.map(|(at, _)| at + 1)).collect() }
    }

    /// The line of a byte, from 1.
    fn line(&self, offset: usize) -> u32 {
        u32::try_from(self.starts.partition_point(|start| *start <= offset)).unwrap_or(u32::MAX)
    }
}
