//! All keys with their effective values and where each came from.

use super::duration::TimeSpan;
use super::environment::Environment;
use super::key::{KEYS, Key};
use super::origin::Origin;
use super::problem::{Problem, did_you_mean};
use super::value::Value;
use std::collections::BTreeMap;

/// A value and where it came from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sourced<T> {
    /// The value.
    pub value: T,
    /// Where it came from.
    pub origin: Origin,
}

/// The effective value of every key that has one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Values(BTreeMap<&'static str, Sourced<Value>>);

impl Values {
    /// The defaults of the key table.
    pub fn defaults() -> Values {
        let mut values = Values::default();
        for key in KEYS {
            if let Some(text) = key.default {
                let value = key.kind.parse(text).expect("the key table's defaults are legal values");
                values.set(key, value, Origin::Default);
            }
        }
        values
    }

    /// Gives a key a value, whatever it had before.
    pub fn set(&mut self, key: &'static Key, value: Value, origin: Origin) {
        self.0.insert(key.path, Sourced { value, origin });
    }

    /// The value of `section.name`.
    pub fn get(&self, path: &str) -> Option<&Sourced<Value>> {
        self.0.get(path)
    }

    /// Where the value came from; of a key without one: the defaults.
    pub fn origin(&self, path: &str) -> Origin {
        self.get(path).map_or(Origin::Default, |found| found.origin.clone())
    }

    /// These values with those of `other` over them.
    #[must_use]
    pub fn overlaid(&self, other: &Values) -> Values {
        let mut all = self.clone();
        all.0.extend(other.0.iter().map(|(path, found)| (*path, found.clone())));
        all
    }

    /// The paths that have a value, sorted.
    pub fn paths(&self) -> impl Iterator<Item = &'static str> {
        self.0.keys().copied()
    }

    /// Takes over what the environment says; `fallback`: only the variables that rank below the file.
    pub(super) fn read_environment(
        &mut self,
        environment: &Environment,
        fallback: bool,
        problems: &mut Vec<Problem>,
    ) {
        for key in KEYS {
            let own = key.variable();
            let own = (!fallback).then_some(own.as_str());
            let others = if fallback { key.fallback_variables } else { key.variables };
            let names = own.into_iter().chain(others.iter().copied());
            let set: Vec<(&str, &str)> =
                names.filter_map(|name| Some((name, environment.non_empty(name)?))).collect();
            let Some((name, text)) = set.first().copied() else { continue };
            let origin = Origin::Environment { variable: name.to_owned() };
            let rival = set.iter().find(|(other, value)| other.starts_with("WALSYNC_") && *value != text);
            if let Some((other, _)) = rival {
                let message = format!("`{other}` means the same and has another value");
                problems.push(Problem::error(name, origin, message).suggest("set only one of them"));
                continue;
            }
            match key.kind.parse(text) {
                Ok(value) => self.set(key, value, origin),
                Err(error) => problems
                    .push(Problem::error(key.path, origin, error.message).suggest_maybe(error.suggestion)),
            }
        }
    }

    /// A key of kind duration.
    ///
    /// # Panics
    /// Like all of these, if the key table has no such key of that kind, or it has neither value nor default.
    pub(super) fn duration(&self, path: &str) -> std::time::Duration {
        match self.get(path).map(|found| &found.value) {
            Some(Value::Duration(span)) => span.get(),
            other => unreachable!("{path} is not a duration: {other:?}"),
        }
    }

    pub(super) fn durations(&self, path: &str) -> Vec<std::time::Duration> {
        match self.get(path).map(|found| &found.value) {
            Some(Value::Durations(spans)) => spans.iter().copied().map(TimeSpan::get).collect(),
            other => unreachable!("{path} is not a list of durations: {other:?}"),
        }
    }

    pub(super) fn bytes(&self, path: &str) -> u64 {
        match self.get(path).map(|found| &found.value) {
            Some(Value::Size(size)) => size.bytes(),
            other => unreachable!("{path} is not a size: {other:?}"),
        }
    }

    pub(super) fn count(&self, path: &str) -> u64 {
        match self.get(path).map(|found| &found.value) {
            Some(Value::Count(number)) => *number,
            other => unreachable!("{path} is not a number: {other:?}"),
        }
    }

    pub(super) fn flag(&self, path: &str) -> bool {
        match self.get(path).map(|found| &found.value) {
            Some(Value::Bool(flag)) => *flag,
            other => unreachable!("{path} is not true or false: {other:?}"),
        }
    }

    pub(super) fn choice(&self, path: &str) -> &'static str {
        match self.get(path).map(|found| &found.value) {
            Some(Value::Choice(word)) => word,
            other => unreachable!("{path} is not a choice: {other:?}"),
        }
    }

    /// A text; `None` if not set or empty.
    pub(super) fn text(&self, path: &str) -> Option<&str> {
        match self.get(path).map(|found| &found.value) {
            None => None,
            Some(Value::Text(text)) => Some(text.as_str()).filter(|text| !text.is_empty()),
            other => unreachable!("{path} is not a text: {other:?}"),
        }
    }
}

/// Warns of `WALSYNC_<SECTION>_...` variables that stand for no key: a warning, because `${...}` may use them.
pub(super) fn unknown_variables(environment: &Environment) -> Vec<Problem> {
    let known: Vec<String> = KEYS.iter().map(Key::variable).collect();
    let short = |name: &str| KEYS.iter().any(|key| key.variables.contains(&name));
    let prefixes: Vec<String> =
        Key::sections().iter().map(|section| format!("WALSYNC_{}_", section.to_ascii_uppercase())).collect();
    let suspicious = environment.names().filter(|name| {
        prefixes.iter().any(|prefix| name.starts_with(prefix.as_str()))
            && !known.iter().any(|variable| variable == name)
            && !short(name)
    });
    suspicious
        .map(|name| {
            let origin = Origin::Environment { variable: name.to_owned() };
            Problem::warning(name, origin, "no key of the configuration has this variable")
                .suggest_maybe(did_you_mean(name, known.iter().map(String::as_str)))
        })
        .collect()
}
