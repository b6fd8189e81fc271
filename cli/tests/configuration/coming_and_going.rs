//! Files that vanish and come back, and how many there may be.

use super::walsync::{World, exit_code, stderr};
use super::{all_following, configure, databases, following, reload};
use rusqlite::Connection;
use rustix::process::Signal;
use serde_json::Value;
use std::fs;

#[test]
fn a_file_under_a_wildcard_that_vanishes_is_missing_and_followed_again_when_it_is_back() {
    let world = World::new();
    fs::create_dir(world.path("two")).unwrap();
    let (one, two) = (world.database("one.db"), world.database("two.db"));
    configure(&world, &databases(&["*.db", "two/*.db"]));
    let mut daemon = world.watch(&[]);
    all_following(&mut daemon, &["one", "two"]);
    drop(two);
    // A database with its log moves as a whole: the last connection of the application is closed.
    for suffix in ["", "-wal", "-shm"] {
        let _ = fs::rename(world.path(&format!("two.db{suffix}")), world.path(&format!("away{suffix}")));
    }
    daemon.until("status", |line| line["database"] == "two" && line["state"] == "missing");
    one.execute_batch("INSERT INTO t VALUES (1)").unwrap();
    daemon.until("durable", |line| line["database"] == "one" && line["txid"] == "0000000000000003");
    // Its place is kept for it, also in a reload.
    let _rival = world.database("two/two.db");
    daemon.until("refused", |line| line["database"] == "two");
    reload(&world, &mut daemon, &format!("[sync]\nmax_changes = 7\n{}", databases(&["*.db", "two/*.db"])));
    daemon.until("refused", |line| line["database"] == "two");
    for suffix in ["-wal", ""] {
        fs::rename(world.path(&format!("away{suffix}")), world.path(&format!("two.db{suffix}"))).unwrap();
    }
    following(&mut daemon, "two");
    let two = Connection::open(world.path("two.db")).unwrap();
    two.execute_batch("INSERT INTO t VALUES (1)").unwrap();
    daemon.until("durable", |line| line["database"] == "two");
    daemon.signal(Signal::TERM);
    assert_eq!(daemon.exit_code(), 0);
}

#[test]
fn no_more_databases_are_opened_than_may_be() {
    let world = World::new();
    let _one = world.database("one.db");
    let config = |open: u64| format!("[limits]\nopen_databases = {open}\n{}", databases(&["*.db"]));
    configure(&world, &config(1));
    let mut daemon = world.watch(&[]);
    following(&mut daemon, "one");
    let _two = world.database("two.db");
    let refused = daemon.until("refused", |_| true);
    assert!(refused["error"].as_str().unwrap().contains("limits.open_databases is 1"), "{refused}");
    let states = || {
        let status: Value = serde_json::from_slice(&world.run(&["status", "--json"]).stdout).unwrap();
        let databases = status["databases"].as_array().unwrap().clone();
        let state = |one: Value| (one["name"].clone(), one["state"].clone(), one["last_error"].clone());
        databases.into_iter().map(state).collect::<Vec<_>>()
    };
    let why = refused["error"].clone();
    assert!(states().contains(&("two".into(), "failed".into(), why)), "{:?}", states());
    reload(&world, &mut daemon, &config(2));
    following(&mut daemon, "two");
    assert_eq!(states().len(), 2, "{:?}", states());
    assert!(states().contains(&("two".into(), "following".into(), Value::Null)), "{:?}", states());
    daemon.signal(Signal::TERM);
    assert_eq!(daemon.exit_code(), 0);
    configure(&world, &config(1));
    let failed = world.run(&["watch"]);
    assert_eq!(exit_code(&failed), 2);
    assert!(stderr(&failed).contains("limits.open_databases is 1"), "{}", stderr(&failed));
}

#[test]
fn settings_of_an_entry_reach_its_databases_alone() {
    let world = World::new();
    let (app, other) = (world.database("app.db"), world.database("other.db"));
    let config = |interval: &str| {
        format!(
            "[sync]\nmax_interval = \"20ms\"\n{}[[databases]]\npath = \"app.db\"\nmax_interval = \"{interval}\"\n",
            databases(&["*.db"])
        )
    };
    configure(&world, &config("1h"));
    let mut daemon = world.watch(&[]);
    all_following(&mut daemon, &["app", "other"]);
    app.execute_batch("INSERT INTO t VALUES (1)").unwrap();
    other.execute_batch("INSERT INTO t VALUES (1)").unwrap();
    daemon.until("durable", |line| line["database"] == "other" && line["txid"] == "0000000000000003");
    assert_eq!(world.objects("store/app/ltx/0").len(), 1, "it is due in an hour");
    let told = reload(&world, &mut daemon, &config("20ms"));
    let change = &told["changes"][0];
    assert_eq!((&change["path"], &change["key"]), (&"app.db".into(), &"sync.max_interval".into()));
    assert_eq!((&change["old"], &change["new"]), (&"1h".into(), &"20ms".into()));
    daemon.until("durable", |line| line["database"] == "app" && line["txid"] == "0000000000000003");
    daemon.signal(Signal::TERM);
    assert_eq!(daemon.exit_code(), 0);
}
