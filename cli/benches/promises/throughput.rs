//! What a writer at full speed loses to the daemon beside it: alternating rounds with and without.

use super::daemon::{BUCKET, Daemon, Store};
use super::figure::Durations;
use super::writer;
use std::time::{Duration, Instant};
use tests::s3::S3Server;

const ROUNDS: usize = 4;
const ROUND: Duration = Duration::from_secs(6);
/// Rows of a transaction: a batch writer.
const BATCH_ROWS: usize = 100;

pub(crate) fn measure() {
    let (mut alone, mut beside) = (Side::default(), Side::default());
    for _ in 0..ROUNDS {
        round(false, &mut alone);
        round(true, &mut beside);
    }
    println!("alone:  {:.0} rows/s, commits {}", alone.rows_per_second(), alone.commits);
    println!("beside: {:.0} rows/s, commits {}", beside.rows_per_second(), beside.commits);
    let p99 = |side: &Side| side.commits.percentile(99).as_secs_f64();
    let rows = beside.rows_per_second() / alone.rows_per_second();
    println!("throughput {rows:.3} of alone; commit p99 {:.2} times", p99(&beside) / p99(&alone));
}

#[derive(Default)]
struct Side {
    rows: usize,
    seconds: f64,
    commits: Durations,
}

impl Side {
    fn rows_per_second(&self) -> f64 {
        self.rows as f64 / self.seconds
    }
}

fn round(with_daemon: bool, side: &mut Side) {
    let folder = tempfile::tempdir().expect("a scratch folder");
    let database = folder.path().join("app.db");
    let server = S3Server::start(&[BUCKET]);
    let mut connection = writer::open(&database);
    let store = Store::S3(&server);
    let daemon = with_daemon.then(|| Daemon::watch(&database, &store, &[]));
    while with_daemon && server.keys(BUCKET).len() < 3 {
        std::thread::sleep(Duration::from_millis(5));
    }
    let started = Instant::now();
    while started.elapsed() < ROUND {
        let transaction = connection.transaction().expect("a free connection");
        for _ in 0..BATCH_ROWS {
            writer::insert(&transaction, 300);
        }
        let commit = Instant::now();
        transaction.commit().expect("nobody holds the lock for that long");
        side.commits.push(commit.elapsed());
        side.rows += BATCH_ROWS;
    }
    side.seconds += started.elapsed().as_secs_f64();
    drop(daemon);
}
