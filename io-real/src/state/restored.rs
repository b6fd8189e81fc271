//! What restores leave, to rows and back.

use super::rows::{bits, checksum, illegal, page_size, sums_of_chunks, txid};
use engine::manifest::DatabaseId;
use engine::replicate::{CachedSums, FileId, RestoreProof};
use engine::types::{Checksum, PageSize, Txid};
use rusqlite::{Connection, OptionalExtension as _, Row, params};

/// What the last restore to a path left, if its page checksums are all there.
pub(super) fn load(connection: &Connection, path: &str) -> rusqlite::Result<Option<RestoreProof>> {
    let found = connection
        .prepare_cached(
            "SELECT id, history, inode, born_ns, txid, page_size, pages, checksum FROM restored WHERE path = ?1",
        )?
        .query_row([path], head)
        .optional()?;
    let Some(Head { id, database, file, txid, page_size, pages, checksum }) = found else { return Ok(None) };
    let count = connection.prepare_cached("SELECT count(*) FROM restored_chunk WHERE restored = ?1")?;
    let chunks = connection.prepare_cached("SELECT chunk, sums FROM restored_chunk WHERE restored = ?1")?;
    let Some(mut sums) = sums_of_chunks((count, chunks), id, pages, checksum)? else { return Ok(None) };
    // The database's own cache has none of them.
    (0..sums.chunk_count()).for_each(|chunk| sums.mark_dirty(chunk));
    Ok(Some(RestoreProof { database, file, cached: CachedSums { txid, page_size, sums } }))
}

/// Keeps what a restore left, instead of what the last one to this path did. Of all that is kept the oldest goes
/// where it becomes too much.
pub(super) fn save(connection: &Connection, path: &str, proof: &RestoreProof) -> rusqlite::Result<()> {
    delete(connection, path)?;
    let RestoreProof { database, file, cached: CachedSums { txid, page_size, sums } } = proof;
    connection.execute(
        "INSERT INTO restored (path, history, inode, born_ns, txid, page_size, pages, checksum)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
        params![
            path,
            database.map(|id| id.to_string()),
            bits(file.inode),
            file.born_ns,
            bits(txid.into_inner()),
            page_size.into_inner(),
            sums.page_count(),
            bits(sums.checksum().into_inner()),
        ],
    )?;
    let id = connection.last_insert_rowid();
    let mut write = connection.prepare_cached("INSERT INTO restored_chunk VALUES (?1, ?2, ?3)")?;
    for chunk in 0..sums.chunk_count() {
        write.execute(params![id, chunk, sums.chunk(chunk)])?;
    }
    let mut too_old = connection.prepare_cached(
        "SELECT path FROM (SELECT id, path, sum(pages + ?2) OVER (ORDER BY id DESC) AS pages FROM restored)
         WHERE pages > ?1 AND id <> ?3",
    )?;
    let paths = too_old.query_map([PAGES_MAX, engine::db::CHUNK_PAGES.into(), id], |row| row.get(0))?;
    let paths: Vec<String> = paths.collect::<rusqlite::Result<_>>()?;
    paths.iter().try_for_each(|path| delete(connection, path))
}

/// Forgets what the last restore to a path left.
pub(super) fn delete(connection: &Connection, path: &str) -> rusqlite::Result<()> {
    connection
        .prepare_cached(
            "DELETE FROM restored_chunk WHERE restored = (SELECT id FROM restored WHERE path = ?1)",
        )?
        .execute([path])?;
    connection.prepare_cached("DELETE FROM restored WHERE path = ?1")?.execute([path])?;
    Ok(())
}

/// A row without its checksums.
struct Head {
    id: i64,
    database: Option<DatabaseId>,
    file: FileId,
    txid: Txid,
    page_size: PageSize,
    pages: u32,
    checksum: Checksum,
}

fn head(row: &Row<'_>) -> rusqlite::Result<Head> {
    let history: Option<String> = row.get(1)?;
    Ok(Head {
        id: row.get(0)?,
        database: history.map(|text| DatabaseId::parse(&text).ok_or_else(|| illegal(1))).transpose()?,
        file: FileId { inode: row.get::<_, i64>(2)?.cast_unsigned(), born_ns: row.get(3)? },
        txid: txid(row, 4)?,
        page_size: page_size(row, 5)?,
        pages: row.get(6)?,
        checksum: checksum(row, 7)?,
    })
}

/// Pages whose checksums are kept for all restores together, a chunk more for each: 256 MiB, of 128 GiB of databases
/// with pages of 4 KiB. Restores to paths that are never watched must not fill the disk.
pub(super) const PAGES_MAX: i64 = 1 << 25;
