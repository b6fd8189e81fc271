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
    subjects: BTreeMap<RequestId, String>,
    /// Where uploads in parts go that were begun and not ended.
    staged: BTreeMap<RequestId, String>,
}

impl Pace {
    /// A request is sent.
    pub fn asks(&mut self, id: RequestId, request: &StoreRequest, now: Instant) -> Result<(), Violation> {
        let Some(key) = self.key_of(id, request) else { return Ok(()) };
        let before = self.not_before.get(&key).copied().filter(|from| now < *from);
        let asked = before.map_or(Ok(()), |from| {
            let early = from.since(now);
            Err(Violation::new(31, format!("{key} was asked for {early:?} before the store allowed it")))
        });
        self.subjects.insert(id, key);
        asked
    }

    /// It was answered, perhaps with an error.
    pub fn answered(&mut self, id: RequestId, now: Instant, error: Option<&StoreError>) {
        let Some(key) = self.subjects.remove(&id) else { return };
        if let Some(StoreError::Throttled { retry_after }) = error {
            let pause = retry_after.unwrap_or(UNTOLD).min(RESPECTED_MAX);
            self.not_before.insert(key, now.after(pause));
        }
    }

    /// What a request is about: a key or prefix, or what is read first of several objects. Giving an upload up asks for nothing.
    fn key_of(&mut self, id: RequestId, request: &StoreRequest) -> Option<String> {
        match request {
            StoreRequest::Stage { key, .. } => {
                self.staged.insert(id, key.clone());
                Some(key.clone())
            }
            StoreRequest::Put { key, .. }
            | StoreRequest::Get { key, .. }
            | StoreRequest::Hash { key }
            | StoreRequest::DeleteIfMatch { key, .. } => Some(key.clone()),
            StoreRequest::List { prefix, .. } => Some(prefix.clone()),
            StoreRequest::Digest { keys } | StoreRequest::Page { keys, .. } => keys.first().cloned(),
            StoreRequest::Complete { staged } => self.staged.get(staged).cloned(),
            StoreRequest::Discard { staged } => {
                self.staged.remove(staged);
                None
            }
        }
    }
}

/// A store that asks for more gets this much: lag has a bound, too.
const RESPECTED_MAX: Duration = Duration::from_secs(20);
/// One that says only that it is too busy.
const UNTOLD: Duration = Duration::from_secs(1);
