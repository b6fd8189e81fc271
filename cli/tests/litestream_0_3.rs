//! A replica of Litestream 0.3 is told by name, by every command: it is not read, and nothing is written beside it.
#![allow(clippy::unwrap_used, missing_docs, reason = "a failing test is the report")]

mod replica;
mod walsync;

use replica::replica;
use serde_json::Value;
use std::fs;
use std::path::Path;
use tests::s3::S3Server;
use walsync::{World, exit_code, stderr};

/// What version 0.3 leaves of a database: an image and the segments of its log, as LZ4 frames.
const FILES: [&str; 4] = [
    "generations/65eb9a2dbc5b1a90/snapshots/00000000.snapshot.lz4",
    "generations/65eb9a2dbc5b1a90/wal/00000000_00000000.wal.lz4",
    "generations/65eb9a2dbc5b1a90/wal/00000000_00001038.wal.lz4",
    "generations/f0e1d2c3b4a59687/snapshots/00000003.snapshot.lz4",
];

/// An LZ4 frame without content.
const FRAME: [u8; 11] = [0x04, 0x22, 0x4d, 0x18, 0x64, 0x40, 0xa7, 0, 0, 0, 0];

fn write_old(place: &Path) {
    for name in FILES {
        let path = place.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, FRAME).unwrap();
    }
}

fn assert_named(said: &str, line: &str) {
    assert!(said.contains("Litestream 0.3"), "{line}: {said}");
    assert!(said.contains("litestream restore"), "{line} says what to do: {said}");
}

#[test]
fn every_command_on_it_is_refused_and_says_what_to_do() {
    let world = World::new();
    let _writer = world.database("app.db");
    write_old(&world.path("store/app"));
    let url = format!("file://{}", world.path("store/app").display());
    for line in [
        "watch app.db",
        "watch app.db --once",
        "watch app.db --once --take-over=always",
        "restore app -o out.db",
        "restore app -o out.db --allow-empty",
        "list app",
        "list app --points",
        "verify app",
        "verify app --deep",
        &format!("restore {url} -o out.db"),
        &format!("list {url}"),
        &format!("verify {url} --json"),
        // Nothing else is in the store.
        "list",
        "verify",
        &format!("list -b {url}"),
    ] {
        let run = world.run(&line.split_whitespace().collect::<Vec<_>>());
        assert_eq!(exit_code(&run), 2, "{line}: {}", stderr(&run));
        let said = format!("{}{}", String::from_utf8_lossy(&run.stdout), stderr(&run));
        assert_named(&said, line);
    }
    let run = world.run(&["restore", "--all", "-o", "out"]);
    assert_eq!(exit_code(&run), 1, "{}", stderr(&run));
    assert_named(&stderr(&run), "restore --all");
    assert!(!world.path("out").exists() && !world.path("out.db").exists());
    assert_eq!(world.objects("store/app"), ["generations"], "nothing is written beside it");
}

#[test]
fn on_s3_it_is_told_too() {
    let server = S3Server::start(&["bucket"]);
    let world = World::new();
    let _writer = world.database("app.db");
    for name in FILES {
        server.put_object("bucket", &format!("prod/app/{name}"), FRAME.to_vec());
    }
    let before = server.keys("bucket");
    fs::write(world.path("walsync.toml"), "[[databases]]\npath = \"app.db\"\nprefix = \"prod\"\n").unwrap();
    for line in
        ["watch --once", "restore app -o out.db", "restore prod/app -o out.db", "list app", "verify app.db"]
    {
        let arguments: Vec<&str> = line.split_whitespace().collect();
        let run = world.run_on_s3(&server, "bucket", &arguments, &[]);
        assert_eq!(exit_code(&run), 2, "{line}: {}", stderr(&run));
        assert_named(&stderr(&run), line);
    }
    assert_eq!(server.keys("bucket"), before);
}

#[test]
fn beside_others_it_is_named_and_they_are_read() {
    let world = World::new();
    write_old(&world.path("store/old"));
    replica("small-4096").copy_to(&world.path("store/new"));
    let run = world.run(&["list", "--json"]);
    assert_eq!(exit_code(&run), 0, "{}", stderr(&run));
    let listed: Value = serde_json::from_slice(&run.stdout).unwrap();
    assert_eq!(listed["databases"].as_array().unwrap().len(), 1);
    assert_named(&stderr(&run), "list");
    let run = world.run(&["restore", "--all", "-o", "out"]);
    assert_eq!(exit_code(&run), 1, "{}", stderr(&run));
    assert_named(&stderr(&run), "restore --all");
    assert_eq!(world.objects("out"), ["new.db"]);
    let run = world.run(&["verify", "--json"]);
    assert_eq!(exit_code(&run), 2, "{}", stderr(&run));
    assert_named(&format!("{}{}", String::from_utf8_lossy(&run.stdout), stderr(&run)), "verify");
}

/// Litestream 0.5 goes on in the same place, and leaves the old folder where it is.
#[test]
fn a_place_that_version_0_5_continued_is_a_place() {
    let world = World::new();
    write_old(&world.path("store/app"));
    replica("small-4096").copy_to(&world.path("store/app"));
    for line in ["list app", "verify app", "restore app -o out.db", "restore --all -o out"] {
        let run = world.run(&line.split_whitespace().collect::<Vec<_>>());
        assert_eq!(exit_code(&run), 0, "{line}: {}", stderr(&run));
    }
}

/// Only the folder's name is the same.
#[test]
fn a_database_called_generations_is_a_database() {
    let world = World::new();
    let _writer = world.database("generations.db");
    assert_eq!(exit_code(&world.once(&["generations.db"])), 0);
    let run = world.run(&["list", "--json"]);
    let listed: Value = serde_json::from_slice(&run.stdout).unwrap();
    assert_eq!(listed["databases"][0]["name"], "generations", "{}", stderr(&run));
    assert_eq!(exit_code(&run), 0);
}
