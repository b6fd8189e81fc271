//! Where `verify --deep` restores to: a temporary file in the state directory, which nobody else may read.

use super::restore_failure::Context;
use super::watch::host;
use crate::config::{StateDir, StoreSettings};
use crate::exit::Failure;
use io_real::restore::{IfExists, Output};
use std::path::{Path, PathBuf};

/// The name that no file ever gets. What it makes of the directory goes with it.
pub(super) struct Scratch {
    output: Output,
    /// The directories that were made for it, innermost first.
    made: Vec<PathBuf>,
}

impl Scratch {
    /// # Errors
    /// Exit 2 or 3: nothing can be written there.
    pub(super) fn new(state_dir: &StateDir, store: &StoreSettings) -> Result<Scratch, Failure> {
        let dir = &state_dir.path;
        let made: Vec<PathBuf> =
            dir.ancestors().take_while(|dir| !dir.exists()).map(Path::to_owned).collect();
        host::make_state_dir(dir, "walsync verify --deep --state-dir DIR")?;
        let output = Output::new(&dir.join(NAME), IfExists::Refuse).map_err(|error| {
            let context = Context { name: "", store, output: None };
            context.output(&error).hint("walsync verify --deep --state-dir DIR")
        })?;
        Ok(Scratch { output, made })
    }

    pub(super) fn output(&self) -> &Output {
        &self.output
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // One that is not empty stays: somebody uses it by now.
        let _ = self.made.iter().try_for_each(std::fs::remove_dir);
    }
}

const NAME: &str = "verify.db";
