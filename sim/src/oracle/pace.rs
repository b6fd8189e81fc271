//! Property 31: a store that says when to come back is not asked for the same thing before, again and again.

use crate::outcome::Violation;
use engine::replicate::StoreRequest;
use engine::types::Instant;
use std::collections::BTreeMap;
use std::time::Duration;

/// What the store said, by key, in one life of a daemon.
#[derive(Debug, Default)]
pub struct Pace {
    not_before: BTreeMap<String, Instant>,
    early: u32,
}

impl Pace {
    /// The store asked for a pause.
    pub fn throttled(&mut self, key: String, now: Instant, retry_after: Duration) {
        self.not_before.insert(key, now.after(retry_after.min(RESPECTED_MAX)));
    }

    /// A request is sent. What asked before may have been given up for something else that asks for the same: a few of
    /// these are no storm.
    pub fn asks(&mut self, key: &str, now: Instant) -> Result<(), Violation> {
        // The pause lasts, however often it is not kept.
        let Some(from) = self.not_before.get(key).copied().filter(|from| now < *from) else { return Ok(()) };
        self.early += 1;
        if self.early > EARLY_MAX {
            let early = from.since(now);
            let message =
                format!("{key} was asked for {early:?} before the store allowed it, as others before");
            return Err(Violation::new(31, message));
        }
        Ok(())
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
const EARLY_MAX: u32 = 8;
