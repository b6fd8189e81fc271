//! The end of patience: a log that grows without bound while the store is away (docs/design.md section 3).

use super::machine::Follow;
use crate::mutants::{Mutant, mutated};
use crate::replicate::context::Context;
use crate::replicate::notice::{HealReason, Notice};

impl Follow {
    /// Lets the application have its log back when nothing goes up and it has become too long. What was not sent is
    /// compared page by page when the store is there again: the points in between are given up, not the newest one.
    pub(super) fn let_go_if_too_long(&mut self, cx: &mut Context<'_>) {
        let away = self.slot.as_ref().is_some_and(|slot| slot.upload.is_kept_away(cx.now.mono));
        let free =
            self.job.is_none() && self.saving.is_none() && self.stop.is_none() && self.leaving.is_none();
        let (wal_bytes, wal_bytes_max) = (self.pace.live_bytes(), cx.config.max_wal_bytes);
        if !away || !free || wal_bytes <= wal_bytes_max || mutated(Mutant::LongLogHeld) {
            return;
        }
        cx.notice(Notice::LogLetGo { wal_bytes, wal_bytes_max });
        self.leave(cx, HealReason::LogGone);
    }
}
