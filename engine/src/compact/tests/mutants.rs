//! Each bug of compaction is seen by the tests that are named here (docs/mutants.md).

use super::{damage, holes, merge, plan, stored};
use crate::mutants::{Mutant, set_mutant};
use std::panic::catch_unwind;

type Test = fn();

/// By mutant, the tests that must fail with it.
const CAUGHT_BY: &[(Mutant, &[Test])] = &[
    (
        Mutant::CompactOldestPageWins,
        &[
            merge::newest_page_wins_and_what_was_cut_off_is_gone,
            stored::history_with_images_shrinking_and_growing_keeps_its_points,
        ],
    ),
    (
        Mutant::CompactKeepsCutPages,
        &[
            merge::newest_page_wins_and_what_was_cut_off_is_gone,
            stored::history_with_images_shrinking_and_growing_keeps_its_points,
        ],
    ),
    (
        Mutant::CompactAcrossFullImage,
        &[
            plan::nothing_is_merged_across_a_full_image_nor_copied_with_it,
            plan::an_image_that_another_tool_put_into_a_slot_stays_where_it_is,
            damage::objects_that_do_not_belong_together_are_named,
        ],
    ),
    (
        Mutant::CompactIgnoresBreak,
        &[
            plan::contradiction_stops_the_plan_and_names_both,
            damage::objects_that_do_not_belong_together_are_named,
        ],
    ),
    (
        Mutant::CompactAboveConfirmed,
        &[
            plan::only_confirmed_slots_are_compacted,
            stored::history_with_images_shrinking_and_growing_keeps_its_points,
        ],
    ),
    (Mutant::CompactFirstImageCopied, &[plan::first_image_is_never_an_input]),
    (
        Mutant::CompactWrongTimestamp,
        &[
            merge::header_is_of_the_last_input_but_for_where_it_begins,
            stored::history_with_images_shrinking_and_growing_keeps_its_points,
        ],
    ),
    (Mutant::CompactGapAccepted, &[holes::gap_that_no_snapshot_bridges_stops_the_plan]),
    (
        Mutant::CompactDamageIgnored,
        &[
            damage::output_has_no_end_before_every_input_is_proven,
            damage::flipped_bit_of_an_input_is_an_error_or_changes_nothing,
        ],
    ),
];

#[test]
fn every_mutant_of_compaction_is_caught() {
    let listed: Vec<Mutant> = CAUGHT_BY.iter().map(|(mutant, _)| *mutant).collect();
    assert_eq!(listed, Mutant::OF_COMPACTION);
    for (mutant, tests) in CAUGHT_BY {
        for (number, test) in tests.iter().enumerate() {
            test();
            set_mutant(Some(*mutant));
            let outcome = catch_unwind(test);
            set_mutant(None);
            assert!(outcome.is_err(), "{}: test {number} does not see it", mutant.name());
        }
    }
}
