//! Litestream compacts what walsync wrote, and deletes what it no longer needs.

use crate::litestream::Pace;
use crate::real::walsync::PATIENCE;
use crate::scene::{Scene, Writer};
use serde_json::json;
use std::time::Instant;

#[test]
fn what_litestream_compacted_and_kept_restores_and_continues_in_a_directory() {
    compacted(Scene::in_a_directory());
}

#[test]
fn what_litestream_compacted_and_kept_restores_and_continues_on_s3() {
    compacted(Scene::on_s3());
}

fn compacted(mut scene: Scene) {
    let mut application = scene.application(4096);
    application.run("bulk", &[json!(6), json!(50_000)]);
    let mut daemon = scene.walsync.watch(&scene.database);
    for _ in 0..4 {
        application.run("insert", &[json!(10)]);
        scene.settle(&mut application, Writer::Walsync(&mut daemon));
    }
    daemon.terminate();

    let mut replication = scene.litestream.replicate(Pace::Hurried);
    let started = Instant::now();
    // A database that is not written to is not compacted.
    while !is_compacted(&scene.objects()) {
        application.run("insert", &[json!(10)]);
        replication.sync();
        replication.assert_running();
        let (objects, log) = (scene.objects(), replication.log());
        assert!(started.elapsed() < PATIENCE, "{objects:?}\n{log}");
    }
    scene.settle(&mut application, Writer::Litestream(&mut replication));
    replication.stop();
    scene.assert_points_agree();

    // A checkpoint of Litestream writes a row that is uploaded with the next change: the database may differ by that.
    let mut daemon = scene.take_over("--take-over=always");
    scene.settle(&mut application, Writer::Walsync(&mut daemon));
    application.run("trim", &[]);
    scene.settle(&mut application, Writer::Walsync(&mut daemon));
    daemon.terminate();
    application.close();
    scene.assert_both_restore();
}

/// Levels 1 and 2 are there, walsync's image and its first slots are not, a snapshot of Litestream is.
fn is_compacted(objects: &[(u64, u64, u64)]) -> bool {
    let any = |wanted: u64| objects.iter().any(|(level, ..)| *level == wanted);
    let gone = !objects.contains(&(9, 1, 1)) && !objects.contains(&(0, 2, 2));
    any(1) && any(2) && any(9) && gone
}
