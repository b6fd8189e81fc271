//! `PRAGMA integrity_check` on a file that must not change by it.

use rusqlite::{Connection, OpenFlags};
use std::path::Path;

/// What SQLite finds wrong with the database; empty if nothing.
///
/// Opened immutable: SQLite then takes no lock, looks for no WAL or journal and makes none, so that the file
/// stays what it is and nothing appears beside it. `vfs`: the name of the SQLite VFS, or SQLite's own.
pub(super) fn problems(vfs: Option<&str>, database: &Path) -> Vec<String> {
    check(vfs, database).unwrap_or_else(|error| vec![error.to_string()])
}

fn check(vfs: Option<&str>, database: &Path) -> rusqlite::Result<Vec<String>> {
    let flags =
        OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_URI | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = match vfs {
        Some(vfs) => Connection::open_with_flags_and_vfs(uri(database), flags, vfs)?,
        None => Connection::open_with_flags(uri(database), flags)?,
    };
    let mut statement = connection.prepare(&format!("PRAGMA integrity_check({PROBLEMS_MAX})"))?;
    let mut problems: Vec<String> = statement.query_map([], |row| row.get(0))?.collect::<Result<_, _>>()?;
    problems.retain(|problem| problem != "ok");
    Ok(problems)
}

/// Everything but letters and digits is escaped; bytes that are no UTF-8 come through.
fn uri(path: &Path) -> String {
    use std::os::unix::ffi::OsStrExt as _;
    let mut uri = String::from("file:");
    for byte in path.as_os_str().as_bytes() {
        match byte {
            b'/' | b'.' | b'-' | b'_' | b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' => {
                uri.push(char::from(*byte))
            }
            _ => uri.push_str(&format!("%{byte:02X}")),
        }
    }
    uri + "?immutable=1&mode=ro"
}

/// The first ones say enough.
const PROBLEMS_MAX: u32 = 10;
