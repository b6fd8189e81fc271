//! The port for the local state of all databases.

use engine::replicate::{LocalState, StateChange, StateError};

/// Where the local state is kept. Every call may block.
pub trait State: Send + 'static {
    /// Everything about one database; `key` is a [`state_key`](crate::state::state_key).
    fn load(&mut self, key: &str) -> Result<LocalState, StateError>;

    /// Writes the changes of several databases with one sync; all or none are durable when it returns.
    fn save_many(&mut self, changes: &[(&str, &StateChange)]) -> Result<(), StateError>;

    /// What a person should know; each is given once.
    fn take_warnings(&mut self) -> Vec<String>;
}
