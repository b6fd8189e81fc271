//! What a process that opens a database now would find: by it oracles tell whether they have to look again.

use super::inode::Ino;
use super::machine::Machine;
use super::sim_disk::SimDisk;

/// The files of one database, and its shared memory, at one moment. Two views are equal only where a fresh connection would
/// read the same pages.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DatabaseView {
    /// Of the database, its WAL and its rollback journal.
    files: [Option<Version>; 3],
    /// Words of the wal-index, region by region; none where nobody maps it.
    index: Option<Vec<u64>>,
}

/// Which file a name leads to, and how often its content changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Version {
    ino: Ino,
    changes: u64,
}

impl SimDisk {
    /// What a process that opens the database now would find; no operation, no fault, no trace.
    pub fn view(&self, path: &str) -> DatabaseView {
        let machine = self.0.lock();
        let shm = machine.directory.lookup(&format!("{path}-shm"));
        let memory = shm.and_then(|ino| machine.shm.memory_of_file(ino));
        DatabaseView {
            files: ["", "-wal", "-journal"].map(|end| version(&machine, &format!("{path}{end}"))),
            index: memory.map(|memory| memory.index_words()),
        }
    }

    /// Frames of its log that are committed, as its wal-index says; `None` where nobody maps that.
    pub fn committed_frames(&self, path: &str) -> Option<u32> {
        let machine = self.0.lock();
        let shm = machine.directory.lookup(&format!("{path}-shm"))?;
        machine.shm.memory_of_file(shm)?.word(MX_FRAME)
    }
}

/// `WalIndexHdr.mxFrame`, in words of 32 bits.
const MX_FRAME: usize = 4;

fn version(machine: &Machine, path: &str) -> Option<Version> {
    let ino = machine.directory.lookup(path)?;
    Some(Version { ino, changes: machine.inode(ino).changes })
}
