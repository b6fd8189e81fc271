//! What each operation does, after power, life and time have been seen to.

use super::Pid;
use super::directory::parent;
use super::error::{DiskError, DiskResult};
use super::inode::{Change, Ino, Inode};
use super::lock::Level;
use super::machine::{FaultKind, Handle, HandleId, Machine, OpenRequest};
use super::shm::{ShmAction, ShmRange};
use super::stat::FileStat;
use crate::sqlite_vfs::SharedMemory;
use std::sync::Arc;
use std::time::Duration;

impl Machine {
    /// Opens a file; also tells whether it was created.
    pub(super) fn open(&mut self, pid: Pid, request: OpenRequest<'_>) -> DiskResult<(HandleId, bool)> {
        self.operation(pid)?;
        let found = request.path.and_then(|path| self.directory.lookup(path));
        let ino = match (found, request.path) {
            (Some(_), _) if request.exclusive => return Err(DiskError::Exists),
            (Some(ino), _) => ino,
            (None, Some(_)) if !request.create => return Err(DiskError::NotFound),
            (None, path) => {
                let ino = self.new_inode();
                if let Some(path) = path {
                    self.directory.link(path, ino);
                }
                ino
            }
        };
        let path = request.path.map(Box::from);
        let created = found.is_none();
        let (delete_on_close, plain) = (request.delete_on_close, request.plain);
        let handle = self.new_handle(Handle { pid, ino, path, delete_on_close, plain });
        let numbers = [("pid", pid.0.into()), ("ino", ino), ("created", created.into())];
        self.trace.record("open", request.path.unwrap_or(""), &numbers, &[]);
        Ok((handle, created))
    }

    /// Closes a handle, also one of a dead process; one that is unknown was swept away with its machine.
    pub(super) fn close(&mut self, id: HandleId) {
        let alive = self.resolve(id).is_ok();
        self.shm_detach(id, false);
        let Some(handle) = self.handles.remove(&id) else { return };
        self.locks.lower(handle.ino, id, Level::None);
        if alive {
            self.trace.record("close", "", &[("pid", handle.pid.0.into()), ("ino", handle.ino)], &[]);
            if handle.plain {
                self.drop_posix_locks(handle.pid, handle.ino);
            }
            if let Some(path) = handle.path.filter(|_| handle.delete_on_close) {
                self.directory.unlink(&path);
            }
        }
        self.inode_mut(handle.ino).users -= 1;
        self.collect(handle.ino);
    }

    /// Reads what there is; the count is short at the end of the file, and for a plain handle by a fault.
    pub(super) fn read(&mut self, id: HandleId, offset: u64, buffer: &mut [u8]) -> DiskResult<usize> {
        let (pid, ino) = self.resolve(id)?;
        self.operation(pid)?;
        self.stats.reads += 1;
        if self.hit(pid, FaultKind::ReadEio) {
            return Err(DiskError::Io);
        }
        let mut wanted = buffer.len();
        if wanted > 1 && self.handles[&id].plain && self.hit(pid, FaultKind::ShortRead) {
            wanted = 1 + self.dice.of(FaultKind::ShortRead as u32).below_usize(wanted - 1);
        }
        let count = self.inode(ino).read(offset, &mut buffer[..wanted]);
        if count > 0 && self.hit(pid, FaultKind::ReadFlip) {
            self.dice.of(FaultKind::ReadFlip as u32).flip_bit(&mut buffer[..count]);
            let name = self.handles[&id].path.clone().unwrap_or_default();
            *self.misreads.entry(name).or_default() += 1;
        }
        let numbers = [("pid", pid.0.into()), ("ino", ino), ("offset", offset)];
        self.trace.record("read", "", &numbers, &buffer[..count]);
        Ok(count)
    }

    pub(super) fn write(&mut self, id: HandleId, offset: u64, bytes: &[u8]) -> DiskResult<()> {
        let (pid, ino) = self.resolve(id)?;
        self.operation(pid)?;
        self.stats.writes += 1;
        self.stats.bytes_written += bytes.len() as u64;
        if self.hit(pid, FaultKind::WriteEio) {
            return Err(DiskError::Io);
        }
        let end = Inode::end_of_write(offset, bytes.len())?;
        self.check_space(ino, end as u64)?;
        let now_us = self.clock.wall_us();
        let change = Change::Write { offset: end - bytes.len(), bytes: bytes.to_vec() };
        self.inode_mut(ino).change(change, now_us);
        let numbers = [("pid", pid.0.into()), ("ino", ino), ("offset", offset)];
        self.trace.record("write", "", &numbers, bytes);
        Ok(())
    }

    pub(super) fn truncate(&mut self, id: HandleId, size: u64) -> DiskResult<()> {
        let (pid, ino) = self.resolve(id)?;
        self.operation(pid)?;
        let size_usize = Inode::end_of_write(size, 0)?;
        self.check_space(ino, size)?;
        let now_us = self.clock.wall_us();
        self.inode_mut(ino).change(Change::SetSize(size_usize), now_us);
        self.trace.record("truncate", "", &[("pid", pid.0.into()), ("ino", ino), ("size", size)], &[]);
        Ok(())
    }

    pub(super) fn fsync(&mut self, id: HandleId) -> DiskResult<()> {
        let (pid, ino) = self.resolve(id)?;
        self.operation(pid)?;
        self.stats.fsyncs += 1;
        self.spend(FSYNC_US_MIN, FSYNC_US_MAX);
        self.trace.record("fsync", "", &[("pid", pid.0.into()), ("ino", ino)], &[]);
        if self.hit(pid, FaultKind::FsyncEio) {
            self.inode_mut(ino).give_up();
            return Err(DiskError::Io);
        }
        if !self.hit(pid, FaultKind::LyingFsync) {
            self.inode_mut(ino).sync();
        }
        Ok(())
    }

    /// Makes the names in a directory durable.
    pub(super) fn fsync_directory(&mut self, pid: Pid, directory: &str) -> DiskResult<()> {
        self.operation(pid)?;
        self.stats.fsyncs += 1;
        self.spend(FSYNC_US_MIN, FSYNC_US_MAX);
        self.trace.record("fsync directory", directory, &[("pid", pid.0.into())], &[]);
        if self.hit(pid, FaultKind::FsyncEio) {
            return Err(DiskError::Io);
        }
        if !self.hit(pid, FaultKind::LyingFsync) {
            for ino in self.directory.sync(directory) {
                self.collect(ino);
            }
        }
        Ok(())
    }

    /// Makes the name of an open file durable.
    pub(super) fn fsync_parent(&mut self, id: HandleId) -> DiskResult<()> {
        let (pid, _) = self.resolve(id)?;
        match self.handles[&id].path.clone() {
            Some(path) => self.fsync_directory(pid, parent(&path)),
            None => Ok(()),
        }
    }

    pub(super) fn unlink(&mut self, pid: Pid, path: &str) -> DiskResult<()> {
        self.operation(pid)?;
        if self.directory.lookup(path).is_some() && self.hit(pid, FaultKind::UnlinkFails) {
            return Err(DiskError::Io);
        }
        let ino = self.directory.unlink(path).ok_or(DiskError::NotFound)?;
        self.trace.record("unlink", path, &[("pid", pid.0.into()), ("ino", ino)], &[]);
        self.inode_mut(ino).changed_us = self.clock.wall_us();
        self.collect(ino);
        Ok(())
    }

    pub(super) fn rename(&mut self, pid: Pid, from: &str, to: &str) -> DiskResult<()> {
        self.operation(pid)?;
        if self.directory.lookup(from).is_some() && self.hit(pid, FaultKind::RenameFails) {
            // A name that is there needs no room.
            let makes_entry = self.directory.lookup(to).is_none();
            let no_room = makes_entry && self.dice.of(FaultKind::RenameFails as u32).ppm(HALF);
            return Err(if no_room { DiskError::NoSpace } else { DiskError::Io });
        }
        let (ino, replaced) = self.directory.rename(from, to).ok_or(DiskError::NotFound)?;
        self.trace.record("rename", from, &[("pid", pid.0.into()), ("ino", ino)], to.as_bytes());
        self.inode_mut(ino).changed_us = self.clock.wall_us();
        if let Some(ino) = replaced {
            self.collect(ino);
        }
        Ok(())
    }

    /// What a path names; `None` when nothing.
    pub(super) fn stat(&mut self, pid: Pid, path: &str) -> DiskResult<Option<FileStat>> {
        self.operation(pid)?;
        let found = self.directory.lookup(path);
        self.trace.record("stat", path, &[("pid", pid.0.into()), ("ino", found.unwrap_or(0))], &[]);
        Ok(found.map(|ino| self.describe(ino)))
    }

    pub(super) fn describe(&self, ino: Ino) -> FileStat {
        let inode = self.inode(ino);
        // Shared memory is not kept in the file's bytes, but a real `-shm` file has its length.
        let shared_bytes = self.shm.memory_of_file(ino).map_or(0, |memory| memory.size_bytes());
        FileStat {
            device: self.number.into(),
            inode: inode.number,
            size_bytes: inode.size().max(shared_bytes),
            modified_us: inode.modified_us,
            changed_us: inode.changed_us,
        }
    }

    /// Whether the path under which a file was opened names another one now, or none.
    pub(super) fn has_moved(&mut self, id: HandleId) -> DiskResult<bool> {
        let (pid, ino) = self.resolve(id)?;
        self.operation(pid)?;
        let path = self.handles[&id].path.as_deref();
        Ok(path.is_some_and(|path| self.directory.lookup(path) != Some(ino)))
    }

    pub(super) fn lock(&mut self, id: HandleId, want: Level) -> DiskResult<bool> {
        let (pid, ino) = self.resolve(id)?;
        let granted = self.locks.raise(ino, id, want);
        let numbers =
            [("pid", pid.0.into()), ("ino", ino), ("level", want as u64), ("granted", granted.into())];
        self.trace.record("lock", "", &numbers, &[]);
        Ok(granted)
    }

    pub(super) fn unlock(&mut self, id: HandleId, to: Level) {
        if let Ok((pid, ino)) = self.resolve(id) {
            self.locks.lower(ino, id, to);
            let numbers = [("pid", pid.0.into()), ("ino", ino), ("level", to as u64)];
            self.trace.record("unlock", "", &numbers, &[]);
        }
    }

    pub(super) fn is_reserved(&self, id: HandleId) -> DiskResult<bool> {
        let (_, ino) = self.resolve(id)?;
        Ok(self.locks.is_reserved(ino))
    }

    /// Lets a handle use the shared memory of its database; the first use makes the `-shm` file, whether or
    /// not the memory is to grow (as the unix VFS; SQLite locks before it first writes).
    pub(super) fn shm_attach(&mut self, id: HandleId) -> DiskResult<Arc<SharedMemory>> {
        let (pid, database) = self.resolve(id)?;
        if !self.shm.is_attached(id) {
            self.operation(pid)?;
            let file = self.shm_file(id, pid, database);
            self.shm.attach(id, pid, database, file);
            self.inode_mut(file).users += 1;
            self.trace.record("map", "", &[("pid", pid.0.into()), ("ino", file)], &[]);
        }
        Ok(Arc::clone(self.shm.memory(id).expect("attached")))
    }

    fn shm_file(&mut self, id: HandleId, pid: Pid, database: Ino) -> Ino {
        if let Some(file) = self.shm.file_of(pid, database) {
            return file;
        }
        let path = self.handles[&id].path.as_deref().expect("a database with shared memory has a name");
        let path = format!("{path}-shm");
        if let Some(file) = self.directory.lookup(&path) {
            return file;
        }
        let file = self.new_inode();
        self.directory.link(&path, file);
        file
    }

    pub(super) fn shm_lock(&mut self, id: HandleId, range: ShmRange, action: ShmAction) -> DiskResult<bool> {
        let (pid, ino) = self.resolve(id)?;
        let Some(granted) = self.shm.lock(id, range, action) else { return Err(DiskError::Io) };
        if !self.calm {
            self.clock.advance(Duration::from_micros(1));
        }
        let numbers = [
            ("pid", pid.0.into()),
            ("ino", ino),
            ("locks", range.as_number()),
            ("action", action as u64),
            ("granted", granted.into()),
        ];
        self.trace.record("shm lock", "", &numbers, &[]);
        Ok(granted)
    }

    /// Ends a handle's use of shared memory; `unlink` removes the `-shm` file with its process's last use.
    pub(super) fn shm_detach(&mut self, id: HandleId, unlink: bool) {
        let alive = self.resolve(id).is_ok();
        let Some((file, still_used)) = self.shm.detach(id) else { return };
        self.inode_mut(file).users -= 1;
        let path = self.handles[&id].path.as_deref().map(|path| format!("{path}-shm"));
        if let Some(path) = path.filter(|_| alive && unlink && !still_used)
            && self.directory.unlink(&path).is_some()
        {
            self.trace.record("unlink", &path, &[("ino", file)], &[]);
        }
        self.collect(file);
    }

    fn check_space(&mut self, ino: Ino, end: u64) -> DiskResult<()> {
        let Some(capacity_bytes) = self.capacity_bytes.filter(|_| !self.calm) else { return Ok(()) };
        let growth = end.saturating_sub(self.inode(ino).size());
        let used = self.used_bytes();
        if growth > 0 && used + growth > capacity_bytes {
            self.stats.faults += 1;
            self.stats.refused_for_space += 1;
            self.trace.record("disk full", "", &[("ino", ino), ("used", used)], &[]);
            return Err(DiskError::NoSpace);
        }
        Ok(())
    }
}

const HALF: u32 = 500_000;
const FSYNC_US_MIN: u64 = 200;
const FSYNC_US_MAX: u64 = 999;
