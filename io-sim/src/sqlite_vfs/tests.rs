use super::{SavedMemory, SqliteRun};
use crate::clock::SimClock;
use crate::disk::{OpenMode, Pid, SimDisk};
use crate::faults::{CrashPolicy, DiskFaults};
use crate::process::Process;
use crate::trace::Trace;
use engine::types::LockByte;
use rusqlite::config::DbConfig;
use rusqlite::{Connection, ErrorCode, ffi};
use std::ffi::{c_int, c_void};
use std::time::Duration;

const DB: &str = "/db/app.db";
const WAL: &str = "/db/app.db-wal";
const SHM: &str = "/db/app.db-shm";
/// `WalCkptInfo.nBackfill`, in words.
const N_BACKFILL: usize = 24;

/// An application and a daemon on one machine. The run is dropped last.
struct World {
    application: Process,
    daemon: Process,
    disk: SimDisk,
    run: SqliteRun,
}

fn world() -> World {
    let clock = SimClock::new();
    let disk = SimDisk::new(1, 0, &clock, &Trace::new(&clock));
    let run = SqliteRun::start(&disk);
    World { application: Process::start(&disk), daemon: Process::start(&disk), disk, run }
}

/// A database in WAL mode with one table and nobody else's checkpoints.
fn wal_database(process: &Process) -> Connection {
    let connection = process.open(DB).unwrap();
    let setup =
        "PRAGMA journal_mode=WAL; PRAGMA wal_autocheckpoint=0; CREATE TABLE t(id INTEGER PRIMARY KEY, b)";
    connection.execute_batch(setup).unwrap();
    connection
}

fn insert(connection: &Connection, rows: u32) {
    let sql = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM n WHERE i<?1)
               INSERT INTO t(b) SELECT randomblob(2000) FROM n";
    connection.execute(sql, [rows]).unwrap();
}

fn number(connection: &Connection, sql: &str) -> i64 {
    connection.query_row(sql, [], |row| row.get(0)).unwrap()
}

/// (busy, frames in the WAL, frames checkpointed)
fn checkpoint(connection: &Connection, mode: &str) -> (i64, i64, i64) {
    let sql = format!("PRAGMA wal_checkpoint({mode})");
    connection.query_row(&sql, [], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?))).unwrap()
}

fn no_checkpoint_on_close(connection: &Connection) {
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true).unwrap();
}

fn pin(connection: &Connection) {
    connection.execute_batch("BEGIN; PRAGMA schema_version").unwrap();
}

fn control<T>(connection: &Connection, op: c_int, argument: &mut T) -> c_int {
    let argument = std::ptr::from_mut(argument).cast::<c_void>();
    // SAFETY: the connection is open; each caller passes an argument of the type that its verb takes.
    unsafe { ffi::sqlite3_file_control(connection.handle(), c"main".as_ptr(), op, argument) }
}

/// The file behind a `*_POINTER` verb.
fn file_pointer(connection: &Connection, op: c_int) -> *mut ffi::sqlite3_file {
    let mut file: *mut ffi::sqlite3_file = std::ptr::null_mut();
    assert_eq!(control(connection, op, &mut file), ffi::SQLITE_OK);
    file
}

/// Reads through SQLite's own handle; `None` when the file is not open.
fn read_through(file: *mut ffi::sqlite3_file, offset: u64, count: usize) -> Option<(c_int, Vec<u8>)> {
    let mut bytes = vec![0xAA; count];
    // SAFETY: the file belongs to an open connection of the caller; its methods are null or live for ever.
    let methods = unsafe { (*file).pMethods.as_ref() }?;
    let read = methods.xRead.unwrap();
    let (count, offset) = (c_int::try_from(count).unwrap(), i64::try_from(offset).unwrap());
    // SAFETY: the buffer has `count` bytes.
    let code = unsafe { read(file, bytes.as_mut_ptr().cast(), count, offset) };
    Some((code, bytes))
}

/// `mxFrame`, `nPage` of `sqlite3_snapshot_get`, or its error.
fn snapshot(connection: &Connection) -> Result<(u32, u32), c_int> {
    let mut snapshot: *mut ffi::sqlite3_snapshot = std::ptr::null_mut();
    // SAFETY: the connection is open; on success the snapshot is 48 bytes that are freed below.
    let code = unsafe { ffi::sqlite3_snapshot_get(connection.handle(), c"main".as_ptr(), &mut snapshot) };
    if code != ffi::SQLITE_OK {
        return Err(code);
    }
    // SAFETY: as above.
    let bytes: [u8; 48] = unsafe { snapshot.cast::<[u8; 48]>().read() };
    // SAFETY: made by sqlite3_snapshot_get, freed once.
    unsafe { ffi::sqlite3_snapshot_free(snapshot) };
    let word = |at: usize| u32::from_ne_bytes(bytes[at..at + 4].try_into().unwrap());
    Ok((word(16), word(20)))
}

#[test]
fn the_wal_reads_through_sqlites_own_handle_as_it_is_on_the_disk() {
    let world = world();
    let application = wal_database(&world.application);
    insert(&application, 100);
    let daemon = world.daemon.open(DB).unwrap();
    assert!(read_through(file_pointer(&daemon, ffi::SQLITE_FCNTL_JOURNAL_POINTER), 0, 32).is_none());
    pin(&daemon);
    let wal = world.disk.peek(WAL).unwrap();
    let chunk = 64 * 1024 + 24;
    assert!(wal.len() > 2 * chunk);
    let file = file_pointer(&daemon, ffi::SQLITE_FCNTL_JOURNAL_POINTER);
    for (i, expected) in wal.chunks(chunk).enumerate() {
        let (code, bytes) = read_through(file, (i * chunk) as u64, chunk).unwrap();
        assert_eq!(&bytes[..expected.len()], expected);
        assert!(bytes[expected.len()..].iter().all(|byte| *byte == 0), "beyond the end are zeros");
        let whole = expected.len() == chunk;
        assert_eq!(code, if whole { ffi::SQLITE_OK } else { ffi::SQLITE_IOERR_SHORT_READ });
    }
}

#[test]
fn the_core_answers_the_pointer_verbs() {
    let world = world();
    let application = wal_database(&world.application);
    checkpoint(&application, "FULL");
    let file = file_pointer(&application, ffi::SQLITE_FCNTL_FILE_POINTER);
    let (code, bytes) = read_through(file, 0, 16).unwrap();
    assert_eq!((code, bytes.as_slice()), (ffi::SQLITE_OK, &b"SQLite format 3\0"[..]));
    let mut vfs: *mut ffi::sqlite3_vfs = std::ptr::null_mut();
    assert_eq!(control(&application, ffi::SQLITE_FCNTL_VFS_POINTER, &mut vfs), ffi::SQLITE_OK);
    // SAFETY: a registered VFS with a name.
    let name = unsafe { std::ffi::CStr::from_ptr((*vfs).zName) };
    assert_eq!(name.to_str().unwrap(), world.application.vfs_name());
    let mut size_hint = 0_i64;
    assert_eq!(control(&application, ffi::SQLITE_FCNTL_SIZE_HINT, &mut size_hint), ffi::SQLITE_NOTFOUND);
}

#[test]
fn a_snapshot_tells_the_committed_end_under_a_pin() {
    let world = world();
    let application = wal_database(&world.application);
    insert(&application, 10);
    let daemon = world.daemon.open(DB).unwrap();
    pin(&daemon);
    let frames = i64::try_from(world.disk.peek(WAL).unwrap().len() - 32).unwrap() / (4096 + 24);
    let (mx_frame, pages) = snapshot(&daemon).unwrap();
    assert_eq!(i64::from(mx_frame), frames);
    assert_eq!(i64::from(pages), number(&application, "PRAGMA page_count"));
    insert(&application, 10);
    assert_eq!(snapshot(&daemon).unwrap().0, mx_frame, "the pin does not move");
    application.execute_batch("BEGIN IMMEDIATE").unwrap();
    assert_eq!(snapshot(&application), Err(ffi::SQLITE_ERROR), "not under the write lock");
}

#[test]
fn checkpoints_of_every_mode_get_through_hand_over_hand() {
    let world = world();
    let application = wal_database(&world.application);
    let (one, two) = (world.daemon.open(DB).unwrap(), world.daemon.open(DB).unwrap());
    pin(&one);
    for mode in ["PASSIVE", "FULL", "RESTART", "TRUNCATE"] {
        insert(&application, 5);
        let (busy, frames, done) = checkpoint(&application, mode);
        assert!(done < frames, "{mode} behind the pin");
        assert_eq!(busy, i64::from(mode != "PASSIVE"), "{mode} behind the pin");
        for (new, old) in [(&two, &one), (&one, &two)] {
            pin(new);
            old.execute_batch("COMMIT").unwrap();
            let (_, frames, done) = checkpoint(&application, "PASSIVE");
            assert_eq!(frames, done, "{mode} after a hand-over");
        }
        let (busy, ..) = checkpoint(&application, mode);
        assert_eq!(busy, 0, "{mode} at mark 0");
    }
    assert_eq!(world.disk.peek(WAL).unwrap().len(), 0, "truncated");
}

#[test]
fn the_last_close_checkpoints_and_tidies_up_unless_told_not_to() {
    let world = world();
    let application = wal_database(&world.application);
    application.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true).unwrap();
    drop(application);
    assert!(world.disk.peek(WAL).unwrap().len() > 32);
    let application = world.application.open(DB).unwrap();
    assert_eq!(number(&application, "SELECT count(*) FROM t"), 0, "recovered from the WAL");
    assert!(world.disk.peek_stat(SHM).unwrap().size_bytes >= 32 * 1024);
    let mut persist: c_int = -1;
    assert_eq!(control(&application, ffi::SQLITE_FCNTL_PERSIST_WAL, &mut persist), ffi::SQLITE_OK);
    assert_eq!(persist, 0);
    drop(application);
    assert_eq!(world.disk.peek_paths(), [DB]);

    let application = world.application.open(DB).unwrap();
    let mut persist: c_int = 1;
    control(&application, ffi::SQLITE_FCNTL_PERSIST_WAL, &mut persist);
    insert(&application, 1);
    drop(application);
    assert_eq!(world.disk.peek_paths(), [DB, SHM, WAL], "kept");
}

#[test]
fn has_moved_sees_that_the_path_names_another_file() {
    let world = world();
    let application = wal_database(&world.application);
    let moved = || {
        let mut moved: c_int = -1;
        assert_eq!(control(&application, ffi::SQLITE_FCNTL_HAS_MOVED, &mut moved), ffi::SQLITE_OK);
        moved
    };
    assert_eq!(moved(), 0);
    let operator = world.daemon.pid();
    world.disk.rename(operator, DB, "/db/old").unwrap();
    assert_eq!(moved(), 1);
    drop(world.disk.open(operator, DB, OpenMode::New).unwrap());
    assert_eq!(moved(), 1);
    world.disk.rename(operator, "/db/old", DB).unwrap();
    assert_eq!(moved(), 0);
}

#[test]
fn waiting_for_a_lock_takes_simulated_time() {
    let world = world();
    let application = wal_database(&world.application);
    let daemon = world.daemon.open(DB).unwrap();
    daemon.busy_timeout(Duration::from_millis(700)).unwrap();
    application.execute_batch("BEGIN IMMEDIATE").unwrap();
    let before = world.disk.clock().mono();
    let error = daemon.execute_batch("BEGIN IMMEDIATE").unwrap_err();
    assert_eq!(error.sqlite_error_code(), Some(ErrorCode::DatabaseBusy));
    let waited = world.disk.clock().mono().since(before);
    assert!(waited >= Duration::from_millis(600) && waited < Duration::from_secs(2), "{waited:?}");
    let wall_s = world.disk.clock().now().wall.as_millis() / 1000;
    assert_eq!(number(&application, "SELECT unixepoch()"), wall_s);
}

#[test]
fn the_lock_page_moves_into_a_small_database_and_back() {
    let mut world = world();
    world.run.move_lock_page(LockByte::moved(65536));
    let application = wal_database(&world.application);
    insert(&application, 60);
    let pages = number(&application, "PRAGMA page_count");
    let wal = world.disk.peek(WAL).unwrap();
    let pgno = |frame: &[u8]| i64::from(u32::from_be_bytes(frame[..4].try_into().unwrap()));
    let written: Vec<i64> = wal[32..].chunks(24 + 4096).map(pgno).collect();
    let missing: Vec<i64> = (1..=pages).filter(|page| !written.contains(page)).collect();
    assert_eq!(missing, [17]);
    let integrity: String = application.query_row("PRAGMA integrity_check", [], |row| row.get(0)).unwrap();
    assert_eq!(integrity, "ok");
    drop(application);
    drop(world);

    let world = self::world();
    let application = wal_database(&world.application);
    insert(&application, 60);
    let wal = world.disk.peek(WAL).unwrap();
    assert!(wal[32..].chunks(24 + 4096).any(|frame| pgno(frame) == 17), "put back");
}

#[test]
fn a_connection_that_outlives_its_process_gets_errors() {
    let World { application, disk, daemon, run } = world();
    let connection = wal_database(&application);
    pin(&connection);
    drop(application);
    connection.execute_batch("ROLLBACK").unwrap();
    assert!(connection.query_row("SELECT count(*) FROM t", [], |row| row.get::<_, i64>(0)).is_err());
    assert!(connection.execute_batch("INSERT INTO t(b) VALUES (1)").is_err());
    let another = wal_or_existing(&daemon);
    insert(&another, 3);
    disk.power_cycle();
    assert!(another.execute_batch("INSERT INTO t(b) VALUES (1)").is_err());
    let next = Process::start(&disk);
    let survivor = wal_or_existing(&next);
    drop((connection, another));
    assert_eq!(number(&survivor, "SELECT count(*) FROM t"), 3);
    drop((survivor, next, daemon, run));
}

fn wal_or_existing(process: &Process) -> Connection {
    let connection = process.open(DB).unwrap();
    connection.execute_batch("PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL").unwrap();
    connection
}

#[test]
fn a_kill_in_mid_transaction_leaves_shared_memory_as_it_was() {
    let World { application, daemon, disk, run } = world();
    let connection = wal_database(&application);
    insert(&connection, 5);
    let other = daemon.open(DB).unwrap();
    other.execute_batch("PRAGMA wal_autocheckpoint=0").unwrap();
    assert_eq!(number(&other, "SELECT count(*) FROM t"), 5);
    // Spilled frames beyond the committed end, whose removal from the index is the clean-up of a dead process.
    connection.execute_batch("PRAGMA cache_size=1; BEGIN").unwrap();
    insert(&connection, 50);
    disk.kill_in(application.pid(), 3);
    assert!(connection.execute_batch("INSERT INTO t(b) SELECT b FROM t").is_err());
    assert!(!application.is_alive());
    application.kill(|| drop(connection));
    insert(&other, 7);
    pin(&other);
    assert_eq!(number(&other, "SELECT count(*) FROM t"), 12);
    let integrity: String = other.query_row("PRAGMA integrity_check", [], |row| row.get(0)).unwrap();
    assert_eq!(integrity, "ok");
    other.execute_batch("COMMIT").unwrap();
    assert_eq!(checkpoint(&other, "TRUNCATE").0, 0, "no lock of the dead is left");
    drop((other, daemon, run));
}

#[test]
fn what_a_dead_process_cleans_up_is_undone() {
    let World { application, daemon, disk, run } = world();
    let connection = wal_database(&application);
    insert(&connection, 5);
    let other = daemon.open(DB).unwrap();
    pin(&other);
    connection.execute_batch("PRAGMA cache_size=1; BEGIN").unwrap();
    insert(&connection, 50);
    let before = SavedMemory::of(disk.shared_memory(SHM).unwrap());
    application.kill(|| {
        drop(connection);
        assert!(!before.is_current(), "the clean-up of this SQLite writes nothing: the test tests nothing");
    });
    assert!(before.is_current());
    drop((other, daemon, run));
}

#[test]
fn closing_a_file_of_our_own_drops_the_pin() {
    let world = world();
    let application = wal_database(&world.application);
    insert(&application, 5);
    checkpoint(&application, "PASSIVE");
    insert(&application, 5);
    let daemon = world.daemon.open(DB).unwrap();
    let truncates = |application: &Connection| checkpoint(application, "TRUNCATE").0 == 0;
    for path in [WAL, SHM] {
        pin(&daemon);
        insert(&application, 5);
        assert!(!truncates(&application));
        drop(world.disk.open(world.daemon.pid(), path, OpenMode::Existing).unwrap());
        assert_eq!(truncates(&application), path == SHM, "{path}");
        daemon.execute_batch("COMMIT").unwrap();
    }
}

#[test]
fn a_replaced_shm_file_is_another_memory() {
    let world = world();
    let application = wal_database(&world.application);
    insert(&application, 5);
    pin(&application);
    let before = world.disk.peek_stat(SHM).unwrap();
    world.disk.unlink(Pid(world.daemon.pid().0), SHM).unwrap();
    let daemon = world.daemon.open(DB).unwrap();
    assert_eq!(number(&daemon, "SELECT count(*) FROM t"), 5, "recovered from the WAL");
    assert_ne!(world.disk.peek_stat(SHM).unwrap().inode, before.inode);
    assert_eq!(checkpoint(&daemon, "TRUNCATE").0, 0, "the pin is in the other memory");
}

#[test]
fn disk_trouble_becomes_sqlites_errors() {
    let world = world();
    let application = wal_database(&world.application);
    let pid = world.application.pid();
    world.disk.set_capacity_bytes(Some(100_000));
    let full = application.execute_batch("INSERT INTO t(b) VALUES (randomblob(200000))").unwrap_err();
    assert_eq!(full.sqlite_error_code(), Some(ErrorCode::DiskFull));
    world.disk.set_capacity_bytes(None);
    for faults in [
        DiskFaults { write_eio_ppm: 1_000_000, ..DiskFaults::default() },
        DiskFaults { read_eio_ppm: 1_000_000, ..DiskFaults::default() },
    ] {
        let fresh = world.application.open(DB).unwrap();
        world.disk.set_faults_of(pid, faults);
        let error = fresh.execute_batch("INSERT INTO t(b) VALUES (1)").unwrap_err();
        assert_eq!(error.sqlite_error_code(), Some(ErrorCode::SystemIoFailure), "{faults:?}");
        world.disk.set_faults_of(pid, DiskFaults::default());
    }
    assert_eq!(number(&application, "SELECT count(*) FROM t"), 0);
}

#[test]
#[should_panic(expected = "still open")]
fn a_killed_process_must_give_up_its_connections() {
    let world = world();
    let connection = wal_database(&world.application);
    let World { application, .. } = world;
    application.kill(|| ());
    drop(connection);
}

#[test]
fn a_long_campaign_registers_no_more_than_it_uses_at_once() {
    let names = || {
        let world = world();
        [world.application.vfs_name(), world.daemon.vfs_name()].map(str::to_owned)
    };
    let mut seen: Vec<String> = (0..50).flat_map(|_| names()).collect();
    seen.sort();
    seen.dedup();
    assert!(seen.len() < 20, "{seen:?}");
}

#[test]
fn the_writers_sync_makes_the_name_of_a_wal_durable_that_a_reader_created() {
    let World { application, daemon, disk, run } = world();
    disk.set_crash_policy(CrashPolicy { keep_directory_ppm: 0, ..CrashPolicy::default() });
    // The last close takes the WAL away; the reader creates the next one.
    drop(wal_database(&application));
    let reader = daemon.open(DB).unwrap();
    assert_eq!(number(&reader, "SELECT count(*) FROM t"), 0);
    let writer = application.open(DB).unwrap();
    writer.execute_batch("PRAGMA synchronous = FULL; PRAGMA wal_autocheckpoint = 0").unwrap();
    insert(&writer, 3);
    disk.cut_power_in(0);
    application.kill(|| drop(writer));
    daemon.kill(|| drop(reader));
    disk.power_cycle();
    let after = Process::start(&disk);
    let connection = after.open(DB).unwrap();
    assert_eq!(number(&connection, "SELECT count(*) FROM t"), 3);
    drop((connection, after, run));
}

#[test]
fn the_world_can_be_held_by_an_async_driver() {
    fn is_send_and_sync<T: Send + Sync>() {}
    is_send_and_sync::<SimDisk>();
    is_send_and_sync::<SimClock>();
    is_send_and_sync::<Trace>();
    is_send_and_sync::<crate::s3::SimS3>();
    fn is_send<T: Send>() {}
    is_send::<Process>();
    is_send::<crate::network::Network>();
}

/// What an oracle that skips a look relies on: with an equal view a fresh connection reads the same.
#[test]
fn a_view_changes_with_whatever_a_reader_could_notice_and_with_nothing_else() {
    let world = world();
    let writer = wal_database(&world.application);
    let count = || {
        let reader = world.daemon.open(DB).unwrap();
        no_checkpoint_on_close(&reader);
        number(&reader, "SELECT count(*) FROM t")
    };
    assert_eq!(count(), 0);
    let before = world.disk.view(DB);
    assert_eq!((count(), &world.disk.view(DB)), (0, &before), "a reader changes nothing");

    insert(&writer, 1);
    let after = world.disk.view(DB);
    assert_ne!(after, before, "a commit");
    assert_eq!((count(), &world.disk.view(DB)), (1, &after));

    writer.execute_batch("BEGIN").unwrap();
    insert(&writer, 1);
    assert_eq!(world.disk.view(DB), after, "what is in the writer's cache is nobody's");
    writer.execute_batch("COMMIT").unwrap();
    let after = world.disk.view(DB);

    checkpoint(&writer, "PASSIVE");
    assert_ne!(world.disk.view(DB), after, "the pages are in another file now");
    let before = world.disk.view(DB);
    let memory = world.disk.shared_memory(SHM).unwrap();
    memory.set_word(N_BACKFILL, 0);
    assert_ne!(world.disk.view(DB), before, "readers find them in the log again");
    let before = world.disk.view(DB);
    world.disk.rot(DB);
    assert_ne!(world.disk.view(DB), before, "rot");
    let before = world.disk.view(DB);
    let pid = world.application.pid();
    world.disk.unlink(pid, WAL).unwrap();
    assert_ne!(world.disk.view(DB), before, "a file that is gone");
    let before = world.disk.view(DB);
    world.disk.open(pid, "/db/app.db-journal", OpenMode::Create).unwrap();
    assert_ne!(world.disk.view(DB), before, "a journal");
    let before = world.disk.view(DB);
    world.disk.open(pid, "/db/other", OpenMode::Create).unwrap();
    world.disk.rename(pid, "/db/other", DB).unwrap();
    assert_ne!(world.disk.view(DB), before, "another file under its name");
}

#[test]
fn a_view_changes_with_a_power_cut_and_with_a_wal_index_that_is_gone() {
    let world = world();
    let writer = wal_database(&world.application);
    insert(&writer, 1);
    let before = world.disk.view(DB);
    world.disk.unlink(world.daemon.pid(), SHM).unwrap();
    assert_ne!(world.disk.view(DB), before, "whoever opens it now makes another wal-index");
    let before = world.disk.view(DB);
    world.disk.power_cycle();
    assert_ne!(world.disk.view(DB), before, "a power cut");
}

#[test]
fn a_view_changes_with_a_commit_that_only_a_recovery_shows() {
    let world = world();
    let writer = wal_database(&world.application);
    insert(&writer, 1);
    let (database, log) = (world.disk.peek(DB).unwrap(), world.disk.peek(WAL).unwrap());
    insert(&writer, 1);
    let whole = world.disk.peek(WAL).unwrap();
    drop(writer);

    // The log of the second commit, and a wal-index that knows of the first one only.
    let pid = world.application.pid();
    for (path, bytes) in [(DB, &database), (WAL, &log)] {
        let file = world.disk.open(pid, path, OpenMode::Create).unwrap();
        file.write_at(0, bytes).unwrap();
    }
    let reader = world.daemon.open(DB).unwrap();
    no_checkpoint_on_close(&reader);
    assert_eq!(number(&reader, "SELECT count(*) FROM t"), 1);
    world.disk.open(pid, WAL, OpenMode::Create).unwrap().write_at(0, &whole).unwrap();
    let before = world.disk.view(DB);
    assert_eq!(number(&reader, "SELECT count(*) FROM t"), 1, "nobody has said so in the wal-index");
    world.disk.shared_memory(SHM).unwrap().set_word(0, 0);
    assert_eq!(number(&reader, "SELECT count(*) FROM t"), 2, "SQLite reads the log again");
    assert_ne!(world.disk.view(DB), before, "though no file changed");
}
