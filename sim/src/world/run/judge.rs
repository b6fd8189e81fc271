//! What a restore left, and what it said of it: the oracles look at both.

use super::*;
use crate::oracle::restored::{Around, Left};
use crate::plan::{Goal, Mishap, Restoration};
use crate::world::files::SimFiles;
use crate::world::restoring::{STATE, Told};
use engine::replicate::RestoreProof;
use io_real::restore::{OutputError, RestoreError, Restored};
use io_real::state::StateStore;
use std::path::Path;
use std::sync::Arc;

/// One restore, as its oracles see it.
pub(super) struct Judged {
    pub(super) restoration: Restoration,
    pub(super) target: Target,
    /// The newest slot that was announced when it began.
    pub(super) newest: Option<Txid>,
    pub(super) path: String,
    pub(super) before: Around,
    pub(super) after: Around,
    pub(super) told: Vec<Told>,
    /// A read did not find an object that is there.
    pub(super) missed: bool,
}

impl World<'_> {
    /// What a later `watch` is told of is durable.
    pub(super) fn recorded(&mut self, judged: &Judged) -> Checked {
        if judged.told.iter().any(|told| matches!(told, Told::Recorded { durable: false, .. })) {
            return Err(Violation::new(22, "a restore told of a file that a power cut would take"));
        }
        Ok(())
    }

    /// Properties 13 and 22, when a restore died.
    pub(super) fn struck(&mut self, judged: &Judged) -> Checked {
        let planned: Vec<Txid> = judged
            .told
            .iter()
            .filter_map(|told| match told {
                Told::Planned(txid) => Some(*txid),
                _ => None,
            })
            .collect();
        let is_right = |database: &[u8]| planned.iter().any(|txid| self.may_be(*txid, database));
        if judged.after.left(&judged.before, is_right)? == Left::Aside {
            self.coverage.reached(Reached::RestoreSetAside);
        }
        Ok(())
    }

    /// Whether a database is what a slot is known to be; of one that nobody announced yet, whether it is sound.
    fn may_be(&self, txid: Txid, database: &[u8]) -> bool {
        match self.mirror.contents.get(&txid) {
            Some(content) => *content == digest(database),
            None => integrity(database).is_ok(),
        }
    }

    /// Properties 2, 3, 21, 22 and 23, when a restore says that it is done.
    pub(super) fn succeeded(&mut self, disk: &SimDisk, judged: &Judged, restored: &Restored) -> Checked {
        let wrong = |property, what: String| {
            Err(Violation::new(property, format!("{:?} of {:?}: {what}", judged.target, judged.restoration)))
        };
        let Some(database) = judged.after.database().map(<[u8]>::to_vec) else {
            return wrong(22, "it is done, and there is no database".to_owned());
        };
        if database.len() as u64 != restored.size_bytes || judged.after.has_companions() {
            return wrong(
                22,
                format!("{} bytes of {}, or beside another's log", database.len(), restored.size_bytes),
            );
        }
        if !judged.after.temporaries.is_empty() || judged.restoration.replaces && !judged.after.is_tidy() {
            return wrong(13, format!("it left {:?}", judged.after));
        }
        if !judged.restoration.replaces && judged.before.is_occupied() {
            return wrong(22, "it replaced what it had to leave".to_owned());
        }
        self.is_what_was_asked_for(judged, restored.txid)?;
        match self.mirror.contents.get(&restored.txid) {
            Some(content) if *content != digest(&database) => {
                return wrong(2, format!("slot {} is something else", restored.txid));
            }
            Some(_) => {}
            None => self.restored.push((restored.txid, digest(&database))),
        }
        integrity(&database)?;
        if self.mirror.times.get(&restored.txid).is_some_and(|sealed| *sealed != restored.time) {
            return wrong(21, format!("{} is not the time of slot {}", restored.time, restored.txid));
        }
        self.coverage.reached(Reached::Restored);
        if judged.before.has_companions() {
            self.coverage.reached(Reached::RestoredOver);
        }
        if judged.told.contains(&Told::Damaged) {
            self.coverage.reached(Reached::RestoreAroundDamage);
        }
        if judged.missed {
            self.coverage.reached(Reached::RestoreListedAgain);
        }
        if judged.restoration.mishap == Mishap::Unreadable && judged.restoration.checks_integrity {
            return wrong(3, "SQLite could not look at it, and it got its name".to_owned());
        }
        if judged.restoration.mishap == Mishap::CutAfter {
            disk.power_cycle();
            self.coverage.reached(Reached::RestorePowerCut);
            let left = Around::look(disk, &judged.path);
            if left.database() != Some(&database) || left.has_companions() {
                return wrong(22, "a power cut took what was done".to_owned());
            }
        }
        self.is_known(disk, judged, restored)
    }

    /// The state that came out is the one that was meant.
    fn is_what_was_asked_for(&self, judged: &Judged, found: Txid) -> Checked {
        let wrong = |property, what: String| {
            Err(Violation::new(property, format!("slot {found} was restored {what}")))
        };
        let times = &self.mirror.times;
        let is_whole =
            !self.history.was_tampered_with() && !matches!(judged.restoration.mishap, Mishap::Gone { .. });
        match (judged.restoration.goal, judged.target) {
            (Goal::Beyond | Goal::BeforeFirst, target) => {
                wrong(23, format!("for {target:?}, which is no point"))
            }
            (_, Target::Txid(wanted)) if found != wanted => wrong(23, format!("for {wanted}")),
            // What is not there is not known to be newer.
            (_, Target::Latest) if is_whole && judged.newest.is_some_and(|newest| found < newest) => {
                wrong(21, format!("for the newest, {:?}", judged.newest))
            }
            (_, Target::Timestamp(time)) => {
                let late = times.get(&found).is_some_and(|sealed| *sealed > time);
                let next = times.range(found + 1..).next().filter(|(next, _)| Some(**next) <= judged.newest);
                match next {
                    _ if late => wrong(23, format!("for {time}, and is younger")),
                    Some((next, sealed)) if is_whole && *sealed <= time => {
                        wrong(23, format!("for {time}, and {next} is not younger"))
                    }
                    _ => Ok(()),
                }
            }
            _ => Ok(()),
        }
    }

    /// What was kept for a later `watch` is about this very file.
    fn is_known(&mut self, disk: &SimDisk, judged: &Judged, restored: &Restored) -> Checked {
        if !judged.told.iter().any(|told| matches!(told, Told::Recorded { saved: true, .. })) {
            return Ok(());
        }
        let proof = known(disk, &judged.path);
        let file = disk.peek_stat(&judged.path).map(|stat| stat.inode);
        let is_right = proof.as_ref().is_some_and(|proof| {
            let sums = &proof.cached;
            Some(proof.file.inode) == file
                && (sums.txid, sums.sums.checksum()) == (restored.txid, restored.checksum)
        });
        if is_right {
            return Ok(());
        }
        Err(Violation::new(
            22,
            format!("what is known of the restored file is wrong: {proof:?}, inode {file:?}"),
        ))
    }

    /// Properties 21, 22 and 23, when a restore says why it made nothing.
    pub(super) fn failed(&mut self, judged: &Judged, error: &RestoreError) -> Checked {
        let restoration = &judged.restoration;
        let broken_disk = matches!(restoration.mishap, Mishap::Errors { .. });
        if broken_disk && matches!(error, RestoreError::Output(_)) {
            // The directory may not have taken what was done already.
            let is_right =
                |database: &[u8]| self.mirror.contents.values().any(|content| *content == digest(database));
            judged.after.left(&judged.before, is_right)?;
        } else {
            judged.after.check_untouched(&judged.before, &error.to_string())?;
        }
        let occupied = !restoration.replaces && judged.before.is_occupied();
        let by_network = restoration.faulty_network;
        let expected = match error {
            RestoreError::Output(OutputError::Exists(_)) => occupied,
            RestoreError::Output(OutputError::Disk { .. }) => {
                broken_disk || matches!(restoration.mishap, Mishap::Full { .. })
            }
            RestoreError::Output(_) | RestoreError::NewerFormat { .. } => false,
            RestoreError::Integrity { .. } => broken_disk || restoration.mishap == Mishap::Unreadable,
            RestoreError::Store(_) | RestoreError::Restless { .. } => by_network,
            // What is whole by itself is whole together.
            RestoreError::NotProven { .. } => false,
            RestoreError::Plan(_) => {
                let damaged = matches!(restoration.mishap, Mishap::Rot { .. } | Mishap::Gone { .. });
                let no_point = matches!(restoration.goal, Goal::Beyond | Goal::BeforeFirst);
                let nothing_yet = judged.newest.is_none();
                no_point || damaged || nothing_yet || by_network || self.history.was_tampered_with()
            }
        };
        if !expected {
            let message = format!("{:?} of {restoration:?}: {error}", judged.target);
            return Err(Violation::new(if occupied { 22 } else { 2 }, message));
        }
        match (restoration.mishap, error) {
            (Mishap::Full { .. }, RestoreError::Output(_)) => self.coverage.reached(Reached::RestoreDiskFull),
            (_, RestoreError::Output(OutputError::Disk { .. })) => {
                self.coverage.reached(Reached::RestoreDiskFailed)
            }
            (Mishap::Rot { .. }, RestoreError::Plan(_)) => {
                self.coverage.reached(Reached::RestoreRefusedDamage)
            }
            (_, RestoreError::Plan(_)) if matches!(restoration.goal, Goal::Beyond | Goal::BeforeFirst) => {
                self.coverage.reached(Reached::RestoreAtNoPoint);
            }
            _ => {}
        }
        Ok(())
    }

    /// What was restored before it was announced is what was announced later.
    pub(super) fn restored_rightly(&self) -> Checked {
        for (txid, content) in &self.restored {
            if self.mirror.contents.get(txid).is_some_and(|announced| announced != content) {
                return Err(Violation::new(
                    2,
                    format!("slot {txid} was restored to something else than announced"),
                ));
            }
        }
        Ok(())
    }
}

/// What the local state of the machine knows of a path.
fn known(disk: &SimDisk, path: &str) -> Option<RestoreProof> {
    disk.calm(|| {
        let watch = Process::start(disk);
        let files = Arc::new(SimFiles { disk: disk.clone(), pid: watch.pid() });
        let state = StateStore::open(Some(watch.vfs_name()), Path::new(STATE), files).ok();
        state.and_then(|mut state| state.load(path).ok()).and_then(|state| state.restored)
    })
}
