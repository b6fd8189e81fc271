use super::*;
use engine::types::Instant;
use std::time::Duration;

#[test]
fn wall_jumps_leave_the_monotonic_clock_alone() {
    let clock = SimClock::new();
    clock.advance(Duration::from_secs(5));
    let before = clock.now();
    clock.jump_wall_ms(-3_600_000);
    assert_eq!(clock.mono(), before.mono);
    assert_eq!(clock.now().wall.as_millis(), before.wall.as_millis() - 3_600_000);
}

#[test]
fn machines_share_time_but_not_the_wall_clock() {
    let (one, store) = (SimClock::new(), SimClock::new().machine());
    let two = one.machine();
    two.jump_wall_ms(1000);
    one.advance(Duration::from_millis(7));
    assert_eq!(one.mono(), two.mono());
    assert_eq!(two.wall_us() - one.wall_us(), 1_000_000);
    assert_eq!(store.mono(), Instant::from_micros(0), "another world");
}

#[test]
fn drift_is_parts_per_million_of_what_passes() {
    let clock = SimClock::new();
    let start_us = clock.wall_us();
    clock.set_wall_drift_ppm(-100);
    clock.advance(Duration::from_secs(10));
    assert_eq!(clock.wall_us() - start_us, 10_000_000 - 1000);
}

#[test]
fn time_never_goes_back() {
    let clock = SimClock::new();
    clock.advance_to(Instant::from_micros(50));
    clock.advance_to(Instant::from_micros(20));
    assert_eq!(clock.mono(), Instant::from_micros(50));
}
