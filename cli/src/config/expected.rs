//! Databases that wildcards stand for although the file is gone: what a restore is for.

use super::database::{DatabaseEntry, DatabaseSpec, EXTENSIONS};
use super::place::Place;
use std::path::{Component, Path, PathBuf};

/// The databases that `given` (a NAME, its end, or a local path) would be by the entries with wildcards if their
/// files were there. Nothing is guessed: an entry that several files of that name would match stands for none.
pub fn expected(entries: &[DatabaseEntry], given: &str, working_dir: &Path) -> Vec<DatabaseSpec> {
    let wild = entries.iter().filter(|entry| entry.pattern.has_wildcard());
    wild.filter_map(|entry| {
        let by_path = spec_of(entries, entry, &normal(&working_dir.join(given)));
        by_path.or_else(|| by_name(entries, entry, given.trim_matches('/')))
    })
    .collect()
}

fn by_name(entries: &[DatabaseEntry], entry: &DatabaseEntry, name: &str) -> Option<DatabaseSpec> {
    // Neither a folder above nor an absolute path can come of a part of a place.
    Place::parse(name).ok()?;
    let prefix = entry.prefix.trim_matches('/');
    let below_prefix = name.strip_prefix(prefix).and_then(|rest| rest.strip_prefix('/'));
    let below = below_prefix.filter(|_| !prefix.is_empty()).unwrap_or(name);
    let files = [""].iter().chain(&EXTENSIONS).map(|extension| {
        let file = entry.pattern.root().join(format!("{below}{extension}"));
        spec_of(entries, entry, &file).filter(|spec| spec.place.ends_with(name))
    });
    let mut files = files.flatten();
    files.next().filter(|_| files.next().is_none())
}

/// The database at `path`, if this entry is the one that counts for it.
fn spec_of(entries: &[DatabaseEntry], entry: &DatabaseEntry, path: &Path) -> Option<DatabaseSpec> {
    let is_stronger = |other: &&DatabaseEntry| other.pattern.specificity() > entry.pattern.specificity();
    let is_meant = entry.pattern.matches(path)
        && !entries.iter().filter(is_stronger).any(|other| other.pattern.matches(path));
    is_meant.then(|| entry.spec(path).ok()).flatten()
}

/// Without `.` components, as files that were found are spelt; one with `..` matches no pattern.
fn normal(path: &Path) -> PathBuf {
    path.components().filter(|component| *component != Component::CurDir).collect()
}
