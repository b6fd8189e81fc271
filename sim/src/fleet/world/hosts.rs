//! What happens to a machine's files: databases that cannot be used, a local state that is damaged, restores.

use super::*;
use crate::fleet::mischief::{Damage, Refusal};
use crate::fleet::source;
use engine::manifest::Manifest;
use engine::replicate::{CachedSums, RestoreProof, SourceAnswer, SourceError, SourceJob};

/// What is done to a database or its place while nobody follows it.
#[derive(Clone, Copy)]
pub(super) enum Work {
    Meddle(crate::fleet::mischief::Meddling),
    Restore { earlier: bool, commits: u32 },
}

impl World<'_> {
    pub(super) fn refuse(&mut self, place: usize, why: Refusal, length: Duration) {
        let until = self.clock.mono().after(length);
        self.places[place].copies.iter_mut().for_each(|copy| copy.refused = Some((why, until)));
    }

    /// What a job says of files that cannot be used. One that may enter WAL mode does.
    pub(super) fn refused(&mut self, machine: usize, number: usize, job: &SourceJob) -> Option<SourceError> {
        let now = self.clock.mono();
        let place = self.seat(machine, number).place;
        let (why, _) = self.places[place].copies[machine].refused.filter(|(_, until)| now < *until)?;
        let may_enter = match job {
            SourceJob::Open { enter_wal_mode } => *enter_wal_mode,
            // Beside a daemon nobody leaves WAL mode, and none takes its lock.
            _ if matches!(why, Refusal::NotWal | Refusal::LeftWal | Refusal::Held | Refusal::Library) => {
                return None;
            }
            SourceJob::Seal { .. } | SourceJob::UnpinImage | SourceJob::Close => return None,
            _ => false,
        };
        let error = why.error(may_enter);
        if error.is_some() {
            self.coverage.reached(Reached::SourceRefused);
        }
        error
    }

    /// A database that had left WAL mode is in it from now on.
    pub(super) fn enters_wal(&mut self, machine: usize, place: usize, answer: &mut SourceAnswer) {
        let refused = &mut self.places[place].copies[machine].refused;
        if let (SourceAnswer::Opened(opened), Some((Refusal::LeftWal, _))) = (answer, *refused) {
            opened.entered_wal_mode = true;
            *refused = None;
            self.coverage.reached(Reached::EnteredWalMode);
        }
    }

    pub(super) fn fail_state(&mut self, machine: usize, length: Duration) {
        self.machines[machine].state_fails_until = self.clock.mono().after(length);
    }

    pub(super) fn damage_state(&mut self, place: usize, how: Damage) {
        self.places[place].copies[0].saved.damage(how);
        self.coverage.reached(Reached::StateDamaged);
    }

    /// Lets go of a database, and does something when that is done; then it is followed again.
    pub(super) fn while_stopped(&mut self, place: usize, work: Work) -> Checked {
        self.plan(Duration::ZERO, Due::Work(place, work));
        match self.places[place].copies[0].seat.filter(|_| self.machines[0].life.is_some()) {
            Some(number) => self.stop_seat(0, number),
            None => Ok(()),
        }
    }

    pub(super) fn work_at(&mut self, place: usize, work: Work) -> Checked {
        if self.is_ending(0, place) && self.chaos {
            self.plan(Duration::from_millis(200), Due::Work(place, work));
            return Ok(());
        }
        if self.chaos {
            match work {
                Work::Meddle(with) => self.meddle(place, with)?,
                Work::Restore { earlier, commits } if self.places[place].copies[0].seat.is_none() => {
                    self.restore_over(place, 0, earlier);
                    (0..commits).for_each(|_| self.commit(place, 0));
                }
                Work::Restore { .. } => {}
            }
        }
        self.plan(Duration::from_millis(100), Due::Add(0, place));
        Ok(())
    }

    /// `walsync restore` over the database of a machine: a new file, and what its record says of it.
    pub(super) fn restore_over(&mut self, place: usize, machine: usize, earlier: bool) -> bool {
        let model = &mut self.places[place];
        let Some((txid, image)) = model.mirror.restorable(earlier) else { return false };
        let (versions, digest) = (image.pages().to_vec(), image.digest());
        let manifest = self.store.peek(&model.place.manifest_key());
        let copy = &mut model.copies[machine];
        let Some(database) = copy.database.as_mut().filter(|database| database.files.is_some()) else {
            return false;
        };
        database.place_file(versions.clone());
        database.pin = None;
        let cached = CachedSums {
            txid,
            page_size: database.page_size(),
            sums: source::sums(database, versions.into_iter()),
        };
        let file = database.files.as_ref().expect("just placed").id;
        let history = manifest.and_then(|object| Manifest::decode(&object.bytes).ok());
        let database = history.map(|manifest| manifest.database);
        copy.saved.restored(RestoreProof { database, file, cached });
        copy.restored = Some(digest);
        model.committed(machine);
        self.coverage.reached(Reached::RestoredOver);
        self.hint(place, machine, Hint::Database);
        true
    }
}
