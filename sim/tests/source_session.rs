//! The session of `io-real` on the simulated disk: the same code, another VFS.

#![expect(clippy::unwrap_used, reason = "helpers of tests")]

use engine::replicate::{
    CheckpointMode, HandOver, Looked, SourceAnswer, SourceError, SourceJob, StateChange, Surveyed, TailPlace,
};
use engine::types::{LockByte, NodeId, PageSize, Pgno, WalPosition};
use io_real::sqlite::{Session, SessionConfig};
use io_real::state::StateStore;
use io_sim::clock::SimClock;
use io_sim::disk::SimDisk;
use io_sim::process::Process;
use io_sim::random::{Random, Stream};
use io_sim::sqlite_vfs::SqliteRun;
use io_sim::trace::Trace;
use rusqlite::Connection;
use sim::world::SimFiles;
use std::path::PathBuf;
use std::sync::Arc;

const DB: &str = "/db/app.db";

fn disk(seed: u64) -> (SimDisk, Trace) {
    let clock = SimClock::new();
    let trace = Trace::new(&clock);
    (SimDisk::new(seed, 0, &clock, &trace), trace)
}

fn files(process: &Process) -> SimFiles {
    SimFiles { disk: process.disk().clone(), pid: process.pid() }
}

fn session(daemon: &Process, lock_byte: LockByte) -> Session {
    Session::new(SessionConfig {
        vfs: Some(daemon.vfs_name().to_owned()),
        path: PathBuf::from(DB),
        files: Arc::new(files(daemon)),
        lock_byte,
        pause: |duration| duration,
    })
}

fn app(process: &Process) -> Connection {
    let app = process.open(DB).unwrap();
    app.busy_timeout(std::time::Duration::ZERO).unwrap();
    app.execute_batch("PRAGMA journal_mode = wal; PRAGMA wal_autocheckpoint = 0; PRAGMA synchronous = FULL")
        .unwrap();
    app
}

fn image(process: &Process) -> Vec<Vec<u8>> {
    let connection = process.open(DB).unwrap();
    let mut read = connection.prepare("SELECT data FROM sqlite_dbpage ORDER BY pgno").unwrap();
    read.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect()
}

fn open(session: &mut Session) -> Result<SourceAnswer, SourceError> {
    session.run(SourceJob::Open { enter_wal_mode: true })
}

fn survey(session: &mut Session) -> Surveyed {
    match session.run(SourceJob::Survey { as_of: None }).unwrap() {
        SourceAnswer::Surveyed(surveyed) => *surveyed,
        other => panic!("{other:?}"),
    }
}

fn look(session: &mut Session, from: WalPosition, pages_before: u32) -> Result<Looked, SourceError> {
    match session.run(SourceJob::Look {
        from,
        pages_before,
        bytes_max: u64::MAX,
        hand_over: HandOver::Allowed,
    })? {
        SourceAnswer::Looked(looked) => Ok(looked),
        other => panic!("{other:?}"),
    }
}

fn assert_sums(surveyed: &Surveyed, image: &[Vec<u8>], lock_page: Pgno) {
    assert_eq!(surveyed.snapshot.pages as usize, image.len());
    for (i, page) in image.iter().enumerate() {
        let pgno = Pgno::new(i as u32 + 1).unwrap();
        let expected = (pgno != lock_page).then(|| engine::db::page_checksum(pgno, page));
        assert_eq!(surveyed.sums.get(pgno), expected, "page {pgno}");
    }
}

/// Follows a random application and gives the trace's hash, the frames read and the restarts seen.
fn follow(seed: u64) -> (String, u32, u32) {
    let (disk, trace) = disk(seed);
    let mut run = SqliteRun::start(&disk);
    let lock_byte = LockByte::moved(65536);
    run.move_lock_page(lock_byte);
    let (application, daemon) = (Process::start(&disk), Process::start(&disk));
    let setup = application.open(DB).unwrap();
    setup.execute_batch("PRAGMA page_size = 1024; CREATE TABLE t (a INTEGER PRIMARY KEY, b)").unwrap();
    drop(setup);
    let apps = [app(&application), app(&application)];
    let mut session = session(&daemon, lock_byte);
    assert!(matches!(open(&mut session), Ok(SourceAnswer::Opened(_))));
    let surveyed = survey(&mut session);
    let lock_page = lock_byte.pgno(surveyed.snapshot.page_size);
    assert_sums(&surveyed, &image(&application), lock_page);

    let mut replica = image(&application);
    let mut position = surveyed.snapshot.end;
    let (mut tails, mut restarts) = (0, 0);
    let mut dice = Random::new(seed, Stream::Workload);
    for _ in 0..150 {
        let sql = match dice.below(8) {
            0..=3 => "INSERT INTO t (b) VALUES (randomblob(3000))",
            4 => "DELETE FROM t WHERE a % 2 = 0; VACUUM",
            5 => "PRAGMA wal_checkpoint(passive)",
            6 => "PRAGMA wal_checkpoint(truncate)",
            _ => "UPDATE t SET b = randomblob(2000) WHERE a % 3 = 0",
        };
        apps[dice.below(2) as usize].execute_batch(sql).unwrap();
        if dice.below(5) == 0 {
            session.run(SourceJob::Checkpoint(CheckpointMode::Passive)).unwrap();
        }
        if dice.below(2) == 0 {
            continue;
        }
        let looked = look(&mut session, position, replica.len() as u32).unwrap();
        restarts += u32::from(looked.snapshot.end.salts != position.salts);
        position = looked.snapshot.end;
        if let Some(tail) = looked.tail {
            tails += 1;
            replica.resize(tail.commit as usize, vec![0; 1024]);
            for (pgno, page) in tail.pages {
                let TailPlace::Memory(bytes) = page.place else { panic!("beyond an endless budget") };
                replica[pgno.into_inner() as usize - 1] = bytes.to_vec();
            }
        }
        assert!(replica == image(&application));
    }
    assert!(replica.len() > 65, "the lock page was never reached");
    (trace.hash().to_string(), tails, restarts)
}

#[test]
fn session_follows_an_application_on_the_simulated_disk() {
    for seed in 0..6 {
        let (_, tails, restarts) = follow(seed);
        assert!(tails > 20 && restarts > 2, "seed {seed}: {tails} tails, {restarts} restarts");
    }
}

#[test]
fn same_seed_gives_the_same_trace() {
    assert_eq!(follow(11), follow(11));
    assert_ne!(follow(11).0, follow(12).0);
}

#[test]
fn killed_daemon_leaves_neither_pin_nor_lock() {
    let (disk, _) = disk(1);
    let _run = SqliteRun::start(&disk);
    let (application, daemon, other) = (Process::start(&disk), Process::start(&disk), Process::start(&disk));
    let app = app(&application);
    app.execute_batch("CREATE TABLE t (a); INSERT INTO t VALUES (1)").unwrap();
    let mut first = session(&daemon, LockByte::SQLITE);
    open(&mut first).unwrap();
    let mut second = session(&other, LockByte::SQLITE);
    assert!(matches!(open(&mut second), Err(SourceError::Held(_))));
    daemon.kill(|| drop(first));
    open(&mut second).unwrap();
    assert_sums(
        &survey(&mut second),
        &image(&application),
        LockByte::SQLITE.pgno(PageSize::new(4096).unwrap()),
    );
}

#[test]
fn power_cut_ends_the_session_and_a_new_one_surveys_what_is_left() {
    for operations in [1, 3, 7, 15, 40, 90] {
        let (disk, _) = disk(operations);
        let _run = SqliteRun::start(&disk);
        let (application, daemon) = (Process::start(&disk), Process::start(&disk));
        let writer = app(&application);
        writer.execute_batch("CREATE TABLE t (a)").unwrap();
        let mut followed = session(&daemon, LockByte::SQLITE);
        open(&mut followed).unwrap();
        let mut at = survey(&mut followed).snapshot;
        disk.cut_power_in(operations);
        loop {
            if writer.execute("INSERT INTO t VALUES (randomblob(3000))", []).is_err() {
                break;
            }
            match look(&mut followed, at.end, at.pages) {
                Ok(looked) => at = looked.snapshot,
                Err(_) => break,
            }
            let _ = followed.run(SourceJob::Checkpoint(CheckpointMode::Passive));
        }
        assert!(look(&mut followed, at.end, at.pages).is_err());
        application.kill(|| drop(writer));
        daemon.kill(|| drop(followed));
        disk.power_cycle();

        let (application, daemon) = (Process::start(&disk), Process::start(&disk));
        let mut again = session(&daemon, LockByte::SQLITE);
        open(&mut again).unwrap();
        let surveyed = survey(&mut again);
        assert_sums(&surveyed, &image(&application), LockByte::SQLITE.pgno(surveyed.snapshot.page_size));
    }
}

#[test]
fn database_that_was_moved_away_is_noticed() {
    let (disk, _) = disk(2);
    let _run = SqliteRun::start(&disk);
    let (application, daemon) = (Process::start(&disk), Process::start(&disk));
    let app = app(&application);
    app.execute_batch("CREATE TABLE t (a)").unwrap();
    let mut followed = session(&daemon, LockByte::SQLITE);
    open(&mut followed).unwrap();
    disk.rename(application.pid(), DB, "/db/aside.db").unwrap();
    let refused = followed.run(SourceJob::Checkpoint(CheckpointMode::Passive));
    assert!(matches!(refused, Err(SourceError::Replaced(_))), "{refused:?}");
    assert!(matches!(open(&mut followed), Err(SourceError::Missing)));
}

#[test]
fn saved_state_survives_a_power_cut() {
    let (disk, _) = disk(3);
    let _run = SqliteRun::start(&disk);
    let node = NodeId::new(7).unwrap();
    let store = |process: &Process| {
        let files = Arc::new(files(process));
        StateStore::open(Some(process.vfs_name()), "/state/state.db".as_ref(), files).unwrap()
    };
    let daemon = Process::start(&disk);
    let mut state = store(&daemon);
    state.save(DB, &StateChange { add_own: Some(node), ..StateChange::default() }).unwrap();
    disk.cut_power_in(0);
    daemon.kill(|| drop(state));
    disk.power_cycle();
    let daemon = Process::start(&disk);
    assert_eq!(store(&daemon).load(DB).unwrap().own, [node]);
}
