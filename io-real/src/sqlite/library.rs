//! Which SQLite libraries may be used.

use engine::replicate::SourceError;
use rusqlite::Connection;

/// Refuses a library that loses frames or lacks what the pin needs.
pub(super) fn check(connection: &Connection) -> Result<(), SourceError> {
    let version = rusqlite::version_number();
    if !keeps_frames(version) {
        let why = format!(
            "SQLite {} has the WAL-reset bug, which loses commits when a checkpoint races a restart of the log: \
             use 3.51.3, 3.50.7 or 3.44.6, or later",
            rusqlite::version()
        );
        return Err(SourceError::Library(why.into()));
    }
    for option in OPTIONS {
        let has = connection
            .query_row("SELECT sqlite_compileoption_used(?1)", [option], |row| row.get::<_, bool>(0))
            .map_err(|e| SourceError::Library(format!("compile options: {e}").into()))?;
        if !has {
            let why = format!("SQLite {} was built without SQLITE_{option}", rusqlite::version());
            return Err(SourceError::Library(why.into()));
        }
    }
    Ok(())
}

/// Whether the WAL-reset bug is fixed in this version (SQLite's release notes of 3.51.3, 3.50.7 and 3.44.6).
fn keeps_frames(version: i32) -> bool {
    version >= 3_051_003
        || (3_050_007..3_051_000).contains(&version)
        || (3_044_006..3_045_000).contains(&version)
}

/// Snapshots tell the committed end; `sqlite_dbpage` writes replicas.
const OPTIONS: [&str; 2] = ["ENABLE_SNAPSHOT", "ENABLE_DBPAGE_VTAB"];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_with_the_reset_bug_are_refused() {
        for bad in [3_007_000, 3_044_005, 3_045_000, 3_050_006, 3_051_000, 3_051_002] {
            assert!(!keeps_frames(bad), "{bad}");
        }
        for good in [3_044_006, 3_044_999, 3_050_007, 3_051_003, 3_054_001, 4_000_000] {
            assert!(keeps_frames(good), "{good}");
        }
    }

    #[test]
    fn bundled_library_is_suitable() {
        check(&Connection::open_in_memory().unwrap()).unwrap();
    }
}
