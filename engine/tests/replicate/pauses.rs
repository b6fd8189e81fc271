//! What a store that is too busy said about when to come back: nothing is asked of the same key before.

use engine::replicate::{SourceId, StoreRequest};
use engine::types::Instant;
use std::collections::BTreeMap;
use std::time::Duration;

/// The pauses of one life, by database and key.
#[derive(Debug, Default)]
pub(crate) struct Pauses(BTreeMap<(SourceId, String), Instant>);

impl Pauses {
    /// A store asked for `pause` when it answered `request`, which was about these keys.
    pub(crate) fn told(&mut self, db: SourceId, keys: Vec<String>, now: Instant, pause: Option<Duration>) {
        // Of several objects it does not say which: the first is what is read first.
        let Some(key) = keys.into_iter().next() else { return };
        let until = now.after(pause.unwrap_or(UNTOLD).min(RESPECTED_MAX));
        let longest = self.0.entry((db, key)).or_insert(until);
        *longest = until.max(*longest);
    }

    /// Panics where one of the keys is asked for too early.
    pub(crate) fn check(&self, db: SourceId, keys: Vec<String>, now: Instant, request: &StoreRequest) {
        for key in keys {
            let until = self.0.get(&(db, key.clone())).copied().unwrap_or(now);
            assert!(until <= now, "{key} is asked for {:?} too early: {request:?}", until.since(now));
        }
    }
}

/// What a request is about: keys, or a prefix; `upload` tells the key of one in parts. Giving one up asks for nothing.
pub(crate) fn keys_of(request: &StoreRequest, upload: Option<&str>) -> Vec<String> {
    match request {
        StoreRequest::Put { key, .. }
        | StoreRequest::Stage { key, .. }
        | StoreRequest::Get { key, .. }
        | StoreRequest::Hash { key }
        | StoreRequest::DeleteIfMatch { key, .. } => vec![key.clone()],
        StoreRequest::List { prefix, .. } => vec![prefix.clone()],
        StoreRequest::Delete { keys } | StoreRequest::Digest { keys } | StoreRequest::Page { keys, .. } => {
            keys.clone()
        }
        StoreRequest::Merge { key, inputs } => {
            inputs.iter().map(|input| &input.key).chain([key]).cloned().collect()
        }
        StoreRequest::Complete { .. } => upload.map(str::to_owned).into_iter().collect(),
        StoreRequest::Discard { .. } => Vec::new(),
    }
}

/// A store that asks for more gets this much: lag has a bound, too.
const RESPECTED_MAX: Duration = Duration::from_secs(20);
/// One that says only that it is too busy.
const UNTOLD: Duration = Duration::from_secs(1);
