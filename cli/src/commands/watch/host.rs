//! What the daemon needs of this machine: a name, randomness, descriptors, a directory.

use crate::exit::{Failure, Kind};
use engine::manifest::DatabaseId;
use engine::replicate::StateError;
use engine::types::NodeId;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use std::fs::{DirBuilder, File};
use std::io::{self, Read as _};
use std::os::unix::fs::DirBuilderExt as _;
use std::path::Path;

/// This machine's name, for the people who read claims and locks.
pub(in crate::commands) fn name() -> String {
    rustix::system::uname().nodename().to_string_lossy().into_owned()
}

/// A writer id that nobody had before.
pub(in crate::commands) fn node_id() -> io::Result<NodeId> {
    loop {
        // Zero, which is not an id, comes once in 2^64.
        if let Some(id) = NodeId::new(u64::from_be_bytes(random()?)) {
            return Ok(id);
        }
    }
}

/// The identity of a history that may begin now.
pub(in crate::commands) fn database_id() -> io::Result<DatabaseId> {
    random().map(DatabaseId::from_random)
}

fn random<const BYTES: usize>() -> io::Result<[u8; BYTES]> {
    let mut bytes = [0; BYTES];
    File::open("/dev/urandom")?.read_exact(&mut bytes)?;
    Ok(bytes)
}

/// Makes the state directory, readable for nobody else.
///
/// # Errors
/// Exit 2: the place cannot be written; 3: its disk is full. `hint`: the command with another one.
pub(in crate::commands) fn make_state_dir(dir: &Path, hint: &str) -> Result<(), Failure> {
    create_private_dir(dir).map_err(|error| {
        let kind = match error.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Kind::Unavailable,
            _ => Kind::Usage,
        };
        Failure::new(kind, format!("the state directory {} cannot be made", dir.display()))
            .because(&error)
            .hint(hint)
    })
}

/// Makes a directory that nobody else may look into, where there is none.
pub(in crate::commands) fn create_private_dir(dir: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(dir)
}

/// Why the local state cannot be opened. What SQLite calls full or an I/O error is the disk's trouble, which may
/// pass; all else needs a person.
pub(super) fn state_failure(error: &StateError, hint: &str) -> Failure {
    let why = error.to_string();
    let is_disk = ["disk is full", "disk I/O error", "No space left on device", "quota exceeded"];
    let kind = if is_disk.iter().any(|text| why.contains(text)) { Kind::Unavailable } else { Kind::Usage };
    Failure::new(kind, "the local state cannot be used").because(error).hint(hint)
}

/// Descriptors of one open database (two connections, their log and shared memory), and of everything else.
const PER_DATABASE: u64 = 5;
const BESIDE: u64 = 64;

/// Raises the limit of open files to what is allowed.
///
/// # Errors
/// Exit 2: it does not suffice for so many databases and requests.
pub(super) fn raise_open_files(databases: usize, requests: u64) -> Result<(), Failure> {
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit { current: limit.maximum, maximum: limit.maximum };
    let now = if setrlimit(Resource::Nofile, raised).is_ok() { limit.maximum } else { limit.current };
    let needed = needed(databases, requests);
    match now {
        Some(now) if now < needed => Err(Failure::usage("too many databases for one process")
            .cause(format!(
                "{databases} databases and {requests} requests need {needed} open files, {now} are allowed"
            ))
            .hint(format!("ulimit -n {needed}"))),
        _ => Ok(()),
    }
}

fn needed(databases: usize, requests: u64) -> u64 {
    (databases as u64).saturating_mul(PER_DATABASE).saturating_add(requests).saturating_add(BESIDE)
}
