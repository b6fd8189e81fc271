//! The configured store, for reading, and the database in it that a command is about.

use super::open_store::open_store;
use super::restore::JobTarget;
use super::restore_failure::word;
use crate::config::{DatabaseSpec, Place, StoreSettings, StoreUrl, resolve};
use crate::exit::{Failure, Kind};
use engine::key::{self, Layout};
use io_real::restore::{Catalog, Limits, ReadError};
use std::path::Path;

/// Opens a store for reading its places.
///
/// # Errors
/// Exit 2: an option cannot be used.
pub(super) fn catalog(settings: &StoreSettings) -> Result<Catalog, Failure> {
    let layout = match settings.url {
        StoreUrl::S3 { .. } => Layout::S3,
        StoreUrl::File { .. } => Layout::Tree,
    };
    let limits = Limits { timeout: settings.timeout, ..Limits::default() };
    Ok(Catalog::new(open_store(settings)?, layout, limits))
}

/// A database of the store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Found {
    /// Where it is.
    pub(super) place: key::Place,
    /// What the user calls it: the place, or the URL of a store that is a place itself.
    pub(super) name: String,
}

/// Finds the database that is meant.
///
/// # Errors
/// Exit 1: there is none, with what there is instead; exit 2: several; exit 3: the store does not answer.
pub(super) async fn database(
    catalog: &Catalog,
    store: &StoreUrl,
    target: &JobTarget,
    databases: &[DatabaseSpec],
    working_dir: &Path,
) -> Result<Found, Failure> {
    let unread = |error: ReadError| unreadable(store, &error);
    let (given, place) = match target {
        JobTarget::Root => (store.to_string(), key::Place::new("").ok()),
        JobTarget::Place(place) => (place.to_string(), key::Place::new(place.as_str()).ok()),
        // A whole name takes one request, whatever else there is.
        JobTarget::Named(given) => {
            (given.clone(), key::Place::new(given).ok().filter(|place| !place.folder().is_empty()))
        }
    };
    if let Some(place) = place
        && catalog.is_place(&place).await.map_err(unread)?
    {
        return Ok(found(place, store));
    }
    let places: Vec<Place> = catalog
        .places()
        .await
        .map_err(unread)?
        .iter()
        .filter_map(|place| Place::parse(place.folder()).ok())
        .collect();
    let failure = match target {
        JobTarget::Named(given) => match resolve(given, &places, databases, working_dir) {
            Ok(resolved) => {
                let place = key::Place::new(resolved.place.as_str());
                return Ok(found(place.expect("it was listed as a place"), store));
            }
            Err(failure) if failure.kind() != Kind::No => return Err(failure),
            Err(failure) => failure.hint(list_of(store)),
        },
        JobTarget::Root | JobTarget::Place(_) => {
            Failure::no(format!("no database at {given}")).database(&given).hint(list_of(store))
        }
    };
    Err(failure.cause(match &places[..] {
        [] => format!("{store} holds no database"),
        there => format!("{store} holds: {}", some_of(there)),
    }))
}

/// A place, with its name.
pub(super) fn found(place: key::Place, store: &StoreUrl) -> Found {
    let name = match place.folder() {
        "" => store.to_string(),
        folder => folder.to_owned(),
    };
    Found { place, name }
}

/// Lists what the store has. It may be the configured one, but then it does no harm to name it.
pub(super) fn list_of(store: &StoreUrl) -> String {
    format!("walsync list -b {}", word(Path::new(&store.to_string())))
}

/// The store gave no answer.
pub(super) fn unreadable(store: &StoreUrl, error: &ReadError) -> Failure {
    let attempts = match error.attempts {
        1 => String::new(),
        n => format!(" after {n} attempts"),
    };
    let failure = Failure::of_store(format!("the store {store} cannot be read{attempts}"), &error.error);
    if error.key.is_empty() { failure } else { failure.object(&error.key) }
}

fn some_of(places: &[Place]) -> String {
    let shown: Vec<&str> = places.iter().take(SHOWN_MAX).map(Place::as_str).collect();
    let more = if places.len() > SHOWN_MAX { ", ..." } else { "" };
    format!("{}{more}", shown.join(", "))
}

/// More names help nobody.
const SHOWN_MAX: usize = 10;
