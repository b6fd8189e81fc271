//! The hand-over under a random application: the replica always is what SQLite reads.

use super::world::{Dice, World};
use engine::replicate::{CheckpointMode, HandOver, SourceAnswer, SourceError, SourceJob};
use rusqlite::{Connection, ErrorCode};
use std::io::{Read as _, Write as _};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::{Duration, Instant};

/// One step of an application; busy is part of its life.
fn step(app: &Connection, dice: &mut Dice) {
    let sql = match dice.roll(24) {
        0..=7 => format!("INSERT INTO t (b) VALUES (randomblob({}))", [10, 300, 5000][dice.roll(3) as usize]),
        8 => "INSERT INTO t (b) SELECT randomblob(900) FROM t LIMIT 60".to_owned(),
        9 => "DELETE FROM t WHERE a IN (SELECT a FROM t ORDER BY b LIMIT 40)".to_owned(),
        10 => "DELETE FROM t WHERE a % 2 = 0".to_owned(),
        11 => "DELETE FROM t; VACUUM".to_owned(),
        12 => "VACUUM".to_owned(),
        13 => "PRAGMA incremental_vacuum(5)".to_owned(),
        14 => {
            let end = ["COMMIT", "ROLLBACK"][dice.roll(2) as usize];
            format!("BEGIN IMMEDIATE; UPDATE t SET b = randomblob(700) WHERE a % 5 = 0; {end}")
        }
        15 => "BEGIN; SELECT count(*) FROM t".to_owned(),
        16..=18 => "COMMIT".to_owned(),
        mode => {
            let mode = ["passive", "passive", "full", "restart", "truncate"][mode as usize - 19];
            format!("PRAGMA wal_checkpoint({mode})")
        }
    };
    if let Err(e) = app.execute_batch(&sql) {
        let expected = match &e {
            rusqlite::Error::SqliteFailure(code, message) => {
                let busy = matches!(code.code, ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked);
                busy || message.as_deref().is_some_and(|m| m.contains("transaction"))
            }
            _ => false,
        };
        assert!(expected, "{sql}: {e}");
        // What failed in the middle of a transaction ends it, but for a reader's.
        if sql.starts_with("BEGIN IMMEDIATE") && !app.is_autocommit() {
            app.execute_batch("ROLLBACK").unwrap();
        }
    }
}

fn follow(seed: u64, page_size: u32, auto_vacuum: &str, steps: u32) -> u32 {
    let mut dice = Dice::new(seed);
    let mut world = World::new();
    let setup = world.app();
    setup
        .execute_batch(&format!(
            "PRAGMA page_size = {page_size}; PRAGMA auto_vacuum = {auto_vacuum}; PRAGMA journal_mode = wal;
             CREATE TABLE t (a INTEGER PRIMARY KEY, b); CREATE INDEX i ON t (b);"
        ))
        .unwrap();
    let apps = [world.app(), world.app(), setup];
    for app in &apps {
        app.execute_batch(&format!("PRAGMA cache_size = {}", [3, 100][dice.roll(2) as usize])).unwrap();
    }
    world.start();
    let mut restarts = 0;
    for _ in 0..steps {
        match dice.roll(4) {
            0..=1 => step(&apps[dice.roll(3) as usize], &mut dice),
            2 => {
                let budget = [0, 3000, 40_000, u64::MAX][dice.roll(4) as usize];
                let before = world.replica.position;
                let hand_over = [HandOver::Never, HandOver::Allowed, HandOver::Allowed, HandOver::Restart]
                    [dice.roll(4) as usize];
                let looked = world.try_look(budget, hand_over).unwrap();
                restarts += u32::from(world.replica.position.salts != before.salts);
                if world.replica.position == looked.snapshot.end {
                    world.assert_same();
                }
            }
            _ if dice.roll(4) == 0 => {
                let mode = [CheckpointMode::Passive, CheckpointMode::Truncate][dice.roll(2) as usize];
                let answer = world.session.run(SourceJob::Checkpoint(mode));
                assert!(matches!(answer, Ok(SourceAnswer::Checkpointed(_))), "{answer:?}");
            }
            _ => {}
        }
    }
    while !world.look().handed_over {}
    world.assert_same();
    restarts
}

#[test]
fn replica_follows_every_page_size_and_vacuum_mode() {
    let mut restarts = 0;
    for (i, page_size) in [512, 1024, 2048, 4096, 8192, 16384, 32768, 65536].into_iter().enumerate() {
        for auto_vacuum in ["none", "incremental", "full"] {
            restarts += follow(i as u64 * 3 + auto_vacuum.len() as u64, page_size, auto_vacuum, 250);
        }
    }
    assert!(restarts > 50, "only {restarts} restarts of the log: this proves little");
}

/// Free running threads: whatever the interleaving, the end is the same.
#[test]
fn replica_follows_writers_that_do_not_wait() {
    let mut world = World::new();
    let setup = world.app();
    setup
        .execute_batch(
            "PRAGMA page_size = 1024; PRAGMA journal_mode = wal; CREATE TABLE t (a INTEGER PRIMARY KEY, b);
             CREATE INDEX i ON t (b);",
        )
        .unwrap();
    world.start();
    let (looks, failed) = (AtomicU32::new(0), AtomicBool::new(false));
    let mut restarts = 0;
    std::thread::scope(|scope| {
        let writers: Vec<_> = (0..2)
            .map(|seed| {
                let (app, looks, failed) = (world.app(), &looks, &failed);
                scope.spawn(move || {
                    let mut dice = Dice::new(seed + 99);
                    for _ in 0..1500 {
                        step(&app, &mut dice);
                        // Sometimes a pause of a few looks: without any the log is never restarted.
                        let until = looks.load(Ordering::Relaxed) + dice.roll(20).saturating_sub(10) as u32;
                        while looks.load(Ordering::Relaxed) < until && !failed.load(Ordering::Relaxed) {
                            std::thread::yield_now();
                        }
                    }
                })
            })
            .collect();
        while writers.iter().any(|writer| !writer.is_finished()) {
            let before = world.replica.position.salts;
            let looked = world.try_look(1 << 20, HandOver::Allowed);
            if !matches!(looked, Ok(_) | Err(SourceError::Busy)) {
                failed.store(true, Ordering::Relaxed);
                panic!("{looked:?}");
            }
            restarts += u32::from(world.replica.position.salts != before);
            if looks.fetch_add(1, Ordering::Relaxed) % 3 == 0 {
                let checkpointed = world.session.run(SourceJob::Checkpoint(CheckpointMode::Passive));
                assert!(matches!(checkpointed, Ok(_) | Err(SourceError::Busy)), "{checkpointed:?}");
            }
        }
    });
    let looks = looks.into_inner();
    while !world.look().handed_over {}
    world.assert_same();
    assert!(looks > 100 && restarts > 3, "{looks} looks, {restarts} restarts: this proves little");
}

/// A batch writer that never rests and checkpoints by itself, whose log begins anew beside us.
#[test]
fn replica_follows_a_writer_that_never_rests() {
    let mut world = World::new();
    let app = world.app_with_table();
    app.execute_batch("PRAGMA wal_autocheckpoint = 40; PRAGMA synchronous = normal").unwrap();
    world.start();
    let (mut restarts, started, ended) = (0, Instant::now(), AtomicBool::new(false));
    std::thread::scope(|scope| {
        let ended = &ended;
        scope.spawn(move || {
            while !ended.load(Ordering::Relaxed) {
                app.execute_batch("BEGIN").unwrap();
                for _ in 0..40 {
                    app.execute("INSERT INTO t (b) VALUES (randomblob(300))", []).unwrap();
                }
                app.execute_batch("COMMIT").unwrap();
            }
        });
        while restarts < 5 && started.elapsed() < Duration::from_secs(60) {
            let before = world.replica.position.salts;
            let looked = world.try_look(1 << 20, HandOver::Allowed);
            if !matches!(looked, Ok(_) | Err(SourceError::Busy)) {
                ended.store(true, Ordering::Relaxed);
                panic!("{looked:?}");
            }
            restarts += u32::from(world.replica.position.salts != before);
        }
        ended.store(true, Ordering::Relaxed);
    });
    while !world.look().handed_over {}
    world.assert_same();
    assert_eq!(restarts, 5, "restarts: this proves little");
}

/// Writers in other processes, which SIGKILL ends in the middle of whatever they do.
#[test]
fn replica_follows_processes_that_are_killed() {
    if let Ok(path) = std::env::var(WRITER_PATH) {
        return write_for_ever(&path);
    }
    let mut world = World::new();
    drop(world.app_with_table());
    world.start();
    let path = world.path();
    let spawn = |seed: u32| {
        Command::new("/proc/self/exe")
            .args(["--exact", "sqlite::tests::stress::replica_follows_processes_that_are_killed"])
            .env(WRITER_PATH, &path)
            .env(WRITER_SEED, seed.to_string())
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .spawn()
            .unwrap()
    };
    let mut writers = [spawn(1), spawn(2)];
    let (mut restarts, mut frames) = (0, 0);
    for look in 1..=4000_u32 {
        let before = world.replica.position;
        let looked = world.try_look(1 << 20, HandOver::Allowed);
        assert!(matches!(looked, Ok(_) | Err(SourceError::Busy)), "{looked:?}");
        let after = world.replica.position;
        restarts += u32::from(after.salts != before.salts);
        frames += u32::from(after != before);
        if look % 3 == 0 {
            let checkpointed = world.session.run(SourceJob::Checkpoint(CheckpointMode::Passive));
            assert!(matches!(checkpointed, Ok(_) | Err(SourceError::Busy)), "{checkpointed:?}");
        }
        let writer = &mut writers[look as usize % 2];
        if look % 401 == 0 {
            writer.kill().unwrap();
            writer.wait().unwrap();
            *writer = spawn(look);
        } else {
            writer.stdin.as_mut().unwrap().write_all(&[0; 4]).unwrap();
        }
        std::thread::yield_now();
    }
    for writer in &mut writers {
        writer.kill().unwrap();
        writer.wait().unwrap();
    }
    while !matches!(world.try_look(u64::MAX, HandOver::Allowed), Ok(looked) if looked.handed_over) {}
    world.assert_same();
    assert!(frames > 50 && restarts > 3, "{frames} tails, {restarts} restarts: this proves little");
}

/// One step per byte that the other side writes.
fn write_for_ever(path: &str) {
    let seed = std::env::var(WRITER_SEED).unwrap().parse().unwrap();
    let mut dice = Dice::new(seed);
    let app = Connection::open(path).unwrap();
    app.busy_timeout(Duration::from_millis(20)).unwrap();
    app.execute_batch(&format!("PRAGMA wal_autocheckpoint = {}", [0, 1, 50][dice.roll(3) as usize])).unwrap();
    while std::io::stdin().read_exact(&mut [0]).is_ok() {
        step(&app, &mut dice);
    }
}

const WRITER_PATH: &str = "WALSYNC_TEST_WRITER_PATH";
const WRITER_SEED: &str = "WALSYNC_TEST_WRITER_SEED";
