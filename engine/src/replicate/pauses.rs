//! For how long a store does not want to be asked for a key. That belongs to the key: whoever asked for it may have been
//! given up since, and what comes in its place wants the same.

use super::backoff::{FLOOR_MAX, UNTOLD_PAUSE};
use super::command::StoreRequest;
use crate::mutants::{Mutant, mutated};
use crate::store::StoreError;
use crate::types::Instant;
use std::collections::{BTreeMap, BTreeSet};

/// Pauses that are not over, of all places. One lasts for [`FLOOR_MAX`] at most, so there are no more of them than keys
/// that are asked for in that time.
#[derive(Debug, Default)]
pub(super) struct Pauses {
    by_key: BTreeMap<String, Instant>,
    by_end: BTreeSet<(Instant, String)>,
}

impl Pauses {
    /// What the store answered to a request for this key.
    pub(super) fn heard(&mut self, key: &str, now: Instant, error: &StoreError) {
        let StoreError::Throttled { retry_after } = error else { return };
        let ignored = [Mutant::PauseForgotten, Mutant::RetryAfterIgnored, Mutant::RetriesAtOnce]
            .map(mutated)
            .contains(&true);
        if ignored {
            return;
        }
        self.forget_until(now);
        let until = now.after(retry_after.unwrap_or(UNTOLD_PAUSE).min(FLOOR_MAX));
        if let Some(before) = self.by_key.insert(key.to_owned(), until) {
            self.by_end.remove(&(before, key.to_owned()));
        }
        self.by_end.insert((until, key.to_owned()));
    }

    /// Until when the key is not to be asked for.
    pub(super) fn until(&self, key: &str, now: Instant) -> Option<Instant> {
        self.by_key.get(key).copied().filter(|until| now < *until)
    }

    fn forget_until(&mut self, now: Instant) {
        while let Some((until, _)) = self.by_end.first()
            && *until <= now
        {
            let (_, key) = self.by_end.pop_first().expect("looked at");
            self.by_key.remove(&key);
        }
    }
}

/// What a request is about: a key or prefix, or the first of several.
pub(super) fn key_of(request: &StoreRequest) -> Option<&str> {
    match request {
        StoreRequest::Get { key, .. }
        | StoreRequest::DeleteIfMatch { key, .. }
        | StoreRequest::Hash { key }
        | StoreRequest::Put { key, .. }
        | StoreRequest::Stage { key, .. } => Some(key),
        StoreRequest::List { prefix, .. } => Some(prefix),
        StoreRequest::Digest { keys } | StoreRequest::Page { keys, .. } => keys.first().map(String::as_str),
        StoreRequest::Complete { .. } | StoreRequest::Discard { .. } => None,
    }
}
