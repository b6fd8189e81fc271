//! Compaction and retention as users run them: by the daemon, and by `compact` and `cleanup`.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod walsync;

#[path = "verify/scene.rs"]
#[allow(dead_code, reason = "made for `verify`")]
mod scene;

use scene::{Scene, Verdict};
use serde_json::Value;
use std::collections::BTreeMap;
use std::process::Output;
use std::time::Duration;
use tests::s3::{Fault, Operation, Rule, S3Server};
use walsync::{World, exit_code, stderr};

/// Levels so short that a test sees them made.
const QUICK: &str = "
    [sync]
    max_interval = \"20ms\"
    [compaction]
    levels = [\"1s\", \"2s\", \"4s\"]
    [retention]
    l0 = \"1s\"
    pitr = \"2s\"
    hourly = 0
    daily = 0
    weekly = 0
    monthly = 0
";

#[test]
fn a_daemon_makes_every_level_lets_points_go_and_what_is_left_restores() {
    let world = World::new();
    let writer = world.database("app.db");
    std::fs::write(world.path("walsync.toml"), QUICK).unwrap();
    let mut daemon = world.watch(&["app.db"]);
    daemon.until("status", |line| line["state"] == "following");
    let mut row = 0;
    let mut insert = || {
        row += 1;
        writer.execute("INSERT INTO t VALUES (?1)", [row]).unwrap();
        std::thread::sleep(Duration::from_millis(30));
    };
    let made_all =
        |lines: &[Value]| lines.iter().any(|line| line["object"].as_str().unwrap().starts_with("3/"));
    let mut made = Vec::new();
    while !made_all(&made) {
        (0..20).for_each(|_| insert());
        made.push(daemon.until("compacted", |_| true));
    }
    let retained = daemon.until("retained", |line| line["objects"].as_u64() > Some(10));
    assert_eq!(retained["refused"], 0);
    daemon.signal(rustix::process::Signal::TERM);
    assert_eq!(daemon.exit_code(), 0);
    let points = points(&world.run(&["list", "app", "--points", "--json"]));
    assert!(points.len() < row as usize, "{} points of {row} commits", points.len());
    assert_points_restore(&Scene { world, server: None }, &points);
}

#[test]
fn compacted_by_hand_every_point_restores_to_what_it_was_before() {
    for scene in Scene::both() {
        let before = contents(&scene);
        let dry = actions(&scene.run(&["compact", "--dry-run", "--json"]));
        assert_eq!(dry.len(), 3, "a level each: {dry:?}");
        assert_eq!(contents(&scene), before, "nothing was done");
        let done = scene.run(&["compact", "app", "--json"]);
        assert_eq!(exit_code(&done), 0, "{}", stderr(&done));
        assert_eq!(keys(&actions(&done)), keys(&dry));
        assert_eq!(contents(&scene), before);
        assert_eq!(
            keys(&actions(&scene.run(&["compact", "--json"]))),
            [""; 0],
            "there is nothing left to do"
        );
        scene.assert_ok();
    }
}

#[test]
fn up_to_a_level_that_is_not_made_is_an_error_and_one_that_is_ends_there() {
    let scene = Scene::directory();
    let output = scene.run(&["compact", "app", "--level", "7"]);
    assert_eq!(exit_code(&output), 2);
    assert!(stderr(&output).contains("level 7 is not made"), "{}", stderr(&output));
    let made = actions(&scene.run(&["compact", "app", "--level", "1", "--json"]));
    assert!(made.iter().all(|action| action["object"].as_str().unwrap().contains("/ltx/1/")), "{made:?}");
    assert_eq!(made.len(), 1);
}

#[test]
fn cleanup_names_what_goes_before_it_goes_and_keeps_the_rest() {
    for scene in forgetful() {
        assert_eq!(exit_code(&scene.run(&["compact", "app"])), 0);
        // Objects are as old as the store says, in whole seconds.
        std::thread::sleep(Duration::from_millis(2200));
        let before = contents(&scene);
        let dry = scene.run(&["cleanup", "--dry-run", "--json"]);
        assert_eq!(exit_code(&dry), 0, "{}", stderr(&dry));
        assert_eq!(contents(&scene), before, "nothing was deleted");
        let done = scene.run(&["cleanup", "app", "--json"]);
        assert_eq!(exit_code(&done), 0, "{}", stderr(&done));
        assert_eq!(deletes(&done), deletes(&dry));
        assert!(deletes(&done).len() >= 2, "{:?}", deletes(&done));
        let document: Value = serde_json::from_slice(&done.stdout).unwrap();
        let gone: Vec<&str> = document["points_removed"]
            .as_array()
            .unwrap()
            .iter()
            .map(|point| point["txid"].as_str().unwrap())
            .collect();
        let after = contents(&scene);
        let expected: BTreeMap<String, Vec<u8>> =
            before.into_iter().filter(|(txid, _)| !gone.contains(&txid.as_str())).collect();
        assert_eq!(after, expected, "what was named went, and nothing else");
        assert!(!gone.is_empty());
        scene.assert_ok();
        assert_eq!(
            deletes(&scene.run(&["cleanup", "app", "--json"])),
            [""; 0],
            "a second run has nothing to do"
        );
    }
}

#[test]
fn the_index_names_what_cleanup_has_read_and_not_what_it_has_deleted() {
    for scene in forgetful() {
        // Nobody remembers whether the store means its conditions.
        std::fs::remove_dir_all(scene.world.path("state")).unwrap();
        assert_eq!(exit_code(&scene.run(&["compact", "app"])), 0);
        std::thread::sleep(Duration::from_millis(2200));
        let before = scene.get("manifest.json");
        assert_eq!(exit_code(&scene.run(&["cleanup", "app", "--dry-run"])), 0);
        assert_eq!(scene.get("manifest.json"), before);
        assert_eq!(exit_code(&scene.run(&["cleanup", "app"])), 0);
        let manifest: Value = serde_json::from_slice(&scene.get("manifest.json")).unwrap();
        assert!(!manifest["objects"].as_array().unwrap().is_empty(), "{manifest}");
        scene.assert_ok();
    }
}

#[test]
fn an_object_that_is_damaged_makes_up_for_nothing() {
    let [scene, _] = forgetful();
    let made = keys(&actions(&scene.run(&["compact", "app", "--level", "1", "--json"])));
    let slots = scene.get(scene::SMALL);
    // `app/ltx/1/MIN-MAX.ltx`.
    let range = made[0].strip_prefix("app/ltx/1/").unwrap().strip_suffix(".ltx").unwrap();
    let object = format!("1/{range}");
    let mut bytes = scene.get(&object);
    let at = bytes.len() / 2;
    bytes[at] ^= 1;
    scene.put(&object, &bytes);
    // It was written anew: as old as that.
    std::thread::sleep(Duration::from_millis(2200));
    let output = scene.run(&["cleanup", "app", "--json"]);
    assert_eq!(exit_code(&output), 1, "{}", stderr(&output));
    assert!(stderr(&output).contains("damaged"), "{}", stderr(&output));
    assert_eq!(deletes(&output), [""; 0]);
    assert_eq!(scene.get(scene::SMALL), slots);
}

#[test]
fn keeping_less_than_the_places_writer_needs_to_be_said() {
    let scene = Scene::directory();
    let policy = |pitr: &str| {
        let text = format!("[retention]\nl0 = \"5m\"\npitr = \"{pitr}\"\n");
        std::fs::write(scene.world.path("walsync.toml"), text).unwrap();
    };
    policy("48h");
    assert_eq!(exit_code(&scene.run(&["compact", "app"])), 0);
    assert_eq!(exit_code(&scene.run(&["cleanup", "app"])), 0);
    policy("1h");
    let refused = scene.run(&["cleanup", "app"]);
    assert_eq!(exit_code(&refused), 2);
    assert!(stderr(&refused).contains("pitr: 3600 s here, 86400 s there"), "{}", stderr(&refused));
    assert_eq!(exit_code(&scene.run(&["cleanup", "app", "--dry-run"])), 0, "to look is no harm");
    assert_eq!(exit_code(&scene.run(&["cleanup", "app", "--force"])), 0);
    // The writer keeps 24h, by default: more may be kept here, and whoever chose nothing keeps that.
    policy("48h");
    assert_eq!(exit_code(&scene.run(&["cleanup", "app"])), 0);
    std::fs::remove_file(scene.world.path("walsync.toml")).unwrap();
    assert_eq!(exit_code(&scene.run(&["cleanup", "app"])), 0);
}

#[test]
fn credentials_that_may_not_delete_are_said_and_nothing_is_lost() {
    let [_, scene] = forgetful();
    assert_eq!(exit_code(&scene.run(&["compact", "app"])), 0);
    std::thread::sleep(Duration::from_millis(2200));
    let server = scene.server.as_ref().unwrap();
    for operation in [Operation::DeleteObjects, Operation::DeleteObject] {
        server.inject(Rule::on(operation, Fault::DENIED).always());
    }
    let before = contents(&scene);
    let output = scene.run(&["cleanup", "app"]);
    assert_eq!(exit_code(&output), 3, "{}", stderr(&output));
    assert!(stderr(&output).contains("may not delete"), "{}", stderr(&output));
    server.clear_faults();
    assert_eq!(contents(&scene), before);
}

#[test]
fn a_store_that_cannot_be_reached_and_a_name_that_nobody_has_are_said() {
    let scene = Scene::directory();
    for command in ["compact", "cleanup"] {
        let output = scene.run(&[command, "nobody"]);
        assert_eq!(exit_code(&output), 1, "{}", stderr(&output));
        assert!(stderr(&output).contains("nobody"), "{}", stderr(&output));
    }
}

/// A place in a directory and one on an S3 server, of a writer that keeps nothing for long.
fn forgetful() -> [Scene; 2] {
    [None, Some(S3Server::start(&["bucket"]))].map(|server| {
        let scene = Scene { world: World::new(), server };
        keep_nothing(&scene);
        scene.replicate("app", 1);
        scene
    })
}

fn keep_nothing(scene: &Scene) {
    let text = "[retention]\nl0 = \"1s\"\npitr = \"0s\"\nhourly = 0\ndaily = 0\nweekly = 0\nmonthly = 0\n";
    std::fs::write(scene.world.path("walsync.toml"), text).unwrap();
}

/// The database at each point that is listed.
fn contents(scene: &Scene) -> BTreeMap<String, Vec<u8>> {
    let points = points(&scene.run(&["list", "app", "--points", "--json"]));
    points.into_iter().map(|txid| (txid.clone(), restored(scene, &txid))).collect()
}

fn restored(scene: &Scene, txid: &str) -> Vec<u8> {
    let output =
        scene.run(&["restore", "app", "--txid", txid, "-o", "out.db", "--force", "--verify", "full"]);
    assert_eq!(exit_code(&output), 0, "{txid}: {}", stderr(&output));
    std::fs::read(scene.world.path("out.db")).unwrap()
}

fn assert_points_restore(scene: &Scene, points: &[String]) {
    points.iter().for_each(|txid| drop(restored(scene, txid)));
    assert_eq!(Verdict::of(&scene.run(&["verify", "--deep", "--json"])).code, 0);
}

fn points(output: &Output) -> Vec<String> {
    assert_eq!(exit_code(output), 0, "{}", stderr(output));
    let document: Value = serde_json::from_slice(&output.stdout).unwrap();
    let points = document["points"].as_array().unwrap();
    points.iter().map(|point| point["txid"].as_str().unwrap().to_owned()).collect()
}

fn actions(output: &Output) -> Vec<Value> {
    let document: Value = serde_json::from_slice(&output.stdout).unwrap_or_default();
    let actions = document["actions"].as_array();
    actions.unwrap_or_else(|| panic!("{}", stderr(output))).clone()
}

fn keys(actions: &[Value]) -> Vec<String> {
    actions.iter().map(|action| action["object"].as_str().unwrap().to_owned()).collect()
}

fn deletes(output: &Output) -> Vec<String> {
    let all = actions(output);
    keys(&all.into_iter().filter(|action| action["action"] == "delete").collect::<Vec<_>>())
}
