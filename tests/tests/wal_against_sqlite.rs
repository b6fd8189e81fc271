//! `engine::wal` and the real SQLite read and write the same logs.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use bytes::Bytes;
use engine::types::{LockByte, PageSize, Pgno, Salts};
use engine::wal::{ByteOrder, CommittedEnd, Scanned, Scanner, Stop, Tail, WalHeader, WalWriter};
use rusqlite::{Connection, ffi};
use std::fs;
use std::path::{Path, PathBuf};

#[test]
fn scanner_sees_what_sqlite_sees_at_every_page_size() {
    for log in 9..=16 {
        let page_size = 1 << log;
        let database = Database::new();
        let application = database.application(page_size);
        let mut stops = vec![compare(&database, &application)];
        for round in 1..=3 {
            for _ in 0..3 {
                fill(&application, 12, page_size * 2);
                application.execute("UPDATE t SET b = randomblob(?1) WHERE a % 3 = 0", [page_size]).unwrap();
                stops.push(compare(&database, &application));
            }
            application.execute("DELETE FROM t WHERE a % 4 <> 0", []).unwrap();
            if round == 2 {
                application.execute_batch("VACUUM").unwrap();
            }
            stops.push(compare(&database, &application));
            checkpoint(&application, if round == 1 { "PASSIVE" } else { "RESTART" });
            // A small transaction restarts the log: the old generation lies behind it.
            application.execute("INSERT INTO t(b) VALUES (1)", []).unwrap();
            stops.push(compare(&database, &application));
        }
        assert!(stops.contains(&Some(Stop::Stale)), "stale frames were met at {page_size}");

        let end = snapshot(&database.path);
        let (_, tail, _) = scan(&fs::read(database.beside("-wal")).unwrap(), end.frames());
        let before = image(&fs::read(&database.path).unwrap(), &tail, page_size as usize).concat();
        checkpoint(&application, "TRUNCATE");
        assert!(
            fs::read(&database.path).unwrap() == before,
            "the checkpoint writes the image at {page_size}"
        );
    }
}

#[test]
fn golden_logs_read_as_sqlite_reads_them() {
    for case in ["small-4096", "checkpoint-and-resume"] {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures").join(case).join("source-state");
        let database = Database::new();
        fs::copy(folder.join("source.db"), &database.path).unwrap();
        fs::copy(folder.join("source.db-wal"), database.beside("-wal")).unwrap();
        let connection = database.open();
        let _: i64 =
            connection.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0)).unwrap();
        compare(&database, &connection);
    }
}

#[test]
fn sqlite_reads_and_continues_logs_of_our_writer_in_both_byte_orders() {
    for log in 9..=16 {
        for order in [ByteOrder::Little, ByteOrder::Big] {
            let page_size = 1 << log;
            let database = Database::new();
            let application = database.application(page_size);
            fill(&application, 30, page_size);
            checkpoint(&application, "TRUNCATE");
            let (old, old_file) = (sqlite_pages(&application), fs::read(&database.path).unwrap());
            application.execute("DELETE FROM t WHERE a % 2 = 0", []).unwrap();
            fill(&application, 40, page_size);
            checkpoint(&application, "TRUNCATE");
            let new = sqlite_pages(&application);
            drop(application);

            let header = WalHeader::new(order, PageSize::new(page_size).unwrap(), 7, Salts(11, 12));
            let mut writer = WalWriter::new(header);
            let mut bytes = header.encode().to_vec();
            rewrite(&mut writer, &old, &new, &mut bytes);
            fs::write(&database.path, old_file).unwrap();
            fs::write(database.beside("-wal"), bytes).unwrap();

            let connection = database.open();
            assert!(sqlite_pages(&connection) == new, "{order:?} at {page_size}");
            let sound: String = connection.query_row("PRAGMA integrity_check", [], |row| row.get(0)).unwrap();
            assert_eq!(sound, "ok");
            assert_eq!(snapshot(&database.path).position(), writer.position());
            connection.pragma_update(None, "wal_autocheckpoint", 0).unwrap();
            fill(&connection, 5, page_size);
            compare(&database, &connection);
            assert_eq!(snapshot(&database.path).byte_order(), order, "SQLite goes on in the log's order");
        }
    }
}

#[test]
fn sqlite_ignores_the_generation_that_our_writer_left_behind() {
    let database = Database::new();
    let application = database.application(4096);
    checkpoint(&application, "TRUNCATE");
    let pages = sqlite_pages(&application);
    drop(application);
    let header = WalHeader::new(ByteOrder::NATIVE, PageSize::new(4096).unwrap(), 0, Salts(1, 2));
    let mut writer = WalWriter::new(header);
    let mut log = header.encode().to_vec();
    for _ in 0..3 {
        writer.append(Pgno::new(3).unwrap(), Some(3), &[3; 4096], &mut log);
    }
    let mut restarted = writer.restart(99).encode().to_vec();
    writer.append(Pgno::ONE, Some(2), &pages[0], &mut restarted);
    log[..restarted.len()].copy_from_slice(&restarted);
    fs::write(database.beside("-wal"), &log).unwrap();

    let connection = database.open();
    assert!(sqlite_pages(&connection) == pages);
    assert_eq!(snapshot(&database.path).position(), writer.position());
    assert_eq!(compare(&database, &connection), Some(Stop::Stale));
}

#[test]
fn after_a_truncating_checkpoint_the_index_names_a_generation_without_frames() {
    let database = Database::new();
    let application = database.application(4096);
    let before = database.shared();
    checkpoint(&application, "TRUNCATE");
    let after = database.shared();
    assert_eq!((after.frames(), after.pages()), (0, 2));
    assert_ne!(after.salts(), before.salts());
    assert_eq!(fs::metadata(database.beside("-wal")).unwrap().len(), 0);
}

#[test]
fn a_page_cut_off_and_back_without_a_frame_reads_its_frame_from_before_the_cut() {
    let database = Database::new();
    let application = database.application(4096);
    cut_off_page_5(&application);
    grow_to_6(&application);

    assert_eq!(sqlite_pages(&application)[4], [5; 4096]);
    compare(&database, &application);
    let tail = tail_of(&database);
    assert_eq!(numbers(tail.missing_growth(2)), [3, 4]);
    assert_eq!(numbers(tail.regrown(2)), [5]);
    assert_eq!(numbers(tail.regrown(5)), [3, 4, 5]);
}

#[test]
fn a_checkpoint_while_the_page_is_cut_off_makes_it_zeros() {
    let database = Database::new();
    let application = database.application(4096);
    cut_off_page_5(&application);
    // A reader at the end keeps the log from restarting, so all of this is one generation.
    let reader = database.open();
    reader.execute_batch("BEGIN").unwrap();
    let _: i64 = reader.query_row("SELECT count(*) FROM t", [], |row| row.get(0)).unwrap();
    checkpoint(&application, "PASSIVE");
    grow_to_6(&application);

    assert_eq!(sqlite_pages(&database.open())[4], [0; 4096]);
    let tail = tail_of(&database);
    let five = tail.get(Pgno::new(5).unwrap()).unwrap();
    assert_eq!(five.content[..], [5; 4096], "the log alone says otherwise");
    assert_eq!(numbers(tail.regrown(2)), [5], "and so the page is named");
    let file = fs::read(&database.path).unwrap();
    let theirs = sqlite_pages(&database.open());
    let ours = image(&file, &tail, 4096);
    assert!((0..6).all(|at| at == 4 || ours[at] == theirs[at]), "no other page is concerned");
}

/// Grows the database from 2 pages to 5 and cuts it back, in two transactions.
fn cut_off_page_5(application: &Connection) {
    resize(application, 5, &[(5, Some(5))]);
    resize(application, 2, &[(3, None)]);
    assert_eq!(sqlite_pages(application).len(), 2);
}

/// Grows the database to 6 pages with a frame of the last only.
fn grow_to_6(application: &Connection) {
    resize(application, 6, &[(6, Some(6))]);
    assert_eq!(sqlite_pages(application).len(), 6);
}

/// Writes pages full of one byte past SQLite's b-trees, which would not leave growth without frames; `None`
/// truncates the database in front of the page. The database header gets the new size.
fn resize(application: &Connection, size: u32, pages: &[(u32, Option<u8>)]) {
    let write = |pgno: u32, data: Option<Vec<u8>>| {
        let sql = "INSERT INTO sqlite_dbpage(pgno, data) VALUES (?1, ?2)";
        application.execute(sql, rusqlite::params![pgno, data]).unwrap();
    };
    let mut first = sqlite_pages(application).swap_remove(0);
    first[28..32].copy_from_slice(&size.to_be_bytes());
    application.execute_batch("BEGIN IMMEDIATE").unwrap();
    write(1, Some(first));
    for (pgno, byte) in pages {
        write(*pgno, byte.map(|byte| vec![byte; 4096]));
    }
    application.execute_batch("COMMIT").unwrap();
}

/// The whole generation, up to the committed end.
fn tail_of(database: &Database) -> Tail {
    let end = snapshot(&database.path);
    let (_, tail, _) = scan(&fs::read(database.beside("-wal")).unwrap(), end.frames());
    assert_eq!((tail.position(), tail.end().unwrap().pages), (end.position(), end.pages()));
    tail
}

/// A database in a folder of its own.
struct Database {
    _folder: tempfile::TempDir,
    path: PathBuf,
}

impl Database {
    fn new() -> Database {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("app.db");
        Database { _folder: folder, path }
    }

    fn beside(&self, suffix: &str) -> PathBuf {
        PathBuf::from(format!("{}{suffix}", self.path.display()))
    }

    fn open(&self) -> Connection {
        Connection::open(&self.path).unwrap()
    }

    /// A connection to a WAL database with an empty table that never checkpoints on its own.
    fn application(&self, page_size: u32) -> Connection {
        let application = self.open();
        application.pragma_update(None, "page_size", page_size).unwrap();
        application.pragma_update(None, "journal_mode", "wal").unwrap();
        application.pragma_update(None, "wal_autocheckpoint", 0).unwrap();
        application.execute_batch("CREATE TABLE t(a INTEGER PRIMARY KEY, b)").unwrap();
        application
    }

    /// What shared memory says. Reading the file drops this process's locks on it, which is harmless here:
    /// no other process uses it, and within a process SQLite does not rely on them.
    fn shared(&self) -> CommittedEnd {
        CommittedEnd::from_snapshot(&fs::read(self.beside("-shm")).unwrap()).unwrap()
    }
}

/// The bytes of a `sqlite3_snapshot`, taken on a connection of its own.
fn snapshot(path: &Path) -> CommittedEnd {
    let reader = Connection::open(path).unwrap();
    reader.execute_batch("BEGIN").unwrap();
    let _: i64 = reader.query_row("PRAGMA schema_version", [], |row| row.get(0)).unwrap();
    let mut snapshot = std::ptr::null_mut();
    // SAFETY: the handle is open and in a read transaction; the snapshot's 48 bytes are copied while it lives,
    // and it is freed once.
    let bytes = unsafe {
        let code = ffi::sqlite3_snapshot_get(reader.handle(), c"main".as_ptr(), &raw mut snapshot);
        assert_eq!(code, ffi::SQLITE_OK);
        let bytes = std::slice::from_raw_parts(snapshot.cast::<u8>(), 48).to_vec();
        ffi::sqlite3_snapshot_free(snapshot);
        bytes
    };
    CommittedEnd::from_snapshot(&bytes).unwrap()
}

/// Every page as SQLite reads it.
fn sqlite_pages(connection: &Connection) -> Vec<Vec<u8>> {
    let mut statement = connection.prepare("SELECT data FROM sqlite_dbpage ORDER BY pgno").unwrap();
    statement.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect()
}

/// `rows` rows of `bytes` bytes each.
fn fill(connection: &Connection, rows: u32, bytes: u32) {
    let sql = "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n WHERE x < ?1)
               INSERT INTO t(b) SELECT randomblob(?2) FROM n";
    connection.execute(sql, [rows, bytes]).unwrap();
}

fn checkpoint(connection: &Connection, mode: &str) {
    let sql = format!("PRAGMA wal_checkpoint({mode})");
    let busy: i64 = connection.query_row(&sql, [], |row| row.get(0)).unwrap();
    assert_eq!(busy, 0);
}

/// The frames that turn the pages `old` into `new`, with detours, as two transactions and an open one.
fn rewrite(writer: &mut WalWriter, old: &[Vec<u8>], new: &[Vec<u8>], log: &mut Vec<u8>) {
    writer.append(Pgno::ONE, Some(old.len() as u32), &old[0], log);
    let changed: Vec<usize> = (0..new.len()).filter(|at| old.get(*at) != Some(&new[*at])).collect();
    for at in &changed {
        let pgno = Pgno::new(*at as u32 + 1).unwrap();
        writer.append(pgno, None, &vec![0xee; new[*at].len()], log); // overwritten in the same transaction
        let commit = (Some(at) == changed.last()).then_some(new.len() as u32);
        writer.append(pgno, commit, &new[*at], log);
    }
    let committed = writer.position();
    writer.append(Pgno::ONE, None, &vec![0xdd; new[0].len()], log); // never committed
    writer.rewind(committed);
}

/// Scans the log in the reads that the scanner asks for, up to `frames_max`; `None` at the end of the file.
fn scan(log: &[u8], frames_max: u32) -> (WalHeader, Tail, Option<Stop>) {
    let header = WalHeader::decode(log).unwrap();
    let mut scanner = Scanner::new(&header, header.start(), frames_max).unwrap();
    let mut tail = Tail::new(header.start(), LockByte::SQLITE.pgno(header.page_size()));
    loop {
        match scanner.next_frame() {
            Scanned::Frame(frame) => {
                tail.push(frame);
            }
            Scanned::NeedBytes => {
                let wanted = scanner.next_read().unwrap();
                let from = (wanted.offset as usize).min(log.len());
                let to = (from + wanted.bytes).min(log.len());
                if from == to {
                    return (header, tail, None);
                }
                scanner.push(Bytes::copy_from_slice(&log[from..to]));
            }
            Scanned::Stopped(stop) => return (header, tail, Some(stop)),
        }
    }
}

/// The tail's pages over the database file's, zeros beyond its end.
fn image(database_file: &[u8], tail: &Tail, page_size: usize) -> Vec<Vec<u8>> {
    let in_file = |number: u32| database_file.chunks(page_size).nth(number as usize - 1);
    (1..=tail.end().unwrap().pages)
        .map(|number| match tail.get(Pgno::new(number).unwrap()) {
            Some(newest) => newest.content.to_vec(),
            None => in_file(number).map_or_else(|| vec![0; page_size], <[u8]>::to_vec),
        })
        .collect()
}

fn numbers(pages: impl Iterator<Item = Pgno>) -> Vec<u32> {
    pages.map(|pgno| pgno.into_inner()).collect()
}

/// Compares everything that can be said about the log with SQLite. Returns how a scan without a bound ended.
fn compare(database: &Database, connection: &Connection) -> Option<Stop> {
    let end = snapshot(&database.path);
    assert_eq!(database.shared(), end, "snapshot and shared memory say the same");
    let log = fs::read(database.beside("-wal")).unwrap();
    let (header, tail, stop) = scan(&log, end.frames());
    assert_eq!(stop, Some(Stop::Bound));
    assert_eq!(end.page_size(), Some(header.page_size()));
    assert_eq!((end.salts(), end.byte_order()), (header.salts(), header.byte_order()));
    assert_eq!((tail.position(), tail.end().unwrap().pages), (end.position(), end.pages()));
    let page_size = header.page_size().into_inner() as usize;
    let ours = image(&fs::read(&database.path).unwrap(), &tail, page_size);
    let theirs = sqlite_pages(connection);
    assert_eq!(ours.len(), theirs.len());
    let different: Vec<_> = (0..ours.len()).filter(|at| ours[*at] != theirs[*at]).map(|at| at + 1).collect();
    assert_eq!(different, [0; 0], "pages that differ");

    let (_, unbounded, stop) = scan(&log, u32::MAX);
    assert_eq!(unbounded.end(), tail.end(), "in a healthy log the chain ends where the index says");
    stop
}
