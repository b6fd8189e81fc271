//! The main job with real parts: a Python application, the real binary, a directory or an S3 server.
//!
//! The application writes, reads, vacuums and checkpoints while `walsync watch` follows; the daemon is killed in
//! the middle and started again. What `walsync restore` brings back is compared with the source, page by page.
#![allow(clippy::unwrap_used, reason = "helpers of tests; a failure is a failed test")]

mod kills;
#[path = "../real/mod.rs"]
mod real;

use real::application::Application;
use real::database::{assert_same_pages, rows_of_sound_database};
use real::walsync::{Daemon, Walsync};
use serde_json::json;
use tests::s3::S3Server;

#[test]
fn what_is_restored_is_the_source_with_pages_of_512_in_a_directory() {
    let folder = tempfile::tempdir().unwrap();
    main_job(&Walsync::on_directory(folder.path()), folder.path(), 512);
}

#[test]
fn what_is_restored_is_the_source_with_pages_of_4096_in_a_directory() {
    let folder = tempfile::tempdir().unwrap();
    main_job(&Walsync::on_directory(folder.path()), folder.path(), 4096);
}

#[test]
fn what_is_restored_is_the_source_with_pages_of_65536_in_a_directory() {
    let folder = tempfile::tempdir().unwrap();
    main_job(&Walsync::on_directory(folder.path()), folder.path(), 65536);
}

#[test]
fn what_is_restored_is_the_source_with_pages_of_512_on_s3() {
    let (folder, server) = (tempfile::tempdir().unwrap(), S3Server::start(&["backups"]));
    main_job(&Walsync::on_s3(folder.path(), &server), folder.path(), 512);
}

#[test]
fn what_is_restored_is_the_source_with_pages_of_4096_on_s3() {
    let (folder, server) = (tempfile::tempdir().unwrap(), S3Server::start(&["backups"]));
    main_job(&Walsync::on_s3(folder.path(), &server), folder.path(), 4096);
}

#[test]
fn what_is_restored_is_the_source_with_pages_of_65536_on_s3() {
    let (folder, server) = (tempfile::tempdir().unwrap(), S3Server::start(&["backups"]));
    main_job(&Walsync::on_s3(folder.path(), &server), folder.path(), 65536);
}

fn main_job(walsync: &Walsync, folder: &std::path::Path, page_size: u32) {
    let source = folder.join("app.db");
    let mut application = Application::start(&source, page_size);
    application.run("insert", &[json!(50)]);

    let mut daemon = walsync.watch(&source);
    let points = walsync.await_points("app", 0, &mut daemon);

    work_of_all_kinds(&mut application, &daemon);
    walsync.await_points("app", points.len(), &mut daemon);

    // Killed while the application commits; it does not notice.
    application.send("insert", &[json!(300)]);
    daemon.kill();
    application.answer();
    let points = walsync.points("app");

    let mut daemon = walsync.watch(&source);
    application.run("insert", &[json!(100)]);
    walsync.await_points("app", points.len(), &mut daemon);
    let listed = walsync.json(&["list", "app", "--points"]);
    let snapshots = listed["objects"].as_array().unwrap().iter().filter(|object| object["level"] == 9);
    assert_eq!(snapshots.count(), 1, "a restart costs no new image\n{}", daemon.log());

    application.run("trim", &[]);
    let rows = application.run("insert", &[json!(20)]);
    let checkpoint = application.run("checkpoint", &[json!("TRUNCATE")]);
    assert_eq!(checkpoint["busy"], 0, "the application's checkpoint must get through\n{}", daemon.log());
    daemon.terminate();
    application.close();

    let copy = folder.join("copy.db");
    let report = walsync.json(&["restore", "app", "-o", "copy.db", "--verify", "full"]);
    assert_same_pages(&source, &copy, page_size);
    assert_eq!(json!(rows_of_sound_database(&copy)), rows);
    let size = std::fs::metadata(&source).unwrap().len();
    assert_eq!(report["verified"], "full");
    assert_eq!(report["page_size"], page_size);
    assert_eq!(report["size_bytes"], size);

    let points = walsync.points("app");
    assert_eq!(report["txid"], **points.last().unwrap());
    assert_eq!(walsync.json(&["list"])["databases"][0]["name"], "app");
    restore_of_earlier_points(walsync, folder, &points);
}

/// Readers, growth past many pages, a rollback, shrinking, every kind of checkpoint.
fn work_of_all_kinds(application: &mut Application, daemon: &Daemon) {
    application.run("insert", &[json!(30)]);
    let seen = application.run("read", &[]);
    application.run("bulk", &[json!(20), json!(150_000)]);
    application.run("checkpoint", &[json!("PASSIVE")]);
    application.run("roll_back", &[]);
    application.run("insert", &[json!(30)]);
    assert_eq!(application.run("read_again", &[]), seen, "a reader keeps its snapshot");
    application.run("checkpoint", &[json!("FULL")]);
    application.run("trim", &[]);
    application.run("vacuum", &[]);
    application.run("checkpoint", &[json!("RESTART")]);
    application.run("insert", &[json!(30)]);
    application.run("bulk", &[json!(3), json!(400_000)]);
    let checkpoint = application.run("checkpoint", &[json!("TRUNCATE")]);
    assert_eq!(checkpoint["busy"], 0, "the application's checkpoint must get through\n{}", daemon.log());
    application.run("insert", &[json!(30)]);
}

/// The first point, one in the middle, and the one before the last: each opens, and holds a state that once was.
fn restore_of_earlier_points(walsync: &Walsync, folder: &std::path::Path, points: &[String]) {
    assert!(points.len() > 3, "{points:?}");
    let mut rows_before = 0;
    for index in [0, points.len() / 2, points.len() - 2] {
        let (name, txid) = (format!("at-{index}.db"), points[index].as_str());
        let report = walsync.json(&["restore", "app", "-o", &name, "--txid", txid]);
        assert_eq!(report["txid"], txid);
        assert_eq!(report["verified"], "checksum");
        let rows = rows_of_sound_database(&folder.join(&name));
        assert!(rows >= rows_before, "{rows} rows at {txid}, {rows_before} before");
        rows_before = rows;
    }
}
