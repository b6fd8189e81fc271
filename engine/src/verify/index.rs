//! `manifest.json` against the objects. It decides nothing, so what it does not know yet is no fault; what it says and is
//! not so, is one.

use super::findings::{Findings, Recorded};
use super::report::{Kind, Problem, Report};
use crate::key::{MANIFEST_NAME, PlaceListing};
use crate::manifest::IndexEntry;
use crate::mutants::{Mutant, mutated};
use crate::types::Level;

/// Adds what is wrong with the manifest, given every header.
pub(super) fn inspect(listing: &PlaceListing, recorded: &Recorded, findings: &Findings, report: &mut Report) {
    let of_manifest = |kind, message: String| Problem { kind, object: Some(MANIFEST_NAME.into()), message };
    match recorded {
        Recorded::Missing => report.add(of_manifest(Kind::NoManifest, "there is none".to_owned())),
        Recorded::Damaged(why) => report.add(of_manifest(Kind::Manifest, why.to_string())),
        Recorded::Read(manifest) => {
            if !mutated(Mutant::VerifyBelievesIndex) {
                let lies = manifest.objects.iter().filter_map(|entry| lie(entry, listing, findings));
                lies.for_each(|problem| report.add(problem));
            }
            let compacted = listing.objects().iter().filter(|object| object.key.level() > Level::L0);
            let (all, unknown) = count(compacted.map(|object| manifest.entry(object.key)));
            if unknown > 0 {
                let message = format!("{unknown} of {all} objects of levels 1 to 9 are not in its index yet");
                report.add(of_manifest(Kind::Unindexed, message));
            }
        }
    }
}

/// What an entry says that is not so.
fn lie(entry: &IndexEntry, listing: &PlaceListing, findings: &Findings) -> Option<Problem> {
    let IndexEntry { key, time, size_bytes, sha256 } = entry;
    let problem = |message: String| Some(Problem::of(Kind::Index, *key, message));
    let Some(info) = listing.get(*key) else {
        return problem(format!("{MANIFEST_NAME} has it, and it is gone"));
    };
    let mut lies = Vec::new();
    if info.size_bytes != *size_bytes {
        lies.push(format!("{size_bytes} bytes, and it has {}", info.size_bytes));
    }
    if let Some(look) = findings.look(*key)
        && look.facts.timestamp != *time
    {
        lies.push(format!("the time {time}, and its header {}", look.facts.timestamp));
    }
    // Of a damaged object that is told.
    let digest = findings.digest(*key).filter(|_| findings.look(*key).is_some());
    if let (Some(said), Some(found)) = (sha256, digest)
        && *said != found
    {
        lies.push(format!("the SHA-256 {said}, and it has {found}"));
    }
    if lies.is_empty() { None } else { problem(format!("{MANIFEST_NAME} says {}", lies.join("; "))) }
}

fn count<'a>(entries: impl Iterator<Item = Option<&'a IndexEntry>>) -> (usize, usize) {
    entries.fold((0, 0), |(all, unknown), entry| (all + 1, unknown + usize::from(entry.is_none())))
}
