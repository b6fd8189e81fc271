//! What a store holds: its places, and the objects of one.

use super::blocking::Task;
use super::courtesy::Courtesy;
use super::object::Objects;
use super::reads::{Limits, Reads};
use super::{ReadError, RestoreError};
use crate::port::{Store, Work};
use engine::key::{
    GENERATIONS_FOLDER, Layout, ListingBuilder, ModifiedIs, Place, PlaceListing, is_of_litestream_0_3,
    is_place,
};
use engine::manifest::{Manifest, ManifestError};
use engine::mutants::{Mutant, mutated};
use engine::types::Level;
use engine::verify::Recorded;
use futures::stream::{FuturesUnordered, StreamExt as _};
use std::collections::BTreeSet;
use std::sync::Arc;

/// A store, seen as places. Cheap to clone; clones share the bound on requests.
#[derive(Clone)]
pub struct Catalog {
    pub(super) reads: Reads,
    pub(super) layout: Layout,
    modified: ModifiedIs,
    pub(crate) limits: Limits,
}

/// What a folder is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FolderKind {
    /// A place.
    Place,
    /// A replica that Litestream 0.3 wrote, and nothing else: it is not read.
    OfLitestream03,
    /// Neither.
    Neither,
}

/// The databases of a store, ascending.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Places {
    /// Those that can be read.
    pub places: Vec<Place>,
    /// Replicas that Litestream 0.3 wrote, and nothing else.
    pub of_litestream_0_3: Vec<Place>,
}

impl Catalog {
    /// Looks at `store`, whose kind decides how objects are named ([`Layout`]) and what their modification
    /// times mean.
    pub fn new(store: Arc<dyn Store>, layout: Layout, limits: Limits) -> Catalog {
        let modified = match layout {
            Layout::S3 => ModifiedIs::StoreTime,
            Layout::Tree => ModifiedIs::HeaderTime,
        };
        Catalog { reads: Reads::new(store, &limits), layout, modified, limits }
    }

    /// The same, with reads that let others go first.
    #[must_use]
    pub fn behind(self, courtesy: Courtesy) -> Catalog {
        Catalog { reads: self.reads.behind(courtesy), ..self }
    }

    /// Every place under the store's root, ascending. A place may lie inside another place's folder.
    ///
    /// # Errors
    /// When the store does not answer.
    pub async fn places(&self) -> Result<Vec<Place>, ReadError> {
        Ok(self.all_places().await?.places)
    }

    /// The same, and beside them what cannot be read.
    ///
    /// # Errors
    /// When the store does not answer.
    pub async fn all_places(&self) -> Result<Places, ReadError> {
        let (mut places, mut of_litestream_0_3) = (BTreeSet::new(), BTreeSet::new());
        let mut waiting = vec![String::new()];
        let mut looking = FuturesUnordered::new();
        loop {
            while looking.len() < self.limits.requests_in_flight
                && let Some(folder) = waiting.pop()
            {
                let catalog = self.clone();
                looking.push(Task::spawn(async move { catalog.folder(folder).await }));
            }
            match looking.next().await.transpose()? {
                Some(Folder { place, kind, inner }) => {
                    match kind {
                        FolderKind::Place => places.extend(place),
                        FolderKind::OfLitestream03 => of_litestream_0_3.extend(place),
                        FolderKind::Neither => {}
                    }
                    waiting.extend(inner);
                }
                None => {
                    return Ok(Places {
                        places: places.into_iter().collect(),
                        of_litestream_0_3: of_litestream_0_3.into_iter().collect(),
                    });
                }
            }
        }
    }

    /// What a folder is.
    ///
    /// # Errors
    /// When the store does not answer.
    pub async fn kind(&self, place: &Place) -> Result<FolderKind, ReadError> {
        Ok(self.folder(place.prefix()).await?.kind)
    }

    /// The objects of a place. Levels are read low to high: objects move up, so none is missed.
    ///
    /// # Errors
    /// When the store does not answer.
    pub async fn listing(&self, place: &Place) -> Result<PlaceListing, ReadError> {
        let mut builder = ListingBuilder::new(place.clone(), self.layout);
        for level in Level::all() {
            let prefix = place.level_prefix(self.layout, level);
            let mut after: Option<String> = None;
            loop {
                let page = self.reads.list(&prefix, after.as_deref()).await?;
                builder.page(&page.objects);
                match page.next {
                    Some(next) if !mutated(Mutant::RestoreListingEndsEarly) => after = Some(next),
                    _ => break,
                }
            }
        }
        Ok(builder.finish(self.modified))
    }

    /// The manifest of a place. One that cannot be read is as good as none: it is an index beside the truth.
    ///
    /// # Errors
    /// When the store does not answer, or a newer version wrote it.
    pub async fn manifest(&self, place: &Place) -> Result<Option<Manifest>, RestoreError> {
        match self.recorded(place).await? {
            Recorded::Missing => Ok(None),
            Recorded::Read(manifest) => Ok(Some(manifest)),
            Recorded::Damaged(why) => {
                tracing::warn!(key = place.manifest_key(), %why, "going on without the index");
                Ok(None)
            }
        }
    }

    /// What `manifest.json` of a place turns out to be.
    ///
    /// # Errors
    /// When the store does not answer, or a newer version wrote it.
    pub async fn recorded(&self, place: &Place) -> Result<Recorded, RestoreError> {
        let Some(body) = self.reads.whole(&place.manifest_key()).await? else {
            return Ok(Recorded::Missing);
        };
        match Manifest::decode(&body.bytes) {
            Ok(manifest) => Ok(Recorded::Read(manifest)),
            Err(ManifestError::Newer { format }) => Err(RestoreError::NewerFormat { format }),
            Err(ManifestError::Corrupt(why)) => Ok(Recorded::Damaged(why.into())),
        }
    }

    /// The objects of a place, to read them. `on_bytes` hears of every download.
    pub(crate) fn objects(
        &self,
        work: Arc<dyn Work>,
        place: &Place,
        manifest: Option<&Manifest>,
        on_bytes: impl Fn(u64) + Send + Sync + 'static,
    ) -> Arc<Objects> {
        Arc::new(Objects::new(
            self.reads.clone(),
            work,
            (place.clone(), self.layout),
            self.limits.lock_byte,
            manifest,
            Box::new(on_bytes),
        ))
    }

    /// Looks at the direct children of a folder (empty, or ending in `/`).
    async fn folder(&self, prefix: String) -> Result<Folder, ReadError> {
        let mut looks_like_a_place = false;
        let mut inner = Vec::new();
        let mut after: Option<String> = None;
        loop {
            let page = self.reads.list_folder(&prefix, after.as_deref()).await?;
            let names = page.objects.iter().filter_map(|object| object.key.strip_prefix(&prefix));
            let folders = page.folders.iter().filter_map(|folder| folder.strip_prefix(&prefix));
            looks_like_a_place |= is_place(names, folders);
            // What cannot be a place's folder belongs to the place that this one is, or is nobody's.
            inner.extend(page.folders.into_iter().filter(|folder| Place::new(folder).is_ok()));
            match page.next {
                Some(next) => after = Some(next),
                None => break,
            }
        }
        let place = Place::new(&prefix).ok();
        let generations = format!("{prefix}{GENERATIONS_FOLDER}");
        let kind = if place.is_none() {
            FolderKind::Neither
        } else if looks_like_a_place {
            FolderKind::Place
        } else if inner.contains(&generations) && self.has_generations(&prefix, &generations).await? {
            inner.retain(|folder| *folder != generations);
            FolderKind::OfLitestream03
        } else {
            FolderKind::Neither
        };
        Ok(Folder { place, kind, inner })
    }

    /// Whether Litestream 0.3 filled a folder of the name that it uses. A database may be called so as well.
    async fn has_generations(&self, prefix: &str, folder: &str) -> Result<bool, ReadError> {
        let page = self.reads.list(folder, None).await?;
        let mut names = page.objects.iter().filter_map(|object| object.key.strip_prefix(prefix));
        Ok(names.any(is_of_litestream_0_3))
    }
}

/// What a folder turned out to be.
struct Folder {
    /// It as a place, if it can be one.
    place: Option<Place>,
    kind: FolderKind,
    /// Folders in it that may be places, or hold some.
    inner: Vec<String>,
}
