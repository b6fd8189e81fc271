//! What is known of one place: its listing, and whatever planning asked for beyond.

use super::blocking::Task;
use super::catalog::Catalog;
use super::error::Fault;
use super::object::Objects;
use super::{ReadError, RestoreError};
use crate::port::Work;
use engine::key::{ObjectInfo, ObjectKey, Place, PlaceListing};
use engine::ltx::Header;
use engine::manifest::Manifest;
use engine::mutants::{Mutant, mutated};
use engine::restore::{
    Facts, Knowledge, Needs, Plan, PlanError, Point, Step, Target, is_full_image, plan, points,
};
use futures::stream::{self, StreamExt as _};
use std::collections::BTreeSet;
use std::sync::Arc;

/// A place under inspection.
pub struct Survey {
    catalog: Catalog,
    place: Place,
    pub(super) objects: Arc<Objects>,
    manifest: Option<Manifest>,
    listing: PlaceListing,
    known: Knowledge,
    /// Objects that were read whole and are sound: what is known of them needs no other look.
    proven: BTreeSet<ObjectKey>,
    /// Damage that was found while objects were looked at, and that nobody was told of.
    untold: Vec<(ObjectKey, String)>,
    /// Whether damage was found since the place was listed.
    damage_is_new: bool,
    listings: u32,
}

/// An answer to one need.
enum Learned {
    Header(ObjectKey, Facts),
    FullImage(ObjectKey, Facts, bool),
    Damage(ObjectKey, String),
}

impl Survey {
    /// Lists a place and reads its manifest. `on_bytes` hears of every download.
    ///
    /// # Errors
    /// When the store does not answer, or a newer version wrote the place.
    pub async fn open(
        catalog: &Catalog,
        work: Arc<dyn Work>,
        place: &Place,
        on_bytes: impl Fn(u64) + Send + Sync + 'static,
    ) -> Result<Survey, RestoreError> {
        let manifest = catalog.manifest(place).await?;
        let listing = catalog.listing(place).await?;
        let objects = catalog.objects(work, place, manifest.as_ref(), on_bytes);
        let mut known = Knowledge::default();
        if let Some(manifest) = &manifest {
            known.learn_index(manifest, &listing);
        }
        let (catalog, place) = (catalog.clone(), place.clone());
        let (proven, untold) = (BTreeSet::new(), Vec::new());
        Ok(Survey {
            catalog,
            place,
            objects,
            manifest,
            listing,
            known,
            proven,
            untold,
            damage_is_new: false,
            listings: 1,
        })
    }

    /// The place.
    pub fn place(&self) -> &Place {
        &self.place
    }

    /// What it holds.
    pub fn listing(&self) -> &PlaceListing {
        &self.listing
    }

    /// Its manifest, if it has one that can be read.
    pub fn manifest(&self) -> Option<&Manifest> {
        self.manifest.as_ref()
    }

    /// Every state that restores, ascending; links that no header was read of count as sound.
    ///
    /// # Errors
    /// When the store does not answer.
    pub async fn points(&mut self) -> Result<Vec<Point>, RestoreError> {
        self.ask(|listing, known| Ok(points(listing, known))).await
    }

    /// The same with the header of every object known: each point has its time, and none falls when it is
    /// restored but by damage inside an object.
    ///
    /// # Errors
    /// When the store does not answer.
    pub async fn points_checked(&mut self) -> Result<Vec<Point>, RestoreError> {
        loop {
            let unknown =
                |key: &ObjectKey| self.known.header(*key).is_none() && self.known.damage(*key).is_none();
            let headers: Vec<ObjectKey> =
                self.listing.objects().iter().map(|o| o.key).filter(unknown).collect();
            if headers.is_empty() {
                return self.points().await;
            }
            self.fetch(Needs { headers, page_indexes: Vec::new() }).await?;
        }
    }

    /// The objects that lead to a target.
    ///
    /// # Errors
    /// When there is no such state, or the store does not answer.
    pub async fn plan(&mut self, target: Target) -> Result<Plan, RestoreError> {
        self.ask(|listing, known| plan(listing, known, target)).await
    }

    /// What was found damaged since this was asked last.
    pub(super) fn take_untold(&mut self) -> Vec<(ObjectKey, String)> {
        std::mem::take(&mut self.untold)
    }

    /// Takes note that an object is not what it claims to be.
    pub(super) fn learn_damage(&mut self, key: ObjectKey, why: &str) {
        self.known.learn_damage(key, why);
        self.damage_is_new = true;
    }

    /// Whether damage was found since the place was listed: what leads around it may have come meanwhile.
    pub(super) fn is_damage_new(&self) -> bool {
        self.damage_is_new
    }

    /// Takes the header of an object that was read whole. Returns whether it is the first time: what was read before may have
    /// come wrong.
    pub(super) fn learn_proven(&mut self, key: ObjectKey, header: Header) -> bool {
        self.known.learn_header(key, Facts::from(&header));
        self.objects.keep(key, header);
        self.proven.insert(key)
    }

    /// Whether reading an object whole may tell something new.
    pub(super) fn is_unproven(&self, key: ObjectKey) -> bool {
        self.known.damage(key).is_none() && !self.proven.contains(&key)
    }

    /// Lists again, because an object was not there any more, or is damaged.
    pub(super) async fn list_again(&mut self) -> Result<(), RestoreError> {
        if self.listings >= LISTINGS_MAX || mutated(Mutant::RestoreGoneIsFinal) {
            return Err(RestoreError::Restless { listings: self.listings });
        }
        self.listings += 1;
        self.damage_is_new = false;
        let listing = self.catalog.listing(&self.place).await?;
        self.known.forget_changed(&self.listing, &listing);
        self.proven
            .retain(|key| self.listing.get(*key).is_some() && self.listing.get(*key) == listing.get(*key));
        self.objects.forget();
        self.listing = listing;
        if let Some(manifest) = &self.manifest {
            self.known.learn_index(manifest, &self.listing);
        }
        Ok(())
    }

    /// Asks the engine until it needs nothing more.
    async fn ask<T>(
        &mut self,
        question: impl Fn(&PlaceListing, &Knowledge) -> Result<Step<T>, PlanError>,
    ) -> Result<T, RestoreError> {
        loop {
            match question(&self.listing, &self.known)? {
                Step::Done(answer) => return Ok(answer),
                Step::Need(needs) => self.fetch(needs).await?,
            }
        }
    }

    /// Answers needs; an object that is gone means another listing.
    async fn fetch(&mut self, needs: Needs) -> Result<(), RestoreError> {
        assert!(!needs.is_empty(), "a question without an answer would be asked for ever");
        let header = needs.headers.into_iter().map(|key| (key, false));
        let image = needs.page_indexes.into_iter().map(|key| (key, true));
        let wanted: Vec<(ObjectInfo, bool)> = header
            .chain(image)
            .map(|(key, image)| {
                (self.listing.get(key).expect("only listed objects are asked for").clone(), image)
            })
            .collect();
        let objects = self.objects.clone();
        let mut answers = stream::iter(wanted)
            .map(|(info, image)| {
                let objects = objects.clone();
                Task::spawn(async move { look(&objects, &info, image).await })
            })
            .buffer_unordered(self.catalog.limits.requests_in_flight);
        let mut gone = false;
        while let Some(answer) = answers.next().await {
            match answer {
                Ok(Some(Learned::Header(key, facts))) => self.known.learn_header(key, facts),
                Ok(Some(Learned::FullImage(key, facts, full))) => {
                    self.known.learn_header(key, facts);
                    self.known.learn_full_image(key, full);
                }
                Ok(Some(Learned::Damage(key, why))) => {
                    self.learn_damage(key, &why);
                    self.untold.push((key, why));
                }
                Ok(None) => gone = true,
                Err(error) => return Err(error.into()),
            }
        }
        drop(answers);
        if gone { self.list_again().await } else { Ok(()) }
    }
}

/// Reads what is needed of one object; `None` if it is gone.
async fn look(objects: &Objects, info: &ObjectInfo, image: bool) -> Result<Option<Learned>, ReadError> {
    let looked = if image {
        objects.index(info).await.map(|(header, index)| {
            let facts = Facts::from(&header);
            let pages = index.iter().map(|entry| entry.pgno);
            let full = is_full_image(facts.commit, facts.page_size, objects.lock_byte(), pages);
            Learned::FullImage(info.key, facts, full)
        })
    } else {
        objects.header(info).await.map(|header| Learned::Header(info.key, Facts::from(&header)))
    };
    match looked {
        Ok(learned) => Ok(Some(learned)),
        Err(Fault::Damaged(key, why)) => Ok(Some(Learned::Damage(key, why))),
        Err(Fault::Gone(_)) => Ok(None),
        Err(Fault::Store(error)) => Err(error),
        Err(Fault::Output(_)) => unreachable!("looking writes nothing"),
    }
}

/// Objects move up while they are read; a place that changes this often is being emptied.
pub(crate) const LISTINGS_MAX: u32 = 8;
