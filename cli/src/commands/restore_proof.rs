//! What a restore leaves in the state directory, so that a `watch` here goes on from it (docs/restore.md).
//!
//! It never fails a restore: without it, `watch` reads more, or asks a person.

use super::watch::host;
use crate::config::StateDir;
use crate::output::Printer;
use engine::replicate::RestoreProof;
use io_real::files::RealFiles;
use io_real::restore::Recorder;
use io_real::state::StateStore;
use std::fmt::Display;
use std::os::unix::fs::{MetadataExt as _, lchown};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

/// Leaves it, and remembers what is to be said of that, until nothing else is on the screen.
pub(super) struct Keeper {
    state_dir: StateDir,
    warnings: Arc<Mutex<Vec<Warning>>>,
}

/// A text, and a hint.
type Warning = (String, Option<&'static str>);

impl Keeper {
    pub(super) fn new(state_dir: &StateDir) -> Keeper {
        Keeper { state_dir: state_dir.clone(), warnings: Arc::default() }
    }

    pub(super) fn recorder(&self) -> Recorder {
        let (state_dir, warnings) = (self.state_dir.clone(), self.warnings.clone());
        Arc::new(move |output, proof| {
            // One at a time: several databases may be restored at once, and the file is one.
            let mut warnings = warnings.lock().unwrap_or_else(PoisonError::into_inner);
            for told in keep(&state_dir, output, proof) {
                if !warnings.contains(&told) {
                    warnings.push(told);
                }
            }
        })
    }

    /// Says what is to be said.
    pub(super) fn tell(&self, printer: &Printer) {
        let warnings = std::mem::take(&mut *self.warnings.lock().unwrap_or_else(PoisonError::into_inner));
        warnings.into_iter().for_each(|(text, hint)| printer.warn(text, hint));
    }
}

fn keep(state_dir: &StateDir, output: &Path, proof: &RestoreProof) -> Vec<Warning> {
    let dir = &state_dir.path;
    let not_kept = |why: &dyn Display| {
        (format!("a later watch will not know that this file was restored here: {why}"), Some(NOT_KEPT_HINT))
    };
    if let Err(error) = host::create_private_dir(dir) {
        return vec![not_kept(&format_args!("{}: {error}", dir.display()))];
    }
    let files = Arc::new(RealFiles::new(host::name()));
    let path = dir.join("state.db");
    let is_new = !path.exists();
    let opened = StateStore::open(None, &path, files);
    if is_new {
        give_to_owner_of(dir, &path);
    }
    let mut state = match opened {
        Ok(state) => state,
        Err(error) => return vec![not_kept(&error)],
    };
    let saved = state.save_restored(&output.to_string_lossy(), proof);
    let mut told: Vec<Warning> = state.take_warnings().into_iter().map(|text| (text, None)).collect();
    match saved {
        Err(error) => told.push(not_kept(&error)),
        Ok(()) if state_dir.is_last_resort => {
            let text = format!("keeping state in {}: no other directory is writable", dir.display());
            told.push((text, Some("walsync restore --state-dir DIR")));
        }
        Ok(()) => {}
    }
    told
}

/// Who restores as root leaves nothing that the daemon, under its own user, cannot write to. (What SQLite puts beside
/// the file goes when it is closed.)
fn give_to_owner_of(dir: &Path, state: &Path) {
    if let Ok(owner) = std::fs::metadata(dir) {
        // Only root may, and for anybody else there is nothing to do. Never through a link: whose directory it is must
        // not choose the file.
        let _ = lchown(state, Some(owner.uid()), Some(owner.gid()));
    }
}

const NOT_KEPT_HINT: &str =
    "as long as nobody writes to it, `walsync watch --take-over` continues it all the same";
