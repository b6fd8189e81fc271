//! The handle to a simulated disk, for the runner, the oracles and everything that is not SQLite.

use super::error::{DiskError, DiskResult};
use super::file::{OpenMode, SimFile};
use super::machine::{FaultKind, HandleId, Machine, OpenRequest};
use super::stat::{DiskStats, FileStat};
use super::{Level, Pid, ShmAction, ShmRange};
use crate::clock::SimClock;
use crate::faults::{CrashPolicy, DiskFaults};
use crate::shared::Shared;
use crate::sqlite_vfs::SharedMemory;
use crate::trace::Trace;
use std::sync::Arc;
use std::time::Duration;

/// The disk of one machine, and the machine itself as far as power and processes go. Cloning gives another
/// handle to the same disk.
#[derive(Clone)]
pub struct SimDisk(pub(super) Shared<Machine>);

impl SimDisk {
    /// An empty disk. `machine` (below 65536) tells the machines of one world apart; it is the device number.
    pub fn new(seed: u64, machine: u32, clock: &SimClock, trace: &Trace) -> SimDisk {
        SimDisk(Shared::new(Machine::new(seed, machine, clock, trace)))
    }

    /// The machine's clock.
    pub fn clock(&self) -> SimClock {
        self.0.lock().clock.clone()
    }

    /// What happened so far.
    pub fn stats(&self) -> DiskStats {
        self.0.lock().stats
    }
}

/// What goes wrong.
impl SimDisk {
    /// Sets the faults of every process that has none of its own.
    pub fn set_faults(&self, faults: DiskFaults) {
        self.0.lock().faults_default = faults;
    }

    /// Sets the faults of one process.
    pub fn set_faults_of(&self, pid: Pid, faults: DiskFaults) {
        self.0.lock().faults.insert(pid, faults);
    }

    /// Sets what power cuts leave.
    ///
    /// # Panics
    /// Unless the sector is a power of two from 512 on.
    pub fn set_crash_policy(&self, policy: CrashPolicy) {
        assert!(policy.sector_bytes >= 512 && policy.sector_bytes.is_power_of_two());
        self.0.lock().crash_policy = policy;
    }

    /// Limits the bytes of all files; `None` is no limit.
    pub fn set_capacity_bytes(&self, capacity_bytes: Option<u64>) {
        self.0.lock().capacity_bytes = capacity_bytes;
    }

    /// Bytes of all files.
    pub fn used_bytes(&self) -> u64 {
        self.0.lock().used_bytes()
    }

    /// Whether the numbers of deleted files are given to new ones at once.
    pub fn set_reuse_inodes(&self, reuse: bool) {
        self.0.lock().reuse_inodes = reuse;
    }

    /// Lets `work` go on, also through SQLite, while no fault strikes and no time passes; its operations do not count
    /// towards a power cut or a kill.
    pub fn calm<T>(&self, work: impl FnOnce() -> T) -> T {
        let before = std::mem::replace(&mut self.0.lock().calm, true);
        let _restore = Calm { disk: self, before };
        work()
    }

    /// Lets an oracle look, in the same calm. What it reads and locks is left out of the trace; what SQLite changes when it
    /// opens a database (a journal is rolled back, a wal-index made) is not.
    pub fn unseen<T>(&self, look: impl FnOnce() -> T) -> T {
        let trace = self.0.lock().trace.clone();
        let before = trace.set_unseen(true);
        let _restore = Unseen { trace, before };
        self.calm(look)
    }

    /// Cuts the power at the nth operation from now, which fails like everything after it; 0 is now.
    pub fn cut_power_in(&self, operations: u64) {
        let mut machine = self.0.lock();
        if operations == 0 {
            machine.cut_power();
        } else {
            machine.cut_power_in = Some(operations);
        }
    }

    /// Takes a power cut back that has not come.
    pub fn spare_power(&self) {
        self.0.lock().cut_power_in = None;
    }

    /// Whether the machine has power.
    pub fn is_powered(&self) -> bool {
        self.0.lock().powered
    }

    /// Cuts the power, if it is on, and starts the machine again: every process is dead, and what no fsync
    /// covered is kept, torn or dropped by the [`CrashPolicy`].
    pub fn power_cycle(&self) {
        self.0.lock().power_cycle();
    }

    /// Flips one bit of a file's content on the medium; false when there is none that is durable.
    pub fn rot(&self, path: &str) -> bool {
        let mut machine = self.0.lock();
        let Some(ino) = machine.directory.lookup(path) else { return false };
        let size = machine.inode(ino).live.len().min(machine.inode(ino).durable.len());
        if size == 0 {
            return false;
        }
        let bit = machine.dice.of(FaultKind::Rot as u32).below_usize(size * 8);
        let inode = machine.inode_mut(ino);
        inode.live[bit / 8] ^= 1 << (bit % 8);
        inode.changes += 1;
        inode.durable[bit / 8] ^= 1 << (bit % 8);
        machine.stats.faults += 1;
        machine.trace.record("rot", path, &[("bit", bit as u64)], &[]);
        true
    }
}

/// Processes.
impl SimDisk {
    /// A new process; it lives until it is killed or the power goes.
    pub(crate) fn start_process(&self) -> Pid {
        self.0.lock().start_process()
    }

    /// Whether a process lives.
    pub fn is_alive(&self, pid: Pid) -> bool {
        self.0.lock().check_alive(pid).is_ok()
    }

    /// Kills a process at its nth operation from now, which fails like everything after it; 0 is now. The
    /// process's owner finds out and buries it ([`crate::process::Process::kill`]) before others go on.
    pub fn kill_in(&self, pid: Pid, operations: u64) {
        let mut machine = self.0.lock();
        if operations == 0 {
            machine.strike_dead(pid);
        } else {
            machine.kill_process_in(pid, Some(operations));
        }
    }

    /// Takes a kill back that has not come.
    pub fn spare(&self, pid: Pid) {
        self.0.lock().kill_process_in(pid, None);
    }

    pub(crate) fn bury(&self, pid: Pid) -> bool {
        self.0.lock().bury(pid)
    }
}

/// Files, as a process uses them without SQLite. Each call is one operation of that process.
impl SimDisk {
    /// Opens a file.
    pub fn open(&self, pid: Pid, path: &str, mode: OpenMode) -> DiskResult<SimFile> {
        let request = OpenRequest {
            path: Some(path),
            create: mode != OpenMode::Existing,
            exclusive: mode == OpenMode::New,
            delete_on_close: false,
            plain: true,
        };
        let (handle, _) = self.0.lock().open(pid, request)?;
        Ok(SimFile::new(self.clone(), handle))
    }

    /// Removes a name.
    pub fn unlink(&self, pid: Pid, path: &str) -> DiskResult<()> {
        self.0.lock().unlink(pid, path)
    }

    /// Moves a name, over an existing one too, in one step.
    pub fn rename(&self, pid: Pid, from: &str, to: &str) -> DiskResult<()> {
        self.0.lock().rename(pid, from, to)
    }

    /// Moves a name, unless the new one is taken, in one step.
    pub fn rename_to_new(&self, pid: Pid, from: &str, to: &str) -> DiskResult<()> {
        let mut machine = self.0.lock();
        let names = [from, to].map(|path| machine.directory.lookup(path).is_some());
        // What is not there is said first, as Linux does.
        if names == [true, true] {
            machine.operation(pid)?;
            return Err(DiskError::Exists);
        }
        machine.rename(pid, from, to)
    }

    /// What a path names; [`DiskError::NotFound`] when nothing.
    pub fn stat(&self, pid: Pid, path: &str) -> DiskResult<FileStat> {
        self.0.lock().stat(pid, path)?.ok_or(DiskError::NotFound)
    }

    /// Makes the names in a directory durable. `/` is the top.
    pub fn fsync_directory(&self, pid: Pid, directory: &str) -> DiskResult<()> {
        self.0.lock().fsync_directory(pid, directory)
    }

    /// The paths that start with `prefix`, in order.
    pub fn list(&self, pid: Pid, prefix: &str) -> DiskResult<Vec<String>> {
        let mut machine = self.0.lock();
        machine.operation(pid)?;
        let paths = machine.directory.paths().map(|(path, _)| path);
        Ok(paths.filter(|path| path.starts_with(prefix)).map(str::to_owned).collect())
    }

    /// Takes the advisory lock of a whole file for this process, creating the file; as `flock` without
    /// waiting. It lasts until [`SimDisk::unlock`] or the process's end.
    pub fn lock_exclusive(&self, pid: Pid, path: &str) -> DiskResult<()> {
        let mut machine = self.0.lock();
        machine.operation(pid)?;
        let ino = match machine.directory.lookup(path) {
            Some(ino) => ino,
            None => {
                let ino = machine.new_inode();
                machine.directory.link(path, ino);
                ino
            }
        };
        let granted = machine.locks.lock_file(ino, pid);
        let numbers = [("pid", pid.0.into()), ("ino", ino), ("granted", granted.into())];
        machine.trace.record("flock", path, &numbers, &[]);
        if granted { Ok(()) } else { Err(DiskError::Locked) }
    }

    /// Gives the advisory lock back.
    pub fn unlock(&self, pid: Pid, path: &str) {
        let mut machine = self.0.lock();
        if let Some(ino) = machine.directory.lookup(path) {
            machine.locks.unlock_file(ino, pid);
            machine.trace.record("funlock", path, &[("pid", pid.0.into()), ("ino", ino)], &[]);
        }
    }
}

/// What oracles see: no operation, no fault, no trace.
impl SimDisk {
    /// A file's bytes as processes see them.
    pub fn peek(&self, path: &str) -> Option<Vec<u8>> {
        let machine = self.0.lock();
        machine.directory.lookup(path).map(|ino| machine.inode(ino).live.clone())
    }

    /// What a path names.
    pub fn peek_stat(&self, path: &str) -> Option<FileStat> {
        let machine = self.0.lock();
        machine.directory.lookup(path).map(|ino| machine.describe(ino))
    }

    /// Whether the medium holds all of a file's content for certain; false when there is none.
    pub fn peek_durable(&self, path: &str) -> bool {
        let machine = self.0.lock();
        let inode = machine.directory.lookup(path).map(|ino| machine.inode(ino));
        inode.is_some_and(|inode| inode.unsynced.is_empty() && inode.given_up.is_empty())
    }

    /// How many reads of files whose names begin like this came with a wrong bit.
    pub fn misreads(&self, prefix: &str) -> u64 {
        let machine = self.0.lock();
        machine.misreads.iter().filter(|(path, _)| path.starts_with(prefix)).map(|(_, count)| count).sum()
    }

    /// The shared memory of a `-shm` file that is in use.
    #[cfg(test)]
    pub(crate) fn shared_memory(&self, path: &str) -> Option<Arc<SharedMemory>> {
        let machine = self.0.lock();
        machine.shm.memory_of_file(machine.directory.lookup(path)?).map(Arc::clone)
    }

    /// All paths, in order.
    pub fn peek_paths(&self) -> Vec<String> {
        self.0.lock().directory.paths().map(|(path, _)| path.to_owned()).collect()
    }
}

/// What the VFS and open files do.
impl SimDisk {
    pub(crate) fn open_handle(&self, pid: Pid, request: OpenRequest<'_>) -> DiskResult<(HandleId, bool)> {
        self.0.lock().open(pid, request)
    }
    pub(crate) fn close(&self, handle: HandleId) {
        self.0.lock().close(handle);
    }
    pub(crate) fn read(&self, handle: HandleId, offset: u64, buffer: &mut [u8]) -> DiskResult<usize> {
        self.0.lock().read(handle, offset, buffer)
    }
    pub(crate) fn write(&self, handle: HandleId, offset: u64, bytes: &[u8]) -> DiskResult<()> {
        self.0.lock().write(handle, offset, bytes)
    }
    pub(crate) fn truncate(&self, handle: HandleId, size: u64) -> DiskResult<()> {
        self.0.lock().truncate(handle, size)
    }
    pub(crate) fn fsync(&self, handle: HandleId) -> DiskResult<()> {
        self.0.lock().fsync(handle)
    }
    pub(crate) fn fsync_parent(&self, handle: HandleId) -> DiskResult<()> {
        self.0.lock().fsync_parent(handle)
    }
    pub(crate) fn describe(&self, handle: HandleId) -> DiskResult<FileStat> {
        let machine = self.0.lock();
        let (_, ino) = machine.resolve(handle)?;
        Ok(machine.describe(ino))
    }
    pub(crate) fn has_moved(&self, handle: HandleId) -> DiskResult<bool> {
        self.0.lock().has_moved(handle)
    }
    pub(crate) fn lock(&self, handle: HandleId, want: Level) -> DiskResult<bool> {
        self.0.lock().lock(handle, want)
    }
    pub(crate) fn unlock_to(&self, handle: HandleId, to: Level) {
        self.0.lock().unlock(handle, to);
    }
    pub(crate) fn is_reserved(&self, handle: HandleId) -> DiskResult<bool> {
        self.0.lock().is_reserved(handle)
    }
    pub(crate) fn shm_attach(&self, handle: HandleId) -> DiskResult<Arc<SharedMemory>> {
        self.0.lock().shm_attach(handle)
    }
    pub(crate) fn shm_lock(&self, handle: HandleId, range: ShmRange, action: ShmAction) -> DiskResult<bool> {
        self.0.lock().shm_lock(handle, range, action)
    }
    pub(crate) fn shm_detach(&self, handle: HandleId, unlink: bool) {
        self.0.lock().shm_detach(handle, unlink);
    }
    pub(crate) fn stat_if_any(&self, pid: Pid, path: &str) -> DiskResult<Option<FileStat>> {
        self.0.lock().stat(pid, path)
    }
    pub(crate) fn sector_bytes(&self) -> u32 {
        self.0.lock().crash_policy.sector_bytes
    }
    pub(crate) fn sqlite_randomness(&self, bytes: &mut [u8]) {
        self.0.lock().sqlite_randomness.fill(bytes);
    }
    /// SQLite waits: time passes, unless an observer does.
    pub(crate) fn sleep_us(&self, us: u64) {
        let mut machine = self.0.lock();
        if !machine.calm {
            machine.stats.slept_us += us;
            machine.clock.advance(Duration::from_micros(us));
        }
    }
}

/// Goes on with the trace, also when the oracle panics.
struct Unseen {
    trace: Trace,
    before: bool,
}

impl Drop for Unseen {
    fn drop(&mut self) {
        self.trace.set_unseen(self.before);
    }
}

/// Ends the calm, also when what goes on in it panics.
struct Calm<'a> {
    disk: &'a SimDisk,
    before: bool,
}

impl Drop for Calm<'_> {
    fn drop(&mut self) {
        self.disk.0.lock().calm = self.before;
    }
}
