//! What the operations of a plan do.

use super::*;
use crate::oracle::stall::{self, Statement};
use crate::plan::Operation;
use crate::world::foreign::WAL;

impl World<'_> {
    pub(super) fn operate(&mut self, operation: Operation) -> Checked {
        self.trace.record("operation", &format!("{operation:?}"), &[], &[]);
        match operation {
            Operation::Transaction { seed, statements } => {
                self.with_application(0, Statement::Ordinary, |app| {
                    app.transaction(seed, statements).map(drop)
                })
            }
            Operation::SecondTransaction { seed } => {
                self.with_application(1, Statement::Ordinary, |app| app.transaction(seed, 3).map(drop))
            }
            Operation::Huge { seed } => self.with_application(0, Statement::Ordinary, |app| app.huge(seed)),
            Operation::DeleteMost => self.with_application(0, Statement::Ordinary, |app| app.delete_most()),
            Operation::Vacuum => self.with_application(0, Statement::Ordinary, |app| app.vacuum()),
            Operation::IncrementalVacuum => {
                self.with_application(0, Statement::Ordinary, |app| app.incremental_vacuum())
            }
            Operation::Checkpoint { mode } => {
                let mut emptied = false;
                self.with_application(0, Statement::Checkpoint, |app| {
                    emptied = app.checkpoint(mode)? && mode == 3;
                    Ok(())
                })?;
                match &self.machines[0].daemon {
                    Some(_) if emptied => self.coverage.reached(Reached::ForeignTruncate),
                    Some(_) => {}
                    None => self.coverage.reached(Reached::CheckpointWhileDown),
                }
                Ok(())
            }
            Operation::Reopen => {
                if let Some(application) = self.machines[0].application.take() {
                    application.close();
                    self.bury_dead()?;
                }
                if self.machines[0].application.is_none() && self.machines[0].application_at.is_none() {
                    // It may have had the file alone: what it left is a state of its own.
                    self.machines[0].exclusive = false;
                    self.observe(0)?;
                    self.machines[0].start_application(self.settings)?;
                    self.application_faults(0);
                }
                self.after_application(0)
            }
            Operation::ToggleReader => {
                self.with_application(0, Statement::Ordinary, |app| app.toggle_reader(DATABASE))
            }
            Operation::KillApplication { operations } => {
                if let Some(application) = &self.machines[0].application {
                    self.machines[0].disk.kill_in(application.process().pid(), operations);
                }
                self.after_application(0)
            }
            Operation::KillDaemon { operations } => {
                if let Some(daemon) = &self.machines[0].daemon {
                    self.machines[0].disk.kill_in(daemon.process.pid(), operations);
                }
                self.bury_dead()
            }
            Operation::StopDaemon => self.end_daemon(0, false),
            Operation::StartDaemon | Operation::Rest => Ok(()),
            Operation::CutPower { operations } => {
                self.machines[0].disk.cut_power_in(operations);
                Ok(())
            }
            Operation::Outage { ms } => {
                let until = self.clock.mono().after(Duration::from_millis(ms));
                self.network.set_outage_until(until);
                if ms > 5_000 {
                    self.coverage.reached(Reached::Outage);
                }
                Ok(())
            }
            Operation::Silence { ms } => {
                self.network.set_silent_until(self.clock.mono().after(Duration::from_millis(ms)));
                self.coverage.reached(Reached::Silence);
                Ok(())
            }
            Operation::PauseDaemon { ms } => {
                let until = self.clock.mono().after(Duration::from_millis(ms));
                if let Some(daemon) = &mut self.machines[0].daemon {
                    daemon.paused_until = until;
                }
                Ok(())
            }
            Operation::StartSecond => self.start_second(),
            Operation::AwaitCheckpoint => self.await_checkpoint(),
            Operation::Replace { way, back, away_ms } => self.replace(way, back, away_ms),
            Operation::DeleteWal { away_ms } => self.delete_wal(away_ms),
            Operation::Recreate { away_ms } => self.recreate(away_ms),
            Operation::LeaveWal { seed } => self.leave_wal(seed),
            Operation::EnterWal => self.with_application(0, Statement::Alone, |app| app.enter_wal()),
            Operation::Exclusive { seed, ms } => self.exclusive(seed, ms),
            Operation::ChangePageSize { page_size } => self.change_page_size(page_size),
            Operation::GrowWithoutFrames { pages } => self.grow(pages),
            Operation::KeepDown { kill, ms } => self.keep_down(kill, ms),
            Operation::LoseState => self.lose_state(),
            Operation::LoseHead { slots } => self.lose_head(slots),
            Operation::LoseObject { which } => self.lose_object(which),
            Operation::RotHead { bit } => self.rot_head(bit),
            Operation::RestartFenced { machine, take_over } => self.restart_fenced(machine, take_over),
            Operation::JumpWall { machine, ms } => self.jump_wall(machine, ms),
            Operation::FillDisk { room_bytes } => self.fill_disk(room_bytes),
            Operation::FreeDisk => self.free_disk(),
            Operation::Restore(restoration) => self.restore(restoration),
            Operation::Occupy { output, companions } => self.occupy(output, companions),
        }
    }

    /// Lets the application of a machine do something. Its errors are the world's, not ours.
    pub(super) fn with_application(
        &mut self,
        machine: usize,
        statement: Statement,
        act: impl FnOnce(&mut crate::workload::Application) -> rusqlite::Result<()>,
    ) -> Checked {
        let Some(this) = self.machines.get_mut(machine) else { return Ok(()) };
        let Some(application) = this.application.as_mut() else { return Ok(()) };
        let slept_us = this.disk.stats().slept_us;
        let done = act(application);
        let slept_us = this.disk.stats().slept_us - slept_us;
        let busy = done.as_ref().err().and_then(rusqlite::Error::sqlite_error_code)
            == Some(rusqlite::ErrorCode::DatabaseBusy);
        if this.daemon_has_files() {
            stall::check(statement, slept_us, busy)?;
        }
        let code = done.as_ref().err().map_or(0, |e| u64::from(e.sqlite_error_code().is_some()) + 1);
        self.trace.record("application", "", &[("machine", machine as u64), ("failed", code)], &[]);
        if done.is_ok() {
            self.coverage.reached(Reached::Commit);
        }
        self.after_application(machine)
    }

    /// The application did something, or died of it: what is the database now?
    pub(super) fn after_application(&mut self, number: usize) -> Checked {
        self.bury_dead()?;
        let machine = &mut self.machines[number];
        machine.checks_then = machine.daemon.as_ref().map_or(0, |daemon| daemon.checks);
        self.observe(number)?;
        self.hint(number);
        self.log_is_bounded(number)?;
        self.heed(number)
    }

    /// Property 30: a log that is too long is let go while the store is away.
    fn log_is_bounded(&mut self, number: usize) -> Checked {
        let now = self.clock.mono();
        let away = self.network.outage_until() > now.after(Duration::from_secs(1));
        if !away {
            self.machines[number].long_log_since = None;
            return Ok(());
        }
        // Who owes something has to ask, and finds out that the store is away.
        let stored = self.mirror.txid().map(|_| digest(self.mirror.image()));
        let owes = self.states.get(&number).and_then(States::last) != stored;
        let machine = &mut self.machines[number];
        let holds = machine
            .daemon
            .as_ref()
            .is_some_and(|d| d.attached && (d.is_failing || owes) && d.paused_until <= now);
        // An end that is under way has a time limit of its own, outside.
        let ends = machine.stop_asked.is_some();
        let counts = holds && machine.follows && !ends;
        let log = if counts { live_bytes(&machine.disk) } else { 0 };
        if log <= self.settings.operator.wal_bytes_max {
            machine.long_log_since = None;
            return Ok(());
        }
        let since = *machine.long_log_since.get_or_insert(now);
        if now.since(since) > LONG_LOG {
            return Err(Violation::new(30, format!("a log of {log} bytes is held while the store is away")));
        }
        Ok(())
    }

    /// The files changed: the daemon is told, but now and then not.
    pub(super) fn hint(&mut self, number: usize) {
        let hint = self.process.ppm(850_000);
        let machine = &mut self.machines[number];
        let now = machine.disk.clock().now();
        let database = machine.disk.peek_stat(DATABASE);
        let written = std::mem::replace(&mut machine.database_then, database) != database;
        if hint && let Some(daemon) = &mut machine.daemon {
            let which = if written { Hint::Database } else { Hint::Log };
            daemon.poke(now, &mut self.network, which);
        }
    }

    pub(super) fn observe(&mut self, number: usize) -> Checked {
        if self.machines[number].exclusive {
            return Ok(());
        }
        let last = self.states.get(&number).and_then(States::last);
        match self.machines[number].look()? {
            Look::AsBefore(measure) if measure.bytes == 0 || last == Some(measure.content) => {
                self.measured(number, measure);
            }
            Look::AsBefore(_) => {
                let image = self.machines[number].observe()?;
                self.found(number, image);
            }
            Look::New(measure, image) => self.found_new(number, measure, image),
        }
        Ok(())
    }

    /// What a machine's database is now. One that is missing is no state.
    pub(super) fn found(&mut self, number: usize, image: Image) {
        self.found_new(number, Measure { content: digest(&image), bytes: image.len() }, image);
    }

    fn measured(&mut self, number: usize, measure: Measure) {
        if measure.bytes < self.image_bytes {
            self.coverage.reached(Reached::Shrank);
        }
        self.image_bytes = measure.bytes;
        self.trace.record("image", "", &[("machine", number as u64)], &measure.content.0);
    }

    fn found_new(&mut self, number: usize, measure: Measure, image: Image) {
        self.measured(number, measure);
        let content = measure.content;
        if image.is_empty() {
            return;
        }
        let states = self.states.entry(number).or_default();
        let before = states.len();
        states.now(content, image);
        let is_new = states.len() > before && before.is_multiple_of(KEPT_EVERY);
        if number == 0 && self.settings.operator.replaces && is_new {
            self.kept.extend(states.last_image().map(<[u8]>::to_vec));
            if self.kept.len() > KEPT_MAX {
                self.kept.remove(0);
            }
        }
    }
}

/// Every so many states one is kept for operators who want it back.
const KEPT_EVERY: usize = 5;
const KEPT_MAX: usize = 3;
/// Requests into the outage must have failed first.
const LONG_LOG: Duration = Duration::from_secs(100);

/// Bytes of a log that are in use: its header, and its frames up to the end of the last commit, as the wal-index says. The
/// file stays as long as it once was, and what a transaction wrote before it failed is overwritten by the next one.
pub(super) fn live_bytes(disk: &SimDisk) -> u64 {
    let log = disk.peek(WAL).unwrap_or_default();
    let Some(page_bytes) = log.get(8..12).map(|b| u32::from_be_bytes([b[0], b[1], b[2], b[3]])) else {
        return 0;
    };
    let frame_bytes = u64::from(page_bytes) + 24;
    let frames = disk.committed_frames(DATABASE).map_or_else(|| valid_frames(&log, frame_bytes), u64::from);
    32 + frames * frame_bytes
}

/// Where nobody maps a wal-index: those with the salts of the log.
fn valid_frames(log: &[u8], frame_bytes: u64) -> u64 {
    let frames = log[32.min(log.len())..].chunks_exact(frame_bytes as usize);
    frames.take_while(|frame| frame[8..16] == log[16..24]).count() as u64
}
