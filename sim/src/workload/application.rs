//! One application: a process with a writer, sometimes a long reader.

use super::statements;
use crate::settings::Settings;
use io_sim::disk::SimDisk;
use io_sim::process::Process;
use rusqlite::Connection;

/// A living application.
pub struct Application {
    // Connections go before the process: fields drop in order.
    pub(super) writer: Connection,
    pub(super) reader: Option<Connection>,
    process: Process,
    pub(super) page_size: u32,
    pub(super) synchronous: u32,
}

impl Application {
    /// Starts it, creating the database and its schema where missing.
    pub fn start(disk: &SimDisk, path: &str, settings: &Settings) -> rusqlite::Result<Application> {
        let process = Process::start(disk);
        let bytes = |path: &str| disk.peek_stat(path).map_or(0, |file| file.size_bytes);
        let without_log = bytes(path) > 0 && bytes(&format!("{path}-wal")) == 0;
        let auto_vacuum = if without_log { String::new() } else { auto_vacuum(settings) };
        let writer = connect(&process, path, settings, &auto_vacuum)?;
        if without_log {
            // Its log may have been deleted, and its schema with it, beside a daemon that follows. Where memory ends
            // that one may cut between any two transactions, but the oracles look only when all of this is done. (To
            // set `auto_vacuum` is a transaction, too; what is left of the database knows it.)
            writer.execute_batch(&format!("BEGIN; {} COMMIT;", statements::SCHEMA))?;
        } else {
            writer.execute_batch(statements::SCHEMA)?;
        }
        let (page_size, synchronous) = (settings.page_size, settings.synchronous);
        Ok(Application { writer, reader: None, process, page_size, synchronous })
    }

    /// Its process.
    pub fn process(&self) -> &Process {
        &self.process
    }

    /// A random transaction; whether it committed. An error leaves nothing open, and the outcome unknown.
    pub fn transaction(&mut self, seed: u64, statements: u32) -> rusqlite::Result<bool> {
        statements::transaction(&mut self.writer, seed, statements)
    }

    /// A transaction of many pages.
    pub fn huge(&mut self, seed: u64) -> rusqlite::Result<()> {
        statements::huge(&mut self.writer, seed, self.page_size)
    }

    /// Deletes most rows.
    pub fn delete_most(&mut self) -> rusqlite::Result<()> {
        self.writer.execute_batch("DELETE FROM t WHERE id % 5 != 0")
    }

    /// `VACUUM`.
    pub fn vacuum(&mut self) -> rusqlite::Result<()> {
        self.writer.execute_batch("VACUUM")
    }

    /// `PRAGMA incremental_vacuum`.
    pub fn incremental_vacuum(&mut self) -> rusqlite::Result<()> {
        self.writer.execute_batch("PRAGMA incremental_vacuum")
    }

    /// A checkpoint of its own; whether it came through whole.
    pub fn checkpoint(&mut self, mode: u8) -> rusqlite::Result<bool> {
        let mode = ["PASSIVE", "FULL", "RESTART", "TRUNCATE"][usize::from(mode % 4)];
        let busy: i64 =
            self.writer.query_row(&format!("PRAGMA wal_checkpoint({mode})"), [], |row| row.get(0))?;
        Ok(busy == 0)
    }

    /// Opens a read transaction, or ends the one that is open.
    pub fn toggle_reader(&mut self, path: &str) -> rusqlite::Result<()> {
        if self.reader.take().is_none() {
            let reader = self.process.open(path)?;
            reader.execute_batch("BEGIN; SELECT count(*) FROM t;")?;
            self.reader = Some(reader);
        }
        Ok(())
    }

    /// Ends the read transaction that is open, if one is.
    pub fn end_reader(&mut self) -> rusqlite::Result<()> {
        self.reader = None;
        Ok(())
    }

    /// Bytes per page.
    pub fn page_size(&self) -> rusqlite::Result<u32> {
        self.writer.query_row("PRAGMA page_size", [], |row| row.get(0))
    }

    /// Closes its connections in order.
    pub fn close(self) {
        drop(self.reader);
        drop(self.writer);
        drop(self.process);
    }

    /// Dies.
    pub fn kill(self) {
        let Application { writer, reader, process, .. } = self;
        process.kill(move || drop((reader, writer)));
    }
}

fn auto_vacuum(settings: &Settings) -> String {
    format!("PRAGMA auto_vacuum = {};", settings.auto_vacuum)
}

fn connect(
    process: &Process,
    path: &str,
    settings: &Settings,
    auto_vacuum: &str,
) -> rusqlite::Result<Connection> {
    let writer = process.open(path)?;
    writer.busy_timeout(std::time::Duration::from_millis(200))?;
    writer.execute_batch(&format!(
        "PRAGMA page_size = {}; {auto_vacuum} PRAGMA journal_mode = wal; PRAGMA synchronous = {}; \
         PRAGMA wal_autocheckpoint = {}; PRAGMA cache_size = {};",
        settings.page_size, settings.synchronous, settings.autocheckpoint, settings.cache_pages
    ))?;
    Ok(writer)
}
