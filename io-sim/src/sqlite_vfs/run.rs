//! The use of SQLite by one simulated world.

#![expect(clippy::disallowed_types, reason = "worlds of several test threads take turns at SQLite's globals")]

use super::registration::Vfs;
use crate::disk::{Pid, SimDisk};
use engine::types::LockByte;
use rusqlite::ffi;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard};

/// While this lives, SQLite's process-wide random generator belongs to one world and is seeded by its disk.
/// Other worlds of this OS process wait in [`SqliteRun::start`].
///
/// Drop it last: after every connection and every process.
pub struct SqliteRun {
    /// The default VFS: where SQLite's generator takes its seed.
    _default: Vfs,
    lock_byte_before: Option<u32>,
    _turn: MutexGuard<'static, ()>,
}

impl SqliteRun {
    /// Takes SQLite for this world and makes its generator forget what it drew before.
    ///
    /// # Panics
    /// Or waits for ever, when this thread has a run under way already.
    pub fn start(disk: &SimDisk) -> SqliteRun {
        static TURN: Mutex<()> = Mutex::new(());
        let turn = TURN.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        let default = Vfs::register_as(disk, Pid(0), true);
        // SAFETY: a length of 0 resets the generator; the buffer is not used then. The next draw takes its
        // seed from the default VFS, which was just registered.
        unsafe { ffi::sqlite3_randomness(0, std::ptr::null_mut()) };
        UNDER_WAY.store(true, Ordering::Relaxed);
        SqliteRun { _default: default, lock_byte_before: None, _turn: turn }
    }

    /// Moves SQLite's lock page for the rest of this run, so that small databases have one. Before any
    /// connection is opened: SQLite reads it everywhere.
    pub fn move_lock_page(&mut self, to: LockByte) {
        let before = set_pending_byte(pending_byte_of(to));
        self.lock_byte_before.get_or_insert(before);
    }

    pub(super) fn is_under_way() -> bool {
        UNDER_WAY.load(Ordering::Relaxed)
    }
}

impl Drop for SqliteRun {
    fn drop(&mut self) {
        if let Some(before) = self.lock_byte_before {
            set_pending_byte(before);
        }
        UNDER_WAY.store(false, Ordering::Relaxed);
    }
}

/// The byte that a [`LockByte`] stands for, from the page number that it gives at the largest page size.
fn pending_byte_of(lock_byte: LockByte) -> u32 {
    let page_size = engine::types::PageSize::new(PAGE_BYTES_MAX).expect("a legal page size");
    (lock_byte.pgno(page_size).into_inner() - 1) * PAGE_BYTES_MAX
}

/// Sets SQLite's pending byte and gives the one before.
fn set_pending_byte(byte: u32) -> u32 {
    // SAFETY: this verb of the variadic function takes one unsigned int; it sets a global that no connection
    // is using, because only this run may use SQLite now and its caller has opened none yet.
    let before = unsafe { ffi::sqlite3_test_control(ffi::SQLITE_TESTCTRL_PENDING_BYTE, byte) };
    u32::try_from(before).expect("SQLite's pending byte is positive")
}

static UNDER_WAY: AtomicBool = AtomicBool::new(false);
const PAGE_BYTES_MAX: u32 = 65536;
