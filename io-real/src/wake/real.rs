//! The files of a database, without symbolic links.

use super::WakeError;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

/// Where they are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Files {
    pub(super) directory: PathBuf,
    pub(super) database: PathBuf,
    pub(super) log: PathBuf,
}

/// Of a database whose directory exists; the file need not.
pub(super) fn real(path: &Path) -> Result<Files, WakeError> {
    let failed = |e: std::io::Error| WakeError { path: path.to_owned(), reason: e.to_string() };
    let database = match std::fs::canonicalize(path) {
        Ok(file) => file,
        Err(_) => {
            let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty());
            let parent = std::fs::canonicalize(parent.unwrap_or(Path::new("."))).map_err(failed)?;
            parent.join(path.file_name().unwrap_or_default())
        }
    };
    let directory = database.parent().unwrap_or(Path::new("/")).to_owned();
    let mut log: OsString = database.clone().into();
    log.push("-wal");
    Ok(Files { directory, database, log: log.into() })
}
