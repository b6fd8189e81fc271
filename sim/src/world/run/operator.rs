//! What operators do to files, state and store, and how the application comes back after it.

use super::*;
use crate::oracle::image::Image;
use crate::oracle::rot::tells_the_writer;
use crate::plan::{Permit, Way};
use crate::world::daemon::STATE_FOLDER;
use crate::world::foreign::Operator;
use engine::key::{Layout, ObjectKey};

impl World<'_> {
    /// The application stops, somebody works at its files, and it comes back after `away_ms`; not before the daemon has
    /// let go of the files that it has open, where it `waits`.
    fn work_at_files(
        &mut self,
        away_ms: u64,
        waits: bool,
        work: impl FnOnce(&Operator, &[u8]) -> Result<Image, Violation>,
    ) -> Checked {
        let Some(application) = self.machines[0].application.take() else { return Ok(()) };
        application.close();
        self.bury_dead()?;
        // The power may have gone meanwhile, and the application be back.
        if let Some(application) = self.machines[0].application.take() {
            application.close();
        }
        self.observe(0)?;
        let before = self.states[&0].last_image().map(<[u8]>::to_vec).unwrap_or_default();
        let operator = Operator::at(&self.machines[0].disk);
        let disk = self.machines[0].disk.clone();
        let inode = || disk.peek_stat(DATABASE).map(|stat| stat.inode);
        let inode_before = inode();
        let found = work(&operator, &before)?;
        // Another file, or one that holds anything but what the database was: with the shared memory of before in use
        // beside it, a checkpoint would leave out what that says is in the file.
        let replaced = inode() != inode_before || disk.peek(DATABASE).as_ref() != Some(&before);
        drop(operator);
        let machine = &mut self.machines[0];
        let attached = machine.daemon.as_ref().filter(|daemon| daemon.attached);
        machine.awaits_let_go = attached.map(|daemon| daemon.let_go).filter(|_| waits && replaced);
        machine.files_changed = machine.daemon.as_ref().map(|daemon| daemon.let_go);
        machine.ended_complete = false;
        machine.attempts = 0;
        machine.application_at = Some(self.clock.mono().after(Duration::from_millis(away_ms)));
        self.found(0, found);
        self.hint(0);
        self.heed(0)
    }

    pub(super) fn replace(&mut self, way: Way, back: u8, away_ms: u64) -> Checked {
        let Some(image) = self.kept.iter().rev().nth(usize::from(back)).or(self.kept.last()).cloned() else {
            return Ok(());
        };
        match way {
            Way::Backup => {
                let operator = Operator::at(&self.machines[0].disk);
                if self.machines[0].application.is_some() && operator.back_up_over(&image).is_ok() {
                    self.coverage.reached(Reached::BackedUpOver);
                }
                drop(operator);
                self.after_application(0)
            }
            // What tells a copy from a checkpoint for certain is that the daemon saw the file in between; without that it
            // may be held, and then the log must not be.
            Way::Copy { keeps_wal: true } if !self.machines[0].daemon_has_looked() => {
                let way = Way::Copy { keeps_wal: false };
                self.work_at_files(away_ms, false, |operator, before| operator.replace(way, &image, before))
            }
            // With the old shared memory in use beside it the new file is not readable.
            Way::Copy { keeps_wal } | Way::Move { keeps_wal } => {
                self.work_at_files(away_ms, keeps_wal, |operator, before| {
                    operator.replace(way, &image, before)
                })
            }
        }
    }

    /// Lets time pass until the daemon is about to checkpoint, as long as an idle one takes for that.
    pub(super) fn await_checkpoint(&mut self) -> Checked {
        let until = self.clock.mono().after(CHECKPOINT_WITHIN);
        let about_to = |daemon: &Daemon| daemon.is_about_to_checkpoint();
        while !self.machines[0].daemon.as_ref().is_some_and(about_to) && self.step_before(until)? {}
        Ok(())
    }

    pub(super) fn delete_wal(&mut self, away_ms: u64) -> Checked {
        self.work_at_files(away_ms, false, |operator, before| operator.delete_wal(before))
    }

    pub(super) fn recreate(&mut self, away_ms: u64) -> Checked {
        self.work_at_files(away_ms, false, |operator, _| {
            operator.delete_database();
            Ok(Image::Copied(Vec::new()))
        })
    }

    /// The application comes back, or tries again when it cannot yet.
    pub(super) fn application_returns(&mut self, number: usize) -> Checked {
        let now = self.clock.mono();
        let waiting = self.network.waiting() > 0;
        let machine = &mut self.machines[number];
        let daemon = machine.daemon.as_ref();
        let ends = machine.stop_asked.is_some();
        // With its memory full of what the store does not take, or in an end that waits for the store, it does not look.
        let asleep = daemon.is_some_and(|d| {
            let store_is_slow = self.chaos && (d.asked.failed > 0 || waiting);
            d.paused_until > now || store_is_slow || ends && waiting
        });
        let held = machine.awaits_let_go.is_some_and(|before| daemon.is_some_and(|d| d.let_go == before));
        let started = if held { Err(None) } else { machine.start_application(self.settings).map_err(Some) };
        match started {
            Ok(()) => {
                machine.application_at = None;
                machine.awaits_let_go = None;
                self.application_faults(number);
                self.after_application(number)
            }
            Err(why) if machine.attempts >= ATTEMPTS_MAX => {
                let why = why.map_or("the daemon holds on to replaced files".to_owned(), |v| v.message);
                Err(Violation::new(18, format!("after {ATTEMPTS_MAX} s: {why}")))
            }
            Err(_) => {
                machine.attempts += u32::from(!asleep);
                machine.application_at = Some(now.after(Duration::from_secs(1)));
                Ok(())
            }
        }
    }

    pub(super) fn keep_down(&mut self, kill: bool, ms: u64) -> Checked {
        let down = Duration::from_millis(ms);
        let machine = &mut self.machines[0];
        if machine.restart_at.is_some() {
            machine.restart_at = Some(self.clock.mono().after(down));
            return Ok(());
        }
        machine.down = Some(down);
        self.end_daemon(0, kill)
    }

    pub(super) fn lose_state(&mut self) -> Checked {
        // Together with the local state the numbers would be forgotten for good, and whose a head is that rotted.
        if self.mirror.lacks_used_numbers() || self.history.has_rotted() {
            return Ok(());
        }
        self.end_daemon(0, true)?;
        Operator::at(&self.machines[0].disk).delete_directory(STATE_FOLDER);
        self.machines[0].ended_complete = false;
        self.machines[0].lost_state = true;
        // What the life before knew, nobody does until another one has come to follow.
        self.machines[0].follows = false;
        self.machines[0].knows_loss = false;
        self.coverage.reached(Reached::StateLost);
        Ok(())
    }

    /// The newest slot in the store, whether it was announced or not.
    pub(super) fn newest_slot(&self) -> Option<Txid> {
        let there = |txid: &Txid| {
            self.store.peek(&self.place.object_key(Layout::S3, ObjectKey::slot(*txid))).is_some()
        };
        let first = self.mirror.txid()?;
        (1..=2).map(|more| first + more).rfind(there).or(Some(first))
    }

    /// Deletes the newest slots of the place, all levels of it, where nobody is writing and the local state knows them.
    pub(super) fn lose_head(&mut self, slots: u8) -> Checked {
        let machine = &self.machines[0];
        let quiet = machine.daemon.is_none() && machine.follows && self.network.may_still_act() == 0;
        let Some(newest) = self.newest_slot().filter(|_| quiet && self.machines.len() == 1) else {
            return Ok(());
        };
        let oldest_gone = newest.into_inner().saturating_sub(u64::from(slots)) + 1;
        let gone = if slots == u8::MAX { 1 } else { oldest_gone.max(3) }..=newest.into_inner();
        // A slot that was sent, is not known to be confirmed and is not there, has not arrived, as far as anybody knows.
        // With the one before it gone as well, of which its record says that it was confirmed, it may have.
        let is_known = machine.ended_complete && machine.ended_untroubled || gone.clone().count() > 1;
        if is_known {
            self.mirror.loses_slots();
            for txid in gone.filter_map(|n| Txid::new(n).ok()) {
                self.somebody_deletes(ObjectKey::slot(txid));
                self.somebody_deletes(ObjectKey::snapshot(txid));
            }
        }
        Ok(())
    }

    pub(super) fn lose_object(&mut self, which: u64) -> Checked {
        let Some(newest) = self.mirror.txid() else { return Ok(()) };
        if which == 0 {
            self.somebody_deletes(ObjectKey::snapshot(Txid::ONE));
        } else if newest.into_inner() > 4 {
            let middle = 3 + which.wrapping_mul(7919) % (newest.into_inner() - 3);
            self.somebody_deletes(ObjectKey::slot(Txid::new(middle).expect("not zero")));
        }
        Ok(())
    }

    /// The newest slot rots where it lies, and nobody is writing.
    pub(super) fn rot_head(&mut self, bit: u32) -> Checked {
        let machine = &self.machines[0];
        let quiet = machine.daemon.is_none() && machine.follows && self.network.may_still_act() == 0;
        let newest = self.newest_slot().filter(|newest| Some(*newest) == self.mirror.txid());
        // Who has lost its state does not know that a head it cannot read is its own, and waits for a person.
        let knows = !machine.lost_state && self.machines.len() == 1;
        let Some(newest) = newest.filter(|_| quiet && knows) else { return Ok(()) };
        let key = self.place.object_key(Layout::S3, ObjectKey::slot(newest));
        // Nor does who could not save that it is there, where the header says now that another wrote it.
        let is_saved = machine.confirmed >= Some(newest);
        let bits = self.store.peek(&key).map_or(1, |object| object.bytes.len() * 8);
        if !is_saved && tells_the_writer(bit as usize % bits) {
            return Ok(());
        }
        if self.store.rot(&key, bit as usize) {
            self.history.rots(newest);
            self.coverage.reached(Reached::HeadRotted);
        }
        Ok(())
    }

    fn somebody_deletes(&mut self, key: ObjectKey) {
        let key = self.place.object_key(Layout::S3, key);
        self.history.somebody_deletes(&key);
        self.store.remove(&key);
    }

    /// An operator starts a fenced daemon again.
    pub(super) fn restart_fenced(&mut self, number: usize, take_over: Permit) -> Checked {
        if !self.machines.get(number).is_some_and(|machine| machine.fenced) {
            return Ok(());
        }
        self.machines[number].permit = match take_over {
            Permit::Configured => None,
            Permit::IfIdentical => Some(TakeOver::IfIdentical),
            Permit::Insist => Some(TakeOver::Insist),
        };
        if take_over != Permit::Configured {
            self.ownership.permit(number);
        }
        self.end_daemon(number, false)?;
        self.heed(number)
    }
}

/// An idle daemon empties the log after five seconds.
const CHECKPOINT_WITHIN: Duration = Duration::from_secs(7);
/// Seconds after which the daemon must have let go of files that were replaced.
const ATTEMPTS_MAX: u32 = 30;
