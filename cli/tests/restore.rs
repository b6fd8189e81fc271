//! `restore` and `list` as users run them: the real program on replicas that Litestream wrote.
#![allow(clippy::unwrap_used, missing_docs, reason = "a failing test is the report")]

mod replica;

use replica::replica;
use std::fs;
use std::path::PathBuf;
use std::process::Command;
use tempfile::TempDir;

/// A directory with a store in it, and the program.
struct World {
    dir: TempDir,
}

/// How a run ended.
struct Ran {
    code: i32,
    out: String,
    err: String,
}

impl World {
    /// `store` holds `prod/app` (multi-level), `test/app` and `small`.
    fn new() -> World {
        let world = World { dir: tempfile::tempdir().unwrap() };
        for (place, case) in
            [("prod/app", "multi-level"), ("test/app", "small-4096"), ("small", "small-4096")]
        {
            replica(case).copy_to(&world.path("store").join(place));
        }
        world
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn run(&self, line: &str) -> Ran {
        let mut command = Command::new(env!("CARGO_BIN_EXE_walsync"));
        command.args(line.split_whitespace()).current_dir(self.dir.path()).env_clear();
        let output = command.env("WALSYNC_STORE", "store").env("HOME", self.dir.path()).output().unwrap();
        let real = fs::canonicalize(self.dir.path()).unwrap();
        let shown = |bytes: Vec<u8>| {
            let text = String::from_utf8(bytes).unwrap();
            text.replace(real.to_str().unwrap(), "/dir").replace(self.dir.path().to_str().unwrap(), "/dir")
        };
        let code = output.status.code().unwrap();
        Ran { code, out: shown(output.stdout), err: shown(output.stderr) }
    }

    /// Command lines with what they print and how they end.
    fn transcript(&self, lines: &[&str]) -> String {
        let shown = lines.iter().map(|line| {
            let Ran { code, out, err } = self.run(line);
            format!("$ walsync {line}\n-- stdout\n{out}-- stderr\n{err}=> {code}\n")
        });
        shown.collect::<Vec<String>>().join("\n")
    }

    /// Everything that is not in the store, sorted.
    fn files(&self) -> Vec<String> {
        let entries = fs::read_dir(self.dir.path()).unwrap();
        let mut names: Vec<String> =
            entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.retain(|name| name != "store");
        names.sort();
        names
    }
}

impl Ran {
    fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.out).unwrap()
    }
}

#[test]
fn listings_are_as_reviewed() {
    let world = World::new();
    let lines = [
        "list",
        "list --json",
        "list prod/app",
        "list small --points",
        "list small --points --json",
        "list app",
        "list smal",
        "list nothing --json",
        "list --store empty",
        "list --store empty --json",
        "list --store file:///dev/null",
    ];
    insta::assert_snapshot!(world.transcript(&lines));
}

#[test]
fn refusals_say_what_to_do() {
    let world = World::new();
    fs::write(world.path("there.db"), "old").unwrap();
    fs::write(world.path("rest.db-wal"), "old").unwrap();
    fs::create_dir(world.path("folder")).unwrap();
    let before = world.files();
    let lines = [
        "restore small -o there.db",
        "restore small -o rest.db",
        "restore small -o folder --force",
        "restore small -o missing/out.db",
        "restore smal -o out.db",
        "restore app -o out.db",
        "restore small -o out.db --txid xyz",
        "restore small -o out.db --txid 12",
        "restore prod/app -o out.db --txid 4",
        "restore prod/app -o out.db --txid 4 --json",
        "restore small -o out.db --timestamp 2020-01-01T00:00:00Z",
        "restore small",
        "restore file:///nowhere/at/all -o out.db",
    ];
    insta::assert_snapshot!(world.transcript(&lines));
    assert_eq!(world.files(), before, "nothing is left behind");
    assert_eq!(fs::read(world.path("there.db")).unwrap(), b"old");
}

#[test]
fn the_report_has_the_documented_fields() {
    let world = World::new();
    let ran = world.run("restore prod/app -o out.db --json --verify full");
    assert_eq!(ran.code, 0, "{}", ran.err);
    let mut report = ran.json();
    assert!(report["elapsed_ms"].as_u64().is_some() && report["downloaded_bytes"].as_u64().is_some());
    report["elapsed_ms"] = 0.into();
    insta::assert_snapshot!(serde_json::to_string_pretty(&report).unwrap());
    assert_eq!(fs::metadata(world.path("out.db")).unwrap().len(), report["size_bytes"].as_u64().unwrap());
    assert_eq!(world.files(), ["out.db"]);
}

#[test]
fn a_dry_run_shows_the_plan_and_writes_nothing() {
    let world = World::new();
    insta::assert_snapshot!(world.transcript(&[
        "restore prod/app -o out.db --dry-run",
        "restore prod/app -o out.db --dry-run --json --txid 0000000000000010",
    ]));
    assert_eq!(world.files(), Vec::<String>::new());
}

#[test]
fn force_replaces_the_database_and_what_belongs_to_it() {
    let world = World::new();
    for suffix in ["", "-wal", "-shm", "-journal"] {
        fs::write(world.path(&format!("out.db{suffix}")), "old").unwrap();
    }
    assert_eq!(world.run("restore small -o out.db --force").code, 0);
    assert_eq!(world.files(), ["out.db"]);
    assert!(fs::read(world.path("out.db")).unwrap().starts_with(b"SQLite format 3\0"));
}

#[test]
fn if_missing_leaves_a_database_alone_and_makes_a_missing_one() {
    let world = World::new();
    fs::write(world.path("out.db"), "old").unwrap();
    let ran = world.run("restore small -o out.db --if-missing --json");
    assert_eq!((ran.code, ran.json()["restored"].as_bool()), (0, Some(false)));
    assert_eq!(fs::read(world.path("out.db")).unwrap(), b"old");
    fs::remove_file(world.path("out.db")).unwrap();
    assert_eq!(world.run("restore small -o out.db --if-missing").code, 0);
    assert_eq!(world.files(), ["out.db"]);
}

#[test]
fn allow_empty_is_content_with_nothing_but_not_with_damage() {
    let world = World::new();
    for line in ["restore other -o out.db --allow-empty", "restore x -b empty -o out.db --allow-empty --json"]
    {
        let ran = world.run(line);
        assert_eq!(ran.code, 0, "{}", ran.err);
    }
    assert_eq!(world.run("restore other -o out.db").code, 1);
    let level = world.path("store/small/ltx/0");
    for entry in fs::read_dir(level).unwrap() {
        fs::write(entry.unwrap().path(), "no object at all").unwrap();
    }
    assert_eq!(world.run("restore small -o out.db --allow-empty").code, 4);
    assert_eq!(world.files(), Vec::<String>::new());
}

#[test]
fn a_gap_is_exit_1_and_names_the_points_around_it() {
    let world = World::new();
    fs::remove_file(world.path("store/small/ltx/0/0000000000000005-0000000000000005.ltx")).unwrap();
    for line in ["restore small -o out.db", "restore small -o out.db --timestamp 2100-01-01T00:00:00Z"] {
        let ran = world.run(line);
        assert_eq!(ran.code, 1, "{}", ran.err);
        assert!(ran.err.contains("nearest point: 0000000000000004 before"), "{}", ran.err);
        assert!(
            ran.err.contains(
                "hint: walsync restore small -b file:///dir/store -o /dir/out.db --txid 0000000000000004"
            ),
            "{}",
            ran.err
        );
    }
    assert_eq!(world.run("restore small -o out.db --txid 4").code, 0);
}

#[test]
fn a_damaged_object_is_exit_4() {
    let world = World::new();
    let object = world.path("store/small/ltx/0/000000000000000b-000000000000000b.ltx");
    let mut bytes = fs::read(&object).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(&object, bytes).unwrap();
    let ran = world.run("restore small -o out.db --json");
    assert_eq!(ran.code, 4, "{}", ran.err);
    let line = ran.err.lines().last().unwrap();
    let error: serde_json::Value = serde_json::from_str(line).unwrap();
    assert_eq!((&error["kind"], &error["exit_code"]), (&"corrupt".into(), &4.into()));
    assert_eq!(error["object"], "0/000000000000000b-000000000000000b");
    assert_eq!(world.files(), Vec::<String>::new());
}

#[test]
fn a_url_of_a_place_and_a_configured_path_restore_too() {
    let world = World::new();
    let url = format!("file://{}", world.path("store/prod/app").display());
    assert_eq!(world.run(&format!("restore {url} -o one.db")).code, 0);
    assert_eq!(world.run(&format!("restore {url} -o two.db --store elsewhere")).code, 0);
    let config = "[[databases]]\npath = \"data/app.db\"\nprefix = \"prod\"\n";
    fs::write(world.path("walsync.toml"), config).unwrap();
    fs::create_dir(world.path("data")).unwrap();
    let ran = world.run("restore data/app.db");
    assert_eq!(ran.code, 0, "{}", ran.err);
    let read = |name: &str| fs::read(world.path(name)).unwrap();
    assert!(read("one.db") == read("two.db") && read("one.db") == read("data/app.db"));
}

#[test]
fn a_file_that_is_gone_comes_back_where_a_wildcard_found_it() {
    let world = World::new();
    let config = "[[databases]]\npath = \"data/*/app.db\"\n[[databases]]\npath = \"lost/*.sqlite\"\n";
    fs::write(world.path("walsync.toml"), config).unwrap();
    fs::create_dir_all(world.path("data/prod")).unwrap();
    fs::create_dir_all(world.path("data/test")).unwrap();
    fs::create_dir(world.path("lost")).unwrap();
    for line in ["restore prod/app", "restore data/test/app.db", "restore small"] {
        let ran = world.run(line);
        assert_eq!(ran.code, 0, "{line}: {}", ran.err);
    }
    for file in ["data/prod/app.db", "data/test/app.db", "lost/small.sqlite"] {
        assert!(world.path(file).is_file(), "{file}");
    }
}

#[test]
fn the_demo_proves_what_it_says() {
    let ran = World::new().run("demo --json");
    assert_eq!(ran.code, 0, "{}", ran.err);
    let outcome = ran.json();
    assert_eq!((&outcome["identical"], &outcome["integrity_check"]), (&true.into(), &"ok".into()));
    assert!(outcome["earlier_transactions"].as_u64() < outcome["transactions"].as_u64());
}
