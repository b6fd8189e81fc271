//! Finding and reading the configuration file.

use super::environment::Surroundings;
use crate::exit::Failure;
use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

/// A configuration file as it was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigFile {
    /// As it was named or found; relative to the working directory.
    pub path: PathBuf,
    /// What it says.
    pub text: String,
}

/// The file of `--config`, else of `WALSYNC_CONFIG`, else `./walsync.toml`, else the system-wide one; `None`
/// if nobody named one and none of the latter exists.
///
/// # Errors
/// Exit 2: a named file is missing, or the file cannot be read, is longer than 1 MiB or not UTF-8.
pub fn find(flag: Option<&Path>, surroundings: &Surroundings) -> Result<Option<ConfigFile>, Failure> {
    let variable = surroundings.environment.non_empty("WALSYNC_CONFIG").map(PathBuf::from);
    if let Some(path) = flag.map(Path::to_owned).or(variable) {
        return read(&path, surroundings).map(Some).map_err(|error| unreadable(&path, &error));
    }
    for path in [PathBuf::from("walsync.toml"), surroundings.system_config.clone()] {
        match read(&path, surroundings) {
            Ok(file) => return Ok(Some(file)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(unreadable(&path, &error)),
        }
    }
    Ok(None)
}

fn read(path: &Path, surroundings: &Surroundings) -> io::Result<ConfigFile> {
    let file = File::open(surroundings.working_dir.join(path))?;
    let mut text = String::new();
    file.take(CONFIG_BYTES_MAX + 1).read_to_string(&mut text)?;
    if text.len() as u64 > CONFIG_BYTES_MAX {
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, "longer than 1 MiB"));
    }
    Ok(ConfigFile { path: path.to_owned(), text })
}

fn unreadable(path: &Path, error: &io::Error) -> Failure {
    Failure::usage(format!("cannot read the configuration file {}", path.display()))
        .because(error)
        .hint("name the file with: --config FILE")
}

const CONFIG_BYTES_MAX: u64 = 1 << 20;
