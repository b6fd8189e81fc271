//! Being there when the application's checkpoint ends (docs/decisions/0018-the-log-begins-anew-at-once.md).
//!
//! A writer that never rests begins its log anew with the commit that follows a checkpoint, unless a reader is in the
//! way; and while the log goes on it checkpoints with every commit. Our guard is in the way until a look has moved to
//! slot 0, and between two commits of such a writer there is less time than a look takes to come. So a look that finds a
//! checkpoint under way which copies all of the log waits for its end.

use super::copied::PAGES_FEW;
use super::image::View;
use super::session::SessionConfig;
use super::source::Source;
use super::wal_index::WalIndex;
use engine::mutants::{Mutant, mutated};
use engine::replicate::{Snapshot, SourceError};
use engine::types::Salts;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

/// How a look ended beside another's checkpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Copying {
    /// There is none that copies all of the log, or it has made no progress for so long that it is dead.
    No,
    /// It is still under way.
    Yes,
    /// It has ended, and our pin is in slot 0.
    Ended,
}

/// A checkpoint that is waited for, and how often it was.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Waits {
    of: Option<(Salts, u32, u32)>,
    count: u32,
}

impl Waits {
    /// Whether this one may be waited for once more.
    fn more(&mut self, index: &WalIndex) -> bool {
        let of = Some((index.end.salts(), index.attempted, index.backfilled));
        if self.of != of {
            *self = Waits { of, count: 0 };
        }
        self.count += 1;
        self.count <= WAITS_MAX
    }

    /// Nobody makes it.
    fn is_dead(&mut self) {
        self.count = WAITS_MAX;
    }
}

/// The right to wait: those who wait take threads from the looks of other databases.
struct Turn;

static WAITING: AtomicU32 = AtomicU32::new(0);

impl Turn {
    fn take() -> Option<Turn> {
        if WAITING.fetch_add(1, Ordering::Relaxed) < WAITING_MAX {
            return Some(Turn);
        }
        WAITING.fetch_sub(1, Ordering::Relaxed);
        None
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        WAITING.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Source {
    /// Waits for a moment while somebody copies all of the log, up to the `snapshot` at which the guard rests with
    /// everything read; then takes slot 0.
    pub(super) fn wait_for_copying(&mut self, config: &SessionConfig, snapshot: &Snapshot) -> Copying {
        // What goes wrong here is met again by the next look; this one has read all there is.
        self.copying(config, snapshot).unwrap_or(Copying::No)
    }

    fn copying(&mut self, config: &SessionConfig, snapshot: &Snapshot) -> Result<Copying, SourceError> {
        let is_said =
            |index: &WalIndex| index.end.position() == snapshot.end && index.attempted == snapshot.end.frames;
        let Some(index) = self.anchor().wal_index()?.filter(is_said) else { return Ok(Copying::No) };
        let Some(_turn) = Turn::take() else { return Ok(Copying::No) };
        if !self.waits.more(&index) {
            return Ok(Copying::No);
        }
        // Who copies has slot 0 alone from before that is said until after all is counted. A checkpoint that died has
        // not, nor has a recovery, which says the same.
        if self.anchor().may_share(DATABASE_SLOT)? && !self.has_ended(snapshot)? {
            self.waits.is_dead();
            return Ok(Copying::No);
        }
        let mut waited = Duration::ZERO;
        while waited < WAIT_MAX {
            if self.has_ended(snapshot)? && self.anchor().may_share(DATABASE_SLOT)? {
                return self.move_to_database(config, snapshot);
            }
            let goes_on = self.anchor().wal_index()?.as_ref().is_some_and(is_said);
            if !goes_on && !mutated(Mutant::CopiedLogLetGo) {
                return Ok(Copying::No);
            }
            waited += (config.pause)(PAUSE);
        }
        Ok(Copying::Yes)
    }

    /// Whether the database has all of the log, which ends where everything was read.
    fn has_ended(&self, snapshot: &Snapshot) -> Result<bool, SourceError> {
        let ended = |index: WalIndex| {
            let is_read = index.end.position() == snapshot.end || mutated(Mutant::CopiedLogLetGo);
            is_read && index.backfilled == index.end.frames()
        };
        Ok(self.anchor().wal_index()?.is_some_and(ended))
    }

    /// A look of its own, at a log that has nothing new and that the database has all of.
    fn move_to_database(
        &mut self,
        config: &SessionConfig,
        snapshot: &Snapshot,
    ) -> Result<Copying, SourceError> {
        let checked = self.check_pages(config, PAGES_FEW)?;
        let (now, view) = self.pin_free(checked.index)?;
        let is_read = now.end == snapshot.end || mutated(Mutant::CopiedLogLetGo);
        // The next commit takes away what the file can be compared with.
        if !is_read || view != View::Database || !self.is_as_checked(config) {
            self.free().end();
            return Ok(Copying::No);
        }
        self.hand_over(now, view, true);
        Ok(Copying::Ended)
    }
}

/// Of those that read the database file alone; who copies has it alone.
const DATABASE_SLOT: usize = 0;
/// A look waits for so long.
const WAIT_MAX: Duration = Duration::from_millis(10);
const PAUSE: Duration = Duration::from_micros(10);
/// So many looks wait for the same checkpoint: after a third of a second the log is long, or the disk is slow, and the
/// usual pace of looks is soon enough.
const WAITS_MAX: u32 = 32;
/// Looks that wait at one time, of all databases.
const WAITING_MAX: u32 = 4;
