//! A database that was restored on another host and written to before `watch` began there: the real binary, real
//! SQLite, a directory or an S3 server.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod walsync;

use rusqlite::Connection;
use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::os::unix::process::ExitStatusExt as _;
use std::process::Output;
use tests::s3::S3Server;
use walsync::{World, exit_code, stderr};

const SNAPSHOT: &str = "0000000000000001-0000000000000001.ltx";

/// Host A has written its place up to slot 4 and is gone; `b` is the other host.
fn place_of_a() -> World {
    let world = World::new();
    let writer = world.database("app.db");
    writer.execute_batch("CREATE TABLE big(x); WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 400) INSERT INTO big SELECT randomblob(3000) FROM n").unwrap();
    for slot in 2..=4 {
        done(&world.once(&["app.db"]));
        assert_eq!(world.objects("store/app/ltx/0").len(), slot - 1);
        writer.execute("INSERT INTO t VALUES (?1)", [slot as i64]).unwrap();
    }
    writer.execute_batch("DELETE FROM t").unwrap();
    fs::create_dir(world.path("b")).unwrap();
    world
}

fn done(output: &Output) {
    assert_eq!((output.status.code(), output.status.signal()), (Some(0), None), "{}", stderr(output));
}

fn restore(world: &World, more: &[&str]) -> Output {
    world.run(&[&["restore", "app", "-o", "b/app.db", "--state-dir", "b/state"], more].concat())
}

/// The application of host B.
fn write(world: &World) {
    let writer = Connection::open(world.path("b/app.db")).unwrap();
    writer
        .execute_batch("INSERT INTO t VALUES ('of b'); UPDATE big SET x = zeroblob(3000) WHERE rowid = 7")
        .unwrap();
}

fn watch(world: &World, more: &[&str]) -> Output {
    world.once(&[&["b/app.db", "--state-dir", "b/state"], more].concat())
}

#[test]
fn what_was_written_since_a_restore_goes_up_alone_and_restores() {
    let world = place_of_a();
    done(&restore(&world, &[]));
    write(&world);

    let refused = watch(&world, &[]);
    let text = stderr(&refused);
    assert_eq!(exit_code(&refused), 5, "{text}");
    assert!(text.contains("restored here from slot 0000000000000004, the newest there is"), "{text}");
    assert!(text.trim_end().ends_with("--take-over"), "{text}");
    assert_eq!(world.objects("store/app/ltx/0").len(), 3, "a refusal writes nothing");

    done(&watch(&world, &["--take-over"]));
    assert_eq!(world.objects("store/app/ltx/9"), [SNAPSHOT], "no new image");
    let slots = world.objects("store/app/ltx/0");
    assert_eq!(slots.len(), 5, "the claim, and what differs: {slots:?}");
    let bytes = |name: &str| fs::metadata(world.path("store/app/ltx").join(name)).unwrap().len();
    let image = bytes(&format!("9/{SNAPSHOT}"));
    let new: u64 = slots[3..].iter().map(|slot| bytes(&format!("0/{slot}"))).sum();
    assert!(image > 1_000_000 && new < 20_000, "{new} of {image} bytes");

    done(&world.run(&["restore", "app", "-o", "again.db"]));
    let same = fs::read(world.path("again.db")).unwrap() == fs::read(world.path("b/app.db")).unwrap();
    assert!(same, "it restores byte for byte");
    done(&watch(&world, &[]));
    let fenced = world.once(&["app.db"]);
    assert_eq!(exit_code(&fenced), 5, "{}", stderr(&fenced));
}

#[test]
fn restore_of_an_older_state_is_refused_and_told_apart() {
    let world = place_of_a();
    done(&restore(&world, &["--txid", "3"]));
    for flag in ["--take-over", "--take-over=if-identical"] {
        let refused = watch(&world, &[flag]);
        let text = stderr(&refused);
        assert_eq!(exit_code(&refused), 5, "{text}");
        assert!(text.contains("restored here from slot 0000000000000003, which is not the newest"), "{text}");
        assert!(text.contains("--take-over=always"), "{text}");
        write(&world);
    }
    assert_eq!(world.objects("store/app/ltx/0").len(), 3);
}

#[test]
fn file_that_replaced_the_restored_one_is_refused() {
    let world = place_of_a();
    done(&restore(&world, &[]));
    fs::remove_file(world.path("b/app.db")).unwrap();
    let other = Connection::open(world.path("b/app.db")).unwrap();
    other.execute_batch("PRAGMA journal_mode = WAL; CREATE TABLE mine(x)").unwrap();
    let refused = watch(&world, &["--take-over"]);
    assert_eq!(exit_code(&refused), 5, "{}", stderr(&refused));
    assert!(!stderr(&refused).contains("restored here"), "{}", stderr(&refused));
}

#[test]
fn newest_state_restored_over_the_live_database_costs_the_pages_that_differ() {
    let world = place_of_a();
    done(&world.once(&["app.db"]));
    let slots = world.objects("store/app/ltx/0").len();
    done(&world.run(&["restore", "app", "-o", "app.db", "--force"]));
    Connection::open(world.path("app.db")).unwrap().execute_batch("INSERT INTO t VALUES (9)").unwrap();
    done(&world.once(&["app.db"]));
    assert_eq!(world.objects("store/app/ltx/0").len(), slots + 1);
    assert_eq!(world.objects("store/app/ltx/9"), [SNAPSHOT]);
    done(&world.run(&["restore", "app", "-o", "again.db"]));
    assert!(fs::read(world.path("again.db")).unwrap() == fs::read(world.path("app.db")).unwrap());
}

#[test]
fn restore_by_the_url_of_the_place_is_known_to_a_watch_that_names_store_and_place() {
    let (world, server) = (World::new(), S3Server::start(&["bucket"]));
    let writer = world.database("app.db");
    writer.execute_batch("INSERT INTO t VALUES (randomblob(1000000))").unwrap();
    done(&world.s3(&server, "bucket/base", &["app.db", "--once"], &[]));
    fs::create_dir(world.path("b")).unwrap();
    let arguments = ["restore", "s3://bucket/base/app", "-o", "b/app.db", "--state-dir", "b/state"];
    done(&world.run_on_s3(&server, "elsewhere", &arguments, &[]));
    Connection::open(world.path("b/app.db")).unwrap().execute_batch("CREATE TABLE mine(x)").unwrap();
    let arguments = ["b/app.db", "--once", "--state-dir", "b/state", "--take-over"];
    done(&world.s3(&server, "bucket/base", &arguments, &[]));
    let expected = [
        "base/app/0000/0000000000000002-0000000000000002.ltx",
        "base/app/0000/0000000000000003-0000000000000003.ltx",
        "base/app/0000/0000000000000004-0000000000000004.ltx",
        "base/app/0009/0000000000000001-0000000000000001.ltx",
        "base/app/manifest.json",
    ];
    assert_eq!(server.keys("bucket"), expected);
}

#[test]
fn restore_is_done_although_nothing_can_be_left_for_a_watch() {
    let world = place_of_a();
    fs::write(world.path("b/state"), "no directory").unwrap();
    let restored = restore(&world, &[]);
    done(&restored);
    let text = stderr(&restored);
    assert!(
        text.contains("will not know that this file was restored here") && text.contains("b/state"),
        "{text}"
    );
    // Nor where a later version keeps its state there.
    fs::remove_file(world.path("b/state")).unwrap();
    fs::create_dir(world.path("b/state")).unwrap();
    let later = Connection::open(world.path("b/state/state.db")).unwrap();
    later.execute_batch("PRAGMA application_id = 2004054900; PRAGMA user_version = 99").unwrap();
    let restored = restore(&world, &["--force"]);
    done(&restored);
    assert!(stderr(&restored).contains("later walsync"), "{}", stderr(&restored));
    done(&world.once(&["b/app.db", "--state-dir", "b/other", "--take-over"]));
}

#[test]
fn what_root_leaves_in_the_directory_of_another_user_belongs_to_that_user() {
    let world = place_of_a();
    fs::create_dir(world.path("b/state")).unwrap();
    // Where the test does not run as root, both stay its own.
    let _ = std::os::unix::fs::chown(world.path("b/state"), Some(1234), Some(1235));
    done(&restore(&world, &[]));
    let owner = |name: &str| {
        let found = fs::metadata(world.path(name)).unwrap();
        (found.uid(), found.gid())
    };
    assert_eq!(owner("b/state/state.db"), owner("b/state"));
}

#[test]
fn dry_run_leaves_nothing_and_a_refused_restore_neither() {
    let world = place_of_a();
    done(&restore(&world, &["--dry-run"]));
    fs::write(world.path("b/app.db"), "there").unwrap();
    assert_eq!(exit_code(&restore(&world, &[])), 2);
    assert!(!world.path("b/state").exists());
}
