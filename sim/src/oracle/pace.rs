//! Property 31: a store that says when to come back is not asked for the same thing before.

use crate::outcome::Violation;
use engine::replicate::StoreRequest;
use engine::types::Instant;
use std::collections::BTreeMap;
use std::time::Duration;

/// What the store said, by key, in one life of a daemon.
#[derive(Debug, Default)]
pub struct Pace(BTreeMap<String, Instant>);

impl Pace {
    /// The store asked for a pause.
    pub fn throttled(&mut self, key: String, now: Instant, retry_after: Duration) {
        self.0.insert(key, now.after(retry_after.min(RESPECTED_MAX)));
    }

    /// A request is sent.
    pub fn asks(&mut self, key: &str, now: Instant) -> Result<(), Violation> {
        match self.0.remove(key) {
            Some(from) if now < from => {
                let early = from.since(now);
                Err(Violation::new(31, format!("{key} was asked for {early:?} before the store allowed it")))
            }
            _ => Ok(()),
        }
    }
}

/// What a request is about, if that is one key or prefix.
pub fn key_of(request: &StoreRequest) -> Option<String> {
    match request {
        StoreRequest::Put { key, .. }
        | StoreRequest::Stage { key, .. }
        | StoreRequest::Get { key, .. }
        | StoreRequest::Hash { key }
        | StoreRequest::DeleteIfMatch { key, .. } => Some(key.clone()),
        StoreRequest::List { prefix, .. } => Some(prefix.clone()),
        _ => None,
    }
}

/// A store that asks for more gets this much: lag has a bound, too.
const RESPECTED_MAX: Duration = Duration::from_secs(20);
