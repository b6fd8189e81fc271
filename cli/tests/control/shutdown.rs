//! The end of a daemon by signal: what is in flight is finished, what is not durable is said, and nothing is lost.

use crate::scene::{PATIENT, until_all, until_following, until_status};
use crate::walsync::{World, exit_code, stderr};
use rustix::process::Signal;
use std::time::Duration;
use tests::s3::{Fault, Operation, Rule, S3Server};

const SHORT: (&str, &str) = ("WALSYNC_SYNC_SHUTDOWN_TIMEOUT", "1s");
const LONG: (&str, &str) = ("WALSYNC_SYNC_SHUTDOWN_TIMEOUT", "60s");
const SMALL_PARTS: (&str, &str) = ("WALSYNC_STORE_PART_SIZE", "5MiB");

/// The rows of the newest state on the server.
fn rows_on(world: &World, server: &S3Server, name: &str) -> i64 {
    let restored = world.run_on_s3(server, "bucket", &["restore", name, "-o", "copy.db", "--force"], &[]);
    assert_eq!(exit_code(&restored), 0, "{}", stderr(&restored));
    let copy = rusqlite::Connection::open(world.path("copy.db")).unwrap();
    copy.query_row("SELECT count(*) FROM t", [], |row| row.get(0)).unwrap()
}

fn away(server: &S3Server) {
    server.inject(Rule::on_any(Fault::Drop).always());
}

#[test]
fn store_that_is_away_at_the_end_costs_nothing_but_what_is_said() {
    let (world, server) = (World::new(), S3Server::start(&["bucket"]));
    let writer = world.database("app.db");
    let mut daemon = world.start(Some(&server), &["app.db"], &[SHORT], "log");
    until_following(&mut daemon, "app");
    writer.execute_batch("INSERT INTO t VALUES (1)").unwrap();
    daemon.until("durable", |line| line["txid"] == "0000000000000003");
    away(&server);
    writer.execute_batch("INSERT INTO t VALUES (2)").unwrap();
    until_status(&world, "app", |app| app["state"] == "degraded");
    daemon.signal(Signal::TERM);
    assert_eq!(daemon.exit_code(), 3);
    let log = world.text("log");
    for part in [
        "not everything could be made durable",
        "app: commits after slot 0000000000000003 are not known to be in the store",
        " pages of them were read, the WAL holds ",
    ] {
        assert!(log.contains(part), "{part}: {log}");
    }
    server.clear_faults();
    let next = world.run_on_s3(&server, "bucket", &["watch", "--once", "app.db"], &[]);
    assert_eq!(exit_code(&next), 0, "{}", stderr(&next));
    assert_eq!(rows_on(&world, &server, "app"), 2);
}

#[test]
fn upload_in_flight_is_finished() {
    let (world, server) = (World::new(), S3Server::start(&["bucket"]));
    let writer = world.database("app.db");
    let mut daemon = world.start(Some(&server), &["app.db"], &[LONG, SMALL_PARTS], "log");
    until_following(&mut daemon, "app");
    server.inject(Rule::on(Operation::UploadPart, Fault::Delay(Duration::from_millis(500))).always());
    server.inject(Rule::on(Operation::PutObject, Fault::Delay(Duration::from_millis(500))).always());
    writer.execute_batch(LARGE).unwrap();
    let before = server.count_all();
    while server.count_all() == before {
        std::thread::sleep(Duration::from_millis(5));
    }
    daemon.signal(Signal::TERM);
    daemon.until("stopped", |line| line["complete"] == true);
    assert_eq!(daemon.exit_code(), 0, "{}", world.text("log"));
    assert_eq!(rows_on(&world, &server, "app"), 12);
    assert!(server.unfinished_uploads().is_empty());
}

#[test]
fn upload_that_does_not_finish_in_time_is_said_and_made_good_by_the_next_life() {
    let (world, server) = (World::new(), S3Server::start(&["bucket"]));
    let writer = world.database("app.db");
    let mut daemon = world.start(Some(&server), &["app.db"], &[SHORT, SMALL_PARTS], "log");
    until_following(&mut daemon, "app");
    for operation in [Operation::UploadPart, Operation::PutObject] {
        server.inject(Rule::on(operation, Fault::Delay(Duration::from_secs(20))).always());
    }
    writer.execute_batch(LARGE).unwrap();
    let before = server.count_all();
    while server.count_all() == before {
        std::thread::sleep(Duration::from_millis(5));
    }
    daemon.signal(Signal::TERM);
    assert_eq!(daemon.exit_code(), 3);
    let log = world.text("log");
    assert!(log.contains("commits after slot 0000000000000002 are not known to be in the store"), "{log}");
    server.clear_faults();
    let next = world.run_on_s3(&server, "bucket", &["watch", "--once", "app.db"], &[]);
    assert_eq!(exit_code(&next), 0, "{}", stderr(&next));
    assert_eq!(rows_on(&world, &server, "app"), 12);
}

/// Rows of 1 MiB that do not compress.
const LARGE: &str = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 12) \
                     INSERT INTO t SELECT randomblob(1048576) FROM n";

#[test]
fn one_database_that_is_stuck_does_not_keep_the_others_from_their_end() {
    let (world, server) = (World::new(), S3Server::start(&["bucket"]));
    let writers = ["one", "stuck", "two"].map(|name| world.database(&format!("{name}.db")));
    let databases = ["one.db", "stuck.db", "two.db"];
    let mut daemon = world.start(Some(&server), &databases, &[SHORT, PATIENT], "log");
    until_all(&world, &["one", "stuck", "two"], "following");
    server.inject(Rule::on_any(Fault::Drop).for_keys(|key| key.contains("stuck")).always());
    writers.iter().for_each(|writer| writer.execute_batch("INSERT INTO t VALUES (1)").unwrap());
    daemon.signal(Signal::TERM);
    assert_eq!(daemon.exit_code(), 3);
    let log = world.text("log");
    let said = log.lines().find(|line| line.contains("\"exit_code\":3")).expect("an error as JSON");
    assert!(said.contains("stuck: commits after slot 0000000000000002"), "{said}");
    assert!(!said.contains("one:") && !said.contains("two:"), "{said}");
    server.clear_faults();
    for name in ["one", "two"] {
        assert_eq!(rows_on(&world, &server, name), 1, "{name}");
    }
}

#[test]
fn second_signal_ends_at_once() {
    let (world, server) = (World::new(), S3Server::start(&["bucket"]));
    let writer = world.database("app.db");
    let mut daemon =
        world.start(Some(&server), &["app.db"], &[("WALSYNC_SYNC_SHUTDOWN_TIMEOUT", "1h")], "log");
    until_following(&mut daemon, "app");
    away(&server);
    writer.execute_batch("INSERT INTO t VALUES (1)").unwrap();
    until_status(&world, "app", |app| app["state"] == "degraded");
    daemon.signal(Signal::TERM);
    let started = std::time::Instant::now();
    while !world.text("log").contains("ending, for at most") {
        assert!(started.elapsed() < Duration::from_secs(60), "{}", world.text("log"));
        std::thread::sleep(Duration::from_millis(10));
    }
    daemon.signal(Signal::INT);
    assert_eq!(daemon.exit_code(), 128 + 2);
    server.clear_faults();
    let next = world.run_on_s3(&server, "bucket", &["watch", "--once", "app.db"], &[]);
    assert_eq!(exit_code(&next), 0, "{}", stderr(&next));
    assert_eq!(rows_on(&world, &server, "app"), 1);
}

#[test]
fn once_that_is_ended_by_signal_says_what_it_did_not_do() {
    let (world, server) = (World::new(), S3Server::start(&["bucket"]));
    let writer = world.database("app.db");
    let first = world.run_on_s3(&server, "bucket", &["watch", "--once", "app.db"], &[]);
    assert_eq!(exit_code(&first), 0, "{}", stderr(&first));
    writer.execute_batch("INSERT INTO t VALUES (1)").unwrap();
    away(&server);
    let mut run = world.start(Some(&server), &["app.db", "--once"], &[SHORT], "log");
    run.until("store_trouble", |_| true);
    run.signal(Signal::TERM);
    assert_eq!(run.exit_code(), 3);
    assert!(world.text("log").contains("not everything could be made durable"), "{}", world.text("log"));
}

#[test]
fn signal_is_obeyed_before_the_store_has_answered_also_after_a_hang_up() {
    let (world, server) = (World::new(), S3Server::start(&["bucket"]));
    let _writer = world.database("app.db");
    away(&server);
    let mut daemon = world.start(Some(&server), &["app.db"], &[], "log");
    let started = std::time::Instant::now();
    while !world.text("log").contains("does not answer") {
        assert!(started.elapsed() < Duration::from_secs(60), "{}", world.text("log"));
        std::thread::sleep(Duration::from_millis(10));
    }
    daemon.signal(Signal::HUP);
    std::thread::sleep(Duration::from_millis(100));
    daemon.signal(Signal::TERM);
    assert_eq!(daemon.exit_code(), 3);
    assert!(world.text("log").contains("ended before anything was replicated"), "{}", world.text("log"));
}

#[test]
fn fenced_database_is_said_at_the_end_and_a_missing_one_is_not() {
    let world = World::new();
    let (_app, fenced) = (world.database("app.db"), world.database("fenced.db"));
    let mut daemon = world.start(None, &["app.db", "fenced.db", "missing.db"], &[], "log");
    until_all(&world, &["app", "fenced"], "following");
    std::fs::create_dir(world.path("other")).unwrap();
    let _other = world.database("other/fenced.db");
    let other = ["other/fenced.db", "--state-dir", "other/state", "--take-over=always"];
    let taken = world.once(&other);
    assert_eq!(exit_code(&taken), 0, "{}", stderr(&taken));
    fenced.execute_batch("INSERT INTO t VALUES (1)").unwrap();
    until_all(&world, &["fenced"], "fenced");
    daemon.signal(Signal::TERM);
    assert_eq!(daemon.exit_code(), 3);
    let log = world.text("log");
    let said = log.lines().find(|line| line.contains("\"exit_code\":3")).expect("an error as JSON");
    assert!(said.contains("fenced: commits after slot 0000000000000002"), "{said}");
    assert!(said.contains("another writer owns the place") && !said.contains("missing:"), "{said}");
}
