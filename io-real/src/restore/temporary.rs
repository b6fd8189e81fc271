//! The file that a restore writes before it gets its name.

use super::OutputError;
use rustix::fs::{AtFlags, FlockOperation, flock};
use std::ffi::{OsStr, OsString};
use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// A file beside the output; removed when dropped, unless it was given the output's name.
///
/// It is locked while its process lives, so that the next restore can tell what a killed one left.
#[derive(Debug)]
pub(super) struct Temporary {
    pub(super) path: Arc<PathBuf>,
    pub(super) file: Arc<File>,
    /// Where it is, whatever that is called by now.
    dir: File,
    kept: bool,
}

impl Temporary {
    /// Makes a new one for `output`.
    pub(super) fn create(output: &Path) -> Result<Temporary, OutputError> {
        let mut name = prefix_of(output);
        name.push(format!("{}-{}", std::process::id(), NUMBER.fetch_add(1, Ordering::Relaxed)));
        let path = output.with_file_name(name);
        let parent = output.parent().unwrap_or(Path::new("/"));
        let dir = File::open(parent).map_err(|error| OutputError::of(parent, error))?;
        // Nobody may read it who may not read the database that it replaces, not even while it is written.
        let mode = std::fs::metadata(output).map_or(MODE_NEW, |old| old.mode() & 0o777);
        let opened = OpenOptions::new().read(true).write(true).create_new(true).mode(mode).open(&path);
        let file = opened.map_err(|error| OutputError::of(&path, error))?;
        // Where locks do not exist, what is left by a kill stays until somebody removes it.
        let _ = flock(&file, FlockOperation::NonBlockingLockExclusive);
        Ok(Temporary { path: Arc::new(path), file: Arc::new(file), dir, kept: false })
    }

    /// It has its final name now.
    pub(super) fn keep(mut self) {
        self.kept = true;
    }
}

impl Drop for Temporary {
    fn drop(&mut self) {
        if !self.kept {
            // If it cannot be removed it could not be noticed either; the next restore tries again.
            let name = self.path.file_name().unwrap_or_default();
            let _ = rustix::fs::unlinkat(&self.dir, name, AtFlags::empty());
        }
    }
}

/// Removes what killed restores left for this output.
pub(super) fn sweep(output: &Path) {
    let (Some(dir), prefix) = (output.parent(), prefix_of(output)) else { return };
    let Ok(entries) = std::fs::read_dir(dir) else { return };
    for entry in entries.flatten() {
        if is_left_over(&entry.file_name(), &prefix) && is_abandoned(&entry.path()).unwrap_or(false) {
            let _ = std::fs::remove_file(entry.path());
        }
    }
}

/// Whether a name is the prefix, a process id, `-` and a number.
fn is_left_over(name: &OsStr, prefix: &OsStr) -> bool {
    let rest = name.as_encoded_bytes().strip_prefix(prefix.as_encoded_bytes());
    rest.is_some_and(|rest| !rest.is_empty() && rest.iter().all(|b| b.is_ascii_digit() || *b == b'-'))
}

fn is_abandoned(path: &Path) -> io::Result<bool> {
    if !path.symlink_metadata()?.is_file() {
        return Ok(false);
    }
    Ok(flock(File::open(path)?, FlockOperation::NonBlockingLockExclusive).is_ok())
}

/// `.app.db.walsync-restore-`
fn prefix_of(output: &Path) -> OsString {
    let mut name = OsString::from(".");
    name.push(output.file_name().unwrap_or_default());
    name.push(".walsync-restore-");
    name
}

static NUMBER: AtomicU64 = AtomicU64::new(0);
/// Of a database that is new; the umask takes away.
const MODE_NEW: u32 = 0o666;

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::Permissions;
    use std::os::unix::fs::PermissionsExt as _;

    #[test]
    fn private_database_is_replaced_by_a_file_that_was_never_public() {
        let dir = tempfile::tempdir().unwrap();
        let output = dir.path().join("app.db");
        std::fs::write(&output, "secret").unwrap();
        std::fs::set_permissions(&output, Permissions::from_mode(0o600)).unwrap();
        let temporary = Temporary::create(&output).unwrap();
        assert_eq!(temporary.file.metadata().unwrap().mode() & 0o777, 0o600);
    }
}
