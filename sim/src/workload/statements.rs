//! Random statements over a small schema: an index, a blob column, a table without rowids.

use io_sim::random::{Random, Stream};
use rusqlite::{Connection, params};

/// Creates what the statements use.
pub(super) const SCHEMA: &str = "
    CREATE TABLE IF NOT EXISTS t(id INTEGER PRIMARY KEY, a INTEGER, b BLOB);
    CREATE INDEX IF NOT EXISTS ta ON t(a);
    CREATE TABLE IF NOT EXISTS scratch(b BLOB);
    CREATE TABLE IF NOT EXISTS w(k TEXT PRIMARY KEY, v BLOB) WITHOUT ROWID;";

/// Runs `count` statements in one transaction; about one in ten rolls back. Whether it committed.
pub(super) fn transaction(connection: &mut Connection, seed: u64, count: u32) -> rusqlite::Result<bool> {
    let mut draw = Random::new(seed, Stream::Workload);
    let transaction = connection.transaction()?;
    for _ in 0..count {
        statement(&transaction, &mut draw)?;
    }
    if draw.ppm(100_000) {
        transaction.rollback()?;
        return Ok(false);
    }
    transaction.commit()?;
    Ok(true)
}

/// One transaction of many pages.
pub(super) fn huge(connection: &mut Connection, seed: u64, page_size: u32) -> rusqlite::Result<()> {
    let mut draw = Random::new(seed, Stream::Workload);
    let transaction = connection.transaction()?;
    let pages = 20 + draw.below(40);
    let bytes = (u64::from(page_size) * pages).min(HUGE_BYTES_MAX);
    for id in 0..4 {
        let mut blob = vec![0; (bytes / 4) as usize];
        draw.fill(&mut blob[..64]);
        transaction.execute("INSERT OR REPLACE INTO t VALUES(?, 7, ?)", params![9_000 + id, blob])?;
    }
    transaction.commit()
}

fn statement(connection: &Connection, draw: &mut Random) -> rusqlite::Result<()> {
    let (id, a) = (draw.below(400) as i64, draw.below(1000) as i64);
    match draw.below(13) {
        0..6 => {
            let blob = blob(draw, 900);
            let mut insert = connection.prepare_cached("INSERT OR REPLACE INTO t VALUES(?, ?, ?)")?;
            insert.execute(params![id, a, blob])?;
        }
        6..8 => {
            let mut update = connection.prepare_cached("UPDATE t SET a = ? WHERE id > ? AND id < ? + 9")?;
            update.execute(params![a, id, id])?;
        }
        8..10 => {
            let mut delete = connection.prepare_cached("DELETE FROM t WHERE id >= ? AND id < ? + 5")?;
            delete.execute(params![id, id])?;
        }
        // Pages that are gained and freed at once are never written: the database grows without frames for them.
        12 => {
            let bytes = draw.below(200_000) as i64;
            connection.execute("INSERT INTO scratch VALUES(zeroblob(?))", [bytes])?;
            connection.execute("DELETE FROM scratch", [])?;
        }
        _ => {
            let blob = blob(draw, 300);
            let mut insert = connection.prepare_cached("INSERT OR REPLACE INTO w VALUES(?, ?)")?;
            insert.execute(params![format!("key {}", id % 50), blob])?;
        }
    }
    Ok(())
}

fn blob(draw: &mut Random, bytes_max: u64) -> Vec<u8> {
    let mut blob = vec![0; draw.below(bytes_max) as usize];
    draw.fill(&mut blob);
    blob
}

const HUGE_BYTES_MAX: u64 = 600_000;
