//! A checkpoint that has begun: SQLite runs one to its end within one call, and then nobody sees it under way.

use super::SharedMemory;
use crate::disk::{HandleId, OpenRequest, ShmAction, ShmRange, SimDisk};
use crate::process::Process;
use std::sync::Arc;

/// What the first steps of `walCheckpoint` leave (SQLite 3.54.1), before a page is written: slot 0 is held alone, and the
/// wal-index says that all of the log is going to be copied. Dropping it is its death.
pub struct BegunCheckpoint {
    disk: SimDisk,
    handle: HandleId,
}

impl BegunCheckpoint {
    /// Begins one on a connection of its own; `None` where SQLite would not: everything is copied, or somebody reads the
    /// database alone.
    pub fn begin(process: &Process, database: &str) -> Option<BegunCheckpoint> {
        let disk = process.disk().clone();
        let request = OpenRequest {
            path: Some(database),
            create: false,
            exclusive: false,
            delete_on_close: false,
            plain: false,
        };
        let (handle, _) = disk.open_handle(process.pid(), request).ok()?;
        let begun = BegunCheckpoint { disk, handle };
        let memory: Arc<SharedMemory> = begun.disk.shm_attach(handle).ok()?;
        let (frames, copied) = (memory.word(FRAMES)?, memory.word(COPIED)?);
        let slot_0 = ShmRange::new(SLOT_0_LOCK, 1).expect("one of eight");
        let has_work = frames > copied;
        if has_work && begun.disk.shm_lock(handle, slot_0, ShmAction::Exclude).ok()? {
            memory.set_word(ATTEMPTED, frames);
            return Some(begun);
        }
        None
    }
}

impl Drop for BegunCheckpoint {
    fn drop(&mut self) {
        self.disk.shm_detach(self.handle, false);
        self.disk.close(self.handle);
    }
}

/// Words of the wal-index (SQLite's walformat page, section 2): mxFrame, nBackfill, nBackfillAttempted.
const FRAMES: usize = 4;
const COPIED: usize = 24;
const ATTEMPTED: usize = 32;
/// The lock of the first reader slot.
const SLOT_0_LOCK: i32 = 3;
