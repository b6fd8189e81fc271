//! One look at a place: what it held when it was listed, and what was found of it since.

use crate::port::Work;
use crate::restore::{
    Catalog, Fault, LISTINGS_MAX, Objects, Output, ReadError, RestoreError, Restorer, Survey, Task,
    check_whole,
};
use engine::key::{ObjectInfo, ObjectKey, Place, PlaceListing};
use engine::restore::{Facts, PlanError, Target, is_full_image};
use engine::types::Txid;
use engine::verify::{Depth, Findings, Look, Needs, Recorded, Report, Step, Whole, inspect};
use futures::stream::{self, StreamExt as _};
use std::sync::Arc;

/// A place under inspection.
pub(super) struct Pass {
    catalog: Catalog,
    work: Arc<dyn Work>,
    place: Place,
    recorded: Recorded,
    listing: PlaceListing,
    objects: Arc<Objects>,
    findings: Findings,
    listings: u32,
}

/// What the engine says.
pub(super) enum Answer {
    Done(Report),
    Need(Needs),
}

/// What reading one object told.
enum Read {
    Look(Look),
    Whole(Whole),
    Damage(String),
    Gone,
}

impl Pass {
    pub(super) async fn open(
        catalog: &Catalog,
        work: Arc<dyn Work>,
        place: &Place,
        on_bytes: impl Fn(u64) + Send + Sync + 'static,
    ) -> Result<Pass, RestoreError> {
        let recorded = catalog.recorded(place).await?;
        let listing = catalog.listing(place).await?;
        let manifest = match &recorded {
            Recorded::Read(manifest) => Some(manifest),
            Recorded::Missing | Recorded::Damaged(_) => None,
        };
        let objects = catalog.objects(work.clone(), place, manifest, on_bytes);
        let (catalog, place) = (catalog.clone(), place.clone());
        let findings = Findings::default();
        Ok(Pass { catalog, work, place, recorded, listing, objects, findings, listings: 1 })
    }

    pub(super) fn ask(&self, depth: Depth) -> Answer {
        match inspect(&self.listing, &self.recorded, &self.findings, depth) {
            Step::Done(report) => Answer::Done(report),
            Step::Need(needs) => Answer::Need(needs),
        }
    }

    /// Whether `manifest.json` is another one by now.
    pub(super) async fn is_outdated(&self) -> Result<bool, RestoreError> {
        Ok(self.catalog.recorded(&self.place).await? != self.recorded)
    }

    pub(super) fn bytes_checked(&self) -> u64 {
        self.objects.downloaded_bytes()
    }

    /// Answers needs.
    pub(super) async fn fetch(&mut self, needs: Needs, scratch: Option<&Output>) -> Result<(), RestoreError> {
        assert!(!needs.is_empty(), "a question without an answer would be asked for ever");
        let Needs { headers, page_indexes, whole_objects, restores } = needs;
        let in_flight = self.catalog.limits.requests_in_flight;
        let is_all_there = self.read_each(headers, in_flight, How::Header).await?
            && self.read_each(page_indexes, in_flight.min(INDEXES_AT_ONCE), How::PageIndex).await?
            && self.read_each(whole_objects, WHOLE_AT_ONCE, How::Whole).await?;
        if !is_all_there {
            return self.list_again().await;
        }
        if !restores.is_empty() {
            let scratch = scratch.expect("only a deep look restores, and it has somewhere to");
            self.restore_each(restores, scratch).await?;
        }
        Ok(())
    }

    /// Reads objects; `false` if one is gone.
    async fn read_each(
        &mut self,
        keys: Vec<ObjectKey>,
        at_once: usize,
        how: How,
    ) -> Result<bool, RestoreError> {
        let listed =
            |key: ObjectKey| self.listing.get(key).expect("only listed objects are asked for").clone();
        let infos: Vec<ObjectInfo> = keys.into_iter().map(listed).collect();
        let request_bytes_max = self.catalog.limits.read.request_bytes_max;
        let reads = stream::iter(infos).map(|info| {
            let (objects, work) = (self.objects.clone(), self.work.clone());
            Task::spawn(async move {
                let read = read(&objects, &work, &info, (how, request_bytes_max)).await;
                read.map(|read| (info.key, read))
            })
        });
        let mut reads = reads.buffer_unordered(at_once);
        let mut is_all_there = true;
        while let Some(read) = reads.next().await {
            match read? {
                (key, Read::Look(look)) => self.findings.learn_look(key, look),
                (key, Read::Whole(whole)) => self.findings.learn_whole(key, whole),
                (key, Read::Damage(why)) => self.findings.learn_damage(key, why),
                (_, Read::Gone) => is_all_there = false,
            }
        }
        Ok(is_all_there)
    }

    /// Restores points one after the other: there is never more than one temporary file.
    async fn restore_each(&mut self, points: Vec<Txid>, scratch: &Output) -> Result<(), RestoreError> {
        let restorer = Restorer::new(self.catalog.clone(), self.work.clone(), Arc::new(|_| ()));
        let mut survey: Survey = restorer.survey(&self.place).await?;
        for txid in points {
            let outcome = match restorer.rehearse(&mut survey, Target::Txid(txid), scratch).await {
                Ok(_) => Ok(()),
                // The policy let it go since it was listed.
                Err(RestoreError::Plan(PlanError::Compacted { .. })) => Ok(()),
                Err(
                    error @ (RestoreError::Plan(_)
                    | RestoreError::NotProven { .. }
                    | RestoreError::Integrity { .. }),
                ) => Err(error.to_string().into()),
                Err(error) => return Err(error),
            };
            self.findings.learn_restored(txid, outcome);
        }
        Ok(())
    }

    /// Lists again, because an object was not there any more.
    async fn list_again(&mut self) -> Result<(), RestoreError> {
        if self.listings >= LISTINGS_MAX {
            return Err(RestoreError::Restless { listings: self.listings });
        }
        self.listings += 1;
        let listing = self.catalog.listing(&self.place).await?;
        self.findings.forget_changed(&self.listing, &listing);
        self.objects.forget();
        self.listing = listing;
        Ok(())
    }
}

/// How much of an object is read.
#[derive(Clone, Copy)]
enum How {
    Header,
    PageIndex,
    Whole,
}

async fn read(
    objects: &Arc<Objects>,
    work: &Arc<dyn Work>,
    info: &ObjectInfo,
    (how, request_bytes_max): (How, u64),
) -> Result<Read, ReadError> {
    let read = match how {
        How::Header => objects.header(info).await.map(|header| {
            let facts = Facts::from(&header);
            Read::Look(Look { facts, full: info.key.starts_at_one(), digest: digest(objects, info.key) })
        }),
        How::PageIndex => objects.index(info).await.map(|(header, index)| {
            let facts = Facts::from(&header);
            let pages = index.iter().map(|entry| entry.pgno);
            let full = is_full_image(facts.commit, facts.page_size, objects.lock_byte(), pages);
            Read::Look(Look { facts, full, digest: digest(objects, info.key) })
        }),
        How::Whole => {
            let mut whole = check_whole(objects, work, info, request_bytes_max).await;
            if let Err(Fault::Damaged(..)) = whole {
                // It may have come wrong.
                objects.forget_one(info.key);
                whole = check_whole(objects, work, info, request_bytes_max).await;
            }
            whole.map(|whole| Read::Whole(Whole { pages: whole.pages, digest: digest(objects, info.key) }))
        }
    };
    match read {
        Ok(read) => Ok(read),
        Err(Fault::Damaged(_, why)) => Ok(Read::Damage(why)),
        Err(Fault::Gone(_)) => Ok(Read::Gone),
        Err(Fault::Store(error)) => Err(error),
        Err(Fault::Output(_)) => unreachable!("reading writes nothing"),
    }
}

/// The SHA-256 of the bytes where all were read, else what is kept beside them.
fn digest(objects: &Objects, key: ObjectKey) -> Option<engine::store::Sha256> {
    let digests = objects.digests(key);
    digests.content.or(digests.beside)
}

/// Page indexes that are in memory at one time; those of snapshots are large.
const INDEXES_AT_ONCE: usize = 8;
/// Objects that are read whole at one time; each reads ahead.
const WHOLE_AT_ONCE: usize = 4;
