//! Each law is seen failing: with a bug switched on, some life breaks it.

use super::calls::Broken;
use super::laws::{Lived, live, lives};
use super::life::Kind;
use crate::mutants::{Mutant, set_mutant};
use proptest::strategy::{Strategy as _, ValueTree as _};
use proptest::test_runner::TestRunner;
use std::collections::BTreeSet;

/// The bug, the lives that show it, and the laws that it may break first.
const CAUGHT: &[(Mutant, Kind, &[&str])] = &[
    (Mutant::RetentionTwoPasses, Kind::Plain, &["idempotence"]),
    (Mutant::RetentionGapByArrival, Kind::WriterJumps, &["no trouble of its own"]),
    (Mutant::RetentionOlderCovers, Kind::Plain, &["proof", "promises are kept", "the newest chain stays"]),
    (Mutant::RetentionLargestContainer, Kind::Plain, &["proof", "promises are kept", "idempotence"]),
    (Mutant::RetentionTellsSome, Kind::Plain, &["report"]),
    (Mutant::RetentionNewestByPolicy, Kind::Plain, &["the newest chain stays"]),
    (Mutant::RetentionBelievesNow, Kind::StoreJumps, &["promises are kept"]),
    (Mutant::RetentionBelievesHeaders, Kind::WriterJumps, &["promises are kept"]),
    (Mutant::RetentionIgnoresL0, Kind::Plain, &["slots stay for l0"]),
    (Mutant::RetentionClaimDeleted, Kind::Plain, &["claims stay", "proof"]),
    (Mutant::RetentionNewestSlotDeleted, Kind::Plain, &["the newest slot stays"]),
    (Mutant::RetentionBreakIgnored, Kind::Rough, &["breaks stop", "claims stay"]),
    (Mutant::RetentionLateStays, Kind::Rough, &["late slots go", "stages"]),
    (Mutant::RetentionBasesFirst, Kind::Rough, &["stages"]),
];

/// Bugs that an example shows.
const SHOWN: &[Mutant] = &[Mutant::RetentionForgetsPromisedL0, Mutant::RetentionAcrossFullImage];

#[test]
fn every_law_is_broken_by_a_mutant() {
    let mut missed = Vec::new();
    for (mutant, kind, laws) in CAUGHT.iter().copied() {
        set_mutant(Some(mutant));
        let broken = first_broken(kind);
        set_mutant(None);
        match broken {
            Some((law, _)) if laws.contains(&law) => {}
            other => missed.push(format!("{mutant:?}: {other:?}")),
        }
    }
    assert!(missed.is_empty(), "{}", missed.join("\n"));
}

#[test]
fn every_mutant_is_caught_by_a_law_or_an_example() {
    let caught = CAUGHT.iter().map(|(mutant, ..)| *mutant).chain(SHOWN.iter().copied());
    let all: BTreeSet<Mutant> = Mutant::OF_RETENTION.iter().copied().collect();
    assert_eq!(caught.collect::<BTreeSet<Mutant>>(), all);
}

#[test]
fn examples_show_the_others() {
    for (mutant, example) in [
        (Mutant::RetentionForgetsPromisedL0, super::examples::another_writers_l0_is_kept as fn() -> bool),
        (Mutant::RetentionAcrossFullImage, super::examples::a_merge_across_an_image_stands_for_itself),
    ] {
        assert!(SHOWN.contains(&mutant) && example());
        set_mutant(Some(mutant));
        let holds = example();
        set_mutant(None);
        assert!(!holds, "{mutant:?} is not seen");
    }
}

fn first_broken(kind: Kind) -> Option<Broken> {
    let mut runner = TestRunner::deterministic();
    let strategy = lives(kind);
    let mut next = || -> Lived { strategy.new_tree(&mut runner).expect("nothing is rejected").current() };
    (0..LIVES_MAX).find_map(|_| {
        let (other_tool, policy, deeds) = next();
        live(other_tool, &policy, &deeds).err()
    })
}

const LIVES_MAX: usize = 400;
