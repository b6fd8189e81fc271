//! One restore from beginning to end: plan, download, prove, publish; around what is gone or damaged.

use super::blocking::off_thread;
use super::download::{Downloaded, download};
use super::error::Fault;
use super::output::Output;
use super::page_writer::PageFile;
use super::sums::PageChecksums;
use super::survey::Survey;
use super::temporary::Temporary;
use super::whole::{Headers, check_each};
use super::{Catalog, OutputError, RestoreError, integrity};
use crate::port::Work;
use engine::db::PageSums;
use engine::key::{ObjectInfo, ObjectKey, Place};
use engine::mutants::{Mutant, mutated};
use engine::replicate::{CachedSums, FileId, RestoreProof};
use engine::restore::{ApplyError, Plan, PlanError, Target};
use engine::types::{Checksum, PageSize, Timestamp, Txid};
use std::path::Path;
use std::sync::Arc;

/// What happens while a database is restored.
#[derive(Clone, Copy, Debug)]
pub enum Event<'a> {
    /// These objects are going to be read.
    Planned(&'a Plan),
    /// So many more bytes came from the store.
    Downloaded(u64),
    /// An object is not what it claims to be; another way is looked for.
    Damaged {
        /// The object.
        object: ObjectKey,
        /// What is wrong with it.
        why: &'a str,
    },
    /// An object was gone; the place is listed again.
    ListedAgain {
        /// The object.
        object: ObjectKey,
    },
    /// Nothing leads around a damaged object; the place is listed again, since what does may have come meanwhile.
    NoWayAround {
        /// The object.
        object: ObjectKey,
    },
}

/// Hears of events, on any thread.
pub type Observer = Arc<dyn Fn(Event<'_>) + Send + Sync>;

/// Takes what a later `watch` needs to continue a database: of each file that is finished and durable, just before it
/// gets the name. It may block. After a crash in between it tells of a file that is not there.
pub type Recorder = Arc<dyn Fn(&Path, &RestoreProof) + Send + Sync>;

/// What vouches for the result.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Proof {
    /// Its checksum is the one of the database that its writer had.
    Database(Checksum),
    /// Every object that contributed a page equals its own checksum. Another tool wrote them: that together
    /// they are the writer's database, nothing says.
    Objects,
}

/// A restored database.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Restored {
    /// The state.
    pub txid: Txid,
    /// When it was sealed.
    pub time: Timestamp,
    /// Bytes per page.
    pub page_size: PageSize,
    /// Pages in the database.
    pub page_count: u32,
    /// Length of the file.
    pub size_bytes: u64,
    /// Objects of the plan.
    pub objects_count: usize,
    /// Links between them that no checksum vouches for.
    pub unchained_count: usize,
    /// Everything that came from the store, headers and failed attempts included.
    pub downloaded_bytes: u64,
    /// The database's checksum, whether anything vouches for it or not.
    pub checksum: Checksum,
    /// What vouches for it.
    pub proof: Proof,
    /// Whether `PRAGMA integrity_check` was run, and found nothing.
    pub integrity_checked: bool,
}

/// Restores databases of one store.
#[derive(Clone)]
pub struct Restorer {
    catalog: Catalog,
    work: Arc<dyn Work>,
    observer: Observer,
    recorder: Option<Recorder>,
}

impl Restorer {
    /// `work`: where files are written and pages unpacked.
    pub fn new(catalog: Catalog, work: Arc<dyn Work>, observer: Observer) -> Restorer {
        Restorer { catalog, work, observer, recorder: None }
    }

    /// Tells `recorder` of every database that a checksum vouches for. Takes 8 bytes of memory per page.
    pub fn recording(self, recorder: Recorder) -> Restorer {
        Restorer { recorder: Some(recorder), ..self }
    }

    /// Lists a place, to plan or restore.
    ///
    /// # Errors
    /// When the store does not answer, or a newer version wrote the place.
    pub async fn survey(&self, place: &Place) -> Result<Survey, RestoreError> {
        let observer = self.observer.clone();
        let on_bytes = move |bytes| observer(Event::Downloaded(bytes));
        Survey::open(&self.catalog, self.work.clone(), place, on_bytes).await
    }

    /// Restores a state to `output`; with `integrity_check` SQLite has to agree before the file gets its
    /// name. Dropping the future ends it; a job of it that runs already ends by itself, and then nothing is
    /// left.
    ///
    /// # Errors
    /// Whatever went wrong, there is no new file and the old one is untouched, unless the directory could not
    /// be changed half-way ([`OutputError`]).
    pub async fn restore(
        &self,
        survey: &mut Survey,
        target: Target,
        output: &Output,
        integrity_check: bool,
    ) -> Result<Restored, RestoreError> {
        let Made { plan, temporary, attempted } = self.make(survey, target, output, integrity_check).await?;
        let Attempted { checksum, proof, sums } = attempted;
        let record = sums.map(|sums| self.record(survey, &plan, sums));
        self.publish(output, temporary, record).await?;
        Ok(Restored {
            txid: plan.txid(),
            time: plan.time(),
            page_size: plan.page_size(),
            page_count: plan.page_count(),
            size_bytes: plan.database_bytes(),
            objects_count: plan.objects().len(),
            unchained_count: plan.unchained_count(),
            downloaded_bytes: survey.objects.downloaded_bytes(),
            checksum,
            proof,
            integrity_checked: integrity_check,
        })
    }

    /// Restores a state to the temporary file of `output`, has SQLite check it, and leaves nothing.
    ///
    /// # Errors
    /// As [`Restorer::restore`].
    pub async fn rehearse(
        &self,
        survey: &mut Survey,
        target: Target,
        output: &Output,
    ) -> Result<Txid, RestoreError> {
        Ok(self.make(survey, target, output, true).await?.plan.txid())
    }

    /// Makes the database that `output` gets, around what is gone or damaged.
    async fn make(
        &self,
        survey: &mut Survey,
        target: Target,
        output: &Output,
        integrity_check: bool,
    ) -> Result<Made, RestoreError> {
        loop {
            let plan = self.plan(survey, target).await?;
            (self.observer)(Event::Planned(&plan));
            // A new file for each attempt: what is still being written belongs to the old one.
            let temporary = self.temporary(output).await?;
            let attempt = self.attempt(survey, &plan, &temporary).await;
            match attempt {
                Ok(attempted) => {
                    if integrity_check {
                        self.check_integrity(output, &plan, &temporary).await?;
                    }
                    return Ok(Made { plan, temporary, attempted });
                }
                // Each object is proven or learned as damaged once, so this comes to an end.
                Err(Failed::Fault(fault)) => {
                    if let Some(fault) = self.confirmed(survey, fault).await {
                        self.learn(survey, fault).await?;
                    }
                }
                Err(Failed::NotProven { expected, found, headers }) => {
                    // All of them are sound: a header, or a page, came wrong. Once is enough to find out.
                    let learned =
                        headers.into_iter().filter(|(key, header)| survey.learn_proven(*key, header.clone()));
                    if learned.count() == 0 {
                        return Err(RestoreError::NotProven { txid: plan.txid(), expected, found });
                    }
                }
            }
        }
    }

    /// The objects that lead to a target, around what is damaged. Where headers contradict each other, the objects are read
    /// whole before one of them is given up: a header that is wrong speaks against a sound object.
    ///
    /// # Errors
    /// When there is no such state, or the store does not answer.
    pub async fn plan(&self, survey: &mut Survey, target: Target) -> Result<Plan, RestoreError> {
        loop {
            let planned = survey.plan(target).await;
            // What is planned around is told as well: the next fault might leave no way around.
            for (object, why) in survey.take_untold() {
                (self.observer)(Event::Damaged { object, why: &why });
            }
            let error = match planned {
                Err(RestoreError::Plan(error)) => error,
                done => return done,
            };
            // Each object is proven or learned as damaged once, and listings are bounded, so this comes to an end.
            let accused = accused(survey, &error);
            if accused.is_empty() || mutated(Mutant::RestoreAccusedBelieved) {
                if self.has_way_around_come(survey, &error).await {
                    continue;
                }
                return Err(RestoreError::Plan(error));
            }
            match self.check(survey, accused).await {
                Ok(headers) => headers.into_iter().for_each(|(key, header)| {
                    survey.learn_proven(key, header);
                }),
                Err(fault) => self.learn(survey, fault).await?,
            }
        }
    }

    /// Whether a place where something damaged is in the way has changed since it was listed. Listing takes time, and reading
    /// more: a snapshot that went up meanwhile leads around.
    async fn has_way_around_come(&self, survey: &mut Survey, error: &PlanError) -> bool {
        let PlanError::Damaged { object, .. } = error else { return false };
        if !survey.is_damage_new() {
            return false;
        }
        (self.observer)(Event::NoWayAround { object: *object });
        let before = survey.listing().clone();
        // That it cannot be listed again says less than the error that there is.
        survey.list_again().await.is_ok() && *survey.listing() != before
    }

    /// What is left of a fault when the object is read whole, once: what came wrong may lie right.
    async fn confirmed(&self, survey: &mut Survey, fault: Fault) -> Option<Fault> {
        let Fault::Damaged(key, _) = &fault else { return Some(fault) };
        let unproven = survey.listing().get(*key).filter(|_| survey.is_unproven(*key)).cloned();
        let Some(info) = unproven.filter(|_| !mutated(Mutant::RestoreAccusedBelieved)) else {
            return Some(fault);
        };
        survey.objects.forget_one(*key);
        match self.check(survey, vec![info]).await {
            Err(fault) => Some(fault),
            Ok(headers) => {
                headers.into_iter().for_each(|(key, header)| {
                    survey.learn_proven(key, header);
                });
                None
            }
        }
    }

    /// Takes note of a fault, so that the next plan goes around it.
    ///
    /// # Errors
    /// The fault, where nothing can be planned around it.
    async fn learn(&self, survey: &mut Survey, fault: Fault) -> Result<(), RestoreError> {
        match fault {
            Fault::Gone(object) => {
                (self.observer)(Event::ListedAgain { object });
                survey.list_again().await
            }
            Fault::Damaged(object, why) => {
                (self.observer)(Event::Damaged { object, why: &why });
                survey.learn_damage(object, &why);
                Ok(())
            }
            Fault::Store(error) => Err(error.into()),
            Fault::Output(error) => Err(error.into()),
        }
    }

    /// Downloads a plan and compares the result with what it promised.
    async fn attempt(
        &self,
        survey: &Survey,
        plan: &Plan,
        temporary: &Temporary,
    ) -> Result<Attempted, Failed> {
        let noted = self.recorder.as_ref().map(|_| Arc::<PageChecksums>::default());
        let to = PageFile {
            file: temporary.file.clone(),
            path: temporary.path.clone(),
            page_size: plan.page_size(),
            sums: noted.clone(),
        };
        let limits = &self.catalog.limits;
        let Downloaded { apply, written } =
            download(&survey.objects, &self.work, plan, to, limits).await.map_err(Failed::Fault)?;
        match apply.check_result(plan.page_count(), written.checksum) {
            Ok(true) => {
                let sums = noted.map(|noted| noted.take(plan.page_count()));
                let agree = sums.as_ref().is_none_or(|sums| sums.checksum() == written.checksum);
                assert!(agree, "the checksums that were noted are those that were counted");
                let checksum = written.checksum;
                Ok(Attempted { checksum, proof: Proof::Database(checksum), sums })
            }
            Ok(false) => Ok(Attempted { checksum: written.checksum, proof: Proof::Objects, sums: None }),
            Err(ApplyError::WrongChecksum { expected, found, .. }) => {
                let headers = self.check_all(survey, plan).await.map_err(Failed::Fault)?;
                Err(Failed::NotProven { expected, found, headers })
            }
            Err(error) => unreachable!("{error}: the page count is the plan's own"),
        }
    }

    /// Reads every object of a plan whole, because one of them must be damaged.
    async fn check_all(&self, survey: &Survey, plan: &Plan) -> Result<Headers, Fault> {
        // What is kept in memory may be what is wrong.
        survey.objects.forget();
        self.check(survey, plan.newest_first().map(|object| object.info.clone()).collect()).await
    }

    /// Reads objects whole: their headers, which are proven then, or the first fault.
    async fn check(&self, survey: &Survey, infos: Vec<ObjectInfo>) -> Result<Headers, Fault> {
        check_each(&survey.objects, &self.work, infos, self.catalog.limits.read.request_bytes_max).await
    }

    async fn temporary(&self, output: &Output) -> Result<Temporary, OutputError> {
        let output = output.clone();
        off_thread(&self.work, move || output.temporary()).await
    }

    async fn check_integrity(
        &self,
        output: &Output,
        plan: &Plan,
        temporary: &Temporary,
    ) -> Result<(), RestoreError> {
        let (files, path) = (output.files.clone(), temporary.path.clone());
        let problems = off_thread(&self.work, move || integrity::problems(files.vfs(), &path)).await;
        if problems.is_empty() || mutated(Mutant::RestoreIntegrityIgnored) {
            Ok(())
        } else {
            Err(RestoreError::Integrity { txid: plan.txid(), problems })
        }
    }

    /// Leaves what a later `watch` needs, once it is known which file it is about.
    fn record(&self, survey: &Survey, plan: &Plan, sums: PageSums) -> Record {
        let recorder = self.recorder.clone();
        let database = survey.manifest().map(|manifest| manifest.database);
        let cached = CachedSums { txid: plan.txid(), page_size: plan.page_size(), sums };
        Box::new(move |path, file| {
            if let Some(recorder) = recorder {
                recorder(path, &RestoreProof { database, file, cached });
            }
        })
    }

    async fn publish(
        &self,
        output: &Output,
        temporary: Temporary,
        record: Option<Record>,
    ) -> Result<(), OutputError> {
        let output = output.clone();
        off_thread(&self.work, move || output.publish(temporary, record)).await
    }
}

/// A database that has no name yet.
struct Made {
    plan: Plan,
    temporary: Temporary,
    attempted: Attempted,
}

/// What came of an attempt.
struct Attempted {
    checksum: Checksum,
    proof: Proof,
    /// Of each page, where somebody keeps them and the whole is proven.
    sums: Option<PageSums>,
}

/// Told of the finished file, and of the path that will be its own.
pub(super) type Record = Box<dyn FnOnce(&Path, FileId) + Send>;

/// Why an attempt made no database.
enum Failed {
    Fault(Fault),
    NotProven { expected: Checksum, found: Checksum, headers: Headers },
}

/// The objects of which an error says that they do not belong together, and that nobody has read whole.
fn accused(survey: &Survey, error: &PlanError) -> Vec<ObjectInfo> {
    let pair = match error {
        PlanError::Unlinked { left, right, .. } => [*left, *right],
        // Where there is no claim, none was misread.
        PlanError::Unclaimed { .. } if survey.listing().get(ObjectKey::slot(Txid::ONE + 1)).is_none() => {
            return Vec::new();
        }
        PlanError::Unclaimed { .. } => [ObjectKey::snapshot(Txid::ONE), ObjectKey::slot(Txid::ONE + 1)],
        _ => return Vec::new(),
    };
    let unread = pair.into_iter().filter(|key| survey.is_unproven(*key));
    unread.filter_map(|key| survey.listing().get(key)).cloned().collect()
}
