//! `snapshot`: through the daemon that follows the database, or alone.

use crate::scene::{
    PATIENT, assert_knows_what_it_is_asked_of, document, rows_in_store, status, status_of, until_following,
};
use crate::walsync::{World, exit_code, stderr};
use serde_json::{Value, json};
use std::fs;
use tests::s3::{Fault, Rule, S3Server};

/// Exit 0 and the document of `snapshot --json`.
fn snapshot(world: &World, name: &str) -> Value {
    let output = world.run(&["snapshot", name, "--json"]);
    assert_eq!(exit_code(&output), 0, "{name}: {}", stderr(&output));
    document(&output)
}

fn images(world: &World) -> Vec<String> {
    world.objects("store/app/ltx/9")
}

/// What restores where the store has nothing but that image.
fn rows_of_image(world: &World, txid: &str) -> i64 {
    let name = format!("0000000000000001-{txid}.ltx");
    let folder = world.path("only/app/ltx/9");
    fs::create_dir_all(&folder).unwrap();
    fs::copy(world.path("store/app/ltx/9").join(&name), folder.join(&name)).unwrap();
    let restored = world.run(&["restore", "app", "--store", "only", "-o", "image.db", "--force"]);
    assert_eq!(exit_code(&restored), 0, "{}", stderr(&restored));
    fs::remove_dir_all(world.path("only")).unwrap();
    let copy = rusqlite::Connection::open(world.path("image.db")).unwrap();
    copy.query_row("SELECT count(*) FROM t", [], |row| row.get(0)).unwrap()
}

#[test]
fn daemon_takes_an_image_of_everything_committed_before() {
    let world = World::new();
    let writer = world.database("app.db");
    let mut daemon = world.watch_with(&["app.db"], &[PATIENT]);
    until_following(&mut daemon, "app");
    let url = format!("file://{}", world.path("store/app").display());
    let mut last = String::new();
    for (name, rows) in ["app.db", "app", &url].into_iter().zip(1..) {
        writer.execute("INSERT INTO t VALUES (?1)", [rows]).unwrap();
        let made = snapshot(&world, name);
        assert_eq!((&made["name"], &made["path"]), (&json!("app"), &json!(world.path("app.db"))));
        assert!(made["size_bytes"].as_u64() > Some(0) && made["existed"] == false, "{made}");
        made["txid"].as_str().unwrap().clone_into(&mut last);
        assert_eq!(last, format!("{:016x}", rows + 2));
        assert_eq!(rows_of_image(&world, &last), rows, "it is of what was committed before the command");
    }
    let before = images(&world);
    let again = snapshot(&world, "app");
    assert_eq!((&again["txid"], &again["existed"]), (&json!(last), &json!(true)));
    assert_eq!(again["size_bytes"], Value::Null);
    let text = String::from_utf8(world.run(&["snapshot", "app"]).stdout).unwrap();
    assert_eq!(text, format!("app: snapshot {last} is there already, and nothing has changed since\n"));
    assert_eq!(images(&world), before, "and nothing is written");
}

#[test]
fn first_image_of_a_place_counts_as_a_snapshot() {
    let world = World::new();
    let _writer = world.database("app.db");
    let mut daemon = world.watch_with(&["app.db"], &[PATIENT]);
    until_following(&mut daemon, "app");
    let first = snapshot(&world, "app");
    assert_eq!((&first["txid"], &first["existed"]), (&json!("0000000000000001"), &json!(true)));
}

#[test]
fn without_a_daemon_snapshot_does_it_alone() {
    let world = World::new();
    let writer = world.database("app.db");
    let _other = world.database("other.db");
    fs::write(world.path("walsync.toml"), "[[databases]]\npath = \"*.db\"\n").unwrap();
    assert_eq!(exit_code(&world.once(&["app.db"])), 0);
    for (name, rows) in ["app.db", "app"].into_iter().zip(1..) {
        writer.execute("INSERT INTO t VALUES (?1)", [rows]).unwrap();
        let made = snapshot(&world, name);
        assert_eq!((&made["name"], &made["existed"]), (&json!("app"), &json!(false)), "{made}");
        assert_eq!(rows_of_image(&world, made["txid"].as_str().unwrap()), rows);
        let again = snapshot(&world, name);
        assert_eq!((&again["txid"], &again["existed"]), (&made["txid"], &json!(true)));
    }
    assert!(!world.path("store/other").exists(), "others of the configuration are left alone");
    assert_eq!(status(&world, &[]).0, 1, "nothing runs on");
}

#[test]
fn without_a_daemon_snapshot_begins_an_empty_place() {
    let world = World::new();
    let writer = world.database("app.db");
    writer.execute_batch("INSERT INTO t VALUES (1)").unwrap();
    let made = snapshot(&world, "app.db");
    assert_eq!((&made["txid"], &made["existed"]), (&json!("0000000000000001"), &json!(true)));
    assert_eq!(images(&world), ["0000000000000001-0000000000000001.ltx"], "its first image is all there is");
    assert_eq!(rows_in_store(&world, "app"), 1);
}

#[test]
fn what_nobody_knows_has_no_snapshot() {
    assert_knows_what_it_is_asked_of("snapshot");
}

#[test]
fn snapshot_of_a_database_that_cannot_go_on_says_why() {
    let world = World::new();
    fs::write(world.path("junk.db"), [b'x'; 8192]).unwrap();
    let _writer = world.database("app.db");
    let junk = || {
        let output = world.run(&["snapshot", "junk.db"]);
        assert_eq!(exit_code(&output), 4, "{}", stderr(&output));
        assert!(stderr(&output).contains("not a SQLite database (db junk)"), "{}", stderr(&output));
    };
    junk();
    let mut daemon = world.watch(&["app.db", "junk.db"]);
    until_following(&mut daemon, "app");
    junk();
}

#[test]
fn page_that_has_rotted_is_named_and_status_says_so_until_a_good_one() {
    let world = World::new();
    let writer = world.database("app.db");
    writer.execute("INSERT INTO t VALUES (randomblob(200000))", []).unwrap();
    let mut daemon = world.watch_with(&["app.db"], &[PATIENT]);
    until_following(&mut daemon, "app");
    writer.execute("INSERT INTO t VALUES (1)", []).unwrap();
    snapshot(&world, "app");
    // All of it in the database file, so that a page there counts.
    let busy: i64 = writer.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get(0)).unwrap();
    assert_eq!(busy, 0);
    let before = images(&world);
    world.flip_bit("app.db", 20);
    writer.execute("INSERT INTO t VALUES (2)", []).unwrap();
    let refused = world.run(&["snapshot", "app", "--json"]);
    assert_eq!(exit_code(&refused), 4, "{}", stderr(&refused));
    assert!(refused.stdout.is_empty());
    let error: Value = serde_json::from_slice(&refused.stderr).unwrap();
    assert_eq!((&error["kind"], &error["database"]), (&json!("corrupt"), &json!("app")));
    assert!(error["error"].as_str().unwrap().contains("bit rot in 1 pages: 20"), "{error}");
    assert_eq!(images(&world), before, "the history in the store is as it was");
    let app = status_of(&world, "app");
    assert_eq!(app["state"], "following");
    assert!(app["last_error"].as_str().unwrap().contains("bit rot in 1 pages: 20"), "{app}");

    // The same bit again: the page is whole.
    world.flip_bit("app.db", 20);
    assert_eq!(snapshot(&world, "app")["existed"], false);
    assert_eq!(status_of(&world, "app")["last_error"], Value::Null);
}

#[test]
fn snapshot_gives_up_when_the_store_stays_away_and_the_daemon_does_not() {
    let (world, server) = (World::new(), S3Server::start(&["bucket"]));
    let writer = world.database("app.db");
    let mut daemon = world.start(Some(&server), &["app.db"], &[PATIENT], "log");
    until_following(&mut daemon, "app");
    server.inject(Rule::on_any(Fault::Drop).always());
    writer.execute_batch("INSERT INTO t VALUES (1)").unwrap();
    let snapshot = |timeout| {
        let timeout = [("WALSYNC_STORE_TIMEOUT", timeout)];
        world.run_on_s3(&server, "bucket", &["snapshot", "app"], &timeout)
    };
    let output = snapshot("1s");
    assert_eq!(exit_code(&output), 3, "{}", stderr(&output));
    assert!(stderr(&output).contains("the store cannot be used (db app"), "{}", stderr(&output));
    server.clear_faults();
    let output = snapshot("60s");
    assert_eq!(exit_code(&output), 0, "{}", stderr(&output));
}
