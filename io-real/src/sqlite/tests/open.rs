use super::world::{World, session};
use engine::replicate::{HandOver, SourceAnswer, SourceError, SourceJob};
use rusqlite::Connection;
use std::fs;
use std::process::Command;

fn open(world: &mut World, enter_wal_mode: bool) -> Result<SourceAnswer, SourceError> {
    world.session.run(SourceJob::Open { enter_wal_mode })
}

#[test]
fn missing_file_is_missing_and_stays_missing() {
    let mut world = World::new();
    assert_eq!(world.try_open(), Err(SourceError::Missing));
    assert!(!world.path().exists());
}

#[test]
fn empty_file_is_left_alone() {
    let mut world = World::new();
    fs::write(world.path(), "").unwrap();
    fs::write(world.beside("-wal"), "a leftover that SQLite would delete").unwrap();
    assert_eq!(world.try_open(), Err(SourceError::Missing));
    assert_eq!(fs::metadata(world.path()).unwrap().len(), 0);
    assert!(world.beside("-wal").exists());
}

#[test]
fn database_without_tables_is_followed() {
    let mut world = World::new();
    let app = world.app();
    app.execute_batch("PRAGMA journal_mode = wal").unwrap();
    let opened = world.open();
    assert_eq!((opened.snapshot.pages, opened.snapshot.end.frames), (1, 0));
    assert!(!opened.entered_wal_mode);
    world.start();
    app.execute_batch("CREATE TABLE t (a)").unwrap();
    assert_eq!(world.look().tail.unwrap().commit, 2);
    world.assert_same();
}

#[test]
fn wal_mode_is_entered_only_where_allowed() {
    let mut world = World::new();
    world.app().execute_batch("CREATE TABLE t (a)").unwrap();
    let refused = open(&mut world, false).unwrap_err();
    assert_eq!(refused, SourceError::NotWal("the journal mode is delete".into()));
    assert!(world.open().entered_wal_mode);
    assert!(!world.open().entered_wal_mode);
}

#[test]
fn wal_mode_is_not_forced_on_a_reading_application() {
    let mut world = World::new();
    let app = world.app();
    app.execute_batch("CREATE TABLE t (a); BEGIN; SELECT * FROM t").unwrap();
    assert_eq!(world.try_open(), Err(SourceError::Busy));
    app.execute_batch("ROLLBACK").unwrap();
    assert!(world.open().entered_wal_mode);
}

#[test]
fn exclusive_locking_mode_is_busy() {
    let mut world = World::new();
    let app = world.app_with_table();
    app.execute_batch("PRAGMA locking_mode = exclusive; INSERT INTO t (b) VALUES (1)").unwrap();
    assert_eq!(world.try_open(), Err(SourceError::Busy));
    app.execute_batch("PRAGMA locking_mode = normal; SELECT * FROM t").unwrap();
    world.open();
}

#[test]
fn garbage_is_not_a_database() {
    let mut world = World::new();
    for garbage in [vec![b'x'; 10], vec![0xa5; 8192], vec![0; 4096]] {
        fs::write(world.path(), &garbage).unwrap();
        let error = world.try_open().unwrap_err();
        assert!(
            matches!(&error, SourceError::NotADatabase(why) if why.contains("not a database")),
            "{error:?}"
        );
        assert_eq!(fs::read(world.path()).unwrap(), garbage, "left as it was");
    }
}

#[test]
fn directory_is_not_a_database() {
    let mut world = World::new();
    fs::create_dir(world.path()).unwrap();
    assert_eq!(world.try_open(), Err(SourceError::NotADatabase("not a regular file".into())));
}

#[test]
fn second_session_is_told_who_holds_the_database() {
    let mut world = World::new();
    let _app = world.app_with_table();
    world.open();
    let mut second = session(&world.path());
    let refused = second.run(SourceJob::Open { enter_wal_mode: true }).unwrap_err();
    assert_eq!(refused, SourceError::Held(format!("pid {} on test-host", std::process::id()).into()));
    world.session.run(SourceJob::Close).unwrap();
    second.run(SourceJob::Open { enter_wal_mode: true }).unwrap();
}

#[test]
fn symbolic_link_and_its_target_are_one_database() {
    let mut world = World::new();
    let _app = world.app_with_table();
    let link = world.dir.path().join("link.db");
    std::os::unix::fs::symlink(world.path(), &link).unwrap();
    let mut through_link = session(&link);
    through_link.run(SourceJob::Open { enter_wal_mode: true }).unwrap();
    assert!(!world.dir.path().join("link.db-wal").exists());
    assert!(matches!(world.try_open(), Err(SourceError::Held(_))));
}

#[test]
fn nothing_but_the_lock_file_is_left_behind_and_nothing_is_checkpointed() {
    let mut world = World::new();
    let app = world.app_with_table();
    world.start();
    app.execute("INSERT INTO t (b) VALUES (1)", []).unwrap();
    drop(app);
    world.look();
    let frames = fs::metadata(world.beside("-wal")).unwrap().len();
    world.session.run(SourceJob::Close).unwrap();
    assert_eq!(fs::metadata(world.beside("-wal")).unwrap().len(), frames);
    // Who opens it next finds everything.
    let count: i64 = Connection::open(world.path())
        .unwrap()
        .query_row("SELECT count(*) FROM t", [], |r| r.get(0))
        .unwrap();
    assert_eq!(count, 1);
}

#[test]
fn work_without_an_open_database_is_an_error() {
    let mut world = World::new();
    assert!(matches!(world.survey(None), Err(SourceError::Io(_))));
    assert!(matches!(world.try_look(0, HandOver::Allowed), Err(SourceError::Io(_))));
}

/// Root may do anything, so the test runs itself again as nobody.
#[test]
fn missing_rights_are_denied() {
    let as_root = rustix::process::geteuid().is_root();
    if let Ok(dir) = std::env::var(DENIED_DIR) {
        let denied = |name: &str| {
            let error = session(&std::path::Path::new(&dir).join(name))
                .run(SourceJob::Open { enter_wal_mode: true })
                .unwrap_err();
            assert!(matches!(error, SourceError::Denied(_)), "{name}: {error:?}");
        };
        denied("unreadable/app.db");
        denied("read-only-file/app.db");
        denied("read-only-wal/app.db");
        denied("read-only-folder/app.db");
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    for (name, journal_mode, folder_mode, file_mode) in [
        ("unreadable", "delete", 0o777, 0o000),
        ("read-only-file", "delete", 0o777, 0o444),
        ("read-only-wal", "wal", 0o777, 0o444),
        ("read-only-folder", "delete", 0o555, 0o666),
    ] {
        let folder = dir.path().join(name);
        fs::create_dir(&folder).unwrap();
        let setup = format!("PRAGMA journal_mode = {journal_mode}; CREATE TABLE t (a)");
        Connection::open(folder.join("app.db")).unwrap().execute_batch(&setup).unwrap();
        chmod(&folder.join("app.db"), file_mode);
        chmod(&folder, folder_mode);
    }
    chmod(dir.path(), 0o755);
    let mut again = Command::new("/proc/self/exe");
    again.args(["--exact", "sqlite::tests::open::missing_rights_are_denied"]).env(DENIED_DIR, dir.path());
    if as_root {
        use std::os::unix::process::CommandExt as _;
        again.uid(65534).gid(65534);
    }
    let output = again.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
    chmod(&dir.path().join("read-only-folder"), 0o755);
}

fn chmod(path: &std::path::Path, mode: u32) {
    use std::os::unix::fs::PermissionsExt as _;
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

const DENIED_DIR: &str = "WALSYNC_TEST_DENIED_DIR";
