//! `restore --all`: every database of a store, several at a time. One that fails keeps no other from being restored.

use super::find::{self, list_of};
use super::interrupt::unless_interrupted;
use super::restore_all_report::{Entry, report};
use super::restore_failure::Context;
use super::restore_folders::Folders;
use super::restore_paths::{Planned, paths};
use super::restore_place::{Outcome, Restoring, output};
use super::restore_proof::Keeper;
use crate::args::How;
use crate::config::{Config, LimitSettings, StateDir, StoreSettings};
use crate::exit::Failure;
use crate::output::{Printer, Progress};
use engine::key::Place;
use futures::stream::{self, StreamExt as _};
use io_real::restore::{Limits, Places};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Everything it needs to know.
#[derive(Clone, Debug)]
pub struct RestoreAllJob {
    /// The store.
    pub store: StoreSettings,
    /// Where to, absolute: NAME becomes `<dir>/<NAME>.db`.
    pub dir: PathBuf,
    /// How each of them.
    pub how: How,
    /// What bounds requests and their memory, for all together.
    pub limits: LimitSettings,
    /// Where it is left what a later `watch` needs to go on from the results.
    pub state_dir: StateDir,
}

impl RestoreAllJob {
    /// Decides where the answers go.
    ///
    /// # Errors
    /// Exit 2: `dir` cannot be a directory.
    pub fn plan(dir: &Path, how: How, config: &Config) -> Result<RestoreAllJob, Failure> {
        let dir = config.surroundings.working_dir.join(dir);
        if dir.exists() && !dir.is_dir() {
            return Err(Failure::usage("the databases cannot be restored there")
                .cause(format!("{} is not a directory", dir.display()))
                .hint("walsync restore --all -o DIR"));
        }
        Ok(RestoreAllJob {
            store: config.settings.store.clone(),
            how,
            limits: config.settings.limits.clone(),
            state_dir: config.state_dir(&dir.join("-")),
            dir,
        })
    }

    /// A body counts until its pages are written, so requests and memory have one bound.
    fn limits(&self) -> Limits {
        let limits = Limits::default();
        let bodies = self.limits.memory_bytes / limits.read.request_bytes_max.max(1);
        let requests = self.limits.requests_in_flight.min(bodies).max(1);
        Limits { requests_in_flight: usize::try_from(requests).unwrap_or(usize::MAX), ..limits }
    }
}

/// Restores them all and prints the reports. A signal ends it; what is restored by then stays, and nothing else.
///
/// # Errors
/// Exit 1: one or more could not be restored, or there is nothing; else as in the table of exit codes.
pub async fn run(job: RestoreAllJob, printer: &Printer) -> Result<(), Failure> {
    unless_interrupted(restore(&job, printer)).await
}

async fn restore(job: &RestoreAllJob, printer: &Printer) -> Result<(), Failure> {
    let url = &job.store.url;
    let limits = job.limits();
    let at_once = PLACES_AT_ONCE.min(limits.requests_in_flight);
    let catalog = find::catalog_within(&job.store, limits)?;
    let Places { places, of_litestream_0_3 } =
        catalog.all_places().await.map_err(|error| find::unreadable(url, &error))?;
    if places.is_empty() && of_litestream_0_3.is_empty() && !job.how.allow_empty {
        return Err(Failure::no(format!("{url} holds no database")).hint(list_of(url)));
    }
    let unread: BTreeSet<Place> = of_litestream_0_3.into_iter().collect();
    let found: Vec<_> = places.iter().chain(&unread).map(|place| find::found(place.clone(), url)).collect();
    let keeper = Keeper::new(&job.state_dir);
    let run = Run {
        restoring: Restoring { catalog: &catalog, store: &job.store, how: job.how, keeper: &keeper },
        folders: Folders::default(),
        progress: Arc::new(printer.progress(&format!("restoring {} databases", found.len()), None)),
        bytes_total: AtomicU64::new(0),
        unread,
    };
    let each = stream::iter(paths(found, &job.dir, url)).map(async |planned| run.one(planned).await);
    let mut entries: Vec<Entry> = each.buffer_unordered(at_once).collect().await;
    // The progress bar goes before anything else is said.
    drop(run);
    keeper.tell(printer);
    entries.sort_by(|left, right| left.name.cmp(&right.name));
    report(printer, job, &entries)
}

/// What the restores share.
struct Run<'a> {
    restoring: Restoring<'a>,
    folders: Folders,
    progress: Arc<Progress>,
    /// Bytes of everything that was planned so far.
    bytes_total: AtomicU64,
    /// What another tool wrote in a format that is not read.
    unread: BTreeSet<Place>,
}

impl Run<'_> {
    async fn one(&self, Planned { found, path, refused }: Planned) -> Entry {
        let came = match refused {
            _ if self.unread.contains(&found.place) => Err(find::of_litestream_0_3(&found.name)),
            Some(failure) => Err(failure),
            None => self.restore(&found, &path).await,
        };
        match &came {
            Ok(Outcome::Restored(..)) => tracing::debug!(database = %found.name, "restored"),
            Ok(_) => {}
            Err(failure) => tracing::debug!(database = %found.name, %failure, "not restored"),
        }
        Entry { name: found.name, output: path, came }
    }

    async fn restore(&self, found: &find::Found, path: &Path) -> Result<Outcome, Failure> {
        let (store, how) = (self.restoring.store, self.restoring.how);
        let context = Context { name: &found.name, store, output: Some(path) };
        let dir = path.parent().expect("a path below a directory");
        let begin = |bytes| {
            let total = self.bytes_total.fetch_add(bytes, Ordering::Relaxed) + bytes;
            self.progress.set_total(total);
            self.progress.clone()
        };
        // A dry run makes nothing, and in a directory that is not there no file can be in the way.
        let is_there = if how.dry_run {
            dir.exists()
        } else {
            self.folders.make(dir).map_err(|failure| failure.database(&found.name))?;
            true
        };
        if !is_there {
            return self.restoring.plan(found, path).await;
        }
        match output(&context, path, how)? {
            Ok(output) => self.restoring.place(found, (&output, path), begin).await,
            Err(nothing) => Ok(nothing),
        }
    }
}

/// Requests are what counts; more databases at a time would only hold more page indexes in memory.
const PLACES_AT_ONCE: usize = 8;
