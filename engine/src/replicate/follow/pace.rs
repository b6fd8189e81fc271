//! When to look at the log, and when to checkpoint (docs/design.md section 3, rules 2, 3 and 5).

use super::drive::Drive;
use super::machine::{Follow, Job};
use super::others::Others;
use super::slots::SLOT_BYTES;
use super::stop::Stop;
use crate::mutants::{Mutant, mutated};
use crate::replicate::command::{CheckpointMode, HandOver, SourceJob};
use crate::replicate::config::DatabaseConfig;
use crate::replicate::context::Context;
use crate::replicate::event::{Checkpointed, Hint, Looked, Measured};
use crate::replicate::tail::live_bytes;
use crate::types::Instant;
use std::time::Duration;

/// What the pace depends on.
#[derive(Debug)]
pub(super) struct Pace {
    pub(super) limits: Limits,
    poked: bool,
    /// The database is written: somebody checkpoints, and the commit after it begins the log anew if our anchor lets it.
    written: bool,
    /// The last look saw that it goes on.
    copying: bool,
    /// Looks since the last that found something.
    idle_looks: u32,
    looked_at: Instant,
    /// Commits were seen last.
    frames_at: Instant,
    /// Everything in the log is in the database, under our pin.
    backfilled: bool,
    wal_bytes: u64,
    live_bytes: u64,
    measured_at: Instant,
    wal_frames: u32,
    /// A transaction waits that does not fit into memory beside what is there.
    spilled: bool,
    failures: u32,
    checkpoint_at: Instant,
    checkpoint_delay: Duration,
    others: Others,
    drive: Drive,
    /// When the last look began that kept the writers out.
    driving_since: Instant,
    /// A look must follow before another checkpoint makes sense.
    look_first: bool,
    /// The last look was cut.
    more: bool,
    /// A slot has been under way for long.
    store_is_slow: bool,
    /// Since when no look could be taken, because what was read fills the memory it may take.
    held_since: Option<Instant>,
}

/// The configuration that decides about time.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    pub(super) max_interval: Duration,
    pub(super) min_interval: Duration,
    pub(super) max_changes: u32,
    pub(super) memory_bytes: u64,
    pub(super) checkpoint_pages: u32,
}

impl Limits {
    pub(super) fn new(config: &DatabaseConfig) -> Limits {
        Limits {
            max_interval: config.max_interval,
            min_interval: config.min_interval,
            max_changes: config.max_changes,
            memory_bytes: config.memory_bytes_max,
            checkpoint_pages: config.checkpoint_pages,
        }
    }
}

/// Hints come as often as commits: looks do not.
const LOOK_GAP_MAX: Duration = Duration::from_millis(20);
const LOOK_GAP_MIN: Duration = Duration::from_millis(1);
/// So many looks in a row with nothing new are as close to each other.
const IDLE_LOOKS_MAX: u32 = 4;
/// A log that somebody copies should begin anew with the next commit.
const LOOK_GAP_COPYING: Duration = Duration::from_micros(100);
/// While a checkpoint of the application might be waiting for our pin, hand over at least this often.
const HAND_OVER_INTERVAL: Duration = Duration::from_millis(50);
/// Without any hint: the safety net below file notifications.
const POLL_INTERVAL: Duration = Duration::from_secs(1);
/// Without commits for this long the log is emptied.
const IDLE: Duration = Duration::from_secs(5);
const CHECKPOINT_DELAY_MIN: Duration = Duration::from_millis(250);
const CHECKPOINT_DELAY_MAX: Duration = Duration::from_secs(30);
/// Looks that keep the writers out take at most one part in so many of the time, on a disk that is slow, too.
const DRIVING_SHARE: u32 = 20;
/// A log this many times as long as it should be is checkpointed by us as well.
const OTHERS_FRAMES_FACTOR: u32 = 16;
/// Slots that go well take less.
const SLOW_SLOT: Duration = Duration::from_secs(1);
/// A budget that holds the pin is told after this long: between two slots it does so for a moment.
const HELD_PATIENCE: Duration = Duration::from_secs(5);
const FAILURES_MAX: u32 = 8;
const FAILURE_DELAY: Duration = Duration::from_millis(5);

impl Pace {
    pub(super) fn start(now: Instant, config: &DatabaseConfig) -> Pace {
        Pace {
            limits: Limits::new(config),
            poked: true,
            written: false,
            copying: false,
            idle_looks: 0,
            looked_at: now,
            frames_at: now,
            backfilled: false,
            wal_bytes: 0,
            live_bytes: 0,
            measured_at: now,
            wal_frames: 0,
            spilled: false,
            failures: 0,
            checkpoint_at: now,
            checkpoint_delay: CHECKPOINT_DELAY_MIN,
            others: Others::default(),
            drive: Drive::default(),
            driving_since: now,
            look_first: true,
            more: false,
            store_is_slow: false,
            held_since: None,
        }
    }

    pub(super) fn poked(&mut self, hint: Hint) {
        self.poked = true;
        self.written |= hint == Hint::Database;
    }

    pub(super) fn spilled(&mut self) {
        self.spilled = true;
        self.poked = true;
    }

    /// Where the application's checkpoints wait for us: at mark 0 nothing can be copied, and a log that is copied should
    /// begin anew. But what is hinted at may be no commit, and copying may take long.
    fn is_urgent(&self) -> bool {
        let at_mark_0 = self.backfilled || self.wal_frames == 0;
        (at_mark_0 || self.written) && self.idle_looks < IDLE_LOOKS_MAX
    }

    /// A look begins: what is hinted at from now on may come too late for it.
    pub(super) fn look_begins(&mut self) {
        self.poked = false;
        self.written = false;
        self.copying = false;
    }

    pub(super) fn looked(&mut self, now: Instant, looked: &Looked) {
        self.more = false;
        self.looked_at = now;
        self.failures = 0;
        self.backfilled = looked.backfilled && looked.handed_over;
        self.copying = looked.copying;
        self.wal_bytes = looked.wal_bytes;
        self.measured_at = now;
        self.live_bytes = live_bytes(looked.snapshot.end.frames, looked.snapshot.page_size);
        self.wal_frames = looked.snapshot.end.frames;
        self.look_first = !looked.handed_over;
        self.idle_looks = if looked.tail.is_some() { 0 } else { self.idle_looks.saturating_add(1) };
        self.others.looked(now, looked.snapshot.end.salts);
        self.drive.looked(looked.snapshot.end.salts);
    }

    pub(super) fn frames_came(&mut self, now: Instant, all: bool) {
        self.frames_at = now;
        // What was cut is read as soon as there is room.
        self.more = !all;
        self.poked |= !all;
    }

    pub(super) fn checkpointed(&mut self, now: Instant, done: Checkpointed) {
        // What was committed behind our own pin is no sign that somebody else is in the way.
        // An emptied log has no frames.
        let emptied = done.frames.is_some() && done.frames == done.backfilled;
        let complete = !done.busy && (emptied || done.backfilled >= Some(self.wal_frames));
        self.checkpoint_delay = if complete {
            CHECKPOINT_DELAY_MIN
        } else {
            (self.checkpoint_delay * 2).min(CHECKPOINT_DELAY_MAX)
        };
        self.drive.checkpointed(complete);
        self.checkpoint_at = now.after(self.drive.delay().unwrap_or(self.checkpoint_delay));
        self.others.checkpointed();
        // Only a hand-over now reaches mark 0, from which the next writer may restart the log.
        self.poked = true;
        self.look_first = true;
    }

    /// No image is pinned any more that was in the way of our checkpoints.
    pub(super) fn image_unpinned(&mut self, now: Instant) {
        self.checkpoint_delay = CHECKPOINT_DELAY_MIN;
        self.checkpoint_at = self.checkpoint_at.min(now);
        // What the last one left is seen before the next.
        self.poked = true;
        self.look_first = true;
    }

    /// When commits were seen last; at the start, when that was.
    pub(super) fn frames_at(&self) -> Instant {
        self.frames_at
    }

    /// Whether a look is owed: after a checkpoint, or because the last one was cut.
    pub(super) fn look_is_pending(&self) -> bool {
        self.poked
    }

    /// A look that was to begin the log anew has ended.
    pub(super) fn drove(&mut self, now: Instant, copied: bool) {
        if !self.drive.drove(copied) {
            self.checkpoint_delay = (self.checkpoint_delay * 2).min(CHECKPOINT_DELAY_MAX);
        }
        // The writers waited for a part of it.
        let rest = now.since(self.driving_since) * DRIVING_SHARE;
        self.checkpoint_at = now.after(self.checkpoint_delay.max(rest).min(CHECKPOINT_DELAY_MAX));
    }

    /// When a pin that the budget holds is told.
    pub(super) fn held_is_told_at(&self) -> Option<Instant> {
        self.held_since.map(|since| since.after(HELD_PATIENCE))
    }

    pub(super) fn measured(&mut self, now: Instant, measured: Measured) {
        self.measured_at = now;
        self.live_bytes = measured.in_use(self.wal_bytes, self.live_bytes);
    }

    /// Bytes of the log that are in use.
    pub(super) fn live_bytes(&self) -> u64 {
        self.live_bytes
    }

    /// Whether committed frames are known that were not read.
    pub(super) fn has_more(&self) -> bool {
        self.more || self.spilled
    }

    /// When a log that has become long is checkpointed. An application that does it is left to do it, but not while
    /// the log grows without bound.
    fn long_log_at(&self) -> Instant {
        let bound = self.limits.checkpoint_pages.saturating_mul(OTHERS_FRAMES_FACTOR);
        let others = self.others.expected_until().filter(|_| self.wal_frames < bound);
        others.map_or(self.checkpoint_at, |until| until.max(self.checkpoint_at))
    }

    /// Counts a failed job; whether to give up and reopen.
    pub(super) fn failed(&mut self, now: Instant) -> bool {
        self.failures += 1;
        self.looked_at = now.after(FAILURE_DELAY * (1 << self.failures.min(FAILURES_MAX)));
        self.poked = true;
        self.failures > FAILURES_MAX
    }
}

/// How often a database is looked at of which nothing is hinted.
fn poll_interval() -> Duration {
    if mutated(Mutant::IdleNotPolled) { 3600 * POLL_INTERVAL } else { POLL_INTERVAL }
}

impl Follow {
    /// When to look next; `None` while it cannot be or would not help.
    pub(super) fn look_at(&self) -> Option<Instant> {
        let reads = self.slot.as_ref().is_some_and(|s| s.upload.needs_anchor());
        let holds = reads
            || self.unsent.as_ref().is_some_and(|u| u.is_pinned())
            || (self.pace.spilled && (self.unsent.is_some() || self.slot.is_some()));
        // An end reads once, and what that left: a busy application must not keep it from ending.
        let drained = matches!(self.stop, Some(Stop::Draining { looked: true, .. })) && !self.pace.has_more();
        let stopping = drained || self.stop.is_some_and(|stop| !stop.wants_look());
        let full = self.room() == 0 && (self.unsent.is_some() || self.slot.is_some());
        if self.job.is_some() || holds || stopping || full {
            return None;
        }
        if matches!(self.stop, Some(Stop::Draining { looked: false, .. } | Stop::HandingOver)) {
            return Some(self.pace.looked_at);
        }
        if self.sync.wants_look() {
            return Some(self.pace.looked_at);
        }
        let gap = (self.pace.limits.max_interval / 4).clamp(LOOK_GAP_MIN, LOOK_GAP_MAX);
        let after = if self.restarts_next() {
            Duration::ZERO
        } else if self.pace.copying {
            LOOK_GAP_COPYING
        } else if self.pace.poked && self.pace.is_urgent() {
            LOOK_GAP_MIN
        } else if self.pace.poked {
            gap
        } else if !self.pace.backfilled && self.pace.wal_frames > 0 || self.snapshot.is_pinned() {
            HAND_OVER_INTERVAL
        } else {
            poll_interval()
        };
        Some(self.pace.looked_at.after(after))
    }

    /// When the log is measured that cannot be looked at.
    pub(super) fn measure_at(&self) -> Option<Instant> {
        let blind = self.job.is_none() && self.look_at().is_none() && self.stop.is_none();
        blind.then(|| self.pace.measured_at.after(POLL_INTERVAL))
    }

    /// Whether the next look keeps the writers out: right behind one that left little to be read.
    fn restarts_next(&self) -> bool {
        self.pace.drive.is_ready() && !self.pace.look_first && !self.pace.has_more() && self.stop.is_none()
    }

    /// Notes whether the store is slow, and whether the budget holds the pin.
    pub(super) fn note_held(&mut self, cx: &Context<'_>) {
        let under_way = self.slot_started_at.filter(|_| self.slot.is_some());
        self.pace.store_is_slow = under_way.is_some_and(|since| cx.now.mono.since(since) >= SLOW_SLOT);
        let outstanding = self.unsent.is_some() || self.slot.is_some();
        let held = outstanding && (self.room() == 0 || self.pace.has_more());
        self.pace.held_since = held.then(|| self.pace.held_since.unwrap_or(cx.now.mono));
    }

    /// Page bytes that may still be taken into memory.
    pub(super) fn room(&self) -> u64 {
        let counts = !mutated(Mutant::SlotNotInBudget);
        let sending = self.slot.as_ref().filter(|_| counts).map_or(0, |s| s.memory_bytes);
        let waiting = self.unsent.as_ref().map_or(0, |u| u.memory_bytes());
        let free = self.pace.limits.memory_bytes.saturating_sub(sending + waiting);
        if self.pace.store_is_slow { free } else { free.min(SLOT_BYTES.saturating_sub(waiting)) }
    }

    /// When a checkpoint of ours would help.
    pub(super) fn checkpoint_at(&self) -> Option<Instant> {
        let reads = self.slot.as_ref().is_some_and(|s| s.upload.needs_anchor())
            || self.unsent.as_ref().is_some_and(|u| u.is_pinned());
        if self.job.is_some() || self.pace.look_first || reads || self.stop.is_some() {
            return None;
        }
        let long = self.pace.wal_frames >= self.pace.limits.checkpoint_pages && !self.pace.backfilled;
        let long_at = long.then(|| self.pace.long_log_at());
        let quiet = self.unsent.is_none() && self.slot.is_none();
        let idle_at = self.pace.frames_at.after(IDLE).max(self.pace.checkpoint_at);
        let quiet = quiet && !mutated(Mutant::IdleLogKept);
        if self.pace.wal_bytes > 0 && quiet && (self.pace.backfilled || self.pace.wal_frames > 0) {
            return Some(long_at.map_or(idle_at, |long_at| long_at.min(idle_at)));
        }
        long_at
    }

    pub(super) fn start_job_if_due(&mut self, cx: &mut Context<'_>) {
        if self.job.is_some() {
            return;
        }
        if self.checkpoint_at().is_some_and(|due| due <= cx.now.mono) {
            let idle = cx.now.mono.since(self.pace.frames_at) >= IDLE;
            if self.pace.backfilled && idle {
                self.start_checkpoint(cx, CheckpointMode::Truncate);
            } else {
                self.start_checkpoint(cx, CheckpointMode::Passive);
            }
        } else if self.look_at().is_some_and(|due| due <= cx.now.mono) {
            if self.unsent.is_none() && self.slot.is_none() {
                self.pace.spilled = false;
            }
            let restarts = self.restarts_next();
            self.pace.look_begins();
            self.sync.look_begins();
            if restarts {
                self.pace.driving_since = cx.now.mono;
            }
            let id = cx.source(SourceJob::Look {
                from: self.position.wal,
                pages_before: self.position.pages,
                bytes_max: self.room(),
                hand_over: if restarts { HandOver::Restart } else { HandOver::Allowed },
            });
            self.job = Some((id, if restarts { Job::Restart } else { Job::Look }));
        } else if self.measure_at().is_some_and(|due| due <= cx.now.mono) {
            self.pace.measured_at = cx.now.mono;
            self.job = Some((cx.source(SourceJob::Measure), Job::Measure));
        }
    }

    pub(super) fn start_checkpoint(&mut self, cx: &mut Context<'_>, mode: CheckpointMode) {
        let job = match mode {
            CheckpointMode::Passive => Job::Passive,
            CheckpointMode::Truncate => Job::Truncate,
        };
        self.job = Some((cx.source(SourceJob::Checkpoint(mode)), job));
    }
}
