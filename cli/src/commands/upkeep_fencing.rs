//! Does a store mean its conditions? For a run without a daemon: as one remembers it, or tried, once per store.
//!
//! Who cannot tell leaves `manifest.json` as it is. It then names what was deleted, and `verify` finds that missing.

use super::watch::fencing::remembered;
use crate::config::{Fencing, StoreSettings, StoreUrl};
use io_real::driver::SystemClock;
use io_real::port::{Clock as _, Store};
use io_real::store::{ConditionalWrites, probe_conditional_writes};
use std::collections::BTreeMap;
use std::path::PathBuf;
use tokio::sync::Mutex;

/// The answers of one run.
pub(super) struct Conditions {
    state_dir: PathBuf,
    tried: Mutex<BTreeMap<String, bool>>,
}

impl Conditions {
    pub(super) fn new(state_dir: PathBuf) -> Conditions {
        Conditions { state_dir, tried: Mutex::default() }
    }

    /// Whether they are honoured. A store that gives no answer is taken not to.
    pub(super) async fn are_honoured(&self, settings: &StoreSettings, store: &dyn Store) -> bool {
        if matches!(settings.url, StoreUrl::File { .. }) || settings.fencing != Fencing::Auto {
            return true;
        }
        let (name, cache) = remembered(&self.state_dir, settings);
        if cache.is_honoured(&name, SystemClock.now().wall) {
            return true;
        }
        // Who asks second waits for what the first one hears.
        let mut tried = self.tried.lock().await;
        if let Some(answer) = tried.get(&name) {
            return *answer;
        }
        let answer = matches!(probe_conditional_writes(store).await, Ok(ConditionalWrites::Honoured));
        tried.insert(name, answer);
        answer
    }
}
