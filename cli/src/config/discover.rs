//! Resolving entries to databases: which files there are now, which entry wins, which places collide.

use super::database::{DatabaseEntry, DatabaseSpec};
use super::place::Place;
use std::collections::BTreeMap;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

/// The databases that the entries stand for at one moment. Run it again to notice files that came or went.
#[derive(Clone, Debug, Default)]
pub struct Discovery {
    /// One per file, sorted by path; of several files for one place only the first.
    pub databases: Vec<DatabaseSpec>,
    /// Files that would use a place which is taken: an error at start, refused one by one later.
    pub collisions: Vec<Collision>,
    /// Paths that were named and lead to a file that was named already: an error.
    pub twice: Vec<Twice>,
    /// Files and folders that had to be left out.
    pub refused: Vec<Refused>,
}

/// Two files for one place.
#[derive(Clone, Debug)]
pub struct Collision {
    /// The place.
    pub place: Place,
    /// Who has it.
    pub first: DatabaseSpec,
    /// Who would have it too.
    pub second: DatabaseSpec,
}

/// Two paths of one file.
#[derive(Clone, Debug)]
pub struct Twice {
    /// Who has it.
    pub first: PathBuf,
    /// Who would have it too.
    pub second: DatabaseSpec,
}

/// A file or folder that had to be left out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused {
    /// Which.
    pub path: PathBuf,
    /// Why, one line.
    pub reason: String,
}

/// Resolves wildcards. Of several entries for one path the most specific wins, of equals the later. A file that a
/// wildcard finds under a second path is left out.
///
/// Files without wildcard come before those of wildcards in the contest for a place, so that a file that
/// appears cannot push out one that was named; `known` ones (of an earlier run) come before new ones. A known one stays
/// while an entry stands for its path, whether the file is there or not: it is missed, and may come back.
pub fn discover(entries: &[DatabaseEntry], known: &[DatabaseSpec]) -> Discovery {
    let mut out = Discovery::default();
    let mut winners: BTreeMap<PathBuf, &DatabaseEntry> = BTreeMap::new();
    for entry in entries {
        let mut unreadable = |folder: &Path, error: std::io::Error| {
            out.refused.push(Refused { path: folder.to_owned(), reason: error.to_string() });
        };
        for file in entry.pattern.files(&mut unreadable) {
            let winner = winners.entry(file).or_insert(entry);
            if entry.pattern.specificity() >= winner.pattern.specificity() {
                *winner = entry;
            }
        }
    }
    for KnownPath(path, entry) in known.iter().filter_map(|spec| KnownPath::of(spec, entries)) {
        winners.entry(path.clone()).or_insert(entry);
    }
    let mut specs = Vec::new();
    for (path, entry) in &winners {
        match entry.spec(path) {
            Ok(spec) => specs.push((entry.pattern.has_wildcard(), spec)),
            Err(error) => out.refused.push(Refused { path: path.clone(), reason: error.to_string() }),
        }
    }
    let is_new =
        |spec: &DatabaseSpec| !known.iter().any(|old| old.path == spec.path && old.place == spec.place);
    // Of two names of one file the application's is the one with a log.
    specs.sort_by_key(|(wild, spec)| {
        (is_new(spec), *wild, spec.path.is_symlink(), !has_log(&spec.path), spec.path.clone())
    });
    let mut taken: BTreeMap<Place, DatabaseSpec> = BTreeMap::new();
    let mut files: BTreeMap<File, PathBuf> = BTreeMap::new();
    for (wild, spec) in specs {
        let file = File::of(&spec.path);
        if let Some(first) = files.get(&file) {
            match wild {
                true => out.refused.push(Refused {
                    reason: format!("it is the same file as {}", first.display()),
                    path: spec.path,
                }),
                false => out.twice.push(Twice { first: first.clone(), second: spec }),
            }
            continue;
        }
        files.insert(file, spec.path.clone());
        match taken.get(&spec.place) {
            Some(first) => out.collisions.push(Collision {
                place: spec.place.clone(),
                first: first.clone(),
                second: spec,
            }),
            None => drop(taken.insert(spec.place.clone(), spec)),
        }
    }
    out.databases = taken.into_values().collect();
    out.databases.sort_by(|a, b| a.path.cmp(&b.path));
    out
}

/// A path that was found before, and the entry that counts for it now.
struct KnownPath<'a>(&'a PathBuf, &'a DatabaseEntry);

impl<'a> KnownPath<'a> {
    fn of(spec: &'a DatabaseSpec, entries: &'a [DatabaseEntry]) -> Option<KnownPath<'a>> {
        let matching = entries.iter().filter(|entry| entry.pattern.matches(&spec.path));
        let entry = matching.max_by_key(|entry| entry.pattern.specificity())?;
        Some(KnownPath(&spec.path, entry))
    }
}

fn has_log(path: &Path) -> bool {
    let mut name = path.as_os_str().to_owned();
    name.push("-wal");
    Path::new(&name).exists()
}

/// What a path leads to. Two paths of one file must not be followed both: SQLite names log and shared memory after
/// the path, so that a hard link would have others than the application's.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum File {
    /// Device and inode.
    Found(u64, u64),
    /// Nothing yet: where it would be.
    Missing(PathBuf),
}

impl File {
    fn of(path: &Path) -> File {
        if let Ok(found) = path.metadata() {
            return File::Found(found.dev(), found.ino());
        }
        let folder = path.parent().and_then(|folder| folder.canonicalize().ok());
        let place = folder.zip(path.file_name()).map(|(folder, name)| folder.join(name));
        File::Missing(place.unwrap_or_else(|| path.to_owned()))
    }
}
