//! What an operator's shell does to a database's files, beside SQLite and beside the daemon.

use super::daemon::DATABASE;
use crate::oracle::image::{self, Image};
use crate::outcome::Violation;
use crate::plan::Way;
use io_sim::disk::{OpenMode, Pid, SimDisk};
use io_sim::process::Process;
use rusqlite::Connection;
use rusqlite::backup::Backup;
use rusqlite::config::DbConfig;

/// An operator at work: nothing fails, and no time passes.
pub(super) struct Operator {
    disk: SimDisk,
    process: Process,
}

pub(super) const WAL: &str = "/app/app.db-wal";
const SHM: &str = "/app/app.db-shm";
/// Where the files are looked at without disturbing them.
const SCRATCH: &str = "/operator/look.db";

impl Operator {
    /// At a machine's keyboard.
    pub(super) fn at(disk: &SimDisk) -> Operator {
        Operator { disk: disk.clone(), process: Process::start(disk) }
    }

    /// Puts an image in the database's place, while no application has it open; what the database is then. An operator
    /// who left the old WAL beside it and broke it that way does it again without. `before`: what it was.
    pub(super) fn replace(&self, way: Way, image: &[u8], before: &[u8]) -> Result<Image, Violation> {
        let keeps_wal = match way {
            Way::Copy { keeps_wal } | Way::Move { keeps_wal } => keeps_wal,
            Way::Backup => unreachable!("a backup goes through SQLite"),
        };
        self.place(way, image);
        if keeps_wal {
            // A log that was emptied must not come back, with a power cut, beside a file that it does not belong to.
            self.sync(WAL);
            // The log says how many pages there are, and says what was true before.
            let no_log = self.disk.peek_stat(WAL).is_none_or(|wal| wal.size_bytes == 0);
            // SQLite calls it corrupt, at the next checkpoint, where that is much more than the file holds.
            let plausible = |bytes: usize| bytes <= self.file_bytes() + 65536;
            if let Ok(found) = self.look()
                && (no_log || found.len() == before.len() && plausible(found.len()))
                && image::integrity(&found).is_ok()
            {
                return Ok(found);
            }
            self.place(way, image);
        }
        self.delete_companions();
        self.look()
    }

    /// Deletes `-wal` and `-shm`; what the database is then. When that broke it, `spare` is put in its place.
    pub(super) fn delete_wal(&self, spare: &[u8]) -> Result<Image, Violation> {
        self.delete_companions();
        // The log would have brought back what a checkpoint had not synced.
        self.sync(DATABASE);
        match self.look() {
            // A checkpoint that was under way may have made the file longer than its header says.
            Ok(found) if self.file_bytes() == found.len() && image::integrity(&found).is_ok() => Ok(found),
            _ => self.replace(Way::Copy { keeps_wal: false }, spare, spare),
        }
    }

    /// Deletes the database and what belongs to it.
    pub(super) fn delete_database(&self) {
        self.disk.calm(|| self.unlink(DATABASE));
        self.delete_companions();
    }

    /// Deletes every file of a directory.
    pub(super) fn delete_directory(&self, directory: &str) {
        self.disk.calm(|| {
            let inside = self.disk.list(self.pid(), &format!("{directory}/")).expect("calm");
            inside.iter().for_each(|path| self.unlink(path));
            self.disk.fsync_directory(self.pid(), directory).expect("calm");
        });
    }

    /// Copies every file of a directory from another disk.
    pub(super) fn copy_directory(&self, from: &SimDisk, directory: &str) {
        for path in from.peek_paths().iter().filter(|path| path.starts_with(&format!("{directory}/"))) {
            // Shared memory is not a file's content.
            if !path.ends_with("-shm") {
                self.write(path, &from.peek(path).expect("just listed"));
            }
        }
        self.disk.calm(|| self.disk.fsync_directory(self.pid(), directory).expect("calm"));
    }

    /// Writes an image over the database through SQLite's backup API, in one transaction.
    pub(super) fn back_up_over(&self, image: &[u8]) -> rusqlite::Result<()> {
        self.disk.calm(|| {
            let mut source = Connection::open_in_memory()?;
            let mut image = image.to_vec();
            // An image in memory cannot be in WAL mode.
            image[18..20].copy_from_slice(&[1, 1]);
            source.deserialize_read_exact("main", &image[..], image.len(), false)?;
            let mut target = self.process.open(DATABASE)?;
            target.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)?;
            target.execute_batch("PRAGMA wal_autocheckpoint = 0")?;
            Backup::new(&source, &mut target)?.step(-1).map(drop)
        })
    }

    /// What an application that opened the files now would find, when everybody else has let go of them.
    pub(super) fn look(&self) -> Result<Image, Violation> {
        let Some(database) = self.disk.peek(DATABASE) else { return Ok(Image::Copied(Vec::new())) };
        self.write(SCRATCH, &database);
        if let Some(wal) = self.disk.peek(WAL) {
            self.write(&format!("{SCRATCH}-wal"), &wal);
        }
        let found = image::observe(&self.process, SCRATCH);
        self.delete_directory("/operator");
        found
    }

    fn place(&self, way: Way, image: &[u8]) {
        match way {
            Way::Copy { .. } => self.write(DATABASE, image),
            Way::Move { .. } => {
                self.write("/app/copy.db", image);
                self.disk.calm(|| self.disk.rename(self.pid(), "/app/copy.db", DATABASE).expect("calm"));
            }
            Way::Backup => unreachable!("a backup goes through SQLite"),
        }
        self.disk.calm(|| self.disk.fsync_directory(self.pid(), "/app").expect("calm"));
    }

    fn write(&self, path: &str, bytes: &[u8]) {
        self.disk.calm(|| {
            let file = self.disk.open(self.pid(), path, OpenMode::Create).expect("calm");
            file.truncate(0).expect("calm");
            file.write_at(0, bytes).expect("calm");
            file.fsync().expect("calm");
        });
    }

    /// `sync`, if the file is there.
    fn sync(&self, path: &str) {
        self.disk.calm(|| {
            let file = self.disk.open(self.pid(), path, OpenMode::Existing);
            file.and_then(|file| file.fsync()).ok()
        });
    }

    fn delete_companions(&self) {
        self.disk.calm(|| {
            self.unlink(WAL);
            self.unlink(SHM);
            self.disk.fsync_directory(self.pid(), "/app").expect("calm");
        });
    }

    /// `rm -f`.
    fn unlink(&self, path: &str) {
        let _ = self.disk.unlink(self.pid(), path);
    }

    fn file_bytes(&self) -> usize {
        self.disk.peek_stat(DATABASE).map_or(0, |stat| stat.size_bytes as usize)
    }

    fn pid(&self) -> Pid {
        self.process.pid()
    }
}
