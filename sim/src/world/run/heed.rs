//! What the daemons say, and the oracles that look at it.

use super::*;
use crate::oracle::mirror::Applied;
use crate::oracle::ownership::Writer;
use crate::oracle::reachable::Base;
use crate::oracle::{restart, stop};

impl World<'_> {
    /// Looks at what a daemon announced.
    pub(super) fn heed(&mut self, number: usize) -> Checked {
        loop {
            let Some(daemon) = self.machines[number].daemon.as_mut() else { return Ok(()) };
            if let Some(violation) = daemon.broken.take() {
                return Err(violation);
            }
            for reached in daemon.take_coverage() {
                self.coverage.reached(reached);
            }
            if std::mem::take(&mut daemon.failed_to_open) {
                self.unchanged(number)?;
                continue;
            }
            let Some(notice) = daemon.notices.pop_front() else { break };
            self.heard(number, notice)?;
        }
        let stopped = self.machines[number].daemon.as_ref().is_some_and(|d| d.is_stopped() && d.is_quiet());
        if stopped {
            let daemon = self.machines[number].daemon.take().expect("checked");
            self.disconnect(number, &daemon);
            daemon.close();
            self.coverage.reached(Reached::Stopped);
            self.restart_later(number);
            self.bury_dead()?;
            self.unchanged(number)?;
        }
        Ok(())
    }

    fn heard(&mut self, number: usize, notice: Notice) -> Checked {
        match notice {
            Notice::Durable { txid, .. } => self.durable(number, txid)?,
            Notice::Status(Status::Fenced) => {
                let machine = &mut self.machines[number];
                machine.fenced = true;
                // Told again in a later life, it knows it since then for certain.
                machine.knows_loss = true;
                machine.state_misread_when_told = machine.state_misread_at_start;
            }
            Notice::Status(Status::Following) => self.follows(number)?,
            Notice::Status(Status::Missing) => self.coverage.reached(Reached::Missing),
            Notice::LogLetGo { .. } => self.coverage.reached(Reached::LogLetGo),
            Notice::EnteredWalMode => {
                self.coverage.reached(Reached::EnteredWalMode);
                self.unchanged(number)?;
            }
            Notice::Snapshot { txid, size_bytes: Some(_), .. } => {
                self.coverage.reached(Reached::SnapshotTaken);
                if !self.history.was_tampered_with() {
                    self.mirror.check_snapshot(txid)?;
                }
            }
            Notice::SnapshotRefused { pages, .. } if self.rots_never(number) => {
                return Err(Violation::new(21, format!("pages {pages:?} are said to be rotten")));
            }
            Notice::Stopped { complete, .. } => self.stopped(number, complete)?,
            Notice::Fenced(fenced) => {
                self.coverage.reached(Reached::Fenced);
                if fenced.copied_state {
                    self.coverage.reached(Reached::CopyFenced);
                }
            }
            Notice::Healed { reason, pages, of, .. } => self.healed(number, reason, pages, of)?,
            _ => {}
        }
        Ok(())
    }

    /// Property 32, when a life has come to follow.
    fn follows(&mut self, number: usize) -> Checked {
        let exact = self.reads_are_right(number);
        let machine = &mut self.machines[number];
        machine.unsettled &= self.chaos;
        // Who follows owns the place, whatever was said before.
        machine.fenced = false;
        machine.follows = true;
        if !self.healed {
            self.coverage.reached(Reached::Continued);
        }
        let unchanged = self.states.get(&number).map_or(0, States::len) == machine.states_at_start
            && !self.history.was_tampered_with();
        match (machine.promise.take(), &machine.daemon) {
            (Some(promise), Some(daemon)) if exact && unchanged && daemon.troubles == 0 => {
                self.coverage.reached(Reached::FreeRestart);
                promise.check(&daemon.asked)
            }
            _ => Ok(()),
        }
    }

    /// Whether no read of the database went wrong, and nobody wrote to the file who is no SQLite.
    fn rots_never(&self, number: usize) -> bool {
        !self.machines[number].has_misread() && !self.settings.operator.replaces
    }

    /// A wrong bit in a page of the database file looks like a change until the page is read again; an object of the
    /// chain that is not found costs an image.
    fn reads_are_right(&self, number: usize) -> bool {
        let machine = &self.machines[number];
        let calm = !self.chaos && !machine.unsettled;
        calm || !machine.has_misread() && self.settings.faults.network.stale_ppm == 0
    }

    /// Property 32, when pages go up after a comparison.
    fn healed(&mut self, number: usize, reason: HealReason, pages: u32, of: u32) -> Checked {
        self.healed = true;
        match reason {
            HealReason::LogGone => self.coverage.reached(Reached::LogGone),
            HealReason::StoreAhead => self.coverage.reached(Reached::StoreAhead),
            HealReason::Adopted => self.coverage.reached(Reached::Adopted),
            HealReason::Replaced => self.coverage.reached(Reached::Replaced),
            HealReason::HeadLost => self.coverage.reached(Reached::HeadLost),
            _ => {}
        }
        let machine = &self.machines[number];
        // An object that does not decode may keep the checksums of the store's pages from being known.
        let unknown = machine.daemon.as_ref().is_none_or(|daemon| daemon.damaged > 0)
            // Names do not tell that a slot holds an image: without the snapshot that must follow it the pages of what
            // was built on it are not known, and an image goes on top.
            || self.mirror.txid().is_none_or(|txid| self.base(txid) != Base::Snapshot);
        if unknown
            || !self.reads_are_right(number)
            || self.machines.len() > 1
            || self.history.was_tampered_with()
        {
            return Ok(());
        }
        match self.states.get(&number).and_then(|states| states.all_since(machine.states_at_start)) {
            Some(states) => restart::healed(reason, (pages, of), self.mirror.image(), states),
            None => Ok(()),
        }
    }

    /// Property 29 of an end.
    fn stopped(&mut self, number: usize, complete: bool) -> Checked {
        let machine = &mut self.machines[number];
        machine.ended_complete = complete;
        let troubles = machine.daemon.as_ref().map_or(0, |daemon| daemon.troubles);
        machine.ended_untroubled = troubles == 0;
        stop::check(machine.stop_asked.take(), complete, &self.states[&number], machine.fenced, troubles)
    }

    /// Properties 1, 5, 7, 9 and 10 at the moment of the announcement.
    pub(super) fn durable(&mut self, number: usize, txid: Txid) -> Checked {
        let machines = &self.machines;
        let writer_of = |node: NodeId| machines.iter().find(|m| m.own.contains(&node)).map(|m| m.number);
        let own: Vec<NodeId> = machines[number].own.iter().chain(&machines[number].copied).copied().collect();
        self.mirror.announced(txid, &own, &mut self.states, &writer_of)?;
        for applied in self.mirror.take_applied() {
            self.owns(applied)?;
        }
        self.ownership.announced(number);
        self.machines[number].knows_loss &= !self.ownership.is_owner(number);
        self.announced.insert(txid, number);
        self.coverage.reached(Reached::Durable);
        if self.settings.unconditional {
            self.coverage.reached(Reached::WithoutConditions);
        }
        if number == 1 {
            self.coverage.reached(Reached::TakenOver);
        }
        Ok(())
    }

    /// A slot counts: was its writer allowed to write it?
    fn owns(&mut self, applied: Applied) -> Checked {
        if applied.page_size_changed {
            self.coverage.reached(Reached::PageSizeHealed);
        }
        let machine = &self.machines[applied.writer];
        // A local state that was misread since can be lost, and with it what it knew.
        if !machine.knows_loss || machine.state_misread() > machine.state_misread_when_told {
            self.ownership.was_not_told(applied.writer);
        }
        let writer = Writer {
            machine: applied.writer,
            take_over: machine.daemon.as_ref().map_or(machine.take_over, |daemon| daemon.take_over),
            is_copy_of: machine
                .copied_until
                .filter(|until| applied.txid <= *until + KNOWN_TO_A_COPY)
                .map(|_| 0),
        };
        let (states, since) = (&self.states[&applied.writer], machine.states_at_start);
        let was_identical = |head| states.was_since(since, head);
        self.ownership.slot(applied.txid, writer, applied.head, was_identical)
    }
}

/// What a copied state directory knows beyond the newest slot of its time is the record of the one that was on its way;
/// the slot after that is the last one that its new owner may take for the next of its own.
const KNOWN_TO_A_COPY: u64 = 2;
