//! The configured store, for reading, and the database in it that a command is about.

use super::open_store::open_store;
use super::restore::JobTarget;
use super::restore_failure::word;
use crate::config::{DatabaseSpec, Place, StoreSettings, StoreUrl, resolve};
use crate::exit::{Failure, Kind};
use crate::output::Printer;
use engine::key::{self, Layout};
use io_real::restore::{Catalog, FolderKind, Limits, Places, ReadError};
use std::path::Path;

/// Opens a store for reading its places.
///
/// # Errors
/// Exit 2: an option cannot be used.
pub(super) fn catalog(settings: &StoreSettings) -> Result<Catalog, Failure> {
    catalog_within(settings, Limits::default())
}

/// The same with other bounds than those that suit one database. The timeout is the store's.
///
/// # Errors
/// As [`catalog`].
pub(super) fn catalog_within(settings: &StoreSettings, limits: Limits) -> Result<Catalog, Failure> {
    let layout = match settings.url {
        StoreUrl::S3 { .. } => Layout::S3,
        StoreUrl::File { .. } => Layout::Tree,
    };
    let limits = Limits { timeout: settings.timeout, ..limits };
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
    if let Some(place) = place {
        match catalog.kind(&place).await.map_err(unread)? {
            FolderKind::Place => return Ok(found(place, store)),
            FolderKind::OfLitestream03 => return Err(of_litestream_0_3(&found(place, store).name)),
            FolderKind::Neither => {}
        }
    }
    let Places { places, of_litestream_0_3: unread } = catalog.all_places().await.map_err(unread)?;
    let names = |places: &[key::Place]| -> Vec<Place> {
        places.iter().filter_map(|place| Place::parse(place.folder()).ok()).collect()
    };
    let (places, unread) = (names(&places), names(&unread));
    if let JobTarget::Named(given) = target
        && let Ok(resolved) = resolve(given, &unread, databases, working_dir)
        && unread.contains(&resolved.place)
        && resolve(given, &places, databases, working_dir).is_err()
    {
        return Err(of_litestream_0_3(resolved.place.as_str()));
    }
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

/// What stands in the place is not read.
pub(super) fn of_litestream_0_3(name: &str) -> Failure {
    Failure::usage("Litestream 0.3 wrote this replica, which walsync does not read")
        .database(name)
        .cause("its folder `generations/` holds copies of log segments; Litestream 0.5 and walsync write LTX files")
        .hint(
            "restore it with `litestream restore` of version 0.3; replicate to another place, or empty this one first",
        )
}

/// Those that are not read are named, unless there is something that is.
pub(super) fn warn_of_unread(places: &Places, store: &StoreUrl, printer: &Printer) -> Result<(), Failure> {
    let failure = |place: &key::Place| of_litestream_0_3(&found(place.clone(), store).name);
    match (&places.places[..], &places.of_litestream_0_3[..]) {
        ([], [first, ..]) => Err(failure(first)),
        (_, unread) => {
            for failure in unread.iter().map(failure) {
                printer.warn(failure.headline(), Some(failure.hint_text()));
            }
            Ok(())
        }
    }
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
