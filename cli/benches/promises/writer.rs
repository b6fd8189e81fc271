//! The application: real SQLite in this process, the daemon being another one.

use rusqlite::Connection;
use std::path::Path;
use std::time::{Duration, Instant};

/// A connection in WAL mode to a database with one table, `t(a INTEGER PRIMARY KEY, b)`.
pub(crate) fn open(path: &Path) -> Connection {
    let connection = Connection::open(path).expect("a fresh file");
    connection.busy_timeout(Duration::from_secs(30)).expect("an open connection");
    connection
        .execute_batch(
            "PRAGMA journal_mode = wal; PRAGMA synchronous = normal;
             CREATE TABLE IF NOT EXISTS t (a INTEGER PRIMARY KEY, b)",
        )
        .expect("a fresh database");
    connection
}

/// Commits one row of this many bytes, and gives how long the commit took.
pub(crate) fn insert(connection: &Connection, bytes: usize) -> Duration {
    let started = Instant::now();
    let mut insert = connection.prepare_cached("INSERT INTO t (b) VALUES (randomblob(?1))").expect("legal");
    insert.execute([bytes as i64]).expect("nobody holds the lock for that long");
    started.elapsed()
}

/// The same with so many rows of a million bytes, which do not compress.
pub(crate) fn open_with(path: &Path, rows: usize) -> Connection {
    let connection = open(path);
    (0..rows).for_each(|_| {
        let _ = insert(&connection, ROW_BYTES);
    });
    connection
}

/// Of each row of [`open_with`].
pub(crate) const ROW_BYTES: usize = 1_000_000;

/// Pages of the database now.
pub(crate) fn pages(connection: &Connection) -> u32 {
    let mut count = connection.prepare_cached("PRAGMA page_count").expect("legal");
    count.query_row([], |row| row.get(0)).expect("an open database")
}
