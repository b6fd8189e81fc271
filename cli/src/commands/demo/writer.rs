//! An application: one thread that commits one small transaction after the other.

use super::scratch::unusable;
use crate::exit::Failure;
use rusqlite::Connection;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

/// The running application.
pub(super) struct Writer {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<rusqlite::Result<()>>>,
}

#[derive(Default)]
struct Shared {
    commits: AtomicU64,
    hold: AtomicBool,
    holding: AtomicBool,
    end: AtomicBool,
}

impl Writer {
    /// Makes the database and begins to write.
    pub(super) fn start(database: &Path) -> Result<Writer, Failure> {
        let connection = create(database).map_err(|error| unusable("SQLite").because(&error))?;
        let shared = Arc::new(Shared::default());
        let thread = std::thread::spawn({
            let shared = shared.clone();
            move || write(connection, &shared)
        });
        Ok(Writer { shared, thread: Some(thread) })
    }

    /// Transactions that were committed; each adds a row.
    pub(super) fn commits(&self) -> u64 {
        self.shared.commits.load(Ordering::Acquire)
    }

    /// Stops writing for a while, or goes on.
    pub(super) fn hold(&self, hold: bool) {
        self.shared.hold.store(hold, Ordering::Release);
    }

    /// Whether nothing is being written.
    pub(super) fn is_holding(&self) -> bool {
        self.shared.holding.load(Ordering::Acquire)
    }

    /// Ends, and closes the database as any application does.
    pub(super) fn finish(mut self) -> Result<u64, Failure> {
        self.join().map_err(|error| unusable("the application failed").because(&error))?;
        Ok(self.commits())
    }

    fn join(&mut self) -> rusqlite::Result<()> {
        self.shared.end.store(true, Ordering::Release);
        match self.thread.take().map(JoinHandle::join) {
            Some(Ok(ended)) => ended,
            // It panicked: that ended the process.
            Some(Err(_)) | None => Ok(()),
        }
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        // Nobody is left to be told.
        let _ = self.join();
    }
}

fn create(database: &Path) -> rusqlite::Result<Connection> {
    let connection = Connection::open(database)?;
    connection.busy_timeout(Duration::from_secs(5))?;
    connection.pragma_update(None, "journal_mode", "wal")?;
    connection.pragma_update(None, "synchronous", "normal")?;
    connection.execute_batch(
        "CREATE TABLE account(id INTEGER PRIMARY KEY, balance INTEGER NOT NULL);
         CREATE TABLE transfer(n INTEGER PRIMARY KEY, source INTEGER, target INTEGER, amount INTEGER, note TEXT);
         CREATE INDEX transfer_of ON transfer(source);
         WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 500)
             INSERT INTO account SELECT i, 1000 FROM n;",
    )?;
    Ok(connection)
}

/// Money moves, none is made: any state that breaks a transaction apart shows.
fn write(mut connection: Connection, shared: &Shared) -> rusqlite::Result<()> {
    while !shared.end.load(Ordering::Acquire) {
        if shared.hold.load(Ordering::Acquire) {
            shared.holding.store(true, Ordering::Release);
            std::thread::sleep(Duration::from_millis(5));
            continue;
        }
        shared.holding.store(false, Ordering::Release);
        let n = shared.commits.load(Ordering::Acquire) + 1;
        let row = i64::try_from(n).expect("nobody waits for so many commits");
        let (source, target) = (row * 7 % 500 + 1, row * 13 % 500 + 1);
        let transaction = connection.transaction()?;
        transaction.execute("UPDATE account SET balance = balance - 5 WHERE id = ?1", [source])?;
        transaction.execute("UPDATE account SET balance = balance + 5 WHERE id = ?1", [target])?;
        let note = format!("transfer {n}: {:0100}", n.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        transaction.execute(
            "INSERT INTO transfer VALUES (?1, ?2, ?3, 5, ?4)",
            rusqlite::params![row, source, target, note],
        )?;
        transaction.commit()?;
        shared.commits.store(n, Ordering::Release);
        std::thread::sleep(Duration::from_millis(2));
    }
    connection.close().map_err(|(_, error)| error)
}

/// The rows of a database, if its money is all there and SQLite finds no fault.
pub(super) fn audit(database: &Path) -> Result<u64, Failure> {
    let look = || -> rusqlite::Result<(i64, i64, String)> {
        let connection = Connection::open(database)?;
        let rows = connection.query_row("SELECT count(*) FROM transfer", [], |row| row.get(0))?;
        let money = connection.query_row("SELECT sum(balance) FROM account", [], |row| row.get(0))?;
        let integrity = connection.query_row("PRAGMA integrity_check", [], |row| row.get(0))?;
        Ok((rows, money, integrity))
    };
    match look() {
        Ok((rows, 500_000, integrity)) if integrity == "ok" => Ok(rows.unsigned_abs()),
        Ok((_, money, integrity)) => {
            Err(Failure::new(crate::exit::Kind::Corrupt, "the restored database is wrong")
                .cause(format!("{money} instead of 500000 in the accounts; integrity_check: {integrity}")))
        }
        Err(error) => {
            Err(Failure::new(crate::exit::Kind::Corrupt, "the restored database cannot be read")
                .because(&error))
        }
    }
}
