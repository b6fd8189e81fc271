//! Which change wakes which database.

use super::directory::Directories;
use engine::replicate::SourceId;
use std::ffi::OsStr;
use std::path::Path;

fn two() -> Directories {
    let mut directories = Directories::default();
    assert!(directories.add(Path::new("/data"), OsStr::new("a.db"), SourceId(1)));
    assert!(!directories.add(Path::new("/data"), OsStr::new("b.db"), SourceId(2)));
    directories
}

#[test]
fn a_database_and_its_log_wake_it_and_nothing_else_does() {
    let directories = two();
    let owner = |path: &str| directories.owner(Path::new(path));
    assert_eq!(owner("/data/a.db"), Some(SourceId(1)));
    assert_eq!(owner("/data/b.db-wal"), Some(SourceId(2)));
    assert_eq!(owner("/data/b.db-shm"), None);
    assert_eq!(owner("/data/c.db"), None);
    assert_eq!(owner("/elsewhere/a.db"), None);
}

#[test]
fn a_directory_is_given_up_with_its_last_database() {
    let mut directories = two();
    assert_eq!(directories.remove(SourceId(1)), None);
    assert_eq!(directories.remove(SourceId(2)).as_deref(), Some(Path::new("/data")));
    assert_eq!(directories.remove(SourceId(2)), None);
    assert_eq!(directories.owner(Path::new("/data/b.db")), None);
}

#[test]
fn a_database_named_like_a_log_is_itself() {
    let mut directories = two();
    directories.add(Path::new("/data"), OsStr::new("a.db-wal"), SourceId(3));
    assert_eq!(directories.owner(Path::new("/data/a.db-wal")), Some(SourceId(3)));
}
