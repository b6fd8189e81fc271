//! Does the store keep a second writer out? Asked once per store, and remembered.

use crate::commands::watch::WatchJob;
use crate::config::{Fencing, StoreSettings, StoreUrl};
use crate::exit::Failure;
use crate::output::Printer;
use engine::store::StoreError;
use io_real::driver::SystemClock;
use io_real::port::{Clock as _, Store};
use io_real::store::{ConditionalWrites, FencingCache, probe_conditional_writes};
use std::path::Path;
use std::time::{Duration, Instant};

/// Looks whether the store honours the conditions of writes, as `store.fencing` demands; `false`: it does not, and
/// every write must be looked for. With `off` it is taken to. A store that does not answer is asked again: for ever, or
/// under `--once` for `store.timeout`.
///
/// # Errors
/// Exit 2: it does not, and `require` refuses it. Exit 3 under `--once`: no answer.
pub(super) async fn probe(job: &WatchJob, store: &dyn Store, printer: &Printer) -> Result<bool, Failure> {
    let settings = &job.store;
    // A directory is ours to write: links and locks decide there.
    let is_directory = matches!(settings.url, StoreUrl::File { .. });
    if is_directory || settings.fencing == Fencing::Off {
        return Ok(true);
    }
    let (name, mut cache) = remembered(&job.state_dir.path, settings);
    if cache.is_honoured(&name, SystemClock.now().wall) {
        return Ok(true);
    }
    match answer(job, store).await? {
        ConditionalWrites::Honoured => {
            cache.remember(&name, SystemClock.now().wall);
            Ok(true)
        }
        ConditionalWrites::Ignored if settings.fencing == Fencing::Require => {
            Err(Failure::usage(format!("the store {} does not fence writers", settings.url))
                .cause("it took a second write, or a second upload in parts, of a key that was to be created only if absent")
                .cause("store.fencing = \"require\" refuses such a store")
                .hint("use a store with conditional writes, or set store.fencing = \"auto\""))
        }
        ConditionalWrites::Ignored => {
            let text = format!(
                "{} ignores conditional writes: two writers can overwrite each other's objects. Each write is looked \
                 for before and after, which finds a second writer but does not keep it out. Make sure that there \
                 is never more than one",
                settings.url
            );
            printer.warn(text, Some("use a store with conditional writes, and store.fencing = \"require\""));
            Ok(false)
        }
    }
}

/// What daemons of this state directory remember, and the store's name in that.
pub(in crate::commands) fn remembered(state_dir: &Path, settings: &StoreSettings) -> (String, FencingCache) {
    let name = format!("{} {}", settings.url, settings.endpoint.as_deref().unwrap_or_default());
    (name, FencingCache::load(&state_dir.join("fencing.json")))
}

async fn answer(job: &WatchJob, store: &dyn Store) -> Result<ConditionalWrites, Failure> {
    let started = Instant::now();
    let mut pause = PAUSE_MIN;
    loop {
        let error = match probe_conditional_writes(store).await {
            Ok(answer) => return Ok(answer),
            Err(error) => error,
        };
        if job.once && (started.elapsed() >= job.store.timeout || matches!(error, StoreError::Fatal { .. })) {
            let endpoint = job.store.endpoint.as_ref().map(|url| format!(" at {url}")).unwrap_or_default();
            let what = format!("the store {}{endpoint} cannot be used", job.store.url);
            return Err(Failure::of_store(what, &error).hint(super::again::show_config(job)));
        }
        tracing::warn!(store = %job.store.url, %error, "the store does not answer, trying again");
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(PAUSE_MAX);
    }
}

const PAUSE_MIN: Duration = Duration::from_millis(200);
const PAUSE_MAX: Duration = Duration::from_secs(30);
