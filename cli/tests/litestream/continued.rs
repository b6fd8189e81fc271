//! Each continues a place that the other began.

use crate::litestream::Pace;
use crate::real::application::Application;
use crate::real::walsync::{PATIENCE, text};
use crate::scene::{Scene, Writer};
use rustix::process::Signal;
use serde_json::{Value, json};
use std::time::Instant;

#[test]
fn walsync_continues_what_litestream_began_if_the_database_is_identical_in_a_directory() {
    identical(Scene::in_a_directory(), 4096);
}

#[test]
fn walsync_continues_what_litestream_began_if_the_database_is_identical_on_s3() {
    identical(Scene::on_s3(), 512);
}

#[test]
fn walsync_continues_what_litestream_began_with_another_state_if_told_so_in_a_directory() {
    different(Scene::in_a_directory(), 65536);
}

#[test]
fn walsync_continues_what_litestream_began_with_another_state_if_told_so_on_s3() {
    different(Scene::on_s3(), 4096);
}

#[test]
fn litestream_continues_what_walsync_began_and_walsync_again_in_a_directory() {
    there_and_back(Scene::in_a_directory(), 512);
}

#[test]
fn litestream_continues_what_walsync_began_and_walsync_again_on_s3() {
    there_and_back(Scene::on_s3(), 4096);
}

#[test]
fn litestream_continues_after_a_kill_in_a_directory() {
    after_a_kill(Scene::in_a_directory(), 4096);
}

#[test]
fn litestream_continues_after_a_kill_on_s3() {
    after_a_kill(Scene::on_s3(), 65536);
}

#[test]
fn litestream_continues_an_image_of_a_database_without_a_log_in_a_directory() {
    without_a_log(Scene::in_a_directory(), 65536);
}

#[test]
fn litestream_continues_an_image_of_a_database_without_a_log_on_s3() {
    without_a_log(Scene::on_s3(), 4096);
}

#[test]
fn litestream_that_went_on_while_walsync_slept_fences_it_in_a_directory() {
    asleep(Scene::in_a_directory());
}

#[test]
fn litestream_that_went_on_while_walsync_slept_fences_it_on_s3() {
    asleep(Scene::on_s3());
}

fn identical(mut scene: Scene, page_size: u32) {
    let mut application = litestream_begins(&mut scene, page_size);
    let refusal = refused(&scene, &[]);
    assert!(refusal["error"].as_str().unwrap().contains("without an id (Litestream) at "), "{refusal}");
    assert!(refusal["error"].as_str().unwrap().contains("identical to"), "{refusal}");
    assert!(refusal["hint"].as_str().unwrap().ends_with("--take-over"), "{refusal}");

    let mut daemon = scene.take_over("--take-over=if-identical");
    scene.settle(&mut application, Writer::Walsync(&mut daemon));
    application.run("insert", &[json!(10)]);
    scene.settle(&mut application, Writer::Walsync(&mut daemon));
    application.run("trim", &[]);
    application.run("vacuum", &[]);
    scene.settle(&mut application, Writer::Walsync(&mut daemon));
    daemon.terminate();
    application.close();
    scene.assert_both_restore();
    let again = scene.walsync.run(&["watch", "--once", scene.database.to_str().unwrap()]);
    assert!(again.status.success(), "the place is walsync's now: {}", text(&again.stderr));
}

fn different(mut scene: Scene, page_size: u32) {
    let mut application = litestream_begins(&mut scene, page_size);
    // Now nothing proves any more that what is committed continues what Litestream has.
    application.run("checkpoint", &[json!("TRUNCATE")]);
    application.run("insert", &[json!(10)]);
    for arguments in [&[][..], &["--take-over=if-identical"]] {
        let refusal = refused(&scene, arguments);
        assert!(refusal["error"].as_str().unwrap().contains("differs from"), "{refusal}");
        assert!(refusal["hint"].as_str().unwrap().ends_with("--take-over=always"), "{refusal}");
    }

    let images = scene.images();
    let mut daemon = scene.take_over("--take-over=always");
    scene.settle(&mut application, Writer::Walsync(&mut daemon));
    application.run("insert", &[json!(10)]);
    scene.settle(&mut application, Writer::Walsync(&mut daemon));
    daemon.terminate();
    application.close();
    assert_eq!(scene.images(), images, "only the pages that differ go up");
    scene.assert_both_restore();
}

fn there_and_back(mut scene: Scene, page_size: u32) {
    let mut application = scene.application(page_size);
    application.run("bulk", &[json!(6), json!(50_000)]);
    let mut daemon = scene.walsync.watch(&scene.database);
    scene.settle(&mut application, Writer::Walsync(&mut daemon));
    application.run("insert", &[json!(10)]);
    scene.settle(&mut application, Writer::Walsync(&mut daemon));
    daemon.terminate();

    litestream_continues(&mut scene, &mut application);
    let refusal = refused(&scene, &[]);
    assert!(refusal["error"].as_str().unwrap().contains("without an id (Litestream) at "), "{refusal}");
    walsync_continues(&mut scene, &mut application);
    // Its own files are behind the place now.
    litestream_continues(&mut scene, &mut application);
    walsync_continues(&mut scene, &mut application);
    // Without any.
    scene.litestream.reset();
    litestream_continues(&mut scene, &mut application);
    application.close();
    scene.assert_both_restore();
}

/// Nothing was closed in order: the log holds what walsync compared and what it read last, and what it did not come to.
fn after_a_kill(mut scene: Scene, page_size: u32) {
    let mut application = scene.application(page_size);
    application.run("bulk", &[json!(6), json!(50_000)]);
    let mut daemon = scene.walsync.watch(&scene.database);
    scene.settle(&mut application, Writer::Walsync(&mut daemon));
    application.run("insert", &[json!(10)]);
    scene.settle(&mut application, Writer::Walsync(&mut daemon));
    daemon.kill();
    // The log that it knew is gone: it compares pages.
    application.run("checkpoint", &[json!("TRUNCATE")]);
    application.run("insert", &[json!(10)]);
    let mut daemon = scene.walsync.watch(&scene.database);
    scene.settle(&mut application, Writer::Walsync(&mut daemon));
    daemon.kill();
    application.run("bulk", &[json!(2), json!(50_000)]);
    application.run("insert", &[json!(10)]);
    litestream_continues(&mut scene, &mut application);
    application.close();
    scene.assert_both_restore();
}

/// Litestream goes on where the header of the newest slot says that the log was read to.
fn without_a_log(mut scene: Scene, page_size: u32) {
    let mut application = scene.application(page_size);
    application.run("insert", &[json!(10)]);
    application.close();
    let run = scene.walsync.run(&["watch", "--once", scene.database.to_str().unwrap()]);
    assert!(run.status.success(), "{}", text(&run.stderr));
    let mut application = scene.application(page_size);
    litestream_continues(&mut scene, &mut application);
    walsync_continues(&mut scene, &mut application);
    application.close();
    scene.assert_both_restore();
}

/// walsync wakes up, gives way and says so; the place is as Litestream left it.
fn asleep(mut scene: Scene) {
    let mut application = scene.application(4096);
    application.run("insert", &[json!(10)]);
    let mut daemon = scene.walsync.watch(&scene.database);
    scene.settle(&mut application, Writer::Walsync(&mut daemon));
    daemon.signal(Signal::STOP);
    let mut replication = scene.litestream.replicate(Pace::Calm);
    application.run("insert", &[json!(10)]);
    replication.sync();
    daemon.signal(Signal::CONT);
    let started = Instant::now();
    while daemon.exit_code().is_none() {
        assert!(started.elapsed() < PATIENCE, "it is not fenced:\n{}", daemon.log());
    }
    assert_eq!(daemon.exit_code(), Some(5), "{}", daemon.log());
    assert!(daemon.log().contains("without an id (Litestream)"), "{}", daemon.log());
    application.run("insert", &[json!(10)]);
    scene.settle(&mut application, Writer::Litestream(&mut replication));
    replication.stop();
    application.close();
    scene.assert_both_restore();
}

/// Several states, the last of which is all that the database holds.
fn litestream_begins(scene: &mut Scene, page_size: u32) -> Application {
    let mut application = scene.application(page_size);
    application.run("insert", &[json!(20)]);
    let mut replication = scene.litestream.replicate(Pace::Calm);
    scene.settle(&mut application, Writer::Litestream(&mut replication));
    application.run("bulk", &[json!(6), json!(50_000)]);
    scene.settle(&mut application, Writer::Litestream(&mut replication));
    application.run("insert", &[json!(10)]);
    scene.settle(&mut application, Writer::Litestream(&mut replication));
    replication.stop();
    application
}

fn litestream_continues(scene: &mut Scene, application: &mut Application) {
    let mut replication = scene.litestream.replicate(Pace::Calm);
    scene.settle(application, Writer::Litestream(&mut replication));
    application.run("insert", &[json!(10)]);
    scene.settle(application, Writer::Litestream(&mut replication));
    application.run("trim", &[]);
    scene.settle(application, Writer::Litestream(&mut replication));
    replication.stop();
}

fn walsync_continues(scene: &mut Scene, application: &mut Application) {
    let mut daemon = scene.take_over("--take-over");
    scene.settle(application, Writer::Walsync(&mut daemon));
    application.run("bulk", &[json!(2), json!(50_000)]);
    scene.settle(application, Writer::Walsync(&mut daemon));
    daemon.terminate();
}

/// `walsync watch` must not begin; what it says.
fn refused(scene: &Scene, arguments: &[&str]) -> Value {
    let database = scene.database.to_str().unwrap();
    let run = scene.walsync.run(&[&["watch", database], arguments].concat());
    assert_eq!(run.status.code(), Some(5), "{}", text(&run.stderr));
    let last = text(&run.stderr);
    serde_json::from_str(last.lines().last().unwrap()).unwrap()
}
