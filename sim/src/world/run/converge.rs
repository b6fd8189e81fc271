//! The end of a run: when the faults are over, the store comes to hold what the application committed, and
//! everything that was announced restores.

use super::*;
use crate::oracle::image;
use crate::oracle::reachable::Base;
use crate::oracle::stall::Statement;
use crate::plan::Permit;
use engine::key::{Layout, ObjectKey};

impl World<'_> {
    /// Property 29: without faults everything that was committed is in the store, soon.
    pub(super) fn converge(&mut self) -> Checked {
        self.chaos = false;
        self.network.set_faults(NetworkFaults::default());
        self.network.set_outage_until(Instant::default());
        self.free_disk()?;
        for machine in &mut self.machines {
            machine.disk.set_faults(DiskFaults::default());
            machine.disk.spare_power();
            for pid in machine.pids() {
                machine.disk.set_faults_of(pid, DiskFaults::default());
                machine.disk.spare(pid);
            }
            if let Some(daemon) = &mut machine.daemon {
                machine.unsettled = !machine.follows || self.network.waiting() > 0;
                daemon.paused_until = Instant::default();
                daemon.set_disk_faults(DiskFaults::default());
            }
        }
        if self.settings.operator.leaves_wal {
            // Beside a reader without WAL mode nobody enters it.
            self.with_application(0, Statement::Alone, |app| {
                app.end_reader().and_then(|()| app.enter_wal())
            })?;
        }
        let end = self.clock.mono().after(CONVERGE);
        for second in 0.. {
            // Who was overtaken while idle learns of it with the next commit: there is no request while idle.
            // Also who alone is left: the other one may have lost its state and be refused for what it wrote itself.
            if second % NUDGE_SECONDS == 0 && self.machines.len() > 1 {
                let going: Vec<usize> =
                    self.machines.iter().filter(|m| !m.fenced).map(|m| m.number).collect();
                for number in going {
                    let seed = second + number as u64;
                    self.with_application(number, Statement::Ordinary, |app| app.huge(seed))?;
                }
            }
            // Who lost its state must be told by a person that it may go on.
            let lost = self.machines[0].lost_state || self.settings.operator.clones_state;
            if second % NUDGE_SECONDS == NUDGE_SECONDS - 1 && lost && self.machines.iter().all(|m| m.fenced) {
                self.restart_fenced(0, Permit::Insist)?;
            }
            let slice = self.clock.mono().after(Duration::from_secs(1)).min(end);
            self.let_happen(slice)?;
            if self.has_converged()? {
                return Ok(());
            }
            if self.clock.mono() >= end {
                return Err(Violation::new(29, self.not_converged()));
            }
        }
        unreachable!("ends within {CONVERGE:?}")
    }

    pub(super) fn not_converged(&mut self) -> String {
        let seconds = CONVERGE.as_secs();
        let mut text = format!("not everything is in the store after {seconds} s;");
        let newest = digest(self.mirror.image());
        for machine in &self.machines {
            let state = self.states.get(&machine.number).and_then(States::last);
            let (number, fenced, daemon) = (machine.number, machine.fenced, machine.daemon.is_some());
            let same = state == Some(newest);
            text += &format!(" machine {number}: fenced {fenced}, daemon {daemon}, stored {same};");
        }
        text
    }

    pub(super) fn has_converged(&mut self) -> Result<bool, Violation> {
        let active: Vec<usize> =
            self.machines.iter().filter(|m| !m.fenced).map(|machine| machine.number).collect();
        // SQLite keeps no checksums of the local state: misread, it can cost a host its writer ids, and a host that does
        // not know itself refuses (docs/faults.md). What was announced must restore all the same.
        let lost = self.machines[0].lost_state || self.settings.operator.clones_state;
        let misread = !lost && self.machines.iter().any(|machine| machine.state_misread() > 0);
        if active.is_empty() && misread && self.mirror.txid().is_some() {
            return Ok(true);
        }
        let [only] = active[..] else { return Ok(false) };
        let machine = &self.machines[only];
        let waits = machine.application_at.is_some() || machine.stop_asked.is_some();
        // One that waits as the store told it to before the faults stopped may happen to lack nothing.
        if waits || !machine.daemon.as_ref().is_some_and(|daemon| daemon.is_quiet() && daemon.attached) {
            return Ok(false);
        }
        let image = self.machines[only].observe()?;
        if Some(digest(&image)) != self.states[&only].last() {
            return Err(Violation::new(19, "the application's database changed without the application"));
        }
        Ok(image::same(self.mirror.image(), &image) && self.is_whole())
    }

    /// Whether nothing that somebody deleted is needed to restore the newest state. A bit that no start reads is found by
    /// who verifies, and until then nothing on top of it restores; and so is a late write of an earlier life that landed where
    /// somebody had deleted a slot, before a listing saw the hole.
    fn is_whole(&self) -> bool {
        !self.history.was_tampered_with()
            || self.mirror.txid().is_some_and(|txid| match self.base(txid) {
                Base::Snapshot => true,
                Base::SlotOnly => false,
                Base::Nothing(hole) => self.history.rotted_at(hole) || self.is_filled(hole),
            })
    }

    fn is_filled(&self, hole: Txid) -> bool {
        let key = self.place.object_key(Layout::S3, ObjectKey::slot(hole));
        self.history.was_deleted(&key) && self.store.peek(&key).is_some()
    }

    /// What a restore of a slot that was announced could begin with.
    pub(super) fn base(&self, txid: Txid) -> Base {
        self.reachable.base(txid, self.mirror.afters.get(&txid).copied())
    }

    /// Properties 1, 2, 3, 4 and 12, at the end: what was announced restores, through the planner.
    pub(super) fn check_everything(&mut self) -> Checked {
        self.restored_rightly()?;
        self.history.check(&self.store, self.mirror.txid())?;
        let snapshot = Snapshot::take(&self.store, &self.place, lock_byte(self.settings));
        self.check_newest(&snapshot)?;
        let slots: Vec<Txid> =
            self.announced.keys().copied().filter(|txid| self.must_restore(*txid)).collect();
        let stride = slots.len().div_ceil(RESTORES_MAX).max(1);
        for txid in slots.into_iter().step_by(stride) {
            let (_, database) = snapshot.restore(Target::Txid(txid))?;
            if self.mirror.contents.get(&txid) != Some(&digest(&database)) {
                return Err(Violation::new(
                    4,
                    format!("slot {txid} restores to something else than announced"),
                ));
            }
        }
        Ok(())
    }

    /// Whether a slot that was announced is not lost with what somebody deleted or what rotted. What comes back late, below
    /// what was put on top meanwhile, does not count for a reader.
    fn must_restore(&self, txid: Txid) -> bool {
        let (lost, after) = (self.history.lost(&self.place), self.mirror.afters.get(&txid).copied());
        let Base::Nothing(hole) = self.reachable.base_without(&lost, txid, after) else { return true };
        let of_hole = [ObjectKey::slot(hole), ObjectKey::snapshot(hole)];
        let deleted = |key| self.history.was_deleted(&self.place.object_key(Layout::S3, key));
        !self.history.rotted_at(hole) && !of_hole.into_iter().any(deleted)
    }

    fn check_newest(&mut self, snapshot: &Snapshot) -> Checked {
        let newest = self.mirror.txid().expect("converged");
        let converged = digest(self.mirror.image());
        let restored = snapshot.restore(Target::Latest);
        if !self.must_restore(newest) {
            // Only who is not refused could have healed what somebody deleted, and what is not there is not known to be
            // newer. What rotted is there: no older state is given for it.
            let is_there = matches!(self.base(newest), Base::Nothing(hole) if self.history.rotted_at(hole));
            return match restored {
                Ok((txid, _)) if is_there && txid < newest => {
                    Err(Violation::new(21, format!("the newest restore is slot {txid}, and {newest} rotted")))
                }
                _ => Ok(()),
            };
        }
        let (txid, database) = restored?;
        // A claim that nobody had time to announce may lie on top: it changes nothing. And where a writer has forgotten
        // that it wrote there, what it did not announce before stays on top of what it did: a state that was.
        let found = digest(&database);
        let forgotten = txid > newest
            && self.machines.iter().all(|machine| machine.fenced)
            && self.states.values().any(|states| states.was_since(0, found));
        if txid < newest || found != converged && !forgotten {
            return Err(Violation::new(1, format!("the newest restore is slot {txid}, not {newest}")));
        }
        integrity(&database)
    }
}

/// Everything converges within this much simulated time after the last fault.
const CONVERGE: Duration = Duration::from_secs(300);
/// How often two machines that both believe to own the place commit meanwhile.
const NUDGE_SECONDS: u64 = 60;
/// Announced slots that are restored at the end, spread over all.
const RESTORES_MAX: usize = 12;
