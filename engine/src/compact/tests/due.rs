use super::*;
use crate::types::{Instant, Now, Timestamp};
use proptest::prelude::*;
use std::time::Duration;

const MINUTE: Duration = Duration::from_secs(60);

fn at(mono_ms: u64, wall_ms: i64) -> Now {
    Now { mono: Instant::from_micros(mono_ms * 1000), wall: Timestamp::from_millis(wall_ms) }
}

fn pending(seen_ms: u64, sealed_ms: i64) -> Option<Pending> {
    Some(Pending { sealed: Timestamp::from_millis(sealed_ms), seen: Instant::from_micros(seen_ms * 1000) })
}

/// In milliseconds.
fn due_ms(pending: Option<Pending>, now: Now) -> Option<u64> {
    due(MINUTE, Duration::ZERO, pending, now).map(|due| due.as_micros() / 1000)
}

#[test]
fn nothing_pending_is_never_due() {
    assert_eq!(due_ms(None, at(5, 1_000_000)), None);
}

#[test]
fn level_is_due_at_the_boundary_after_its_oldest_input() {
    // Sealed 10 s after a boundary, looked at 20 s later: 30 s are left.
    assert_eq!(due_ms(pending(7_500, 130_000), at(27_000, 150_000)), Some(57_000));
    // The same moment however often it is asked, until it has come.
    assert_eq!(due_ms(pending(7_500, 130_000), at(56_000, 179_000)), Some(57_000));
    assert_eq!(due_ms(pending(7_500, 130_000), at(57_000, 180_000)), Some(57_000));
    assert_eq!(due_ms(pending(7_500, 130_000), at(59_000, 182_000)), Some(59_000), "overdue: now");
    // What was sealed just at a boundary belongs to the interval that begins there.
    assert_eq!(due_ms(pending(0, 120_000), at(0, 120_000)), Some(60_000));
}

#[test]
fn offset_moves_the_boundaries() {
    let offset = Duration::from_secs(7);
    let due = due(MINUTE, offset, pending(0, 130_000), at(0, 130_000)).unwrap();
    assert_eq!(due.as_micros(), 57_000_000);
}

/// A process that ends more often than a level is made still makes it.
#[test]
fn what_an_earlier_life_left_is_due_by_its_own_age() {
    assert_eq!(due_ms(pending(1_000, 130_000), at(1_000, 500_000)), Some(1_000));
}

#[test]
fn clock_that_goes_back_keeps_nothing_waiting_longer_than_an_interval() {
    for back in [1_000, 3_600_000, 1_000_000_000_000] {
        let now = |mono_ms: u64| at(mono_ms, 130_000 + i64::try_from(mono_ms).unwrap() - back);
        let first = due_ms(pending(0, 130_000), now(0)).unwrap();
        assert!(first <= 60_000);
        assert_eq!(due_ms(pending(0, 130_000), now(40_000)), Some(first.max(40_000)));
        assert_eq!(due_ms(pending(0, 130_000), now(60_000)), Some(60_000));
    }
}

proptest! {
    #[test]
    fn no_clock_delays_a_level_by_more_than_an_interval(
        interval_ms in 1..10_000_000_u64,
        offset_ms in 0..10_000_000_u64,
        sealed in any::<i64>(),
        wall in any::<i64>(),
        seen_ms in 0..1_000_000_000_u64,
        later_ms in 0..1_000_000_000_u64,
    ) {
        let interval = Duration::from_millis(interval_ms);
        let now = at(seen_ms + later_ms, wall);
        let waits = pending(seen_ms, sealed);
        let due = due(interval, Duration::from_millis(offset_ms), waits, now).unwrap();
        let latest = Instant::from_micros(seen_ms * 1000).after(interval);
        prop_assert!(due >= now.mono && due <= now.mono.max(latest));
    }

    #[test]
    fn one_moment_comes_out_while_the_clocks_agree(
        interval_ms in 1..100_000_u64,
        offset_ms in 0..100_000_u64,
        wall in 0..2_000_000_000_000_i64,
        (first_ms, more_ms) in (0..100_000_u64, 0..100_000_u64),
    ) {
        let interval = Duration::from_millis(interval_ms);
        let offset = Duration::from_millis(offset_ms);
        let ask = |ms: u64| due(interval, offset, pending(0, wall), at(ms, wall + i64::try_from(ms).unwrap())).unwrap();
        let (first, second) = (ask(first_ms), ask(first_ms + more_ms));
        let now = Instant::from_micros((first_ms + more_ms) * 1000);
        prop_assert_eq!(second, first.max(now));
        let boundary = wall + i64::try_from(ask(0).as_micros() / 1000).unwrap() - i64::try_from(offset_ms).unwrap();
        prop_assert_eq!(boundary.rem_euclid(i64::try_from(interval_ms).unwrap()), 0);
    }
}
