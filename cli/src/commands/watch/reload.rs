//! SIGHUP: the configuration is read again. Databases that stay are told their new values and keep their pins; new ones
//! are added, others synced and stopped. Only another store, or another way to reach it, begins everything anew. A
//! configuration with errors changes nothing.

use super::daemon::{Daemon, Ending};
use super::databases::{config, memory_share};
use super::signals::Asked;
use super::{WatchJob, fencing, host};
use crate::commands::open_store::open_store;
use crate::config::{DatabaseSpec, StoreSettings, TakeOver};
use crate::exit::Failure;
use crate::output::Printer;
use engine::replicate::SourceId;
use serde_json::json;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Instant;

/// Databases on their way out, with what follows in their place.
pub(super) type Leaving = BTreeMap<SourceId, Option<DatabaseSpec>>;

impl Daemon {
    /// Reads the configuration again and does what it says. `job` is the new one after that, or the old.
    ///
    /// # Errors
    /// Standard output does not take what is said.
    pub(super) async fn reload(&mut self, job: &mut WatchJob, printer: &Printer) -> Result<(), Failure> {
        if self.ending != Ending::No || job.once {
            return Ok(());
        }
        let new = match job.reload(&self.known, printer) {
            Ok(new) => new,
            Err(failure) => return refused(&failure, printer),
        };
        if !is_same_store(&job.store, &new.store)
            && let Some(failure) = self.unusable(&new, printer).await
        {
            return refused(&failure, printer);
        }
        if self.ending != Ending::No {
            return Ok(());
        }
        if let Err(failure) = host::raise_open_files(new.databases.len(), new.limits.requests_in_flight) {
            return refused(&failure, printer);
        }
        tell_changes(job, &new, printer)?;
        if new.state_dir.path != job.state_dir.path {
            tracing::warn!(
                key = "state.dir",
                "the state stays in {} until the next start",
                job.state_dir.path.display()
            );
        }
        let new = WatchJob { state_dir: job.state_dir.clone(), ..new };
        if !is_same_store(&job.store, &new.store) {
            tracing::info!(store = %new.store.url, "another store: everything is synced, stopped, and begins anew");
            self.next = Some(Box::new(new));
            self.finish(Ending::By(Instant::now() + self.shutdown_timeout()));
            return Ok(());
        }
        let before = std::mem::replace(job, new);
        let requests = usize::try_from(job.limits.requests_in_flight).unwrap_or(usize::MAX);
        self.handle.bound(requests, job.limits.upload_bytes_per_second);
        self.compare(&before, job)
    }

    /// Adds what is new, stops what is no more, and tells the others their new values.
    fn compare(&mut self, before: &WatchJob, job: &WatchJob) -> Result<(), Failure> {
        let mut wanted: BTreeMap<PathBuf, DatabaseSpec> =
            job.databases.iter().map(|spec| (spec.path.clone(), spec.clone())).collect();
        self.memory_bytes_each = memory_share(job.limits.memory_bytes, wanted.len());
        let take_over_changed = take_over(before) != take_over(job);
        for spec in self.known.clone() {
            let Some(id) = self.ledger.id_of(&spec.path) else { continue };
            let wanted = wanted.remove(&spec.path);
            if let Some(next) = self.leaving.get_mut(&id) {
                *next = wanted;
                continue;
            }
            match wanted {
                None => self.leave(id, None),
                Some(new) if new.place != spec.place => self.leave(id, Some(new)),
                // A person who mended what the end state was about means it to be looked at again.
                Some(new)
                    if self.ledger.is_fenced(id) && (take_over_changed || new.settings != spec.settings) =>
                {
                    self.leave(id, Some(new));
                }
                Some(new) => self.keep(id, new, job)?,
            }
        }
        for spec in wanted.into_values() {
            tracing::info!(database = %spec.place, path = %spec.path.display(), "added");
            self.add(&spec, job)?;
        }
        self.refused.clear();
        Ok(())
    }

    fn keep(&mut self, id: SourceId, spec: DatabaseSpec, job: &WatchJob) -> Result<(), Failure> {
        self.handle.reconfigure(id, config(&spec, job, self.memory_bytes_each, self.conditional_writes)?);
        if let Some(known) = self.known.iter_mut().find(|known| known.path == spec.path) {
            *known = spec;
        }
        Ok(())
    }

    /// Syncs and stops a database; what follows in its place waits for that.
    fn leave(&mut self, id: SourceId, next: Option<DatabaseSpec>) {
        self.handle.stop(id);
        self.leaving.insert(id, next);
    }

    /// A database has stopped. One that was on its way out is forgotten, and what follows is added.
    pub(super) fn left(&mut self, id: SourceId, job: &WatchJob) -> Result<(), Failure> {
        let Some(next) = self.leaving.remove(&id) else { return Ok(()) };
        if let Some(wake) = &self.wake {
            wake.unwatch(id);
        }
        if let Some(path) = self.ledger.remove(id) {
            self.known.retain(|known| known.path != path);
        }
        match next.filter(|_| self.ending == Ending::No) {
            Some(spec) => self.add(&spec, job),
            None => Ok(()),
        }
    }

    /// The share of memory changes with how many there are.
    pub(super) fn share_memory(&mut self, job: &WatchJob) -> Result<(), Failure> {
        let each = memory_share(job.limits.memory_bytes, self.known.len());
        if each == self.memory_bytes_each {
            return Ok(());
        }
        self.memory_bytes_each = each;
        for spec in self.known.clone() {
            if let Some(id) = self.ledger.id_of(&spec.path) {
                self.keep(id, spec, job)?;
            }
        }
        Ok(())
    }

    /// Why the store of a new configuration cannot be used; it is given `store.timeout` to answer.
    async fn unusable(&mut self, new: &WatchJob, printer: &Printer) -> Option<Failure> {
        let store = match open_store(&new.store) {
            Ok(store) => store,
            Err(failure) => return Some(failure),
        };
        let asked_once = WatchJob { once: true, ..new.clone() };
        let probed = fencing::probe(&asked_once, &*store, printer);
        let mut probed = std::pin::pin!(probed);
        loop {
            tokio::select! {
                probed = &mut probed => return probed.err(),
                asked = self.signals.next() => if asked == Asked::End {
                    self.asked_to_end();
                    return None;
                }
            }
        }
    }
}

/// Whether databases can go on with it: `take_over` is told to each of them.
fn is_same_store(old: &StoreSettings, new: &StoreSettings) -> bool {
    let (take_over, take_over_origin) = (old.take_over, old.take_over_origin.clone());
    let new = StoreSettings { take_over, take_over_origin, ..new.clone() };
    // What nobody chose and what somebody chose alike is one store.
    *old == StoreSettings { is_default: old.is_default, ..new }
}

fn take_over(job: &WatchJob) -> TakeOver {
    job.store.take_over
}

fn tell_changes(old: &WatchJob, new: &WatchJob, printer: &Printer) -> Result<(), Failure> {
    let (_, old) = &old.origin;
    let (_, new) = &new.origin;
    let changes = old.changes(new);
    for change in &changes {
        let path = change.path.as_deref();
        tracing::info!(path, key = change.key, old = %change.old, new = %change.new, "changed");
    }
    tracing::info!(changes = changes.len(), "the configuration was read again");
    if !printer.is_json() {
        return Ok(());
    }
    printer.document(&json!({ "event": "reloaded", "changes": changes }))
}

/// Says all that is wrong with it; the old one goes on.
fn refused(failure: &Failure, printer: &Printer) -> Result<(), Failure> {
    let hint = failure.hint_text();
    for cause in failure.causes() {
        tracing::error!("{cause}");
    }
    tracing::error!(hint, "not reloaded, the old configuration goes on: {}", failure.headline());
    if !printer.is_json() {
        return Ok(());
    }
    printer.document(&json!({
        "event": "reload_refused",
        "error": failure.headline(),
        "causes": failure.causes(),
        "hint": hint,
    }))
}
