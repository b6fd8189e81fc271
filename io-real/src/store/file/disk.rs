//! Single files: what they are, their bytes, their removal. Blocking.

use super::directories::{Begun, Directories, parent};
use super::error::{ambiguous, classify};
use super::lock::ObjectLock;
use crate::port::Body;
use crate::store::key::{WHOLE_BYTES_MAX, unsupported};
use crate::store::unique::unique;
use engine::store::{Attributes, ETag, ObjectMeta, StoreError};
use engine::types::Timestamp;
use std::collections::BTreeMap;
use std::fs::{File, Metadata, OpenOptions};
use std::io;
use std::ops::Range;
use std::os::unix::fs::{FileExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};

/// What the file system says about an object.
#[derive(Clone, Copy, Debug)]
pub(super) struct Stat {
    inode: u64,
    modified_ns: i128,
    pub(super) size_bytes: u64,
    /// When the file system last touched the file's entry, by its own clock.
    pub(super) changed: Timestamp,
}

impl Stat {
    /// Looks at the file at `path`; anything but a file is not there.
    pub(super) fn of(path: &Path) -> Result<Stat, StoreError> {
        let metadata = path.metadata().map_err(|error| missing_or(path, &error))?;
        if metadata.is_file() { Ok(Stat::from(&metadata)) } else { Err(StoreError::Missing) }
    }

    /// Inode, time and size: a file is never changed in place, so another content is another inode. An inode
    /// used again differs in time or size.
    pub(super) fn etag(&self) -> ETag {
        ETag::new(format!("{:x}-{:x}-{:x}", self.inode, self.modified_ns, self.size_bytes))
    }

    pub(super) fn modified(&self) -> Timestamp {
        Timestamp::from_millis(i64::try_from(self.modified_ns.div_euclid(1_000_000)).unwrap_or(i64::MAX))
    }

    pub(super) fn meta(&self, key: String) -> ObjectMeta {
        ObjectMeta {
            key,
            size_bytes: self.size_bytes,
            etag: self.etag(),
            modified: self.modified(),
            // Another name, or a time that is set, changes it too: later than it came, never earlier.
            arrived: self.changed,
        }
    }

    pub(super) fn attributes(&self) -> Attributes {
        Attributes { timestamp: Some(self.modified()), sha256: None }
    }
}

impl From<&Metadata> for Stat {
    fn from(metadata: &Metadata) -> Stat {
        let changed_ms =
            metadata.ctime().saturating_mul(1000).saturating_add(metadata.ctime_nsec() / 1_000_000);
        Stat {
            inode: metadata.ino(),
            modified_ns: i128::from(metadata.mtime()) * 1_000_000_000 + i128::from(metadata.mtime_nsec()),
            size_bytes: metadata.len(),
            changed: Timestamp::from_millis(changed_ms),
        }
    }
}

/// The part of an object that is asked for.
#[derive(Clone, Debug)]
pub(super) enum Part {
    Whole,
    Range(Range<u64>),
    Tail(u64),
}

/// Reads a part of the file at `path`; clipped to its end, and an error if nothing is left.
pub(super) fn read(path: &Path, part: &Part, directories: &Directories) -> Result<Body, StoreError> {
    directories.settle(parent(path)).map_err(|error| classify(path, &error))?;
    let file = File::open(path).map_err(|error| missing_or(path, &error))?;
    let metadata = file.metadata().map_err(|error| classify(path, &error))?;
    if !metadata.is_file() {
        return Err(StoreError::Missing);
    }
    let stat = Stat::from(&metadata);
    let range = match part {
        Part::Whole => 0..stat.size_bytes,
        Part::Range(range) => range.start..range.end.min(stat.size_bytes),
        Part::Tail(bytes_max) => stat.size_bytes.saturating_sub(*bytes_max)..stat.size_bytes,
    };
    if range.is_empty() && !matches!(part, Part::Whole) {
        return Err(unsupported(format!("{}: nothing of it is in {part:?}", path.display())));
    }
    let length = range.end - range.start;
    if length > WHOLE_BYTES_MAX && matches!(part, Part::Whole) {
        return Err(unsupported(format!("{}: {length} bytes are more than a document has", path.display())));
    }
    let length = usize::try_from(length).map_err(|_| unsupported("more than memory holds"))?;
    let mut bytes = vec![0; length];
    file.read_exact_at(&mut bytes, range.start).map_err(|error| classify(path, &error))?;
    Ok(Body {
        bytes: bytes.into(),
        object_bytes: stat.size_bytes,
        etag: stat.etag(),
        modified: stat.modified(),
        attributes: stat.attributes(),
    })
}

/// What time it is for the file system of `dir`: that of a new file. It may be another machine's.
pub(super) fn file_system_time(dir: &Path) -> Result<Timestamp, StoreError> {
    let path = dir.join(format!("time#{:016x}", unique()));
    let file = OpenOptions::new().write(true).create_new(true).open(&path);
    let file = file.map_err(|error| missing_or(&path, &error))?;
    let metadata = file.metadata().map_err(|error| classify(&path, &error));
    // What stays is swept another day.
    let _ = std::fs::remove_file(&path);
    Ok(Stat::from(&metadata?).changed)
}

/// Removes files, then syncs each directory once. One answer per path.
pub(super) fn remove_many(paths: &[PathBuf], directories: &Directories) -> Vec<Result<(), StoreError>> {
    let mut answers: Vec<Result<(), StoreError>> = Vec::with_capacity(paths.len());
    let mut dirs: BTreeMap<&Path, (Begun, Vec<usize>)> = BTreeMap::new();
    for (at, path) in paths.iter().enumerate() {
        let dir = parent(path);
        let begun = directories.begin(dir);
        answers.push(match std::fs::remove_file(path) {
            Ok(()) => {
                dirs.entry(dir).or_insert_with(|| (begun, Vec::new())).1.push(at);
                Ok(())
            }
            Err(error) => match missing_or(path, &error) {
                StoreError::Missing => Ok(()),
                other => Err(other),
            },
        });
    }
    for (dir, (begun, removed)) in dirs {
        if let Err(error) = directories.sync_since(begun, dir) {
            removed.into_iter().for_each(|at| answers[at] = Err(ambiguous(&paths[at], &error)));
        }
    }
    answers
}

/// Removes the file at `path` if it still is this version.
pub(super) fn remove_if_match(path: &Path, etag: &ETag, directories: &Directories) -> Result<(), StoreError> {
    // A missing directory would otherwise be noticed by the lock.
    Stat::of(path)?;
    let _lock = ObjectLock::take(path)?;
    if Stat::of(path)?.etag() != *etag {
        return Err(StoreError::Refused);
    }
    let begun = directories.begin(parent(path));
    std::fs::remove_file(path).map_err(|error| classify(path, &error))?;
    directories.sync_since(begun, parent(path)).map_err(|error| ambiguous(path, &error))
}

/// For reads and removals: below a file there is nothing, so it is as good as missing.
fn missing_or(path: &Path, error: &io::Error) -> StoreError {
    match error.kind() {
        io::ErrorKind::NotADirectory => StoreError::Missing,
        _ => classify(path, error),
    }
}
