//! Lost answers, refusals, outages: what the machine believes, and how fast it asks again.

use super::source::FakeDatabase;
use super::store::slot_key;
use super::world::{A, Fate, SECOND, World};
use engine::ltx::HEADER_BYTES;
use engine::replicate::{Notice, SourceError, SourceId, SourceJob, Status, StoreRequest};
use engine::store::{Fatal, StoreError};
use engine::types::{Instant, Timestamp};
use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

#[test]
fn refusal_over_our_own_bytes_is_success() {
    let mut world = World::following();
    first_put(&mut world, Fate::DoneBut(StoreError::Refused));
    world.commit(A, &[3]);
    world.run_for(2 * SECOND);
    assert_eq!((world.durable(A), world.status(A)), (3, Status::Following));
    assert_eq!(puts(&world).len(), 1, "it was read back, not sent again");
}

#[test]
fn refusal_over_other_bytes_is_no_success() {
    let mut world = World::following();
    let place = world.host(A).config.place.clone();
    // A stranger's object, in the very slot.
    let other = FakeDatabase::new(9, 10);
    world.add(super::world::B, "elsewhere", other, |_| {});
    world.run_for(2 * SECOND);
    world.commit(super::world::B, &[1]);
    world.run_for(2 * SECOND);
    let elsewhere = world.host(super::world::B).config.place.clone();
    let foreign = world.store.bytes(&slot_key(&elsewhere, 3)).unwrap().clone();
    world.store.plant(&slot_key(&place, 3), foreign);
    world.commit(A, &[3]);
    world.run_for(5 * SECOND);
    assert_eq!((world.durable(A), world.status(A)), (2, Status::Fenced));
    let lists = |(_, r): &(_, StoreRequest)| matches!(r, StoreRequest::List { .. });
    assert!(world.host(A).requests.iter().filter(|r| lists(r)).count() >= 2, "the place was listed again");
    assert!(world.has_notice(A, |n| matches!(n, Notice::Fenced(f) if f.txid.into_inner() == 3)));
}

#[test]
fn refusal_and_then_nothing_there_looks_at_the_place_before_writing_again() {
    let mut world = World::following();
    first_put(&mut world, Fate::Fails(StoreError::Refused));
    world.commit(A, &[3]);
    world.run_for(20 * SECOND);
    let after_put = world.host(A).requests.iter().skip_while(|(_, r)| !is_put(r)).map(|(_, r)| r);
    let next: Vec<&StoreRequest> = after_put.skip(1).take(2).collect();
    assert!(matches!(next[..], [StoreRequest::Get { .. }, StoreRequest::List { .. }]), "{next:?}");
    world.assert_store_equals_database(A);
}

#[test]
fn lost_answer_of_a_write_that_landed_is_read_back() {
    let mut world = World::following();
    first_put(&mut world, Fate::DoneBut(ambiguous()));
    world.commit(A, &[3]);
    world.run_for(5 * SECOND);
    assert_eq!(world.durable(A), 3);
    assert_eq!(puts(&world).len(), 1);
}

#[test]
fn lost_answer_of_a_write_that_did_not_land_sends_the_same_bytes() {
    let mut world = World::following();
    first_put(&mut world, Fate::Fails(ambiguous()));
    world.commit(A, &[3]);
    world.run_for(5 * SECOND);
    assert_eq!(world.durable(A), 3);
    let puts = puts(&world);
    assert_eq!(puts.len(), 2);
    assert_eq!(puts[0].1, puts[1].1);
}

#[test]
fn write_that_lands_after_it_was_sent_again_is_ours() {
    let mut world = World::following();
    first_put(&mut world, Fate::LandsLate(ambiguous(), Duration::from_millis(110)));
    world.commit(A, &[3]);
    world.run_for(5 * SECOND);
    assert_eq!((world.durable(A), world.status(A)), (3, Status::Following));
    world.assert_store_equals_database(A);
}

#[test]
fn header_that_was_misread_once_is_not_believed() {
    // Another read takes time, and that is all.
    let told = |world: &World| -> Vec<Notice> {
        world.host(A).notices.iter().map(|(_, notice)| notice.clone()).collect()
    };
    let mut untouched = World::following();
    untouched.forget_requests();
    untouched.restart(|| false);
    untouched.run_for(5 * SECOND);
    for at in 0..HEADER_BYTES {
        let mut world = World::following();
        world.forget_requests();
        world.store.misread = Some(at);
        world.restart(|| false);
        world.run_for(5 * SECOND);
        assert_eq!(world.store.misread, None, "it was read");
        assert_eq!(told(&world), told(&untouched), "byte {at}");
        assert!(puts(&world).is_empty(), "byte {at}");
    }
}

#[test]
fn manifest_that_was_misread_once_is_not_believed() {
    for at in (0..100).step_by(3) {
        let mut world = World::following();
        world.forget_requests();
        world.store.misread_whole = Some(at);
        world.restart(|| false);
        world.run_for(5 * SECOND);
        assert_eq!(world.store.misread_whole, None, "it was read");
        assert_eq!(world.status(A), Status::Following, "byte {at}");
        assert!(!world.has_notice(A, |n| matches!(n, Notice::Corrupt { .. })), "byte {at}");
        assert!(puts(&world).is_empty(), "byte {at}");
    }
}

#[test]
fn clock_far_behind_the_newest_slot_is_told_once_in_a_life() {
    for (back_s, times) in [(290, 0), (310, 1)] {
        let mut world = World::following();
        let told = |world: &World| -> usize {
            let notices = world.host(A).notices.iter();
            notices
                .filter(|(_, n)| matches!(n, Notice::ClockBehind { ahead, .. } if ahead.as_secs() > 300))
                .count()
        };
        world.commit(A, &[3]);
        world.run_for(2 * SECOND);
        world.now.wall = Timestamp::from_millis(world.now.wall.as_millis() - back_s * 1000);
        for _ in 0..3 {
            world.commit(A, &[3]);
            world.run_for(SECOND);
        }
        assert_eq!(told(&world), times, "set back while it follows: {back_s}");
        world.restart(|| true);
        world.run_for(3 * SECOND);
        assert_eq!(told(&world), times, "and at the start of the next: {back_s}");
        assert_eq!(world.status(A), Status::Following);
        world.assert_store_equals_database(A);
    }
}

#[test]
fn header_that_reads_differently_each_time_is_told_and_not_hammered() {
    let mut world = World::following();
    world.forget_requests();
    world.store.misreads = 40;
    world.restart(|| false);
    world.run_for(10 * SECOND);
    assert_eq!(world.status(A), Status::Starting);
    assert!(world.has_notice(A, |n| matches!(n, Notice::Corrupt { .. })));
    let reads = world.host(A).requests.len();
    assert!(reads <= 60, "{reads} requests in ten seconds");
    world.run_for(600 * SECOND);
    assert_eq!((world.store.misreads, world.status(A)), (0, Status::Following));
}

#[test]
fn answer_lost_with_the_process_is_adopted() {
    let mut world = World::following();
    world.on_store = Box::new(puts_land_unheard);
    world.commit(A, &[3]);
    world.run_for(2 * SECOND);
    assert_eq!(world.durable(A), 2);
    world.on_store = Box::new(|_, _| Fate::Answered);
    world.restart(|| false);
    world.run_for(5 * SECOND);
    assert_eq!((world.durable(A), world.status(A)), (3, Status::Following));
    world.assert_store_equals_database(A);
}

#[test]
fn number_that_may_still_land_is_taken_although_nothing_changed() {
    let mut world = World::following();
    let before = world.host(A).database.committed();
    world.on_store = Box::new(|_, request| match request {
        StoreRequest::Put { .. } | StoreRequest::Get { .. } => Fate::Fails(ambiguous()),
        _ => Fate::Answered,
    });
    world.commit(A, &[3]);
    world.run_for(2 * SECOND);
    assert_eq!(world.durable(A), 2);
    // The power fails: the commit is lost, and what was sent of it may be on its way.
    world.hosts.get_mut(&A).unwrap().database.replace(before);
    world.on_store = Box::new(|_, _| Fate::Answered);
    world.restart(|| false);
    world.run_for(10 * SECOND);
    assert_eq!((world.durable(A), world.status(A)), (3, Status::Following));
    world.assert_store_equals_database(A);
}

#[test]
fn object_that_could_not_be_read_once_is_not_called_damaged() {
    let mut world = World::following();
    world.on_store = Box::new(puts_land_unheard);
    world.commit(A, &[3]);
    world.run_for(2 * SECOND);
    let hashes = Cell::new(0);
    world.on_store = Box::new(move |_, r| match r {
        StoreRequest::Hash { .. } if hashes.replace(1) == 0 => Fate::Fails(StoreError::Fatal {
            kind: Fatal::Unsupported,
            message: "an object is damaged".into(),
        }),
        _ => Fate::Answered,
    });
    world.restart(|| false);
    world.run_for(60 * SECOND);
    assert!(!world.has_notice(A, |n| matches!(n, Notice::Corrupt { .. })));
    assert_eq!((world.durable(A), world.status(A)), (3, Status::Following));
    world.assert_store_equals_database(A);
}

#[test]
fn slot_that_was_encoded_twice_is_ours_whichever_write_landed() {
    let mut world = World::following();
    let puts = Cell::new(0);
    let written = Rc::new(Cell::new(false));
    let lost = written.clone();
    world.on_store = Box::new(move |_, request| match request {
        StoreRequest::Put { .. } if puts.replace(1) == 0 => Fate::Fails(StoreError::Refused),
        StoreRequest::Put { .. } => {
            lost.set(true);
            Fate::DoneBut(ambiguous())
        }
        _ if lost.get() => Fate::Fails(StoreError::Retryable("down".into())),
        _ => Fate::Answered,
    });
    world.commit(A, &[3]);
    while !written.get() {
        world.run_for(SECOND / 10);
    }
    let records = world.host(A).state.pending.iter().filter(|record| record.txid.into_inner() == 3);
    assert_eq!(records.count(), 2);
    world.on_store = Box::new(|_, _| Fate::Answered);
    world.restart(|| false);
    world.run_for(10 * SECOND);
    assert_eq!((world.durable(A), world.status(A)), (3, Status::Following));
}

#[test]
fn trouble_that_a_person_must_mend_is_told_at_once_and_retried_slowly() {
    let mut world = World::following();
    let denied = StoreError::Fatal { kind: Fatal::Denied, message: "wrong key".into() };
    all_puts(&mut world, Fate::Fails(denied));
    world.commit(A, &[3]);
    world.run_for(600 * SECOND);
    let gaps = gaps(&world);
    assert!(gaps.iter().all(|gap| (10 * SECOND..=30 * SECOND + SECOND).contains(gap)), "{gaps:?}");
    assert!(world.has_notice(A, |n| matches!(n, Notice::Store { attempt: 1, .. })));
    assert_eq!(world.status(A), Status::Degraded);
}

#[test]
fn pauses_grow_to_half_a_minute_and_not_beyond() {
    let mut world = World::following();
    all_puts(&mut world, Fate::Fails(StoreError::Retryable("down".into())));
    world.commit(A, &[3]);
    world.run_for(600 * SECOND);
    let gaps = gaps(&world);
    assert!(gaps[0] < SECOND / 4, "{gaps:?}");
    assert!(gaps.iter().all(|gap| *gap <= 31 * SECOND), "{gaps:?}");
    assert!(gaps.windows(3).all(|w| w[2] > w[0] || w[0] > 14 * SECOND), "{gaps:?}");
    let last = &gaps[gaps.len() - 4..];
    assert!(last.windows(2).any(|w| w[0] != w[1]), "no jitter: {last:?}");
}

#[test]
fn store_cannot_ask_for_a_pause_without_end() {
    let mut world = World::following();
    let day = Some(Duration::from_secs(86_400));
    all_puts(&mut world, Fate::Fails(StoreError::Throttled { retry_after: day }));
    world.commit(A, &[3]);
    world.run_for(300 * SECOND);
    assert!(gaps(&world).len() > 8, "{:?}", gaps(&world));
    assert!(gaps(&world).iter().all(|gap| (20 * SECOND..=31 * SECOND).contains(gap)), "{:?}", gaps(&world));
}

#[test]
fn pause_that_the_store_asked_for_outlives_the_attempt() {
    let mut world = World::new();
    let pause = 17 * SECOND;
    first_put_of_a_slot(&mut world, Fate::Fails(StoreError::Throttled { retry_after: Some(pause) }));
    world.run_until(|world| world.has_notice(A, |n| matches!(n, Notice::Store { .. })));
    // Somebody puts another file in its place: what goes up is given up, and begins anew under the same number.
    let mut fault = Some(SourceError::Replaced("a copy".into()));
    world.on_source = Box::new(move |_, job| fault.take_if(|_| matches!(job, SourceJob::Measure)));
    world.run_for(60 * SECOND);
    assert!(world.has_notice(A, |n| matches!(n, Notice::Source { .. })), "it was given up");
    let slots: Vec<Instant> = puts(&world).iter().filter(|(_, r)| is_slot(r)).map(|(at, _)| *at).collect();
    assert!(slots.len() > 1 && slots[1].since(slots[0]) >= pause, "{slots:?}");
    assert_eq!(world.status(A), Status::Following);
    world.assert_store_equals_database(A);
}

#[test]
fn listing_begun_anew_keeps_the_pause_of_the_one_before() {
    let mut world = World::following();
    world.forget_requests();
    let mut first = Some(Fate::Fails(StoreError::Throttled { retry_after: Some(15 * SECOND) }));
    world.on_store = Box::new(move |_, r| match r {
        StoreRequest::List { .. } => first.take().unwrap_or(Fate::Answered),
        _ => Fate::Answered,
    });
    // The listing of each day meets the pause; a slot that is lost wants another one.
    while !world.has_notice(A, |n| matches!(n, Notice::Store { .. })) {
        world.run_for(SECOND);
    }
    let mut put = Some(Fate::Fails(StoreError::Refused));
    world.on_store =
        Box::new(move |_, r| if is_put(r) { put.take().unwrap_or(Fate::Answered) } else { Fate::Answered });
    world.commit(A, &[3]);
    world.run_for(60 * SECOND);
    let lists = |(_, r): &&(_, StoreRequest)| matches!(r, StoreRequest::List { .. });
    let lists: Vec<Instant> = world.host(A).requests.iter().filter(lists).map(|(at, _)| *at).collect();
    assert!(lists.len() >= 2 && lists[1].since(lists[0]) >= 15 * SECOND, "{lists:?}");
    world.assert_store_equals_database(A);
}

#[test]
fn attempts_are_counted_in_what_is_told() {
    let mut world = World::following();
    all_puts(&mut world, Fate::Fails(StoreError::Retryable("down".into())));
    world.commit(A, &[3]);
    world.run_for(10 * SECOND);
    let attempt = |(_, notice): &(_, Notice)| match notice {
        Notice::Store { attempt, .. } => Some(*attempt),
        _ => None,
    };
    let told: Vec<u32> = world.host(A).notices.iter().filter_map(attempt).collect();
    assert!(told.len() > 3 && told.iter().copied().eq(1..=told.len() as u32), "{told:?}");
}

#[test]
fn listing_that_fails_holds_up_no_slot_and_comes_again_soon() {
    let mut world = World::empty();
    world.add(A, "a", FakeDatabase::new(1, 10), |config| config.list_interval = 600 * SECOND);
    // So long that the store is asked for a listing, and down for listings alone.
    let commits = |world: &mut World, count: u32| {
        for _ in 0..count {
            world.commit(A, &[3]);
            world.run_for(10 * SECOND);
        }
    };
    commits(&mut world, 55);
    world.on_store = Box::new(|_, request| match request {
        StoreRequest::List { .. } => Fate::Fails(StoreError::Retryable("down".into())),
        _ => Fate::Answered,
    });
    let before = world.durable(A);
    world.forget_requests();
    commits(&mut world, 12);
    let listings = |world: &World| {
        world.host(A).requests.iter().filter(|(_, r)| matches!(r, StoreRequest::List { .. })).count()
    };
    assert!(listings(&world) > 0, "it was tried");
    assert!(world.durable(A) > before + 8, "{} slots", world.durable(A) - before);
    world.on_store = Box::new(|_, _| Fate::Answered);
    world.forget_requests();
    commits(&mut world, 6);
    assert!(listings(&world) > 0, "it is tried again");
}

#[test]
fn fleet_does_not_retry_in_step() {
    let mut world = World::empty();
    let denied = StoreError::Fatal { kind: Fatal::Denied, message: "wrong key".into() };
    world.on_store = Box::new(move |_, _| Fate::Fails(denied.clone()));
    for n in 1..=20 {
        world.add(SourceId(n), &format!("db{n}"), FakeDatabase::new(n, 1), |_| {});
    }
    world.run_for(100 * SECOND);
    let third: Vec<Instant> = world.hosts.values().map(|host| host.requests[2].0).collect();
    let (first, last) = (third.iter().min().unwrap(), third.iter().max().unwrap());
    assert!(last.since(*first) > SECOND, "all ask again within {:?}", last.since(*first));
}

#[test]
fn page_that_cannot_be_read_does_not_hammer_the_store() {
    let mut world = World::following();
    world.on_source = Box::new(|_, job| {
        matches!(job, SourceJob::Seal { .. }).then(|| SourceError::Unstable("bad sector".into()))
    });
    world.forget_requests();
    world.commit(A, &[3]);
    world.run_for(300 * SECOND);
    let (requests, jobs) = (world.host(A).requests.len(), world.host(A).jobs.len());
    assert!(requests < 120, "{requests} requests in five minutes");
    assert!(jobs < 600, "{jobs} jobs in five minutes");
    world.on_source = Box::new(|_, _| None);
    world.run_for(60 * SECOND);
    world.assert_store_equals_database(A);
}

#[test]
fn log_that_cannot_be_read_for_a_second_is_tried_less_and_less_and_not_given_up() {
    let mut world = World::following();
    world.on_source = Box::new(|_, job| matches!(job, SourceJob::Look { .. }).then_some(SourceError::Busy));
    world.forget_requests();
    world.commit(A, &[3]);
    world.run_for(SECOND);
    let jobs = world.host(A).jobs.len();
    assert!((5..10).contains(&jobs), "{jobs} jobs in a second");
    world.on_source = Box::new(|_, _| None);
    world.run_for(5 * SECOND);
    assert!(!world.has_notice(A, |n| matches!(n, Notice::Source { .. })));
    world.assert_store_equals_database(A);
}

#[test]
fn file_that_is_always_another_one_is_not_surveyed_without_a_pause() {
    let mut world = World::following();
    world.on_source = Box::new(|_, job| {
        matches!(job, SourceJob::Look { .. }).then(|| SourceError::Replaced("again".into()))
    });
    world.forget_requests();
    world.run_for(300 * SECOND);
    let jobs = world.host(A).jobs.len();
    assert!(jobs < 150, "{jobs} jobs in five minutes");
}

#[test]
fn store_that_contradicts_itself_is_not_hammered() {
    let mut world = World::following();
    world.on_store = Box::new(|_, request| match request {
        StoreRequest::Get { key, .. } if key.ends_with(".ltx") => Fate::Fails(StoreError::Missing),
        _ => Fate::Answered,
    });
    world.forget_requests();
    world.restart(|| true);
    world.run_for(300 * SECOND);
    let requests = world.host(A).requests.len();
    assert!(requests < 100, "{requests} requests in five minutes");
}

#[test]
fn replaced_file_is_compared_and_healed() {
    let mut world = World::following();
    world.hosts.get_mut(&A).unwrap().database.replace(vec![77; 6]);
    let once = Rc::new(Cell::new(true));
    world.on_source = Box::new(move |_, job| {
        let look = matches!(job, SourceJob::Look { .. });
        (look && once.replace(false)).then(|| SourceError::Replaced("cp".into()))
    });
    world.run_for(10 * SECOND);
    assert!(world.has_notice(A, |n| matches!(n, Notice::Healed { .. })));
    world.assert_store_equals_database(A);
}

#[test]
fn replaced_file_that_is_missing_for_a_moment_costs_a_page_and_no_image() {
    let mut world = World::following();
    for _ in 0..5 {
        world.commit(A, &[3]);
        world.run_for(2 * SECOND);
    }
    let mut image = world.host(A).database.committed();
    image[6] ^= 99;
    world.hosts.get_mut(&A).unwrap().database.replace(image);
    let (look, open) = (Cell::new(true), Cell::new(true));
    world.on_source = Box::new(move |_, job| match job {
        SourceJob::Look { .. } if look.replace(false) => Some(SourceError::Replaced("mv".into())),
        SourceJob::Open { .. } if open.replace(false) => Some(SourceError::Missing),
        _ => None,
    });
    world.forget_requests();
    world.run_for(30 * SECOND);
    let healed = |n: &Notice| matches!(n, Notice::Healed { pages: 1, of: 10, .. });
    assert!(world.has_notice(A, healed));
    assert_eq!(puts(&world).len(), 1);
    world.assert_store_equals_database(A);
}

#[test]
fn change_that_the_database_checksum_cannot_see_is_found_by_the_page_checksums() {
    let mut world = World::following();
    world.run_for(60 * SECOND);
    // Two pages trade places while nobody looks: the XOR of the page checksums stays the same.
    let mut image = world.host(A).database.committed();
    image.swap(3, 4);
    let sums = super::source::sums_of;
    assert_eq!(sums(&image).checksum(), sums(&world.host(A).database.committed()).checksum());
    world.hosts.get_mut(&A).unwrap().database.replace(image);
    world.restart(|| true);
    world.run_for(10 * SECOND);
    world.assert_store_equals_database(A);
}

#[test]
fn recovery_after_a_doubt_is_told() {
    let mut world = World::following();
    let fails = Rc::new(Cell::new(3));
    world.on_store = Box::new(move |_, request| match (request, fails.get()) {
        (StoreRequest::Put { .. }, 1..) => {
            fails.set(fails.get() - 1);
            // The last one makes the machine look at the place anew.
            Fate::Fails(if fails.get() == 0 { StoreError::Refused } else { ambiguous() })
        }
        _ => Fate::Answered,
    });
    world.commit(A, &[3]);
    world.run_for(1200 * Duration::from_millis(1));
    assert_eq!(world.status(A), Status::Degraded);
    world.run_for(20 * SECOND);
    assert_eq!((world.durable(A), world.status(A)), (3, Status::Following));
}

#[test]
fn page_checksums_survive_a_failed_save() {
    let mut world = World::following();
    world.run_for(60 * SECOND);
    let fails = Rc::new(Cell::new(0));
    let left = fails.clone();
    world.state_fails = Box::new(move |_| {
        left.set(left.get() - 1);
        left.get() >= 0
    });
    world.commit(A, &[3]);
    world.run_for(3 * SECOND);
    assert_eq!(world.durable(A), 3);
    // The next save, on its own, fails once.
    fails.set(1);
    world.run_for(60 * SECOND);
    assert!(world.has_notice(A, |n| matches!(n, Notice::State { .. })));
    let saved = world.host(A).state.sums.as_ref().unwrap();
    assert_eq!(saved.txid.into_inner(), 3);
    assert_eq!(saved.sums, super::source::sums_of(&world.host(A).database.committed()));
}

fn ambiguous() -> StoreError {
    StoreError::Ambiguous("no answer".into())
}

/// What goes up lands, nobody hears of it, and nothing can be read back.
fn puts_land_unheard(_: SourceId, request: &StoreRequest) -> Fate {
    match request {
        StoreRequest::Put { .. } => Fate::DoneBut(ambiguous()),
        StoreRequest::Get { .. } => Fate::Fails(StoreError::Retryable("down".into())),
        _ => Fate::Answered,
    }
}

fn is_put(request: &StoreRequest) -> bool {
    matches!(request, StoreRequest::Put { .. })
}

/// The first write from now on, and no other request, has this fate.
fn first_put(world: &mut World, fate: Fate) {
    world.forget_requests();
    let mut fate = Some(fate);
    world.on_store =
        Box::new(move |_, r| if is_put(r) { fate.take().unwrap_or(Fate::Answered) } else { Fate::Answered });
}

fn is_slot(request: &StoreRequest) -> bool {
    matches!(request, StoreRequest::Put { key, .. } if key.contains("/0000/"))
}

fn first_put_of_a_slot(world: &mut World, fate: Fate) {
    let mut fate = Some(fate);
    world.on_store =
        Box::new(move |_, r| if is_slot(r) { fate.take().unwrap_or(Fate::Answered) } else { Fate::Answered });
}

fn all_puts(world: &mut World, fate: Fate) {
    world.forget_requests();
    world.on_store = Box::new(move |_, r| if is_put(r) { fate.clone() } else { Fate::Answered });
}

fn puts(world: &World) -> Vec<(Instant, StoreRequest)> {
    world.host(A).requests.iter().filter(|(_, r)| is_put(r)).cloned().collect()
}

fn gaps(world: &World) -> Vec<Duration> {
    puts(world).windows(2).map(|pair| pair[1].0.since(pair[0].0)).collect()
}

#[test]
fn chain_that_cannot_be_read_any_more_is_ended_by_a_full_image() {
    let mut world = World::following();
    world.commit(A, &[3]);
    world.run_for(5 * SECOND);
    let host = world.hosts.get_mut(&A).unwrap();
    host.state.sums = None;
    let mut changed = host.database.committed();
    changed[4] ^= 7;
    host.database.replace(changed);
    world.on_store = Box::new(|_, request| match request {
        StoreRequest::Digest { .. } => Fate::Fails(StoreError::Fatal {
            kind: Fatal::Unsupported,
            message: "an object is damaged".into(),
        }),
        _ => Fate::Answered,
    });
    world.restart(|| true);
    world.run_for(120 * SECOND);
    assert_eq!(world.status(A), Status::Following);
    world.assert_store_equals_database(A);
}

#[test]
fn no_pin_is_held_in_a_pause() {
    let mut world = World::new();
    world.on_source = Box::new(|_, job| matches!(job, SourceJob::Survey { .. }).then_some(SourceError::Busy));
    world.run_for(20 * SECOND);
    let jobs: Vec<&SourceJob> = world.host(A).jobs.iter().map(|(_, job)| job).collect();
    let surveys = jobs.windows(2).filter(|pair| matches!(pair[0], SourceJob::Survey { .. }));
    let followers: Vec<_> = surveys.map(|pair| pair[1]).collect();
    assert!(followers.len() > 2, "{jobs:?}");
    assert!(followers.iter().all(|job| matches!(job, SourceJob::Close)), "{jobs:?}");
}
