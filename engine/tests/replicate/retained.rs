//! Retention of a place that is followed: what it believes, and what keeps it from deleting.

use super::source::FakeDatabase;
use super::upkeep::quick;
use super::world::{A, Fate, SECOND, World};
use engine::key::{Layout, ModifiedIs, ObjectKey};
use engine::manifest::Manifest;
use engine::replicate::{DatabaseConfig, Event, Notice, StoreRequest};
use engine::retention::Policy;
use engine::store::{Fatal, Sha256, StoreError};
use engine::types::{Instant, Level, Timestamp, Txid};
use std::collections::BTreeSet;
use std::time::Duration;

const HOUR: Duration = Duration::from_secs(3600);

/// A minute of single syncs, and so much of points.
fn keeps(config: &mut DatabaseConfig, pitr: Duration) {
    quick(config);
    config.l0_retention = 60 * SECOND;
    let l0 = 60 * SECOND;
    config.upkeep.policy = Some(Policy { l0, pitr, hourly: 0, daily: 0, weekly: 0, monthly: 0 });
}

fn followed(configure: impl FnOnce(&mut DatabaseConfig)) -> World {
    let mut world = World::empty();
    world.add(A, "a", FakeDatabase::new(1, 10), configure);
    world.run_for(SECOND);
    world
}

fn commits(world: &mut World, count: u32, apart: Duration) {
    for page in 0..count {
        world.commit(A, &[1 + page % 9]);
        world.run_for(apart);
    }
}

fn objects(world: &World) -> BTreeSet<ObjectKey> {
    world.store.keys(&world.host(A).config.place).collect()
}

/// Where the objects above level 0 end.
fn ends(world: &World) -> BTreeSet<Txid> {
    objects(world).into_iter().filter(|key| key.level() > Level::L0).map(ObjectKey::max).collect()
}

fn manifest(world: &World) -> Option<Manifest> {
    let key = world.host(A).config.place.manifest_key();
    world.store.bytes(&key).and_then(|bytes| Manifest::decode(bytes).ok())
}

fn first<T>(requests: &[(T, StoreRequest)], is_it: impl Fn(&StoreRequest) -> bool) -> Option<usize> {
    requests.iter().position(|(_, request)| is_it(request))
}

fn is_delete(request: &StoreRequest) -> bool {
    matches!(request, StoreRequest::Delete { .. })
}

#[test]
fn a_clock_of_this_machine_that_jumps_makes_nothing_old() {
    let mut world = followed(|config| {
        keeps(config, HOUR);
        config.modified_is = ModifiedIs::HeaderTime;
    });
    world.store.tells_time = true;
    commits(&mut world, 10, 30 * SECOND);
    let before = ends(&world);
    let days = 400 * 24 * 3_600_000;
    world.now.wall = Timestamp::from_millis(world.now.wall.as_millis() + days);
    world.handle(Event::SnapshotRequested(A));
    commits(&mut world, 20, 30 * SECOND);
    assert!(before.is_subset(&ends(&world)), "they are ten minutes old");
    commits(&mut world, 26, HOUR);
    assert!(!before.is_subset(&ends(&world)), "a day later they go");
}

#[test]
fn a_place_without_a_manifest_gets_one_when_it_is_followed() {
    let mut world = followed(|config| keeps(config, HOUR));
    let key = world.host(A).config.place.manifest_key();
    world.store.erase(&key);
    world.restart(|| true);
    world.run_for(5 * SECOND);
    let policy = manifest(&world).expect("it is there").policy;
    assert_eq!(policy, world.host(A).config.upkeep.policy);
    world.forget_requests();
    world.restart(|| true);
    world.run_for(5 * SECOND);
    let is_written = |request: &StoreRequest| matches!(request, StoreRequest::Put { .. });
    assert_eq!(first(&world.host(A).requests, is_written), None, "once is enough");
}

#[test]
fn a_damaged_manifest_is_written_anew_and_retention_goes_on() {
    let mut world = followed(|config| keeps(config, Duration::ZERO));
    let key = world.host(A).config.place.manifest_key();
    world.store.plant(&key, "{".into());
    commits(&mut world, 20, 30 * SECOND);
    assert!(manifest(&world).is_some());
    let is_written =
        |request: &StoreRequest| matches!(request, StoreRequest::Put { key, .. } if key.ends_with(".json"));
    let requests = &world.host(A).requests;
    assert!(first(requests, is_written) < first(requests, is_delete), "nothing goes before it can be read");
    assert!(first(requests, is_delete).is_some());
}

#[test]
fn an_object_that_nobody_may_read_keeps_no_level_from_being_made() {
    let mut world = followed(|config| keeps(config, Duration::ZERO));
    commits(&mut world, 3, 10 * SECOND);
    let place = world.host(A).config.place.clone();
    let hidden = objects(&world).into_iter().find(|key| key.level().get() == 1).unwrap();
    let hidden = place.object_key(Layout::S3, hidden);
    world.restart(|| true);
    world.on_store = Box::new(move |_, request| match request {
        StoreRequest::Get { key, .. } if *key == hidden => {
            Fate::Fails(StoreError::Fatal { kind: Fatal::Denied, message: "archived".into() })
        }
        _ => Fate::Answered,
    });
    commits(&mut world, 60, 30 * SECOND);
    let newest = objects(&world).into_iter().filter(|key| key.level().get() == 2).map(ObjectKey::max).max();
    assert!(newest.unwrap().into_inner() > 50, "{newest:?}");
    assert_eq!(first(&world.host(A).requests, is_delete), None, "what it says is not known");
}

#[test]
fn what_a_listing_told_long_ago_deletes_nothing() {
    let mut world = followed(|config| keeps(config, Duration::ZERO));
    commits(&mut world, 3, 10 * SECOND);
    let place = world.host(A).config.place.clone();
    let containers: Vec<String> = objects(&world)
        .into_iter()
        .filter(|key| (1..9).contains(&key.level().get()))
        .map(|key| place.object_key(Layout::S3, key))
        .collect();
    // Who starts anew reads them back before anything goes that they contain; this takes ten minutes.
    world.restart(|| true);
    world.forget_requests();
    let is_proof = move |request: &StoreRequest| matches!(request, StoreRequest::Hash { key } if containers.contains(key));
    let (mut is_first, proof) = (true, is_proof.clone());
    world.on_store = Box::new(move |_, request| {
        let hangs = proof(request) && std::mem::take(&mut is_first);
        if hangs { Fate::Hangs(600 * SECOND) } else { Fate::Answered }
    });
    commits(&mut world, 60, 30 * SECOND);
    let requests = &world.host(A).requests;
    let proven_at = first(requests, is_proof).expect("they are read whole");
    let deleted_at = first(requests, is_delete).expect("then something goes");
    let is_later = |at: Instant| at.since(requests[proven_at].0) >= 600 * SECOND;
    let lists = requests[proven_at..deleted_at]
        .iter()
        .filter(|(at, request)| is_later(*at) && matches!(request, StoreRequest::List { after: None, .. }));
    assert!(lists.count() > 0, "the place is listed once more after that");
}

#[test]
fn an_object_that_was_damaged_is_read_whole_before_anything_goes_for_its_sake() {
    let mut world = followed(|config| {
        keeps(config, Duration::ZERO);
        let l0 = 2 * HOUR;
        config.l0_retention = l0;
        config.upkeep.policy = config.upkeep.policy.map(|policy| Policy { l0, ..policy });
    });
    world.commit(A, &[1]);
    world.run_for(3 * SECOND);
    let place = world.host(A).config.place.clone();
    let made = objects(&world).into_iter().find(|key| key.level().get() == 1).unwrap();
    let rotten = place.object_key(Layout::S3, made);
    world.store.rot(&rotten);
    commits(&mut world, 10, 10 * 60 * SECOND);
    assert!(world.has_notice(A, |notice| matches!(notice, Notice::ObjectDamaged { .. })));
    world.forget_requests();
    commits(&mut world, 20, 10 * 60 * SECOND);
    let slots: BTreeSet<ObjectKey> =
        objects(&world).into_iter().filter(|key| key.level() == Level::L0).collect();
    let contained = ObjectKey::slot(made.max());
    let requests = &world.host(A).requests;
    let proof = |request: &StoreRequest| matches!(request, StoreRequest::Hash { key } if *key == rotten);
    assert!(
        slots.contains(&contained) || first(requests, proof) < first(requests, is_delete),
        "{requests:?}"
    );
    assert!(first(requests, proof).is_some());
}

#[test]
fn a_digest_with_nothing_to_compare_it_with_is_read_twice_before_it_is_in_the_index() {
    let mut world = followed(|config| keeps(config, Duration::ZERO));
    commits(&mut world, 3, 10 * SECOND);
    // Who starts anew reads back what makes up for slots.
    world.restart(|| true);
    world.store.keeps_no_digests = true;
    let place = world.host(A).config.place.clone();
    let above = objects(&world).into_iter().filter(|key| key.level() > Level::L0);
    world.store.misread_once = above.map(|key| place.object_key(Layout::S3, key)).collect();
    commits(&mut world, 20, 30 * SECOND);
    assert!(first(&world.host(A).requests, is_delete).is_some());
    for entry in manifest(&world).unwrap().objects {
        let bytes = world.store.bytes(&place.object_key(Layout::S3, entry.key)).unwrap();
        assert_eq!(entry.sha256, Some(Sha256::of(bytes)), "{}", entry.key);
    }
}
