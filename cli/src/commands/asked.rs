//! Databases that a command was asked about: all of the configured store, or some by name.

use super::find::{self, Found};
use super::list::{configured, store_and_target};
use super::restore::JobTarget;
use crate::args::Target;
use crate::config::{Config, DatabaseSpec, StoreSettings};
use crate::exit::Failure;
use futures::stream::{self, StreamExt as _};
use io_real::restore::Catalog;
use std::collections::BTreeSet;
use std::path::PathBuf;

/// Which databases are meant.
#[derive(Clone, Debug)]
pub struct AskedDatabases {
    /// The configured store, of which all is meant where nothing was named.
    pub store: StoreSettings,
    /// What was named.
    pub named: Vec<Asked>,
    /// What a local path given as NAME is relative to.
    pub working_dir: PathBuf,
}

/// One database that was named.
#[derive(Clone, Debug)]
pub struct Asked {
    /// Its store. For [`JobTarget::Root`] its URL is the place's.
    pub store: StoreSettings,
    /// Which one.
    pub target: JobTarget,
    /// What is configured, for `config::resolve`.
    pub databases: Vec<DatabaseSpec>,
}

impl AskedDatabases {
    /// Decides which stores and databases are meant.
    ///
    /// # Errors
    /// Exit 2: a URL that cannot be used.
    pub fn plan(targets: &[Target], config: &Config) -> Result<AskedDatabases, Failure> {
        let named = targets.iter().map(|target| {
            let (store, target) = store_and_target(target, config)?;
            let databases = configured(Some(&target), config);
            Ok(Asked { store, target, databases })
        });
        Ok(AskedDatabases {
            store: config.settings.store.clone(),
            named: named.collect::<Result<_, Failure>>()?,
            working_dir: config.surroundings.working_dir.clone(),
        })
    }

    /// Does something with each of them, some at a time; what came of it, each with the name of its database. One that
    /// cannot be found keeps no other from its turn.
    ///
    /// # Errors
    /// All of a store was meant, and it cannot be listed.
    pub(super) async fn each<T>(
        &self,
        at_once: usize,
        look: impl AsyncFn(&Catalog, &StoreSettings, &Found) -> Result<T, Failure>,
    ) -> Result<Vec<(String, Result<T, Failure>)>, Failure> {
        let look = &look;
        if self.named.is_empty() {
            let url = &self.store.url;
            let catalog = find::catalog(&self.store)?;
            let places = catalog.all_places().await.map_err(|error| find::unreadable(url, &error))?;
            let catalog = &catalog;
            let looks = stream::iter(places.places).map(async |place| {
                let found = find::found(place, url);
                let looked = look(catalog, &self.store, &found).await;
                (found.name, looked)
            });
            let mut all: Vec<_> = looks.buffered(at_once).collect().await;
            all.extend(places.of_litestream_0_3.into_iter().map(|place| {
                let name = find::found(place, url).name;
                let refused = find::of_litestream_0_3(&name);
                (name, Err(refused))
            }));
            return Ok(all);
        }
        let looks = stream::iter(&self.named).map(async |Asked { store, target, databases }| {
            let found = async {
                let catalog = find::catalog(store)?;
                let found =
                    find::database(&catalog, &store.url, target, databases, &self.working_dir).await?;
                Ok((catalog, found))
            };
            match found.await {
                Ok((catalog, found)) => {
                    let looked = look(&catalog, store, &found).await;
                    (found.name, looked)
                }
                Err(failure) => {
                    let name = match target {
                        JobTarget::Place(place) => place.to_string(),
                        JobTarget::Named(name) => name.clone(),
                        JobTarget::Root => store.url.to_string(),
                    };
                    (name, Err(failure))
                }
            }
        });
        let mut all: Vec<_> = looks.buffered(at_once).collect().await;
        // A database may have been named twice.
        let mut seen = BTreeSet::new();
        all.retain(|(name, _)| seen.insert(name.clone()));
        Ok(all)
    }
}
