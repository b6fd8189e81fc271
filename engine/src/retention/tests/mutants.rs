//! Each law is seen failing: with a bug switched on, some life breaks it.

use super::laws::{Lived, live, lives};
use super::life::Kind;
use crate::mutants::{Mutant, set_mutant};
use proptest::strategy::{Strategy as _, ValueTree as _};
use proptest::test_runner::TestRunner;
use std::collections::BTreeSet;

/// The bug, the lives that show it, and the laws of which it must break one.
const CAUGHT: &[(Mutant, Kind, &[&str])] = &[
    (Mutant::RetentionTwoPasses, Kind::Plain, &["idempotence"]),
    (Mutant::RetentionGapByArrival, Kind::WriterJumps, &["no trouble of its own"]),
    (Mutant::RetentionOlderCovers, Kind::Plain, &["proof"]),
    (Mutant::RetentionLargestContainer, Kind::Plain, &["proof", "idempotence"]),
    (Mutant::RetentionTellsSome, Kind::Plain, &["report"]),
    (Mutant::RetentionNewestByPolicy, Kind::Plain, &["the newest chain stays"]),
    (Mutant::RetentionBelievesNow, Kind::StoreJumps, &["promises are kept"]),
    (Mutant::RetentionBelievesHeaders, Kind::WriterJumps, &["promises are kept"]),
    (Mutant::RetentionIgnoresL0, Kind::Plain, &["slots stay for l0"]),
    (Mutant::RetentionClaimDeleted, Kind::Plain, &["claims stay"]),
    (Mutant::RetentionNewestSlotDeleted, Kind::Plain, &["the newest slot stays"]),
    (Mutant::RetentionBreakIgnored, Kind::Rough, &["breaks stop"]),
    (Mutant::RetentionLateStays, Kind::Rough, &["late slots go"]),
    (Mutant::RetentionBasesFirst, Kind::Rough, &["stages"]),
];

/// Bugs that an example shows.
const SHOWN: &[Mutant] = &[Mutant::RetentionForgetsPromisedL0, Mutant::RetentionAcrossFullImage];

#[test]
fn every_law_is_broken_by_a_mutant() {
    let mut missed = Vec::new();
    for (mutant, kind, laws) in CAUGHT.iter().copied() {
        set_mutant(Some(mutant));
        let is_broken = breaks(kind, laws);
        set_mutant(None);
        if !is_broken {
            missed.push(format!("{mutant:?} breaks none of {laws:?}"));
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

/// Whether some life breaks one of the laws before any other.
fn breaks(kind: Kind, laws: &[&str]) -> bool {
    let mut runner = TestRunner::deterministic();
    let strategy = lives(kind);
    let mut next = || -> Lived { strategy.new_tree(&mut runner).expect("nothing is rejected").current() };
    (0..LIVES_MAX).any(|_| {
        let (other_tool, policy, deeds) = next();
        live(other_tool, &policy, &deeds).is_err_and(|(law, _)| laws.contains(&law))
    })
}

const LIVES_MAX: usize = 400;
