//! What the source's database file would hold if everything that is committed were in it.

use crate::real::application::Application;
use rusqlite::Connection;
use std::fs;
use std::path::{Path, PathBuf};

/// The bytes of the database as its newest transaction left it. Whoever replicates it need not be stopped.
pub(crate) fn image(application: &mut Application, database: &Path) -> Vec<u8> {
    let copy = tempfile::tempdir().unwrap();
    let file = copy.path().join("image.db");
    // While this transaction is open no frame can be overwritten: the two files belong together.
    application.run("read", &[]);
    fs::copy(database, &file).unwrap();
    if let Ok(log) = fs::read(beside(database, "-wal")) {
        fs::write(beside(&file, "-wal"), log).unwrap();
    }
    application.run("read_again", &[]);
    let connection = Connection::open(&file).unwrap();
    let busy: i64 = connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get(0)).unwrap();
    assert_eq!(busy, 0, "nobody else has the copy");
    drop(connection);
    fs::read(&file).unwrap()
}

fn beside(database: &Path, suffix: &str) -> PathBuf {
    let mut name = database.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}
