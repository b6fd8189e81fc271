//! The file that a restore writes before it gets its name.

use super::OutputError;
use crate::port::{OutputFile, OutputFiles};
use engine::mutants::{Mutant, mutated};
use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// A file beside the output; removed when dropped, unless it was given the output's name.
///
/// It is locked while its process lives, so that the next restore can tell what a killed one left.
#[derive(Debug)]
pub(super) struct Temporary {
    pub(super) path: Arc<PathBuf>,
    pub(super) file: Arc<dyn OutputFile>,
    kept: bool,
}

impl Temporary {
    /// Makes a new one for `output`.
    pub(super) fn create(files: &dyn OutputFiles, output: &Path) -> Result<Temporary, OutputError> {
        let mut name = prefix_of(output);
        name.push(files.tag());
        let path = output.with_file_name(name);
        let file = files.create(&path, output).map_err(|error| OutputError::of(&path, error))?;
        Ok(Temporary { path: Arc::new(path), file, kept: false })
    }

    /// It has its final name now.
    pub(super) fn keep(mut self) {
        self.kept = true;
    }
}

impl Drop for Temporary {
    fn drop(&mut self) {
        if !self.kept {
            self.file.discard();
        }
    }
}

/// Removes what killed restores left for this output.
pub(super) fn sweep(files: &dyn OutputFiles, output: &Path) {
    let (Some(dir), prefix) = (output.parent(), prefix_of(output)) else { return };
    let Ok(names) = files.names(dir) else { return };
    for name in names {
        let path = dir.join(&name);
        let abandoned = is_left_over(&name, &prefix) && files.is_abandoned(&path).unwrap_or(false);
        if abandoned && !mutated(Mutant::RestoreLeftoversKept) {
            let _ = files.remove(&path);
        }
    }
}

/// Whether a name is the prefix and what [`OutputFiles::tag`] makes: a process id, `-` and a number.
fn is_left_over(name: &OsStr, prefix: &OsStr) -> bool {
    let rest = name.as_encoded_bytes().strip_prefix(prefix.as_encoded_bytes());
    rest.is_some_and(|rest| !rest.is_empty() && rest.iter().all(|b| b.is_ascii_digit() || *b == b'-'))
}

/// `.app.db.walsync-restore-`
fn prefix_of(output: &Path) -> OsString {
    let mut name = OsString::from(".");
    name.push(output.file_name().unwrap_or_default());
    name.push(".walsync-restore-");
    name
}
