//! Resting without a read transaction, while the log still cannot be restarted.
//!
//! A checkpoint of the application that waits for readers reads a slot's mark once and then waits for the slot's
//! lock. If one of our read transactions has set that slot to the newest frame in between, it waits for readers
//! that would not disturb it; and since SQLite gives every new reader the slot with the newest mark, two read
//! transactions that are handed over keep the lock for ever, and the writers wait behind the checkpoint until its
//! busy timeout ends (docs/decisions/0014-rest-in-a-slot-without-a-mark.md).
//!
//! When everything up to the committed end is in memory no image has to be kept, only the log from being
//! restarted before the next look; and that takes the lock of *any* reader slot above 0. One whose mark says "not
//! used" stands in the way of no checkpoint that copies, only of the restart that follows. So each look that took
//! all there is ends in such a slot, or, once the database has all of the log, in slot 0.

use super::image::View;
use super::source::Source;
use super::wal_index::{MARK_NOT_USED, READ_SLOTS};
use engine::replicate::{Snapshot, SourceError};

impl Source {
    /// Puts a guard in the place of both pins, or keeps the one that is there; whether it could. Everything up to
    /// `snapshot`, at which the free connection is pinned, was read.
    pub(super) fn rest(&mut self, snapshot: Snapshot, view: View) -> bool {
        if view == View::Database {
            // A pin at slot 0 lets every checkpoint through, and keeps the log for nobody.
            return false;
        }
        // No slot, or one that cannot be looked at: then a pin does, as before.
        let guarded = self.anchor().guards() || self.guard_anchor().unwrap_or(false);
        if guarded {
            self.anchor().end();
            self.free().end();
            self.anchored_by_guard(snapshot, view);
        }
        guarded
    }

    fn guard_anchor(&self) -> Result<bool, SourceError> {
        let anchor = self.anchor();
        for slot in 1..READ_SLOTS {
            if self.mark_of(slot)? != Some(MARK_NOT_USED) || !anchor.guard(slot)? {
                continue;
            }
            // Only an exclusive lock changes a mark, and none can be had from here on; before, it could.
            let unused = self.mark_of(slot);
            if matches!(unused, Ok(Some(MARK_NOT_USED))) {
                return Ok(true);
            }
            anchor.unguard();
            unused?;
        }
        Ok(false)
    }

    fn mark_of(&self, slot: usize) -> Result<Option<u32>, SourceError> {
        Ok(self.anchor().wal_index()?.map(|index| index.marks[slot]))
    }
}
