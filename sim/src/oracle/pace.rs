//! Property 31: a store that says when to come back is not asked for the same thing before.

use crate::outcome::Violation;
use engine::replicate::{RequestId, StoreRequest};
use engine::store::StoreError;
use engine::types::Instant;
use std::collections::BTreeMap;
use std::time::Duration;

/// What the store said, by key, in one life of a daemon. No request may come early: what was asked for may be given up for
/// something else, but the pause is the key's, and the engine keeps it as long as it lives.
#[derive(Debug, Default)]
pub struct Pace {
    not_before: BTreeMap<String, Instant>,
    /// What requests under way are about.
    subjects: BTreeMap<RequestId, Vec<String>>,
    /// Where uploads in parts go that were begun and not ended.
    staged: BTreeMap<RequestId, String>,
}

impl Pace {
    /// A request is sent.
    pub fn asks(&mut self, id: RequestId, request: &StoreRequest, now: Instant) -> Result<(), Violation> {
        let keys = self.keys_of(id, request);
        let early = |key: &String| Some((key.clone(), self.not_before.get(key)?.since(now)));
        let asked = match keys.iter().filter_map(early).find(|(_, early)| !early.is_zero()) {
            None => Ok(()),
            Some((key, early)) => {
                Err(Violation::new(31, format!("{key} was asked for {early:?} before the store allowed it")))
            }
        };
        self.subjects.insert(id, keys);
        asked
    }

    /// It was answered, perhaps with an error. An earlier request may have been told of a longer pause.
    pub fn answered(&mut self, id: RequestId, now: Instant, error: Option<&StoreError>) {
        // Of several objects it does not say which: the first is what is read first.
        let Some(key) = self.subjects.remove(&id).and_then(|keys| keys.into_iter().next()) else { return };
        if let Some(StoreError::Throttled { retry_after }) = error {
            let until = now.after(retry_after.unwrap_or(UNTOLD).min(RESPECTED_MAX));
            let longest = self.not_before.entry(key).or_insert(until);
            *longest = until.max(*longest);
        }
    }

    /// What a request is about: keys, or a prefix. Giving an upload up asks for nothing.
    fn keys_of(&mut self, id: RequestId, request: &StoreRequest) -> Vec<String> {
        match request {
            StoreRequest::Stage { key, .. } | StoreRequest::Merge { key, .. } => {
                self.staged.insert(id, key.clone());
                vec![key.clone()]
            }
            StoreRequest::Put { key, .. }
            | StoreRequest::Get { key, .. }
            | StoreRequest::Hash { key }
            | StoreRequest::DeleteIfMatch { key, .. } => vec![key.clone()],
            StoreRequest::List { prefix, .. } => vec![prefix.clone()],
            StoreRequest::Delete { keys }
            | StoreRequest::Digest { keys }
            | StoreRequest::Page { keys, .. } => keys.clone(),
            StoreRequest::Complete { staged } => self.staged.get(staged).cloned().into_iter().collect(),
            StoreRequest::Discard { staged } => {
                self.staged.remove(staged);
                Vec::new()
            }
        }
    }
}

/// A store that asks for more gets this much: lag has a bound, too.
const RESPECTED_MAX: Duration = Duration::from_secs(20);
/// One that says only that it is too busy.
const UNTOLD: Duration = Duration::from_secs(1);
