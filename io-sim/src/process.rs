//! A simulated process: it has a number, files, locks and SQLite connections, and it can die.

use crate::disk::{Pid, SimDisk};
use crate::sqlite_vfs::Vfs;
use rusqlite::Connection;

/// A process of one machine. Its SQLite connections are opened under [`Process::vfs_name`] and belong to the
/// caller; they go before the process does.
///
/// Dropping it is the process's end, whatever it had open.
pub struct Process {
    disk: SimDisk,
    pid: Pid,
    vfs: Vfs,
}

impl Process {
    /// Starts a process.
    ///
    /// # Panics
    /// When the machine has no power or no [`crate::sqlite_vfs::SqliteRun`] is under way.
    pub fn start(disk: &SimDisk) -> Process {
        let pid = disk.start_process();
        Process { disk: disk.clone(), pid, vfs: Vfs::register(disk, pid) }
    }

    /// Its number, for the file operations of [`SimDisk`].
    pub fn pid(&self) -> Pid {
        self.pid
    }

    /// Its disk.
    pub fn disk(&self) -> &SimDisk {
        &self.disk
    }

    /// The VFS under which its connections are opened.
    pub fn vfs_name(&self) -> &'static str {
        self.vfs.name().to_str().expect("the name is ASCII")
    }

    /// Opens a database to read and write, creating it.
    pub fn open(&self, path: &str) -> rusqlite::Result<Connection> {
        self.vfs.open(path)
    }

    /// Files that its SQLite connections have open.
    pub fn open_files(&self) -> usize {
        self.vfs.open_files()
    }

    /// Whether it lives; false after a kill that came at some operation, and after a power cut.
    pub fn is_alive(&self) -> bool {
        self.disk.is_alive(self.pid)
    }

    /// Kills it. Its handles and locks vanish, what it wrote stays, synced or not, and shared memory stays as
    /// it is at this moment (or when a kill struck before): `drop_connections` drops its connections, and
    /// what SQLite's clean-up does there is undone.
    ///
    /// # Panics
    /// When a connection of the process survives `drop_connections`: its clean-up would write to memory that
    /// living processes use.
    pub fn kill(self, drop_connections: impl FnOnce()) {
        self.disk.kill_in(self.pid, 0);
        drop_connections();
        assert_eq!(self.open_files(), 0, "a connection of a killed process is still open");
        let clean = self.disk.bury(self.pid);
        assert!(clean, "a killed process still maps shared memory");
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // Here and not an assertion: a failed run unwinds in any order.
        self.disk.bury(self.pid);
    }
}
