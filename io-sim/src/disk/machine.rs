//! The machine: power, processes, open handles, faults and time. What each operation does is in
//! `operations`; here is what all of them go through.

use super::directory::Directory;
use super::error::{DiskError, DiskResult};
use super::inode::{Ino, Inode};
use super::lock::{Level, LockTable};
use super::shm::ShmTable;
use super::stat::DiskStats;
use super::{Pid, shm};
use crate::clock::SimClock;
use crate::faults::{CrashPolicy, DiskFaults};
use crate::random::{Dice, Random, Stream};
use crate::sqlite_vfs::SavedMemory;
use crate::trace::Trace;
use std::collections::BTreeMap;
use std::time::Duration;

/// An open file; never used twice.
pub(crate) type HandleId = u64;

/// How to open a file.
#[derive(Clone, Copy, Debug)]
pub(crate) struct OpenRequest<'a> {
    /// `None` is a temporary file without a name.
    pub(crate) path: Option<&'a str>,
    pub(crate) create: bool,
    /// Fail when it exists.
    pub(crate) exclusive: bool,
    pub(crate) delete_on_close: bool,
    /// A file descriptor of its own: closing it drops the process's POSIX locks on the file. SQLite's own
    /// handles are not: its VFS knows the trap.
    pub(crate) plain: bool,
}

/// Everything that one machine has.
pub(super) struct Machine {
    pub(super) number: u32,
    pub(super) inodes: BTreeMap<Ino, Inode>,
    pub(super) directory: Directory,
    pub(super) handles: BTreeMap<HandleId, Handle>,
    pub(super) locks: LockTable,
    pub(super) shm: ShmTable,
    pub(super) clock: SimClock,
    pub(super) trace: Trace,
    pub(super) stats: DiskStats,
    /// How many reads of the files that had these names came with a wrong bit.
    pub(super) misreads: BTreeMap<Box<str>, u64>,
    pub(super) faults: BTreeMap<Pid, DiskFaults>,
    pub(super) faults_default: DiskFaults,
    pub(super) crash_policy: CrashPolicy,
    pub(super) capacity_bytes: Option<u64>,
    pub(super) reuse_inodes: bool,
    pub(super) powered: bool,
    /// The power goes at this operation from now.
    pub(super) cut_power_in: Option<u64>,
    /// Observers are at work: no faults, no time.
    pub(super) calm: bool,
    pub(super) sqlite_randomness: Random,
    pub(super) dice: Dice,
    crash_random: Random,
    latency: Random,
    processes: BTreeMap<Pid, ProcessState>,
    next_pid: u32,
    next_ino: Ino,
    next_handle: HandleId,
}

pub(super) struct Handle {
    pub(super) pid: Pid,
    pub(super) ino: Ino,
    pub(super) path: Option<Box<str>>,
    pub(super) delete_on_close: bool,
    pub(super) plain: bool,
}

/// What a process that lives, or was killed and not yet buried, has beside its handles.
#[derive(Default)]
struct ProcessState {
    kill_in: Option<u64>,
    /// Killed: the memory that it shared, as it was at that moment.
    killed: Option<Vec<SavedMemory>>,
}

/// Kinds of faults, each with draws of its own. Numbers are for ever.
#[derive(Clone, Copy)]
#[repr(u32)]
pub(super) enum FaultKind {
    ReadEio = 1,
    WriteEio = 2,
    FsyncEio = 3,
    ShortRead = 4,
    ReadFlip = 5,
    LyingFsync = 6,
    Slow = 7,
    Rot = 8,
    RenameFails = 9,
    UnlinkFails = 10,
}

impl Machine {
    pub(super) fn new(seed: u64, number: u32, clock: &SimClock, trace: &Trace) -> Machine {
        let random = |stream| Random::indexed(seed, stream, number);
        Machine {
            number,
            inodes: BTreeMap::new(),
            directory: Directory::default(),
            handles: BTreeMap::new(),
            locks: LockTable::default(),
            shm: ShmTable::default(),
            clock: clock.clone(),
            trace: trace.clone(),
            stats: DiskStats::default(),
            misreads: BTreeMap::new(),
            faults: BTreeMap::new(),
            faults_default: DiskFaults::default(),
            crash_policy: CrashPolicy::default(),
            capacity_bytes: None,
            reuse_inodes: false,
            powered: true,
            cut_power_in: None,
            calm: false,
            sqlite_randomness: random(Stream::SqliteRandomness),
            dice: Dice::new(seed, Stream::DiskFault, number),
            crash_random: random(Stream::DiskCrash),
            latency: random(Stream::DiskLatency),
            processes: BTreeMap::new(),
            next_pid: 1,
            next_ino: 1,
            next_handle: 1,
        }
    }

    /// Every operation comes through here: it needs power and a living process, takes time, and may be the
    /// one at which the power goes or the process dies.
    pub(super) fn operation(&mut self, pid: Pid) -> DiskResult<()> {
        self.check_alive(pid)?;
        if self.calm {
            return Ok(());
        }
        self.stats.operations += 1;
        self.spend(OPERATION_US_MIN, OPERATION_US_MAX);
        if self.hit(pid, FaultKind::Slow) {
            let us = self.dice.of(FaultKind::Slow as u32).below(DiskFaults::SLOW_US_MAX);
            self.clock.advance(Duration::from_micros(us));
        }
        if count_down(&mut self.cut_power_in) {
            self.cut_power();
            return Err(DiskError::PowerOff);
        }
        let process = self.processes.get_mut(&pid).expect("checked above");
        if count_down(&mut process.kill_in) {
            self.strike_dead(pid);
            return Err(DiskError::Killed);
        }
        Ok(())
    }

    pub(super) fn check_alive(&self, pid: Pid) -> DiskResult<()> {
        if !self.powered {
            return Err(DiskError::PowerOff);
        }
        match self.processes.get(&pid) {
            Some(process) if process.killed.is_none() => Ok(()),
            _ => Err(DiskError::Killed),
        }
    }

    /// Whose a handle is and which file it is.
    pub(super) fn resolve(&self, handle: HandleId) -> DiskResult<(Pid, Ino)> {
        if !self.powered {
            return Err(DiskError::PowerOff);
        }
        let open = self.handles.get(&handle).ok_or(DiskError::Killed)?;
        self.check_alive(open.pid)?;
        Ok((open.pid, open.ino))
    }

    pub(super) fn spend(&mut self, us_min: u64, us_max: u64) {
        if !self.calm {
            self.clock.advance(Duration::from_micros(self.latency.range(us_min, us_max)));
        }
    }

    /// Whether a fault strikes an operation of this process.
    pub(super) fn hit(&mut self, pid: Pid, kind: FaultKind) -> bool {
        if self.calm {
            return false;
        }
        let faults = self.faults.get(&pid).unwrap_or(&self.faults_default);
        let ppm = match kind {
            FaultKind::ReadEio => faults.read_eio_ppm,
            FaultKind::WriteEio => faults.write_eio_ppm,
            FaultKind::FsyncEio => faults.fsync_eio_ppm,
            FaultKind::ShortRead => faults.short_read_ppm,
            FaultKind::ReadFlip => faults.read_flip_ppm,
            FaultKind::LyingFsync => faults.lying_fsync_ppm,
            FaultKind::Slow => faults.slow_ppm,
            FaultKind::Rot => 0,
            FaultKind::RenameFails => faults.rename_fails_ppm,
            FaultKind::UnlinkFails => faults.unlink_fails_ppm,
        };
        let struck = self.dice.hit(kind as u32, ppm);
        if struck {
            self.stats.faults += 1;
            self.stats.failed_fsyncs += u64::from(matches!(kind, FaultKind::FsyncEio));
            self.stats.failed_renames += u64::from(matches!(kind, FaultKind::RenameFails));
            self.stats.failed_unlinks += u64::from(matches!(kind, FaultKind::UnlinkFails));
            self.trace.record("disk fault", "", &[("pid", pid.0.into()), ("kind", kind as u64)], &[]);
        }
        struck
    }

    /// Bytes of all files.
    pub(super) fn used_bytes(&self) -> u64 {
        self.inodes.values().map(Inode::size).sum()
    }

    pub(super) fn inode(&self, ino: Ino) -> &Inode {
        self.inodes.get(&ino).expect("an inode lives while a handle or a name leads to it")
    }

    pub(super) fn inode_mut(&mut self, ino: Ino) -> &mut Inode {
        self.inodes.get_mut(&ino).expect("an inode lives while a handle or a name leads to it")
    }

    pub(super) fn new_inode(&mut self) -> Ino {
        let ino = self.next_ino;
        self.next_ino += 1;
        let number = if self.reuse_inodes { self.lowest_free_number() } else { ino };
        let now_us = self.clock.wall_us();
        let inode = Inode { number, modified_us: now_us, changed_us: now_us, ..Inode::default() };
        self.inodes.insert(ino, inode);
        ino
    }

    fn lowest_free_number(&self) -> u64 {
        (1..).find(|n| self.inodes.values().all(|i| i.number != *n)).expect("fewer than 2^64 files")
    }

    pub(super) fn new_handle(&mut self, handle: Handle) -> HandleId {
        self.inode_mut(handle.ino).users += 1;
        let id = self.next_handle;
        self.next_handle += 1;
        self.handles.insert(id, handle);
        id
    }

    /// Forgets a file that nothing leads to any more.
    pub(super) fn collect(&mut self, ino: Ino) {
        if self.inodes.get(&ino).is_some_and(|i| i.users == 0) && !self.directory.names(ino) {
            self.inodes.remove(&ino);
        }
    }

    /// Drops what a process holds on a file by POSIX locks, as closing any of its descriptors does.
    pub(super) fn drop_posix_locks(&mut self, pid: Pid, ino: Ino) {
        for (id, handle) in &self.handles {
            if handle.pid == pid && handle.ino == ino {
                self.locks.lower(ino, *id, Level::None);
            }
        }
        self.shm.drop_posix_locks(pid, ino);
    }

    pub(super) fn start_process(&mut self) -> Pid {
        assert!(self.powered, "a process was started on a machine without power");
        let pid = Pid(self.next_pid);
        self.next_pid += 1;
        self.processes.insert(pid, ProcessState::default());
        self.trace.record("start", "", &[("machine", self.number.into()), ("pid", pid.0.into())], &[]);
        pid
    }

    pub(super) fn kill_process_in(&mut self, pid: Pid, operations: Option<u64>) {
        if let Some(process) = self.processes.get_mut(&pid) {
            process.kill_in = operations;
        }
    }

    /// The process runs no further. Its memory is remembered, because the code that cleans up after it in
    /// our own address space still writes to what it shared.
    pub(super) fn strike_dead(&mut self, pid: Pid) {
        let memories = self.shm.memories_of(pid);
        let Some(process) = self.processes.get_mut(&pid).filter(|p| p.killed.is_none()) else { return };
        process.killed = Some(memories.into_iter().map(SavedMemory::of).collect());
        self.stats.kills += 1;
        self.trace.record("kill", "", &[("machine", self.number.into()), ("pid", pid.0.into())], &[]);
    }

    /// Removes a dead process: its handles and locks go, what it wrote stays, shared memory is as it left it.
    /// True when none of its connections still maps shared memory.
    pub(super) fn bury(&mut self, pid: Pid) -> bool {
        let clean = self.shm.memories_of(pid).is_empty();
        if let Some(process) = self.processes.remove(&pid) {
            process.killed.iter().flatten().for_each(SavedMemory::restore);
        }
        let left: Vec<HandleId> =
            self.handles.iter().filter(|(_, h)| h.pid == pid).map(|(id, _)| *id).collect();
        for handle in left {
            self.close(handle);
        }
        self.locks.release_process(pid);
        self.faults.remove(&pid);
        clean
    }

    pub(super) fn cut_power(&mut self) {
        if self.powered {
            self.powered = false;
            self.cut_power_in = None;
            self.stats.power_cuts += 1;
            self.trace.record("power cut", "", &[("machine", self.number.into())], &[]);
        }
    }

    /// The machine comes back with what its medium held: what that is, is decided here.
    pub(super) fn power_cycle(&mut self) {
        self.cut_power();
        self.processes.clear();
        self.faults.clear();
        self.handles.clear();
        self.locks.clear();
        self.shm = shm::ShmTable::default();
        let policy = self.crash_policy;
        self.directory.crash(policy, &mut self.crash_random, &mut self.stats);
        let directory = &self.directory;
        self.inodes.retain(|ino, _| directory.names(*ino));
        for inode in self.inodes.values_mut() {
            inode.crash(policy, &mut self.crash_random, &mut self.stats);
        }
        for (path, ino) in self.directory.paths() {
            self.trace.record("after crash", path, &[("ino", ino)], &self.inodes[&ino].live);
        }
        self.powered = true;
    }
}

/// Counts to the operation at which something is due.
fn count_down(left: &mut Option<u64>) -> bool {
    let Some(count) = left else { return false };
    *count = count.saturating_sub(1);
    let due = *count == 0;
    if due {
        *left = None;
    }
    due
}

const OPERATION_US_MIN: u64 = 5;
const OPERATION_US_MAX: u64 = 24;
