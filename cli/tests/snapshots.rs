//! Snapshots while the real binary follows: on a directory, in parts on S3, and of a file that has rotted.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod walsync;

use rusqlite::Connection;
use std::path::Path;
use tests::s3::{ACCESS_KEY, S3Server, SECRET_KEY};
use walsync::{Run, World, exit_code, stderr};

const OFTEN: (&str, &str) = ("WALSYNC_SNAPSHOTS_INTERVAL", "2s");

/// Commits until another snapshot is there than the one before, and gives its TXID.
fn next_snapshot(run: &mut Run, application: &Connection, before: &str) -> String {
    application.execute("INSERT INTO t VALUES (randomblob(3000))", []).unwrap();
    let made = run.until("snapshot", |line| line["txid"] != before && line["size_bytes"].as_u64() > Some(0));
    made["txid"].as_str().unwrap().to_owned()
}

/// Every page, as SQLite reads it.
fn image(path: &Path) -> Vec<Vec<u8>> {
    let database = Connection::open(path).unwrap();
    let mut read = database.prepare("SELECT data FROM sqlite_dbpage ORDER BY pgno").unwrap();
    let pages = read.query_map([], |row| row.get(0)).unwrap();
    pages.map(Result::unwrap).collect()
}

#[test]
fn interval_writes_images_from_which_the_database_restores() {
    let world = World::new();
    let application = world.database("app.db");
    application.execute("INSERT INTO t VALUES (randomblob(200000))", []).unwrap();
    let mut run = world.watch_with(&["app.db"], &[OFTEN]);
    run.until("durable", |_| true);
    let first = next_snapshot(&mut run, &application, "");
    let second = next_snapshot(&mut run, &application, &first);
    run.signal(rustix::process::Signal::TERM);
    assert_eq!(run.exit_code(), 0);

    let images = world.objects("store/app/ltx/9");
    let wanted = [&first, &second].map(|txid| format!("0000000000000001-{txid}.ltx"));
    assert!(wanted.iter().all(|name| images.contains(name)), "{wanted:?} among {images:?}");
    // With nothing but the newest image, and what came after it.
    for name in world.objects("store/app/ltx/0").iter().filter(|name| name.as_str() < second.as_str()) {
        std::fs::remove_file(world.path("store/app/ltx/0").join(name)).unwrap();
    }
    for name in images.iter().filter(|name| **name != wanted[1]) {
        std::fs::remove_file(world.path("store/app/ltx/9").join(name)).unwrap();
    }
    let restored = world.run(&["restore", "app", "-o", "copy.db", "--verify", "full"]);
    assert_eq!(exit_code(&restored), 0, "{}", stderr(&restored));
    assert!(image(&world.path("copy.db")) == image(&world.path("app.db")));
}

#[test]
fn image_goes_up_in_parts_beside_the_syncs() {
    let (world, server) = (World::new(), S3Server::start(&["backups"]));
    let application = world.database("app.db");
    for _ in 0..12 {
        application.execute("INSERT INTO t VALUES (randomblob(1000000))", []).unwrap();
    }
    let endpoint = server.endpoint();
    let on_s3 = [
        ("WALSYNC_STORE", "s3://backups"),
        ("AWS_ENDPOINT_URL", endpoint.as_str()),
        ("AWS_ACCESS_KEY_ID", ACCESS_KEY),
        ("AWS_SECRET_ACCESS_KEY", SECRET_KEY),
        ("WALSYNC_STORE_PART_SIZE", "5MiB"),
        OFTEN,
    ];
    let mut run = world.watch_with(&["app.db"], &on_s3);
    run.until("durable", |_| true);
    let first = next_snapshot(&mut run, &application, "");
    let second = next_snapshot(&mut run, &application, &first);
    application.execute("INSERT INTO t VALUES (1)", []).unwrap();
    run.until("durable", |line| line["txid"].as_str() > Some(&second));
    run.signal(rustix::process::Signal::TERM);
    assert_eq!(run.exit_code(), 0);
    let restored = world.run_on_s3(&server, "backups", &["restore", "app", "-o", "copy.db"], &[]);
    assert_eq!(exit_code(&restored), 0, "{}", stderr(&restored));
    assert!(image(&world.path("copy.db")) == image(&world.path("app.db")));
    let verified = world.run_on_s3(&server, "backups", &["verify", "--deep"], &[]);
    assert_eq!(exit_code(&verified), 0, "{}", stderr(&verified));
}

#[test]
fn page_that_the_disk_has_lost_is_named_and_no_image_is_made_of_it() {
    let world = World::new();
    let application = world.database("app.db");
    application.execute("INSERT INTO t VALUES (randomblob(200000))", []).unwrap();
    let mut run = world.watch_with(&["app.db"], &[OFTEN]);
    run.until("durable", |_| true);
    let first = next_snapshot(&mut run, &application, "");
    // All of it in the database file, so that a page there counts.
    let busy: i64 = application.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get(0)).unwrap();
    assert_eq!(busy, 0);
    world.flip_bit("app.db", 20);
    application.execute("INSERT INTO t VALUES (1)", []).unwrap();
    let refused = run.until("snapshot_refused", |_| true);
    assert_eq!(
        (&refused["pages"], &refused["pages_count"]),
        (&serde_json::json!([20]), &serde_json::json!(1))
    );
    // Syncs go on.
    application.execute("INSERT INTO t VALUES (2)", []).unwrap();
    run.until("durable", |line| line["txid"].as_str() > Some(&first));
    run.kill();
    let images = world.objects("store/app/ltx/9");
    assert_eq!(images.last(), Some(&format!("0000000000000001-{first}.ltx")), "{images:?}");
}
