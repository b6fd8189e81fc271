//! A registered VFS: how one simulated process reaches its disk through SQLite.

#![expect(clippy::disallowed_types, reason = "worlds of several threads share SQLite's list of VFSes")]

use super::calls;
use super::run::SqliteRun;
use crate::disk::{Pid, SimDisk};
use crate::shared::Shared;
use rusqlite::ffi;
use rusqlite::{Connection, OpenFlags};
use std::cell::UnsafeCell;
use std::ffi::{CStr, CString, c_int};
use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard};

/// One simulated process as SQLite sees it. Connections find it by its name, which no other process that is
/// registered has. After the drop every call of a connection that is still open fails.
pub struct Vfs {
    slot: &'static Slot,
}

/// A registration that is never freed: SQLite's connections keep its address. It serves one process after
/// the other, each only after the one before left no file open.
pub(super) struct Slot {
    raw: UnsafeCell<ffi::sqlite3_vfs>,
    name: CString,
    open_files: AtomicUsize,
    process: Shared<Option<ProcessDisk>>,
}

/// Which disk, as which process.
#[derive(Clone)]
pub(super) struct ProcessDisk {
    pub(super) disk: SimDisk,
    pub(super) pid: Pid,
}

// SAFETY: `raw` is written before the slot is shared, and afterwards only by SQLite under its own mutex for
// VFS lists; the raw pointers in it are to functions, to the name, and to the slot, which all live for ever.
unsafe impl Sync for Slot {}
// SAFETY: as above: nothing in a slot belongs to a thread.
unsafe impl Send for Slot {}

impl Vfs {
    /// Registers a process. It does not become SQLite's default.
    ///
    /// # Panics
    /// When no [`SqliteRun`] is under way: SQLite's randomness would not come from the seed.
    pub(crate) fn register(disk: &SimDisk, pid: Pid) -> Vfs {
        assert!(SqliteRun::is_under_way(), "start a SqliteRun first");
        Vfs::register_as(disk, pid, false)
    }

    pub(super) fn register_as(disk: &SimDisk, pid: Pid, default: bool) -> Vfs {
        let slot = Slot::take();
        *slot.process.lock() = Some(ProcessDisk { disk: disk.clone(), pid });
        // SAFETY: `raw` is fully set up, lives for ever and is not registered: `take` gives each slot to one
        // owner, and `drop` unregisters before it gives the slot back.
        let code = unsafe { ffi::sqlite3_vfs_register(slot.raw.get(), c_int::from(default)) };
        assert_eq!(code, ffi::SQLITE_OK, "SQLite refused a VFS");
        Vfs { slot }
    }

    /// The name for `sqlite3_open_v2` and rusqlite's `open_with_flags_and_vfs`.
    pub fn name(&self) -> &'static CStr {
        &self.slot.name
    }

    /// Opens a database to read and write, creating it.
    pub fn open(&self, path: &str) -> rusqlite::Result<Connection> {
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE
            | OpenFlags::SQLITE_OPEN_CREATE
            | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        Connection::open_with_flags_and_vfs(path, flags, self.name())
    }

    /// Files that SQLite has open.
    pub fn open_files(&self) -> usize {
        self.slot.open_files.load(Ordering::Relaxed)
    }
}

impl Drop for Vfs {
    fn drop(&mut self) {
        // SAFETY: registered in `register_as` and unregistered only here.
        unsafe { ffi::sqlite3_vfs_unregister(self.slot.raw.get()) };
        if self.open_files() == 0 {
            *self.slot.process.lock() = None;
            spare().push(self.slot);
        }
        // Otherwise the slot is given up: its connections go on to call it, and the disk refuses them, because
        // the owner of this value buries the process.
    }
}

impl Slot {
    /// A slot that nobody uses.
    fn take() -> &'static Slot {
        let found = spare().pop();
        found.unwrap_or_else(Slot::make)
    }

    fn make() -> &'static Slot {
        static MADE: AtomicU32 = AtomicU32::new(0);
        let name = format!("walsync-sim-{}", MADE.fetch_add(1, Ordering::Relaxed));
        let slot: &'static mut Slot = Box::leak(Box::new(Slot {
            raw: UnsafeCell::new(calls::vfs()),
            name: CString::new(name).expect("no zero byte"),
            open_files: AtomicUsize::new(0),
            process: Shared::new(None),
        }));
        slot.raw.get_mut().zName = slot.name.as_ptr();
        let slot: &'static Slot = slot;
        // SAFETY: nobody else knows the slot yet.
        unsafe { (*slot.raw.get()).pAppData = std::ptr::from_ref(slot).cast_mut().cast() };
        slot
    }

    /// The slot of a VFS that SQLite passes to a call.
    ///
    /// # Safety
    /// `vfs` must be one that [`Slot::make`] made.
    pub(super) unsafe fn of(vfs: *mut ffi::sqlite3_vfs) -> &'static Slot {
        // SAFETY: by the caller's promise `pAppData` is the address of a slot, and slots are never freed.
        unsafe { &*(*vfs).pAppData.cast::<Slot>() }
    }

    /// Whose calls these are; `None` for connections that outlived their process's registration.
    pub(super) fn process(&self) -> Option<ProcessDisk> {
        self.process.lock().clone()
    }

    pub(super) fn file_opened(&self) {
        self.open_files.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn file_closed(&self) {
        self.open_files.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Slots to use again: a long campaign registers millions of processes.
fn spare() -> MutexGuard<'static, Vec<&'static Slot>> {
    static SPARE: Mutex<Vec<&'static Slot>> = Mutex::new(Vec::new());
    SPARE.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
}
