use super::*;
use crate::clock::SimClock;
use std::time::Duration;

fn hash_of(events: &[(&str, u64, &[u8])]) -> TraceHash {
    let trace = Trace::new(&SimClock::new());
    for (subject, number, bytes) in events {
        trace.record("event", subject, &[("n", *number)], bytes);
    }
    trace.hash()
}

#[test]
fn every_part_of_an_event_counts() {
    let base = hash_of(&[("a", 1, b"x")]);
    assert_eq!(base, hash_of(&[("a", 1, b"x")]));
    for other in
        [hash_of(&[("b", 1, b"x")]), hash_of(&[("a", 2, b"x")]), hash_of(&[("a", 1, b"y")]), hash_of(&[])]
    {
        assert_ne!(base, other);
    }
    assert_eq!(base.to_string().len(), 64);
}

#[test]
fn bytes_cannot_move_between_fields() {
    assert_ne!(hash_of(&[("ab", 1, b"c")]), hash_of(&[("a", 1, b"bc")]));
    let named = |what, subject| {
        let trace = Trace::new(&SimClock::new());
        trace.record(what, subject, &[], &[]);
        trace.hash()
    };
    assert_ne!(named("open", "/a"), named("open/", "a"));
}

#[test]
fn looking_at_the_hash_does_not_change_it() {
    let (once, twice) = (Trace::new(&SimClock::new()), Trace::new(&SimClock::new()));
    let long = vec![7; 200_000];
    for trace in [&once, &twice] {
        trace.record("long", "", &[], &long);
    }
    let _ = twice.hash();
    for trace in [&once, &twice] {
        trace.record("short", "", &[], &[1]);
    }
    assert_eq!(once.hash(), twice.hash());
}

#[test]
fn kept_lines_are_the_last_ones_and_do_not_touch_the_hash() {
    let clock = SimClock::new();
    let (silent, spoken) = (Trace::new(&clock), Trace::new(&clock));
    spoken.keep_last(2);
    for n in 0..5 {
        clock.advance(Duration::from_millis(1));
        silent.record("write", "/a", &[("offset", n)], b"xy");
        spoken.record("write", "/a", &[("offset", n)], b"xy");
    }
    assert_eq!(silent.hash(), spoken.hash());
    assert_eq!(spoken.events(), 5);
    assert_eq!(
        spoken.take_lines(),
        ["0.004000 write /a offset=3 bytes=2", "0.005000 write /a offset=4 bytes=2"]
    );
    assert!(silent.take_lines().is_empty());
}
