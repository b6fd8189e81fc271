use super::*;
use crate::clock::SimClock;
use crate::faults::NetworkFaults;
use crate::s3::{Answer, Request, Response, SimS3};
use crate::trace::{Trace, TraceHash};
use bytes::Bytes;
use engine::store::{Attributes, Condition, Fatal, Sha256, StoreError};
use engine::types::Instant;
use std::time::Duration;

struct World {
    clock: SimClock,
    trace: Trace,
    store: SimS3,
    network: Network,
}

const ALWAYS: u32 = 1_000_000;
const ME: ClientId = ClientId(1);

impl World {
    fn new(faults: NetworkFaults) -> World {
        World::seeded(1, faults)
    }

    fn seeded(seed: u64, faults: NetworkFaults) -> World {
        let clock = SimClock::new();
        let trace = Trace::new(&clock);
        let store = SimS3::new(&clock.machine(), &trace);
        let mut network = Network::new(seed, &store, &trace);
        network.set_faults(faults);
        World { clock, trace, store, network }
    }

    fn submit(&mut self, request: Request) -> RequestId {
        self.network.submit(self.clock.mono(), ME, request)
    }

    fn next(&mut self) -> Option<Answered> {
        while let Some(at) = self.network.next_at() {
            self.clock.advance_to(at);
            if let Some(answered) = self.network.poll(self.clock.mono()) {
                return Some(answered);
            }
        }
        None
    }

    /// Sends a request and waits for its answer; then lets everything else happen.
    fn ask(&mut self, request: Request) -> Answer {
        let id = self.submit(request);
        let answered = self.next().expect("an answer");
        assert_eq!((answered.id, answered.client), (id, ME));
        assert_eq!(self.next(), None, "one answer");
        answered.answer
    }
}

fn put(key: &str, body: &'static str) -> Request {
    let body = Bytes::from_static(body.as_bytes());
    let condition = Condition::IfAbsent;
    Request::Put { key: key.into(), body, attributes: Attributes::default(), condition }
}

fn get(key: &str) -> Request {
    Request::Get { key: key.into(), range: None }
}

#[test]
fn without_faults_every_request_acts_and_is_answered_in_time() {
    let mut world = World::new(NetworkFaults::default());
    assert!(matches!(world.ask(put("a", "x")), Ok(Response::Written(_))));
    assert!(matches!(world.ask(get("a")), Ok(Response::Body(_))));
    assert_eq!(world.ask(get("b")), Err(StoreError::Missing));
    assert!(world.clock.mono() < Instant::from_micros(3 * 60_000));
}

#[test]
fn a_duplicated_create_is_refused_because_of_itself() {
    let mut world = World::new(NetworkFaults { duplicate_ppm: ALWAYS, ..NetworkFaults::default() });
    assert_eq!(world.ask(put("a", "mine")), Err(StoreError::Refused));
    assert_eq!(world.store.peek("a").unwrap().bytes, "mine");
    assert_eq!(world.store.changes_from(0).len(), 1);
}

#[test]
fn a_lost_answer_is_ambiguous_after_the_time_out_and_the_write_is_there() {
    let mut world = World::new(NetworkFaults { lost_answer_ppm: ALWAYS, ..NetworkFaults::default() });
    assert!(matches!(world.ask(put("a", "x")), Err(StoreError::Ambiguous(_))));
    assert_eq!(world.clock.mono(), Instant::from_micros(NetworkFaults::default().timeout_us));
    assert!(world.store.peek("a").is_some());
    assert!(matches!(world.ask(get("a")), Err(StoreError::Retryable(_))));
}

#[test]
fn a_lost_request_is_as_ambiguous_and_nothing_is_there() {
    let mut world = World::new(NetworkFaults { lost_request_ppm: ALWAYS, ..NetworkFaults::default() });
    assert!(matches!(world.ask(put("a", "x")), Err(StoreError::Ambiguous(_))));
    assert!(world.store.peek_all().is_empty());
}

#[test]
fn a_late_create_lands_after_its_client_died_and_never_over_another() {
    let late = NetworkFaults { late_ppm: ALWAYS, ..NetworkFaults::default() };
    for taken in [false, true] {
        let mut world = World::new(late);
        world.submit(put("slot", "zombie"));
        world.network.disconnect(ME);
        assert_eq!(world.network.waiting(), 0);
        assert_eq!(world.network.may_still_act(), 1);
        world.clock.advance(Duration::from_micros(late.timeout_us - 1));
        assert_eq!(world.network.poll(world.clock.mono()), None);
        assert!(world.store.peek_all().is_empty(), "not yet");
        if taken {
            world.store.overwrite("slot", Bytes::from_static(b"living"), Attributes::default());
        }
        assert_eq!(world.next(), None, "nobody is there to hear an answer");
        let expected = if taken { "living" } else { "zombie" };
        assert_eq!(world.store.peek("slot").unwrap().bytes, expected);
        assert_eq!(world.network.may_still_act(), 0);
    }
}

#[test]
fn errors_say_whether_the_write_may_have_acted() {
    type Check = fn(&Answer) -> bool;
    let none = NetworkFaults::default();
    let ambiguous: Check = |answer| matches!(answer, Err(StoreError::Ambiguous(_)));
    let cases: [(NetworkFaults, Check, bool); 5] = [
        (NetworkFaults { error_before_ppm: ALWAYS, ..none }, ambiguous, false),
        (NetworkFaults { error_after_ppm: ALWAYS, ..none }, ambiguous, true),
        (
            NetworkFaults { throttled_ppm: ALWAYS, ..none },
            |answer| matches!(answer, Err(StoreError::Throttled { .. })),
            false,
        ),
        (
            NetworkFaults { conflict_ppm: ALWAYS, ..none },
            |answer| *answer == Err(StoreError::Conflict),
            false,
        ),
        (
            NetworkFaults { denied_ppm: ALWAYS, ..none },
            |answer| matches!(answer, Err(StoreError::Fatal { kind: Fatal::Denied, .. })),
            false,
        ),
    ];
    for (faults, expected, acted) in cases {
        let mut world = World::new(faults);
        let answer = world.ask(put("a", "x"));
        assert!(expected(&answer), "{answer:?} under {faults:?}");
        assert_eq!(world.store.peek("a").is_some(), acted, "{faults:?}");
    }
}

#[test]
fn a_damaged_body_is_short_and_retryable_or_differs_in_one_bit() {
    let mut world = World::new(NetworkFaults { truncated_ppm: ALWAYS, ..NetworkFaults::default() });
    world.ask(put("a", "hello")).unwrap();
    assert!(matches!(world.ask(get("a")), Err(StoreError::Retryable(_))));
    world.network.set_faults(NetworkFaults { flipped_ppm: ALWAYS, ..NetworkFaults::default() });
    let Ok(Response::Body(body)) = world.ask(get("a")) else { panic!("no body") };
    let flips: u32 = body.bytes.iter().zip(b"hello").map(|(a, b)| (a ^ b).count_ones()).sum();
    assert_eq!(flips, 1);
    assert_eq!(world.store.peek("a").unwrap().bytes, "hello", "the store is right");
    assert_ne!(Sha256::of(&body.bytes), Sha256::of(b"hello"));
}

#[test]
fn a_conflicting_completion_costs_all_parts() {
    let mut world = World::new(NetworkFaults::default());
    let start = Request::StartUpload { key: "a".into(), attributes: Attributes::default() };
    let Ok(Response::Started(upload)) = world.ask(start) else { panic!("not started") };
    let complete = Request::CompleteUpload { upload, condition: Condition::IfAbsent };
    world.network.set_faults(NetworkFaults { conflict_ppm: ALWAYS, ..NetworkFaults::default() });
    assert_eq!(world.ask(complete.clone()), Err(StoreError::Conflict));
    world.network.set_faults(NetworkFaults::default());
    assert_eq!(world.ask(complete), Err(StoreError::Missing));
}

#[test]
fn an_outage_ends_and_then_requests_act_again() {
    let mut world = World::new(NetworkFaults::default());
    let end = Instant::from_micros(3_600_000_000);
    world.network.set_outage_until(end);
    for _ in 0..20 {
        let answer = world.ask(put("a", "x"));
        assert!(matches!(answer, Err(StoreError::Retryable(_) | StoreError::Ambiguous(_))), "{answer:?}");
    }
    assert_eq!(world.store.stats().requests(), 0);
    world.clock.advance_to(end);
    assert!(world.ask(put("a", "x")).is_ok());
}

#[test]
fn in_a_silence_nothing_is_answered_before_the_client_gives_up() {
    let mut world = World::new(NetworkFaults::default());
    world.network.set_silent_until(Instant::from_micros(3_600_000_000));
    for n in 1..=20 {
        let answer = world.ask(Request::Get { key: "a".into(), range: None });
        assert_eq!(answer, Err(StoreError::Retryable("timed out".into())));
        assert_eq!(world.clock.mono(), Instant::from_micros(n * NetworkFaults::default().timeout_us));
    }
    assert_eq!(world.store.stats().requests(), 0);
    world.network.set_outage_until(Instant::default());
    assert!(world.ask(put("a", "x")).is_ok());
}

#[test]
fn short_pages_and_partial_deletes_still_lead_to_the_end() {
    let faults =
        NetworkFaults { short_page_ppm: 800_000, partial_delete_ppm: ALWAYS, ..NetworkFaults::default() };
    let mut world = World::new(faults);
    let keys: Vec<String> = (10..60).map(|n| format!("k/{n}")).collect();
    for key in &keys {
        world.store.overwrite(key, Bytes::new(), Attributes::default());
    }
    let (mut found, mut after, mut pages) = (Vec::new(), None, 0);
    loop {
        let request = Request::List { prefix: "k/".into(), after, folders: false, keys_max: 20 };
        let Ok(Response::Listing(page)) = world.ask(request) else { panic!("no listing") };
        found.extend(page.objects.into_iter().map(|object| object.key));
        pages += 1;
        after = page.next;
        if after.is_none() {
            break;
        }
    }
    assert_eq!(found, keys);
    assert!(pages > 3, "no page was short");
    let mut failures = 0;
    while !found.is_empty() {
        let Ok(Response::Deleted(outcomes)) = world.ask(Request::Delete { keys: found.clone() }) else {
            panic!("no outcomes")
        };
        assert_eq!(outcomes.len(), found.len());
        found = found.into_iter().zip(outcomes).filter(|(_, o)| o.is_err()).map(|(key, _)| key).collect();
        failures += found.len();
    }
    assert!(failures > 0 && world.store.peek_all().is_empty());
}

#[test]
fn a_body_that_takes_longer_than_the_time_out_lands_after_it() {
    let slow = NetworkFaults { bytes_per_second: 1, timeout_us: 2_000_000, ..NetworkFaults::default() };
    let mut world = World::new(slow);
    world.submit(put("a", "five!"));
    let answered = world.next().unwrap();
    assert!(matches!(answered.answer, Err(StoreError::Ambiguous(_))));
    assert_eq!(answered.at, Instant::from_micros(2_000_000));
    assert!(world.store.peek("a").is_none());
    assert_eq!(world.next(), None);
    assert!(world.store.peek("a").is_some());
}

/// Creates and reads under every fault at once; whatever is answered, the store holds the first write alone.
fn storm(seed: u64) -> (TraceHash, usize) {
    let ppm = 80_000;
    let faults = NetworkFaults {
        error_before_ppm: ppm,
        error_after_ppm: ppm,
        lost_request_ppm: ppm,
        lost_answer_ppm: ppm,
        late_ppm: ppm,
        duplicate_ppm: ppm,
        conflict_ppm: ppm,
        throttled_ppm: ppm,
        outage_ppm: 5_000,
        outage_us_max: 1_000_000,
        ..NetworkFaults::default()
    };
    let mut world = World::seeded(seed, faults);
    let (mut sent, mut answered) = (0, 0);
    for n in 0..200 {
        world.submit(put(&format!("key-{}", n % 40), ["one", "two"][n % 2]));
        sent += 1;
        if n % 3 == 0 {
            answered += usize::from(world.next().is_some());
        }
    }
    while world.next().is_some() {
        answered += 1;
    }
    assert_eq!(sent, answered, "every request is answered exactly once");
    let changes = world.store.changes_from(0);
    let mut keys: Vec<&str> = changes.iter().map(|change| change.key.as_str()).collect();
    keys.sort_unstable();
    keys.dedup();
    assert_eq!(keys.len(), changes.len(), "a key was written twice");
    (world.trace.hash(), changes.len())
}

#[test]
fn a_created_key_is_never_written_again_under_any_fault() {
    let mut created_in_all = 0;
    for seed in 0..50 {
        let (hash, created) = storm(seed);
        created_in_all += created;
        assert_eq!(storm(seed).0, hash, "seed {seed}");
    }
    assert!(created_in_all > 50 * 30, "{created_in_all}");
    assert_ne!(storm(0).0, storm(1).0);
}
