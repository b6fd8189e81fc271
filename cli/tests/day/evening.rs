//! The evening: what the real binary lists, restores and deletes.

use crate::live::Day;
use crate::promises::Listed;
use crate::scene::Scene;
use crate::walsync::{exit_code, stderr};
use engine::retention::Policy;
use engine::store::Sha256;
use serde_json::Value;
use std::collections::BTreeSet;

/// Restores that run at one time.
const WORKERS: usize = 2;

/// Everything that is promised is there, restores, and is what it was; the rest is gone.
pub(crate) fn assert_evening(scene: &Scene, day: &Day, policy: &Policy) -> Listed {
    let listed = list(scene, day);
    listed.assert_keeps(day.history.slots(), policy, day.end_ms);
    listed.assert_lets_go(day.history.slots(), policy);
    let levels: BTreeSet<u64> = listed.objects.iter().map(|object| object.0).collect();
    assert_eq!(levels, BTreeSet::from([0, 1, 2, 3, 9]));
    let (points, slots) = (listed.points.len(), day.history.slots().len());
    assert!(points * 3 < slots, "{points} points of {slots} syncs");
    let (objects, (written, bytes_written)) = (listed.objects.len(), day.written);
    assert!(objects * 4 < written, "{objects} objects of {written}");
    assert!(listed.bytes * 4 < bytes_written, "{} bytes of {bytes_written}", listed.bytes);
    assert_restores(scene, day, &listed);
    scene.assert_ok();
    listed
}

/// Restores every point with the real binary, every fifth by its time, and compares all bytes.
fn assert_restores(scene: &Scene, day: &Day, listed: &Listed) {
    let points: Vec<(u64, i64)> = listed.points.iter().map(|(txid, ms)| (*txid, *ms)).collect();
    let restore = |(at, (txid, ms)): (usize, &(u64, i64)), out: &str| {
        let target = match at % 5 {
            0 => ["--timestamp".to_owned(), time(*ms)],
            _ => ["--txid".to_owned(), format!("{txid:016x}")],
        };
        let options = ["-o", out, "--force", "--verify", "full"];
        let run = scene.run(&[&["restore", "app", &target[0], &target[1]], &options[..]].concat());
        assert_eq!(exit_code(&run), 0, "{target:?}: {}", stderr(&run));
        let restored = Sha256::of(&std::fs::read(scene.world.path(out)).unwrap());
        assert_eq!(restored, day.history.slots()[txid].content, "{target:?}");
    };
    let share = |worker: usize| {
        let out = format!("restored-{worker}.db");
        let points = points.iter().enumerate();
        points.filter(|(at, _)| at % WORKERS == worker).for_each(|point| restore(point, &out));
    };
    std::thread::scope(|scope| {
        let share = &share;
        (0..WORKERS).for_each(|worker| drop(scope.spawn(move || share(worker))));
    });
}

/// The list. Points have the times that were announced.
pub(crate) fn list(scene: &Scene, day: &Day) -> Listed {
    let run = scene.run(&["list", "app", "--points", "--json"]);
    assert_eq!(exit_code(&run), 0, "{}", stderr(&run));
    let document: Value = serde_json::from_slice(&run.stdout).unwrap();
    let point = |point: &Value| (txid(&point["txid"]), millis(&point["timestamp"]));
    let object = |object: &Value| {
        (object["level"].as_u64().unwrap(), txid(&object["min_txid"]), txid(&object["max_txid"]))
    };
    let objects = document["objects"].as_array().unwrap();
    let listed = Listed {
        points: document["points"].as_array().unwrap().iter().map(point).collect(),
        objects: objects.iter().map(object).collect(),
        bytes: objects.iter().map(|object| object["size_bytes"].as_u64().unwrap()).sum(),
    };
    for (txid, ms) in &listed.points {
        assert_eq!(day.history.slots()[txid].sealed_ms, *ms, "the time of {txid}");
    }
    listed
}

/// Runs `cleanup`: the objects that go, and the points.
pub(crate) fn cleanup(scene: &Scene, arguments: &[&str]) -> (BTreeSet<String>, BTreeSet<u64>) {
    let run = scene.run(&[&["cleanup", "app", "--json"], arguments].concat());
    assert_eq!(exit_code(&run), 0, "{}", stderr(&run));
    let document: Value = serde_json::from_slice(&run.stdout).unwrap();
    let of = |key: &str| document[key].as_array().unwrap().clone();
    let deletes = of("actions").into_iter().filter(|action| action["action"] == "delete");
    let objects = deletes.map(|action| action["object"].as_str().unwrap().to_owned()).collect();
    (objects, of("points_removed").iter().map(|point| txid(&point["txid"])).collect())
}

fn txid(value: &Value) -> u64 {
    u64::from_str_radix(value.as_str().unwrap(), 16).unwrap()
}

fn millis(value: &Value) -> i64 {
    value.as_str().unwrap().parse::<jiff::Timestamp>().unwrap().as_millisecond()
}

fn time(ms: i64) -> String {
    jiff::Timestamp::from_millisecond(ms).unwrap().to_string()
}
