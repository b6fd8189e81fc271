//! The effective configuration as people and programs see it: values with origins, secrets masked.

use super::database::DatabaseSpec;
use super::key::{KEYS, Key};
use super::load::Config;
use super::origin::Origin;
use super::value::Value;
use super::values::{Sourced, Values};
use serde::Serialize;
use std::fmt::Write as _;

/// One line of `"settings"` in `explain` and `config show`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Setting {
    /// `section.name`.
    pub key: &'static str,
    /// As in TOML (durations and sizes as text with a unit); null: not set.
    pub value: serde_json::Value,
    /// `flag`, `environment`, `file:LINE` or `default`.
    pub origin: String,
}

impl Values {
    /// Every key of the table with its value, in the order of the documentation.
    pub fn settings(&self) -> Vec<Setting> {
        KEYS.iter().map(|key| setting(key, self.get(key.path))).collect()
    }

    /// Only the keys that are set here.
    pub fn settings_set(&self) -> Vec<Setting> {
        let set = KEYS.iter().filter_map(|key| Some((key, self.get(key.path)?)));
        set.map(|(key, found)| setting(key, Some(found))).collect()
    }
}

/// A value as JSON, masked if it is a secret; null: not set.
pub(super) fn shown(key: &Key, found: Option<&Sourced<Value>>) -> serde_json::Value {
    found.map_or(serde_json::Value::Null, |found| {
        serde_json::to_value(masked(key, &found.value)).expect("TOML values of the table are JSON values")
    })
}

fn setting(key: &'static Key, found: Option<&Sourced<Value>>) -> Setting {
    let value = shown(key, found);
    let origin = found.map_or(Origin::Default, |found| found.origin.clone());
    Setting { key: key.path, value, origin: origin.to_string() }
}

/// The configuration as TOML, each line with the value's origin; keys that are not set are left out.
pub fn as_toml(config: &Config, databases: &[DatabaseSpec]) -> String {
    let mut out = String::new();
    for section in Key::sections() {
        let keys = KEYS.iter().filter(|key| key.section() == section);
        let set: Vec<_> = keys.filter_map(|key| Some((key, config.values.get(key.path)?))).collect();
        let shown = set.iter().any(|(key, found)| key.in_this_version || found.origin != Origin::Default);
        if shown {
            let _ = writeln!(out, "[{section}]");
            set.iter().for_each(|(key, found)| line(&mut out, key.name(), key, found));
            out.push('\n');
        }
    }
    for entry in &config.entries {
        let _ = writeln!(out, "[[databases]]  # {}", described(&entry.origin));
        let text = |text: &str| toml::Value::String(text.to_owned());
        let _ = writeln!(out, "path = {}", text(entry.pattern.as_str()));
        if !entry.prefix.is_empty() {
            let _ = writeln!(out, "prefix = {}", text(&entry.prefix));
        }
        if let Some(name) = &entry.name {
            let _ = writeln!(out, "name = {}", text(name));
        }
        for path in entry.overrides.paths() {
            if let (Some(key), Some(found)) = (Key::find(path), entry.overrides.get(path)) {
                line(&mut out, path, key, found);
            }
        }
        for spec in databases.iter().filter(|spec| spec.origin == entry.origin) {
            let _ = writeln!(out, "# {} -> {}", spec.path.display(), spec.place);
        }
        out.push('\n');
    }
    out.truncate(out.trim_end().len());
    out
}

fn line(out: &mut String, name: &str, key: &Key, found: &Sourced<Value>) {
    let assignment = format!("{name} = {}", masked(key, &found.value));
    let _ = writeln!(out, "{assignment:<COLUMN$} # {}", described(&found.origin));
}

/// The origin with the name of the variable or flag.
fn described(origin: &Origin) -> String {
    match origin {
        Origin::Environment { variable } => format!("{origin} {variable}"),
        Origin::Flag { flag } => format!("{origin} {flag}"),
        Origin::File { .. } | Origin::Default => origin.to_string(),
    }
}

fn masked(key: &Key, value: &Value) -> toml::Value {
    match value {
        Value::Text(text) if key.secret && !text.is_empty() => toml::Value::String(MASK.to_owned()),
        Value::Text(text) => toml::Value::String(without_password(text)),
        value => value.to_toml(),
    }
}

/// `scheme://user:password@host` with the password masked.
fn without_password(text: &str) -> String {
    let Some((scheme, rest)) = text.split_once("://") else { return text.to_owned() };
    let authority_end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let (authority, path) = rest.split_at(authority_end);
    match authority.rsplit_once('@') {
        Some((user, host)) => {
            let user = user.split_once(':').map_or(user, |(user, _)| user);
            format!("{scheme}://{user}:{MASK}@{host}{path}")
        }
        None => text.to_owned(),
    }
}

const MASK: &str = "***";
/// Where the comments with origins start.
const COLUMN: usize = 36;
