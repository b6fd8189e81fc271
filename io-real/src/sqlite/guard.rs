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
//!
//! Where readers have left a mark in every slot, the guard takes one with an old mark for some looks and then another: a
//! checkpoint that waits for the slot of the newest mark comes through there, then through the ones with old marks, and
//! leaves them unused.

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
        let guarded = self.guards_well() || self.guard_anew(snapshot.end.frames).unwrap_or(false);
        if guarded {
            self.anchor().end();
            self.free().end();
            self.anchored_by_guard(snapshot, view);
        }
        guarded
    }

    /// Whether the guard that is there stands in no checkpoint's way, or has not for long.
    fn guards_well(&mut self) -> bool {
        let Some(slot) = self.anchor().guarded() else { return false };
        if matches!(self.mark_of(slot), Ok(Some(MARK_NOT_USED))) {
            return true;
        }
        self.old_mark_looks += 1;
        self.old_mark_looks < OLD_MARK_LOOKS_MAX
    }

    /// Guards on the free connection, which is pinned at the newest of `frames`, in another slot than before. It is the
    /// anchor then.
    fn guard_anew(&mut self, frames: u32) -> Result<bool, SourceError> {
        let unused = |mark: u32| mark == MARK_NOT_USED;
        let old = |mark: u32| mark < frames;
        if !(self.guard_where(&unused)? || self.guard_where(&old)?) {
            return Ok(false);
        }
        self.old_mark_looks = 0;
        self.anchor().unguard();
        self.anchor().end();
        self.anchor = 1 - self.anchor;
        Ok(true)
    }

    fn guard_where(&self, fits: &dyn Fn(u32) -> bool) -> Result<bool, SourceError> {
        let free = self.free();
        let before = self.anchor().guarded();
        for slot in (1..READ_SLOTS).filter(|slot| Some(*slot) != before) {
            if !self.mark_of(slot)?.is_some_and(fits) || !free.guard(slot)? {
                continue;
            }
            // Only an exclusive lock changes a mark, and none can be had from here on; before, it could.
            let mark = self.mark_of(slot);
            if matches!(mark, Ok(Some(mark)) if fits(mark)) {
                return Ok(true);
            }
            free.unguard();
            mark?;
        }
        Ok(false)
    }

    fn mark_of(&self, slot: usize) -> Result<Option<u32>, SourceError> {
        Ok(self.anchor().wal_index()?.map(|index| index.marks[slot]))
    }
}

/// A checkpoint looks every 100 ms at the least whether the slot that it waits for is free, and looks are 50 ms apart.
const OLD_MARK_LOOKS_MAX: u32 = 4;
