//! `walsync watch` as users run it: the real binary, real SQLite writers, a directory or an S3 server.

mod walsync;

use rustix::process::Signal;
use serde_json::Value;
use std::path::Path;
use tests::s3::{Operation, S3Server};
use walsync::{Run, World, exit_code, stderr};

#[test]
fn what_was_committed_before_during_and_after_a_kill_reaches_the_store_without_a_second_image() {
    let world = World::new();
    let writer = world.database("app.db");
    let mut first = world.watch(&["app.db"]);
    first.until("status", |line| line["state"] == "following");
    writer.execute_batch("INSERT INTO t VALUES (1)").unwrap();
    let before = first.until("durable", |line| line["txid"] == "0000000000000003");
    first.kill();
    writer.execute_batch("INSERT INTO t VALUES (2)").unwrap();
    let mut second = world.watch(&["app.db"]);
    let after = second.until("durable", |line| line["txid"].as_str() > before["txid"].as_str());
    assert_eq!(after["txid"], "0000000000000004");
    second.signal(Signal::TERM);
    assert_eq!(second.exit_code(), 0);
    assert_eq!(world.objects("store/app/ltx/9"), ["0000000000000001-0000000000000001.ltx"]);
    assert_eq!(world.objects("store/app/ltx/0").len(), 3);
}

#[test]
fn a_first_signal_makes_everything_durable_and_ends_with_0() {
    let world = World::new();
    let writer = world.database("app.db");
    // An upload is not due for an hour.
    let mut daemon = world.watch_with(&["app.db"], &[("WALSYNC_SYNC_MAX_INTERVAL", "1h")]);
    daemon.until("status", |line| line["state"] == "following");
    writer.execute_batch("INSERT INTO t VALUES (1)").unwrap();
    daemon.signal(Signal::INT);
    let stopped = daemon.until("stopped", |_| true);
    assert_eq!(stopped["durable_txid"], "0000000000000003");
    assert_eq!(daemon.exit_code(), 0);
    let log = world.path("app.db-wal");
    assert_eq!(std::fs::metadata(log).unwrap().len(), 0, "the database file is complete");
}

#[test]
fn once_syncs_what_is_pending_and_an_idle_database_uploads_nothing() {
    let world = World::new();
    let writer = world.database("app.db");
    assert_eq!(exit_code(&world.once(&["app.db"])), 0);
    let objects = world.objects("store/app/ltx/0");
    assert_eq!(exit_code(&world.once(&["app.db"])), 0);
    assert_eq!(world.objects("store/app/ltx/0"), objects);
    writer.execute_batch("INSERT INTO t VALUES (1)").unwrap();
    assert_eq!(exit_code(&world.once(&["app.db"])), 0);
    assert_eq!(world.objects("store/app/ltx/0").len(), objects.len() + 1);
}

#[test]
fn a_damaged_manifest_is_named_and_keeps_nothing_out_of_the_store() {
    let world = World::new();
    let writer = world.database("app.db");
    assert_eq!(exit_code(&world.once(&["app.db"])), 0);
    std::fs::write(world.path("store/app/manifest.json"), "garbage").unwrap();
    writer.execute_batch("INSERT INTO t VALUES (1)").unwrap();
    let output = world.once(&["app.db"]);
    assert_eq!(exit_code(&output), 0);
    assert!(stderr(&output).contains("app/manifest.json"), "{}", stderr(&output));
    let slots = world.objects("store/app/ltx/0");
    assert_eq!(slots.last().unwrap(), "0000000000000003-0000000000000003.ltx");
}

#[test]
fn once_gives_up_on_a_database_that_stays_locked() {
    let world = World::new();
    let writer = world.database("app.db");
    writer.execute_batch("PRAGMA locking_mode = EXCLUSIVE; INSERT INTO t VALUES (1)").unwrap();
    std::fs::write(world.path("walsync.toml"), "[store]\ntimeout = \"1s\"\n").unwrap();
    let output = world.once(&["app.db"]);
    assert_eq!(exit_code(&output), 3);
    assert!(stderr(&output).contains("the database cannot be read"), "{}", stderr(&output));
}

#[test]
fn a_second_daemon_on_the_same_database_ends_with_5_and_names_the_first() {
    let world = World::new();
    let _writer = world.database("app.db");
    let mut daemon = world.watch(&["app.db"]);
    daemon.until("status", |line| line["state"] == "following");
    let second = world.run(&["watch", "app.db"]);
    assert_eq!(exit_code(&second), 5);
    let text = stderr(&second);
    assert!(text.contains("another walsync holds this database"), "{text}");
    assert!(text.contains(&format!("pid {}", daemon.pid())), "{text}");
}

#[test]
fn the_place_of_another_database_ends_with_5_and_the_command_to_continue() {
    let world = World::new();
    let _writer = world.database("app.db");
    assert_eq!(exit_code(&world.once(&["app.db"])), 0);
    std::fs::create_dir(world.path("other")).unwrap();
    let other = world.database("other/app.db");
    other.execute_batch("INSERT INTO t VALUES (42)").unwrap();
    let run = world.run(&["watch", "other/app.db", "--state-dir", "other/state"]);
    assert_eq!(exit_code(&run), 5);
    let text = stderr(&run);
    assert!(text.contains("this database differs from the newest state"), "{text}");
    assert!(text.contains("--take-over=always"), "{text}");
    let always = ["other/app.db", "--state-dir", "other/state", "--take-over=always"];
    let taken = world.once(&always);
    assert_eq!(exit_code(&taken), 0, "{}", stderr(&taken));
    let first = world.once(&["app.db"]);
    assert_eq!(exit_code(&first), 5, "the first writer finds that it was replaced: {}", stderr(&first));
}

#[test]
fn the_command_to_continue_reaches_the_same_store_and_place() {
    let world = World::new();
    let _writer = world.database("my app.db");
    let store = ["--store", "other store", "--state-dir", "first"];
    let watch = |more: &[&str]| world.once(&[&["my app.db"], more].concat());
    assert_eq!(exit_code(&watch(&store)), 0);
    let fenced = watch(&["--store", "other store", "--state-dir", "second"]);
    assert_eq!(exit_code(&fenced), 5);
    let path = world.path("my app.db");
    let command =
        format!("walsync watch '{}' --store 'other store' --state-dir second --take-over", path.display());
    assert!(stderr(&fenced).trim_end().ends_with(&command), "{}", stderr(&fenced));

    let config = "[[databases]]\npath = \"my app.db\"\nprefix = \"prod\"\n";
    std::fs::write(world.path("my.toml"), config).unwrap();
    assert_eq!(exit_code(&world.once(&["--config", "my.toml"])), 0);
    let fenced = world.once(&["--config", "my.toml", "--state-dir", "second"]);
    let command = "walsync watch --config my.toml --state-dir second --take-over";
    assert!(stderr(&fenced).trim_end().ends_with(command), "{}", stderr(&fenced));
}

#[test]
fn a_refusal_names_the_host_that_took_the_place_over() {
    let world = World::new();
    let _writer = world.database("app.db");
    assert_eq!(exit_code(&world.once(&["app.db"])), 0);
    let took_over = world.once(&["app.db", "--state-dir", "second", "--take-over"]);
    assert_eq!(exit_code(&took_over), 0, "{}", stderr(&took_over));
    let fenced = world.once(&["app.db"]);
    assert_eq!(exit_code(&fenced), 5);
    assert!(stderr(&fenced).contains(" on host "), "{}", stderr(&fenced));
}

#[test]
fn once_ends_with_the_gravest_of_several_failures_and_syncs_the_others() {
    let world = World::new();
    let _writer = world.database("app.db");
    std::fs::write(world.path("junk.db"), [b'x'; 8192]).unwrap();
    let run = world.once(&["missing.db", "app.db", "junk.db"]);
    assert_eq!(exit_code(&run), 4);
    let text = stderr(&run);
    assert!(text.contains("does not exist (db missing)"), "{text}");
    assert!(text.contains("not a SQLite database (db junk)"), "{text}");
    assert_eq!(world.objects("store/app/ltx/9").len(), 1);
    assert_eq!(exit_code(&world.once(&["missing.db"])), 2);
}

#[test]
fn a_large_database_goes_up_in_parts_and_leaves_no_upload_behind() {
    let (world, server) = (World::new(), S3Server::start(&["bucket"]));
    let writer = world.database("app.db");
    // 12 MiB that do not compress; parts have at least 5 MiB.
    for _ in 0..12 {
        writer.execute_batch("INSERT INTO t VALUES (randomblob(1048576))").unwrap();
    }
    let run = world.s3(&server, "bucket/base", &["app.db", "--once"], &[("WALSYNC_STORE_PART_SIZE", "5MiB")]);
    assert_eq!(exit_code(&run), 0, "{}", stderr(&run));
    let keys = server.keys("bucket");
    let expected = [
        "base/app/0000/0000000000000002-0000000000000002.ltx",
        "base/app/0009/0000000000000001-0000000000000001.ltx",
        "base/app/manifest.json",
    ];
    assert_eq!(keys, expected);
    assert!(server.count(Operation::UploadPart) >= 2);
    assert!(server.unfinished_uploads().is_empty());
}

#[test]
fn a_store_that_stays_away_ends_once_with_3_and_names_the_object() {
    let (world, server) = (World::new(), S3Server::start(&["bucket"]));
    let _writer = world.database("app.db");
    let run = world.s3(&server, "bucket", &["app.db", "--once"], &[]);
    assert_eq!(exit_code(&run), 0, "{}", stderr(&run));
    server.inject(tests::s3::Rule::on_any(tests::s3::Fault::Drop).always());
    let run = world.s3(&server, "bucket", &["app.db", "--once"], &[("WALSYNC_STORE_TIMEOUT", "1s")]);
    assert_eq!(exit_code(&run), 3, "{}", stderr(&run));
    assert!(stderr(&run).contains("the store cannot be used (db app"), "{}", stderr(&run));
}

#[test]
fn once_ends_at_once_when_the_credentials_are_refused_after_they_were_good() {
    let (world, server) = (World::new(), S3Server::start(&["bucket"]));
    let _writer = world.database("app.db");
    let run = world.s3(&server, "bucket", &["app.db", "--once"], &[]);
    assert_eq!(exit_code(&run), 0, "{}", stderr(&run));
    let began = std::time::Instant::now();
    let run = world.s3(&server, "bucket", &["app.db", "--once"], &[("AWS_SECRET_ACCESS_KEY", "wrong")]);
    assert_eq!(exit_code(&run), 3, "{}", stderr(&run));
    assert!(began.elapsed() < std::time::Duration::from_secs(20), "it waits for nothing");
}

#[test]
fn a_store_that_ignores_conditions_is_refused_on_demand_and_warned_of_otherwise() {
    let (world, server) = (World::new(), S3Server::start(&["bucket"]));
    let _writer = world.database("app.db");
    server.set_ignore_conditions(true);
    let run = world.s3(&server, "bucket", &["app.db", "--once"], &[("WALSYNC_STORE_FENCING", "require")]);
    assert_eq!(exit_code(&run), 2, "{}", stderr(&run));
    assert!(server.keys("bucket").is_empty(), "nothing is left of the probe");
    let run = world.s3(&server, "bucket", &["app.db", "--once"], &[]);
    assert_eq!(exit_code(&run), 0, "{}", stderr(&run));
    assert!(stderr(&run).contains("ignores conditional writes"), "{}", stderr(&run));
}

#[test]
fn a_store_that_ignores_conditions_of_uploads_in_parts_is_refused_on_demand_and_warned_of_otherwise() {
    let (world, server) = (World::new(), S3Server::start(&["bucket"]));
    let _writer = world.database("app.db");
    server.set_ignore_conditions_on_complete(true);
    let run = world.s3(&server, "bucket", &["app.db", "--once"], &[("WALSYNC_STORE_FENCING", "require")]);
    assert_eq!(exit_code(&run), 2, "{}", stderr(&run));
    assert!(server.keys("bucket").is_empty(), "nothing is left of the probe");
    let run = world.s3(&server, "bucket", &["app.db", "--once"], &[]);
    assert_eq!(exit_code(&run), 0, "{}", stderr(&run));
    assert!(stderr(&run).contains("ignores conditional writes"), "{}", stderr(&run));
}

#[test]
fn a_file_that_appears_under_a_wildcard_is_followed() {
    let world = World::new();
    let _one = world.database("one.db");
    let mut daemon = world.watch(&["*.db"]);
    daemon.until("status", |line| line["database"] == "one" && line["state"] == "following");
    let _two = world.database("two.db");
    daemon.until("durable", |line| line["database"] == "two");
    assert!(Path::new(&world.path("store/two/manifest.json")).exists());
}

#[test]
fn a_file_that_appears_for_a_place_that_is_taken_is_refused_and_the_first_goes_on() {
    let world = World::new();
    for folder in ["one", "two"] {
        std::fs::create_dir(world.path(folder)).unwrap();
    }
    let first = world.database("one/app.db");
    let mut daemon = world.watch(&["one/*.db", "two/*.db"]);
    daemon.until("status", |line| line["state"] == "following");
    let _second = world.database("two/app.db");
    let refused = daemon.until("refused", |line| line["state"] == "failed");
    assert_eq!(refused["path"], world.path("two/app.db").to_str().unwrap());
    first.execute_batch("INSERT INTO t VALUES (1)").unwrap();
    daemon.until("durable", |line| line["txid"] == "0000000000000003");
    daemon.signal(Signal::TERM);
    assert_eq!(daemon.exit_code(), 0);
}

#[test]
fn a_daemon_that_began_without_a_file_still_ends_in_order() {
    let world = World::new();
    let mut daemon = world.watch_with(&["*.db"], &[("WALSYNC_SYNC_MAX_INTERVAL", "1h")]);
    let writer = world.database("late.db");
    daemon.until("status", |line| line["state"] == "following");
    writer.execute_batch("INSERT INTO t VALUES (1)").unwrap();
    daemon.signal(Signal::TERM);
    daemon.until("stopped", |line| line["complete"] == true);
    assert_eq!(daemon.exit_code(), 0);
}

#[test]
fn every_line_under_json_is_an_event_of_a_database() {
    let world = World::new();
    let _writer = world.database("app.db");
    let run = world.once(&["app.db", "--json"]);
    let out = String::from_utf8(run.stdout.clone()).unwrap();
    let lines: Vec<Value> = out.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert!(lines.iter().all(|line| line["database"] == "app" && line["event"].is_string()), "{out}");
    let events: Vec<&str> = lines.iter().filter_map(|line| line["event"].as_str()).collect();
    assert_eq!(events, ["status", "healed", "durable", "snapshot_due", "status", "stopped", "status"]);
}

#[test]
fn a_writer_that_truncates_its_log_gets_through() {
    let world = World::new();
    let writer = world.database("app.db");
    let mut daemon: Run = world.watch(&["app.db"]);
    daemon.until("status", |line| line["state"] == "following");
    for value in 0..200 {
        writer.execute("INSERT INTO t VALUES (?1)", [value]).unwrap();
    }
    writer.execute_batch("PRAGMA wal_checkpoint(TRUNCATE)").unwrap();
    daemon.signal(Signal::TERM);
    assert_eq!(daemon.exit_code(), 0);
}
