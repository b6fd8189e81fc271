//! What must still be read of a place, and the verdict when nothing must.

use super::chain;
use super::findings::{Depth, Findings, Recorded};
use super::index;
use super::report::{Kind, Problem, Report};
use crate::key::{ObjectKey, PlaceListing};
use crate::mutants::{Mutant, mutated};
use crate::restore::{Faults, Reach};
use crate::types::{Level, Txid};
use std::collections::BTreeSet;

/// The verdict, or what to read before asking again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// Nothing more is needed.
    Done(Report),
    /// Read these, add them to the [`Findings`] (as damage, where they are not what they should be), ask again. Each is
    /// new, so asking again comes to an end.
    Need(Needs),
}

/// What to read: never empty inside [`Step::Need`].
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Needs {
    /// Objects of which the header is enough.
    pub headers: Vec<ObjectKey>,
    /// Objects of which header and page index are needed.
    pub page_indexes: Vec<ObjectKey>,
    /// Objects to read from the first byte to the last.
    pub whole_objects: Vec<ObjectKey>,
    /// Points to restore, and to have SQLite check.
    pub restores: Vec<Txid>,
}

impl Needs {
    /// Whether nothing is needed.
    pub fn is_empty(&self) -> bool {
        self.headers.is_empty()
            && self.page_indexes.is_empty()
            && self.whole_objects.is_empty()
            && self.restores.is_empty()
    }
}

/// Looks at everything that a place holds: each object by itself, the chain of every point, the manifest beside them.
///
/// Late arrivals are not read: they count for nothing.
pub fn inspect(listing: &PlaceListing, recorded: &Recorded, findings: &Findings, depth: Depth) -> Step {
    let unread = unread(listing, findings, depth);
    if !unread.is_empty() {
        return Step::Need(unread);
    }
    let known = findings.settled(listing);
    let reach = Reach::new(listing, &known, Faults::Count);
    let points = if depth == Depth::Deep { points_to_restore(listing, &reach) } else { BTreeSet::new() };
    let restores: Vec<Txid> =
        points.iter().copied().filter(|txid| findings.restored(*txid).is_none()).collect();
    if !restores.is_empty() {
        return Step::Need(Needs { restores, ..Needs::default() });
    }
    let mut report = Report { objects_count: listing.objects().len(), ..Report::default() };
    if listing.is_empty() {
        let message = "nothing is stored here: there is nothing to restore".to_owned();
        report.add(Problem { kind: Kind::Empty, object: None, message });
    }
    for key in listing.objects().iter().map(|object| object.key) {
        if let Some(why) = damage(key, findings) {
            report.add(Problem::of(Kind::Damaged, key, why));
        }
    }
    chain::inspect(listing, &known, &reach, &mut report);
    index::inspect(listing, recorded, findings, &mut report);
    for txid in points {
        if let Some(Err(why)) = findings.restored(txid) {
            let last = reach.states().find(|(state, _)| *state == txid).expect("it was a point").1;
            report.add(Problem::of(Kind::Restore, last, format!("TXID {txid} cannot be restored: {why}")));
        }
    }
    Step::Done(report.sorted())
}

fn unread(listing: &PlaceListing, findings: &Findings, depth: Depth) -> Needs {
    let sound = listing.objects().iter().map(|object| object.key);
    let sound: Vec<ObjectKey> = sound.filter(|key| findings.known.damage(*key).is_none()).collect();
    let unlooked: Vec<ObjectKey> =
        sound.iter().copied().filter(|key| findings.look(*key).is_none()).collect();
    if !unlooked.is_empty() {
        return if mutated(Mutant::VerifySkipsPageIndex) {
            Needs { headers: unlooked, ..Needs::default() }
        } else {
            Needs { page_indexes: unlooked, ..Needs::default() }
        };
    }
    let is_deep = depth == Depth::Deep && !mutated(Mutant::VerifyReadsNothingWhole);
    let whole = sound.into_iter().filter(|key| is_deep && findings.whole(*key).is_none());
    Needs { whole_objects: whole.collect(), ..Needs::default() }
}

/// Every snapshot that counts, and the newest state that anything leads to.
fn points_to_restore(listing: &PlaceListing, reach: &Reach<'_>) -> BTreeSet<Txid> {
    let snapshots = listing.level(Level::SNAPSHOT).iter().map(|object| object.key);
    let reached = snapshots.filter(|key| reach.is_reached(*key)).map(ObjectKey::max);
    reached.chain(reach.states().last().map(|(txid, _)| txid)).collect()
}

/// Why an object is not what it claims to be, by itself.
fn damage(key: ObjectKey, findings: &Findings) -> Option<String> {
    if let Some(why) = findings.known.damage(key) {
        return Some(why.to_owned());
    }
    let look = findings.look(key)?;
    let (after, pages) = (look.facts.after?, findings.whole(key)?.pages);
    // Of an image all pages are here; of other objects the restored database tells.
    let differs = look.full && pages != after;
    differs.then(|| format!("its pages make a database of checksum {pages}, and its header says {after}"))
}
