//! The configuration as text, with what was left out as comments.

use super::settings::Keys;
use super::table::LeftOut;
use crate::config::Key;
use std::fmt::Write as _;

/// `[store]`.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Store {
    pub(super) url: String,
    /// The other keys.
    pub(super) keys: Keys,
}

/// `[[databases]]`.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Entry {
    pub(super) path: String,
    pub(super) prefix: Option<String>,
    pub(super) name: Option<String>,
    pub(super) keys: Keys,
}

/// Everything as TOML.
pub(super) fn toml(
    name: &str,
    store: Option<&Store>,
    general: &Keys,
    entries: &[Entry],
    left_out: &[LeftOut],
) -> String {
    let mut out = format!("# Made from {} by `walsync config import`.\n", one_line(name));
    if !left_out.is_empty() {
        out.push_str("#\n# Without an equivalent, or not the same:\n");
    }
    for LeftOut { line, key, reason } in left_out {
        let _ = writeln!(out, "# line {line}: {}: {}", one_line(key), one_line(reason));
    }
    if let Some(Store { url, keys }) = store {
        let _ = writeln!(out, "\n[store]\nurl = {}", text(url));
        keys.iter().for_each(|(path, value)| line(&mut out, name_of(path), value));
    }
    for section in Key::sections() {
        let keys: Vec<_> = general.iter().filter(|(path, _)| section_of(path) == section).collect();
        if !keys.is_empty() {
            let _ = writeln!(out, "\n[{section}]");
            keys.into_iter().for_each(|(path, value)| line(&mut out, name_of(path), value));
        }
    }
    for Entry { path, prefix, name, keys } in entries {
        let _ = writeln!(out, "\n[[databases]]\npath = {}", text(path));
        for (key, value) in [("prefix", prefix), ("name", name)] {
            value.iter().for_each(|value| line(&mut out, key, &toml::Value::String(value.clone())));
        }
        // With its section a key means the same everywhere; a dotted one needs no table of its own.
        keys.iter().for_each(|(path, value)| line(&mut out, path, value));
    }
    out
}

fn line(out: &mut String, key: &str, value: &toml::Value) {
    let _ = writeln!(out, "{key} = {value}");
}

fn text(value: &str) -> toml::Value {
    toml::Value::String(value.to_owned())
}

fn section_of(path: &str) -> &str {
    path.split_once('.').map_or(path, |(section, _)| section)
}

fn name_of(path: &str) -> &str {
    path.split_once('.').map_or(path, |(_, name)| name)
}

/// A comment ends with its line.
fn one_line(text: &str) -> String {
    text.replace(char::is_control, " ")
}
