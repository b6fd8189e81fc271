//! The lock page in a database that is small because the page was moved. A process of its own: moving it
//! (`SQLITE_TESTCTRL_PENDING_BYTE`) concerns all databases of a process, and must come before the first.

#![expect(clippy::unwrap_used, reason = "helpers of tests")]

use engine::db::page_checksum;
use engine::ltx::{Chain, Header, read_any};
use engine::replicate::{
    HandOver, PageSet, PinnedPages, Select, SourceAnswer, SourceJob, Surveyed, TailPlace,
};
use engine::types::{LockByte, NodeId, Pgno, Timestamp, Txid, TxidRange};
use io_real::files::RealFiles;
use io_real::sqlite::{Session, SessionConfig};
use rusqlite::{Connection, ffi};
use std::collections::BTreeMap;
use std::sync::Arc;

const LOCK_BYTE: LockByte = LockByte::moved(65536);

fn move_the_lock_page() {
    // SAFETY: the argument after this option is an unsigned int; no connection was opened before.
    let before = unsafe { ffi::sqlite3_test_control(ffi::SQLITE_TESTCTRL_PENDING_BYTE, 65536_u32) };
    assert_eq!(before, 0x4000_0000);
}

fn survey(session: &mut Session) -> Surveyed {
    match session.run(SourceJob::Survey { as_of: None }).unwrap() {
        SourceAnswer::Surveyed(surveyed) => *surveyed,
        other => panic!("{other:?}"),
    }
}

#[test]
fn lock_page_is_never_read_and_never_stored() {
    move_the_lock_page();
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("app.db");
    let app = Connection::open(&path).unwrap();
    app.execute_batch("PRAGMA journal_mode = wal; PRAGMA wal_autocheckpoint = 0; CREATE TABLE t (a, b)")
        .unwrap();
    let mut session = Session::new(SessionConfig {
        vfs: None,
        path,
        files: Arc::new(RealFiles::new("test-host")),
        lock_byte: LOCK_BYTE,
        pause: io_real::files::pause,
    });
    session.run(SourceJob::Open { enter_wal_mode: true }).unwrap();
    let start = survey(&mut session).snapshot;
    app.execute("INSERT INTO t VALUES (1, randomblob(200000))", []).unwrap();

    let look = SourceJob::Look {
        from: start.end,
        pages_before: start.pages,
        bytes_max: u64::MAX,
        hand_over: HandOver::Allowed,
    };
    let SourceAnswer::Looked(looked) = session.run(look).unwrap() else { panic!("a look") };
    let tail = looked.tail.unwrap();
    let lock_page = LOCK_BYTE.pgno(start.page_size);
    assert!(tail.commit > lock_page.into_inner() && lock_page.into_inner() > start.pages);
    let grown = (start.pages + 1..=tail.commit).filter_map(|n| Pgno::new(n).ok());
    assert!(grown.into_iter().all(|pgno| tail.pages.contains_key(&pgno) == (pgno != lock_page)));
    assert!(tail.pages.values().all(|page| matches!(page.place, TailPlace::Memory(_))));

    for mode in ["passive", "full"] {
        let surveyed = survey(&mut session);
        assert_eq!(surveyed.sums.get(lock_page), None);
        assert_eq!(surveyed.sums.first_unknown(lock_page), None);
        let checksum = surveyed.sums.checksum();
        let commit = Pgno::new(surveyed.snapshot.pages).unwrap();
        let txids = TxidRange::up_to(Txid::new(3).unwrap());
        let chain = Chain { node: NodeId::new(1).unwrap(), before: None, after: checksum, claim: false };
        let header = Header::new(start.page_size, commit, txids, Timestamp::from_millis(1)).with_chain(chain);
        let fingerprint =
            (1..=commit.into_inner()).filter_map(|n| surveyed.sums.get(Pgno::new(n).ok()?)).collect();
        let pages = PageSet::Pinned(PinnedPages {
            select: Select::All(surveyed.snapshot.pages),
            frames: surveyed.frames,
            memory: BTreeMap::new(),
            checksum,
            fingerprint,
        });
        let SourceAnswer::Sealed(sealed) = session.run(SourceJob::Seal { header, pages }).unwrap() else {
            panic!("a seal")
        };
        let mut stored = BTreeMap::new();
        read_any(&sealed.body, LOCK_BYTE, |pgno, page| drop(stored.insert(pgno, page.to_vec()))).unwrap();
        assert!(!stored.contains_key(&lock_page));
        let mut read = app.prepare("SELECT pgno, data FROM sqlite_dbpage").unwrap();
        let image = read.query_map([], |row| Ok((row.get::<_, u32>(0)?, row.get::<_, Vec<u8>>(1)?))).unwrap();
        for (number, page) in image.map(Result::unwrap) {
            let pgno = Pgno::new(number).unwrap();
            if pgno != lock_page {
                assert_eq!(surveyed.sums.get(pgno), Some(page_checksum(pgno, &page)));
                assert!(stored[&pgno] == page, "page {pgno} ({mode})");
            }
        }
        app.execute_batch(&format!("PRAGMA wal_checkpoint({mode})")).unwrap();
    }
}
