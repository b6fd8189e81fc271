//! Local state to rows and back.

use super::key::path_of;
use super::restored;
use engine::db::PageSums;
use engine::replicate::{CachedSums, Confirmed, LocalState, PendingRecord, StateChange};
use engine::store::Sha256;
use engine::types::{Checksum, FrameChecksum, NodeId, PageSize, Salts, Txid, WalPosition};
use rusqlite::types::Type;
use rusqlite::{CachedStatement, Connection, Error, OptionalExtension as _, Row, params};

/// Reads all of one database but what a restore left; nothing is known of one that was never saved.
pub(super) fn load(connection: &Connection, key: &str) -> rusqlite::Result<LocalState> {
    let found = connection
        .prepare_cached("SELECT id, fenced_by FROM database WHERE key = ?1")?
        .query_row([key], |row| Ok((row.get::<_, i64>(0)?, row.get::<_, Option<i64>>(1)?)))
        .optional()?;
    let Some((database, fenced_by)) = found else { return Ok(LocalState::default()) };
    Ok(LocalState {
        own: own(connection, database)?,
        confirmed: confirmed(connection, database)?,
        pending: pending(connection, database)?,
        sums: sums(connection, database)?,
        fenced_by: fenced_by.map(|id| node(1, id)).transpose()?,
        restored: None,
    })
}

/// Writes a change of one database; the caller's transaction makes it atomic.
pub(super) fn save(connection: &Connection, key: &str, change: &StateChange) -> rusqlite::Result<()> {
    connection.prepare_cached("INSERT OR IGNORE INTO database (key) VALUES (?1)")?.execute([key])?;
    let database: i64 = connection
        .prepare_cached("SELECT id FROM database WHERE key = ?1")?
        .query_row([key], |row| row.get(0))?;
    if let Some(node) = change.add_own {
        save_own(connection, database, node)?;
    }
    if let Some(record) = &change.add_pending {
        connection.prepare_cached("INSERT OR IGNORE INTO pending VALUES (?1, ?2, ?3, ?4)")?.execute(
            params![database, bits(record.txid.into_inner()), bits(record.node.get()), record.sha256.0,],
        )?;
    }
    if let Some(confirmed) = &change.confirmed {
        save_confirmed(connection, database, confirmed)?;
    }
    if let Some(cached) = &change.sums {
        save_sums(connection, database, cached)?;
        restored::delete(connection, path_of(key))?;
    }
    if let Some(node) = change.fenced_by {
        connection
            .prepare_cached("UPDATE database SET fenced_by = ?2 WHERE id = ?1")?
            .execute(params![database, bits(node.get())])?;
    }
    Ok(())
}

/// Forgets all of one database.
pub(super) fn delete(connection: &Connection, key: &str) -> rusqlite::Result<()> {
    // The rows that refer to a database go before it does.
    for table in ["own", "confirmed", "pending", "sums", "chunk"] {
        let rows = format!("DELETE FROM {table} WHERE database = (SELECT id FROM database WHERE key = ?1)");
        connection.execute(&rows, [key])?;
    }
    connection.execute("DELETE FROM database WHERE key = ?1", [key])?;
    Ok(())
}

fn save_own(connection: &Connection, database: i64, node: NodeId) -> rusqlite::Result<()> {
    connection
        .prepare_cached("INSERT OR IGNORE INTO own (database, node) VALUES (?1, ?2)")?
        .execute(params![database, bits(node.get())])?;
    connection
        .prepare_cached(
            "DELETE FROM own WHERE database = ?1 AND id NOT IN
             (SELECT id FROM own WHERE database = ?1 ORDER BY id DESC LIMIT ?2)",
        )?
        .execute(params![database, OWN_MAX])?;
    Ok(())
}

fn save_confirmed(connection: &Connection, database: i64, slot: &Confirmed) -> rusqlite::Result<()> {
    connection
        .prepare_cached("INSERT OR REPLACE INTO confirmed VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)")?
        .execute(params![
            database,
            bits(slot.txid.into_inner()),
            bits(slot.after.into_inner()),
            slot.wal.salts.0,
            slot.wal.salts.1,
            slot.wal.frames,
            slot.wal.checksum.0,
            slot.wal.checksum.1,
            slot.page_size.into_inner(),
            slot.pages,
        ])?;
    // TXIDs are far below 2^63, so their order is that of the signed numbers.
    connection
        .prepare_cached("DELETE FROM pending WHERE database = ?1 AND txid <= ?2")?
        .execute(params![database, bits(slot.txid.into_inner())])?;
    Ok(())
}

fn save_sums(connection: &Connection, database: i64, cached: &CachedSums) -> rusqlite::Result<()> {
    connection.prepare_cached("INSERT OR REPLACE INTO sums VALUES (?1, ?2, ?3, ?4, ?5)")?.execute(
        params![
            database,
            bits(cached.txid.into_inner()),
            cached.page_size.into_inner(),
            cached.sums.page_count(),
            bits(cached.sums.checksum().into_inner()),
        ],
    )?;
    connection
        .prepare_cached("DELETE FROM chunk WHERE database = ?1 AND chunk >= ?2")?
        .execute(params![database, cached.sums.chunk_count()])?;
    let mut write = connection.prepare_cached("INSERT OR REPLACE INTO chunk VALUES (?1, ?2, ?3)")?;
    for chunk in cached.sums.dirty_chunks() {
        write.execute(params![database, chunk, cached.sums.chunk(chunk)])?;
    }
    Ok(())
}

fn own(connection: &Connection, database: i64) -> rusqlite::Result<Vec<NodeId>> {
    connection
        .prepare_cached("SELECT node FROM own WHERE database = ?1 ORDER BY id")?
        .query_map([database], |row| node(0, row.get(0)?))?
        .collect()
}

fn confirmed(connection: &Connection, database: i64) -> rusqlite::Result<Option<Confirmed>> {
    connection
        .prepare_cached(
            "SELECT txid, after, salt_1, salt_2, frames, checksum_1, checksum_2, page_size, pages
             FROM confirmed WHERE database = ?1",
        )?
        .query_row([database], |row| {
            Ok(Confirmed {
                txid: txid(row, 0)?,
                after: checksum(row, 1)?,
                wal: WalPosition {
                    salts: Salts(row.get(2)?, row.get(3)?),
                    frames: row.get(4)?,
                    checksum: FrameChecksum(row.get(5)?, row.get(6)?),
                },
                page_size: page_size(row, 7)?,
                pages: row.get(8)?,
            })
        })
        .optional()
}

fn pending(connection: &Connection, database: i64) -> rusqlite::Result<Vec<PendingRecord>> {
    connection
        .prepare_cached("SELECT txid, node, sha256 FROM pending WHERE database = ?1 ORDER BY txid")?
        .query_map([database], |row| {
            Ok(PendingRecord {
                txid: txid(row, 0)?,
                node: node(1, row.get(1)?)?,
                sha256: Sha256(row.get(2)?),
            })
        })?
        .collect()
}

/// The page checksums, if the chunks are all there and together give what was saved.
fn sums(connection: &Connection, database: i64) -> rusqlite::Result<Option<CachedSums>> {
    let head = connection
        .prepare_cached("SELECT txid, page_size, pages, checksum FROM sums WHERE database = ?1")?
        .query_row([database], |row| {
            Ok((txid(row, 0)?, page_size(row, 1)?, row.get::<_, u32>(2)?, checksum(row, 3)?))
        })
        .optional()?;
    let Some((txid, page_size, pages, checksum)) = head else { return Ok(None) };
    let count = connection.prepare_cached("SELECT count(*) FROM chunk WHERE database = ?1")?;
    let chunks = connection.prepare_cached("SELECT chunk, sums FROM chunk WHERE database = ?1")?;
    let sums = sums_of_chunks((count, chunks), database, pages, checksum)?;
    Ok(sums.map(|sums| CachedSums { txid, page_size, sums }))
}

/// Page checksums, if all their chunks are there and together give what was saved. `count` and `chunks` ask for the
/// chunks of `owner`.
pub(super) fn sums_of_chunks(
    (mut count, mut chunks): (CachedStatement<'_>, CachedStatement<'_>),
    owner: i64,
    pages: u32,
    checksum: Checksum,
) -> rusqlite::Result<Option<PageSums>> {
    let stored: u32 = count.query_row([owner], |row| row.get(0))?;
    // Before anything of that size is allocated.
    if stored != pages.div_ceil(engine::db::CHUNK_PAGES) {
        return Ok(None);
    }
    let mut sums = PageSums::unknown(pages);
    let mut rows = chunks.query([owner])?;
    while let Some(row) = rows.next()? {
        let bytes = row.get_ref(1)?.as_blob()?;
        if sums.load_chunk(row.get(0)?, bytes).is_err() {
            return Ok(None);
        }
    }
    Ok((sums.checksum() == checksum).then_some(sums))
}

pub(super) fn bits(number: u64) -> i64 {
    number.cast_signed()
}

pub(super) fn txid(row: &Row<'_>, column: usize) -> rusqlite::Result<Txid> {
    Txid::new(row.get::<_, i64>(column)?.cast_unsigned()).map_err(|_| illegal(column))
}

fn node(column: usize, bits: i64) -> rusqlite::Result<NodeId> {
    NodeId::new(bits.cast_unsigned()).ok_or_else(|| illegal(column))
}

pub(super) fn checksum(row: &Row<'_>, column: usize) -> rusqlite::Result<Checksum> {
    let bits = row.get::<_, i64>(column)?.cast_unsigned();
    let checksum = Checksum::new(bits);
    if checksum.into_inner() == bits { Ok(checksum) } else { Err(illegal(column)) }
}

pub(super) fn page_size(row: &Row<'_>, column: usize) -> rusqlite::Result<PageSize> {
    let bytes: u32 = row.get(column)?;
    if !bytes.is_power_of_two() {
        return Err(illegal(column));
    }
    PageSize::new(bytes).map_err(|_| illegal(column))
}

/// A number that no walsync wrote.
pub(super) fn illegal(column: usize) -> Error {
    Error::FromSqlConversionFailure(column, Type::Integer, "illegal value".into())
}

/// Lives of which the ids are kept: an object of an older one is not the newest any more.
pub(super) const OWN_MAX: u32 = 4096;
