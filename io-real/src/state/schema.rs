//! The tables, and how an older file becomes a current one.

use rusqlite::{Connection, OptionalExtension, Transaction};

/// What a file turned out to be.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Version {
    /// Ready for use.
    Current,
    /// Written by a later walsync.
    Newer(i64),
    /// A SQLite database, but not ours.
    Foreign,
    /// Ours, but what it says of its own format contradicts itself.
    Damaged,
}

/// Makes the tables where there are none.
pub(super) fn prepare(connection: &mut Connection) -> rusqlite::Result<Version> {
    let change = connection.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)?;
    let version: i64 = change.query_row("PRAGMA user_version", [], |row| row.get(0))?;
    let application: i64 = change.query_row("PRAGMA application_id", [], |row| row.get(0))?;
    let tables: i64 = change.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))?;
    let known = known(&change)?;
    match (application, version, known) {
        (APPLICATION_ID, VERSION, Some(VERSION)) => Ok(Version::Current),
        // A wrong bit in either must not keep a database out of the store for ever.
        (_, _, Some(known)) if (application, version) != (APPLICATION_ID, known) => Ok(Version::Damaged),
        (APPLICATION_ID, VERSION, None) => Ok(Version::Damaged),
        (APPLICATION_ID, 1 | 2, None) => {
            if version == WITHOUT_RESTORED {
                change.execute_batch(RESTORED_TABLES)?;
            }
            change.execute_batch(FORMAT_TABLE)?;
            change.pragma_update(None, "user_version", VERSION)?;
            change.commit()?;
            Ok(Version::Current)
        }
        (APPLICATION_ID, newer, _) if newer > VERSION => Ok(Version::Newer(newer)),
        (0, 0, None) if tables == 0 => {
            change.execute_batch(TABLES)?;
            change.execute_batch(RESTORED_TABLES)?;
            change.execute_batch(FORMAT_TABLE)?;
            change.pragma_update(None, "application_id", APPLICATION_ID)?;
            change.pragma_update(None, "user_version", VERSION)?;
            change.commit()?;
            Ok(Version::Current)
        }
        _ => Ok(Version::Foreign),
    }
}

/// The format as the table of it says; `None`: there is no such table, which only the first formats lack.
fn known(change: &Transaction<'_>) -> rusqlite::Result<Option<i64>> {
    let tables: i64 =
        change.query_row("SELECT count(*) FROM sqlite_schema WHERE name = 'walsync_format'", [], |row| {
            row.get(0)
        })?;
    if tables == 0 {
        return Ok(None);
    }
    change.query_row("SELECT version FROM walsync_format", [], |row| row.get(0)).optional()
}

/// "wsst"; tells our file from any other SQLite database.
const APPLICATION_ID: i64 = 0x7773_7374;
/// Raised whenever the tables change, here and in `FORMAT_TABLE`.
const VERSION: i64 = 3;
/// The first format: what a restore leaves was not kept.
const WITHOUT_RESTORED: i64 = 1;

// The header's numbers have no checksum. No later format may change this table: it is read before the format is known.
const FORMAT_TABLE: &str = "
CREATE TABLE walsync_format (
    version INTEGER NOT NULL         -- user_version once more
);
INSERT INTO walsync_format VALUES (3);
";

// Numbers of 64 bits are stored by their bits: SQLite's integers are signed.
const TABLES: &str = "
CREATE TABLE database (
    id INTEGER PRIMARY KEY,
    key TEXT NOT NULL UNIQUE,        -- the database's path without symbolic links
    fenced_by INTEGER
);
CREATE TABLE own (                   -- the lives of this host; later lives have larger ids
    id INTEGER PRIMARY KEY,
    database INTEGER NOT NULL REFERENCES database,
    node INTEGER NOT NULL,
    UNIQUE (database, node)
);
CREATE TABLE confirmed (
    database INTEGER PRIMARY KEY REFERENCES database,
    txid INTEGER NOT NULL,
    after INTEGER NOT NULL,
    salt_1 INTEGER NOT NULL,
    salt_2 INTEGER NOT NULL,
    frames INTEGER NOT NULL,
    checksum_1 INTEGER NOT NULL,
    checksum_2 INTEGER NOT NULL,
    page_size INTEGER NOT NULL,
    pages INTEGER NOT NULL
);
CREATE TABLE pending (
    database INTEGER NOT NULL REFERENCES database,
    txid INTEGER NOT NULL,
    node INTEGER NOT NULL,
    sha256 BLOB NOT NULL,
    PRIMARY KEY (database, txid, node, sha256)
) WITHOUT ROWID;
CREATE TABLE sums (
    database INTEGER PRIMARY KEY REFERENCES database,
    txid INTEGER NOT NULL,
    page_size INTEGER NOT NULL,
    pages INTEGER NOT NULL,
    checksum INTEGER NOT NULL        -- of the whole: chunks that do not give it are useless
);
CREATE TABLE chunk (
    database INTEGER NOT NULL REFERENCES database,
    chunk INTEGER NOT NULL,
    sums BLOB NOT NULL,
    PRIMARY KEY (database, chunk)
);
";

// By path alone: a file comes from one restore, whichever place it was of, and needs no row in `database`.
const RESTORED_TABLES: &str = "
CREATE TABLE restored (              -- later restores have larger ids
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    path TEXT NOT NULL UNIQUE,       -- of the file, without symbolic links
    history TEXT,                    -- UUID in its place's manifest
    inode INTEGER NOT NULL,
    born_ns INTEGER,
    txid INTEGER NOT NULL,
    page_size INTEGER NOT NULL,
    pages INTEGER NOT NULL,
    checksum INTEGER NOT NULL
);
CREATE TABLE restored_chunk (
    restored INTEGER NOT NULL REFERENCES restored,
    chunk INTEGER NOT NULL,
    sums BLOB NOT NULL,
    PRIMARY KEY (restored, chunk)
);
";
