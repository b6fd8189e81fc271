//! What unusual applications do beside the daemon, and what they must be refused.

use super::*;
use crate::oracle::stall::Statement;
use crate::plan::Operation;

impl World<'_> {
    pub(super) fn leave_wal(&mut self, seed: u64) -> Checked {
        let mut left = false;
        self.with_application(0, Statement::Alone, |app| {
            left = app.leave_wal()?;
            Ok(())
        })?;
        self.alone(left, Reached::LeftWalMode)?;
        self.with_application(0, Statement::Ordinary, |app| app.transaction(seed, 3).map(drop))
    }

    pub(super) fn change_page_size(&mut self, page_size: u32) -> Checked {
        let mut changed = false;
        self.with_application(0, Statement::Alone, |app| {
            changed = app.change_page_size(page_size)?;
            Ok(())
        })?;
        self.alone(changed, Reached::LeftWalMode)
    }

    pub(super) fn exclusive(&mut self, seed: u64, ms: u64) -> Checked {
        let mut got = false;
        self.machines[0].exclusive = self.machines[0].application.is_some();
        self.with_application(0, Statement::Alone, |app| {
            got = app.lock_exclusively(seed)?;
            Ok(())
        })?;
        self.alone(got, Reached::LockedExclusively)?;
        let until = self.clock.mono().after(Duration::from_millis(ms));
        self.let_happen(until)?;
        let still = std::mem::take(&mut self.machines[0].exclusive);
        if still { self.operate(Operation::Reopen) } else { Ok(()) }
    }

    /// Nobody has the file alone beside an attached daemon.
    fn alone(&mut self, got: bool, reached: Reached) -> Checked {
        match (got, self.machines[0].daemon_has_files()) {
            (true, true) => {
                Err(Violation::new(20, "the application had the file alone beside an open daemon"))
            }
            (true, false) => {
                self.coverage.reached(reached);
                Ok(())
            }
            (false, true) => {
                self.coverage.reached(Reached::RefusedAlone);
                Ok(())
            }
            (false, false) => Ok(()),
        }
    }

    pub(super) fn grow(&mut self, pages: u32) -> Checked {
        let lock_byte = lock_byte(self.settings);
        let mut grown = false;
        self.with_application(0, Statement::Checkpoint, |app| {
            let page_size = engine::types::PageSize::new(app.page_size()?).expect("SQLite's");
            // With frames of those pages in the log a checkpoint would change what SQLite reads in them.
            grown = app.checkpoint(3)?
                && app.grow_without_frames(pages, lock_byte.pgno(page_size).into_inner())?;
            Ok(())
        })?;
        if grown {
            self.coverage.reached(Reached::GrewWithoutFrames);
        }
        Ok(())
    }
}
