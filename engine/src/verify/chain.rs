//! Whether every object that counts has its place in a chain: by names, then by headers.
//!
//! Names decide whether something is missing, headers whether what is there belongs together. What follows from a fault
//! that has a name already (the objects behind a gap) is not told again.

use super::report::{Kind, Problem, Report};
use crate::key::{ObjectKey, PlaceListing};
use crate::mutants::{Mutant, mutated};
use crate::restore::{Knowledge, Reach};
use crate::types::{Checksum, Level, Txid, TxidRange};
use std::collections::{BTreeMap, BTreeSet};

/// Adds what is wrong with the chains of a place, of which every header and page index is known.
pub(super) fn inspect(listing: &PlaceListing, known: &Knowledge, reach: &Reach<'_>, report: &mut Report) {
    let chains = Chains { listing, known, reach, ends: furthest_ends(listing) };
    let mut gaps = BTreeSet::new();
    for key in listing.objects().iter().map(|object| object.key) {
        if reach.is_reached(key) || known.damage(key).is_some() {
            continue;
        }
        if reach.is_unclaimed(key) {
            report.add(chains.unclaimed(key));
            continue;
        }
        match chains.place_of(key) {
            Lost::Unlinked { left } => {
                let message = format!("it does not continue {left}");
                report.add(Problem::of(Kind::Unlinked, key, message));
            }
            Lost::Gap { missing } if !mutated(Mutant::VerifySkipsGap) && gaps.insert(missing) => {
                report.add(Problem::of(Kind::Gap, key, format!("{} before it", are_missing(missing))));
            }
            // Kept for whoever resumes from level 0.
            Lost::LeftOver if listing.level(Level::L0).last().is_some_and(|newest| newest.key == key) => {}
            Lost::LeftOver => {
                let message = "no point needs it: what it leads to lies inside another object";
                report.add(Problem::of(Kind::Stranger, key, message));
            }
            Lost::Gap { .. } | Lost::Behind => {}
        }
    }
    for (key, other) in chains.disagreeing() {
        let message = format!("it leads to another database than {other}");
        report.add(Problem::of(Kind::Unlinked, key, message));
    }
    for late in listing.late_arrivals() {
        let message = "it arrived after its TXIDs were settled, and counts for nothing";
        report.add(Problem::of(Kind::Late, late.key, message));
    }
    for name in listing.strangers() {
        let object = Some(name.as_str().into());
        let message = "it has no name of an object, and is ignored".to_owned();
        report.add(Problem { kind: Kind::Stranger, object, message });
    }
}

/// Why nothing leads to an object.
enum Lost {
    /// By name it follows this one, by headers it does not.
    Unlinked { left: ObjectKey },
    /// These TXIDs are in no object.
    Gap { missing: TxidRange },
    /// What starts before it and reaches it has a problem of its own.
    Behind,
    /// Nobody needs it.
    LeftOver,
}

struct Chains<'a> {
    listing: &'a PlaceListing,
    known: &'a Knowledge,
    reach: &'a Reach<'a>,
    /// Per first TXID, the furthest end of all objects that start there or before, reachable or not.
    ends: BTreeMap<Txid, Txid>,
}

impl Chains<'_> {
    fn place_of(&self, key: ObjectKey) -> Lost {
        // What starts at TXID 1 is a base, and reached.
        if let Some(left) = self.reach.joining(key) {
            let left = self.reach.contradiction(left, key).unwrap_or(left);
            return Lost::Unlinked { left };
        }
        // Nothing reachable ends before its end and joins it, so what contains its first TXID contains all of it.
        if self.reach.covers(key.min()) {
            // A claim stays when everything around it was compacted.
            let is_claim = self.known.header(key).is_some_and(|facts| facts.claim);
            return if is_claim { Lost::Behind } else { Lost::LeftOver };
        }
        let last = Txid::new(key.min().into_inner() - 1).expect("what starts at TXID 1 is a base");
        let end = self.ends.range(..key.min()).next_back().map(|(_, end)| *end);
        match end {
            Some(end) if end >= last => Lost::Behind,
            _ => {
                let first = end.map_or(Txid::ONE, |end| end + 1);
                Lost::Gap { missing: TxidRange::new(first, last).expect("an end before the last") }
            }
        }
    }

    /// Objects that lead to the same TXID and to another database there than one of a lower level.
    fn disagreeing(&self) -> Vec<(ObjectKey, ObjectKey)> {
        let mut first: BTreeMap<Txid, (ObjectKey, Checksum)> = BTreeMap::new();
        let mut found = Vec::new();
        for key in self.listing.objects().iter().map(|object| object.key) {
            let after = self.known.header(key).filter(|_| self.reach.is_reached(key)).and_then(|f| f.after);
            let Some(after) = after else { continue };
            let (other, expected) = *first.entry(key.max()).or_insert((key, after));
            if after != expected {
                found.push((key, other));
            }
        }
        found
    }

    /// The first image of ours without what makes it count. A writer that lost the place leaves one that nobody needs.
    fn unclaimed(&self, image: ObjectKey) -> Problem {
        let claim = ObjectKey::slot(Txid::ONE + 1);
        let (why, is_lost) = match (self.listing.get(claim), self.known.damage(claim)) {
            (None, _) => ("is missing", false),
            (Some(_), Some(_)) => ("is damaged", false),
            // Who wins against a first image puts an image of its own there, which continues nothing.
            (Some(_), None) => {
                ("does not continue it", self.known.header(claim).is_some_and(|facts| facts.before.is_none()))
            }
        };
        if is_lost && self.reach.covers(Txid::ONE) || mutated(Mutant::VerifyForgetsClaim) {
            let message = format!("its writer lost the place: {claim} {why}, and no point needs it");
            return Problem::of(Kind::Stranger, image, message);
        }
        Problem::of(Kind::Unclaimed, claim, format!("{image} counts only with this claim, which {why}"))
    }
}

fn furthest_ends(listing: &PlaceListing) -> BTreeMap<Txid, Txid> {
    let mut ends: BTreeMap<Txid, Txid> = BTreeMap::new();
    for key in listing.objects().iter().map(|object| object.key) {
        let end = ends.entry(key.min()).or_insert(key.max());
        *end = key.max().max(*end);
    }
    let mut furthest = Txid::ONE;
    for end in ends.values_mut() {
        furthest = furthest.max(*end);
        *end = furthest;
    }
    ends
}

fn are_missing(missing: TxidRange) -> String {
    if missing.min() == missing.max() {
        format!("TXID {} is missing", missing.min())
    } else {
        format!("TXIDs {} to {} are missing", missing.min(), missing.max())
    }
}
