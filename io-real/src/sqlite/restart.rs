//! A look with the writers kept out, after which the log can begin anew (docs/design.md section 3, rule 3).
//!
//! Beside a writer that never rests there are always frames that no checkpoint of ours has copied: each begins behind
//! our pin, and while it copies more is committed. Nobody finds the log copied whole, so it grows without end.

use super::image::View;
use super::log::bad;
use super::look::{Wanted, in_memory};
use super::session::SessionConfig;
use super::source::Source;
use engine::mutants::{Mutant, mutated};
use engine::replicate::{CheckpointMode, Looked, Snapshot, SourceError};
use std::time::Duration;

impl Source {
    /// Takes the write lock and then everything that was committed, copies the rest of the log into the database, and
    /// stands where the next writer may begin the log anew. Writes nothing else.
    ///
    /// `None`: not to be had without keeping the writers waiting, or somebody else reads; nothing has changed then.
    ///
    /// # Errors
    /// As a look. Where the anchor was given up and no other could be taken, every job says so from then on.
    pub(super) fn look_locked(
        &mut self,
        config: &SessionConfig,
        wanted: &Wanted,
    ) -> Result<Option<Looked>, SourceError> {
        // No checkpoint beside the writers was whole, and so none has synced what it copied (walCheckpoint does it at the
        // end of the log alone): it must not be waited for under the lock.
        self.anchor().sync()?;
        if !self.lock_out_writers(config)? {
            return Ok(None);
        }
        let looked = self.restart(config, wanted);
        self.free().end();
        looked
    }

    fn lock_out_writers(&self, config: &SessionConfig) -> Result<bool, SourceError> {
        for _ in 0..LOCK_TRIES_MAX {
            if self.free().lock_out_writers()? {
                return Ok(true);
            }
            // SQLite's own pauses grow, and a writer without any is met in none of them.
            (config.pause)(LOCK_PAUSE);
        }
        Ok(false)
    }

    /// The free connection holds the write lock.
    fn restart(&mut self, config: &SessionConfig, wanted: &Wanted) -> Result<Option<Looked>, SourceError> {
        // SQLite gives no snapshot to who may write; under the lock the wal-index cannot change but for what is copied.
        let Some(index) = self.free().wal_index()? else { return Ok(None) };
        let Some(page_size) = index.end.page_size() else { return Ok(None) };
        let snapshot = Snapshot { end: index.end.position(), pages: index.end.pages(), page_size };
        let bytes = |frames: u32| u64::from(frames) * u64::from(page_size.into_inner());
        let copied = Some(index.backfilled);
        let Some(view) = View::at_pin(snapshot.end.frames, copied, copied) else { return Ok(None) };
        let is_much = bytes(wanted.frames_to(snapshot.end)) > TAIL_BYTES_MAX
            || bytes(snapshot.end.frames - index.backfilled) > REST_BYTES_MAX;
        if snapshot.end.frames == 0 || view == View::Database || is_much {
            return Ok(None);
        }
        let tail = match self.tail(self.free(), &snapshot, view, &wanted.without_filling()) {
            // Pages without frames may lie anywhere in log and database.
            Err(SourceError::Busy) => return Ok(None),
            tail => tail?,
        };
        if !tail.as_ref().is_none_or(|tail| in_memory(tail, &snapshot)) {
            return Ok(None);
        }
        // Much may have happened to the files while the lock was waited for.
        let before = self.check(config)?;
        // All that the anchor protects was read, and until the lock is given back nothing can be written over it.
        self.give_anchor_up();
        // What goes wrong here (a full disk) comes again with the next checkpoint, which tells it; what was read counts.
        self.we_copy();
        let copied = self.anchor().checkpoint(CheckpointMode::Passive);
        let index = self.free().wal_index()?;
        let (anchored, view) = self.pin(self.anchor(), self.free(), index)?;
        if anchored.end != snapshot.end {
            self.anchor().end();
            return Err(bad(snapshot.end.frames, "something was committed under the write lock".to_owned()));
        }
        // What was copied just now is compared while it still is in the log: the next commit begins that anew.
        let after = self.settle(config);
        let moves = view == View::Database;
        self.anchored_by_pin(anchored, view, moves && matches!(after, Ok(Some(_))));
        let wal_bytes = match after {
            Ok(Some(after)) => after.wal_bytes,
            Err(error @ SourceError::Replaced(_)) => return Err(error),
            // It could not be compared any more.
            _ if moves => {
                return Err(
                    self.give_up("the database file could not be compared before the log begins anew")
                );
            }
            // The next job asks again, and what was read counts.
            _ => before.wal_bytes,
        };
        // Another's checkpoint that is not over, yet, may have kept the pin from the slot that lets the log begin anew.
        let alone = copied.is_ok_and(|copied| !copied.busy);
        Ok(Some(Looked {
            snapshot: anchored,
            tail: tail.filter(|_| !mutated(Mutant::LockedTailDropped)),
            handed_over: true,
            backfilled: alone && view == View::Database,
            copying: false,
            image_in_the_way: self.image_in_the_way(),
            wal_bytes,
        }))
    }
}

/// Some 50 ms in all, in which no writer waits for us.
const LOCK_TRIES_MAX: u32 = 800;
const LOCK_PAUSE: Duration = Duration::from_micros(50);
/// What is read, and what is copied at most while the writers wait: some milliseconds.
const TAIL_BYTES_MAX: u64 = 1 << 20;
const REST_BYTES_MAX: u64 = 4 << 20;
