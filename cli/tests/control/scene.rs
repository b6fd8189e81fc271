//! What the stories share: daemons, and what commands say of them.

use crate::walsync::{Run, World, exit_code, stderr};
use serde_json::Value;
use std::process::Output;
use std::time::{Duration, Instant};

/// Nothing is due by itself for an hour.
pub(crate) const PATIENT: (&str, &str) = ("WALSYNC_SYNC_MAX_INTERVAL", "1h");

/// Far beyond what a loaded machine needs: only a hang takes that long.
pub(crate) const PATIENCE: Duration = Duration::from_secs(90);

/// The JSON document of a command.
pub(crate) fn document(output: &Output) -> Value {
    let text = String::from_utf8_lossy(&output.stdout);
    serde_json::from_str(&text).unwrap_or_else(|_| panic!("no document: {text:?}, {}", stderr(output)))
}

/// Exit code and document of `status --json`, with more arguments.
pub(crate) fn status(world: &World, arguments: &[&str]) -> (i32, Value) {
    let output = world.run(&[&["status", "--json"], arguments].concat());
    (exit_code(&output), document(&output))
}

/// What `status` says of a database.
pub(crate) fn status_of(world: &World, name: &str) -> Value {
    let (_, document) = status(world, &[]);
    let databases = document["databases"].as_array().unwrap().clone();
    databases.into_iter().find(|database| database["name"] == name).unwrap_or(Value::Null)
}

/// Waits until `status` says so of a database.
pub(crate) fn until_status(world: &World, name: &str, is_so: impl Fn(&Value) -> bool) -> Value {
    let started = Instant::now();
    loop {
        let database = status_of(world, name);
        if is_so(&database) {
            return database;
        }
        assert!(started.elapsed() < PATIENCE, "it never came: {database}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// Waits until a database is followed.
pub(crate) fn until_following(daemon: &mut Run, name: &str) {
    daemon.until("status", |line| line["database"] == name && line["state"] == "following");
}

/// Waits until several are in a state.
pub(crate) fn until_all(world: &World, names: &[&str], state: &str) {
    for name in names {
        until_status(world, name, |database| database["state"] == state);
    }
}

/// The rows of the newest state in the directory's store.
pub(crate) fn rows_in_store(world: &World, name: &str) -> i64 {
    let _ = std::fs::remove_file(world.path("copy.db"));
    let restored = world.run(&["restore", name, "-o", "copy.db"]);
    assert_eq!(exit_code(&restored), 0, "{}", stderr(&restored));
    let copy = rusqlite::Connection::open(world.path("copy.db")).unwrap();
    copy.query_row("SELECT count(*) FROM t", [], |row| row.get(0)).unwrap()
}

/// Of what nobody follows or configured, exit 1; of nothing, or of a store of a kind that there is not, exit 2.
pub(crate) fn assert_knows_what_it_is_asked_of(command: &str) {
    let world = World::new();
    for name in ["nowhere", "nowhere.db", "file:///elsewhere/app"] {
        let output = world.run(&[command, name]);
        assert_eq!(exit_code(&output), 1, "{name}: {}", stderr(&output));
        assert!(stderr(&output).contains("is followed or configured"), "{}", stderr(&output));
    }
    assert_eq!(exit_code(&world.run(&[command])), 2);
    assert_eq!(exit_code(&world.run(&[command, "gopher://x/y"])), 2);
    assert!(!world.path("state").exists() && !world.path("store").exists(), "nothing is left behind");
}
