//! One value that several parts of the simulated world hold.
//!
//! A mutex although a world has one thread: SQLite reaches the disk through raw pointers, and the async
//! driver under madsim wants handles that are `Send`. It is never waited for.

#![expect(clippy::disallowed_types, reason = "the one place: handles must be Send, and nobody ever waits")]

use std::sync::{Arc, Mutex, MutexGuard, TryLockError};

/// A shared value with one user at a time.
pub(crate) struct Shared<T>(Arc<Mutex<T>>);

impl<T> Shared<T> {
    /// Starts sharing `value`.
    pub(crate) fn new(value: T) -> Shared<T> {
        Shared(Arc::new(Mutex::new(value)))
    }

    /// The value. A poisoned one is handed out too: when a run fails, its connections still close their
    /// files while the stack unwinds.
    ///
    /// # Panics
    /// When somebody holds it already: a world belongs to one thread, so waiting would be for ever.
    pub(crate) fn lock(&self) -> MutexGuard<'_, T> {
        match self.0.try_lock() {
            Ok(guard) => guard,
            Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
            Err(TryLockError::WouldBlock) => panic!("the simulated world was entered twice"),
        }
    }
}

impl<T> Clone for Shared<T> {
    fn clone(&self) -> Shared<T> {
        Shared(Arc::clone(&self.0))
    }
}
