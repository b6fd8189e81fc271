//! The directories that `restore --all` makes: durable before a database is in them, gone again if none came.

use crate::exit::{Failure, Kind};
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

/// Makes directories; when dropped, takes those away that are empty.
#[derive(Debug, Default)]
pub(super) struct Folders {
    /// Those above others first.
    made: Mutex<Vec<PathBuf>>,
}

impl Folders {
    /// Makes a directory and those above it, where they are not there.
    ///
    /// # Errors
    /// Exit 2: not permitted, or something else has the name; exit 3: the disk.
    pub(super) fn make(&self, dir: &Path) -> Result<(), Failure> {
        // One at a time: databases beside each other have the same directory.
        let mut made = self.made.lock().unwrap_or_else(PoisonError::into_inner);
        let missing: Vec<&Path> = dir.ancestors().take_while(|dir| !dir.exists()).collect();
        for dir in missing.into_iter().rev() {
            fs::create_dir(dir).map_err(|error| failure(dir, &error))?;
            made.push(dir.to_owned());
            let above = dir.parent().filter(|above| !above.as_os_str().is_empty()).unwrap_or(Path::new("."));
            File::open(above).and_then(|above| above.sync_all()).map_err(|error| failure(above, &error))?;
        }
        Ok(())
    }
}

impl Drop for Folders {
    fn drop(&mut self) {
        for dir in self.made.get_mut().unwrap_or_else(PoisonError::into_inner).iter().rev() {
            // Where something is in it, it stays.
            let _ = fs::remove_dir(dir);
        }
    }
}

fn failure(dir: &Path, error: &io::Error) -> Failure {
    let kind = match error.kind() {
        io::ErrorKind::PermissionDenied
        | io::ErrorKind::ReadOnlyFilesystem
        | io::ErrorKind::NotADirectory
        | io::ErrorKind::AlreadyExists
        | io::ErrorKind::InvalidFilename => Kind::Usage,
        _ => Kind::Unavailable,
    };
    Failure::new(kind, "the output's directory cannot be made")
        .cause(format!("{}: {error}", dir.display()))
        .hint("walsync restore --all -o DIR")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn directories_without_a_database_go_and_others_stay() {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name);
        fs::create_dir(at("theirs")).unwrap();
        let folders = Folders::default();
        for name in ["out/a/b", "out/a/c", "out/d", "theirs"] {
            folders.make(&at(name)).unwrap();
        }
        fs::write(at("out/a/c/x.db"), "restored").unwrap();
        drop(folders);
        assert!(at("out/a/c/x.db").exists() && at("theirs").exists());
        assert!(!at("out/a/b").exists() && !at("out/d").exists());
    }

    #[test]
    fn a_file_in_the_way_is_for_a_person() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("file"), "").unwrap();
        let failure = Folders::default().make(&dir.path().join("file/below")).unwrap_err();
        assert_eq!(failure.kind(), Kind::Usage, "{failure}");
    }
}
