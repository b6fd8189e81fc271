//! The ways in which a request to a store does not succeed.

use std::time::Duration;

/// Why a request did not succeed, in the terms in which the engine must react.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// The condition did not hold (412, or 409 "already exists"): the key holds something, or something else.
    /// Nothing was written. Never "fenced" by itself: read the object back first.
    #[error("the condition was refused")]
    Refused,
    /// 409 ConditionalRequestConflict: another write of the key was under way; nothing was written, the key
    /// may even be absent. Try again (a multipart upload: with all its parts).
    #[error("conflicting request")]
    Conflict,
    /// There is no such object (or upload).
    #[error("no such object")]
    Missing,
    /// Slow down (429, 503), at least this long when the store said so.
    #[error("throttled")]
    Throttled {
        /// The store's `Retry-After`.
        retry_after: Option<Duration>,
    },
    /// Nothing was done, trying again may help: refused connections, 5xx to a read, truncated bodies.
    #[error("{0}")]
    Retryable(Box<str>),
    /// A write was sent and its outcome is not known: a time-out, a lost answer, a 5xx to a write. Look
    /// before writing again.
    #[error("outcome unknown: {0}")]
    Ambiguous(Box<str>),
    /// Trying again soon does not help: report at once, retry slowly.
    #[error("{message}")]
    Fatal {
        /// What kind of trouble.
        kind: Fatal,
        /// What the store said.
        message: Box<str>,
    },
}

/// Trouble that a person must mend.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fatal {
    /// Credentials missing, wrong or without the right.
    Denied,
    /// The bucket or directory does not exist.
    NoBucket,
    /// No space left.
    Full,
    /// The store cannot do this, or answered nonsense.
    Unsupported,
}

impl StoreError {
    /// Whether the same request may be sent again as it is, after a pause.
    pub fn is_transient(&self) -> bool {
        matches!(self, StoreError::Conflict | StoreError::Throttled { .. } | StoreError::Retryable(_))
    }
}
