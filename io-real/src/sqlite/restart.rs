//! A look with the writers kept out, after which the log can begin anew (docs/design.md section 3, rule 3).
//!
//! Beside a writer that never rests there are always frames that no checkpoint of ours has copied: each begins behind
//! our pin, and while it copies more is committed. Nobody finds the log copied whole, so it grows without end.

use super::error::io;
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
        wal_bytes: u64,
        wanted: &Wanted,
    ) -> Result<Option<Looked>, SourceError> {
        if !self.lock_out_writers()? {
            return Ok(None);
        }
        let looked = self.restart(config, wal_bytes, wanted);
        self.free().end();
        looked
    }

    fn lock_out_writers(&self) -> Result<bool, SourceError> {
        for _ in 0..LOCK_TRIES_MAX {
            if self.free().lock_out_writers()? {
                return Ok(true);
            }
            // SQLite's own pauses grow, and a writer without any is met in none of them.
            std::thread::sleep(LOCK_PAUSE);
        }
        Ok(false)
    }

    /// The free connection holds the write lock.
    fn restart(
        &mut self,
        config: &SessionConfig,
        wal_bytes: u64,
        wanted: &Wanted,
    ) -> Result<Option<Looked>, SourceError> {
        // SQLite gives no snapshot to who may write; under the lock the wal-index cannot change but for what is copied.
        let Some(index) = self.free().wal_index()? else { return Ok(None) };
        let Some(page_size) = index.end.page_size() else { return Ok(None) };
        let snapshot = Snapshot { end: index.end.position(), pages: index.end.pages(), page_size };
        let rest = u64::from(snapshot.end.frames - index.backfilled) * u64::from(page_size.into_inner());
        let copied = Some(index.backfilled);
        let Some(view) = View::at_pin(snapshot.end.frames, copied, copied) else { return Ok(None) };
        if snapshot.end.frames == 0 || view == View::Database || rest > REST_BYTES_MAX {
            return Ok(None);
        }
        let tail = self.tail(&snapshot, view, &wanted.at_most(TAIL_BYTES_MAX))?;
        if !tail.as_ref().is_none_or(|tail| in_memory(tail, &snapshot)) {
            return Ok(None);
        }
        // All that the anchor protects was read, and until the lock is given back nothing can be written over it.
        self.anchor().unguard();
        self.anchor().end();
        let copied = self.anchor().checkpoint(CheckpointMode::Passive);
        let before = self.anchor_index_after(&snapshot)?;
        let anchored = self.anchor().pin()?;
        if anchored.end != snapshot.end {
            return Err(bad(snapshot.end.frames, "something was committed under the write lock".to_owned()));
        }
        let view = if before == Some(snapshot.end.frames) { View::Database } else { view };
        self.anchored_by_pin(config, anchored, view);
        copied?;
        let tail = tail.filter(|_| !mutated(Mutant::LockedTailDropped));
        let backfilled = view == View::Database;
        Ok(Some(Looked { snapshot: anchored, tail, handed_over: true, backfilled, wal_bytes }))
    }

    /// How much of the log the database has after the checkpoint.
    fn anchor_index_after(&self, snapshot: &Snapshot) -> Result<Option<u32>, SourceError> {
        let index = self.free().wal_index().map_err(|e| io("wal-index", e))?;
        Ok(index.and_then(|index| index.backfilled_of(snapshot.end.salts)))
    }
}

/// Some 20 ms in all.
const LOCK_TRIES_MAX: u32 = 400;
const LOCK_PAUSE: Duration = Duration::from_micros(50);
/// What is read, and what is copied at most while the writers wait: some milliseconds.
const TAIL_BYTES_MAX: u64 = 1 << 20;
const REST_BYTES_MAX: u64 = 4 << 20;
