//! `status`: what daemons say of themselves, and when that is not well.

use crate::scene::{PATIENT, document, status, status_of, until_all, until_following, until_status};
use crate::walsync::{World, exit_code, stderr};
use rustix::process::Signal;
use serde_json::{Value, json};
use std::io::{Read as _, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::UnixStream;
use std::process::{Child, ExitStatus};
use std::time::{Duration, Instant};
use tests::s3::{Fault, Rule, S3Server};

#[test]
fn status_shows_a_followed_database_as_documented() {
    let world = World::new();
    let writer = world.database("app.db");
    let mut daemon = world.watch_with(&["app.db"], &[PATIENT]);
    until_following(&mut daemon, "app");
    let (code, found) = status(&world, &["--max-lag", "1h"]);
    assert_eq!(code, 0, "{found}");
    let app = &found["databases"][0];
    let path = world.path("app.db");
    for (key, value) in [
        ("name", json!("app")),
        ("path", json!(path)),
        ("state", json!("following")),
        ("txid", json!("0000000000000002")),
        ("durable_txid", json!("0000000000000002")),
        ("lag_ms", json!(0)),
        ("fenced_by", Value::Null),
        ("last_error", Value::Null),
        ("pid", json!(daemon.pid())),
    ] {
        assert_eq!(app[key], value, "{key}");
    }
    assert!(app["wal_bytes"].is_u64() && app["last_sync_at"].is_string(), "{app}");
    let next = app["next_snapshot_at"].as_str().unwrap();
    assert!(Some(next) > app["last_sync_at"].as_str(), "a day later: {app}");

    writer.execute_batch("INSERT INTO t VALUES (1)").unwrap();
    let behind = until_status(&world, "app", |app| app["txid"] == "0000000000000003");
    assert_eq!(behind["durable_txid"], "0000000000000002");
    assert!(behind["unsent_pages"].as_u64() > Some(0), "{behind}");
    until_status(&world, "app", |app| app["lag_ms"].as_u64() > Some(1));
    assert_eq!(status(&world, &["--max-lag", "1h"]).0, 0);
    let late = world.run(&["status", "--max-lag", "1ms"]);
    assert_eq!(exit_code(&late), 1);
    assert!(stderr(&late).contains("app: commits wait for"), "{}", stderr(&late));
    let table = String::from_utf8(world.run(&["status"]).stdout).unwrap();
    assert!(table.contains("following") && table.contains("0000000000000003"), "{table}");
}

#[test]
fn no_daemon_is_exit_1_also_where_one_was_killed() {
    let world = World::new();
    let without = world.run(&["status", "--json"]);
    assert_eq!((exit_code(&without), &document(&without)["databases"]), (1, &json!([])));
    assert!(stderr(&without).contains("no daemon is running"), "{}", stderr(&without));
    let _writer = world.database("app.db");
    let mut daemon = world.watch(&["app.db"]);
    until_following(&mut daemon, "app");
    let socket = world.path(&format!("state/run/{}.sock", daemon.pid()));
    let mode = |path: &std::path::Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode(&socket), mode(&world.path("state/run"))), (0o600, 0o700));
    daemon.kill();
    assert!(socket.exists(), "a dead daemon leaves it");
    assert_eq!(status(&world, &[]).0, 1);
    let mut next = world.watch(&["app.db"]);
    until_following(&mut next, "app");
    assert!(!socket.exists(), "the next one sweeps it");
    next.signal(Signal::TERM);
    assert_eq!(next.exit_code(), 0);
    assert_eq!(world.objects("state/run"), Vec::<String>::new(), "an orderly end takes its socket with it");
}

#[test]
fn store_that_is_away_is_degraded_with_its_lag_and_the_error() {
    let (world, server) = (World::new(), S3Server::start(&["bucket"]));
    let writer = world.database("app.db");
    let mut daemon = world.start(Some(&server), &["app.db"], &[], "log");
    until_following(&mut daemon, "app");
    server.inject(Rule::on_any(Fault::Drop).always());
    writer.execute_batch("INSERT INTO t VALUES (1)").unwrap();
    let app = until_status(&world, "app", |app| app["state"] == "degraded" && !app["last_error"].is_null());
    assert_eq!(
        (&app["txid"], &app["durable_txid"]),
        (&json!("0000000000000003"), &json!("0000000000000002"))
    );
    assert!(app["lag_ms"].as_u64() > Some(0), "{app}");
    assert_eq!(status(&world, &[]).0, 1);
    server.clear_faults();
    until_status(&world, "app", |app| app["state"] == "following" && app["lag_ms"] == 0);
    assert_eq!(status(&world, &[]).0, 0);
}

#[test]
fn a_daemon_whose_store_has_never_answered_is_found_and_says_why() {
    let (world, server) = (World::new(), S3Server::start(&["bucket"]));
    let _writer = world.database("app.db");
    server.inject(Rule::on_any(Fault::Drop).always());
    let mut daemon = world.start(Some(&server), &["app.db"], &[], "log");
    let started = Instant::now();
    while status(&world, &[]).1["databases"].as_array().is_none_or(Vec::is_empty) {
        assert!(started.elapsed() < Duration::from_secs(60), "it is not found");
        std::thread::sleep(Duration::from_millis(50));
    }
    let app = until_status(&world, "app", |app| app["state"] == "starting" && !app["last_error"].is_null());
    assert!(app["last_error"].as_str().unwrap().contains("has not answered yet"), "{app}");
    assert_eq!(app["pid"], json!(daemon.pid()));
    let late = world.run(&["sync", "app.db", "--wait"]);
    assert_eq!(exit_code(&late), 3, "{}", stderr(&late));
    server.clear_faults();
    until_following(&mut daemon, "app");
    until_status(&world, "app", |app| app["state"] == "following" && app["last_error"].is_null());
}

#[test]
fn databases_that_cannot_go_on_are_named_with_the_reason() {
    let world = World::new();
    let _writer = world.database("app.db");
    std::fs::write(world.path("junk.db"), [b'x'; 8192]).unwrap();
    std::fs::create_dir(world.path("other")).unwrap();
    let other = world.database("other/fenced.db");
    other.execute_batch("INSERT INTO t VALUES (1)").unwrap();
    assert_eq!(exit_code(&world.once(&["other/fenced.db", "--state-dir", "other/state"])), 0);
    let _fenced = world.database("fenced.db");
    let _daemon = world.watch(&["app.db", "junk.db", "missing.db", "fenced.db"]);
    for (name, state) in
        [("app", "following"), ("junk", "failed"), ("missing", "missing"), ("fenced", "fenced")]
    {
        until_all(&world, &[name], state);
    }
    let output = world.run(&["status"]);
    assert_eq!(exit_code(&output), 1);
    let text = stderr(&output);
    assert!(text.contains("3 of 4 databases unhealthy"), "{text}");
    for (name, state, error) in [
        ("junk", "failed", "not a SQLite database"),
        ("missing", "missing", "does not exist"),
        ("fenced", "fenced", "another writer owns the place"),
    ] {
        let database = status_of(&world, name);
        assert_eq!(database["state"], state);
        assert!(database["last_error"].as_str().unwrap().contains(error), "{database}");
        assert!(text.contains(error), "{text}");
    }
    let fenced_by = status_of(&world, "fenced")["fenced_by"].clone();
    assert!(fenced_by.as_str().unwrap().contains(" on host "), "{fenced_by}");
}

#[test]
fn file_that_is_refused_later_is_shown_as_failed() {
    let world = World::new();
    for folder in ["one", "two"] {
        std::fs::create_dir(world.path(folder)).unwrap();
    }
    let _first = world.database("one/app.db");
    let mut daemon = world.watch(&["one/*.db", "two/*.db"]);
    until_following(&mut daemon, "app");
    let _second = world.database("two/app.db");
    daemon.until("refused", |_| true);
    let (code, found) = status(&world, &[]);
    assert_eq!(code, 1);
    let states: Vec<&str> =
        found["databases"].as_array().unwrap().iter().map(|one| one["state"].as_str().unwrap()).collect();
    assert_eq!(states.iter().filter(|state| **state == "failed").count(), 1, "{found}");
    assert_eq!(states.iter().filter(|state| **state == "following").count(), 1, "{found}");
}

#[test]
fn all_daemons_of_a_state_directory_are_asked_and_a_silent_one_holds_up_nobody() {
    let world = World::new();
    let (_one, _two) = (world.database("one.db"), world.database("two.db"));
    let (first, _second) = (world.watch(&["one.db"]), world.watch(&["two.db"]));
    until_all(&world, &["one", "two"], "following");
    let (code, both) = status(&world, &[]);
    assert_eq!((code, both["databases"].as_array().unwrap().len()), (0, 2), "{both}");
    first.signal(Signal::STOP);
    let output = world.run(&["status", "--json"]);
    first.signal(Signal::CONT);
    assert_eq!(exit_code(&output), 1);
    let found = document(&output);
    assert_eq!(found["databases"].as_array().unwrap().len(), 1, "{found}");
    assert_eq!(found["databases"][0]["name"], "two");
    assert!(stderr(&output).contains("1 of 2 daemons do not answer"), "{}", stderr(&output));
}

#[test]
fn daemon_whose_socket_would_be_too_long_says_so_and_replicates() {
    let world = World::new();
    let writer = world.database("app.db");
    let long = "x".repeat(120);
    let mut daemon = world.start(None, &["app.db", "--state-dir", &long], &[], "log");
    until_following(&mut daemon, "app");
    writer.execute_batch("INSERT INTO t VALUES (1)").unwrap();
    daemon.until("durable", |line| line["txid"] == "0000000000000003");
    assert!(world.text("log").contains("no control socket"), "{}", world.text("log"));
    assert_eq!(status(&world, &["--state-dir", &long]).0, 1);
}

#[test]
fn garbage_on_the_socket_does_not_disturb_the_daemon() {
    let world = World::new();
    let writer = world.database("app.db");
    let mut daemon = world.watch(&["app.db"]);
    until_following(&mut daemon, "app");
    let socket = world.path(&format!("state/run/{}.sock", daemon.pid()));
    let connect = || UnixStream::connect(&socket).unwrap();
    // Some stay connected and say nothing, or half a line.
    let silent: Vec<UnixStream> = (0..20).map(|_| connect()).collect();
    connect().write_all(&[0xff; 100_000]).unwrap_or_default();
    let mut asking = connect();
    asking.write_all(b"{\"protocol\":1,\"request\":\"sync\",\"databases\":7}\n").unwrap();
    let mut answer = String::new();
    asking.read_to_string(&mut answer).unwrap();
    assert!(answer.contains("does not understand"), "{answer}");
    writer.execute_batch("INSERT INTO t VALUES (1)").unwrap();
    daemon.until("durable", |line| line["txid"] == "0000000000000003");
    assert_eq!(status(&world, &[]).0, 0);
    drop(silent);
}

#[test]
fn watched_status_is_shown_again_until_it_is_interrupted() {
    let world = World::new();
    let _writer = world.database("app.db");
    let mut daemon = world.watch(&["app.db"]);
    until_following(&mut daemon, "app");
    let mut watching = world.spawn(&["status", "--watch", "--json"], "out");
    let started = Instant::now();
    while world.text("out").lines().count() < 2 {
        assert!(started.elapsed() < Duration::from_secs(60), "{}", world.text("out"));
        std::thread::sleep(Duration::from_millis(50));
    }
    rustix::process::kill_process(rustix::process::Pid::from_child(&watching), Signal::INT).unwrap();
    assert_eq!(ended(&mut watching).code(), Some(130));
    let first: Value = serde_json::from_str(world.text("out").lines().next().unwrap()).unwrap();
    assert_eq!(first["databases"][0]["name"], "app");
}

fn ended(child: &mut Child) -> ExitStatus {
    child.wait().unwrap()
}

#[test]
fn lag_that_is_no_duration_is_refused() {
    let world = World::new();
    let output = world.run(&["status", "--max-lag", "5"]);
    assert_eq!(exit_code(&output), 2);
    assert!(stderr(&output).contains("no unit"), "{}", stderr(&output));
}
