use super::world::World;
use engine::replicate::{CheckpointMode, HandOver, SourceAnswer, SourceError, SourceJob};
use rusqlite::Connection;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

/// In another process: opening and closing the database here would drop SQLite's locks.
fn cp(from: &Path, to: &Path) {
    assert!(Command::new("cp").args([from, to]).status().unwrap().success());
}

/// Another database of about the same size.
fn backup(world: &World) -> PathBuf {
    let path = world.dir.path().join("backup.db");
    let connection = Connection::open(&path).unwrap();
    connection
        .execute_batch("PRAGMA journal_mode = wal; CREATE TABLE t (a INTEGER PRIMARY KEY, b); INSERT INTO t (b) VALUES ('old')")
        .unwrap();
    path
}

fn followed() -> (World, Connection) {
    let mut world = World::new();
    let app = world.app_with_table();
    app.execute("INSERT INTO t (b) VALUES (1)", []).unwrap();
    world.start();
    app.execute("INSERT INTO t (b) VALUES (2)", []).unwrap();
    world.look();
    (world, app)
}

fn checkpoint(world: &mut World, mode: CheckpointMode) -> Result<SourceAnswer, SourceError> {
    world.session.run(SourceJob::Checkpoint(mode))
}

fn assert_replaced<T: std::fmt::Debug>(answer: Result<T, SourceError>) {
    assert!(matches!(answer, Err(SourceError::Replaced(_))), "{answer:?}");
}

#[test]
fn copy_over_the_database_is_seen_before_a_checkpoint_of_ours() {
    for mode in [CheckpointMode::Passive, CheckpointMode::Truncate] {
        let (mut world, app) = followed();
        drop(app);
        let backup = backup(&world);
        cp(&backup, &world.path());
        assert_replaced(checkpoint(&mut world, mode));
        assert!(
            fs::read(&backup).unwrap() == fs::read(world.path()).unwrap(),
            "the restored file is as it was"
        );
    }
}

#[test]
fn rename_over_the_database_is_seen_before_a_checkpoint_of_ours() {
    let (mut world, app) = followed();
    drop(app);
    let backup = backup(&world);
    let restored = fs::read(&backup).unwrap();
    fs::rename(backup, world.path()).unwrap();
    assert_replaced(checkpoint(&mut world, CheckpointMode::Passive));
    assert_replaced(world.try_look(u64::MAX, HandOver::Allowed));
    assert!(restored == fs::read(world.path()).unwrap(), "the restored file is as it was");
}

#[test]
fn rename_together_with_a_checkpoint_is_seen() {
    let (mut world, app) = followed();
    app.execute_batch("PRAGMA wal_checkpoint(passive)").unwrap();
    fs::rename(backup(&world), world.path()).unwrap();
    assert_replaced(world.try_look(u64::MAX, HandOver::Allowed));
}

#[test]
fn foreign_write_is_not_forgotten_when_a_checkpoint_follows() {
    let (mut world, app) = followed();
    assert!(Command::new("touch").arg(world.path()).status().unwrap().success());
    assert_replaced(world.try_look(u64::MAX, HandOver::Allowed));
    app.execute("INSERT INTO t (b) VALUES (3)", []).unwrap();
    app.execute_batch("PRAGMA wal_checkpoint(passive)").unwrap();
    assert_replaced(world.try_look(u64::MAX, HandOver::Allowed));
    assert_replaced(checkpoint(&mut world, CheckpointMode::Passive));
}

#[test]
fn database_that_is_gone_was_replaced() {
    let (mut world, _app) = followed();
    fs::remove_file(world.path()).unwrap();
    assert_replaced(world.try_look(u64::MAX, HandOver::Allowed));
    assert_eq!(world.try_open(), Err(SourceError::Missing));
}

#[test]
fn companion_files_may_not_vanish_or_change() {
    for suffix in ["-wal", "-shm"] {
        for recreate in [false, true] {
            let (mut world, _app) = followed();
            let path = world.beside(suffix);
            let content = fs::read(world.beside("-wal")).unwrap();
            fs::remove_file(&path).unwrap();
            if recreate {
                fs::write(&path, content).unwrap();
            }
            assert_replaced(world.try_look(u64::MAX, HandOver::Allowed));
            assert_replaced(checkpoint(&mut world, CheckpointMode::Passive));
        }
    }
}

#[test]
fn replaced_stays_replaced_until_opened_again() {
    let (mut world, app) = followed();
    let backup = backup(&world);
    let aside = world.dir.path().join("aside.db");
    fs::rename(world.path(), &aside).unwrap();
    cp(&backup, &world.path());
    assert_replaced(world.try_look(u64::MAX, HandOver::Allowed));
    fs::rename(&aside, world.path()).unwrap();
    assert_replaced(world.try_look(u64::MAX, HandOver::Allowed));
    assert_replaced(world.survey(None));
    assert_replaced(checkpoint(&mut world, CheckpointMode::Passive));
    world.start();
    app.execute("INSERT INTO t (b) VALUES (3)", []).unwrap();
    world.look();
    world.assert_same();
}

#[test]
fn checkpoints_of_others_are_no_replacement() {
    let (mut world, app) = followed();
    for mode in ["passive", "full", "restart", "truncate", "passive"].into_iter().cycle().take(40) {
        app.execute("INSERT INTO t (b) VALUES (randomblob(5000))", []).unwrap();
        app.execute_batch(&format!("PRAGMA wal_checkpoint({mode})")).unwrap();
        world.look();
        app.execute_batch(&format!("PRAGMA wal_checkpoint({mode})")).unwrap();
        world.look();
    }
    world.assert_same();
}

#[test]
fn truncated_and_grown_database_files_are_explained_by_their_checkpoints() {
    let (mut world, app) = followed();
    for _ in 0..10 {
        app.execute("INSERT INTO t (b) VALUES (randomblob(100000))", []).unwrap();
        world.look();
        app.execute_batch("PRAGMA wal_checkpoint(passive)").unwrap();
        world.look();
        app.execute_batch("DELETE FROM t; VACUUM").unwrap();
        world.look();
        app.execute_batch("PRAGMA wal_checkpoint(passive)").unwrap();
        world.look();
    }
    world.assert_same();
}

#[test]
fn link_that_points_elsewhere_is_another_database() {
    let mut world = World::new();
    let _app = world.app_with_table();
    let link = world.dir.path().join("link.db");
    std::os::unix::fs::symlink(world.path(), &link).unwrap();
    world.session = super::world::session(&link);
    world.start();
    let backup = backup(&world);
    fs::remove_file(&link).unwrap();
    std::os::unix::fs::symlink(backup, &link).unwrap();
    assert_replaced(world.try_look(u64::MAX, HandOver::Allowed));
}

#[test]
fn copy_behind_a_checkpoint_of_the_application_is_seen() {
    for mode in ["passive", "full"] {
        let (mut world, app) = followed();
        app.execute_batch("PRAGMA wal_checkpoint(passive)").unwrap();
        world.look();
        let earlier = world.dir.path().join("earlier.db");
        cp(&world.path(), &earlier);
        app.execute("INSERT INTO t (b) VALUES (randomblob(20000))", []).unwrap();
        world.look();
        app.execute("INSERT INTO t (b) VALUES (3)", []).unwrap();
        app.execute_batch(&format!("PRAGMA wal_checkpoint({mode})")).unwrap();
        drop(app);
        cp(&earlier, &world.path());
        assert_replaced(world.try_look(u64::MAX, HandOver::Allowed));
        assert_replaced(checkpoint(&mut world, CheckpointMode::Truncate));
        assert!(fs::read(&earlier).unwrap() == fs::read(world.path()).unwrap(), "{mode}: it was written to");
    }
}

#[test]
fn copy_behind_a_restart_of_the_log_is_seen() {
    let (mut world, app) = followed();
    let earlier = backup(&world);
    app.execute_batch("PRAGMA wal_checkpoint(passive)").unwrap();
    world.look();
    world.look();
    // From here on no frame is left that a checkpoint of this generation has copied.
    app.execute("INSERT INTO t (b) VALUES (3)", []).unwrap();
    drop(app);
    cp(&earlier, &world.path());
    assert_replaced(world.try_look(u64::MAX, HandOver::Allowed));
    assert_replaced(checkpoint(&mut world, CheckpointMode::Truncate));
    assert!(fs::read(&earlier).unwrap() == fs::read(world.path()).unwrap(), "it was written to");
}

#[test]
fn copy_behind_a_look_that_kept_the_writers_out_is_seen() {
    let (mut world, app) = followed();
    app.execute("INSERT INTO t (b) VALUES (3)", []).unwrap();
    assert!(world.try_look(u64::MAX, HandOver::Restart).unwrap().backfilled);
    let earlier = backup(&world);
    cp(&earlier, &world.path());
    // The log begins anew, and nothing that was copied is left in it.
    app.execute("INSERT INTO t (b) VALUES (4)", []).unwrap();
    drop(app);
    assert_replaced(world.try_look(u64::MAX, HandOver::Allowed));
    assert!(fs::read(&earlier).unwrap() == fs::read(world.path()).unwrap(), "it was written to");
}

#[test]
fn copy_while_the_write_lock_is_waited_for_is_seen_before_anything_is_copied() {
    let (mut world, app) = followed();
    app.execute("INSERT INTO t (b) VALUES (3)", []).unwrap();
    let (earlier, path) = (backup(&world), world.path());
    app.execute_batch("BEGIN IMMEDIATE").unwrap();
    std::thread::scope(|scope| {
        let look = scope.spawn(|| world.try_look(u64::MAX, HandOver::Restart));
        std::thread::sleep(Duration::from_millis(5));
        cp(&earlier, &path);
        app.execute_batch("ROLLBACK").unwrap();
        assert_replaced(look.join().unwrap());
    });
    drop(app);
    assert!(fs::read(&earlier).unwrap() == fs::read(&path).unwrap(), "it was written to");
}

#[test]
fn attributes_that_change_are_no_replacement() {
    let (mut world, app) = followed();
    app.execute_batch("PRAGMA wal_checkpoint(passive)").unwrap();
    world.look();
    for pass in 0..2 {
        assert!(Command::new("chmod").arg("600").arg(world.path()).status().unwrap().success());
        fs::hard_link(world.path(), world.dir.path().join(format!("link{pass}.db"))).unwrap();
        world.look();
        assert!(checkpoint(&mut world, CheckpointMode::Passive).is_ok());
        app.execute("INSERT INTO t (b) VALUES (3)", []).unwrap();
        world.look();
    }
    world.assert_same();
}
