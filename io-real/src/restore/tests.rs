//! What can be said of the parts without a store: `tests/tests/restore_store.rs` tests the whole.

use super::integrity::problems;
use super::output::{IfExists, Output};
use super::page_writer::{PageFile, PageWriter};
use super::sums::PageChecksums;
use super::{OutputError, temporary};
use crate::files::{RealFiles, RealOutputFiles, identity_of};
use crate::port::{Files as _, OutputFiles as _};
use engine::db::{NO_PAGES, PageSums, page_checksum};
use engine::replicate::FileId;
use engine::types::{PageSize, Pgno};
use proptest::prelude::*;
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

fn page_of(number: u32) -> [u8; 512] {
    std::array::from_fn(|i| (number as usize * 7 + i) as u8)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(20))]

    /// Runs of neighbours, gaps, and more than one write's worth of both.
    #[test]
    fn each_page_lands_at_its_place(
        pages in prop::collection::btree_set(1_u32..6000, 0..300),
        run in 1_u32..5000,
        from in 1_u32..1000,
    ) {
        let pages: BTreeSet<u32> = pages.into_iter().chain(from..from + run).collect();
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("new");
        let file = RealOutputFiles.create(&path, &path).unwrap();
        let page_size = PageSize::new(512).unwrap();
        let sums = Arc::new(PageChecksums::default());
        let to = PageFile { file, path: Arc::default(), page_size, sums: Some(sums.clone()) };
        let mut writer = PageWriter::new(to);
        let mut checksum = NO_PAGES;
        let mut expected = PageSums::unknown(*pages.last().unwrap());
        for number in &pages {
            let (pgno, page) = (Pgno::new(*number).unwrap(), page_of(*number));
            writer.page(pgno).unwrap().copy_from_slice(&page);
            checksum = checksum ^ page_checksum(pgno, &page);
            expected.set(pgno, page_checksum(pgno, &page));
        }
        let written = writer.finish().unwrap();
        prop_assert_eq!(sums.take(expected.page_count()), expected);
        prop_assert_eq!((written.checksum, written.pages_count), (checksum, pages.len() as u64));
        let bytes = fs::read(path).unwrap();
        for (page, number) in bytes.chunks(512).zip(1..) {
            let expected = if pages.contains(&number) { page_of(number) } else { [0; 512] };
            prop_assert_eq!(page, &expected[..]);
        }
    }
}

#[test]
fn a_file_with_an_odd_name_is_checked_and_not_touched() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a ?b#c%20'é.db");
    let connection = rusqlite::Connection::open(&path).unwrap();
    connection.pragma_update(None, "journal_mode", "wal").unwrap();
    connection.execute_batch("CREATE TABLE t(x); INSERT INTO t VALUES (1);").unwrap();
    connection.close().unwrap();
    let before = fs::read(&path).unwrap();
    assert_eq!(problems(None, &path), Vec::<String>::new());
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1, "nothing appeared beside it");
    assert_eq!(fs::read(&path).unwrap(), before);
    fs::write(&path, "no database, but long enough to be looked at").unwrap();
    assert_ne!(problems(None, &path), Vec::<String>::new());
}

fn finished(output: &Output) -> temporary::Temporary {
    let temporary = output.temporary().unwrap();
    temporary.file.write_all_at(b"new", 0).unwrap();
    temporary
}

fn write_all(dir: &Path, names: &[&str]) {
    names.iter().for_each(|name| fs::write(dir.join(name), format!("old {name}")).unwrap());
}

#[test]
fn an_output_that_appeared_meanwhile_is_not_replaced() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a.db");
    let output = Output::new(&path, IfExists::Refuse).unwrap();
    let temporary = finished(&output);
    write_all(dir.path(), &["a.db"]);
    let refused = output.publish(temporary, None).unwrap_err();
    assert!(matches!(refused, OutputError::Exists(_)), "{refused}");
    assert_eq!(fs::read(&path).unwrap(), b"old a.db");
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
}

/// The path and the file that were told of, and whether the one named the other already.
type Told = (PathBuf, FileId, bool);

/// Publishes, and gives what was told meanwhile.
fn published(output: &Output) -> (Result<(), OutputError>, Option<Told>) {
    let (tell, told) = std::sync::mpsc::channel();
    let record = move |path: &Path, file| {
        let there = fs::metadata(path).is_ok_and(|found| identity_of(&found).id() == file);
        tell.send((path.to_owned(), file, there)).unwrap();
    };
    let done = output.publish(finished(output), Some(Box::new(record)));
    (done, told.try_recv().ok())
}

#[test]
fn what_is_told_of_a_finished_file_is_true_once_it_has_its_name_and_of_no_file_before() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a.db");
    for companions in [&[][..], &["a.db"], &["a.db-wal", "a.db-shm"]] {
        write_all(dir.path(), companions);
        let output = Output::new(&path, IfExists::Replace).unwrap();
        let (done, told) = published(&output);
        done.unwrap();
        let (at, file, there) = told.unwrap();
        assert_eq!((at.as_path(), there), (output.path(), false), "{companions:?}");
        assert_eq!(identity_of(&fs::metadata(&path).unwrap()).id(), file, "{companions:?}");
    }
}

#[test]
fn nothing_is_told_of_a_file_that_may_not_get_its_name() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a.db");
    write_all(dir.path(), &["a.db"]);
    let followed = RealFiles::new("host").lock(&dir.path().join(".a.db-walsync.lock")).unwrap();
    let (done, told) = published(&Output::new(&path, IfExists::Replace).unwrap());
    assert!(matches!(done, Err(OutputError::Followed { .. })) && told.is_none(), "{done:?}");
    drop(followed);
    fs::remove_file(&path).unwrap();
    let output = Output::new(&path, IfExists::Refuse).unwrap();
    write_all(dir.path(), &["a.db"]);
    let (done, told) = published(&output);
    assert!(matches!(done, Err(OutputError::Exists(_))) && told.is_none(), "{done:?}");
}

/// Puts files there, replaces the database, and gives the names of all that is there then.
fn names_after_replacing(there: &[&str]) -> Vec<String> {
    let dir = tempfile::tempdir().unwrap();
    write_all(dir.path(), there);
    let output = Output::new(&dir.path().join("a.db"), IfExists::Replace).unwrap();
    output.publish(finished(&output), None).unwrap();
    let entries = fs::read_dir(dir.path()).unwrap();
    entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
}

#[test]
fn what_a_crash_left_set_aside_goes_with_the_next_replacement() {
    let (aside, its_log) = ("a.db.walsync-replaced", "a.db.walsync-replaced-wal");
    let (another, another_log) = ("a.db.walsync-replaced.2", "a.db.walsync-replaced.2-wal");
    for there in [
        &[aside, its_log][..],
        &["a.db", aside],
        &["a.db-wal", aside],
        &["a.db", "a.db-wal", its_log],
        &["a.db", "a.db-wal", aside, its_log, another, another_log],
    ] {
        assert_eq!(names_after_replacing(there), ["a.db"], "{there:?}");
    }
}

#[test]
fn a_link_is_followed_and_the_new_file_takes_after_the_old_one() {
    use std::os::unix::fs::PermissionsExt as _;
    let dir = tempfile::tempdir().unwrap();
    fs::create_dir(dir.path().join("data")).unwrap();
    write_all(dir.path(), &["data/a.db"]);
    let real = dir.path().join("data/a.db");
    fs::set_permissions(&real, fs::Permissions::from_mode(0o640)).unwrap();
    let link = dir.path().join("link.db");
    std::os::unix::fs::symlink("data/a.db", &link).unwrap();
    let output = Output::new(&link, IfExists::Replace).unwrap();
    output.publish(finished(&output), None).unwrap();
    assert!(link.symlink_metadata().unwrap().is_symlink());
    assert_eq!(fs::read(&real).unwrap(), b"new");
    assert_eq!(real.metadata().unwrap().permissions().mode() & 0o777, 0o640);
}
