//! `sync`: through the daemon that follows the database, or alone.

use crate::scene::{
    PATIENT, assert_knows_what_it_is_asked_of, document, rows_in_store, until_all, until_following,
    until_status,
};
use crate::walsync::{World, exit_code, stderr};
use tests::s3::{Fault, Rule, S3Server};

#[test]
fn sync_that_waits_returns_when_the_commit_is_in_the_store() {
    let world = World::new();
    let writer = world.database("app.db");
    let mut daemon = world.watch_with(&["app.db"], &[PATIENT]);
    until_following(&mut daemon, "app");
    let url = format!("file://{}", world.path("store/app").display());
    let names = ["app.db", "./app.db", "app", &url];
    for (name, rows) in names.into_iter().zip(1..) {
        writer.execute("INSERT INTO t VALUES (?1)", [rows]).unwrap();
        let output = world.run(&["sync", name, "--wait", "--json"]);
        assert_eq!(exit_code(&output), 0, "{name}: {}", stderr(&output));
        let line = document(&output)["databases"][0].clone();
        assert_eq!((line["name"].as_str(), line["durable"].as_bool()), (Some("app"), Some(true)));
        assert_eq!(line["txid"], format!("{:016x}", rows + 2));
        assert_eq!(rows_in_store(&world, "app"), rows, "{name}");
    }
    let idle = world.run(&["sync", "--wait"]);
    assert_eq!(String::from_utf8_lossy(&idle.stdout), "app: durable to 0000000000000006\n");
    assert_eq!(world.objects("store/app/ltx/0").len(), 5, "without a change nothing is written");
}

#[test]
fn sync_without_a_name_means_all_databases_of_all_daemons() {
    let world = World::new();
    let writers = ["one", "two", "three"].map(|name| world.database(&format!("{name}.db")));
    let _first = world.watch_with(&["one.db", "two.db"], &[PATIENT]);
    let _second = world.watch_with(&["three.db"], &[PATIENT]);
    until_all(&world, &["one", "two", "three"], "following");
    writers.iter().for_each(|writer| writer.execute_batch("INSERT INTO t VALUES (1)").unwrap());
    let output = world.run(&["sync", "--wait", "--json"]);
    assert_eq!(exit_code(&output), 0, "{}", stderr(&output));
    let lines = document(&output)["databases"].as_array().unwrap().clone();
    assert_eq!(lines.len(), 3);
    assert!(
        lines.iter().all(|line| line["durable"] == true && line["txid"] == "0000000000000003"),
        "{lines:?}"
    );
}

#[test]
fn sync_that_does_not_wait_is_done_soon_after() {
    let world = World::new();
    let writer = world.database("app.db");
    let mut daemon = world.watch_with(&["app.db"], &[PATIENT]);
    until_following(&mut daemon, "app");
    writer.execute_batch("INSERT INTO t VALUES (1)").unwrap();
    let output = world.run(&["sync", "app", "--json"]);
    assert_eq!(exit_code(&output), 0, "{}", stderr(&output));
    assert_eq!(document(&output)["databases"][0]["durable"], false);
    daemon.until("durable", |line| line["txid"] == "0000000000000003");
}

#[test]
fn sync_gives_up_when_the_store_stays_away_and_the_daemon_does_not() {
    let (world, server) = (World::new(), S3Server::start(&["bucket"]));
    let writer = world.database("app.db");
    let mut daemon = world.start(Some(&server), &["app.db"], &[PATIENT], "log");
    until_following(&mut daemon, "app");
    server.inject(Rule::on_any(Fault::Drop).always());
    writer.execute_batch("INSERT INTO t VALUES (1)").unwrap();
    let sync = |timeout| {
        let timeout = [("WALSYNC_STORE_TIMEOUT", timeout)];
        world.run_on_s3(&server, "bucket", &["sync", "app", "--wait"], &timeout)
    };
    let output = sync("1s");
    assert_eq!(exit_code(&output), 3, "{}", stderr(&output));
    let text = stderr(&output);
    assert!(text.contains("the store cannot be used (db app"), "{text}");
    assert!(text.contains("commits after slot 0000000000000002 are not known to be in the store"), "{text}");
    server.clear_faults();
    let output = sync("60s");
    assert_eq!(exit_code(&output), 0, "{}", stderr(&output));
    until_status(&world, "app", |app| app["durable_txid"] == "0000000000000003");
}

#[test]
fn without_a_daemon_sync_does_it_alone() {
    let world = World::new();
    let writer = world.database("app.db");
    let config = "[[databases]]\npath = \"app.db\"\nprefix = \"prod\"\n";
    std::fs::write(world.path("walsync.toml"), config).unwrap();
    let url = format!("file://{}", world.path("store/prod/app").display());
    for (name, rows) in [("app.db", 1), ("prod/app", 2), ("app", 3), (&url, 4)] {
        writer.execute("INSERT INTO t VALUES (?1)", [rows]).unwrap();
        let output = world.run(&["sync", name, "--wait", "--json"]);
        assert_eq!(exit_code(&output), 0, "{name}: {}", stderr(&output));
        let found = document(&output);
        assert_eq!(found["databases"][0]["name"], "prod/app", "the entry of the configuration counts");
        assert_eq!(found["databases"][0]["durable"], true);
        assert_eq!(rows_in_store(&world, "prod/app"), rows);
    }
    writer.execute_batch("INSERT INTO t VALUES (5)").unwrap();
    assert_eq!(exit_code(&world.run(&["sync"])), 0);
    assert_eq!(rows_in_store(&world, "prod/app"), 5);

    let _other = world.database("other.db");
    let output = world.run(&["sync", "other.db"]);
    assert_eq!(exit_code(&output), 0, "{}", stderr(&output));
    assert_eq!(String::from_utf8_lossy(&output.stdout), "other: durable to 0000000000000002\n");
}

#[test]
fn what_nobody_knows_is_exit_1_and_nothing_at_all_exit_2() {
    assert_knows_what_it_is_asked_of("sync");
}

#[test]
fn name_that_could_be_several_is_exit_2_with_the_candidates() {
    let world = World::new();
    for folder in ["one", "two"] {
        std::fs::create_dir(world.path(folder)).unwrap();
    }
    let _writers = [world.database("one/app.db"), world.database("two/app.db")];
    let _daemon = world.watch(&["*/app.db"]);
    until_all(&world, &["one/app", "two/app"], "following");
    let output = world.run(&["sync", "app", "--wait"]);
    assert_eq!(exit_code(&output), 2, "{}", stderr(&output));
    for candidate in ["one/app", "two/app"] {
        assert!(stderr(&output).contains(candidate), "{}", stderr(&output));
    }
    for exact in ["one/app", "two/app.db"] {
        assert_eq!(exit_code(&world.run(&["sync", exact, "--wait"])), 0, "{exact}");
    }
}

#[test]
fn sync_of_a_database_that_cannot_go_on_says_why() {
    let world = World::new();
    let _writer = world.database("app.db");
    let _daemon = world.watch(&["app.db", "missing.db"]);
    until_all(&world, &["app"], "following");
    until_all(&world, &["missing"], "missing");
    let output = world.run(&["sync", "missing", "--wait"]);
    assert_eq!(exit_code(&output), 2, "{}", stderr(&output));
    assert!(stderr(&output).contains("does not exist (db missing)"), "{}", stderr(&output));
    let all = world.run(&["sync", "--wait"]);
    assert_eq!(exit_code(&all), 2, "the worst of all");
    assert_eq!(String::from_utf8_lossy(&all.stdout), "app: durable to 0000000000000002\n");
}
