//! What a reader must be told of a place, and what not. Numbers of properties are those of `docs/faults.md`.

use super::history::History;
use super::manifests::Saying;
use super::shelf::{Item, Shelf};
use crate::outcome::Violation;
use engine::key::ObjectKey;
use engine::ltx::{Version, read_any, version};
use engine::restore::{PlanError, PlanErrorKind, Point, Target};
use engine::types::{Level, LockByte, Timestamp, Txid};
use engine::verify::{Kind, Report};
use io_real::restore::{READ_FOR_HEADER_BYTES_MAX, RestoreError, Restored};
use std::collections::BTreeSet;

/// A place as it was at a moment.
pub struct Judge {
    /// Every state that ever was.
    pub history: History,
    /// The objects.
    pub shelf: Shelf,
    /// What the manifest says.
    pub saying: Saying,
    /// It says that a newer version wrote it.
    pub is_newer: bool,
}

/// A restore.
pub struct Read {
    /// What was asked for.
    pub target: Target,
    /// What came of it.
    pub result: Result<Restored, RestoreError>,
    /// The database before it.
    pub before: Option<Vec<u8>>,
    /// And after it.
    pub after: Option<Vec<u8>>,
    /// The store answered everything.
    pub well: bool,
    /// Objects moved up and went while it read.
    pub changed: bool,
}

/// A listing of points.
pub struct Listed {
    /// What was listed.
    pub result: Result<Vec<Point>, RestoreError>,
    /// With the header of every object.
    pub checked: bool,
    /// The store answered everything.
    pub well: bool,
}

type Checked = Result<(), Violation>;

impl Judge {
    /// Looks at a restore that began here and ended at `end`.
    pub fn restored(&self, end: &Judge, read: &Read) -> Checked {
        let wrong = |property, what: String| {
            Err(Violation::new(property, format!("restore of {:?}: {what}", read.target)))
        };
        let verdict = match &read.result {
            Ok(restored) => self.succeeded(end, read, restored),
            Err(_) if read.before != read.after => {
                Err((22, "it failed, and changed what was there".to_owned()))
            }
            Err(error) => self.failed(read, error),
        };
        verdict.or_else(|(property, what)| wrong(property, what))
    }

    fn succeeded(&self, end: &Judge, read: &Read, restored: &Restored) -> Result<(), (u32, String)> {
        let txid = restored.txid;
        let is_damaged = self.shelf.is_damaged();
        if self.is_newer {
            return Err((0, "of a place that a newer version wrote".to_owned()));
        }
        let Some(state) = self.history.state(txid) else { return Err((2, format!("{txid} never was"))) };
        if read.after.as_ref() != Some(&state.file()) {
            return Err((if is_damaged { 21 } else { 2 }, format!("{txid} is something else")));
        }
        // What is damaged, or moves, or does not go on from a state of another page size, leaves the time to what else ends there.
        let told_by = [self, end].into_iter().flat_map(|judge| judge.shelf.items.iter());
        let mut times = told_by
            .filter(|(key, _)| key.range().max() == txid)
            .map(|(_, item)| item.time_of_another.unwrap_or(item.time));
        let is_time = match is_damaged || read.changed || self.shelf.has_page_sizes() {
            true => times.any(|time| time == restored.time),
            false => self.shelf.time(&self.history, txid) == Some(restored.time),
        };
        if self.tells_times() && !is_time {
            return Err((21, format!("{} is not the time of {txid}", restored.time)));
        }
        match read.target {
            Target::Timestamp(_) if !self.tells_times() => Ok(()),
            Target::Txid(wanted) if wanted != txid => Err((23, format!("{txid} came"))),
            Target::Latest if ![self.shelf.head(), end.shelf.head()].contains(&Some(txid)) => {
                Err((21, format!("{txid} is not the newest, {:?}", self.shelf.head())))
            }
            Target::Timestamp(time) if restored.time > time => Err((23, format!("{txid} is younger"))),
            Target::Timestamp(time) if !read.changed => match self.younger(txid, time) {
                Some(next) => Err((21, format!("{txid} came, and {next} is not younger"))),
                None => Ok(()),
            },
            _ => Ok(()),
        }
    }

    /// Not promised: that a wrong time in the header of an object is noticed which is too large to be read for it; nor that an
    /// index lies which is the only one left to tell.
    fn tells_times(&self) -> bool {
        let lies = [Saying::Lying, Saying::Flipped, Saying::Outdated].contains(&self.saying);
        let is_untold = |item: &Item| item.is_damaged && item.bytes.len() as u64 > READ_FOR_HEADER_BYTES_MAX;
        let is_hidden = self.shelf.is_damaged() && lies || self.shelf.items.values().any(is_untold);
        !is_hidden
    }

    /// A state after `txid` that was sealed until `time`, and is a point but for damage.
    fn younger(&self, txid: Txid, time: Timestamp) -> Option<Txid> {
        let mut whole = self.shelf.clone();
        whole.items.values_mut().for_each(|item| item.is_damaged = false);
        // Which images behind a gap are found depends on what is known of page sizes.
        let points = match self.shelf.has_page_sizes() {
            true => whole.certain_points(&self.history),
            false => whole.points(&self.history),
        };
        // Also where what tells is damaged: then there has to be an error.
        let sealed =
            |next: Txid| whole.time(&self.history, next).or_else(|| self.shelf.time(&self.history, next));
        // Where the one that is asked was swapped for another of the same state, that one tells its time, and nobody can tell.
        let is_told_later = |next: Txid| {
            let asked = whole.asked(&self.history, next);
            asked.and_then(|item| item.time_of_another).is_some_and(|told| told > time)
        };
        let is_until = |next: &Txid| sealed(*next).is_some_and(|sealed| sealed <= time);
        points.range(txid + 1..).copied().find(|next| is_until(next) && !is_told_later(*next))
    }

    fn failed(&self, read: &Read, error: &RestoreError) -> Result<(), (u32, String)> {
        let unexplained = |what: &str| Err((2, format!("{what}: {error}")));
        match error {
            RestoreError::NewerFormat { .. } if self.is_newer => Ok(()),
            RestoreError::Store(_) if !read.well => Ok(()),
            RestoreError::Restless { .. } if read.changed => Ok(()),
            RestoreError::Plan(error) => {
                let is_blamed_rightly =
                    |key: &ObjectKey| self.shelf.items.get(key).is_some_and(|item| item.is_damaged);
                match error {
                    PlanError::Damaged { object, .. } if !is_blamed_rightly(object) => {
                        unexplained("a sound object is said to be damaged")
                    }
                    PlanError::Unlinked { left, right, .. }
                        if !self.shelf.has_page_sizes()
                            && ![left, right].into_iter().any(is_blamed_rightly) =>
                    {
                        unexplained("two sound objects are said not to belong together")
                    }
                    _ if read.changed => Ok(()),
                    _ => self.refused(read.target, error),
                }
            }
            _ => unexplained("nothing explains this"),
        }
    }

    /// There must be no sound way, and the points around are told as they are.
    fn refused(&self, target: Target, error: &PlanError) -> Result<(), (u32, String)> {
        let is_damaged = self.shelf.is_damaged();
        // What nobody knows to be damaged, or of another page size, may hide a gap, and an image behind it is not looked for.
        let points = match is_damaged || self.shelf.has_page_sizes() {
            true => self.shelf.certain_points(&self.history),
            false => self.shelf.points(&self.history),
        };
        let unexplained = |what: &str| Err((2, format!("{what}: {error}")));
        let is_point = match target {
            Target::Latest => self.shelf.head().is_some_and(|head| points.contains(&head)),
            Target::Txid(txid) => points.contains(&txid),
            Target::Timestamp(time) => self.is_until(time, &points) && !is_damaged,
        };
        if is_point {
            return unexplained("there is such a state");
        }
        if !is_damaged && error.kind() == PlanErrorKind::Corrupt && !self.shelf.has_page_sizes() {
            return unexplained("nothing is damaged");
        }
        // That pages of two sizes do not go together, only headers tell, and not all are read for an error.
        let is_simple = !is_damaged && !self.shelf.has_page_sizes() && !matches!(error, PlanError::Empty);
        if let (Target::Txid(txid), true) = (target, is_simple) {
            let nearest = error.nearest();
            let around = (points.range(..txid).next_back(), points.range(txid + 1..).next());
            if (nearest.before.as_ref(), nearest.after.as_ref()) != around {
                return unexplained(&format!("the points around it are {around:?}"));
            }
        }
        Ok(())
    }

    /// Whether a time certainly means a point: the newest until then is the newest of all, or that of just this time, or
    /// what follows it was let go, not lost.
    fn is_until(&self, time: Timestamp, points: &BTreeSet<Txid>) -> bool {
        let until = points
            .iter()
            .rev()
            .find(|txid| self.shelf.time(&self.history, **txid).is_some_and(|sealed| sealed <= time));
        until.is_some_and(|point| {
            let is_covered = self
                .shelf
                .items
                .keys()
                .any(|key| key.range().contains(*point + 1) && points.contains(&key.range().max()));
            // What is there and cannot be reached says that there was more.
            let lost = self.shelf.items.iter().any(|(key, item)| {
                let max = key.range().max();
                max > *point && item.time <= time && !points.contains(&max)
            });
            !lost
                && (Some(*point) == self.shelf.head()
                    || self.shelf.time(&self.history, *point) == Some(time)
                    || is_covered)
        })
    }

    /// Looks at a listing.
    pub fn listed(&self, listed: &Listed) -> Checked {
        let wrong = |what: String| Err(Violation::new(2, format!("the points: {what}")));
        let points = match &listed.result {
            Ok(points) => points,
            Err(RestoreError::NewerFormat { .. }) if self.is_newer => return Ok(()),
            Err(RestoreError::Store(_)) if !listed.well => return Ok(()),
            Err(error) => return wrong(format!("{error}")),
        };
        let found: BTreeSet<Txid> = points.iter().map(|point| point.txid).collect();
        let sound = self.shelf.points(&self.history);
        let is_damaged = self.shelf.is_damaged();
        // Links count as sound until headers contradict them, and objects until somebody reads them.
        let is_right = match listed.checked && !is_damaged {
            true => found == sound,
            false => found.is_superset(&self.shelf.certain_points(&self.history)),
        };
        if !is_right {
            return wrong(format!("{sound:?}, and were listed as {found:?}"));
        }
        if listed.checked && points.iter().any(|point| point.time.is_none()) {
            return wrong("one has no time".to_owned());
        }
        // Of an index that is wrong, only a listing that reads every header says nothing.
        let is_index_right = [Saying::Index, Saying::IndexWithoutDigests, Saying::Maligning, Saying::Nothing]
            .contains(&self.saying);
        let is_late = |point: &&Point| {
            (listed.checked || is_index_right)
                && point.time.is_some()
                && sound.contains(&point.txid)
                && point.time != self.shelf.time(&self.history, point.txid)
                && (listed.checked || !self.is_told_by_name(point))
        };
        match points.iter().find(is_late) {
            Some(point) if !is_damaged => {
                wrong(format!("{point:?} was sealed at {:?}", self.shelf.time(&self.history, point.txid)))
            }
            _ => Ok(()),
        }
    }

    /// Whether what told the time of a point leads there by its name alone, and told its own: that its page size is another one
    /// than that of the state before it, only headers tell.
    fn is_told_by_name(&self, point: &Point) -> bool {
        let told = self.shelf.items.get(&point.timed_by);
        point.timed_by.level() != Level::SNAPSHOT
            && told.is_some_and(|item| !item.is_damaged && Some(item.time) == point.time)
            && !self.shelf.usable(&self.history).contains(&point.timed_by)
    }

    /// Looks at a report of `verify --deep`. `broken`: the objects that contradict themselves.
    pub fn verified(
        &self,
        result: &Result<Report, RestoreError>,
        broken: &BTreeSet<ObjectKey>,
        well: bool,
    ) -> Checked {
        let wrong = |property, what: String| Err(Violation::new(property, format!("verify: {what}")));
        let report = match result {
            Ok(report) => report,
            Err(RestoreError::NewerFormat { .. }) if self.is_newer => return Ok(()),
            Err(RestoreError::Store(_)) if !well => return Ok(()),
            Err(error) => return wrong(2, format!("{error}")),
        };
        let named = |kind: Kind| report.problems.iter().filter(move |problem| problem.kind == kind);
        let names = |kind, key: &ObjectKey| {
            named(kind).any(|problem| problem.object.as_deref() == Some(&*key.to_string()))
        };
        if let Some(unseen) = broken.iter().find(|key| !names(Kind::Damaged, key)) {
            return wrong(21, format!("{unseen} is damaged, and is not named: {:?}", report.problems));
        }
        let sound = self.shelf.items.iter().filter(|(_, item)| !item.is_damaged);
        if let Some((blamed, _)) = sound.clone().find(|(key, _)| names(Kind::Damaged, key)) {
            return wrong(21, format!("{blamed} is sound, and is said to be damaged: {:?}", report.problems));
        }
        if self.shelf.is_damaged() || self.shelf.has_page_sizes() {
            return Ok(());
        }
        // Nothing is damaged: what is said has to be so, and what is so has to be said.
        let usable = self.shelf.usable(&self.history);
        let is_let_go = |key: &ObjectKey| usable.iter().any(|other| other.range().covers(key.range()));
        let lost = self.shelf.items.keys().find(|key| !usable.contains(key) && !is_let_go(key));
        let is_told = [Kind::Gap, Kind::Unclaimed].into_iter().any(|kind| named(kind).count() > 0);
        if lost.is_some() != is_told && !self.shelf.items.is_empty() {
            // A claim that is missing is told, whatever else leads there.
            if lost.is_some() || named(Kind::Gap).count() > 0 {
                return wrong(2, format!("{lost:?} is lost, and told is {:?}", report.problems));
            }
        }
        match named(Kind::Unlinked).next() {
            Some(problem) => wrong(21, format!("sound objects are said not to go together: {problem:?}")),
            None => Ok(()),
        }
    }

    /// Property 28: a reader that takes whole objects of any version finds the pages that were written, or says that the
    /// object is not what it claims to be (21).
    pub fn readable(&self, bytes: &[u8], txid: Txid, lock_byte: LockByte, is_whole: bool) -> Checked {
        let state = self.history.state(txid).expect("only of states that were");
        let (mut wrong, mut count) = (None, 0);
        let read = read_any(bytes, lock_byte, |pgno, page| {
            count += 1;
            let expected = state.pages.get(pgno.into_inner() as usize - 1);
            if expected.is_none_or(|expected| **expected != *page) {
                wrong = Some(pgno);
            }
        });
        let is_right = match &read {
            Ok((header, _)) => wrong.is_none() && header.commit().into_inner() == state.commit(),
            Err(_) => !is_whole,
        };
        if is_right {
            return Ok(());
        }
        let of = if version(bytes) == Version::V1 { "version 1" } else { "version 3" };
        let message =
            format!("an object of {of} that leads to {txid} reads as {read:?}; page {wrong:?} of {count}");
        Err(Violation::new(if is_whole { 28 } else { 21 }, message))
    }
}
