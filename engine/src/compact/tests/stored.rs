//! Histories that are compacted while they go on: what restores before restores after, and is the same.

use super::store::{Change, Store};
use super::*;
use proptest::prelude::*;

#[derive(Clone, Debug)]
enum Event {
    Change(Change),
    /// A level is compacted, up to so many slots before the head.
    Compact {
        level: u8,
        unconfirmed: u64,
    },
}

fn event() -> impl Strategy<Value = Event> {
    let pages = prop::collection::vec(1..9_u32, 0..4);
    let write = (1..9_u32, pages).prop_map(|(commit, pages)| Event::Change(Change::Write { commit, pages }));
    let image = (1..9_u32, any::<bool>())
        .prop_map(|(commit, is_resized)| Event::Change(Change::Image { commit, is_resized }));
    let compact = (1..=3_u8, 0..3_u64).prop_map(|(level, unconfirmed)| Event::Compact { level, unconfirmed });
    prop_oneof![6 => write, 1 => image, 3 => compact]
}

fn limits() -> impl Strategy<Value = Limits> {
    (1..6_usize, 1..3_usize, prop_oneof![Just(u64::MAX), 300..2000_u64]).prop_map(
        |(inputs_max, outputs_max, input_bytes_max)| Limits { inputs_max, input_bytes_max, outputs_max },
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn every_point_that_is_kept_restores_as_before(
        commit in 1..9_u32,
        is_tagged in any::<bool>(),
        events in prop::collection::vec(event(), 1..24),
        limits in limits(),
        deletes in any::<bool>(),
    ) {
        keeps_every_point(commit, is_tagged, &events, limits, deletes);
    }
}

/// Plays a history, and looks at every point whenever something was compacted.
fn keeps_every_point(commit: u32, is_tagged: bool, events: &[Event], limits: Limits, deletes: bool) {
    let mut store = Store::new(commit, is_tagged);
    for event in events {
        let (level, confirmed) = match event {
            Event::Change(change) => {
                store.change(change);
                continue;
            }
            Event::Compact { level, unconfirmed } => {
                (*level, store.head().saturating_sub(*unconfirmed).max(1))
            }
        };
        let before = store.points();
        let made = store.compact(level, confirmed, limits);
        for compaction in &made {
            assert!(compaction.inputs.len() <= limits.inputs_max);
            let time = decode(&store.objects[&compaction.output], LOCK).0.timestamp();
            assert_eq!(
                time,
                Timestamp::from_millis(10 * i64::try_from(compaction.output.max().into_inner()).unwrap())
            );
            assert!(compaction.output.max().into_inner() <= confirmed);
            assert!(compaction.output.min().into_inner() > 1);
        }
        assert_eq!(store.compact(level, confirmed, limits), [], "once");
        assert_eq!(store.points(), before, "nothing was deleted, and nothing is new");
        if deletes {
            store.delete_what_is_contained();
        }
        let points = store.points();
        assert_eq!(points.last(), Some(&store.head()), "the newest state stays");
        assert!(points.iter().all(|point| before.contains(point)));
        let ends: std::collections::BTreeSet<u64> =
            store.objects.keys().map(|key| (*key).max().into_inner()).collect();
        assert!(ends.iter().eq(&points), "every object that is left leads to a point");
        for point in points {
            assert_eq!(store.restore(point), store.states[&point], "{point}");
        }
    }
}

#[test]
pub(super) fn history_with_images_shrinking_and_growing_keeps_its_points() {
    let write = |commit, pages: &[u32]| Event::Change(Change::Write { commit, pages: pages.to_vec() });
    let image = |commit, is_resized| Event::Change(Change::Image { commit, is_resized });
    let compact = |level| Event::Compact { level, unconfirmed: 0 };
    let events = [
        write(6, &[2, 3]),
        write(3, &[1]),
        write(5, &[1, 2]),
        compact(1),
        write(5, &[4, 5]),
        write(2, &[2]),
        image(4, true),
        write(4, &[2]),
        write(6, &[1]),
        compact(1),
        compact(2),
        image(3, false),
        image(2, true),
        write(5, &[3]),
        write(4, &[2]),
        Event::Compact { level: 1, unconfirmed: 1 },
        compact(2),
        compact(3),
        write(2, &[1]),
        compact(1),
        compact(2),
        compact(3),
    ];
    let limits = Limits { inputs_max: 3, input_bytes_max: u64::MAX, outputs_max: 2 };
    for (is_tagged, deletes) in [(true, false), (true, true), (false, false), (false, true)] {
        keeps_every_point(4, is_tagged, &events, limits, deletes);
    }
}
