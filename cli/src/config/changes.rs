//! What is different between two configurations, for the log of a reload. Secrets are masked.

use super::database::DatabaseEntry;
use super::key::{KEYS, Key};
use super::load::Config;
use super::show::shown;
use super::values::Values;
use serde::Serialize;

/// One key with another value.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Change {
    /// The `path` of the `[[databases]]` entry that says it; null: in general.
    pub path: Option<String>,
    /// `section.name`.
    pub key: &'static str,
    /// As in TOML; null: not set.
    pub old: serde_json::Value,
    /// The same now.
    pub new: serde_json::Value,
}

impl Config {
    /// What `new` says differently, in the order of the documentation: keys in general, then those that entries of the
    /// same `path` set. Entries that came or went are not told: their databases do.
    pub fn changes(&self, new: &Config) -> Vec<Change> {
        let mut changes = changed(None, KEYS.iter(), &self.values, &new.values);
        for entry in &new.entries {
            let of_path = |before: &&DatabaseEntry| before.pattern.as_str() == entry.pattern.as_str();
            let Some(before) = self.entries.iter().find(of_path) else { continue };
            let is_set = |key: &&'static Key| {
                [before, entry].iter().any(|entry| entry.overrides.get(key.path).is_some())
            };
            let keys = KEYS.iter().filter(is_set);
            let (old, new) = (self.values.overlaid(&before.overrides), new.values.overlaid(&entry.overrides));
            changes.extend(changed(Some(entry.pattern.as_str()), keys, &old, &new));
        }
        changes
    }
}

fn changed(
    path: Option<&str>,
    keys: impl Iterator<Item = &'static Key>,
    old: &Values,
    new: &Values,
) -> Vec<Change> {
    let value = |values: &Values, key: &Key| values.get(key.path).map(|found| found.value.clone());
    let differs = keys.filter(|key| value(old, key) != value(new, key));
    differs
        .map(|key| Change {
            path: path.map(str::to_owned),
            key: key.path,
            old: shown(key, old.get(key.path)),
            new: shown(key, new.get(key.path)),
        })
        .collect()
}
