//! What a NAME means: the one place that it stands for, or the candidates.

use super::database::{DatabaseSpec, without_extension};
use super::place::Place;
use super::problem::did_you_mean;
use crate::exit::Failure;
use std::path::{Path, PathBuf};

/// The one place that a NAME or path stands for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Resolved {
    /// Its place below the store.
    pub place: Place,
    /// The configured file of that place, or the path that was given.
    pub path: Option<PathBuf>,
}

/// Finds the place that `given` stands for: `<prefix>/<name>`, `<name>` where only one of `places` ends so,
/// or the local path of a database (a configured one, else by its default name).
///
/// `places`: what there is, usually from listing the store. `databases`: what is configured.
///
/// # Errors
/// Exit 2 with the candidates if there are several, exit 1 if there is none.
pub fn resolve(
    given: &str,
    places: &[Place],
    databases: &[DatabaseSpec],
    working_dir: &Path,
) -> Result<Resolved, Failure> {
    let path_of = |place: &Place| {
        let configured = databases.iter().find(|database| database.place == *place);
        configured.map(|database| database.path.clone())
    };
    if let Some(place) = one_of(given, places)? {
        return Ok(Resolved { path: path_of(&place), place });
    }
    let path: PathBuf = working_dir.join(given).components().collect();
    if let Some(database) = databases.iter().find(|database| database.path == path)
        && places.contains(&database.place)
    {
        return Ok(Resolved { place: database.place.clone(), path: Some(path) });
    }
    let file_name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    if looks_like_a_path(given)
        && let Some(place) = one_of(without_extension(file_name), places)?
    {
        return Ok(Resolved { place, path: Some(path) });
    }
    let failure = Failure::no(format!("no database `{given}` in the store")).database(given);
    let near = did_you_mean(
        given,
        places.iter().flat_map(|place| {
            let last = place.as_str().rsplit('/').next().unwrap_or_default();
            [place.as_str(), last]
        }),
    );
    Err(match near {
        Some(near) => failure.cause(near).hint("walsync list"),
        None => failure.hint("walsync list"),
    })
}

fn one_of(name: &str, places: &[Place]) -> Result<Option<Place>, Failure> {
    let name = name.trim_matches('/');
    if let Some(exact) = places.iter().find(|place| place.as_str() == name) {
        return Ok(Some(exact.clone()));
    }
    if name.is_empty() {
        return Ok(None);
    }
    let mut candidates: Vec<&Place> = places.iter().filter(|place| place.ends_with(name)).collect();
    candidates.sort();
    candidates.dedup();
    match candidates[..] {
        [] => Ok(None),
        [only] => Ok(Some(only.clone())),
        [first, ..] => {
            let shown: Vec<&str> = candidates.iter().take(SHOWN_MAX).map(|place| place.as_str()).collect();
            let more = if candidates.len() > SHOWN_MAX { ", ..." } else { "" };
            Err(Failure::usage(format!("`{name}` could be any of {}", candidates.len()))
                .database(name)
                .cause(format!("candidates: {}{more}", shown.join(", ")))
                .hint(format!("give the whole name, as in: {first}")))
        }
    }
}

/// A NAME is never mistaken for a path: a path has a slash in front, a dot in front, or a database's extension.
fn looks_like_a_path(given: &str) -> bool {
    given.starts_with(['/', '.']) || without_extension(given) != given
}

const SHOWN_MAX: usize = 10;
