//! Systems without inotify: the engine looks every second by itself.

use super::{Armed, WakeError};
use crate::driver::Poker;
use engine::replicate::SourceId;
use std::path::{Path, PathBuf};

/// Notifications, of which there are none here.
#[derive(Clone, Debug)]
pub struct Wake(());

impl Wake {
    /// Always fails.
    pub fn start(_: Poker) -> Result<Wake, WakeError> {
        Err(WakeError { path: PathBuf::new(), reason: "not on this system".to_owned() })
    }

    /// Does nothing.
    pub fn watch(&self, _: &Path, _: SourceId) -> Result<(), WakeError> {
        Ok(())
    }

    /// Does nothing.
    pub fn unwatch(&self, _: SourceId) {}

    /// The source itself.
    pub fn armed<S>(&self, source: S, _: &Path) -> Armed<S> {
        Armed::not(source)
    }
}
