//! Which notice is whose answer.

use super::{After, Step, Wanted, after};
use crate::commands::watch::account::Account;
use crate::commands::watch::again::Again;
use crate::control::Done;
use crate::exit::{Failure, Kind};
use engine::replicate::{Notice, SnapshotFailure, SyncId};
use engine::types::{Pgno, Timestamp, Txid};
use std::path::PathBuf;

fn account() -> Account {
    let words = || "walsync".to_owned();
    let again = Again {
        watch: words(),
        watch_anew: words(),
        list: words(),
        elsewhere: words(),
        show_config: words(),
    };
    Account::new("prod/app".to_owned(), PathBuf::from("/data/app.db"), again)
}

fn txid(number: u64) -> Txid {
    Txid::new(number).unwrap()
}

fn synced(id: u64, number: u64) -> Notice {
    Notice::Synced { id: SyncId(id), txid: txid(number) }
}

fn image(number: u64, size_bytes: Option<u64>) -> Notice {
    Notice::Snapshot { txid: txid(number), timestamp: Timestamp::from_millis(0), size_bytes }
}

fn done(step: Step, wanted: Wanted, notice: &Notice) -> Option<Done> {
    match after(step, wanted, notice, &account()) {
        After::Done(done) => Some(*done),
        After::Same | After::Image(_) => None,
    }
}

#[test]
fn snapshot_is_asked_for_when_its_sync_is_done() {
    let step = Step::Sync(SyncId(3));
    assert!(matches!(after(step, Wanted::Snapshot, &synced(2, 9), &account()), After::Same));
    assert!(
        matches!(after(step, Wanted::Snapshot, &synced(3, 9), &account()), After::Image(slot) if slot == txid(9))
    );
    assert!(
        matches!(after(step, Wanted::Snapshot, &image(8, Some(1)), &account()), After::Same),
        "of the schedule"
    );
    assert!(done(step, Wanted::Sync, &synced(4, 9)).unwrap().durable);
}

#[test]
fn image_that_holds_less_is_not_the_answer() {
    let step = Step::Image(txid(9));
    let answers = |number, size_bytes| done(step, Wanted::Snapshot, &image(number, size_bytes)).is_some();
    assert!(!answers(8, Some(1)), "one that was under way already");
    assert!(answers(9, Some(1)) && answers(12, Some(1)));
    assert!(answers(9, None));
    assert!(answers(8, None), "the slot of a claim changes nothing");
    assert!(!answers(7, None));
    let found = done(step, Wanted::Snapshot, &image(9, Some(5))).unwrap().snapshot.unwrap();
    assert_eq!((found.txid.as_str(), found.size_bytes), ("0000000000000009", Some(5)));
}

#[test]
fn snapshots_that_are_not_made_say_why() {
    let failure = |notice| {
        let done = done(Step::Image(txid(9)), Wanted::Snapshot, &notice).unwrap();
        assert!(done.snapshot.is_none() && !done.durable);
        Failure::from(done.failed.unwrap())
    };
    let rot = failure(Notice::SnapshotRefused { pages: vec![Pgno::new(20).unwrap()], count: 3 });
    assert_eq!(rot.kind(), Kind::Corrupt);
    assert!(rot.to_string().contains("bit rot in 3 pages: 20, ..."), "{rot}");
    for why in [SnapshotFailure::InTheWay, SnapshotFailure::StoreAway, SnapshotFailure::NotFollowed] {
        let failed = failure(Notice::SnapshotFailed { why: why.clone() });
        assert_eq!(failed.kind(), Kind::Unavailable);
        assert!(failed.causes().contains(&why.to_string()), "{failed}");
    }
    let key = "prod/app/0009/k".to_owned();
    let failed = failure(Notice::SnapshotFailed { why: SnapshotFailure::Contradicted { key: key.clone() } });
    assert_eq!(failed.object_key(), Some(key.as_str()));
}

#[test]
fn end_of_the_daemon_answers_a_sync_and_no_snapshot() {
    for complete in [true, false] {
        let stopped = Notice::Stopped { durable: Some(txid(9)), complete };
        let answer = |step, wanted| done(step, wanted, &stopped).unwrap();
        assert_eq!(answer(Step::Sync(SyncId(1)), Wanted::Sync).durable, complete);
        for step in [Step::Sync(SyncId(1)), Step::Image(txid(9))] {
            let failed = Failure::from(answer(step, Wanted::Snapshot).failed.unwrap());
            assert_eq!(failed.kind(), Kind::Unavailable);
            let said = failed.causes().iter().any(|cause| cause.contains("but no snapshot of it"));
            assert_eq!(said, complete, "{failed}");
        }
    }
}

#[test]
fn failed_snapshot_is_the_last_error_until_a_good_one() {
    let mut account = account();
    account.image(&Notice::SnapshotFailed { why: SnapshotFailure::NotFollowed });
    assert_eq!(account.last_error(), None, "that is for who asked");
    account.image(&Notice::SnapshotFailed { why: SnapshotFailure::InTheWay });
    assert!(account.last_error().unwrap().contains("a checkpoint of the application waited for it"));
    assert_eq!(account.what_is_wrong(), None, "commits get through");
    account.image(&Notice::SnapshotDue { at: Some(Timestamp::from_millis(7)) });
    assert!(account.last_error().is_some());
    assert_eq!(account.images.due, Some(Timestamp::from_millis(7)));
    account.image(&image(9, None));
    assert_eq!(account.last_error(), None);
}
