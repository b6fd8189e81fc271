//! What a change of tools costs: snapshots and bytes. The database holds a megabyte that does not compress, so that an
//! image cannot hide among changes.

use crate::litestream::Pace;
use crate::real::application::Application;
use crate::scene::{Scene, Stock, Writer};
use serde_json::json;

/// Less than an image, more than all changes of a test.
const IMAGE_BYTES_MIN: u64 = 1_000_000;
const CHANGES_BYTES_MAX: u64 = 400_000;

#[test]
fn walsync_goes_on_where_the_log_still_holds_litestreams_end_in_a_directory() {
    application_went_on(Scene::in_a_directory());
}

#[test]
fn walsync_goes_on_where_the_log_still_holds_litestreams_end_on_s3() {
    application_went_on(Scene::on_s3());
}

#[test]
fn walsync_goes_on_where_the_content_is_litestreams_newest_in_a_directory() {
    content_is_the_same(Scene::in_a_directory());
}

#[test]
fn walsync_goes_on_where_the_content_is_litestreams_newest_on_s3() {
    content_is_the_same(Scene::on_s3());
}

#[test]
fn litestream_goes_on_from_walsync_in_a_directory() {
    back(Scene::in_a_directory());
}

#[test]
fn litestream_goes_on_from_walsync_on_s3() {
    back(Scene::on_s3());
}

/// Nobody replicates for a while, and the application commits.
fn application_went_on(mut scene: Scene) {
    let mut application = litestream_fills(&mut scene);
    application.run("insert", &[json!(10)]);
    application.run("trim", &[]);
    application.run("insert", &[json!(10)]);
    walsync_goes_on(&mut scene, &mut application);
    application.close();
    scene.assert_both_restore();
}

/// The log is gone, and nothing was committed.
fn content_is_the_same(mut scene: Scene) {
    let mut application = litestream_fills(&mut scene);
    application.run("checkpoint", &[json!("TRUNCATE")]);
    walsync_goes_on(&mut scene, &mut application);
    application.close();
    scene.assert_both_restore();
}

/// After an end in order and after a kill; and walsync once more.
fn back(mut scene: Scene) {
    let mut application = application(&scene);
    let mut daemon = scene.walsync.watch(&scene.database);
    scene.settle(&mut application, Writer::Walsync(&mut daemon));
    application.run("insert", &[json!(10)]);
    scene.settle(&mut application, Writer::Walsync(&mut daemon));
    daemon.kill();
    application.run("insert", &[json!(10)]);
    let cost = litestream_goes_on(&mut scene, &mut application);
    assert!(cost.snapshots == 0 && cost.bytes < CHANGES_BYTES_MAX, "the log is as walsync left it: {cost:?}");
    walsync_goes_on(&mut scene, &mut application);
    application.run("insert", &[json!(10)]);
    let cost = litestream_goes_on(&mut scene, &mut application);
    // The log was emptied: it takes an image into its next slot, and no snapshot.
    assert!(cost.snapshots == 0 && cost.bytes > IMAGE_BYTES_MIN, "{cost:?}");
    walsync_goes_on(&mut scene, &mut application);
    application.close();
    scene.assert_both_restore();
}

fn application(scene: &Scene) -> Application {
    let mut application = scene.application(4096);
    application.run("noise", &[json!(3), json!(350_000)]);
    application
}

fn litestream_fills(scene: &mut Scene) -> Application {
    let mut application = application(scene);
    let mut replication = scene.litestream.replicate(Pace::Calm);
    scene.settle(&mut application, Writer::Litestream(&mut replication));
    application.run("insert", &[json!(10)]);
    scene.settle(&mut application, Writer::Litestream(&mut replication));
    replication.stop();
    assert!(scene.stock().bytes > IMAGE_BYTES_MIN);
    application
}

/// Without an image, if the database proves to be what the place holds, and more.
fn walsync_goes_on(scene: &mut Scene, application: &mut Application) {
    let before = scene.stock();
    let mut daemon = scene.take_over("--take-over=if-identical");
    scene.settle(application, Writer::Walsync(&mut daemon));
    application.run("insert", &[json!(10)]);
    scene.settle(application, Writer::Walsync(&mut daemon));
    daemon.terminate();
    let cost = scene.stock().since(before);
    assert_eq!(cost.snapshots, 0, "{cost:?}");
    assert!(cost.bytes < CHANGES_BYTES_MAX, "an image went up: {cost:?}");
}

fn litestream_goes_on(scene: &mut Scene, application: &mut Application) -> Stock {
    let before = scene.stock();
    let mut replication = scene.litestream.replicate(Pace::Calm);
    scene.settle(application, Writer::Litestream(&mut replication));
    application.run("insert", &[json!(10)]);
    scene.settle(application, Writer::Litestream(&mut replication));
    replication.stop();
    scene.stock().since(before)
}
