//! What applications do now and then: leave WAL mode, lock the file for themselves, change the page size, write pages
//! past SQLite's back.

use super::Application;
use rusqlite::Connection;

impl Application {
    /// Leaves WAL mode; whether it did. A power cut is survived without the WAL only with full synchronisation.
    pub fn leave_wal(&mut self) -> rusqlite::Result<bool> {
        self.reader = None;
        // A connection that knows the file without WAL mode says "delete" without a look at it.
        self.writer.query_row("SELECT count(*) FROM sqlite_schema", [], |_| Ok(()))?;
        let mode: String = self.writer.query_row("PRAGMA journal_mode = DELETE", [], |row| row.get(0))?;
        self.writer.execute_batch("PRAGMA synchronous = EXTRA")?;
        Ok(mode == "delete")
    }

    /// Comes back to WAL mode.
    pub fn enter_wal(&mut self) -> rusqlite::Result<()> {
        self.writer.query_row("PRAGMA journal_mode = WAL", [], |_| Ok(()))?;
        self.writer.pragma_update(None, "synchronous", self.synchronous)
    }

    /// Leaves WAL mode, changes the page size and comes back; whether it did.
    pub fn change_page_size(&mut self, page_size: u32) -> rusqlite::Result<bool> {
        let changed = self.leave_wal()?;
        if changed {
            self.page_size = page_size;
            self.writer.execute_batch(&format!("PRAGMA page_size = {page_size}; VACUUM"))?;
        }
        self.enter_wal()?;
        Ok(changed)
    }

    /// Wants the file for itself, and commits if it gets it; whether it did. Nobody can open the database until this
    /// connection is closed: refused, SQLite keeps the lock that it takes before the exclusive one.
    pub fn lock_exclusively(&mut self, seed: u64) -> rusqlite::Result<bool> {
        self.reader = None;
        self.writer.query_row("PRAGMA locking_mode = EXCLUSIVE", [], |_| Ok(()))?;
        self.transaction(seed, 3)
    }

    /// Adds pages of which only the last has a frame: the others are leaves of the list of free pages, and what they
    /// hold is whatever lies there. Whole-page tools write like this; whether it could be done here.
    pub fn grow_without_frames(&mut self, pages: u32, lock_page: u32) -> rusqlite::Result<bool> {
        self.writer.execute_batch("BEGIN IMMEDIATE")?;
        match grow(&self.writer, pages, lock_page) {
            Ok(true) => self.writer.execute_batch("COMMIT").map(|()| true),
            other => {
                self.writer.execute_batch("ROLLBACK")?;
                other
            }
        }
    }
}

fn grow(writer: &Connection, pages: u32, lock_page: u32) -> rusqlite::Result<bool> {
    let mode: String = writer.query_row("PRAGMA journal_mode", [], |row| row.get(0))?;
    let mut first: Vec<u8> =
        writer.query_row("SELECT data FROM sqlite_dbpage WHERE pgno = 1", [], |row| row.get(0))?;
    let old = number(&first, PAGE_COUNT);
    let last = old + pages;
    // SQLite calls a log corrupt that claims much more than file and frames can give.
    let plausible = u64::from(pages) * first.len() as u64 <= 65536 + 2 * first.len() as u64;
    // Pages of an auto_vacuum database have entries in pointer maps, too; and only a WAL has frames.
    if !plausible || mode != "wal" || number(&first, LARGEST_ROOT) != 0 || (old..=last).contains(&lock_page) {
        return Ok(false);
    }
    let mut trunk = vec![0; first.len()];
    trunk[..4].copy_from_slice(&first[FREE_TRUNK..FREE_TRUNK + 4]);
    trunk[4..8].copy_from_slice(&(pages - 1).to_be_bytes());
    for (at, leaf) in (old + 1..last).enumerate() {
        trunk[8 + at * 4..12 + at * 4].copy_from_slice(&leaf.to_be_bytes());
    }
    let free = number(&first, FREE_COUNT) + pages;
    for (at, value) in [(PAGE_COUNT, last), (FREE_TRUNK, last), (FREE_COUNT, free)] {
        first[at..at + 4].copy_from_slice(&value.to_be_bytes());
    }
    writer.execute("INSERT INTO sqlite_dbpage (pgno, data) VALUES (?1, ?2)", (last, trunk))?;
    writer.execute("UPDATE sqlite_dbpage SET data = ?1 WHERE pgno = 1", [first])?;
    Ok(true)
}

/// A number of the database header (SQLite's file format, section 1.3).
fn number(first: &[u8], at: usize) -> u32 {
    u32::from_be_bytes(first[at..at + 4].try_into().expect("four bytes"))
}

const PAGE_COUNT: usize = 28;
const FREE_TRUNK: usize = 32;
const FREE_COUNT: usize = 36;
const LARGEST_ROOT: usize = 52;
