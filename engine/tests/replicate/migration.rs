//! A place that another tool filled (Litestream), whose application went on writing before we began: where log and
//! newest object prove that the database continues it, only what changed since goes up.

use super::source::{FakeDatabase, PAGE_BYTES, page};
use super::store::slot_key;
use super::world::{A, SECOND, World};
use engine::key::{Layout, ObjectKey};
use engine::ltx::{Header, WalSpan};
use engine::replicate::{PageSet, SourceAnswer, SourceJob, Status, TakeOver};
use engine::types::{Level, PageSize, Pgno, Timestamp, Txid, TxidRange};

/// The pages of a database, as another tool writes them: without our tag, and with the position in the log up to which
/// it has read.
fn untagged(
    database: &mut FakeDatabase,
    txid: u64,
    select: &[u32],
    alter: impl Fn(u32, u64) -> u64,
) -> bytes::Bytes {
    let SourceAnswer::Opened(opened) = database.run(SourceJob::Open { enter_wal_mode: false }) else {
        unreachable!("asked to open")
    };
    database.close();
    let end = opened.snapshot.end;
    let (size, commit) = (PageSize::new(PAGE_BYTES).unwrap(), Pgno::new(database.page_count()).unwrap());
    let range = TxidRange::single(Txid::new(txid).unwrap());
    let header = Header::new(size, commit, range, Timestamp::from_millis(0));
    let span = WalSpan::new(32, u64::from(end.frames) * u64::from(PAGE_BYTES + 24), end.salts).unwrap();
    let image = database.committed();
    let page_of = |n: &u32| (Pgno::new(*n).unwrap(), page(alter(*n, image[*n as usize - 1])));
    database.encode(&header.with_wal(span), &PageSet::Memory(select.iter().map(page_of).collect())).0
}

/// The database was written to, the other tool took all of it, and `meanwhile` happened before we begin. What it wrote
/// in the newest slot went through `alter`.
fn begun(
    take_over: TakeOver,
    alter: impl Fn(u32, u64) -> u64,
    meanwhile: impl FnOnce(&mut FakeDatabase),
) -> World {
    let mut world = World::empty();
    let mut database = FakeDatabase::new(1, 10);
    let all: Vec<u32> = (1..=10).collect();
    let image = untagged(&mut database, 1, &all, same);
    database.commit(&[2, 5], 10);
    let newest = untagged(&mut database, 2, &[2, 5], alter);
    meanwhile(&mut database);
    world.add(A, "a", database, |config| config.take_over = take_over);
    let place = world.host(A).config.place.clone();
    let snapshot = place.object_key(Layout::S3, ObjectKey::snapshot(Txid::ONE));
    for (key, object) in
        [(slot_key(&place, 1), image.clone()), (snapshot, image), (slot_key(&place, 2), newest)]
    {
        world.store.plant(&key, object);
    }
    world.run_for(10 * SECOND);
    world
}

fn same(_: u32, content: u64) -> u64 {
    content
}

#[test]
fn log_that_holds_the_other_tools_position_proves_that_the_database_continues_it() {
    let mut world = begun(TakeOver::IfIdentical, same, |database| {
        database.commit(&[3], 10);
        database.commit(&[10], 12);
    });
    assert_eq!(world.status(A), Status::Following);
    let place = world.host(A).config.place.clone();
    let claim = world.store.slot(&place, 3).unwrap().chain().unwrap();
    assert!(claim.claim && claim.before == Some(claim.after), "a claim changes nothing");
    let next = world.store.slot(&place, 4).unwrap();
    assert!(next.chain().unwrap().before.is_some(), "no image");
    world.commit(A, &[4]);
    world.run_for(5 * SECOND);
    let snapshots = world.store.keys(&place).filter(|key: &ObjectKey| key.level() == Level::SNAPSHOT).count();
    assert_eq!((world.durable(A), snapshots), (5, 1));
    world.assert_store_equals_database(A);
}

#[test]
fn log_that_began_anew_proves_nothing() {
    let anew = |database: &mut FakeDatabase| {
        database.copy_log();
        database.restart_log();
        database.commit(&[3], 10);
    };
    assert_eq!(begun(TakeOver::IfIdentical, same, anew).status(A), Status::Fenced);
    let world = begun(TakeOver::Always, same, anew);
    assert_eq!(world.status(A), Status::Following);
    world.assert_store_equals_database(A);
}

#[test]
fn position_in_the_log_without_the_same_pages_proves_nothing() {
    let other = |number: u32, content: u64| if number == 5 { content ^ 2 } else { content };
    let world = begun(TakeOver::IfIdentical, other, |database| database.commit(&[3], 10));
    assert_eq!(world.status(A), Status::Fenced);
}
