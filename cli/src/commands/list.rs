//! `list`: what there is in the store.

use super::interrupt::unless_interrupted;
use super::restore::JobTarget;
use super::restore_failure::Context;
use super::{find, list_report};
use crate::args::{ListRequest, Target};
use crate::config::{Config, DatabaseSpec, StoreSettings, StoreUrl, discover, expected};
use crate::exit::Failure;
use crate::output::Printer;
use engine::restore::Point;
use futures::stream::{self, StreamExt as _};
use io_real::driver::TokioWork;
use io_real::port::Work;
use io_real::restore::{Catalog, Survey};
use std::path::PathBuf;
use std::sync::Arc;

/// Everything the listing needs to know.
#[derive(Clone, Debug)]
pub struct ListJob {
    /// The store. For [`JobTarget::Root`] its URL is the place's.
    pub store: StoreSettings,
    /// One database; `None`: all.
    pub target: Option<JobTarget>,
    /// What is configured, for `config::resolve`.
    pub databases: Vec<DatabaseSpec>,
    /// Every restorable point.
    pub points: bool,
    /// What a local path given as NAME is relative to.
    pub working_dir: PathBuf,
}

impl ListJob {
    /// Decides which store and database are meant.
    ///
    /// # Errors
    /// Exit 2: a URL that cannot be used.
    pub fn plan(request: &ListRequest, config: &Config) -> Result<ListJob, Failure> {
        let (store, target) = match &request.target {
            None => (config.settings.store.clone(), None),
            Some(target) => {
                let (store, target) = store_and_target(target, config)?;
                (store, Some(target))
            }
        };
        let databases = configured(target.as_ref(), config);
        let working_dir = config.surroundings.working_dir.clone();
        Ok(ListJob { store, target, databases, points: request.points, working_dir })
    }
}

/// Lists and prints.
///
/// # Errors
/// As in the table of exit codes.
pub async fn run(job: ListJob, printer: &Printer) -> Result<(), Failure> {
    unless_interrupted(async {
        let catalog = find::catalog(&job.store)?;
        match &job.target {
            None => list_all(&job, &catalog, printer).await,
            Some(target) => list_one(&job, &catalog, target, printer).await,
        }
    })
    .await
}

/// One line per database. One that cannot be looked at keeps no other from being shown.
async fn list_all(job: &ListJob, catalog: &Catalog, printer: &Printer) -> Result<(), Failure> {
    let url = &job.store.url;
    let places = catalog.all_places().await.map_err(|error| find::unreadable(url, &error))?;
    find::warn_of_unread(&places, url, printer)?;
    let looks = stream::iter(places.places).map(async |place| {
        let found = find::found(place, url);
        let (survey, points) = look(job, catalog, &found, false).await?;
        Ok(list_report::DatabaseLine::of(found.name, survey.listing(), &points))
    });
    let looks: Vec<Result<_, Failure>> = looks.buffered(PLACES_AT_ONCE).collect().await;
    let (lines, failures): (Vec<_>, Vec<_>) = looks.into_iter().partition(Result::is_ok);
    let lines: Vec<_> = lines.into_iter().flatten().collect();
    let failures: Vec<Failure> = failures.into_iter().filter_map(Result::err).collect();
    if lines.is_empty()
        && let Some(worst) = failures.iter().max_by_key(|failure| failure.kind())
    {
        return Err(worst.clone());
    }
    list_report::databases(printer, &url.to_string(), &lines)?;
    match failures.into_iter().max_by_key(Failure::kind) {
        Some(worst) => Err(worst),
        None => Ok(()),
    }
}

async fn list_one(
    job: &ListJob,
    catalog: &Catalog,
    target: &JobTarget,
    printer: &Printer,
) -> Result<(), Failure> {
    let found = find::database(catalog, &job.store.url, target, &job.databases, &job.working_dir).await?;
    let (survey, points) = look(job, catalog, &found, job.points).await?;
    list_report::database(printer, found.name, survey.listing(), &points, job.points)
}

/// What a place holds and what restores of it; with times, each point is checked as far as headers tell.
async fn look(
    job: &ListJob,
    catalog: &Catalog,
    found: &find::Found,
    with_times: bool,
) -> Result<(Survey, Vec<Point>), Failure> {
    let context = Context { name: &found.name, store: &job.store, output: None };
    let work: Arc<dyn Work> = Arc::new(TokioWork::current());
    let looked = async {
        let mut survey = Survey::open(catalog, work, &found.place, |_| {}).await?;
        let points = if with_times { survey.points_checked().await } else { survey.points().await }?;
        Ok((survey, points))
    };
    looked.await.map_err(|error| context.failure(&error))
}

/// Each has up to the store's bound of requests in flight by itself.
const PLACES_AT_ONCE: usize = 8;

/// The databases of the configuration; where none is meant, also those that would be if their files were there.
pub(super) fn configured(target: Option<&JobTarget>, config: &Config) -> Vec<DatabaseSpec> {
    // Two databases on one place must not keep anybody from getting data back.
    let mut databases = discover(&config.entries, &[]).databases;
    let given = match target {
        Some(JobTarget::Place(place)) => place.as_str(),
        Some(JobTarget::Named(name)) => name,
        Some(JobTarget::Root) | None => return databases,
    };
    let is_known = |spec: &DatabaseSpec| {
        spec.place.ends_with(given.trim_matches('/'))
            || spec.path == config.surroundings.working_dir.join(given)
    };
    if !databases.iter().any(is_known) {
        databases.extend(expected(&config.entries, given, &config.surroundings.working_dir));
    }
    databases
}

/// The store to open and what is meant inside it. A URL inside the configured store is a place of it; any
/// other URL is a store of its own, with the other settings of the configured one.
pub(super) fn store_and_target(
    target: &Target,
    config: &Config,
) -> Result<(StoreSettings, JobTarget), Failure> {
    let store = config.settings.store.clone();
    let Target::Url(text) = target else { return Ok((store, target.into())) };
    let url = StoreUrl::parse(text, &config.surroundings.working_dir)
        .map_err(|error| Failure::usage("the URL cannot be used").because(&error).hint("walsync list"))?;
    match url.place_within(&store.url) {
        Some(place) => Ok((store, JobTarget::Place(place))),
        None => Ok((StoreSettings { url, is_default: false, ..store }, JobTarget::Root)),
    }
}
