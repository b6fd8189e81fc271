//! Syncs of directories that fail, or that an earlier life did not come to.

use super::FileStore;
use super::directories::{Directories, SyncDir, sync_dir};
use super::walk::{self, Tree};
use crate::port::Store;
use engine::store::{Attributes, Condition, StoreError};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

/// A disk on which syncs of directories fail while it is told so.
#[derive(Clone, Default)]
struct Disk(Arc<Mutex<Syncs>>);

#[derive(Default)]
struct Syncs {
    broken: bool,
    /// Those that succeeded, and whether there was a new entry that only they needed.
    done: Vec<(PathBuf, bool)>,
}

impl Disk {
    fn sync(&self) -> SyncDir {
        let disk = self.clone();
        Box::new(move |dir| {
            if disk.0.lock().unwrap().broken {
                return Err(io::Error::from_raw_os_error(5));
            }
            sync_dir(dir)?;
            let names =
                std::fs::read_dir(dir)?.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
            let renewed = names.into_iter().any(|name| name.starts_with("sync#"));
            disk.0.lock().unwrap().done.push((dir.to_owned(), renewed));
            Ok(())
        })
    }

    fn set_broken(&self, broken: bool) {
        self.0.lock().unwrap().broken = broken;
    }

    /// What was synced since the last time that somebody asked.
    fn take(&self) -> Vec<(PathBuf, bool)> {
        std::mem::take(&mut self.0.lock().unwrap().done)
    }

    fn store(&self, root: &Path) -> FileStore {
        FileStore::with(root, self.sync()).unwrap()
    }
}

async fn put(store: &FileStore, key: &str) -> Result<(), StoreError> {
    store.put(key, "bytes".into(), &Attributes::default(), &Condition::IfAbsent).await.map(|_| ())
}

fn is_retryable<T>(answer: Result<T, StoreError>) -> bool {
    matches!(answer, Err(StoreError::Retryable(_)))
}

#[tokio::test]
async fn an_object_whose_name_was_not_synced_is_not_there_before_it_is() {
    let (dir, disk) = (tempfile::tempdir().unwrap(), Disk::default());
    let store = disk.store(dir.path());
    put(&store, "a/first").await.unwrap();
    disk.set_broken(true);
    assert!(matches!(put(&store, "a/second").await, Err(StoreError::Ambiguous(_))));
    assert!(dir.path().join("a/second").exists());
    // Nobody may find his own bytes there and call them durable.
    assert!(is_retryable(put(&store, "a/second").await), "not refused: that would be read back");
    assert!(is_retryable(store.get("a/second", None).await));
    assert!(is_retryable(store.get_tail("a/second", 4).await));
    assert!(is_retryable(store.head("a/second").await));
    assert!(is_retryable(store.list("a/", None).await));
    assert!(is_retryable(store.list_folder("a/", None).await));
    disk.set_broken(false);
    disk.take();
    assert_eq!(store.get("a/second", None).await.unwrap().bytes, "bytes");
    assert_eq!(disk.take(), [(dir.path().join("a"), true)], "a sync that has something to write");
    assert_eq!(put(&store, "a/second").await, Err(StoreError::Refused));
    assert_eq!(std::fs::read_dir(dir.path().join("a")).unwrap().count(), 2);
}

#[tokio::test]
async fn a_new_object_whose_sync_succeeds_ends_the_doubt_about_the_old_ones() {
    let (dir, disk) = (tempfile::tempdir().unwrap(), Disk::default());
    let store = disk.store(dir.path());
    put(&store, "a/first").await.unwrap();
    disk.set_broken(true);
    put(&store, "a/second").await.unwrap_err();
    disk.set_broken(false);
    put(&store, "a/third").await.unwrap();
    disk.take();
    store.get("a/second", None).await.unwrap();
    assert_eq!(disk.take(), []);
}

#[tokio::test]
async fn what_a_life_left_that_was_killed_is_synced_before_it_is_taken_over() {
    let (dir, disk) = (tempfile::tempdir().unwrap(), Disk::default());
    std::fs::create_dir(dir.path().join("a")).unwrap();
    std::fs::write(dir.path().join("a/x"), "bytes").unwrap();
    let a = (dir.path().join("a"), false);
    let store = disk.store(dir.path());
    store.list("a/", None).await.unwrap();
    assert_eq!(disk.take(), std::slice::from_ref(&a));
    store.list("a/", None).await.unwrap();
    store.get("a/x", None).await.unwrap();
    assert_eq!(disk.take(), [], "once in a life");
    assert_eq!(put(&store, "a/x").await, Err(StoreError::Refused));
    assert!(disk.take().contains(&a), "another may have made it just now");
    let store = disk.store(dir.path());
    store.get("a/x", None).await.unwrap();
    assert_eq!(disk.take(), std::slice::from_ref(&a));
    disk.set_broken(true);
    assert!(is_retryable(disk.store(dir.path()).list("a/", None).await));
}

#[tokio::test]
async fn directories_that_are_there_already_have_their_names_synced_once_in_a_life() {
    let (dir, disk) = (tempfile::tempdir().unwrap(), Disk::default());
    std::fs::create_dir_all(dir.path().join("store/a/b")).unwrap();
    let store = disk.store(&dir.path().join("store"));
    put(&store, "a/b/x").await.unwrap();
    let synced = disk.take();
    for name in ["", "store", "store/a", "store/a/b"] {
        assert!(synced.contains(&(dir.path().join(name), false)), "{name}: {synced:?}");
    }
    put(&store, "a/b/y").await.unwrap();
    assert_eq!(disk.take(), [(dir.path().join("store/a/b"), false)]);
    disk.set_broken(true);
    let other = disk.store(&dir.path().join("store"));
    assert!(is_retryable(put(&other, "a/b/z").await));
    assert!(!dir.path().join("store/a/b/z").exists());
}

#[test]
fn a_sync_that_failed_meanwhile_takes_the_entry_of_another_along() {
    let (dir, disk) = (tempfile::tempdir().unwrap(), Disk::default());
    let directories = Directories::new(disk.sync());
    let (one, other) = (directories.begin(dir.path()), directories.begin(dir.path()));
    disk.set_broken(true);
    directories.sync_since(one, dir.path()).unwrap_err();
    disk.set_broken(false);
    directories.sync_since(other, dir.path()).unwrap_err();
    directories.settle(dir.path()).unwrap();
    assert_eq!(disk.take().last(), Some(&(dir.path().to_owned(), true)));
}

#[test]
fn what_cannot_be_synced_at_all_can_still_be_read() {
    let dir = tempfile::tempdir().unwrap();
    let directories = Directories::new(Box::new(|_| Err(io::ErrorKind::InvalidInput.into())));
    directories.settle(dir.path()).unwrap();
    let begun = directories.begin(dir.path());
    directories.sync_since(begun, dir.path()).unwrap_err();
    directories.settle(dir.path()).unwrap_err();
}

/// Fills a folder behind the store's back; syncing each object would take minutes.
fn crowded(objects: usize) -> (tempfile::TempDir, FileStore) {
    let dir = tempfile::tempdir().unwrap();
    std::fs::create_dir(dir.path().join("0000")).unwrap();
    for n in 0..objects {
        std::fs::write(dir.path().join(format!("0000/{n:016x}.ltx")), b"x").unwrap();
    }
    let store = FileStore::open(dir.path()).unwrap();
    (dir, store)
}

#[tokio::test]
async fn large_directory_is_walked_once() {
    let (_dir, store) = crowded(4_000);
    let page = store.list("", None).await.unwrap();
    assert_eq!((page.objects.len(), page.next), (4_000, None));
}

#[test]
fn pages_follow_each_other_without_gap_or_overlap() {
    let (dir, _store) = crowded(100);
    let directories = Directories::new(Box::new(sync_dir));
    let tree = Tree { root: dir.path(), directories: &directories };
    for list in [walk::list, walk::list_folder] {
        let (mut seen, mut after) = (Vec::new(), None::<String>);
        loop {
            let page = list(&tree, "0000/", after.as_deref(), 7).unwrap();
            assert!(page.objects.len() == 7 || page.next.is_none());
            seen.extend(page.objects.into_iter().map(|object| object.key));
            after = page.next;
            if after.is_none() {
                break;
            }
        }
        let all: Vec<String> = (0..100).map(|n| format!("0000/{n:016x}.ltx")).collect();
        assert_eq!(seen, all);
    }
}

#[tokio::test]
async fn file_that_is_no_document_is_not_read_whole() {
    let dir = tempfile::tempdir().unwrap();
    let store = FileStore::open(dir.path()).unwrap();
    std::fs::File::create(dir.path().join("huge")).unwrap().set_len(1 << 40).unwrap();
    let answer = store.get("huge", None).await.map(drop);
    assert!(matches!(answer, Err(StoreError::Fatal { .. })), "{answer:?}");
    assert_eq!(store.get("huge", Some(1 << 39..(1 << 39) + 4)).await.unwrap().bytes, [0; 4][..]);
}
