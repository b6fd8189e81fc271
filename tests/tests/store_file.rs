//! A directory as a store: the common promises, and those that only a directory can keep.

#![allow(clippy::unwrap_used)]

mod contract;

use bytes::Bytes;
use contract::World;
use engine::store::{Attributes, Condition, Fatal, StoreError};
use engine::types::Timestamp;
use io_real::port::Store;
use io_real::store::{StoreOptions, StoreUrl, open};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

struct FileWorld {
    dir: tempfile::TempDir,
    store: Arc<dyn Store>,
}

impl FileWorld {
    fn path(&self, key: &str) -> std::path::PathBuf {
        self.dir.path().join("store").join(key)
    }
}

impl World for FileWorld {
    const KEEPS_SHA256: bool = false;
    const LISTED_AT_ONCE: usize = 50_000;

    fn new() -> FileWorld {
        let dir = tempfile::tempdir().unwrap();
        // The directory itself does not exist yet.
        let url = StoreUrl::parse(dir.path().join("store").to_str().unwrap()).unwrap();
        let store = open(&url, &StoreOptions::default()).unwrap();
        FileWorld { dir, store }
    }

    fn store(&self) -> Arc<dyn Store> {
        self.store.clone()
    }

    fn seed(&self, keys: &[String]) {
        for key in keys {
            std::fs::create_dir_all(self.path(key).parent().unwrap()).unwrap();
            std::fs::write(self.path(key), "seed").unwrap();
        }
    }

    fn grow_old(&self) -> Duration {
        // Nobody sets the time of an entry back: until the file system's clock has moved on.
        let changed_ms = || {
            let entry = tempfile::NamedTempFile::new_in(self.dir.path()).unwrap();
            let metadata = entry.as_file().metadata().unwrap();
            metadata.ctime() * 1000 + metadata.ctime_nsec() / 1_000_000
        };
        let start_ms = changed_ms();
        while changed_ms() < start_ms + 2 {}
        Duration::ZERO
    }

    fn keys(&self) -> Vec<String> {
        let mut keys = Vec::new();
        files(&self.path(""), "", &mut keys);
        keys.sort();
        keys
    }
}

/// Every file there is, also those that the store hides.
fn files(dir: &Path, prefix: &str, found: &mut Vec<String>) {
    let Ok(entries) = std::fs::read_dir(dir) else { return };
    for entry in entries.map(Result::unwrap) {
        let name = format!("{prefix}{}", entry.file_name().into_string().unwrap());
        match entry.file_type().unwrap().is_dir() {
            true => files(&entry.path(), &format!("{name}/"), found),
            false => found.push(name),
        }
    }
}

contract::suite!(FileWorld);

async fn put(world: &FileWorld, key: &str, condition: Condition) -> Result<(), StoreError> {
    world.store.put(key, Bytes::from("x"), &Attributes::default(), &condition).await.map(|_| ())
}

#[tokio::test]
async fn the_timestamp_is_the_files_modification_time() {
    let world = FileWorld::new();
    let timestamp = Timestamp::from_millis(1_600_000_000_789);
    let attributes = Attributes { timestamp: Some(timestamp), sha256: None };
    world.store.put("one", "x".into(), &attributes, &Condition::IfAbsent).await.unwrap();
    let mut upload = world.store.upload("parts", &attributes).await.unwrap();
    upload.part("x".into()).await.unwrap();
    upload.complete(&Condition::IfAbsent).await.unwrap();
    for key in ["one", "parts"] {
        let modified = world.path(key).metadata().unwrap().modified().unwrap();
        assert_eq!(modified, SystemTime::UNIX_EPOCH + Duration::from_millis(1_600_000_000_789), "{key}");
        assert_eq!(world.store.head(key).await.unwrap().0.modified, timestamp, "{key}");
    }
}

#[tokio::test]
async fn files_that_are_being_written_are_hidden_and_their_names_reserved() {
    let world = FileWorld::new();
    world.seed(&["a/x.ltx#00ff".to_owned(), "a/manifest.json#lock".to_owned(), "a/x.ltx".to_owned()]);
    let listing = world.store.list("", None).await.unwrap();
    assert_eq!(listing.objects.len(), 1);
    assert_eq!(world.store.list_folder("a/", None).await.unwrap().objects.len(), 1);
    let refused = put(&world, "a/y#1", Condition::IfAbsent).await;
    assert!(matches!(refused, Err(StoreError::Fatal { kind: Fatal::Unsupported, .. })), "{refused:?}");
    // The sweep takes what was being written, never a lock that somebody may hold.
    assert_eq!(world.store.abort_uploads("", Timestamp::from_millis(4_000_000_000_000)).await, Ok(1));
    assert_eq!(world.keys(), ["a/manifest.json#lock", "a/x.ltx"]);
}

#[tokio::test]
async fn an_upload_that_is_dropped_removes_its_file() {
    let world = FileWorld::new();
    let mut upload = world.store.upload("a/b", &Attributes::default()).await.unwrap();
    upload.part("x".into()).await.unwrap();
    assert_eq!(world.keys().len(), 1);
    drop(upload);
    assert_eq!(world.keys(), Vec::<String>::new());
}

#[tokio::test]
async fn a_version_whose_lock_is_held_elsewhere_is_a_conflict() {
    let world = FileWorld::new();
    put(&world, "manifest.json", Condition::IfAbsent).await.unwrap();
    let etag = world.store.head("manifest.json").await.unwrap().0.etag;
    let lock = std::fs::File::create(world.path("manifest.json#lock")).unwrap();
    lock.lock().unwrap();
    assert_eq!(
        put(&world, "manifest.json", Condition::IfMatch(etag.clone())).await,
        Err(StoreError::Conflict)
    );
    assert_eq!(world.store.delete_if_match("manifest.json", &etag).await, Err(StoreError::Conflict));
    drop(lock);
    assert_eq!(put(&world, "manifest.json", Condition::IfMatch(etag)).await, Ok(()));
    assert_eq!(world.keys(), ["manifest.json"]);
}

#[tokio::test]
async fn a_directory_without_permission_is_denied() {
    let world = FileWorld::new();
    put(&world, "a/x", Condition::IfAbsent).await.unwrap();
    let dir = world.path("a");
    std::fs::set_permissions(&dir, std::fs::Permissions::from_mode(0o500)).unwrap();
    // root may write everywhere; then there is nothing to see.
    let is_root = std::fs::write(dir.join("try"), "").is_ok();
    let denied = put(&world, "a/y", Condition::IfAbsent).await;
    std::fs::set_permissions(&dir, std::fs::Permissions::from_mode(0o700)).unwrap();
    match is_root {
        true => assert_eq!(denied, Ok(())),
        false => assert!(matches!(denied, Err(StoreError::Fatal { kind: Fatal::Denied, .. })), "{denied:?}"),
    }
}

#[tokio::test]
async fn a_file_in_the_place_of_the_directory_is_no_store() {
    let world = FileWorld::new();
    std::fs::write(world.path(""), "a file").unwrap_or_else(|_| {
        std::fs::write(world.dir.path().join("store"), "a file").unwrap();
    });
    for error in [
        put(&world, "x", Condition::IfAbsent).await.err(),
        world.store.list("", None).await.err(),
        world.store.list_folder("", None).await.err(),
    ] {
        assert!(matches!(error, Some(StoreError::Fatal { kind: Fatal::NoBucket, .. })), "{error:?}");
    }
}

#[tokio::test]
async fn links_to_directories_are_followed_and_circles_end() {
    let world = FileWorld::new();
    let elsewhere = tempfile::tempdir().unwrap();
    std::fs::write(elsewhere.path().join("x"), "x").unwrap();
    world.seed(&["a".to_owned()]);
    std::os::unix::fs::symlink(elsewhere.path(), world.path("moved")).unwrap();
    std::os::unix::fs::symlink("nothing", world.path("dangling")).unwrap();
    let keys = |listing: io_real::port::Listing| -> Vec<String> {
        listing.objects.into_iter().map(|object| object.key).collect()
    };
    assert_eq!(keys(world.store.list("", None).await.unwrap()), ["a", "moved/x"]);
    std::os::unix::fs::symlink(world.path(""), world.path("circle")).unwrap();
    assert!(keys(world.store.list("", None).await.unwrap()).contains(&"moved/x".to_owned()));
}
