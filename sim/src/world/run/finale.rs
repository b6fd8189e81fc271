//! After everything has converged and no fault strikes any more: what must be exact then.

use super::operate::live_bytes;
use super::*;
use crate::oracle::stall::Statement;
use crate::oracle::{idle, points, restart, rot};

impl World<'_> {
    /// Properties 2, 20, 29, 31, 32 and 34 in a calm world, on a sample of the seeds.
    pub(super) fn finale(&mut self) -> Checked {
        let slots = self.announced.len() as u64;
        let mut asked = self.asked;
        self.machines.iter().filter_map(|m| m.daemon.as_ref()).for_each(|daemon| asked.add(&daemon.asked));
        // Where the place is listed every minute, what that costs depends on time alone.
        if !self.settings.operator.loses_objects {
            idle::run(&asked, slots, self.starts)?;
        }
        if self.settings.operator.checks_points && !self.history.was_tampered_with() {
            points::check(&Snapshot::take(&self.store, &self.place, lock_byte(self.settings)), &self.mirror)?;
            self.coverage.reached(Reached::PointsChecked);
        }
        self.rots()?;
        let owner = self.machines.iter().find(|machine| !machine.fenced).map(|machine| machine.number);
        let Some(owner) = owner else { return Ok(()) };
        self.is_named(owner)?;
        if self.settings.operator.restarts_at_end {
            self.truncates(owner)?;
            self.restarts(owner, true)?;
            // The life that ends in order here met no trouble, and so has no excuse.
            self.restarts(owner, false)?;
            self.is_named(owner)?;
        }
        if self.settings.operator.idle_hour {
            self.idle_hour(owner)?;
        }
        Ok(())
    }

    /// Wrong bits where objects lie, on the seeds that check points.
    fn rots(&mut self) -> Checked {
        if !self.settings.operator.checks_points || self.history.was_tampered_with() {
            return Ok(());
        }
        let mut draw = Random::indexed(self.seed, Stream::Store, 0);
        let lock_byte = lock_byte(self.settings);
        let found = rot::check(&self.store, &self.place, lock_byte, &self.mirror, &mut draw)?;
        if found.refused > 0 {
            self.coverage.reached(Reached::RotRefused);
        }
        if found.around > 0 {
            self.coverage.reached(Reached::RotAround);
        }
        Ok(())
    }

    /// The manifest names the owner, unless what this life asked for failed: it is written when following begins.
    fn is_named(&self, owner: usize) -> Checked {
        let machine = &self.machines[owner];
        let met_trouble = machine.daemon.as_ref().is_none_or(|daemon| daemon.asked.failed > 0);
        if met_trouble || self.manifest_is_late || machine.fenced || !self.ownership.is_owner(owner) {
            return Ok(());
        }
        let ids: Vec<NodeId> = machine.own.iter().chain(&machine.copied).copied().collect();
        self.claimed.names(&ids)
    }

    /// The application's TRUNCATE gets through when it is asked for again and again.
    fn truncates(&mut self, owner: usize) -> Checked {
        self.with_application(owner, Statement::Ordinary, |app| app.end_reader())?;
        for _ in 0..TRUNCATES_MAX {
            let mut through = false;
            self.with_application(owner, Statement::Checkpoint, |app| {
                through = app.checkpoint(3)?;
                Ok(())
            })?;
            if through {
                return Ok(());
            }
            self.pass(Duration::from_millis(100))?;
        }
        Err(Violation::new(20, format!("a checkpoint was kept from emptying the log {TRUNCATES_MAX} times")))
    }

    /// The daemon ends, in order or not, and starts again: it must follow soon, and `follows` looks at what that cost.
    fn restarts(&mut self, owner: usize, kill: bool) -> Checked {
        // An operator may have put a file there that says it is not in WAL mode, under connections that are: the next
        // one cannot enter it beside them.
        let header = self.machines[owner].disk.peek(DATABASE).unwrap_or_default();
        if header.get(18..20) != Some(&[2, 2]) {
            return Ok(());
        }
        self.pass(Duration::from_secs(12))?;
        if !kill {
            // Also what is committed at the last moment.
            let seed = self.seed;
            self.with_application(owner, Statement::Ordinary, |app| app.transaction(seed, 3).map(drop))?;
        }
        let life = |machine: &Machine| machine.daemon.as_ref().map(|daemon| daemon.client);
        let before = life(&self.machines[owner]);
        self.machines[owner].down = Some(Duration::from_millis(100));
        self.end_daemon(owner, kill)?;
        self.heed(owner)?;
        // The moment may be that of a look: it is at rest some time before the three seconds are over.
        let (keys_max, network) = (self.settings.list_keys_max, &self.settings.faults.network);
        let listing = restart::listing(&self.store, &self.place, keys_max, network);
        self.pass(Duration::from_millis(2_990) + listing)?;
        for _ in 0..10 {
            if self.machines[owner].daemon.as_ref().is_some_and(Daemon::is_quiet) {
                break;
            }
            self.pass(Duration::from_millis(1))?;
        }
        let daemon = self.machines[owner].daemon.as_ref();
        // Another machine's daemon, long down, may have come back meanwhile, and been refused.
        let follows = daemon.is_some_and(|d| Some(d.client) != before && d.attached && d.is_quiet());
        // Or it was allowed to take the place from an owner that was idle, and learns of it only now.
        if self.machines[owner].fenced && !self.ownership.is_owner(owner) {
            return Ok(());
        }
        if !follows || self.machines[owner].fenced {
            let message =
                format!("three seconds and a listing after a restart (kill: {kill}) it does not follow");
            return Err(Violation::new(29, message));
        }
        Ok(())
    }

    fn idle_hour(&mut self, owner: usize) -> Checked {
        // A reader would keep the daemon at the log.
        self.with_application(owner, Statement::Ordinary, |app| app.end_reader())?;
        self.pass(Duration::from_secs(20))?;
        let before = self.machines[owner].daemon.as_ref().map(|daemon| daemon.asked);
        self.pass(Duration::from_secs(3600))?;
        let after = self.machines[owner].daemon.as_ref().map(|daemon| daemon.asked);
        self.coverage.reached(Reached::IdleHour);
        let log = live_bytes(&self.machines[owner].disk);
        if log > 0 && !self.machines[owner].exclusive {
            return Err(Violation::new(
                30,
                format!("after an hour without a commit the log has {log} bytes"),
            ));
        }
        match (before, after) {
            (Some(before), Some(after)) => idle::hour(&before, &after),
            _ => Err(Violation::new(29, "the daemon ended in an hour without an event")),
        }
    }

    fn pass(&mut self, time: Duration) -> Checked {
        let until = self.clock.mono().after(time);
        self.let_happen(until)
    }
}

/// Two hand-overs are needed, and a look may come between.
const TRUNCATES_MAX: u32 = 5;
