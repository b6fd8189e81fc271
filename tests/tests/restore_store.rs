//! The restorer against real stores: replicas that Litestream wrote, chains of ours, and everything that can be
//! wrong with the objects on the way.
#![allow(clippy::unwrap_used, reason = "a failing test is the report")]

mod flips;
mod restorable;
mod served;

use engine::key::{Layout, ObjectKey, Place};
use engine::restore::{PlanError, ReadLimits, Target};
use engine::store::{Fatal, Sha256, StoreError};
use engine::types::{Level, Timestamp, Txid, TxidRange};
use flips::FlipsOnce;
use io_real::driver::TokioWork;
use io_real::port::Store;
use io_real::restore::{
    Catalog, Event, FolderKind, IfExists, Limits, Output, OutputError, Proof, RestoreError, Restored,
    Restorer,
};
use io_real::store::{StoreOptions, StoreUrl, open};
use restorable::{LOCK, Replica, chain, fixtures, image_of_another_tool, slot, snapshot, txid};
use served::options;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tempfile::TempDir;
use tests::s3::{Fault, Operation, Rule, S3Server};

/// A replica in a store of some kind, and room for outputs.
struct World {
    layout: Layout,
    store: Arc<dyn Store>,
    server: Option<S3Server>,
    dir: TempDir,
    timeout: Duration,
    requests_in_flight: usize,
    heard: Arc<Mutex<Vec<String>>>,
}

/// The place that replicas are put to.
const PLACE: &str = "tenants/db";

impl World {
    fn file() -> World {
        let dir = tempfile::tempdir().unwrap();
        let store = open(&StoreUrl::File { root: dir.path().join("store") }, &StoreOptions::default());
        World::new(Layout::Tree, store.unwrap(), None, dir)
    }

    fn s3() -> World {
        let server = S3Server::start(&["bucket"]);
        let store = open(&StoreUrl::parse("s3://bucket/pre").unwrap(), &options(&server)).unwrap();
        World::new(Layout::S3, store, Some(server), tempfile::tempdir().unwrap())
    }

    fn new(layout: Layout, store: Arc<dyn Store>, server: Option<S3Server>, dir: TempDir) -> World {
        std::fs::create_dir(dir.path().join("out")).unwrap();
        let timeout = Duration::from_secs(60);
        World { layout, store, server, dir, timeout, requests_in_flight: 4, heard: Arc::default() }
    }

    fn both() -> [World; 2] {
        [World::file(), World::s3()]
    }

    /// Puts an object there, whatever was there before.
    fn put(&self, key: ObjectKey, bytes: &[u8], time: Timestamp) {
        let name = Place::new(PLACE).unwrap().object_key(self.layout, key);
        match &self.server {
            Some(server) => server.put_object("bucket", &format!("pre/{name}"), bytes.to_vec()),
            None => {
                let path = self.dir.path().join("store").join(name);
                std::fs::create_dir_all(path.parent().unwrap()).unwrap();
                std::fs::write(&path, bytes).unwrap();
                let since = Duration::from_millis(u64::try_from(time.as_millis()).unwrap());
                let file = std::fs::File::options().write(true).open(&path).unwrap();
                file.set_modified(std::time::UNIX_EPOCH + since).unwrap();
            }
        }
    }

    fn put_all(&self, replica: &Replica) {
        // By TXID, as they were written: on S3 a slot that comes after its compaction is a late arrival.
        let mut objects: Vec<_> = replica.objects.iter().collect();
        objects.sort_by_key(|(key, _)| (key.level(), (**key).max()));
        objects.into_iter().for_each(|(key, (bytes, time))| self.put(*key, bytes, *time));
    }

    fn server(&self) -> &S3Server {
        self.server.as_ref().unwrap()
    }

    fn out(&self) -> PathBuf {
        self.dir.path().join("out/restored.db")
    }

    fn limits(&self) -> Limits {
        // So small that a small replica takes many requests.
        let read = ReadLimits { gap_bytes_max: 100, request_bytes_max: 4000 };
        Limits { requests_in_flight: self.requests_in_flight, read, timeout: self.timeout, lock_byte: LOCK }
    }

    fn catalog(&self) -> Catalog {
        Catalog::new(self.store.clone(), self.layout, self.limits())
    }

    fn restorer(&self) -> Restorer {
        let heard = self.heard.clone();
        let observer = Arc::new(move |event: Event<'_>| {
            let said = match event {
                Event::Damaged { object, .. } => format!("damaged {object}"),
                Event::ListedAgain { object } => format!("again {object}"),
                Event::NoWayAround { object } => format!("no way around {object}"),
                Event::Planned(_) | Event::Downloaded(_) => return,
            };
            heard.lock().unwrap().push(said);
        });
        Restorer::new(self.catalog(), Arc::new(TokioWork::current()), observer)
    }

    /// Restores to [`World::out`] and removes it again.
    async fn restore(&self, target: Target) -> Result<(Restored, Vec<u8>), RestoreError> {
        let restorer = self.restorer();
        let mut survey = restorer.survey(&Place::new(PLACE).unwrap()).await?;
        let output = Output::new(&self.out(), IfExists::Refuse)?;
        let restored = restorer.restore(&mut survey, target, &output, false).await;
        if restored.is_err() {
            assert_eq!(names(&self.dir.path().join("out")), Vec::<String>::new(), "nothing is left behind");
        }
        let restored = restored?;
        let database = std::fs::read(self.out()).unwrap();
        assert_eq!(names(&self.dir.path().join("out")), ["restored.db"]);
        assert_eq!(restored.size_bytes, database.len() as u64);
        std::fs::remove_file(self.out()).unwrap();
        Ok((restored, database))
    }

    fn heard(&self) -> Vec<String> {
        std::mem::take(&mut self.heard.lock().unwrap())
    }
}

fn names(dir: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(dir).unwrap();
    entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
}

#[tokio::test]
async fn every_txid_of_litestreams_replicas_restores_to_its_bytes() {
    for replica in fixtures() {
        for world in World::both() {
            world.put_all(&replica);
            for (txid, expected) in &replica.expected {
                let restored = world.restore(Target::Txid(*txid)).await;
                match (restored, expected) {
                    (Ok((restored, database)), Some(sha256)) => {
                        assert_eq!(Sha256::of(&database).to_string(), *sha256, "{} {txid}", replica.name);
                        assert_eq!(restored.proof, Proof::Objects, "Litestream leaves no proof");
                    }
                    (Err(RestoreError::Plan(_)), None) => {}
                    (other, _) => panic!("{} {txid}: {other:?}", replica.name),
                }
            }
        }
    }
}

#[tokio::test]
async fn every_state_of_a_chain_restores_with_the_writers_checksum() {
    let replica = chain();
    for world in World::both() {
        world.put_all(&replica);
        for (txid, sha256) in &replica.expected {
            let (restored, database) = world.restore(Target::Txid(*txid)).await.unwrap();
            assert_eq!(Some(Sha256::of(&database).to_string()), *sha256, "{txid}");
            assert!(matches!(restored.proof, Proof::Database(_)), "{txid}");
            assert_eq!((restored.txid, restored.unchained_count), (*txid, 0));
        }
        let (newest, _) = world.restore(Target::Latest).await.unwrap();
        assert_eq!(Some(&newest.txid), replica.expected.keys().last());
        let before = Timestamp::from_millis(newest.time.as_millis() - 1);
        let (older, _) = world.restore(Target::Timestamp(before)).await.unwrap();
        assert!(older.txid < newest.txid && older.time <= before);
    }
}

#[tokio::test]
async fn a_flipped_or_cut_object_never_restores_to_something_else() {
    let replica = chain();
    let world = World::file();
    world.put_all(&replica);
    for (key, (bytes, time)) in &replica.objects {
        for at in [0, 12, 81, 90, 100, 111, 130, bytes.len() / 2, bytes.len() - 30, bytes.len() - 1] {
            let mut flipped = bytes.clone();
            flipped[at] ^= 4;
            for damaged in [&flipped[..], &bytes[..at]] {
                world.put(*key, damaged, *time);
                for (txid, sha256) in &replica.expected {
                    if let Ok((_, database)) = world.restore(Target::Txid(*txid)).await {
                        assert_eq!(Some(Sha256::of(&database).to_string()), *sha256, "{key} at {at}: {txid}");
                    }
                }
            }
        }
        world.put(*key, bytes, *time);
    }
}

#[tokio::test]
async fn damage_inside_an_object_is_found_reported_and_planned_around() {
    let replica = chain();
    for world in World::both() {
        world.put_all(&replica);
        let compacted = level_1(&replica);
        let (mut bytes, time) = replica.objects[&compacted].clone();
        // Somewhere in the LZ4 data of a page: it may still unpack, to another page.
        let at = bytes.len() / 2;
        bytes[at] ^= 0x10;
        world.put(compacted, &bytes, time);
        let (txid, sha256) = replica.expected.last_key_value().unwrap();
        let (_, database) = world.restore(Target::Txid(*txid)).await.unwrap();
        assert_eq!(Some(Sha256::of(&database).to_string()), *sha256);
        assert_eq!(world.heard(), [format!("damaged {compacted}")]);
    }
}

#[tokio::test]
async fn what_came_wrong_once_is_not_held_against_a_sound_object() {
    let replica = chain();
    let newest = *replica.expected.last_key_value().unwrap().0;
    let key = snapshot(txid(1));
    let size = replica.objects[&key].0.len() as u64;
    assert!(size > io_real::restore::READ_FOR_HEADER_BYTES_MAX);
    // Of the header: magic, page size, pages, TXIDs, time, checksums. Then of what is read after it: the index, and a page of
    // the first state, which needs all of them.
    let header = [0, 10, 15, 23, 31, 39, 87, 95].map(|at| (newest, at));
    for (target, at) in header.into_iter().chain([(newest, size - 40), (txid(1), size / 2)]) {
        let mut world = World::s3();
        world.put_all(&replica);
        let name = Place::new(PLACE).unwrap().object_key(world.layout, key);
        world.store = Arc::new(FlipsOnce::new(world.store.clone(), name, at));
        let (restored, database) = world.restore(Target::Txid(target)).await.unwrap();
        assert_eq!(Some(Sha256::of(&database).to_string()), replica.expected[&target], "byte {at}");
        assert!(matches!(restored.proof, Proof::Database(_)));
        assert_eq!(world.heard(), Vec::<String>::new(), "byte {at}");
    }
}

#[tokio::test]
async fn whole_objects_of_another_history_are_refused_by_the_chain() {
    let (ours, theirs) = (chain(), restorable::other_chain());
    for world in World::both() {
        world.put_all(&ours);
        let newest = *ours.expected.last_key_value().unwrap().0;
        let (bytes, time) = &theirs.objects[&slot(newest)];
        world.put(slot(newest), bytes, *time);
        let error = world.restore(Target::Latest).await.unwrap_err();
        assert!(matches!(error, RestoreError::Plan(PlanError::Unlinked { .. })), "{error}");
        // What was before it restores.
        let before = Txid::new(newest.into_inner() - 1).unwrap();
        assert!(world.restore(Target::Txid(before)).await.is_ok());
    }
}

#[tokio::test]
async fn a_missing_object_is_a_gap_with_the_nearest_points() {
    let mut replica = chain();
    replica.objects.retain(|key, _| key.level() != Level::new(1).unwrap());
    let lost = txid(5);
    replica.objects.remove(&slot(lost));
    for world in World::both() {
        world.put_all(&replica);
        for target in [Target::Latest, Target::Txid(txid(6))] {
            let error = world.restore(target).await.unwrap_err();
            let RestoreError::Plan(error @ PlanError::Gap { missing, .. }) = &error else {
                panic!("{error}")
            };
            assert_eq!(*missing, TxidRange::single(lost));
            assert_eq!(error.nearest().before, Some(txid(4)));
        }
    }
}

#[tokio::test]
async fn an_object_that_went_away_is_looked_for_at_a_higher_level() {
    let replica = chain();
    let world = World::s3();
    let compacted = level_1(&replica);
    let mut early = replica.clone();
    let (bytes, _) = early.objects.remove(&compacted).unwrap();
    world.put_all(&early);
    // Listed, and gone when it is read; the compaction that replaced it is there by then.
    let gone = Fault::Refuse { status: 404, code: "NoSuchKey", retry_after_s: None };
    world.server().inject(
        Rule::on(Operation::GetObject, gone).for_keys(|key| key.contains("0000/") && key.ends_with("06.ltx")),
    );
    let name = Place::new(PLACE).unwrap().object_key(Layout::S3, compacted);
    let put = async || {
        world.server().put_object("bucket", &format!("pre/{name}"), bytes.clone());
        world.restore(Target::Latest).await
    };
    // The listing was made before: the survey is opened first.
    let restorer = world.restorer();
    let mut survey = restorer.survey(&Place::new(PLACE).unwrap()).await.unwrap();
    let output = Output::new(&world.out(), IfExists::Refuse).unwrap();
    world.server().put_object("bucket", &format!("pre/{name}"), bytes.clone());
    let restored = restorer.restore(&mut survey, Target::Latest, &output, false).await.unwrap();
    assert!(matches!(restored.proof, Proof::Database(_)));
    assert!(survey.listing().get(compacted).is_some(), "it was listed again");
    std::fs::remove_file(world.out()).unwrap();
    assert!(put().await.is_ok());
}

#[tokio::test]
async fn what_came_after_the_listing_leads_around_damage() {
    let replica = chain();
    let compacted = level_1(&replica);
    let last = compacted.max();
    for world in World::both() {
        // The slot is the only way to its state, and it is damaged.
        let mut early = replica.clone();
        early.objects.remove(&compacted);
        let (bytes, _) = early.objects.get_mut(&slot(last)).unwrap();
        let at = bytes.len() / 2;
        bytes[at] ^= 0x10;
        world.put_all(&early);
        let restorer = world.restorer();
        let mut survey = restorer.survey(&Place::new(PLACE).unwrap()).await.unwrap();
        let output = Output::new(&world.out(), IfExists::Refuse).unwrap();
        let error = restorer.restore(&mut survey, Target::Txid(last), &output, false).await.unwrap_err();
        assert!(matches!(error, RestoreError::Plan(PlanError::Damaged { .. })), "{error}");
        let told = [format!("damaged {}", slot(last)), format!("no way around {}", slot(last))];
        assert_eq!(world.heard(), told);
        // The same, but what contains the slot comes after the place was listed.
        let mut survey = restorer.survey(&Place::new(PLACE).unwrap()).await.unwrap();
        let (bytes, time) = &replica.objects[&compacted];
        world.put(compacted, bytes, *time);
        let restored = restorer.restore(&mut survey, Target::Txid(last), &output, false).await.unwrap();
        assert_eq!(restored.txid, last);
        let database = std::fs::read(world.out()).unwrap();
        assert_eq!(Some(Sha256::of(&database).to_string()), replica.expected[&last]);
    }
}

#[tokio::test]
async fn a_store_that_fails_now_and_then_is_asked_again() {
    let world = World::s3();
    world.put_all(&chain());
    for fault in [Fault::SLOW_DOWN, Fault::Drop, Fault::Truncate { bytes: 3 }] {
        world.server().inject(Rule::on(Operation::GetObject, fault).for_keys(is_object).times(5));
        assert!(world.restore(Target::Latest).await.is_ok());
    }
}

/// Pieces of an object are taken in order. Threads that run later ones first must not keep the earlier ones from their turn.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn pieces_of_whole_objects_take_their_turns_in_order() {
    for requests_in_flight in [1, 2, 5] {
        let world = World { requests_in_flight, ..World::s3() };
        world.put_all(&image_of_another_tool());
        let fails = Fault::SLOW_DOWN;
        world.server().inject(Rule::on(Operation::GetObject, fails).for_keys(is_object).times(3));
        let restored = tokio::time::timeout(Duration::from_secs(60), world.restore(Target::Latest)).await;
        assert!(restored.expect("it comes to an end").is_ok());
    }
}

#[tokio::test]
async fn a_store_that_stays_away_is_given_up_and_nothing_is_left() {
    let world = World { timeout: Duration::from_millis(200), ..World::s3() };
    world.put_all(&chain());
    world.server().inject(Rule::on(Operation::GetObject, Fault::Drop).always());
    let error = world.restore(Target::Latest).await.unwrap_err();
    let RestoreError::Store(error) = error else { panic!("{error}") };
    assert!(error.error.is_transient() && error.attempts > 1, "{error:?}");
    world.server().clear_faults();
    world.server().inject(Rule::on(Operation::GetObject, Fault::DENIED).always());
    let error = world.restore(Target::Latest).await.unwrap_err();
    let RestoreError::Store(error) = error else { panic!("{error}") };
    assert!(matches!(error.error, StoreError::Fatal { kind: Fatal::Denied, .. }), "{error:?}");
    assert_eq!(error.attempts, 1, "nothing is gained by asking again");
}

#[tokio::test]
async fn dropping_a_restore_leaves_nothing() {
    let world = World::s3();
    world.put_all(&chain());
    let restorer = world.restorer();
    let mut survey = restorer.survey(&Place::new(PLACE).unwrap()).await.unwrap();
    let output = Output::new(&world.out(), IfExists::Refuse).unwrap();
    survey.plan(Target::Latest).await.unwrap();
    world.server().inject(
        Rule::on(Operation::GetObject, Fault::CommitThenHang).for_keys(|key| key.contains("/0009/")).always(),
    );
    let restore = restorer.restore(&mut survey, Target::Latest, &output, false);
    let dir = world.dir.path().join("out");
    let begun = async {
        while names(&dir).is_empty() {
            tokio::task::yield_now().await;
        }
    };
    tokio::select! {
        done = restore => panic!("it hangs: {done:?}"),
        () = begun => {}
    }
    // A job that runs already, such as the one that made the file, ends by itself and cleans up after itself.
    let gone = async {
        while !names(&dir).is_empty() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), gone).await.expect("the temporary file is removed");
}

#[tokio::test]
async fn an_output_that_exists_is_replaced_only_on_demand() {
    let world = World::file();
    world.put_all(&chain());
    let out = world.out();
    let wal = out.with_file_name("restored.db-wal");
    for existing in [&out, &wal] {
        std::fs::write(existing, "old").unwrap();
        let error = Output::new(&out, IfExists::Refuse).unwrap_err();
        assert!(
            matches!(error, OutputError::Exists(ref paths) if paths == std::slice::from_ref(existing)),
            "{error}"
        );
        std::fs::remove_file(existing).unwrap();
    }
    for companions in [&[][..], &["-wal", "-shm", "-journal"][..]] {
        std::fs::write(&out, "old").unwrap();
        for suffix in companions {
            std::fs::write(out.with_file_name(format!("restored.db{suffix}")), "old").unwrap();
        }
        let output = Output::new(&out, IfExists::Replace).unwrap();
        let restorer = world.restorer();
        let mut survey = restorer.survey(&Place::new(PLACE).unwrap()).await.unwrap();
        restorer.restore(&mut survey, Target::Latest, &output, false).await.unwrap();
        assert_eq!(names(out.parent().unwrap()), ["restored.db"]);
        assert_ne!(std::fs::read(&out).unwrap(), b"old");
    }
}

#[tokio::test]
async fn a_failed_replacement_leaves_the_old_database_as_it_was() {
    let world = World::file();
    let mut replica = chain();
    let newest = *replica.expected.last_key_value().unwrap().0;
    // A page that is missing is noticed when everything else was written.
    let (bytes, _) = replica.objects.get_mut(&slot(newest)).unwrap();
    let end = bytes.len() - 1;
    bytes[end / 2] ^= 1;
    world.put_all(&replica);
    for suffix in ["", "-wal"] {
        std::fs::write(world.out().with_file_name(format!("restored.db{suffix}")), "old").unwrap();
    }
    let output = Output::new(&world.out(), IfExists::Replace).unwrap();
    let restorer = world.restorer();
    let mut survey = restorer.survey(&Place::new(PLACE).unwrap()).await.unwrap();
    let error = restorer.restore(&mut survey, Target::Latest, &output, false).await.unwrap_err();
    assert!(matches!(error, RestoreError::Plan(_)), "{error}");
    let mut left = names(world.out().parent().unwrap());
    left.sort();
    assert_eq!(left, ["restored.db", "restored.db-wal"]);
    assert_eq!(std::fs::read(world.out()).unwrap(), b"old");
}

#[tokio::test]
async fn an_output_that_walsync_follows_is_refused() {
    let world = World::file();
    world.put_all(&chain());
    std::fs::write(world.out(), "old").unwrap();
    let lock = std::fs::File::create(world.out().with_file_name(".restored.db-walsync.lock")).unwrap();
    lock.lock().unwrap();
    let output = Output::new(&world.out(), IfExists::Replace).unwrap();
    let restorer = world.restorer();
    let mut survey = restorer.survey(&Place::new(PLACE).unwrap()).await.unwrap();
    let error = restorer.restore(&mut survey, Target::Latest, &output, false).await.unwrap_err();
    assert!(matches!(error, RestoreError::Output(OutputError::Followed { .. })), "{error}");
    assert_eq!(std::fs::read(world.out()).unwrap(), b"old");
}

#[tokio::test]
async fn what_a_killed_restore_left_is_swept_and_what_lives_is_not() {
    let world = World::file();
    world.put_all(&chain());
    let file = |name: &str| world.out().with_file_name(name);
    let dead = file(".restored.db.walsync-restore-4000000-0");
    std::fs::write(&dead, "dead").unwrap();
    let alive = std::fs::File::create(file(".restored.db.walsync-restore-4000001-0")).unwrap();
    alive.lock().unwrap();
    std::fs::write(file(".restored.db.walsync-restore-notes"), "mine").unwrap();
    let restorer = world.restorer();
    let mut survey = restorer.survey(&Place::new(PLACE).unwrap()).await.unwrap();
    let output = Output::new(&world.out(), IfExists::Refuse).unwrap();
    restorer.restore(&mut survey, Target::Latest, &output, false).await.unwrap();
    assert!(!dead.exists());
    assert_eq!(names(world.out().parent().unwrap()).len(), 3);
}

#[tokio::test]
async fn integrity_check_sees_a_database_that_is_none_and_leaves_it_as_it_is() {
    let world = World::file();
    // Whole objects with a sound chain, around pages that are no database.
    world.put_all(&chain());
    let restorer = world.restorer();
    let place = Place::new(PLACE).unwrap();
    let output = Output::new(&world.out(), IfExists::Refuse).unwrap();
    let mut survey = restorer.survey(&place).await.unwrap();
    let error = restorer.restore(&mut survey, Target::Latest, &output, true).await.unwrap_err();
    assert!(matches!(error, RestoreError::Integrity { .. }), "{error}");
    assert_eq!(names(world.out().parent().unwrap()), Vec::<String>::new());

    let world = World::file();
    let replica = fixtures().into_iter().find(|replica| replica.name == "small-4096").unwrap();
    world.put_all(&replica);
    let restorer = world.restorer();
    let mut survey = restorer.survey(&place).await.unwrap();
    let output = Output::new(&world.out(), IfExists::Refuse).unwrap();
    let restored = restorer.restore(&mut survey, Target::Latest, &output, true).await.unwrap();
    assert!(restored.integrity_checked);
    let database = std::fs::read(world.out()).unwrap();
    let (_, sha256) = replica.expected.last_key_value().unwrap();
    assert_eq!(Some(Sha256::of(&database).to_string()), *sha256);
    assert_eq!(names(world.out().parent().unwrap()), ["restored.db"]);
}

#[tokio::test]
async fn places_are_found_at_any_depth_and_nothing_else_is() {
    for world in World::both() {
        assert_eq!(world.catalog().places().await.unwrap(), []);
        world.put_all(&chain());
        let body = bytes::Bytes::from("x");
        for key in ["a/manifest.json", "a/b/c/manifest.json", "a/sync/manifest.json", "notes/readme.txt"] {
            let (attributes, condition) = (Default::default(), engine::store::Condition::IfAbsent);
            world.store.put(key, body.clone(), &attributes, &condition).await.unwrap();
        }
        let places = world.catalog().places().await.unwrap();
        let folders: Vec<&str> = places.iter().map(Place::folder).collect();
        assert_eq!(folders, ["a", "a/b/c", PLACE]);
        let kind = async |folder: &str| world.catalog().kind(&Place::new(folder).unwrap()).await.unwrap();
        assert_eq!((kind(PLACE).await, kind("notes").await), (FolderKind::Place, FolderKind::Neither));
    }
}

#[tokio::test]
async fn replicas_of_litestream_0_3_are_told_from_places_and_from_nothing() {
    for world in World::both() {
        let old = "0123456789abcdef/snapshots/00000000.snapshot.lz4";
        for key in [
            format!("old/generations/{old}"),
            "old/generations/0123456789abcdef/wal/00000000_00000000.wal.lz4".to_owned(),
            // Version 0.5 went on beside it.
            format!("both/generations/{old}"),
            "both/manifest.json".to_owned(),
            // A database of that name, and somebody's folder.
            "generations/manifest.json".to_owned(),
            "notes/generations/readme.txt".to_owned(),
        ] {
            let (attributes, condition) = (Default::default(), engine::store::Condition::IfAbsent);
            world.store.put(&key, "x".into(), &attributes, &condition).await.unwrap();
        }
        let found = world.catalog().all_places().await.unwrap();
        let folders = |places: &[Place]| places.iter().map(|p| p.folder().to_owned()).collect::<Vec<_>>();
        assert_eq!(folders(&found.places), ["both", "generations"]);
        assert_eq!(folders(&found.of_litestream_0_3), ["old"]);
        let kind = async |folder: &str| world.catalog().kind(&Place::new(folder).unwrap()).await.unwrap();
        assert_eq!(kind("old").await, FolderKind::OfLitestream03);
        assert_eq!((kind("both").await, kind("notes").await), (FolderKind::Place, FolderKind::Neither));
    }
}

#[tokio::test]
async fn small_objects_take_one_request_each() {
    let replica = chain();
    let world = World::s3();
    world.put_all(&replica);
    world.restore(Target::Latest).await.unwrap();
    // All but the first image: header, page index and pages come together, for planning and applying.
    let log = world.server().log();
    let reads = log.iter().filter(|request| request.operation == Operation::GetObject);
    let mut keys: Vec<&str> =
        reads.map(|request| request.key.as_str()).filter(|key| key.ends_with(".ltx")).collect();
    keys.retain(|key| !key.contains("/0009/"));
    let requests = keys.len();
    keys.sort_unstable();
    keys.dedup();
    assert!(requests >= 5, "{requests}");
    assert_eq!(requests, keys.len());
}

fn is_object(key: &str) -> bool {
    key.ends_with(".ltx")
}

fn level_1(replica: &Replica) -> ObjectKey {
    let level = Level::new(1).unwrap();
    let key = replica.objects.keys().find(|key| key.level() == level);
    assert!(replica.objects.contains_key(&snapshot(txid(1))));
    *key.unwrap()
}
