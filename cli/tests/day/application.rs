//! The application of the day: what it commits, and when.

use engine::store::Sha256;
use rusqlite::{Connection, MAIN_DB};
use std::path::Path;
use std::time::Duration;
use tests::sequence::Sequence;

/// An application with a database in WAL mode, in the same process and on the same thread: while it commits, nothing else
/// happens.
pub(crate) struct Application {
    connection: Connection,
    random: Sequence,
    commits: usize,
}

impl Application {
    pub(crate) fn start(path: &Path, seed: u64) -> Application {
        let connection = Connection::open(path).unwrap();
        connection
            .execute_batch("PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; CREATE TABLE t(id INTEGER PRIMARY KEY, x, y); CREATE INDEX i ON t(x)")
            .unwrap();
        let mut application = Application { connection, random: Sequence::new(seed), commits: 0 };
        application.insert(60);
        application
    }

    /// One transaction, which changes something. Rows come and go, so that the file neither grows without end nor keeps
    /// its pages where they are; every 150th shortens it.
    pub(crate) fn commit(&mut self) {
        self.commits += 1;
        let rows: i64 = self.connection.query_row("SELECT count(*) FROM t", [], |row| row.get(0)).unwrap();
        let rows = rows.unsigned_abs();
        match self.random.below(10) {
            _ if self.commits.is_multiple_of(150) => {
                self.execute("DELETE FROM t WHERE id % 3 > 0", &[]);
                self.connection.execute_batch("VACUUM").unwrap();
            }
            _ if rows > 240 => {
                let rest = self.random.below(4);
                self.execute("DELETE FROM t WHERE id % 4 = ?1", &[rest]);
            }
            0..5 => {
                let count = 1 + self.random.below(6);
                self.insert(count);
            }
            _ => {
                let (bytes, least) = (1 + self.random.below(1500), self.random.below(rows));
                let sql = "UPDATE t SET x = random(), y = randomblob(?1) WHERE id IN (SELECT id FROM t LIMIT 2 OFFSET ?2)";
                self.execute(sql, &[bytes, least]);
            }
        }
    }

    /// What the file holds, as this application sees it: every byte.
    pub(crate) fn content(&mut self) -> Sha256 {
        Sha256::of(&self.connection.serialize(MAIN_DB).unwrap())
    }

    /// How long until it commits again, in this hour of the day. Some hours are idle, some quiet, some busy, the last ones
    /// too; who is busy commits several times within half a minute, then rests for minutes.
    pub(crate) fn pause(&mut self, hour: i64) -> Duration {
        let is_busy = matches!(hour, 0 | 5 | 9 | 13 | 20..);
        let (from_s, to_s) = match hour {
            _ if is_busy && self.random.below(3) > 0 => (2, 20),
            _ if is_busy => (40, 300),
            2 | 6 | 7 | 11 | 15 | 17..20 => (60, 900),
            _ => (1800, 3600),
        };
        Duration::from_secs(from_s + self.random.below(to_s - from_s))
    }

    /// Whether it commits once more at once, so that one sync holds several commits.
    pub(crate) fn goes_on(&mut self) -> bool {
        self.random.below(4) == 0
    }

    fn insert(&mut self, count: u64) {
        for _ in 0..count {
            let bytes = 1 + self.random.below(1500);
            self.execute("INSERT INTO t(x, y) VALUES (random(), randomblob(?1))", &[bytes]);
        }
    }

    fn execute(&mut self, sql: &str, values: &[u64]) {
        let values = values.iter().map(|value| i64::try_from(*value).unwrap());
        self.connection.execute(sql, rusqlite::params_from_iter(values)).unwrap();
    }
}
