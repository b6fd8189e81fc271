//! What a restore left, and what it said of it: the oracles look at both.

use super::*;
use crate::oracle::reachable::{self, Base};
use crate::oracle::restored::{Around, Left};
use crate::plan::{Goal, Mishap, Restoration};
use crate::world::files::{SimFiles, text};
use crate::world::restoring::{STATE, Told};
use engine::key::{Layout, ObjectKey};
use engine::replicate::RestoreProof;
use engine::restore::PlanError;
use io_real::restore::{OutputError, RestoreError, Restored};
use io_real::state::StateStore;
use std::collections::BTreeSet;
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
    /// Keys of objects that were not what they are for this reader.
    pub(super) misread: BTreeSet<String>,
    /// Keys that came after it began to list the place the last time.
    pub(super) came: BTreeSet<String>,
    /// So often it began to list the place.
    pub(super) listings: u32,
    /// A name that it wanted to remove could not be removed.
    pub(super) names_stayed: bool,
    /// So many times a name could not be moved.
    pub(super) failed_renames: u64,
    /// Something could not be made durable.
    pub(super) sync_failed: bool,
}

impl Judged {
    fn wrong(&self, property: u32, what: &str) -> Checked {
        Err(Violation::new(property, format!("{:?} of {:?}: {what}", self.target, self.restoration)))
    }

    /// The states that it meant to make, the last of them last.
    fn planned(&self) -> Vec<Txid> {
        let planned = self.told.iter().filter_map(|told| match told {
            Told::Planned(txid) => Some(*txid),
            _ => None,
        });
        planned.collect()
    }

    /// Whether something is there that must not be replaced.
    fn is_in_the_way(&self) -> bool {
        !self.restoration.replaces && self.before.is_occupied()
    }

    fn is_no_point(&self) -> bool {
        matches!(self.restoration.goal, Goal::Beyond | Goal::BeforeFirst)
    }

    /// Whether what went wrong can lead to an error of the output, the store or the file. Why there is no plan depends on
    /// what lies in the store.
    fn explains(&self, error: &RestoreError) -> bool {
        let Restoration { mishap, faulty_network, .. } = self.restoration;
        let broken_disk = matches!(mishap, Mishap::Errors { .. } | Mishap::NamesStick { .. });
        match error {
            RestoreError::Output(OutputError::SetAside { .. }) => self.may_be_half_way(),
            RestoreError::Output(OutputError::Exists(_)) => self.is_in_the_way(),
            RestoreError::Output(OutputError::Disk { .. }) => {
                broken_disk || matches!(mishap, Mishap::Full { .. })
            }
            RestoreError::Integrity { .. } => broken_disk || mishap == Mishap::Unreadable,
            RestoreError::Store(_) | RestoreError::Restless { .. } => faulty_network,
            RestoreError::Plan(_) => self.is_no_point() || self.newest.is_none(),
            // What is whole by itself is whole together.
            RestoreError::NotProven { .. } => false,
            RestoreError::Output(_) | RestoreError::NewerFormat { .. } => false,
        }
    }

    /// Whether it may have ended with an error between two states. One name that cannot be moved is no excuse: what was
    /// moved before can be put back. Then again that takes a sync, and a sync may be what failed after the last rename.
    fn may_be_half_way(&self) -> bool {
        self.failed_renames > 1 || self.sync_failed
    }

    /// An error says which names hold what, where the old database does not have its own.
    fn tells_where_it_is(&self, left: Left, error: &RestoreError) -> Checked {
        let moved = match error {
            RestoreError::Output(OutputError::SetAside { moved, .. }) => &moved[..],
            _ => &[],
        };
        let added =
            |name: &'_ Path| text(name).strip_prefix(&self.path).map(str::to_owned).unwrap_or_default();
        let told: Vec<_> = moved.iter().map(|moved| (added(&moved.was), added(&moved.is))).collect();
        let told: Vec<_> = told.iter().map(|(was, is)| (was.as_str(), is.as_str())).collect();
        if self.after.is_where(&self.before, &told, left == Left::Aside) {
            return Ok(());
        }
        self.wrong(22, &format!("{error}, and that is not so: {:?}", self.after))
    }

    /// There is one whole file, and nothing else that was not there before.
    fn is_in_its_place(&self, database: &[u8], restored: &Restored) -> Checked {
        let Restoration { replaces, mishap, checks_integrity, .. } = self.restoration;
        if database.len() as u64 != restored.size_bytes {
            return self.wrong(22, &format!("{} bytes instead of {}", database.len(), restored.size_bytes));
        }
        if self.after.has_companions() {
            return self.wrong(22, "another database's log lies beside it");
        }
        let is_tidy = self.after.temporaries.is_empty() && (!replaces || self.after.is_tidy());
        if !is_tidy && !self.names_stayed {
            return self.wrong(13, &format!("it left {:?}", self.after));
        }
        if self.is_in_the_way() {
            return self.wrong(22, "it replaced what it had to leave");
        }
        if mishap == Mishap::Unreadable && checks_integrity {
            return self.wrong(3, "SQLite could not look at it, and it got its name");
        }
        Ok(())
    }
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
        match (self.left(judged)?, &judged.planned()[..], judged.after.database()) {
            (Left::Aside, ..) => self.coverage.reached(Reached::RestoreSetAside),
            (Left::New, [txid], Some(database)) => self.restored.push((*txid, digest(database))),
            _ => {}
        }
        Ok(())
    }

    /// What a restore left that may have been struck anywhere.
    fn left(&self, judged: &Judged) -> Result<Left, Violation> {
        let planned = judged.planned();
        judged.after.left(&judged.before, |database| planned.iter().any(|txid| self.may_be(*txid, database)))
    }

    /// Whether a database is what a slot is known to be; of one that nobody announced yet, whether it is sound.
    fn may_be(&self, txid: Txid, database: &[u8]) -> bool {
        match self.mirror.contents.get(&txid) {
            Some(content) => {
                let found = digest(database);
                *content == found || self.may_be_of_an_earlier_life(txid, found)
            }
            None => integrity(database).is_ok(),
        }
    }

    /// Whether a slot may hold what was sent for it before it was announced: somebody deleted it, and a write of a life that
    /// was over by then landed. That is a state which was, too.
    fn may_be_of_an_earlier_life(&self, txid: Txid, found: Sha256) -> bool {
        let key = self.place.object_key(Layout::S3, ObjectKey::slot(txid));
        self.history.was_deleted(&key) && self.states.values().any(|states| states.was_since(0, found))
    }

    /// Properties 2, 3, 13, 21, 22 and 23, when a restore says that it is done.
    pub(super) fn succeeded(&mut self, disk: &SimDisk, judged: &Judged, restored: &Restored) -> Checked {
        let Some(database) = judged.after.database().map(<[u8]>::to_vec) else {
            return judged.wrong(22, "it is done, and there is no database");
        };
        judged.is_in_its_place(&database, restored)?;
        self.is_what_was_asked_for(judged, restored.txid)?;
        self.is_what_was_announced(judged, &database, restored)?;
        integrity(&database)?;
        self.count_success(judged);
        if judged.restoration.mishap == Mishap::CutAfter {
            disk.power_cycle();
            self.coverage.reached(Reached::RestorePowerCut);
            let left = Around::look(disk, &judged.path);
            if left.database() != Some(&database) || left.has_companions() {
                return judged.wrong(22, "a power cut took what was done");
            }
        }
        self.is_known(disk, judged, restored)
    }

    /// The bytes are those of the slot, and so is the time that it tells.
    fn is_what_was_announced(&mut self, judged: &Judged, database: &[u8], restored: &Restored) -> Checked {
        let (txid, found) = (restored.txid, digest(database));
        match self.mirror.contents.get(&txid) {
            Some(content) if *content != found && self.may_be_of_an_earlier_life(txid, found) => {
                return Ok(());
            }
            Some(content) if *content != found => return judged.wrong(2, "it is something else"),
            Some(_) => {}
            None => self.restored.push((txid, found)),
        }
        if self.mirror.times.get(&txid).is_some_and(|sealed| *sealed != restored.time) {
            return judged.wrong(21, &format!("{} is not the time of slot {txid}", restored.time));
        }
        Ok(())
    }

    fn count_success(&mut self, judged: &Judged) {
        let reached = [
            (Reached::Restored, true),
            (Reached::RestoredOver, judged.before.has_companions()),
            (Reached::RestoreLeftBehind, judged.names_stayed),
            (Reached::RestoreAroundDamage, judged.told.contains(&Told::Damaged)),
            (Reached::RestoreListedAgain, judged.missed),
        ];
        reached.into_iter().filter(|(_, is)| *is).for_each(|(state, _)| self.coverage.reached(state));
    }

    /// The state that came out is the one that was meant.
    fn is_what_was_asked_for(&self, judged: &Judged, found: Txid) -> Checked {
        let wrong = |property, what: String| judged.wrong(property, &format!("slot {found} {what}"));
        let times = &self.mirror.times;
        // Nothing that this state needs was lost, for good or for this reader.
        let lost = self.history.lost(&self.place);
        let is_there = |txid: Txid| {
            let after = self.mirror.afters.get(&txid).copied();
            !matches!(judged.restoration.mishap, Mishap::Gone { .. })
                && self.reachable.base_without(&lost, txid, after) == Base::Snapshot
        };
        match (judged.restoration.goal, judged.target) {
            (Goal::Beyond | Goal::BeforeFirst, target) => {
                wrong(23, format!("for {target:?}, which is no point"))
            }
            (_, Target::Txid(wanted)) if found != wanted => wrong(23, format!("for {wanted}")),
            // What is not there is not known to be newer.
            (_, Target::Latest) if judged.newest.is_some_and(|newest| found < newest && is_there(newest)) => {
                wrong(21, format!("for the newest, {:?}", judged.newest))
            }
            (_, Target::Timestamp(time)) => {
                let late = times.get(&found).is_some_and(|sealed| *sealed > time);
                let next = times.range(found + 1..).next().filter(|(next, _)| Some(**next) <= judged.newest);
                match next {
                    _ if late => wrong(23, format!("for {time}, and is younger")),
                    Some((next, sealed)) if *sealed <= time && is_there(*next) && !self.times_went_back() => {
                        wrong(23, format!("for {time}, and {next} is not younger"))
                    }
                    _ => Ok(()),
                }
            }
            _ => Ok(()),
        }
    }

    /// Whether a slot tells an earlier time than the one before it. Who writes sees to it that none does, as far as it knows
    /// what was there: what somebody deleted or what rotted does not tell its time, and the clock may have gone back.
    fn times_went_back(&self) -> bool {
        self.history.was_tampered_with() && !self.mirror.times.values().is_sorted()
    }

    /// What was kept for a later `watch` is about this very file.
    fn is_known(&mut self, disk: &SimDisk, judged: &Judged, restored: &Restored) -> Checked {
        if !judged.told.iter().any(|told| matches!(told, Told::Recorded { saved: true, .. })) {
            return Ok(());
        }
        let file = disk.peek_stat(&judged.path).map(|stat| stat.inode);
        let is_right = known(disk, &judged.path).is_some_and(|RestoreProof { file: its, cached, .. }| {
            let expected = (restored.txid, restored.checksum);
            Some(its.inode) == file && (cached.txid, cached.sums.checksum()) == expected
        });
        if is_right { Ok(()) } else { judged.wrong(22, "what is known of the file is not true of it") }
    }

    /// Properties 21, 22 and 23, when a restore says why it made nothing.
    pub(super) fn failed(&mut self, judged: &Judged, error: &RestoreError) -> Checked {
        let Restoration { mishap, .. } = judged.restoration;
        if judged.may_be_half_way() && matches!(error, RestoreError::Output(_)) {
            let left = self.left(judged)?;
            judged.tells_where_it_is(left, error)?;
        } else {
            judged.after.check_untouched(&judged.before, judged.names_stayed, &error.to_string())?;
        }
        if matches!(error, RestoreError::Plan(PlanError::Damaged { .. })) && judged.listings < 2 {
            return judged.wrong(2, "it gave up over damage, and did not look whether a way around has come");
        }
        let explained = judged.explains(error)
            || matches!(error, RestoreError::Plan(error) if self.is_in_the_way(judged, error))
            || matches!((error, judged.target), (RestoreError::Plan(_), Target::Timestamp(_)) if self.times_went_back());
        if !explained {
            return judged.wrong(if judged.is_in_the_way() { 22 } else { 2 }, &error.to_string());
        }
        let reached = match (mishap, error) {
            (Mishap::Full { .. }, RestoreError::Output(_)) => Reached::RestoreDiskFull,
            (_, RestoreError::Output(OutputError::Disk { .. })) => Reached::RestoreDiskFailed,
            (_, RestoreError::Output(OutputError::SetAside { .. })) => Reached::RestoreNotUndone,
            (Mishap::Rot { .. }, RestoreError::Plan(_)) => Reached::RestoreRefusedDamage,
            (_, RestoreError::Plan(_)) if judged.is_no_point() => Reached::RestoreAtNoPoint,
            _ => return Ok(()),
        };
        self.coverage.reached(reached);
        Ok(())
    }

    /// Whether there is no plan because of what somebody deleted, what rotted, or what came wrong: the state builds on it,
    /// or may do so.
    fn is_in_the_way(&self, judged: &Judged, error: &PlanError) -> bool {
        let lost: BTreeSet<String> =
            self.history.lost(&self.place).into_iter().chain(judged.misread.iter().cloned()).collect();
        if lost.is_empty() {
            return false;
        }
        // It cannot have found what came after it began to list the place, the last time that it did.
        let lost: BTreeSet<String> = lost.into_iter().chain(judged.came.iter().cloned()).collect();
        let is_named = |key: ObjectKey| match error {
            PlanError::Damaged { object, .. } => *object == key,
            PlanError::Unlinked { left, right, .. } => [*left, *right].contains(&key),
            PlanError::Gap { missing, .. } => missing.contains(key.max()),
            _ => false,
        };
        let objects = lost.iter().filter_map(|key| ObjectKey::parse(Layout::S3, self.place.name_of(key)?));
        // Whatever was newest while the restore went on.
        let newest = reachable::newest(&self.store, &self.place);
        let (first, last) = match judged.target {
            Target::Txid(txid) => (Some(txid), Some(txid)),
            Target::Latest => (judged.newest, newest),
            Target::Timestamp(time) => {
                let until = self.mirror.times.iter().rfind(|(_, sealed)| **sealed <= time);
                let txid = until.map(|(txid, _)| *txid);
                (txid, txid)
            }
        };
        let is_whole = |txid: Txid| {
            let after = self.mirror.afters.get(&txid).copied();
            let base = self.reachable.base_without(&lost, txid, after);
            // A full image in a slot is found by its snapshot where a later one covers both.
            base == Base::Snapshot
        };
        // Somebody may have deleted the newest ones since they were announced.
        let (first, last) = (first.min(last).or(first), first.max(last));
        let numbers = first.map_or(1, |txid| txid.into_inner())..=last.map_or(0, |txid| txid.into_inner());
        let is_reached = numbers.filter_map(|number| Txid::new(number).ok()).all(is_whole);
        // Of a time nobody knows whether an object that is not read belongs to it.
        let by_time = matches!(judged.target, Target::Timestamp(_));
        !is_reached || by_time && objects.into_iter().any(is_named)
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
