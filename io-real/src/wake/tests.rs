//! Which change wakes which database, and how often.

use super::Wake;
use crate::driver::Poker;
use engine::replicate::{Hint, SourceId};
use std::collections::BTreeMap;
use std::fs;
use std::io::Write as _;
use std::path::Path;
use std::time::Duration;

const A: SourceId = SourceId(1);
const B: SourceId = SourceId(2);

/// What is told before nothing has been told for a while.
async fn told(poker: &Poker) -> BTreeMap<SourceId, Hint> {
    let mut told = BTreeMap::new();
    while let Ok(hints) = tokio::time::timeout(Duration::from_millis(200), poker.wait()).await {
        told.extend(hints);
    }
    told
}

/// `a.db` and `b.db` in a folder.
fn watched(folder: &Path) -> (Poker, Wake) {
    let poker = Poker::default();
    let wake = Wake::start(poker.clone()).expect("Linux has it");
    wake.watch(&folder.join("a.db"), A).expect("a scratch folder");
    wake.watch(&folder.join("b.db"), B).expect("a scratch folder");
    (poker, wake)
}

fn append(path: &Path) {
    let file = fs::File::options().append(true).create(true).open(path);
    file.expect("a scratch folder").write_all(b"x").expect("room on the disk");
}

#[tokio::test]
async fn a_database_and_its_log_wake_it_and_nothing_else_does() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    ["a.db", "a.db-wal", "b.db", "b.db-wal"].iter().for_each(|name| append(&path(name)));
    let (poker, _wake) = watched(folder.path());

    append(&path("a.db"));
    assert_eq!(told(&poker).await, BTreeMap::from([(A, Hint::Database)]));
    append(&path("b.db-wal"));
    assert_eq!(told(&poker).await, BTreeMap::from([(B, Hint::Log)]));
    append(&path("b.db-shm"));
    append(&path("c.db"));
    assert_eq!(told(&poker).await, BTreeMap::new());
}

#[tokio::test]
async fn one_change_is_told_until_the_watch_is_set_again() {
    let folder = tempfile::tempdir().unwrap();
    let (database, log) = (folder.path().join("a.db"), folder.path().join("a.db-wal"));
    append(&database);
    append(&log);
    let poker = Poker::default();
    let wake = Wake::start(poker.clone()).unwrap();
    wake.watch(&database, A).unwrap();
    append(&log);
    assert_eq!(told(&poker).await.len(), 1);
    append(&log);
    assert_eq!(told(&poker).await.len(), 0);
    wake.arm(&database);
    append(&log);
    assert_eq!(told(&poker).await.len(), 1);
}

#[tokio::test]
async fn files_that_come_and_go_are_told_and_followed() {
    let folder = tempfile::tempdir().unwrap();
    let (database, log) = (folder.path().join("a.db"), folder.path().join("a.db-wal"));
    let poker = Poker::default();
    let wake = Wake::start(poker.clone()).unwrap();
    wake.watch(&database, A).unwrap();
    fs::File::create(&database).unwrap();
    assert_eq!(told(&poker).await.len(), 1, "it is there");
    wake.arm(&database);
    append(&database);
    assert_eq!(told(&poker).await.len(), 1, "it was written");
    append(&log);
    assert_eq!(told(&poker).await.len(), 1, "its log");
    fs::write(folder.path().join("other"), "y").unwrap();
    fs::rename(folder.path().join("other"), &database).unwrap();
    assert_eq!(told(&poker).await.len(), 1, "another one took its place");
    wake.arm(&database);
    append(&database);
    assert_eq!(told(&poker).await.len(), 1, "that one was written");
    fs::remove_file(&database).unwrap();
    assert_eq!(told(&poker).await.len(), 1, "it is gone");
}

#[tokio::test]
async fn after_events_were_lost_all_are_told_and_watched_again() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    ["a.db", "b.db"].iter().for_each(|name| append(&path(name)));
    let (poker, wake) = watched(folder.path());
    assert_eq!(wake.lose_events(), [(A, Hint::Log), (B, Hint::Log)]);
    assert!(!wake.is_armed(A) && !wake.is_armed(B));
    wake.arm(&path("a.db"));
    assert!(wake.is_armed(A));
    append(&path("a.db"));
    assert_eq!(told(&poker).await, BTreeMap::from([(A, Hint::Database)]));
}

#[tokio::test]
async fn change_before_the_watch_is_noted_is_not_waited_for() {
    let folder = tempfile::tempdir().unwrap();
    let database = folder.path().join("a.db");
    append(&database);
    let poker = Poker::default();
    let wake = Wake::start(poker.clone()).unwrap();
    wake.watch(&database, A).unwrap();
    append(&database);
    told(&poker).await;
    // Added, and changed, and told, before it is noted.
    wake.arm_late(A, &database, || {
        append(&database);
        std::thread::sleep(Duration::from_millis(100));
    });
    assert!(!wake.is_armed(A), "it would never be told again");
    wake.arm(&database);
    append(&database);
    assert_eq!(told(&poker).await, BTreeMap::from([(A, Hint::Database)]));
}

#[tokio::test]
async fn who_is_not_watched_any_more_is_not_told() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    ["a.db", "b.db"].iter().for_each(|name| append(&path(name)));
    let (poker, wake) = watched(folder.path());
    wake.unwatch(A);
    append(&path("a.db"));
    append(&path("b.db"));
    assert_eq!(told(&poker).await, BTreeMap::from([(B, Hint::Database)]));
}

#[cfg(unix)]
#[tokio::test]
async fn a_link_is_followed_and_a_database_named_like_a_log_is_itself() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    ["a.db", "b.db", "b.db-wal"].iter().for_each(|name| append(&path(name)));
    fs::create_dir(path("links")).unwrap();
    std::os::unix::fs::symlink(path("a.db"), path("links/a")).unwrap();
    let poker = Poker::default();
    let wake = Wake::start(poker.clone()).unwrap();
    wake.watch(&path("links/a"), A).unwrap();
    wake.watch(&path("b.db-wal"), B).unwrap();
    append(&path("a.db"));
    assert_eq!(told(&poker).await, BTreeMap::from([(A, Hint::Database)]));
    append(&path("b.db-wal"));
    assert_eq!(told(&poker).await, BTreeMap::from([(B, Hint::Database)]));
}
