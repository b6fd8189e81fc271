//! A small campaign: real SQLite on the simulated disk under power cuts and kills. It checks the simulated
//! world: what SQLite promises on an honest disk holds, what a dishonest disk breaks is seen, and a seed is
//! the same run every time.

use io_sim::clock::SimClock;
use io_sim::disk::SimDisk;
use io_sim::faults::{CrashPolicy, DiskFaults};
use io_sim::process::Process;
use io_sim::random::{Random, Stream};
use io_sim::sqlite_vfs::SqliteRun;
use io_sim::trace::{Trace, TraceHash};
use rusqlite::{Connection, params};

const DB: &str = "/db/app.db";
const STEPS: u32 = 150;

/// What a run may suffer.
#[derive(Clone, Copy, Default)]
struct Config {
    power_cuts: bool,
    kills: bool,
    normal_sync: bool,
    faults: DiskFaults,
}

/// What a run came to.
#[derive(Debug, Default)]
struct Outcome {
    committed: u64,
    crashes: u64,
    /// Commits that were acknowledged and are gone after a crash.
    lost: u64,
    /// Recoveries after which the database is damaged.
    damaged: u64,
    errors: u64,
    hash: Option<TraceHash>,
}

/// Connection first: fields drop in order, and the connection goes before its process.
struct World {
    connection: Option<Connection>,
    process: Option<Process>,
    disk: SimDisk,
    trace: Trace,
    config: Config,
    workload: Random,
    /// The last sequence number whose commit was acknowledged, and the last that was tried.
    committed: i64,
    tried: i64,
    outcome: Outcome,
    _run: SqliteRun,
}

fn run(seed: u64, config: Config) -> Outcome {
    let clock = SimClock::new();
    let trace = Trace::new(&clock);
    let disk = SimDisk::new(seed, 0, &clock, &trace);
    disk.set_crash_policy(CrashPolicy {
        directory_in_order: seed.is_multiple_of(2),
        ..CrashPolicy::default()
    });
    let mut world = World {
        connection: None,
        process: None,
        _run: SqliteRun::start(&disk),
        disk,
        trace,
        config,
        workload: Random::new(seed, Stream::Workload),
        committed: 0,
        tried: 0,
        outcome: Outcome::default(),
    };
    world.start(seed).expect("nothing goes wrong at first");
    let mut plan = Random::new(seed, Stream::Plan);
    for _ in 0..STEPS {
        world.step(seed, &mut plan);
    }
    world.power_cycle(seed);
    let World { connection, trace, mut outcome, .. } = world;
    drop(connection);
    outcome.hash = Some(trace.hash());
    outcome
}

impl World {
    /// Starts the application and opens the database as it is.
    fn start(&mut self, seed: u64) -> rusqlite::Result<()> {
        let process = Process::start(&self.disk);
        self.disk.set_faults_of(process.pid(), DiskFaults::default());
        let connection = process.open(DB)?;
        let page_size = [512, 1024, 4096, 8192, 65536][(seed % 5) as usize];
        let sync = if self.config.normal_sync { "NORMAL" } else { "FULL" };
        connection.execute_batch(&format!(
            "PRAGMA page_size={page_size}; PRAGMA journal_mode=WAL; PRAGMA synchronous={sync};
             PRAGMA wal_autocheckpoint=30; PRAGMA cache_size=20;
             CREATE TABLE IF NOT EXISTS t(seq INTEGER PRIMARY KEY, a INTEGER, b BLOB);
             CREATE INDEX IF NOT EXISTS ta ON t(a)"
        ))?;
        self.disk.set_faults_of(process.pid(), self.config.faults);
        self.connection = Some(connection);
        self.process = Some(process);
        Ok(())
    }

    fn step(&mut self, seed: u64, plan: &mut Random) {
        let pid = self.process.as_ref().expect("it runs").pid();
        if self.config.power_cuts && plan.ppm(50_000) {
            self.disk.cut_power_in(1 + plan.below(80));
        }
        if self.config.kills && plan.ppm(50_000) {
            self.disk.kill_in(pid, 1 + plan.below(80));
        }
        let result = self.transaction();
        self.outcome.errors += u64::from(result.is_err());
        if !self.disk.is_powered() {
            self.power_cycle(seed);
        } else if !self.disk.is_alive(pid) {
            self.kill(seed);
        } else if let Some(connection) = self.connection.as_ref().filter(|c| !c.is_autocommit()) {
            // It may have been rolled back by itself, or fail like everything else.
            let _ = connection.execute_batch("ROLLBACK");
        }
    }

    fn transaction(&mut self) -> rusqlite::Result<()> {
        let connection = self.connection.as_mut().expect("it runs");
        match self.workload.below(20) {
            0 => {
                let mode = self.workload.pick(&["PASSIVE", "FULL", "RESTART", "TRUNCATE"]);
                return connection.query_row(&format!("PRAGMA wal_checkpoint({mode})"), [], |_| Ok(()));
            }
            1 => return connection.execute_batch("VACUUM"),
            _ => {}
        }
        let seq = self.tried + 1;
        let transaction = connection.transaction()?;
        let mut blob = vec![0; self.workload.below_usize(3000)];
        self.workload.fill(&mut blob);
        transaction.execute("INSERT INTO t VALUES (?1, ?1 % 7, ?2)", params![seq, blob])?;
        if self.workload.ppm(300_000) {
            transaction.execute("UPDATE t SET a = a + 1 WHERE seq % 5 = ?1 % 5", [seq])?;
        }
        self.tried = seq;
        transaction.commit()?;
        self.committed = seq;
        self.outcome.committed += 1;
        Ok(())
    }

    fn power_cycle(&mut self, seed: u64) {
        self.connection = None;
        self.process = None;
        self.disk.power_cycle();
        self.recover(seed);
    }

    fn kill(&mut self, seed: u64) {
        let connection = self.connection.take();
        self.process.take().expect("it ran").kill(|| drop(connection));
        self.disk.spare_power();
        self.recover(seed);
    }

    fn recover(&mut self, seed: u64) {
        self.outcome.crashes += 1;
        let disk = self.disk.clone();
        let found = disk.calm(|| self.start(seed).and_then(|()| self.check()));
        match found {
            Ok(last) => {
                assert!(last <= self.tried, "a commit that never was");
                self.outcome.lost += u64::try_from((self.committed - last).max(0)).expect("not negative");
                (self.committed, self.tried) = (last, last);
            }
            Err(_) => {
                self.outcome.damaged += 1;
                self.start_over(seed);
            }
        }
    }

    /// The last sequence number, after every page was looked at.
    fn check(&self) -> rusqlite::Result<i64> {
        let connection = self.connection.as_ref().expect("it runs");
        let integrity: String = connection.query_row("PRAGMA integrity_check", [], |row| row.get(0))?;
        if integrity != "ok" {
            return Err(rusqlite::Error::InvalidQuery);
        }
        connection.query_row("SELECT coalesce(max(seq), 0) FROM t", [], |row| row.get(0))
    }

    fn start_over(&mut self, seed: u64) {
        self.connection = None;
        self.process = None;
        let operator = Process::start(&self.disk);
        for path in self.disk.peek_paths() {
            self.disk.unlink(operator.pid(), &path).expect("it was just listed");
        }
        (self.committed, self.tried) = (0, 0);
        self.start(seed).expect("an empty disk is no trouble");
    }
}

const CRASHES: Config = Config {
    power_cuts: true,
    kills: true,
    normal_sync: false,
    faults: DiskFaults {
        read_eio_ppm: 0,
        write_eio_ppm: 0,
        fsync_eio_ppm: 0,
        short_read_ppm: 0,
        read_flip_ppm: 0,
        lying_fsync_ppm: 0,
        rename_fails_ppm: 0,
        unlink_fails_ppm: 0,
        slow_ppm: 0,
    },
};

/// The sums over many seeds.
fn campaign(seeds: u64, config: Config) -> Outcome {
    let mut sum = Outcome::default();
    for seed in 0..seeds {
        let outcome = run(seed, config);
        sum.committed += outcome.committed;
        sum.crashes += outcome.crashes;
        sum.lost += outcome.lost;
        sum.damaged += outcome.damaged;
        sum.errors += outcome.errors;
    }
    sum
}

#[test]
fn committed_transactions_survive_power_cuts_and_kills() {
    let sum = campaign(40, CRASHES);
    assert_eq!((sum.lost, sum.damaged), (0, 0), "{sum:?}");
    assert!(sum.crashes > 300 && sum.committed > 3000, "{sum:?}");
}

#[test]
fn failing_reads_and_writes_lose_and_damage_nothing() {
    let faults = DiskFaults { read_eio_ppm: 3000, write_eio_ppm: 3000, ..DiskFaults::default() };
    let sum = campaign(20, Config { faults, ..CRASHES });
    assert_eq!((sum.lost, sum.damaged), (0, 0), "{sum:?}");
    assert!(sum.errors > sum.crashes + 20, "{sum:?}");
}

#[test]
fn normal_synchronous_loses_commits_and_damages_nothing() {
    let sum = campaign(20, Config { normal_sync: true, ..CRASHES });
    assert_eq!(sum.damaged, 0, "{sum:?}");
    assert!(sum.lost > 0, "{sum:?}");
    let kills_alone = campaign(10, Config { normal_sync: true, power_cuts: false, ..CRASHES });
    assert_eq!((kills_alone.damaged, kills_alone.errors > 0), (0, true), "{kills_alone:?}");
}

#[test]
fn a_lying_fsync_loses_commits() {
    let faults = DiskFaults { lying_fsync_ppm: 300_000, ..DiskFaults::default() };
    let sum = campaign(10, Config { faults, ..CRASHES });
    assert!(sum.lost > 0 && sum.damaged > 0, "{sum:?}");
}

#[test]
fn wrong_bits_are_noticed() {
    let faults = DiskFaults { read_flip_ppm: 20_000, ..DiskFaults::default() };
    let calm = campaign(5, Config::default());
    assert_eq!(calm.errors, 0, "{calm:?}");
    let sum = campaign(5, Config { faults, ..Config::default() });
    assert!(sum.errors > 10, "{sum:?}");
}

/// The run that other processes repeat: the worst that an honest disk does.
fn pinned_run(seed: u64) -> String {
    let faults =
        DiskFaults { read_eio_ppm: 2000, write_eio_ppm: 2000, slow_ppm: 1000, ..DiskFaults::default() };
    let outcome = run(seed, Config { faults, ..CRASHES });
    assert!(outcome.committed > 50);
    outcome.hash.expect("the run is over").to_string()
}

#[test]
fn a_seed_is_the_same_run_twice() {
    let hashes: Vec<String> = (0..5).map(pinned_run).collect();
    let again: Vec<String> = (0..5).map(pinned_run).collect();
    assert_eq!(hashes, again);
    assert_ne!(hashes[0], hashes[1]);
}

#[test]
fn the_trace_of_seed_7_is_printed() {
    println!("\ntrace={}", pinned_run(7));
}

/// Runs the test above in processes of their own.
#[test]
fn a_seed_is_the_same_run_in_another_process() {
    let here = pinned_run(7);
    for _ in 0..2 {
        let output = std::process::Command::new(std::env::current_exe().expect("it runs"))
            .args(["--exact", "the_trace_of_seed_7_is_printed", "--nocapture"])
            .output()
            .expect("the test runs itself");
        let printed = String::from_utf8(output.stdout).expect("text");
        let there = printed.lines().find_map(|line| line.strip_prefix("trace=")).expect("it was printed");
        assert_eq!(there, here);
    }
}
