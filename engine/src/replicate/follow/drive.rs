//! When checkpoints beside the writers are not enough (docs/design.md section 3, rule 3).
//!
//! One that keeps nobody out copies up to our pin, and while it does more is committed: beside a writer that never rests
//! the log is never copied whole, and so never begins anew. Then the log is driven: checkpoints without a pause, each of
//! which leaves less to copy than the one before, and a look that keeps the writers out for the rest.

use crate::types::Salts;
use std::time::Duration;

/// How far it has come.
#[derive(Debug, Default)]
pub(super) struct Drive {
    log: Option<Salts>,
    /// Checkpoints in a row that left the log as it was.
    in_vain: u32,
    /// Checkpoints without a pause.
    passes: u32,
    /// The log was left so that it begins anew, and has not been seen to, yet.
    drove: bool,
}

/// So many say that the writers do not rest.
const IN_VAIN_MAX: u32 = 3;
/// After so many without a pause there is little left.
const PASSES: u32 = 2;

impl Drive {
    /// After each look.
    pub(super) fn looked(&mut self, log: Salts) {
        if self.log.replace(log) != Some(log) {
            self.passes = 0;
            // What had to be driven once is known to need it.
            self.in_vain = if std::mem::take(&mut self.drove) { IN_VAIN_MAX - 1 } else { 0 };
        }
    }

    /// After a checkpoint of ours; `complete`: only our own pin was in its way.
    pub(super) fn checkpointed(&mut self, complete: bool) {
        self.in_vain = if complete { (self.in_vain + 1).min(IN_VAIN_MAX) } else { 0 };
        self.passes = if self.in_vain == IN_VAIN_MAX { self.passes + 1 } else { 0 };
    }

    /// The pause before the next checkpoint, where it is not the usual one.
    pub(super) fn delay(&self) -> Option<Duration> {
        (1..PASSES).contains(&self.passes).then_some(Duration::ZERO)
    }

    /// Whether the next look should keep the writers out.
    pub(super) fn is_ready(&self) -> bool {
        self.passes >= PASSES
    }

    /// It did, or could not; whether the log may begin anew now. Not where it was said before and did not come: readers
    /// that hand it on to each other keep it as it is, however much is copied.
    pub(super) fn drove(&mut self, copied: bool) -> bool {
        self.passes = 0;
        let restarts = !std::mem::replace(&mut self.drove, copied) && copied;
        self.in_vain = if restarts { self.in_vain } else { 0 };
        restarts
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn in_vain(drive: &mut Drive, times: u32) {
        for _ in 0..times {
            drive.checkpointed(true);
            drive.looked(Salts(1, 1));
        }
    }

    #[test]
    fn a_log_that_stays_is_driven_and_from_then_on_at_once() {
        let mut drive = Drive::default();
        drive.looked(Salts(1, 1));
        in_vain(&mut drive, IN_VAIN_MAX);
        assert!(!drive.is_ready() && drive.delay() == Some(Duration::ZERO));
        in_vain(&mut drive, 1);
        assert!(drive.is_ready());
        assert!(drive.drove(true));
        drive.looked(Salts(2, 2));
        assert!(!drive.is_ready() && drive.delay().is_none());
        drive.checkpointed(true);
        assert!(drive.delay() == Some(Duration::ZERO));
    }

    #[test]
    fn readers_are_no_reason_to_keep_writers_out() {
        let mut drive = Drive::default();
        drive.looked(Salts(1, 1));
        in_vain(&mut drive, IN_VAIN_MAX);
        drive.checkpointed(false);
        in_vain(&mut drive, IN_VAIN_MAX - 1);
        assert!(!drive.is_ready() && drive.delay().is_none());
        in_vain(&mut drive, PASSES);
        assert!(!drive.drove(false));
        in_vain(&mut drive, IN_VAIN_MAX - 1);
        assert!(!drive.is_ready());
    }

    #[test]
    fn a_log_that_stays_although_all_of_it_is_copied_is_left_to_its_readers() {
        let mut drive = Drive::default();
        drive.looked(Salts(1, 1));
        in_vain(&mut drive, IN_VAIN_MAX + PASSES - 1);
        assert!(drive.drove(true));
        in_vain(&mut drive, PASSES);
        assert!(drive.is_ready() && !drive.drove(true));
        in_vain(&mut drive, IN_VAIN_MAX - 1);
        assert!(!drive.is_ready() && drive.delay().is_none());
    }

    #[test]
    fn a_log_that_begins_anew_by_itself_needs_no_drive() {
        let mut drive = Drive::default();
        drive.looked(Salts(1, 1));
        in_vain(&mut drive, IN_VAIN_MAX - 1);
        drive.looked(Salts(2, 2));
        drive.checkpointed(true);
        assert!(drive.delay().is_none());
    }
}
