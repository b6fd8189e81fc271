use super::*;
use crate::port::{FileLock, LockError};
use crate::sqlite::wal_index::READ_SLOTS;
use engine::types::{PageSize, Pgno};
use engine::wal::{ByteOrder, CommittedEnd, WalHeader, WalIndexHeader, WalWriter};
use std::cell::RefCell;
use std::io;
use std::sync::atomic::{AtomicU64, Ordering};

/// Files whose database was written so many times.
struct Written(AtomicU64);

impl Files for Written {
    fn real_path(&self, path: &Path) -> io::Result<PathBuf> {
        Ok(path.to_owned())
    }

    fn identity(&self, path: &Path) -> io::Result<Option<FileIdentity>> {
        let writes = if path == Path::new("/db") { self.0.load(Ordering::Relaxed) } else { 0 };
        Ok(Some(FileIdentity {
            device: 1,
            inode: 2,
            regular: true,
            size_bytes: 4096,
            modified_ns: writes.into(),
            changed_ns: writes.into(),
            born_ns: Some(1),
        }))
    }

    fn rename(&self, _: &Path, _: &Path) -> io::Result<()> {
        unreachable!("nothing is renamed here")
    }

    fn lock(&self, _: &Path) -> Result<Box<dyn FileLock>, LockError> {
        unreachable!("nothing is locked here")
    }
}

/// A log of five frames.
fn index(backfilled: u32, attempted: u32) -> WalIndex {
    let page_size = PageSize::new(512).unwrap();
    let mut writer = WalWriter::new(WalHeader::new(ByteOrder::NATIVE, page_size, 0, Salts(1, 2)));
    for n in 1..=5 {
        writer.append(Pgno::ONE, Some(n), &[7; 512], &mut Vec::new());
    }
    let end = CommittedEnd::from_snapshot(&WalIndexHeader::of(&writer, 5).encode()).unwrap();
    WalIndex { end, backfilled, attempted, marks: [0; READ_SLOTS] }
}

struct Scene {
    files: Written,
    paths: Paths,
    witness: Witness,
    copied: Copied,
    nobody_copies: bool,
}

impl Scene {
    fn new(first: WalIndex) -> Scene {
        let files = Written(AtomicU64::new(0));
        let paths = Paths::new(Path::new("/db"), Path::new("/db"));
        let opened = files.identity(&paths.database).unwrap().unwrap();
        let witness = Witness::first(&files, &paths, &opened, || Ok(Some(first))).unwrap();
        Scene { files, paths, witness, copied: Copied::Consistent, nobody_copies: true }
    }

    fn write(&self) {
        self.files.0.fetch_add(1, Ordering::Relaxed);
    }

    /// To a pin under which nothing can be copied.
    fn anchor_moved(&mut self) {
        let still = self.witness.is_as_checked(&self.files, &self.paths);
        self.witness.anchor_moved(still);
    }

    /// Checks, with what the wal-index says before and after the files are looked at.
    fn check(&mut self, before: WalIndex, after: WalIndex) -> Result<(), SourceError> {
        let answers = RefCell::new(vec![after, before]);
        let next = || Ok(answers.borrow_mut().pop());
        self.witness
            .check(&self.files, &self.paths, next, |_| Ok(self.copied), || self.nobody_copies)
            .map(drop)
    }
}

fn is_replaced(answer: Result<(), SourceError>) -> bool {
    matches!(answer, Err(SourceError::Replaced(_)))
}

#[test]
fn write_without_a_trace_is_foreign() {
    let mut scene = Scene::new(index(2, 2));
    assert_eq!(scene.check(index(2, 2), index(2, 2)), Ok(()));
    scene.write();
    assert!(is_replaced(scene.check(index(2, 2), index(2, 2))));
}

#[test]
fn running_checkpoint_explains_writes_until_it_ends() {
    let mut scene = Scene::new(index(2, 2));
    for _ in 0..20 {
        scene.write();
        assert_eq!(scene.check(index(2, 5), index(2, 5)), Ok(()));
    }
    scene.write();
    assert_eq!(scene.check(index(5, 5), index(5, 5)), Ok(()));
    scene.write();
    assert!(is_replaced(scene.check(index(5, 5), index(5, 5))));
}

#[test]
fn checkpoint_that_begins_between_the_looks_explains_what_was_seen() {
    let mut scene = Scene::new(index(2, 2));
    scene.write();
    assert_eq!(scene.check(index(2, 2), index(2, 5)), Ok(()));
}

#[test]
fn checkpoint_that_ends_between_the_looks_explains_what_is_seen_later() {
    let mut scene = Scene::new(index(2, 2));
    // The files were looked at before its writes, the wal-index after them.
    assert_eq!(scene.check(index(2, 2), index(5, 5)), Ok(()));
    scene.write();
    assert_eq!(scene.check(index(5, 5), index(5, 5)), Ok(()));
    scene.write();
    assert!(is_replaced(scene.check(index(5, 5), index(5, 5))));
}

#[test]
fn unfinished_checkpoint_at_the_start_explains_nothing_for_long() {
    let mut scene = Scene::new(index(0, 5));
    assert_eq!(scene.check(index(0, 5), index(0, 5)), Ok(()));
    scene.write();
    for _ in 0..INHERITED_LOOKS_MAX {
        assert_eq!(scene.check(index(0, 5), index(0, 5)), Err(SourceError::Busy));
    }
    assert!(is_replaced(scene.check(index(0, 5), index(0, 5))));
}

#[test]
fn unfinished_checkpoint_at_the_start_may_finish() {
    let mut scene = Scene::new(index(0, 5));
    scene.write();
    assert_eq!(scene.check(index(0, 5), index(0, 5)), Err(SourceError::Busy));
    assert_eq!(scene.check(index(5, 5), index(5, 5)), Ok(()));
    scene.write();
    assert!(is_replaced(scene.check(index(5, 5), index(5, 5))));
}

#[test]
fn checkpoint_explains_nothing_when_the_file_does_not_hold_what_was_copied() {
    let mut scene = Scene::new(index(2, 2));
    scene.write();
    scene.copied = Copied::Another(Pgno::ONE);
    assert!(is_replaced(scene.check(index(5, 5), index(5, 5))));
}

#[test]
fn what_is_not_clear_yet_is_asked_again() {
    let mut scene = Scene::new(index(2, 2));
    scene.write();
    scene.copied = Copied::Unclear;
    assert_eq!(scene.check(index(5, 5), index(5, 5)), Err(SourceError::Busy));
    scene.copied = Copied::Another(Pgno::ONE);
    assert!(is_replaced(scene.check(index(5, 5), index(5, 5))));
}

#[test]
fn under_a_pin_that_holds_up_checkpoints_every_write_is_foreign() {
    let mut scene = Scene::new(index(5, 5));
    scene.anchor_moved();
    assert_eq!(scene.check(index(5, 5), index(5, 5)), Ok(()));
    scene.write();
    assert!(is_replaced(scene.check(index(0, 0), index(0, 0))));
}

#[test]
fn write_that_was_there_when_the_pin_was_taken_needs_its_trace() {
    let mut scene = Scene::new(index(2, 2));
    scene.write();
    scene.anchor_moved();
    assert_eq!(scene.check(index(5, 5), index(5, 5)), Ok(()));
    scene.anchor_moved();
    scene.witness.pin_ended();
    scene.write();
    assert_eq!(scene.check(index(5, 6), index(5, 6)), Ok(()));
}

#[test]
fn dead_checkpoint_explains_nothing_and_a_living_one_does() {
    let mut scene = Scene::new(index(2, 2));
    assert_eq!(scene.check(index(2, 5), index(2, 5)), Ok(()));
    scene.write();
    assert_eq!(scene.check(index(2, 5), index(2, 5)), Ok(()), "it had written before it died");
    scene.witness.unfinished_is_dead();
    scene.write();
    scene.nobody_copies = false;
    assert_eq!(scene.check(index(2, 5), index(2, 5)), Ok(()), "another one, as far as that");
    scene.write();
    scene.nobody_copies = true;
    assert!(is_replaced(scene.check(index(2, 5), index(2, 5))));
}

#[test]
fn our_own_checkpoint_may_get_no_further_than_a_dead_one() {
    let mut scene = Scene::new(index(2, 2));
    assert_eq!(scene.check(index(2, 5), index(2, 5)), Ok(()));
    scene.witness.unfinished_is_dead();
    scene.witness.another_begins();
    scene.write();
    assert_eq!(scene.check(index(2, 5), index(2, 5)), Ok(()));
}
