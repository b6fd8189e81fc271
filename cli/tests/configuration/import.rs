//! `walsync config import`.

use super::walsync::{World, exit_code, stderr};
use rustix::process::Signal;
use serde_json::Value;
use std::fs;

const LITESTREAM: &str = "
addr: ':9090'
dbs:
  - path: app.db
    replica:
      path: backups/app
      sync-interval: 20ms
";

#[test]
fn what_is_imported_is_checked_and_watched() {
    let world = World::new();
    fs::write(world.path("litestream.yml"), LITESTREAM).unwrap();
    let imported = world.run(&["config", "import", "litestream.yml", "-o", "walsync.toml"]);
    assert_eq!(exit_code(&imported), 0, "{}", stderr(&imported));
    assert!(stderr(&imported).contains("litestream.yml:2: addr: "), "{}", stderr(&imported));
    let checked = world.run(&["config", "check"]);
    assert_eq!(exit_code(&checked), 0, "{}", String::from_utf8_lossy(&checked.stdout));
    let _app = world.database("app.db");
    let mut daemon = world.watch_with(&[], &[("WALSYNC_STORE", "")]);
    daemon.until("status", |line| line["state"] == "following");
    assert_eq!(world.objects("backups/app/ltx/9").len(), 1, "where Litestream would have it");
    daemon.signal(Signal::TERM);
    assert_eq!(daemon.exit_code(), 0);
}

#[test]
fn what_goes_to_standard_output_is_the_configuration_alone() {
    let world = World::new();
    fs::write(world.path("l.yml"), LITESTREAM).unwrap();
    let imported = world.run(&["config", "import", "l.yml"]);
    assert_eq!(exit_code(&imported), 0);
    fs::write(world.path("walsync.toml"), &imported.stdout).unwrap();
    assert_eq!(exit_code(&world.run(&["config", "check"])), 0);
    let json = world.run(&["config", "import", "l.yml", "--json"]);
    let document: Value = serde_json::from_slice(&json.stdout).unwrap();
    assert_eq!(
        document["toml"].as_str().unwrap().trim_end(),
        String::from_utf8_lossy(&imported.stdout).trim_end()
    );
    assert_eq!(
        (&document["left_out"][0]["key"], &document["left_out"][0]["line"]),
        (&"addr".into(), &2.into())
    );
}

#[test]
fn nothing_is_overwritten_unless_told_and_nothing_partial_is_left() {
    let world = World::new();
    fs::write(world.path("l.yml"), LITESTREAM).unwrap();
    fs::write(world.path("walsync.toml"), "mine").unwrap();
    let import =
        |more: &[&str]| world.run(&[&["config", "import", "l.yml", "-o", "walsync.toml"], more].concat());
    let refused = import(&[]);
    assert_eq!(exit_code(&refused), 2);
    assert!(stderr(&refused).contains("--force"), "{}", stderr(&refused));
    assert_eq!(fs::read_to_string(world.path("walsync.toml")).unwrap(), "mine");
    assert_eq!(exit_code(&import(&["--force"])), 0);
    assert!(fs::read_to_string(world.path("walsync.toml")).unwrap().contains("[[databases]]"));
    assert_eq!(world.objects("."), ["l.yml", "walsync.toml"]);
}

#[test]
fn files_that_are_none_end_with_2_and_say_why() {
    let world = World::new();
    fs::write(world.path("none.yml"), "dbs: [").unwrap();
    fs::write(world.path("list.yml"), "- a\n").unwrap();
    fs::write(world.path("latin1.yml"), b"dbs: \xff").unwrap();
    fs::write(world.path("large.yml"), vec![b' '; (1 << 20) + 1]).unwrap();
    for (file, why) in [
        ("none.yml", "not YAML"),
        ("list.yml", "one YAML document of keys"),
        ("latin1.yml", "UTF-8"),
        ("large.yml", "longer than 1 MiB"),
        ("missing.yml", "No such file"),
        (".", "directory"),
    ] {
        let failed = world.run(&["config", "import", file, "-o", "walsync.toml"]);
        assert_eq!(exit_code(&failed), 2, "{file}");
        assert!(stderr(&failed).contains(why) && stderr(&failed).contains("hint: "), "{}", stderr(&failed));
        assert!(!world.path("walsync.toml").exists());
    }
    let nowhere = world.run(&["config", "import", "list.yml", "-o", "no/such/folder.toml"]);
    assert_eq!(exit_code(&nowhere), 2);
}
