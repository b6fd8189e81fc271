//! For how long a store does not want to be asked for a key. That belongs to the key: whoever asked for it may have been
//! given up since, and what comes in its place wants the same.

use super::backoff::{FLOOR_MAX, UNTOLD_PAUSE};
use super::command::StoreRequest;
use crate::mutants::{Mutant, mutated};
use crate::store::StoreError;
use crate::types::Instant;
use std::collections::{BTreeMap, BTreeSet};

/// Pauses, of all places. Those that are over go when another one is heard of: there are never more than keys of which the
/// store was too busy within [`FLOOR_MAX`], the longest pause.
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
        if let Some(before) = self.by_key.get(key).copied() {
            // An answer to an earlier request may ask for more than the newest one.
            if until <= before {
                return;
            }
            self.by_end.remove(&(before, key.to_owned()));
        }
        self.by_key.insert(key.to_owned(), until);
        self.by_end.insert((until, key.to_owned()));
    }

    /// Until when one of these keys is not to be asked for.
    pub(super) fn until<'a>(&self, keys: impl IntoIterator<Item = &'a str>, now: Instant) -> Option<Instant> {
        let ends = keys.into_iter().filter_map(|key| self.by_key.get(key).copied());
        ends.max().filter(|until| now < *until)
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

/// What a request is about: keys, or a prefix.
pub(super) fn keys_of(request: &StoreRequest) -> Vec<&str> {
    match request {
        StoreRequest::Get { key, .. }
        | StoreRequest::DeleteIfMatch { key, .. }
        | StoreRequest::Hash { key }
        | StoreRequest::Put { key, .. }
        | StoreRequest::Stage { key, .. } => vec![key],
        StoreRequest::List { prefix, .. } => vec![prefix],
        StoreRequest::Digest { keys } | StoreRequest::Page { keys, .. } => {
            keys.iter().map(String::as_str).collect()
        }
        StoreRequest::Merge { key, inputs, .. } => {
            inputs.iter().map(|input| input.key.as_str()).chain([key.as_str()]).collect()
        }
        StoreRequest::Delete { keys } => keys.iter().map(String::as_str).collect(),
        StoreRequest::Complete { .. } | StoreRequest::Discard { .. } => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn at(seconds: u64) -> Instant {
        Instant::default().after(Duration::from_secs(seconds))
    }

    fn throttled(seconds: u64) -> StoreError {
        StoreError::Throttled { retry_after: Some(Duration::from_secs(seconds)) }
    }

    #[test]
    fn longest_pause_counts_until_it_is_over() {
        let mut pauses = Pauses::default();
        pauses.heard("a", at(0), &throttled(17));
        pauses.heard("a", at(1), &StoreError::Throttled { retry_after: None });
        assert_eq!(pauses.until(["a"], at(2)), Some(at(17)));
        pauses.heard("a", at(3), &throttled(18));
        assert_eq!(pauses.until(["a"], at(20)), Some(at(21)));
        assert_eq!(pauses.until(["a"], at(21)), None);
        assert_eq!(pauses.until(["b"], at(4)), None);
    }

    #[test]
    fn what_asks_for_several_keys_waits_for_each() {
        let mut pauses = Pauses::default();
        pauses.heard("a", at(0), &throttled(5));
        pauses.heard("b", at(0), &throttled(9));
        assert_eq!(pauses.until(["a", "b", "c"], at(1)), Some(at(9)));
    }

    #[test]
    fn what_is_over_is_forgotten() {
        let mut pauses = Pauses::default();
        for second in 0..100 {
            pauses.heard(&format!("key {second}"), at(second * 30), &throttled(60));
        }
        assert_eq!((pauses.by_key.len(), pauses.by_end.len()), (1, 1));
    }
}
