//! What the files hold: pages, and what SQLite makes of them.

use rusqlite::{Connection, OpenFlags};
use std::path::Path;

/// Asserts that two database files are the same, page by page.
pub(crate) fn assert_same_pages(source: &Path, restored: &Path, page_size: u32) {
    let (expected, actual) = (std::fs::read(source).unwrap(), std::fs::read(restored).unwrap());
    let page_size = page_size as usize;
    assert_eq!(expected.len() % page_size, 0, "the source is not whole pages");
    assert_eq!(actual.len() / page_size, expected.len() / page_size, "pages");
    let pages = expected.chunks(page_size).zip(actual.chunks(page_size));
    let different: Vec<usize> =
        pages.zip(1..).filter(|((source, copy), _)| source != copy).map(|(_, pgno)| pgno).collect();
    assert_eq!(different, Vec::<usize>::new(), "pages that differ");
    assert_eq!(expected.len(), actual.len());
}

/// Asserts that SQLite finds nothing wrong, and gives the number of rows of the log, which have no gap.
pub(crate) fn rows_of_sound_database(path: &Path) -> i64 {
    let db = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_WRITE).unwrap();
    let verdict: String = db.query_row("PRAGMA integrity_check", [], |row| row.get(0)).unwrap();
    assert_eq!(verdict, "ok", "{}", path.display());
    let tables: i64 =
        db.query_row("SELECT count(*) FROM sqlite_master WHERE name = 'log'", [], |r| r.get(0)).unwrap();
    if tables == 0 {
        return 0;
    }
    let counted = "SELECT count(*), coalesce(max(id), 0) FROM log";
    let (count, newest): (i64, i64) =
        db.query_row(counted, [], |row| Ok((row.get(0)?, row.get(1)?))).unwrap();
    assert_eq!(count, newest, "{} holds a state that never was", path.display());
    count
}
