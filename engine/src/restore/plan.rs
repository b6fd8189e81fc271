//! The objects that lead to a target, and what is known of the result before anything is downloaded.

use super::PlanError;
use super::knowledge::{Facts, Knowledge, Needs, Step};
use super::link::{Link, classify};
use super::points::settle;
use super::reach::Reach;
use super::target::{Finder, Target};
use crate::key::{ObjectInfo, ObjectKey, PlaceListing};
use crate::types::{Checksum, Level, PageSize, Timestamp, Txid};
use std::collections::BTreeSet;
use std::fmt;

/// Objects to apply, oldest first; the first is a whole database and every link was checked by header.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    objects: Vec<PlannedObject>,
    time: Timestamp,
}

/// One object of a plan.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlannedObject {
    /// The object as listed: its version is the one that was planned.
    pub info: ObjectInfo,
    /// Its header.
    pub facts: Facts,
    /// How it follows the one before.
    pub link: Link,
}

/// Plans a restore: the newest usable base, then the fewest objects that reach the target exactly, ties to the
/// higher level; a link that headers contradict, and an object that is damaged, are planned around.
///
/// The first answer goes by names and asks for the headers on the way it found; asked again with these, it
/// either accepts that way or finds another.
///
/// # Errors
/// [`PlanError`], when the listing and what is known rule the target out.
pub fn plan(listing: &PlaceListing, known: &Knowledge, target: Target) -> Result<Step<Plan>, PlanError> {
    if listing.is_empty() {
        return Err(PlanError::Empty);
    }
    let settled = match settle(listing, known) {
        Ok(settled) => settled,
        Err(needs) => return Ok(Step::Need(needs)),
    };
    let finder = Finder { listing, known, settled: &settled };
    let txid = match finder.find(target)? {
        Ok(txid) => txid,
        Err(needs) => return Ok(Step::Need(needs)),
    };
    let path = settled.reach.path(txid).expect("a point has a way that leads to it");
    let headers = headers_to_check(&settled.reach, known, &path);
    if !headers.is_empty() {
        return Ok(Step::Need(Needs { headers, page_indexes: Vec::new() }));
    }
    let point = settled.points.binary_search_by_key(&txid, |p| p.txid).expect("the target is a point");
    // The manifest's index may tell another time; nothing has proven what it says.
    let timed_by = settled.points[point].timed_by;
    let facts = known.header(timed_by);
    if facts.is_none() && tells_late(&path, known) {
        return Ok(Step::Need(Needs { headers: vec![timed_by], page_indexes: Vec::new() }));
    }
    Ok(Step::Done(Plan::new(&path, known, facts.map(|facts| facts.timestamp))))
}

/// Headers without which the links of a way are not checked: those of its objects, then, where one overlaps
/// its predecessor, those of objects that end where it starts.
fn headers_to_check(reach: &Reach<'_>, known: &Knowledge, path: &[&ObjectInfo]) -> Vec<ObjectKey> {
    let is_unknown = |key: &ObjectKey| known.header(*key).is_none();
    let on_the_way: Vec<ObjectKey> = path.iter().map(|o| o.key).filter(is_unknown).collect();
    if !on_the_way.is_empty() {
        return on_the_way;
    }
    let overlapping = path.windows(2).filter(|pair| pair[1].key.min() <= pair[0].key.max());
    let tagged = overlapping.map(|pair| pair[1].key).filter(|key| known.header(*key).is_some_and(has_before));
    let witnesses: BTreeSet<ObjectKey> =
        tagged.flat_map(|key| reach.witnesses(key)).filter(is_unknown).collect();
    witnesses.into_iter().collect()
}

/// Whether a way ends with a snapshot of another tool, which says when it was taken.
fn tells_late(path: &[&ObjectInfo], known: &Knowledge) -> bool {
    let last = path.last().map(|object| object.key).filter(|key| key.level() == Level::SNAPSHOT);
    last.and_then(|key| known.header(key)).is_some_and(|facts| facts.after.is_none())
}

fn has_before(facts: &Facts) -> bool {
    facts.before.is_some()
}

impl Plan {
    fn new(path: &[&ObjectInfo], known: &Knowledge, time: Option<Timestamp>) -> Plan {
        let mut objects: Vec<PlannedObject> = Vec::with_capacity(path.len());
        for info in path {
            let facts = *known.header(info.key).expect("every header of the way is known");
            let link = objects.last().map_or(Link::Base, |left| {
                let link = classify((left.info.key, &left.facts), (info.key, &facts));
                link.expect("a broken link is not on the way")
            });
            objects.push(PlannedObject { info: (*info).clone(), facts, link });
        }
        let time = time.unwrap_or(objects[objects.len() - 1].facts.timestamp);
        Plan { objects, time }
    }

    /// The objects, oldest first; at least one.
    pub fn objects(&self) -> &[PlannedObject] {
        &self.objects
    }

    /// The objects in the order in which they are applied: each page comes from the first that has it.
    pub fn newest_first(&self) -> impl Iterator<Item = &PlannedObject> {
        self.objects.iter().rev()
    }

    /// The state that comes out.
    pub fn txid(&self) -> Txid {
        self.last().info.key.max()
    }

    /// When that state was sealed.
    pub fn time(&self) -> Timestamp {
        self.time
    }

    /// Size of its pages.
    pub fn page_size(&self) -> PageSize {
        self.last().facts.page_size
    }

    /// How many pages it has.
    pub fn page_count(&self) -> u32 {
        self.last().facts.commit
    }

    /// How many bytes it has, by the header: not a size to allocate.
    pub fn database_bytes(&self) -> u64 {
        u64::from(self.page_count()) * u64::from(self.page_size().into_inner())
    }

    /// The checksum it must have, where its writer left one: the end-to-end proof. Without it, read every
    /// object whole, so that at least the objects' own checksums vouch for the pages.
    pub fn checksum(&self) -> Option<Checksum> {
        self.last().facts.after
    }

    /// Size of all objects together: the most that has to be downloaded.
    pub fn objects_bytes(&self) -> u64 {
        self.objects.iter().map(|o| o.info.size_bytes).fold(0, u64::saturating_add)
    }

    /// How many links no checksum vouches for.
    pub fn unchained_count(&self) -> usize {
        self.objects.iter().filter(|o| o.link == Link::Unchained).count()
    }

    fn last(&self) -> &PlannedObject {
        self.objects.last().expect("a plan has a base")
    }
}

/// One line per object, oldest first, then the result: what `--dry-run` shows.
impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for PlannedObject { info, link, .. } in &self.objects {
            writeln!(f, "{}  {:>12} bytes  {}", info.key, info.size_bytes, link.word())?;
        }
        let (pages, size) = (self.page_count(), self.page_size());
        let (txid, count) = (self.txid(), self.objects.len());
        write!(f, "TXID {txid}: {pages} pages of {size} bytes from {count} object")?;
        f.write_str(if count == 1 { "" } else { "s" })?;
        match self.unchained_count() {
            0 => Ok(()),
            1 => f.write_str(", 1 link without checksums"),
            n => write!(f, ", {n} links without checksums"),
        }
    }
}

#[cfg(test)]
mod tests;
