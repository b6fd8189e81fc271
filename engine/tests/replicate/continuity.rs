//! Histories that somebody else damaged: noticed, told, and begun anew before anything more is called durable.

use super::foreign::plant;
use super::source::FakeDatabase;
use super::store::slot_key;
use super::world::{A, B, Fate, SECOND, World};
use engine::key::{Layout, ObjectKey};
use engine::replicate::{Event, HealReason, Notice, SourceError, SourceJob, Status, StoreRequest, TakeOver};
use engine::store::StoreError;
use engine::types::{Checksum, Pgno, Timestamp, Txid};

#[test]
fn deleted_base_is_noticed_at_the_start() {
    let mut world = world_of_slots(7);
    let place = world.host(A).config.place.clone();
    world.store.erase(&place.object_key(Layout::S3, ObjectKey::snapshot(Txid::ONE)));
    world.restart(|| true);
    world.run_for(10 * SECOND);
    assert_new_beginning(&world, 8);
}

#[test]
fn place_is_listed_once_before_an_image_and_not_again_before_its_snapshot() {
    let mut world = world_of_slots(7);
    let place = world.host(A).config.place.clone();
    world.store.erase(&slot_key(&place, 4));
    world.forget_requests();
    world.restart(|| true);
    world.run_for(10 * SECOND);
    let kind = |(_, request): &(_, StoreRequest)| match request {
        StoreRequest::List { .. } => Some("list"),
        StoreRequest::Put { key, .. } | StoreRequest::Stage { key, .. } if key.ends_with(".ltx") => {
            Some("put")
        }
        _ => None,
    };
    let kinds: Vec<&str> = world.host(A).requests.iter().filter_map(kind).collect();
    assert_eq!(kinds, ["list", "put", "put"]);
}

#[test]
fn deleted_slot_in_the_middle_is_noticed_at_the_start() {
    let mut world = world_of_slots(7);
    let place = world.host(A).config.place.clone();
    world.store.erase(&slot_key(&place, 4));
    world.restart(|| true);
    world.run_for(10 * SECOND);
    assert_new_beginning(&world, 8);
}

#[test]
fn deleted_slot_is_noticed_before_the_first_slot_after_a_pause() {
    let mut world = world_of_slots(7);
    let place = world.host(A).config.place.clone();
    world.store.erase(&slot_key(&place, 4));
    world.run_for(1000 * SECOND);
    world.commit(A, &[4]);
    world.run_for(10 * SECOND);
    assert_new_beginning(&world, 8);
}

#[test]
fn deleted_slot_is_noticed_within_a_day_by_a_writer_that_is_never_idle() {
    let mut world = world_of_slots(7);
    let place = world.host(A).config.place.clone();
    world.store.erase(&slot_key(&place, 4));
    world.hosts.get_mut(&A).unwrap().config.max_interval = SECOND;
    for _ in 0..24 * 60 {
        world.commit(A, &[4]);
        world.run_for(60 * SECOND);
    }
    assert!(world.has_notice(A, |n| matches!(n, Notice::Healed { reason: HealReason::HeadLost, .. })));
    world.assert_store_equals_database(A);
}

#[test]
fn deleted_slot_is_noticed_within_a_day_by_a_writer_that_is_idle_and_asks_nothing_else() {
    let mut world = world_of_slots(7);
    world.forget_requests();
    world.run_for(24 * 3600 * SECOND);
    let lists = |(_, request): &(_, StoreRequest)| matches!(request, StoreRequest::List { .. });
    assert!(world.host(A).requests.iter().all(lists));
    // One listing has two pages here.
    assert_eq!(world.host(A).requests.len(), 2, "{:?}", world.host(A).requests);
    let place = world.host(A).config.place.clone();
    world.store.erase(&slot_key(&place, 4));
    world.run_for(24 * 3600 * SECOND);
    assert_new_beginning(&world, 8);
}

#[test]
fn deleted_base_below_an_adopted_slot_is_noticed() {
    let mut world = slot_8_in_the_store_and_only_recorded();
    let place = world.host(A).config.place.clone();
    world.store.erase(&slot_key(&place, 4));
    world.restart(|| false);
    world.run_for(10 * SECOND);
    assert_new_beginning(&world, 9);
}

#[test]
fn number_that_only_a_record_of_what_was_sent_knows_is_not_used_again() {
    let mut world = slot_8_in_the_store_and_only_recorded();
    let place = world.host(A).config.place.clone();
    for slot in [7, 8] {
        world.store.erase(&slot_key(&place, slot));
    }
    world.restart(|| false);
    world.run_for(10 * SECOND);
    assert_new_beginning(&world, 9);
}

#[test]
fn record_of_a_slot_tells_that_the_one_before_it_was_there() {
    let mut world = slot_8_in_the_store_and_only_recorded();
    let place = world.host(A).config.place.clone();
    // A life that took the place over saves what is confirmed later than it is known.
    let state = &mut world.hosts.get_mut(&A).unwrap().state;
    (state.own, state.confirmed) = (Vec::new(), None);
    for slot in [7, 8] {
        world.store.erase(&slot_key(&place, slot));
    }
    world.hosts.get_mut(&A).unwrap().config.take_over = TakeOver::Insist;
    world.restart(|| false);
    world.run_for(10 * SECOND);
    assert_eq!(world.durable(A), 9);
    world.assert_store_equals_database(A);
}

#[test]
fn record_of_a_slot_tells_a_killed_life_that_the_one_before_it_was_there() {
    let mut world = slot_8_in_the_store_and_only_recorded();
    let place = world.host(A).config.place.clone();
    // What is confirmed is saved with the record of the slot after it; and an adopted slot was confirmed by nobody.
    let after = world.store.slot(&place, 6).unwrap().chain().unwrap().after;
    let confirmed = world.hosts.get_mut(&A).unwrap().state.confirmed.as_mut().unwrap();
    (confirmed.txid, confirmed.after) = (Txid::new(6).unwrap(), after);
    for slot in [7, 8] {
        world.store.erase(&slot_key(&place, slot));
    }
    world.restart(|| false);
    world.run_for(10 * SECOND);
    assert_new_beginning(&world, 9);
}

#[test]
fn emptied_place_goes_on_from_a_number_that_only_a_record_knows() {
    let mut world = slot_8_in_the_store_and_only_recorded();
    let place = world.host(A).config.place.clone();
    world.store.erase_all(&place.prefix());
    world.restart(|| false);
    world.run_for(10 * SECOND);
    assert_new_beginning(&world, 9);
}

/// Slot 7 is confirmed; 8 landed without an answer.
fn slot_8_in_the_store_and_only_recorded() -> World {
    let mut world = world_of_slots(7);
    world.on_store = Box::new(|_, request| match request {
        StoreRequest::Put { .. } => Fate::DoneBut(StoreError::Ambiguous("no answer".into())),
        StoreRequest::Get { .. } => Fate::Fails(StoreError::Retryable("down".into())),
        _ => Fate::Answered,
    });
    world.commit(A, &[4]);
    world.run_for(2 * SECOND);
    world.on_store = Box::new(|_, _| Fate::Answered);
    let place = world.host(A).config.place.clone();
    assert_eq!(world.store.newest_slot(&place), 8);
    assert_eq!(world.host(A).state.confirmed.map(|c| c.txid.into_inner()), Some(7));
    world
}

#[test]
fn newest_slot_that_another_tool_overwrote_is_told_and_replaced_by_an_image() {
    let mut world = world_of_slots(7);
    plant(&mut world, 0, 7, 7, &[(5, 4711)]);
    world.run_for(1000 * SECOND);
    world.commit(A, &[4]);
    world.run_for(10 * SECOND);
    assert_begun_anew(&world, 8, HealReason::Overwritten);
}

#[test]
fn copy_of_the_newest_slot_with_the_same_bytes_is_no_reason_for_an_image() {
    let mut world = world_of_slots(7);
    let place = world.host(A).config.place.clone();
    let same = world.store.bytes(&slot_key(&place, 7)).unwrap().clone();
    world.store.plant(&slot_key(&place, 7), same);
    world.run_for(1000 * SECOND);
    world.commit(A, &[4]);
    world.run_for(10 * SECOND);
    assert_eq!((world.status(A), world.durable(A)), (Status::Following, 8));
    assert!(world.store.slot(&place, 8).unwrap().chain().unwrap().before.is_some());
    world.assert_store_equals_database(A);
}

#[test]
fn page_checksums_of_a_slot_that_another_tool_overwrote_are_no_base() {
    let mut world = world_of_slots(3);
    // Without conditional writes: it overwrote our newest slot, and went on.
    plant(&mut world, 0, 3, 3, &[(5, 4711)]);
    plant(&mut world, 0, 4, 4, &[(6, 4712)]);
    world.hosts.get_mut(&A).unwrap().config.take_over = TakeOver::Insist;
    world.restart(|| true);
    world.run_for(30 * SECOND);
    assert_eq!(world.status(A), Status::Following);
    world.assert_store_equals_database(A);
}

#[test]
fn head_of_ours_that_stays_damaged_is_replaced_by_a_full_image_on_top() {
    let mut world = world_of_slots(3);
    let place = world.host(A).config.place.clone();
    world.store.plant(&slot_key(&place, 3), vec![0; 50].into());
    world.restart(|| true);
    world.commit(A, &[4]);
    world.run_for(120 * SECOND);
    assert!(world.has_notice(A, |n| matches!(n, Notice::Corrupt { .. })));
    assert_new_beginning(&world, 4);
}

#[test]
fn head_that_tells_another_time_than_is_told_beside_it_is_proven_first() {
    for is_damaged in [false, true] {
        let mut world = world_of_slots(3);
        let slot = slot_key(&world.host(A).config.place, 3);
        world.store.time_beside = Some(Timestamp::from_millis(4711));
        let proven = slot.clone();
        world.on_store = Box::new(move |_, request| match request {
            StoreRequest::Hash { key } if is_damaged && *key == proven => Fate::Fails(StoreError::Fatal {
                kind: engine::store::Fatal::Unsupported,
                message: "an object is damaged".into(),
            }),
            _ => Fate::Answered,
        });
        world.forget_requests();
        world.restart(|| true);
        world.run_for(5 * SECOND);
        let is_proof = |(_, r): &(_, StoreRequest)| matches!(r, StoreRequest::Hash { key } if *key == slot);
        assert!(world.host(A).requests.iter().any(is_proof));
        // Nothing of its own was announced with a time that nothing proves.
        world.commit(A, &[4]);
        world.run_for(120 * SECOND);
        if is_damaged {
            assert!(world.has_notice(A, |n| matches!(n, Notice::Corrupt { .. })));
            assert_new_beginning(&world, 4);
        } else {
            assert!(!world.has_notice(A, |n| matches!(n, Notice::Healed { .. })));
            world.assert_store_equals_database(A);
        }
    }
}

#[test]
fn damaged_head_at_a_number_that_we_sent_is_replaced_by_a_full_image_on_top() {
    let mut world = world_of_slots(3);
    world.on_store = Box::new(|_, request| match request {
        StoreRequest::Put { .. } | StoreRequest::Get { .. } => {
            Fate::DoneBut(StoreError::Ambiguous("lost".into()))
        }
        _ => Fate::Answered,
    });
    world.commit(A, &[4]);
    world.run_for(5 * SECOND);
    assert_eq!(world.durable(A), 3);
    let place = world.host(A).config.place.clone();
    world.store.plant(&slot_key(&place, 4), vec![0; 50].into());
    world.on_store = Box::new(|_, _| Fate::Answered);
    world.restart(|| true);
    world.run_for(120 * SECOND);
    assert_new_beginning(&world, 5);
}

#[test]
fn log_that_began_anew_while_nobody_followed_is_told_as_the_reason() {
    let mut world = world_of_slots(3);
    let database = &mut world.hosts.get_mut(&A).unwrap().database;
    database.commit(&[4], 10);
    database.copy_log();
    database.restart_log();
    world.restart(|| true);
    world.run_for(10 * SECOND);
    assert!(world.has_notice(A, |n| matches!(n, Notice::Healed { reason: HealReason::LogGone, .. })));
    world.assert_store_equals_database(A);
}

#[test]
fn damaged_page_checksums_of_the_head_cost_no_download_where_nothing_changed() {
    let mut world = world_of_slots(3);
    // Everything was copied, and nobody knows any more where the log was read to.
    world.hosts.get_mut(&A).unwrap().database.copy_log();
    world.hosts.get_mut(&A).unwrap().database.restart_log();
    let cached = world.hosts.get_mut(&A).unwrap().state.sums.as_mut().unwrap();
    assert_eq!(cached.txid.into_inner(), 3);
    cached.sums.set(Pgno::new(2).unwrap(), Checksum::new(1));
    world.restart(|| true);
    world.forget_requests();
    world.run_for(10 * SECOND);
    let is_read = |(_, r): &(_, StoreRequest)| {
        matches!(r, StoreRequest::Digest { .. } | StoreRequest::Page { .. } | StoreRequest::Put { .. })
    };
    let reads = world.host(A).requests.iter().filter(|request| is_read(request)).count();
    assert_eq!((world.status(A), world.durable(A), reads), (Status::Following, 3, 0));
}

#[test]
fn commit_that_a_power_cut_took_back_is_told_as_the_reason() {
    let mut world = world_of_slots(3);
    // It is in the log alone.
    world.on_source = Box::new(|_, job| matches!(job, SourceJob::Checkpoint(_)).then_some(SourceError::Busy));
    for page in [4, 5] {
        world.commit(A, &[page]);
        world.run_for(2 * SECOND);
    }
    assert_eq!(world.durable(A), 5);
    // What is confirmed is saved when it is quiet.
    world.run_for(10 * SECOND);
    world.hosts.get_mut(&A).unwrap().database.lose_last_commit();
    world.restart(|| true);
    world.run_for(10 * SECOND);
    assert!(world.has_notice(A, |n| matches!(n, Notice::Healed { reason: HealReason::StoreAhead, .. })));
    world.assert_store_equals_database(A);
}

#[test]
fn damaged_head_of_another_is_taken_over_only_by_who_may() {
    for (take_over, status) in [(TakeOver::Never, Status::Degraded), (TakeOver::Always, Status::Following)] {
        let mut world = world_of_slots(3);
        let place = world.host(A).config.place.clone();
        world.store.plant(&slot_key(&place, 3), vec![0; 50].into());
        world.handle(Event::StopRequested(A));
        world.run_for(SECOND);
        world.add(B, "a", FakeDatabase::new(2, 10), |config| config.take_over = take_over);
        world.run_for(120 * SECOND);
        assert_eq!(world.status(B), status, "{take_over:?}");
        if status == Status::Following {
            let claim = world.store.slot(&place, 4).unwrap().chain().unwrap();
            assert!(claim.claim && claim.before.is_none());
            world.assert_store_equals_database(B);
        }
    }
}

#[test]
fn damaged_head_of_another_at_a_number_that_we_sent_is_not_written_over() {
    // What has rotted may be the time in its header, too.
    for time_beside in [None, Some(Timestamp::from_millis(4711))] {
        another_keeps_a_number_that_we_sent(time_beside);
    }
}

fn another_keeps_a_number_that_we_sent(time_beside: Option<Timestamp>) {
    let mut world = world_of_slots(3);
    let place = world.host(A).config.place.clone();
    let slot = slot_key(&place, 4);
    // Ours is recorded and sent, and never arrives; the store is away from then on.
    world.on_store = Box::new(|db, _| match db {
        A => Fate::Fails(StoreError::Ambiguous("no answer".into())),
        _ => Fate::Answered,
    });
    world.commit(A, &[4]);
    world.run_for(5 * SECOND);
    world.add(B, "a", FakeDatabase::new(2, 10), |config| config.take_over = TakeOver::Always);
    world.run_for(20 * SECOND);
    assert_eq!(world.status(B), Status::Following);
    let newest = world.store.newest_slot(&place);
    assert!(world.store.slot(&place, 4).unwrap().chain().unwrap().claim, "the number is the other one's");
    // As if what came after the claim were not there yet: the claim is the head, and its body stays damaged.
    for txid in 5..=newest {
        world.store.erase(&slot_key(&place, txid));
        world.store.erase(&place.object_key(Layout::S3, ObjectKey::snapshot(Txid::new(txid).unwrap())));
    }
    world.on_store = Box::new(move |db, request| {
        let reads_it = match request {
            StoreRequest::Digest { keys } => keys.contains(&slot),
            StoreRequest::Hash { key } => *key == slot,
            _ => false,
        };
        match request {
            _ if db == A && reads_it => Fate::Fails(StoreError::Fatal {
                kind: engine::store::Fatal::Unsupported,
                message: "an object is damaged".into(),
            }),
            StoreRequest::Put { .. } if db == B => Fate::Fails(StoreError::Retryable("away".into())),
            _ => Fate::Answered,
        }
    });
    world.store.time_beside = time_beside;
    world.restart(|| false);
    world.run_for(180 * SECOND);
    assert!(world.has_notice(A, |n| matches!(n, Notice::Corrupt { .. })));
    assert_eq!(world.status(A), Status::Degraded);
    assert_eq!(world.store.newest_slot(&place), 4, "nothing of ours goes on top");
}

#[test]
fn damaged_manifest_beside_objects_is_told_and_passed_over() {
    let mut world = world_of_slots(3);
    world.store.plant("a/manifest.json", "{".into());
    world.restart(|| true);
    world.commit(A, &[4]);
    world.run_for(20 * SECOND);
    assert!(world.has_notice(A, |n| matches!(n, Notice::ObjectDamaged { .. })));
    assert_eq!((world.durable(A), world.status(A)), (4, Status::Following));
}

#[test]
fn place_that_holds_a_damaged_manifest_alone_is_not_claimed() {
    let mut world = World::empty();
    world.store.plant("a/manifest.json", "{".into());
    world.add(A, "a", FakeDatabase::new(1, 10), |_| {});
    world.run_for(20 * SECOND);
    assert!(world.has_notice(A, |n| matches!(n, Notice::Corrupt { .. })));
    assert!(!world.host(A).requests.iter().any(|(_, r)| matches!(r, StoreRequest::Put { .. })));
}

#[test]
fn manifest_of_a_newer_format_beside_objects_is_refused() {
    let mut world = world_of_slots(3);
    world.store.plant("a/manifest.json", r#"{"format":1000}"#.into());
    world.restart(|| true);
    world.commit(A, &[4]);
    world.run_for(20 * SECOND);
    assert!(world.has_notice(A, |n| matches!(n, Notice::TooNew { format: 1000 })));
    let place = world.host(A).config.place.clone();
    assert_eq!((world.store.newest_slot(&place), world.status(A)), (3, Status::Failed));
}

#[test]
fn place_of_another_without_its_base_is_taken_over_by_a_full_image() {
    let mut world = world_of_slots(3);
    let place = world.host(A).config.place.clone();
    world.store.erase(&slot_key(&place, 2));
    world.handle(Event::StopRequested(A));
    world.run_for(SECOND);
    world.add(B, "a", FakeDatabase::new(2, 10), |config| config.take_over = TakeOver::Always);
    world.run_for(20 * SECOND);
    assert_eq!(world.status(B), Status::Following);
    world.assert_store_equals_database(B);
}

#[test]
fn image_of_another_whose_snapshot_is_missing_is_not_built_on() {
    for (take_over, status) in
        [(TakeOver::IfIdentical, Status::Fenced), (TakeOver::Always, Status::Following)]
    {
        let mut world = world_of_slots(3);
        let place = world.host(A).config.place.clone();
        world.store.erase(&slot_key(&place, 2));
        world.restart(|| true);
        world.run_for(10 * SECOND);
        assert_new_beginning(&world, 4);
        world.store.erase(&place.object_key(Layout::S3, ObjectKey::snapshot(Txid::new(4).unwrap())));
        world.handle(Event::StopRequested(A));
        world.run_for(SECOND);
        // Everything before it is there again, so that the names show no gap.
        plant(&mut world, 0, 2, 2, &[(5, 4711)]);
        let same = world.host(A).database.clone();
        world.add(B, "a", same, |config| config.take_over = take_over);
        world.run_for(20 * SECOND);
        assert_eq!(world.status(B), status, "{take_over:?}");
        if status == Status::Following {
            let claim = world.store.slot(&place, 5).unwrap().chain().unwrap();
            assert!(claim.claim && claim.before.is_none(), "an image");
            world.assert_store_equals_database(B);
        }
    }
}

#[test]
fn first_page_that_cannot_be_read_is_no_obstacle_for_who_may_take_over() {
    let mut world = world_of_slots(3);
    world.handle(Event::StopRequested(A));
    world.run_for(SECOND);
    world.on_store = Box::new(|_, request| match request {
        StoreRequest::Page { .. } => Fate::Fails(StoreError::Fatal {
            kind: engine::store::Fatal::Unsupported,
            message: "an object is damaged".into(),
        }),
        _ => Fate::Answered,
    });
    world.add(B, "a", FakeDatabase::new(2, 10), |config| config.take_over = TakeOver::Always);
    world.run_for(120 * SECOND);
    assert_eq!(world.status(B), Status::Following);
    world.assert_store_equals_database(B);
}

#[test]
fn claim_on_another_tools_head_that_cannot_be_compared_says_nothing_false() {
    let mut world = World::empty();
    world.add(A, "a", FakeDatabase::new(1, 10), |config| config.take_over = TakeOver::Always);
    // Its chain has a gap, so what its head holds is not known.
    plant(&mut world, 9, 1, 1, &(1..=10).map(|n| (n, 100 + u64::from(n))).collect::<Vec<_>>());
    plant(&mut world, 0, 3, 3, &[(5, 4711)]);
    world.run_for(20 * SECOND);
    assert_eq!(world.status(A), Status::Following);
    let place = &world.host(A).config.place;
    let claim = world.store.slot(place, 4).unwrap().chain().unwrap();
    let sums = super::source::sums_of(&world.host(A).database.committed());
    assert!(claim.claim);
    assert_eq!((claim.before, claim.after), (None, sums.checksum()));
    world.assert_store_equals_database(A);
}

/// One database with this many slots, followed.
fn world_of_slots(newest: u64) -> World {
    let mut world = World::empty();
    world.add(A, "a", FakeDatabase::new(1, 10), |_| {});
    world.run_for(SECOND);
    for page in 3..=newest {
        world.commit(A, &[u32::try_from(page).unwrap()]);
        world.run_for(2 * SECOND);
    }
    assert_eq!(world.durable(A), newest);
    // What is confirmed is saved when it is quiet.
    world.run_for(10 * SECOND);
    world
}

/// A full image in this slot, with its snapshot, and a word about it.
fn assert_new_beginning(world: &World, slot: u64) {
    assert_begun_anew(world, slot, HealReason::HeadLost);
}

fn assert_begun_anew(world: &World, slot: u64, why: HealReason) {
    let place = &world.host(A).config.place;
    assert_eq!((world.status(A), world.durable(A)), (Status::Following, slot));
    assert_eq!(world.store.slot(place, slot).unwrap().chain().unwrap().before, None);
    let told = |n: &Notice| matches!(n, Notice::Healed { reason, txid, .. } if *reason == why && txid.into_inner() == slot);
    assert!(world.has_notice(A, told));
    world.assert_store_equals_database(A);
}
