//! `restore --all` as users run it: the real program on stores with several databases, some of which do not restore.
#![allow(clippy::unwrap_used, missing_docs, reason = "a failing test is the report")]

mod replica;
mod walsync;

use replica::{Expected, replica};
use serde_json::Value;
use std::fs;
use std::path::Path;
use std::process::Output;
use tests::s3::{Fault, Operation, Rule, S3Server};
use walsync::{World, exit_code, stderr};

/// Place and case.
const PLACES: [(&str, &str); 5] = [
    ("prod/app", "multi-level"),
    ("prod/app/inner", "pagesize-512"),
    ("prod/log", "growth-vacuum-shrink"),
    ("small", "small-4096"),
    ("deep/er/and/deeper", "checkpoint-and-resume"),
];

fn world() -> World {
    let world = World::new();
    for (place, case) in PLACES {
        replica(case).copy_to(&world.path("store").join(place));
    }
    world
}

fn all(world: &World, more: &str) -> Output {
    let line = format!("restore --all -o out {more}");
    world.run(&line.split_whitespace().collect::<Vec<_>>())
}

fn databases(output: &Output) -> Vec<Value> {
    let document: Value =
        serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{}", stderr(output)));
    document["databases"].as_array().unwrap().clone()
}

/// Everything below a directory, sorted.
fn files(dir: &Path) -> Vec<String> {
    let mut found = Vec::new();
    let mut waiting = vec![dir.to_owned()];
    while let Some(folder) = waiting.pop() {
        for entry in fs::read_dir(folder).into_iter().flatten() {
            let path = entry.unwrap().path();
            found.push(path.strip_prefix(dir).unwrap().to_str().unwrap().to_owned());
            waiting.extend(path.is_dir().then_some(path));
        }
    }
    found.sort();
    found
}

/// The databases of these places are there, as Litestream restored them, and nothing else.
fn assert_restored(world: &World, places: &[(&str, &str)]) {
    let out = world.path("out");
    let mut expected: Vec<String> = Vec::new();
    for (place, case) in places {
        let file = out.join(format!("{place}.db"));
        assert_eq!(&Expected::of_file(&file), replica(case).newest(), "{place}");
        let below = file.strip_prefix(&out).unwrap().ancestors();
        expected.extend(below.map(|path| path.to_str().unwrap().to_owned()).filter(|path| !path.is_empty()));
    }
    expected.sort();
    expected.dedup();
    assert_eq!(files(&out), expected);
}

/// Cuts the newest object of `small` in half.
fn damage_small(world: &World) {
    let object = world.path("store/small/ltx/0/000000000000000b-000000000000000b.ltx");
    let bytes = fs::read(&object).unwrap();
    fs::write(&object, &bytes[..bytes.len() / 2]).unwrap();
}

/// Takes an object of `prod/log` away, so that the newest state lies behind a gap.
fn gap_in_log(world: &World) {
    let level = world.path("store/prod/log/ltx/0");
    let mut names = world.objects("store/prod/log/ltx/0");
    names.pop();
    fs::remove_file(level.join(names.pop().unwrap())).unwrap();
}

#[test]
fn every_database_of_a_store_is_restored_below_the_directory() {
    let world = world();
    let run = all(&world, "--json --verify full");
    assert_eq!(exit_code(&run), 0, "{}", stderr(&run));
    assert_restored(&world, &PLACES);
    let databases = databases(&run);
    let names: Vec<&str> = databases.iter().map(|database| database["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["deep/er/and/deeper", "prod/app", "prod/app/inner", "prod/log", "small"]);
    for database in &databases {
        assert_eq!((&database["restored"], &database["verified"]), (&true.into(), &"full".into()));
        let output = Path::new(database["output"].as_str().unwrap());
        assert_eq!(fs::metadata(output).unwrap().len(), database["size_bytes"].as_u64().unwrap());
    }
}

#[test]
fn a_report_each_for_people() {
    let world = world();
    let run = all(&world, "");
    assert_eq!(exit_code(&run), 0, "{}", stderr(&run));
    let text = String::from_utf8(run.stdout).unwrap();
    for (place, _) in PLACES {
        let line =
            format!("restored {place} to {}\n", world.path("out").join(format!("{place}.db")).display());
        assert!(text.contains(&line), "{text}");
    }
}

#[test]
fn those_that_fail_are_named_and_the_others_are_restored() {
    let world = world();
    damage_small(&world);
    gap_in_log(&world);
    for json in ["", "--json"] {
        let run = all(&world, &format!("{json} --if-missing"));
        let err = stderr(&run);
        assert_eq!(exit_code(&run), 1, "{err}");
        assert_restored(&world, &[PLACES[0], PLACES[1], PLACES[4]]);
        for part in ["3 of 5 databases were restored", "db prod/log", "db small", "a gap", "is damaged"] {
            assert!(err.contains(part), "{part}: {err}");
        }
    }
    let run = all(&world, "--json --force");
    let databases = databases(&run);
    let kinds: Vec<&Value> = databases.iter().map(|database| &database["error"]["kind"]).collect();
    assert_eq!(kinds, [&Value::Null, &Value::Null, &Value::Null, &"no".into(), &"corrupt".into()]);
    let small = &databases[4];
    assert_eq!((&small["restored"], &small["error"]["exit_code"]), (&false.into(), &4.into()));
    let last = stderr(&run);
    let last: Value = serde_json::from_str(last.lines().last().unwrap()).unwrap();
    assert_eq!((&last["kind"], &last["exit_code"]), (&"no".into(), &1.into()));
}

#[test]
fn nothing_is_left_where_nothing_could_be_restored() {
    let world = World::new();
    replica("small-4096").copy_to(&world.path("store/a/b/small"));
    fs::remove_file(world.path("store/a/b/small/ltx/0/0000000000000001-0000000000000001.ltx")).unwrap();
    let run = all(&world, "");
    assert_eq!(exit_code(&run), 1, "{}", stderr(&run));
    assert!(!world.path("out").exists());
}

#[test]
fn each_is_restored_as_of_the_time() {
    let world = world();
    let listed = world.run(&["list", "small", "--points", "--json"]);
    let listed: Value = serde_json::from_slice(&listed.stdout).unwrap();
    let time = listed["points"][4]["timestamp"].as_str().unwrap();
    let run = all(&world, &format!("--json --timestamp {time}"));
    let databases = databases(&run);
    let mut failed = 0;
    for database in &databases {
        let name = database["name"].as_str().unwrap();
        let alone = world.run(&["restore", name, "-o", "alone.db", "--timestamp", time, "--force", "--json"]);
        match alone.status.success() {
            true => {
                let alone: Value = serde_json::from_slice(&alone.stdout).unwrap();
                assert_eq!(database["txid"], alone["txid"], "{name}");
                assert!(alone["timestamp"].as_str().unwrap() <= time);
                let output = database["output"].as_str().unwrap();
                assert!(fs::read(output).unwrap() == fs::read(world.path("alone.db")).unwrap(), "{name}");
            }
            false => {
                failed += 1;
                assert_eq!(database["error"]["exit_code"], exit_code(&alone), "{name}");
                assert!(!Path::new(database["output"].as_str().unwrap()).exists());
            }
        }
    }
    let small = databases.iter().find(|database| database["name"] == "small").unwrap();
    assert_eq!(small["txid"], listed["points"][4]["txid"]);
    assert_eq!(exit_code(&run), i32::from(failed > 0), "{}", stderr(&run));
}

#[test]
fn existing_files_are_refused_replaced_or_left_alone() {
    let world = world();
    fs::create_dir_all(world.path("out/prod")).unwrap();
    fs::write(world.path("out/prod/app.db"), "old").unwrap();
    fs::write(world.path("out/small.db-wal"), "old").unwrap();
    let run = all(&world, "--json");
    assert_eq!(exit_code(&run), 1, "{}", stderr(&run));
    let refused: Vec<Value> = databases(&run).into_iter().filter(|d| !d["error"].is_null()).collect();
    assert_eq!(refused.len(), 2, "{refused:?}");
    for database in &refused {
        assert_eq!(database["error"]["kind"], "usage");
        assert!(database["error"]["hint"].as_str().unwrap().contains("--force"), "{database}");
    }
    assert_eq!(fs::read(world.path("out/prod/app.db")).unwrap(), b"old");
    fs::remove_file(world.path("out/small.db-wal")).unwrap();

    let run = all(&world, "--json --if-missing");
    assert_eq!(exit_code(&run), 0, "{}", stderr(&run));
    let restored: Vec<bool> = databases(&run).iter().map(|d| d["restored"].as_bool().unwrap()).collect();
    assert_eq!(restored, [false, false, false, false, true]);
    assert_eq!(fs::read(world.path("out/prod/app.db")).unwrap(), b"old");

    let run = all(&world, "--force");
    assert_eq!(exit_code(&run), 0, "{}", stderr(&run));
    assert_restored(&world, &PLACES);
}

#[test]
fn a_dry_run_says_all_and_writes_nothing() {
    let world = world();
    gap_in_log(&world);
    let run = all(&world, "--dry-run --json");
    assert_eq!(exit_code(&run), 1, "{}", stderr(&run));
    assert!(stderr(&run).contains("4 of 5 databases can be restored"), "{}", stderr(&run));
    let planned = databases(&run).iter().filter(|database| database["dry_run"] == true).count();
    assert_eq!(planned, 4);
    assert!(!world.path("out").exists() && !world.path("state").exists());
    // What is in the way is said as well.
    fs::create_dir(world.path("out")).unwrap();
    fs::write(world.path("out/small.db"), "old").unwrap();
    let run = all(&world, "--dry-run --json");
    assert!(stderr(&run).contains("3 of 5 databases can be restored"), "{}", stderr(&run));
}

#[test]
fn an_empty_store_is_no_unless_that_is_allowed() {
    let world = World::new();
    let run = all(&world, "");
    assert_eq!(exit_code(&run), 1, "{}", stderr(&run));
    assert!(stderr(&run).contains("holds no database"), "{}", stderr(&run));
    let run = all(&world, "--allow-empty --json");
    assert_eq!((exit_code(&run), databases(&run)), (0, Vec::new()));
    assert!(!world.path("out").exists());
}

#[test]
fn what_is_no_directory_is_refused_before_anything_is_asked() {
    let world = world();
    fs::write(world.path("out"), "a file").unwrap();
    let run = all(&world, "");
    assert_eq!(exit_code(&run), 2, "{}", stderr(&run));
    for line in ["restore --all", "restore --all -o out --txid 1", "restore small --all -o out"] {
        let run = world.run(&line.split_whitespace().collect::<Vec<_>>());
        assert_eq!(exit_code(&run), 2, "{line}: {}", stderr(&run));
    }
}

#[test]
fn restored_databases_go_on_here() {
    let world = World::new();
    for name in ["a.db", "b.db"] {
        let database = world.database(name);
        database.execute_batch("INSERT INTO t VALUES (1), (2)").unwrap();
        drop(database);
        assert_eq!(exit_code(&world.once(&[name])), 0);
    }
    fs::remove_dir_all(world.path("state")).unwrap();
    let run = all(&world, "");
    assert_eq!(exit_code(&run), 0, "{}", stderr(&run));
    for name in ["a", "b"] {
        let file = format!("out/{name}.db");
        let database = rusqlite::Connection::open(world.path(&file)).unwrap();
        database.execute_batch("INSERT INTO t VALUES (3)").unwrap();
        drop(database);
        let snapshots = world.objects(&format!("store/{name}/ltx/9")).len();
        let run = world.once(&["--take-over", &file]);
        assert_eq!(exit_code(&run), 0, "{}", stderr(&run));
        assert_eq!(world.objects(&format!("store/{name}/ltx/9")).len(), snapshots, "no image goes up");
    }
}

#[test]
fn on_s3_as_many_requests_as_are_allowed_do() {
    let server = S3Server::start(&["bucket"]);
    let world = World::new();
    for place in ["a", "b/c", "d"] {
        for (name, _, bytes) in replica("multi-level").objects() {
            let (level, name) = name.strip_prefix("ltx/").unwrap().split_once('/').unwrap();
            let level: u8 = level.parse().unwrap();
            server.put_object("bucket", &format!("{place}/{level:04x}/{name}"), bytes);
        }
    }
    // One request at a time: nobody waits for a turn that another one never gives back.
    server
        .inject(Rule::on(Operation::GetObject, Fault::DENIED).for_keys(|key| key.starts_with("d/")).always());
    let environment = [("WALSYNC_LIMITS_REQUESTS_IN_FLIGHT", "1")];
    let run = world.run_on_s3(&server, "bucket", &["restore", "--all", "-o", "out", "--json"], &environment);
    assert_eq!(exit_code(&run), 1, "{}", stderr(&run));
    assert_restored(&world, &[("a", "multi-level"), ("b/c", "multi-level")]);
    assert_eq!(databases(&run)[2]["error"]["kind"], "unavailable");
}
