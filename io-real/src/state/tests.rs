use super::{StateStore, restored, state_key};
use crate::files::RealFiles;
use crate::port::Files as _;
use engine::db::PageSums;
use engine::manifest::DatabaseId;
use engine::replicate::{
    CachedSums, Confirmed, FileId, LocalState, PendingRecord, RestoreProof, StateChange,
};
use engine::store::Sha256;
use engine::types::{Checksum, FrameChecksum, NodeId, PageSize, Pgno, Salts, Txid, WalPosition};
use std::path::{Path, PathBuf};
use std::sync::Arc;

fn open(path: &Path) -> StateStore {
    StateStore::open(None, path, Arc::new(RealFiles::new("test-host"))).unwrap()
}

fn place() -> (tempfile::TempDir, PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("state.db");
    (dir, path)
}

fn txid(number: u64) -> Txid {
    Txid::new(number).unwrap()
}

fn node(id: u64) -> NodeId {
    NodeId::new(id).unwrap()
}

fn record(slot: u64) -> PendingRecord {
    PendingRecord { txid: txid(slot), node: node(u64::MAX - slot), sha256: Sha256([slot as u8; 32]) }
}

fn confirmed(slot: u64) -> Confirmed {
    Confirmed {
        txid: txid(slot),
        after: Checksum::new(0x0123_4567_89ab_cdef),
        wal: WalPosition { salts: Salts(u32::MAX, 1), frames: 77, checksum: FrameChecksum(0xffff_fffe, 0) },
        page_size: PageSize::new(65536).unwrap(),
        pages: u32::MAX,
    }
}

fn sums(pages: u32) -> CachedSums {
    let mut sums = PageSums::unknown(pages);
    for n in 1..=pages {
        sums.set(Pgno::new(n).unwrap(), Checksum::new(u64::from(n).wrapping_mul(0x9e37_79b9_7f4a_7c15)));
    }
    CachedSums { txid: txid(5), page_size: PageSize::new(4096).unwrap(), sums }
}

/// As the engine does after a save.
fn mark_clean(cached: &mut CachedSums) {
    for chunk in 0..cached.sums.chunk_count() {
        cached.sums.mark_clean(chunk);
    }
}

#[test]
fn unknown_database_has_no_state() {
    let (_dir, path) = place();
    assert_eq!(open(&path).load("/a.db").unwrap(), LocalState::default());
}

#[test]
fn everything_saved_is_there_after_reopening() {
    let (_dir, path) = place();
    let change = StateChange {
        add_own: Some(node(u64::MAX)),
        add_pending: Some(record(9)),
        confirmed: Some(confirmed(8)),
        sums: Some(sums(1300)),
        fenced_by: Some(node(3)),
    };
    open(&path).save("/a.db", &change).unwrap();
    let mut store = open(&path);
    store.save("/a.db", &StateChange { add_own: Some(node(1)), ..StateChange::default() }).unwrap();
    let expected = LocalState {
        own: vec![node(u64::MAX), node(1)],
        confirmed: change.confirmed,
        pending: vec![record(9)],
        sums: change.sums,
        fenced_by: change.fenced_by,
        restored: None,
    };
    assert_eq!(store.load("/a.db").unwrap(), expected);
    assert_eq!(store.load("/b.db").unwrap(), LocalState::default());
}

#[test]
fn confirmed_slot_drops_the_pending_records_up_to_it() {
    let (_dir, path) = place();
    let mut store = open(&path);
    for slot in [3, 4, 5] {
        let change = StateChange { add_pending: Some(record(slot)), ..StateChange::default() };
        store.save_many(&[("/a.db", &change), ("/b.db", &change), ("/a.db", &change)]).unwrap();
    }
    store.save("/a.db", &StateChange { confirmed: Some(confirmed(4)), ..StateChange::default() }).unwrap();
    assert_eq!(store.load("/a.db").unwrap().pending, [record(5)]);
    assert_eq!(store.load("/b.db").unwrap().pending.len(), 3);
}

#[test]
fn only_dirty_chunks_are_written_and_a_shrunk_database_loses_its_chunks() {
    let (_dir, path) = place();
    let mut store = open(&path);
    let mut cached = sums(512 * 4);
    store.save("/a.db", &StateChange { sums: Some(cached.clone()), ..StateChange::default() }).unwrap();
    mark_clean(&mut cached);
    cached.sums.set(Pgno::new(600).unwrap(), Checksum::new(1));
    cached.sums.resize(512 * 2 + 1);
    assert_eq!(cached.sums.dirty_chunks().collect::<Vec<_>>(), [1, 2]);
    store.save("/a.db", &StateChange { sums: Some(cached.clone()), ..StateChange::default() }).unwrap();
    assert_eq!(store.load("/a.db").unwrap().sums, Some(cached));
}

#[test]
fn chunks_that_do_not_belong_together_are_no_cache() {
    let (_dir, path) = place();
    let mut cached = sums(512 * 3);
    mark_clean(&mut cached);
    cached.sums.set(Pgno::new(600).unwrap(), Checksum::new(1));
    // The file lacks the other chunks: they were lost with an earlier file.
    open(&path).save("/a.db", &StateChange { sums: Some(cached), ..StateChange::default() }).unwrap();
    assert_eq!(open(&path).load("/a.db").unwrap().sums, None);

    let whole = sums(512 * 3);
    let mut store = open(&path);
    store.save("/a.db", &StateChange { sums: Some(whole), ..StateChange::default() }).unwrap();
    drop(store);
    let tamper = rusqlite::Connection::open(&path).unwrap();
    tamper
        .execute("UPDATE chunk SET sums = (SELECT sums FROM chunk WHERE chunk = 0) WHERE chunk = 1", [])
        .unwrap();
    assert_eq!(open(&path).load("/a.db").unwrap().sums, None);
    tamper.execute("UPDATE sums SET pages = 4000000000", []).unwrap();
    assert_eq!(open(&path).load("/a.db").unwrap().sums, None);
}

#[test]
fn broken_file_is_put_aside_and_started_anew() {
    let (_dir, path) = place();
    std::fs::write(&path, vec![0x5a; 9000]).unwrap();
    let mut store = open(&path);
    let warnings = store.take_warnings();
    assert!(warnings.len() == 1 && warnings[0].contains("started anew"), "{warnings:?}");
    assert!(store.take_warnings().is_empty());
    store.save("/a.db", &StateChange { add_own: Some(node(1)), ..StateChange::default() }).unwrap();
    assert_eq!(store.load("/a.db").unwrap().own, [node(1)]);
    assert_eq!(std::fs::read(path.with_file_name("state.db.broken")).unwrap(), vec![0x5a; 9000]);
}

#[test]
fn illegal_value_costs_its_database_its_state_and_no_other() {
    let (_dir, path) = place();
    let other = StateChange { add_own: Some(node(1)), sums: Some(sums(1300)), ..StateChange::default() };
    open(&path).save("/b.db", &other).unwrap();
    let all = StateChange {
        add_own: Some(node(2)),
        add_pending: Some(record(9)),
        confirmed: Some(confirmed(4)),
        sums: Some(sums(600)),
        fenced_by: Some(node(3)),
    };
    for damage in [
        "confirmed SET page_size = 5",
        "confirmed SET txid = 0",
        "confirmed SET after = 1",
        "confirmed SET frames = -1",
        "confirmed SET salt_1 = 'x'",
        "own SET node = 'x'",
        "pending SET sha256 = x'00'",
        "chunk SET sums = 7",
    ] {
        let mut store = open(&path);
        store.save("/a.db", &all).unwrap();
        let tamper = rusqlite::Connection::open(&path).unwrap();
        let of_a = "WHERE database = (SELECT id FROM database WHERE key = '/a.db')";
        tamper.execute_batch(&format!("UPDATE {damage} {of_a}")).unwrap();
        drop(tamper);
        assert_eq!(store.load("/a.db").unwrap(), LocalState::default(), "{damage}");
        let warnings = store.take_warnings();
        assert!(warnings.len() == 1 && warnings[0].contains("/a.db"), "{damage}: {warnings:?}");
        assert_eq!(store.load("/a.db").unwrap(), LocalState::default(), "{damage}");
        let kept = store.load("/b.db").unwrap();
        assert_eq!((kept.own, kept.sums), (vec![node(1)], other.sums.clone()), "{damage}");
        assert_eq!(store.take_warnings(), Vec::<String>::new());
        assert!(!path.with_file_name("state.db.broken").exists(), "{damage}");
    }
}

fn put_aside(path: &Path) {
    for suffix in ["", "-wal", "-shm"] {
        let from = format!("{}{suffix}", path.display());
        if Path::new(&from).exists() {
            std::fs::rename(&from, format!("{}.broken{suffix}", path.display())).unwrap();
        }
    }
}

#[test]
fn file_that_another_process_put_aside_is_not_written_to_any_more() {
    let (_dir, path) = place();
    let own = |id| StateChange { add_own: Some(node(id)), ..StateChange::default() };
    let mut store = open(&path);
    store.save("/a.db", &own(1)).unwrap();
    put_aside(&path);
    let mut other = open(&path);
    other.save("/b.db", &own(2)).unwrap();
    store.save("/a.db", &own(3)).unwrap();
    assert_eq!(other.load("/a.db").unwrap().own, [node(3)], "it is in the file that the next life reads");
    assert_eq!(store.load("/b.db").unwrap().own, [node(2)]);
    let warnings = store.take_warnings();
    assert!(warnings.len() == 1 && warnings[0].contains("took its place"), "{warnings:?}");
    // Nobody has made a new one yet.
    put_aside(&path);
    assert_eq!(store.load("/a.db").unwrap(), LocalState::default());
    store.save("/a.db", &own(4)).unwrap();
    assert_eq!(open(&path).load("/a.db").unwrap().own, [node(4)]);
}

#[test]
fn broken_file_that_another_process_replaced_already_stays_replaced() {
    let (_dir, path) = place();
    let own = |id| StateChange { add_own: Some(node(id)), ..StateChange::default() };
    let mut file = super::file::StateFile::open(None, &path, Arc::new(RealFiles::new("h"))).unwrap();
    put_aside(&path);
    open(&path).save("/b.db", &own(2)).unwrap();
    file.start_anew("as seen in the old file").unwrap();
    assert_eq!(open(&path).load("/b.db").unwrap().own, [node(2)]);
    assert!(file.warnings[0].contains("another process"), "{:?}", file.warnings);
}

#[test]
fn starting_anew_waits_for_another_process_that_does() {
    let (_dir, path) = place();
    std::fs::write(&path, vec![0x5a; 9000]).unwrap();
    let lock = RealFiles::new("h").lock(&path.with_file_name("state.db.lock")).unwrap();
    let (started, waits) = std::sync::mpsc::channel();
    let waiter = std::thread::spawn({
        let path = path.clone();
        move || {
            started.send(()).unwrap();
            drop(open(&path));
        }
    });
    waits.recv().unwrap();
    assert_eq!(std::fs::read(&path).unwrap().len(), 9000);
    put_aside(&path);
    open(&path).save("/b.db", &StateChange { add_own: Some(node(2)), ..StateChange::default() }).unwrap();
    drop(lock);
    waiter.join().unwrap();
    assert_eq!(open(&path).load("/b.db").unwrap().own, [node(2)]);
}

#[test]
fn file_of_our_format_with_other_tables_is_broken_and_started_anew() {
    let (_dir, path) = place();
    drop(open(&path));
    // A wrong bit in the schema: the file still reads well.
    let other = rusqlite::Connection::open(&path).unwrap();
    other.execute_batch("ALTER TABLE restored RENAME COLUMN page_size TO page_rize").unwrap();
    drop(other);
    let mut store = open(&path);
    assert_eq!(store.load("/a.db").unwrap(), LocalState::default());
    let warnings = store.take_warnings();
    assert!(warnings.len() == 1 && warnings[0].contains("started anew"), "{warnings:?}");
    let own = StateChange { add_own: Some(node(1)), ..StateChange::default() };
    store.save("/a.db", &own).unwrap();
    assert_eq!(open(&path).load("/a.db").unwrap().own, [node(1)]);
}

#[test]
fn tables_that_do_not_fit_each_other_cost_the_state_and_not_the_database() {
    let (_dir, path) = place();
    drop(open(&path));
    // A wrong bit in the schema: `own` refers to a column of `database` that is no key any more.
    let other = rusqlite::Connection::open(&path).unwrap();
    let change = "PRAGMA writable_schema = ON;
         UPDATE sqlite_schema SET sql = replace(sql, 'REFERENCES database', 'REFERENCES database (rowie)') WHERE name = 'own'";
    other.execute_batch(change).unwrap();
    drop(other);
    let mut store = open(&path);
    let own = StateChange { add_own: Some(node(1)), ..StateChange::default() };
    store.save("/a.db", &own).unwrap();
    let warnings = store.take_warnings();
    assert!(warnings.len() == 1 && warnings[0].contains("started anew"), "{warnings:?}");
    assert_eq!(open(&path).load("/a.db").unwrap().own, [node(1)]);
}

#[test]
fn later_format_and_foreign_database_are_refused_and_left_alone() {
    let (_dir, path) = place();
    drop(open(&path));
    let other = rusqlite::Connection::open(&path).unwrap();
    for change in [
        "UPDATE walsync_format SET version = 4; PRAGMA user_version = 4",
        "DROP TABLE walsync_format; PRAGMA application_id = 7",
    ] {
        other.execute_batch(change).unwrap();
        let Err(error) = StateStore::open(None, &path, Arc::new(RealFiles::new("h"))) else {
            panic!("{change}")
        };
        assert!(error.0.contains("later walsync") || error.0.contains("another application"), "{error}");
    }
}

#[test]
fn wrong_bit_in_what_the_file_says_of_its_format_costs_the_state_and_not_the_database() {
    let changes = ["PRAGMA user_version = 16387", "PRAGMA application_id = 7", "DELETE FROM walsync_format"];
    for change in changes {
        let (_dir, path) = place();
        drop(open(&path));
        rusqlite::Connection::open(&path).unwrap().execute_batch(change).unwrap();
        let mut store = open(&path);
        let warnings = store.take_warnings();
        assert!(warnings.len() == 1 && warnings[0].contains("started anew"), "{change}: {warnings:?}");
        assert_eq!(store.load("/a.db").unwrap(), LocalState::default());
    }
}

fn proof(pages: u32) -> RestoreProof {
    let database = Some(DatabaseId::from_random([7; 16]));
    let file = FileId { inode: u64::MAX, born_ns: Some(-1) };
    RestoreProof { database, file, cached: sums(pages) }
}

#[test]
fn what_a_restore_left_is_there_for_every_place_of_its_path_and_for_no_other_path() {
    let (_dir, path) = place();
    let unknown = RestoreProof { database: None, file: FileId { inode: 1, born_ns: None }, ..proof(1) };
    open(&path).save_restored("/a.db", &proof(1300)).unwrap();
    open(&path).save_restored("/b.db", &unknown).unwrap();
    let mut store = open(&path);
    let key = state_key("/a.db", "s3://bucket", "prod/a");
    let expected = LocalState { restored: Some(proof(1300)), ..LocalState::default() };
    assert_eq!(store.load(&key).unwrap(), expected);
    let loaded = store.load("/a.db").unwrap().restored.unwrap().cached.sums;
    assert_eq!(loaded.dirty_chunks().count(), 3, "the database's own cache has none of them");
    assert_eq!(store.load("/b.db").unwrap().restored, Some(unknown));
    assert_eq!(store.load("/c.db").unwrap(), LocalState::default());
    let rows = rusqlite::Connection::open(&path).unwrap();
    let databases: i64 = rows.query_row("SELECT count(*) FROM database", [], |row| row.get(0)).unwrap();
    assert_eq!(databases, 0, "a path that was only restored to is no database of ours");
}

#[test]
fn a_restore_takes_nothing_of_what_is_known_of_a_database() {
    let (_dir, path) = place();
    let mut store = open(&path);
    let change = StateChange {
        add_own: Some(node(1)),
        add_pending: Some(record(9)),
        confirmed: Some(confirmed(8)),
        sums: Some(sums(600)),
        fenced_by: Some(node(3)),
    };
    let key = state_key("/a.db", "s3://bucket", "prod/a");
    store.save(&key, &change).unwrap();
    let before = store.load(&key).unwrap();
    store.save_restored("/a.db", &proof(1300)).unwrap();
    store.save_restored("/a.db", &proof(700)).unwrap();
    assert_eq!(store.load(&key).unwrap(), LocalState { restored: Some(proof(700)), ..before });
}

#[test]
fn what_a_restore_left_goes_when_newer_page_checksums_are_saved_and_not_before() {
    let (_dir, path) = place();
    let mut store = open(&path);
    let key = state_key("/a.db", "s3://bucket", "prod/a");
    store.save_restored("/a.db", &proof(1300)).unwrap();
    store.save_restored("/b.db", &proof(10)).unwrap();
    let claimed = StateChange {
        add_own: Some(node(1)),
        add_pending: Some(record(6)),
        confirmed: Some(confirmed(6)),
        ..StateChange::default()
    };
    store.save(&key, &claimed).unwrap();
    assert_eq!(store.load(&key).unwrap().restored, Some(proof(1300)));
    store.save(&key, &StateChange { sums: Some(sums(1300)), ..StateChange::default() }).unwrap();
    assert_eq!(store.load(&key).unwrap().restored, None);
    assert_eq!(store.load("/b.db").unwrap().restored, Some(proof(10)));
    let rows = rusqlite::Connection::open(&path).unwrap();
    let chunks: i64 = rows.query_row("SELECT count(*) FROM restored_chunk", [], |row| row.get(0)).unwrap();
    assert_eq!(chunks, 1);
}

#[test]
fn illegal_value_of_what_a_restore_left_costs_that_and_nothing_else() {
    let (_dir, path) = place();
    let key = state_key("/a.db", "s3://bucket", "prod/a");
    for damage in [
        "restored SET history = 'no uuid'",
        "restored SET txid = 0",
        "restored SET page_size = 5",
        "restored SET checksum = 1",
        "restored SET pages = -1",
        "restored SET inode = 'x'",
        "restored_chunk SET sums = 7",
    ] {
        let mut store = open(&path);
        store.save(&key, &StateChange { add_own: Some(node(1)), ..StateChange::default() }).unwrap();
        store.save_restored("/a.db", &proof(600)).unwrap();
        rusqlite::Connection::open(&path).unwrap().execute_batch(&format!("UPDATE {damage}")).unwrap();
        let loaded = store.load(&key).unwrap();
        assert_eq!((loaded.own, loaded.restored), (vec![node(1)], None), "{damage}");
        let warnings = store.take_warnings();
        assert!(
            warnings.len() == 1 && warnings[0].contains("restore left for /a.db"),
            "{damage}: {warnings:?}"
        );
        store.load(&key).unwrap();
        assert_eq!(store.take_warnings(), Vec::<String>::new(), "{damage}");
    }
}

#[test]
fn page_checksums_of_a_restore_that_do_not_belong_together_are_no_proof() {
    let (_dir, path) = place();
    for damage in [
        "DELETE FROM restored_chunk WHERE chunk = 1",
        "UPDATE restored_chunk SET sums = (SELECT sums FROM restored_chunk WHERE chunk = 0) WHERE chunk = 1",
        "UPDATE restored SET pages = 4000000000",
    ] {
        let mut store = open(&path);
        store.save_restored("/a.db", &proof(512 * 3)).unwrap();
        rusqlite::Connection::open(&path).unwrap().execute_batch(damage).unwrap();
        assert_eq!(store.load("/a.db").unwrap(), LocalState::default(), "{damage}");
    }
}

#[test]
fn oldest_restores_are_forgotten_where_all_together_take_too_much() {
    let (_dir, path) = place();
    let mut store = open(&path);
    for database in ["/a.db", "/b.db", "/c.db"] {
        store.save_restored(database, &proof(10)).unwrap();
    }
    let rows = rusqlite::Connection::open(&path).unwrap();
    rows.execute("UPDATE restored SET pages = ?1 WHERE path = '/b.db'", [restored::PAGES_MAX]).unwrap();
    store.save_restored("/d.db", &proof(10)).unwrap();
    let kept = |path| rows.query_row("SELECT count(*) FROM restored WHERE path = ?1", [path], |r| r.get(0));
    let kept: Vec<i64> = ["/a.db", "/b.db", "/c.db", "/d.db"].map(|path| kept(path).unwrap()).to_vec();
    assert_eq!(kept, [0, 0, 1, 1]);
}

#[test]
fn file_of_the_first_format_is_used_with_all_that_it_holds() {
    let (_dir, path) = place();
    let change = StateChange { add_own: Some(node(2)), sums: Some(sums(1300)), ..StateChange::default() };
    open(&path).save("/a.db", &change).unwrap();
    let older = rusqlite::Connection::open(&path).unwrap();
    older.execute_batch("DROP TABLE restored_chunk; DROP TABLE restored; DROP TABLE walsync_format; PRAGMA user_version = 1").unwrap();
    let mut store = open(&path);
    store.save_restored("/a.db", &proof(10)).unwrap();
    let loaded = open(&path).load("/a.db").unwrap();
    assert_eq!((loaded.own, loaded.sums), (vec![node(2)], change.sums));
    assert_eq!(loaded.restored, Some(proof(10)));
    assert_eq!(store.take_warnings(), Vec::<String>::new());
}

#[test]
fn lives_are_kept_up_to_a_maximum() {
    let (_dir, path) = place();
    let mut store = open(&path);
    let changes: Vec<StateChange> = (1..=u64::from(super::rows::OWN_MAX) + 3)
        .map(|id| StateChange { add_own: Some(node(id)), ..StateChange::default() })
        .collect();
    store.save_many(&changes.iter().map(|change| ("/a.db", change)).collect::<Vec<_>>()).unwrap();
    let own = store.load("/a.db").unwrap().own;
    assert_eq!((own.len(), own[0]), (super::rows::OWN_MAX as usize, node(4)));
}
