use super::*;
use crate::files::RealOutputFiles;
use crate::port::{FileKind, FileLock, LockError, OutputFile};
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Real files, of which some renames fail.
#[derive(Debug)]
struct Refusing {
    /// The nth ones, from 0 on.
    refused: &'static [usize],
    renames: AtomicUsize,
}

impl Refusing {
    fn renames(refused: &'static [usize]) -> Refusing {
        Refusing { refused, renames: AtomicUsize::new(0) }
    }

    fn next(&self) -> io::Result<()> {
        let nth = self.renames.fetch_add(1, Ordering::Relaxed);
        if self.refused.contains(&nth) { Err(io::Error::other("refused")) } else { Ok(()) }
    }
}

impl OutputFiles for Refusing {
    fn real_path(&self, path: &Path) -> io::Result<PathBuf> {
        RealOutputFiles.real_path(path)
    }

    fn real_folder(&self, path: &Path) -> io::Result<PathBuf> {
        RealOutputFiles.real_folder(path)
    }

    fn look(&self, path: &Path) -> io::Result<Option<FileKind>> {
        RealOutputFiles.look(path)
    }

    fn create(&self, path: &Path, output: &Path) -> io::Result<Arc<dyn OutputFile>> {
        RealOutputFiles.create(path, output)
    }

    fn is_abandoned(&self, path: &Path) -> io::Result<bool> {
        RealOutputFiles.is_abandoned(path)
    }

    fn tag(&self) -> String {
        RealOutputFiles.tag()
    }

    fn names(&self, folder: &Path) -> io::Result<Vec<OsString>> {
        RealOutputFiles.names(folder)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.next()?;
        RealOutputFiles.rename(from, to)
    }

    fn rename_to_new(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.next()?;
        RealOutputFiles.rename_to_new(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        RealOutputFiles.remove(path)
    }

    fn sync_folder(&self, folder: &Path) -> io::Result<()> {
        RealOutputFiles.sync_folder(folder)
    }

    fn lock_if_there(&self, path: &Path) -> Result<Option<Box<dyn FileLock>>, LockError> {
        RealOutputFiles.lock_if_there(path)
    }
}

/// Files that hold what is said of them.
fn folder(files: &[(&str, &str)]) -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    files.iter().for_each(|(name, text)| fs::write(dir.path().join(name), text).unwrap());
    dir
}

fn content(dir: &Path) -> BTreeMap<String, String> {
    let entries = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap());
    let read = |path: PathBuf| fs::read_to_string(path).unwrap();
    entries.map(|entry| (entry.file_name().into_string().unwrap(), read(entry.path()))).collect()
}

fn map(files: &[(&str, &str)]) -> BTreeMap<String, String> {
    files.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())).collect()
}

const OLD: &[(&str, &str)] = &[("a", "old"), ("a-wal", "its log"), ("a-journal", "its journal")];

#[test]
fn each_rename_that_fails_is_undone() {
    for refused in [&[0][..], &[1], &[3]] {
        let dir = folder(OLD);
        let (files, path) = (Refusing::renames(refused), dir.path().join("a"));
        let error = OldDatabase::at(&files, &path).set_aside().unwrap_err();
        assert!(matches!(error, OutputError::Disk { .. }), "{error}");
        assert_eq!(content(dir.path()), map(OLD), "{refused:?}");
    }
}

#[test]
fn what_cannot_be_undone_is_told_with_its_names() {
    let dir = folder(OLD);
    // The journal does not go, and the log does not come back. (No shared memory is there, which takes an attempt.)
    let (files, path) = (Refusing::renames(&[3, 4]), dir.path().join("a"));
    let error = OldDatabase::at(&files, &path).set_aside().unwrap_err();
    let OutputError::SetAside { ref moved, .. } = error else { panic!("{error}") };
    let expected = [("a", "a.walsync-replaced"), ("a-wal", "a.walsync-replaced-wal")];
    let at = |name: &str| dir.path().join(name);
    assert_eq!(*moved, expected.map(|(was, is)| Moved { was: at(was), is: at(is) }));
    let is = [("a.walsync-replaced", "old"), ("a.walsync-replaced-wal", "its log"), OLD[2]];
    assert_eq!(content(dir.path()), map(&is));
    let told = error.to_string();
    assert!(
        told.contains(&format!("what was {} is {} now", at("a").display(), at(is[0].0).display())),
        "{told}"
    );
}

#[test]
fn what_somebody_made_under_the_name_is_not_written_over_and_gets_no_log_of_the_old_one() {
    let dir = folder(OLD);
    let path = dir.path().join("a");
    let mut old = OldDatabase::at(&RealOutputFiles, &path);
    old.set_aside().unwrap();
    let mut expected = content(dir.path());
    fs::write(&path, "theirs").unwrap();
    expected.insert("a".to_owned(), "theirs".to_owned());
    let error = old.put_back(OutputError::NotAFile(path.clone()));
    assert!(matches!(error, OutputError::SetAside { ref moved, .. } if moved.len() == 3), "{error}");
    assert_eq!(content(dir.path()), expected);
}

#[test]
fn what_was_set_aside_earlier_stays_until_there_is_a_new_database() {
    let earlier = [("a.walsync-replaced", "older"), ("a.walsync-replaced-wal", "older log")];
    let dir = folder(&[OLD, &earlier].concat());
    let path = dir.path().join("a");
    let mut old = OldDatabase::at(&RealOutputFiles, &path);
    old.set_aside().unwrap();
    let second = [
        ("a.walsync-replaced.2", "old"),
        ("a.walsync-replaced.2-wal", "its log"),
        ("a.walsync-replaced.2-journal", "its journal"),
    ];
    assert_eq!(content(dir.path()), map(&[&earlier[..], &second].concat()));
    old.remove_all_aside();
    assert_eq!(content(dir.path()), map(&[]));
}

#[test]
fn log_without_a_database_goes_to_the_one_that_was_set_aside_last() {
    let older = [("a.walsync-replaced", "older"), ("a.walsync-replaced-wal", "older log")];
    let last = ("a.walsync-replaced.2", "old");
    for (there, to) in [
        // A crash came in between.
        (&[older[0], older[1], last][..], "a.walsync-replaced.2-wal"),
        // That one has a log already.
        (&older, "a.walsync-replaced.2-wal"),
        (&[older[0]], "a.walsync-replaced-wal"),
        (&[], "a.walsync-replaced-wal"),
    ] {
        let dir = folder(&[there, &[("a-wal", "its log")]].concat());
        OldDatabase::at(&RealOutputFiles, &dir.path().join("a")).set_aside().unwrap();
        assert_eq!(content(dir.path()), map(&[there, &[(to, "its log")]].concat()), "{there:?}");
    }
}

#[test]
fn only_names_that_were_made_here_are_taken_for_such() {
    let parse = |name: &str| {
        let aside = Aside::parse(OsStr::new(name), OsStr::new("a.walsync-replaced"))?;
        Some((aside.number, aside.suffix))
    };
    assert_eq!(parse("a.walsync-replaced"), Some((1, "")));
    assert_eq!(parse("a.walsync-replaced-journal"), Some((1, "-journal")));
    assert_eq!(parse("a.walsync-replaced.12-wal"), Some((12, "-wal")));
    for other in [".1", ".02", ".", ".-wal", ".bak", "-old", "2", ".2-wal-wal", ".+2"] {
        assert_eq!(parse(&format!("a.walsync-replaced{other}")), None, "{other}");
    }
    assert_eq!(parse("b.walsync-replaced"), None);
}
