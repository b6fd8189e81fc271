//! The real file system behind the port for restores.

use super::identity_of;
use crate::port::{FileKind, FileLock, LockError, OutputFile, OutputFiles};
use engine::replicate::FileId;
use rustix::fs::{AtFlags, FlockOperation, Gid, Uid, flock};
use std::ffi::OsString;
use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// The real file system.
#[derive(Clone, Copy, Debug, Default)]
pub struct RealOutputFiles;

impl OutputFiles for RealOutputFiles {
    fn real_path(&self, path: &Path) -> io::Result<PathBuf> {
        std::fs::canonicalize(path)
    }

    fn real_folder(&self, path: &Path) -> io::Result<PathBuf> {
        let real = std::fs::canonicalize(path)?;
        if real.is_dir() { Ok(real) } else { Err(io::ErrorKind::NotADirectory.into()) }
    }

    fn look(&self, path: &Path) -> io::Result<Option<FileKind>> {
        match path.symlink_metadata() {
            Ok(found) if found.is_file() => Ok(Some(FileKind::File)),
            Ok(found) if found.is_symlink() => Ok(Some(FileKind::Link)),
            Ok(_) => Ok(Some(FileKind::Other)),
            Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }

    fn create(&self, path: &Path, output: &Path) -> io::Result<Arc<dyn OutputFile>> {
        let folder = File::open(path.parent().unwrap_or(Path::new("/")))?;
        let mode = std::fs::metadata(output).map_or(MODE_NEW, |old| old.mode() & 0o777);
        let file = OpenOptions::new().read(true).write(true).create_new(true).mode(mode).open(path)?;
        // Where locks do not exist, what is left by a kill stays until somebody removes it.
        let _ = flock(&file, FlockOperation::NonBlockingLockExclusive);
        let name = path.file_name().unwrap_or_default().to_owned();
        Ok(Arc::new(RealOutputFile { file, folder, name }))
    }

    fn is_abandoned(&self, path: &Path) -> io::Result<bool> {
        if !path.symlink_metadata()?.is_file() {
            return Ok(false);
        }
        Ok(flock(File::open(path)?, FlockOperation::NonBlockingLockExclusive).is_ok())
    }

    fn tag(&self) -> String {
        static NUMBER: AtomicU64 = AtomicU64::new(0);
        format!("{}-{}", std::process::id(), NUMBER.fetch_add(1, Ordering::Relaxed))
    }

    fn names(&self, folder: &Path) -> io::Result<Vec<OsString>> {
        Ok(std::fs::read_dir(folder)?.flatten().map(|entry| entry.file_name()).collect())
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        std::fs::rename(from, to)
    }

    fn rename_to_new(&self, from: &Path, to: &Path) -> io::Result<()> {
        use rustix::fs::{CWD, RenameFlags, renameat_with};
        use rustix::io::Errno;
        match renameat_with(CWD, from, CWD, to, RenameFlags::NOREPLACE) {
            // A file system that cannot.
            Err(Errno::INVAL | Errno::NOSYS | Errno::NOTSUP) => link_to_new(from, to),
            done => Ok(done?),
        }
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        std::fs::remove_file(path)
    }

    fn sync_folder(&self, folder: &Path) -> io::Result<()> {
        File::open(folder)?.sync_all()
    }

    fn lock_if_there(&self, path: &Path) -> Result<Option<Box<dyn FileLock>>, LockError> {
        let file = match File::open(path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        match flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Err(rustix::io::Errno::WOULDBLOCK) => {
                let holder = std::fs::read_to_string(path).unwrap_or_default().trim().to_owned();
                Err(LockError::Held { holder })
            }
            // A file system without locks has nobody holding one.
            _ => Ok(Some(Box::new(HeldWhileOpen(file)))),
        }
    }
}

/// A file that is being written, and where it was made.
#[derive(Debug)]
struct RealOutputFile {
    file: File,
    folder: File,
    name: OsString,
}

impl OutputFile for RealOutputFile {
    fn write_all_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        self.file.write_all_at(bytes, offset)
    }

    fn set_len(&self, size_bytes: u64) -> io::Result<()> {
        self.file.set_len(size_bytes)
    }

    fn sync(&self) -> io::Result<()> {
        self.file.sync_all()
    }

    fn id(&self) -> io::Result<FileId> {
        Ok(identity_of(&self.file.metadata()?).id())
    }

    fn take_after(&self, old: &Path) {
        let Ok(old) = old.symlink_metadata() else { return };
        if !old.is_file() {
            return;
        }
        let (owner, group) = (Uid::from_raw(old.uid()), Gid::from_raw(old.gid()));
        let _ = rustix::fs::fchown(&self.file, Some(owner), Some(group));
        let _ = self.file.set_permissions(old.permissions());
    }

    fn discard(&self) {
        // If it cannot be removed it could not be noticed either; the next restore tries again.
        let _ = rustix::fs::unlinkat(&self.folder, &self.name, AtFlags::empty());
    }
}

/// The lock goes with the file.
struct HeldWhileOpen(#[expect(dead_code, reason = "it is held, not used")] File);

impl FileLock for HeldWhileOpen {}

/// The same as a rename by a second name, which is not given either where it is taken.
fn link_to_new(from: &Path, to: &Path) -> io::Result<()> {
    match std::fs::hard_link(from, to) {
        Ok(()) => std::fs::remove_file(from),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Err(error),
        // A file system without links: looking and renaming are two steps there.
        Err(_) if to.symlink_metadata().is_err() => std::fs::rename(from, to),
        Err(_) => Err(io::ErrorKind::AlreadyExists.into()),
    }
}

/// Of a database that is new; the umask takes away.
const MODE_NEW: u32 = 0o666;

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn private_database_is_replaced_by_a_file_that_was_never_public() {
        use std::os::unix::fs::PermissionsExt as _;
        let dir = tempfile::tempdir().unwrap();
        let output = dir.path().join("app.db");
        fs::write(&output, "secret").unwrap();
        fs::set_permissions(&output, fs::Permissions::from_mode(0o600)).unwrap();
        let new = dir.path().join("new");
        RealOutputFiles.create(&new, &output).unwrap();
        assert_eq!(fs::metadata(new).unwrap().mode() & 0o777, 0o600);
    }

    #[test]
    fn name_that_was_taken_at_the_last_moment_is_not_taken_away() {
        for rename in [|from: &Path, to: &Path| RealOutputFiles.rename_to_new(from, to), link_to_new] {
            let dir = tempfile::tempdir().unwrap();
            let (from, to) = (dir.path().join("from"), dir.path().join("to"));
            fs::write(&from, "restored").unwrap();
            fs::write(&to, "theirs").unwrap();
            assert_eq!(rename(&from, &to).unwrap_err().kind(), io::ErrorKind::AlreadyExists);
            assert_eq!(fs::read_to_string(&to).unwrap(), "theirs");
            fs::remove_file(&to).unwrap();
            rename(&from, &to).unwrap();
            assert_eq!(RealOutputFiles.names(dir.path()).unwrap(), ["to"]);
            assert_eq!(fs::read_to_string(&to).unwrap(), "restored");
        }
    }
}
