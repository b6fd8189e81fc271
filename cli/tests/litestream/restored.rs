//! Litestream restores what walsync wrote.

use crate::scene::{Scene, Writer};
use serde_json::json;

#[test]
fn pages_of_512_in_a_directory() {
    walsync_writes(Scene::in_a_directory(), 512);
}

#[test]
fn pages_of_4096_in_a_directory() {
    walsync_writes(Scene::in_a_directory(), 4096);
}

#[test]
fn pages_of_65536_in_a_directory() {
    walsync_writes(Scene::in_a_directory(), 65536);
}

#[test]
fn pages_of_512_on_s3() {
    walsync_writes(Scene::on_s3(), 512);
}

#[test]
fn pages_of_4096_on_s3() {
    walsync_writes(Scene::on_s3(), 4096);
}

#[test]
fn pages_of_65536_on_s3() {
    walsync_writes(Scene::on_s3(), 65536);
}

/// Above 8 MiB objects go up in parts: an image and a slot.
#[test]
fn objects_that_went_up_in_parts() {
    let mut scene = Scene::on_s3();
    let mut application = scene.application(4096);
    application.run("noise", &[json!(9), json!(1 << 20)]);
    let mut daemon = scene.walsync.watch(&scene.database);
    scene.settle(&mut application, Writer::Walsync(&mut daemon));
    application.run("noise", &[json!(9), json!(1 << 20)]);
    scene.settle(&mut application, Writer::Walsync(&mut daemon));
    daemon.terminate();
    application.close();
    assert!(scene.uploads_in_parts() >= 2);
    scene.assert_both_restore();
}

/// Growth, deletes, VACUUM, growth again, checkpoints, a restart.
fn walsync_writes(mut scene: Scene, page_size: u32) {
    let mut application = scene.application(page_size);
    application.run("insert", &[json!(20)]);
    let mut daemon = scene.walsync.watch(&scene.database);
    scene.settle(&mut application, Writer::Walsync(&mut daemon));
    application.run("bulk", &[json!(6), json!(100_000)]);
    scene.settle(&mut application, Writer::Walsync(&mut daemon));
    application.run("trim", &[]);
    application.run("checkpoint", &[json!("PASSIVE")]);
    scene.settle(&mut application, Writer::Walsync(&mut daemon));
    application.run("vacuum", &[]);
    scene.settle(&mut application, Writer::Walsync(&mut daemon));
    application.run("checkpoint", &[json!("TRUNCATE")]);
    application.run("insert", &[json!(10)]);
    scene.settle(&mut application, Writer::Walsync(&mut daemon));
    daemon.kill();
    application.run("bulk", &[json!(2), json!(70_000)]);
    let mut daemon = scene.walsync.watch(&scene.database);
    scene.settle(&mut application, Writer::Walsync(&mut daemon));
    daemon.terminate();
    application.close();
    scene.assert_both_restore();
    assert_eq!(scene.known_points(), 6);
}
