//! Where `restore --all` puts each database: NAME becomes `<dir>/<NAME>.db`. Knows no disk.
//!
//! A NAME cannot lead out of the directory: no part of it is empty, `.` or `..` (`engine::key::Place`).

use super::find::Found;
use super::restore_failure::word;
use crate::config::StoreUrl;
use crate::exit::Failure;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// A database and where it is to go.
#[derive(Debug)]
pub(super) struct Planned {
    pub(super) found: Found,
    pub(super) path: PathBuf,
    /// Why it cannot go there.
    pub(super) refused: Option<Failure>,
}

/// Where each database goes. Of two that would be in each other's way one is refused, always the same.
pub(super) fn paths(found: Vec<Found>, dir: &Path, store: &StoreUrl) -> Vec<Planned> {
    let path = |found: &Found| match found.place.folder() {
        "" => dir.join(format!("{}.db", last_part(store))),
        folder => dir.join(format!("{folder}.db")),
    };
    let all: Vec<(Found, PathBuf)> = found
        .into_iter()
        .map(|found| {
            let path = path(&found);
            (found, path)
        })
        .collect();
    let folders: BTreeSet<PathBuf> =
        all.iter().flat_map(|(_, path)| path.ancestors().skip(1).map(Path::to_owned)).collect();
    let mut taken: BTreeMap<PathBuf, usize> = BTreeMap::new();
    for (_, path) in &all {
        *taken.entry(path.clone()).or_default() += 1;
    }
    all.into_iter()
        .map(|(found, path)| {
            let is_root = found.place.folder().is_empty();
            let refused = if is_root && taken[&path] > 1 {
                Some(format!("{} is another database's", path.display()))
            } else {
                in_the_way(&path)
                    .find(|name| folders.contains(name))
                    .map(|name| format!("{} must be a directory, for databases below it", name.display()))
            };
            let refused = refused.map(|why| refusal(&found, store, &why));
            Planned { found, path, refused }
        })
        .collect()
}

/// The names that a database takes: its file's and those of its companions.
fn in_the_way(path: &Path) -> impl Iterator<Item = PathBuf> {
    ["", "-wal", "-shm", "-journal"].into_iter().map(move |suffix| {
        let mut name = path.as_os_str().to_owned();
        name.push(suffix);
        name.into()
    })
}

fn refusal(found: &Found, store: &StoreUrl, why: &str) -> Failure {
    let store = match found.place.folder() {
        "" => String::new(),
        _ => format!(" -b {}", word(Path::new(&store.to_string()))),
    };
    Failure::usage("the output is in the way of another one")
        .database(&found.name)
        .cause(why)
        .hint(format!("walsync restore {}{store} -o restored.db", word(Path::new(&found.name))))
}

/// What a store that is a place itself is called.
fn last_part(store: &StoreUrl) -> String {
    let last = |path: &str| path.rsplit('/').next().filter(|part| !part.is_empty()).map(str::to_owned);
    let name = match store {
        StoreUrl::S3 { bucket, prefix } => last(prefix).or_else(|| last(bucket)),
        StoreUrl::File { dir } => dir.file_name().map(|name| name.to_string_lossy().into_owned()),
    };
    name.unwrap_or_else(|| "database".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commands::find::found;
    use engine::key::Place;

    /// Paths by name, or `refused`.
    fn of(store: &str, places: &[&str]) -> Vec<String> {
        let store = StoreUrl::parse(store, Path::new("/")).unwrap();
        let all = places.iter().map(|place| found(Place::new(place).unwrap(), &store)).collect();
        let shown = |planned: Planned| match planned.refused {
            Some(failure) => format!("refused: {}", failure.causes().join(", ")),
            None => planned.path.display().to_string(),
        };
        paths(all, Path::new("/out"), &store).into_iter().map(shown).collect()
    }

    #[test]
    fn names_are_paths_below_the_directory() {
        let names = ["app", "prod/app", "prod/app/inner", "x.db", "..a", "a..", "-rf"];
        let expected =
            ["app.db", "prod/app.db", "prod/app/inner.db", "x.db.db", "..a.db", "a...db", "-rf.db"];
        assert_eq!(of("s3://b", &names), expected.map(|name| format!("/out/{name}")));
        for name in ["../up", "a/../../up", "/../up", "a/./b", "a//b", "a/\0b"] {
            assert!(Place::new(name).is_err(), "{name}");
        }
    }

    #[test]
    fn a_store_that_is_a_place_gives_its_own_name() {
        assert_eq!(of("s3://b/backups/app", &[""]), ["/out/app.db"]);
        assert_eq!(of("s3://b", &[""]), ["/out/b.db"]);
        assert_eq!(of("file:///data/app", &[""]), ["/out/app.db"]);
        let both = of("file:///data/app", &["", "app"]);
        assert_eq!(both, ["refused: /out/app.db is another database's", "/out/app.db"]);
    }

    #[test]
    fn a_file_gives_way_to_a_folder_of_its_name() {
        for folder in ["a.db", "a.db-wal", "a.db-shm", "a.db-journal"] {
            let all = of("s3://b", &["a", &format!("{folder}/x"), &format!("{folder}/y/z")]);
            assert!(all[0].starts_with("refused: /out/a.db"), "{all:?}");
            assert_eq!(all[1..], [format!("/out/{folder}/x.db"), format!("/out/{folder}/y/z.db")]);
        }
    }
}
