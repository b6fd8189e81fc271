//! Where daemons listen: `<state dir>/run/<pid>.sock`, for this user alone.

use std::fs::{DirBuilder, Permissions};
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, PermissionsExt as _};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use tokio::net::UnixListener;

/// A socket that this process listens on; its file goes when this is dropped.
#[derive(Debug)]
pub(super) struct Bound {
    pub(super) listener: UnixListener,
    path: PathBuf,
}

/// Why there is no socket.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SocketError {
    /// The system's limit of a socket's path.
    #[error("the path {} has {bytes} bytes, the system takes {PATH_BYTES_MAX}", .path.display())]
    TooLong {
        /// The path.
        path: PathBuf,
        /// Its length.
        bytes: usize,
    },
    /// The system said no.
    #[error("{}: {error}", .path.display())]
    Io {
        /// At this path.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
}

/// What a socket's path may have, without the zero that ends it: `sockaddr_un` has 108 bytes on Linux, 104 on macOS.
const PATH_BYTES_MAX: usize = if cfg!(target_os = "linux") { 107 } else { 103 };

impl Bound {
    /// Removes what dead daemons left in the directory, and listens there.
    pub(super) fn bind(state_dir: &Path) -> Result<Bound, SocketError> {
        let (dir, pid) = (dir(state_dir), std::process::id());
        let path = dir.join(format!("{pid}.sock"));
        // It gets its name when it listens: before that it looks like that of a dead daemon.
        let early = dir.join(format!("{pid}.new"));
        check_length(&path)?;
        let of = |path: &Path| {
            let path = path.to_owned();
            move |error| SocketError::Io { path, error }
        };
        DirBuilder::new().recursive(true).mode(0o700).create(&dir).map_err(of(&dir))?;
        std::fs::set_permissions(&dir, Permissions::from_mode(0o700)).map_err(of(&dir))?;
        sweep(&dir);
        let _ = std::fs::remove_file(&early);
        let listener = UnixListener::bind(&early).map_err(of(&early))?;
        let placed = std::fs::set_permissions(&early, Permissions::from_mode(0o600))
            .and_then(|()| std::fs::rename(&early, &path));
        if let Err(error) = placed {
            let _ = std::fs::remove_file(&early);
            return Err(SocketError::Io { path, error });
        }
        Ok(Bound { listener, path })
    }
}

impl Drop for Bound {
    fn drop(&mut self) {
        // Another one may have swept it, or the directory is gone.
        let _ = std::fs::remove_file(&self.path);
    }
}

/// The sockets there are, by process; some may be of dead daemons. None where there is no directory.
pub(super) fn list(state_dir: &Path) -> io::Result<Vec<(u32, PathBuf)>> {
    let entries = match std::fs::read_dir(dir(state_dir)) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries?,
    };
    let mut found = Vec::new();
    for entry in entries {
        let path = entry?.path();
        found.extend(pid_of(&path, "sock").map(|pid| (pid, path)));
    }
    found.sort();
    Ok(found)
}

/// Whether a path can be that of a socket.
pub(super) fn check_length(path: &Path) -> Result<(), SocketError> {
    let bytes = path.as_os_str().len();
    if bytes > PATH_BYTES_MAX {
        return Err(SocketError::TooLong { path: path.to_owned(), bytes });
    }
    Ok(())
}

fn dir(state_dir: &Path) -> PathBuf {
    state_dir.join("run")
}

fn pid_of(path: &Path, extension: &str) -> Option<u32> {
    let is_one = path.extension().is_some_and(|found| found == extension);
    path.file_stem().filter(|_| is_one)?.to_str()?.parse().ok()
}

/// Nobody listens any more where nobody answers the door. A socket that has not got its name yet is left to its process.
fn sweep(dir: &Path) {
    let Ok(entries) = std::fs::read_dir(dir) else { return };
    for path in entries.filter_map(|entry| Some(entry.ok()?.path())) {
        let is_dead = || {
            UnixStream::connect(&path).is_err_and(|error| error.kind() == io::ErrorKind::ConnectionRefused)
        };
        let early = pid_of(&path, "new").filter(|pid| !is_running(*pid));
        if (pid_of(&path, "sock").is_some() || early.is_some()) && is_dead() {
            let _ = std::fs::remove_file(&path);
        }
    }
}

fn is_running(pid: u32) -> bool {
    let pid = i32::try_from(pid).ok().and_then(rustix::process::Pid::from_raw);
    pid.is_some_and(|pid| rustix::process::test_kill_process(pid) != Err(rustix::io::Errno::SRCH))
}
