//! `version`: what this program is made of.

use crate::exit::{Failure, Kind};
use crate::output::Printer;
use rusqlite::Connection;
use serde::Serialize;

/// What `version --verbose` says.
#[derive(Debug, Serialize)]
struct Parts {
    version: &'static str,
    sqlite_version: String,
    sqlite_source_id: String,
    ltx_version: u32,
    sqlite_options: Vec<SqliteOption>,
}

/// A compile option of SQLite that some command needs.
#[derive(Debug, Serialize)]
struct SqliteOption {
    name: &'static str,
    needed_for: &'static str,
    present: bool,
}

/// Prints the version, with `verbose` also those of SQLite and of the format.
///
/// # Errors
/// Exit 70 if SQLite does not say what it is.
pub(super) fn run(verbose: bool, printer: &Printer) -> Result<(), Failure> {
    if !verbose {
        return if printer.is_json() {
            printer.document(&serde_json::json!({ "version": VERSION }))
        } else {
            printer.data(format!("walsync {VERSION}"))
        };
    }
    let parts = Parts::look()
        .map_err(|error| Failure::new(Kind::Bug, "SQLite does not say what it is").because(&error))?;
    if printer.is_json() { printer.document(&parts) } else { printer.data(parts.text()) }
}

impl Parts {
    /// Asks the SQLite that is linked.
    fn look() -> rusqlite::Result<Parts> {
        let connection = Connection::open_in_memory()?;
        let mut statement = connection.prepare("PRAGMA compile_options")?;
        let options: Vec<String> =
            statement.query_map([], |row| row.get(0))?.collect::<rusqlite::Result<_>>()?;
        let present = |name: &str| options.iter().any(|option| option == name);
        Ok(Parts {
            version: VERSION,
            sqlite_version: rusqlite::version().to_owned(),
            sqlite_source_id: connection.query_row("SELECT sqlite_source_id()", [], |row| row.get(0))?,
            ltx_version: LTX_VERSION,
            sqlite_options: NEEDED_OPTIONS
                .iter()
                .map(|(name, needed_for)| SqliteOption { name, needed_for, present: present(name) })
                .collect(),
        })
    }

    fn text(&self) -> String {
        let mut lines = vec![
            format!("walsync {}", self.version),
            format!("sqlite {} ({})", self.sqlite_version, self.sqlite_source_id),
            format!("ltx version {}", self.ltx_version),
        ];
        lines.extend(self.sqlite_options.iter().map(|option| {
            let found = if option.present { "yes" } else { "MISSING" };
            format!("sqlite option {}: {found} (for {})", option.name, option.needed_for)
        }));
        lines.join("\n")
    }
}

const VERSION: &str = env!("CARGO_PKG_VERSION");
/// Written by Litestream 0.5; version 1 is only read.
const LTX_VERSION: u32 = 3;
const NEEDED_OPTIONS: [(&str, &str); 2] = [
    ("ENABLE_SNAPSHOT", "the committed end of a WAL"),
    ("ENABLE_DBPAGE_VTAB", "applying pages to a replica"),
];
