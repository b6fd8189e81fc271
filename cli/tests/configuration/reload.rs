//! SIGHUP.

use super::walsync::{World, exit_code, stderr};
use super::{all_following, configure, databases, following, reload};
use rusqlite::Connection;
use rustix::process::Signal;
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

/// The descriptors of a process that lead to a file, its log or its shared memory.
fn descriptors(pid: u32, path: &Path) -> BTreeMap<String, PathBuf> {
    let open = fs::read_dir(format!("/proc/{pid}/fd")).unwrap().filter_map(Result::ok);
    let leads_to = open.filter_map(|entry| {
        let file = fs::read_link(entry.path()).ok()?;
        let number = entry.file_name().into_string().unwrap();
        file.to_string_lossy().starts_with(&*path.to_string_lossy()).then_some((number, file))
    });
    leads_to.collect()
}

fn rows(path: PathBuf) -> i64 {
    Connection::open(path).unwrap().query_row("SELECT count(*) FROM t", [], |row| row.get(0)).unwrap()
}

#[test]
fn reloads_beside_a_writer_lose_nothing_and_open_nothing_anew() {
    let world = World::new();
    let writer = world.database("app.db");
    let _other = world.database("other.db");
    let config = |max_interval: &str, more: &str| {
        format!(
            "[sync]\nmax_interval = \"{max_interval}\"\n[limits]\nmemory = \"64MiB\"\n{}{more}",
            databases(&["app.db"])
        )
    };
    configure(&world, &config("50ms", ""));
    let mut daemon = world.watch(&[]);
    following(&mut daemon, "app");
    let before = descriptors(daemon.pid(), &world.path("app.db"));
    assert!(before.len() >= 4, "two connections and their logs: {before:?}");
    let ended = AtomicBool::new(false);
    let committed = std::thread::scope(|scope| {
        let running = &ended;
        let commits = scope.spawn(move || {
            let mut committed = 0;
            while !running.load(Ordering::Relaxed) || committed < 100 {
                writer.execute("INSERT INTO t VALUES (?1)", [committed]).unwrap();
                committed += 1;
            }
            committed
        });
        for round in 0..6 {
            let (interval, other) =
                if round % 2 == 0 { ("20ms", databases(&["other.db"])) } else { ("100ms", String::new()) };
            let told = reload(&world, &mut daemon, &config(interval, &other));
            assert_eq!(told["changes"][0]["key"], "sync.max_interval");
            assert_eq!(told["changes"][0]["new"], interval);
            match other.is_empty() {
                false => following(&mut daemon, "other"),
                true => drop(
                    daemon.until("status", |line| line["database"] == "other" && line["state"] == "stopped"),
                ),
            }
        }
        ended.store(true, Ordering::Relaxed);
        commits.join().unwrap()
    });
    assert_eq!(descriptors(daemon.pid(), &world.path("app.db")), before, "the pin was let go");
    daemon.signal(Signal::TERM);
    daemon.until("stopped", |line| line["database"] == "app" && line["complete"] == true);
    assert_eq!(daemon.exit_code(), 0);
    let restored = world.run(&["restore", "app", "-o", "copy.db", "--verify", "full"]);
    assert_eq!(exit_code(&restored), 0, "{}", stderr(&restored));
    assert_eq!(rows(world.path("copy.db")), committed);
}

#[test]
fn a_database_that_is_removed_is_synced_first_and_continues_when_it_is_added_again() {
    let world = World::new();
    let (_app, other) = (world.database("app.db"), world.database("other.db"));
    let late = "[sync]\nmax_interval = \"1h\"\n";
    let both = format!("{late}{}", databases(&["app.db", "other.db"]));
    configure(&world, &both);
    let mut daemon = world.watch(&[]);
    all_following(&mut daemon, &["app", "other"]);
    other.execute_batch("INSERT INTO t VALUES (1)").unwrap();
    reload(&world, &mut daemon, &format!("{late}{}", databases(&["app.db"])));
    let stopped = daemon.until("stopped", |line| line["database"] == "other");
    assert_eq!((&stopped["complete"], &stopped["durable_txid"]), (&true.into(), &"0000000000000003".into()));
    assert!(descriptors(daemon.pid(), &world.path("other.db")).is_empty(), "the application has it alone");
    reload(&world, &mut daemon, &both);
    following(&mut daemon, "other");
    assert_eq!(world.objects("store/other/ltx/9").len(), 1, "no second image");
    daemon.signal(Signal::TERM);
    assert_eq!(daemon.exit_code(), 0);
}

#[test]
fn a_database_with_another_place_is_stopped_here_and_begins_there() {
    let world = World::new();
    let _app = world.database("app.db");
    configure(&world, &databases(&["app.db"]));
    let mut daemon = world.watch(&[]);
    following(&mut daemon, "app");
    reload(&world, &mut daemon, &format!("{}prefix = \"prod\"\n", databases(&["app.db"])));
    daemon.until("stopped", |line| line["database"] == "app");
    following(&mut daemon, "prod/app");
    assert_eq!(world.objects("store/prod/app/ltx/9").len(), 1);
    daemon.signal(Signal::TERM);
    assert_eq!(daemon.exit_code(), 0);
}

#[test]
fn a_configuration_with_errors_is_refused_with_all_of_them_and_the_old_one_goes_on() {
    let world = World::new();
    let writer = world.database("app.db");
    configure(&world, &databases(&["app.db"]));
    let mut daemon = world.watch(&[]);
    following(&mut daemon, "app");
    configure(&world, "[sync]\nmax_intervall = \"1s\"\nmin_interval = 5\n");
    daemon.signal(Signal::HUP);
    let refused = daemon.until("reload_refused", |_| true);
    let causes = refused["causes"].as_array().unwrap();
    assert_eq!(causes.len(), 2, "{refused}");
    assert!(causes[0].as_str().unwrap().contains("did you mean `max_interval`?"), "{refused}");
    assert!(causes[1].as_str().unwrap().contains("line 3"), "{refused}");
    // Nor may it leave nothing to be watched, or two databases in one place.
    for (text, error) in [
        ("[sync]\n", "no database to watch"),
        (
            "[[databases]]\npath = \"app.db\"\n[[databases]]\npath = \"x/app.db\"\n",
            "two databases for one place",
        ),
        (
            "[limits]\nopen_databases = 1\n[[databases]]\npath = \"app.db\"\n[[databases]]\npath = \"b.db\"\n",
            "more databases",
        ),
    ] {
        configure(&world, text);
        daemon.signal(Signal::HUP);
        daemon.until("reload_refused", |line| line["error"].as_str().unwrap().contains(error));
    }
    fs::remove_file(world.path("walsync.toml")).unwrap();
    daemon.signal(Signal::HUP);
    daemon.until("reload_refused", |_| true);
    writer.execute_batch("INSERT INTO t VALUES (1)").unwrap();
    daemon.until("durable", |line| line["txid"] == "0000000000000003");
    daemon.signal(Signal::TERM);
    assert_eq!(daemon.exit_code(), 0);
}

#[test]
fn with_another_store_everything_is_synced_and_begins_there_unless_it_cannot_be_used() {
    let world = World::new();
    let writer = world.database("app.db");
    let config = |store: &str| {
        format!(
            "[store]\nurl = \"{store}\"\ntimeout = \"1s\"\n[sync]\nmax_interval = \"1h\"\n{}",
            databases(&["app.db"])
        )
    };
    configure(&world, &config("store"));
    let mut daemon = world.watch_with(&[], &[("WALSYNC_STORE", "")]);
    following(&mut daemon, "app");
    writer.execute_batch("INSERT INTO t VALUES (1)").unwrap();
    let unusable = config("s3://bucket").replace(
        "timeout",
        "endpoint = \"http://127.0.0.1:1\"\naccess_key_id = \"a\"\nsecret_access_key = \"b\"\ntimeout",
    );
    configure(&world, &unusable);
    daemon.signal(Signal::HUP);
    daemon.until("reload_refused", |line| line["error"].as_str().unwrap().contains("cannot be used"));
    reload(&world, &mut daemon, &config("second"));
    let stopped = daemon.until("stopped", |_| true);
    assert_eq!((&stopped["complete"], &stopped["durable_txid"]), (&true.into(), &"0000000000000003".into()));
    following(&mut daemon, "app");
    assert_eq!(world.objects("second/app/ltx/9").len(), 1);
    // Signals reach the second life as well.
    writer.execute_batch("INSERT INTO t VALUES (2)").unwrap();
    daemon.signal(Signal::TERM);
    let stopped = daemon.until("stopped", |_| true);
    assert_eq!(stopped["durable_txid"], "0000000000000003");
    assert_eq!(daemon.exit_code(), 0);
}

#[test]
fn a_fenced_database_is_looked_at_again_when_take_over_was_changed() {
    let world = World::new();
    let _app = world.database("app.db");
    let _other = world.database("other.db");
    assert_eq!(exit_code(&world.once(&["app.db"])), 0);
    let config = |take_over: &str| {
        format!("[store]\ntake_over = \"{take_over}\"\n{}", databases(&["app.db", "other.db"]))
    };
    configure(&world, &config("never"));
    let state = world.path("second");
    let mut daemon = world.watch_with(&[], &[("WALSYNC_STATE_DIR", state.to_str().unwrap())]);
    daemon.until("status", |line| line["database"] == "app" && line["state"] == "fenced");
    following(&mut daemon, "other");
    reload(&world, &mut daemon, &config("if-identical"));
    following(&mut daemon, "app");
    daemon.signal(Signal::TERM);
    assert_eq!(daemon.exit_code(), 0);
}

#[test]
fn bandwidth_counts_at_once() {
    let world = World::new();
    let _app = world.database("app.db");
    let config =
        |bytes: u64| format!("[limits]\nupload_bytes_per_second = {bytes}\n{}", databases(&["app.db"]));
    // The image goes, and the claim on top of it would have to wait for minutes.
    configure(&world, &config(1));
    let mut daemon = world.watch(&[]);
    daemon.until("healed", |_| true);
    reload(&world, &mut daemon, &config(0));
    daemon.until("durable", |_| true);
}
