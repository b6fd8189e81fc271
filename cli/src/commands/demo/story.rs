//! The tour, step by step.

use super::daemon::Daemon;
use super::scratch::{Scratch, Stop};
use super::writer::{Writer, audit};
use crate::exit::{Failure, Kind};
use crate::output::human_size;
use serde::Serialize;
use std::time::Instant;
use tokio::sync::mpsc::UnboundedSender;

/// The tour under way.
pub(super) struct Story {
    scratch: Scratch,
    steps: UnboundedSender<String>,
    began: Instant,
}

/// What it showed.
#[derive(Debug, Serialize)]
pub(super) struct Outcome {
    /// Transactions of the application.
    transactions: u64,
    /// The newest point.
    txid: String,
    /// Whether the restored file equals the source, byte for byte.
    identical: bool,
    /// `PRAGMA integrity_check` of the restored file.
    integrity_check: &'static str,
    /// The earlier point.
    earlier_txid: String,
    /// Transactions in it.
    earlier_transactions: u64,
    /// How long it took.
    elapsed_ms: u64,
}

impl Story {
    pub(super) fn begin(stop: Stop, steps: UnboundedSender<String>) -> Result<Story, Failure> {
        Ok(Story { scratch: Scratch::new(stop)?, steps, began: Instant::now() })
    }

    pub(super) fn tell(self) -> Result<Outcome, Failure> {
        self.say(format!(
            "A tour of walsync, in {}. Nothing outside of it is touched.\n",
            self.scratch.dir().display()
        ));
        let writer = Writer::start(&self.scratch.path("app.db"))?;
        self.say(
            "1. An application writes to app.db, an ordinary SQLite database: transfers between accounts.",
        );

        let mut daemon = Daemon::start(&self.scratch)?;
        self.say("2. walsync watch app.db --store ./store   replicates it while it is written to.");
        self.wait_for_syncs(&mut daemon)?;
        self.say(format!("   {} transactions so far, {} syncs durable.", writer.commits(), daemon.durable()));

        daemon.kill()?;
        let at_kill = writer.commits();
        self.say("3. kill -9: the daemon is gone, in the middle of it. The application does not notice.");
        self.scratch.until("the application went on", || Ok(writer.commits() >= at_kill + 100))?;
        let mut daemon = Daemon::start(&self.scratch)?;
        self.wait_for_syncs(&mut daemon)?;
        let missed = writer.commits() - at_kill;
        self.say(format!("   Started again, it caught up with {missed} transactions that it had not seen."));

        let (earlier_txid, earlier, earlier_time) = self.note_a_point(&writer)?;
        self.say(format!(
            "4. A moment to remember: {earlier} transactions at {earlier_time}, TXID {earlier_txid}."
        ));
        writer.hold(false);
        self.scratch.until("the application went on", || Ok(writer.commits() >= earlier + 100))?;

        writer.hold(true);
        self.scratch.until("the application paused", || Ok(writer.is_holding()))?;
        let status = daemon.end()?;
        if !status.success() {
            let failure = Failure::new(Kind::Unavailable, format!("walsync watch: {status}"));
            return Err(failure.cause(self.scratch.last_line("watch.log")));
        }
        let transactions = writer.finish()?;
        self.say(format!("5. The application ends after {transactions} transactions, walsync on SIGTERM."));

        let restored = self.scratch.run(&["restore", "app", "-o", "restored.db", "--verify", "full"])?;
        let txid = text(&restored, "txid");
        self.compare("restored.db", "app.db")?;
        let rows = audit(&self.scratch.path("restored.db"))?;
        self.expect(rows, transactions)?;
        let size = human_size(restored["size_bytes"].as_u64().unwrap_or_default());
        self.say(format!(
            "6. walsync restore app -o restored.db   TXID {txid}, {size}:\n   equal to app.db byte for byte, \
             {rows} transactions, integrity_check ok."
        ));

        self.scratch.run(&["restore", "app", "-o", "then.db", "--timestamp", &earlier_time])?;
        self.compare("then.db", "earlier.db")?;
        self.expect(audit(&self.scratch.path("then.db"))?, earlier)?;
        self.say(format!(
            "7. walsync restore app -o then.db --timestamp {earlier_time}\n   equal to what was there at that \
             moment: {earlier} transactions."
        ));
        let elapsed = self.began.elapsed();
        self.say(format!(
            "\nDone in {:.1} s. Now yours: walsync watch app.db --store s3://BUCKET/PREFIX",
            elapsed.as_secs_f32()
        ));
        Ok(Outcome {
            transactions,
            txid,
            identical: true,
            integrity_check: "ok",
            earlier_txid,
            earlier_transactions: earlier,
            elapsed_ms: u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX),
        })
    }

    /// Waits until the daemon has made a few syncs durable.
    fn wait_for_syncs(&self, daemon: &mut Daemon) -> Result<(), Failure> {
        self.scratch.until("the daemon had synced", || {
            daemon.check(&self.scratch)?;
            Ok(daemon.durable() >= SYNCS)
        })
    }

    /// Pauses the application until the store has all of it: TXID, transactions and time of that state, which
    /// is kept as `earlier.db`.
    fn note_a_point(&self, writer: &Writer) -> Result<(String, u64, String), Failure> {
        writer.hold(true);
        self.scratch.until("the application paused", || Ok(writer.is_holding()))?;
        let transactions = writer.commits();
        let mut found = serde_json::Value::Null;
        self.scratch.until("the store had all of it", || {
            found = self.scratch.run(&["restore", "app", "-o", "earlier.db", "--force"])?;
            Ok(audit(&self.scratch.path("earlier.db"))? == transactions)
        })?;
        Ok((text(&found, "txid"), transactions, text(&found, "timestamp")))
    }

    fn compare(&self, left: &str, right: &str) -> Result<(), Failure> {
        let read = |name: &str| {
            let bytes = std::fs::read(self.scratch.path(name));
            bytes.map_err(|error| {
                Failure::new(Kind::Unavailable, format!("{name} cannot be read")).because(&error)
            })
        };
        if read(left)? == read(right)? {
            return Ok(());
        }
        Err(Failure::new(Kind::Corrupt, format!("{left} differs from {right}")))
    }

    fn expect(&self, rows: u64, transactions: u64) -> Result<(), Failure> {
        if rows == transactions {
            return Ok(());
        }
        Err(Failure::new(Kind::Corrupt, format!("{rows} transactions were restored, not {transactions}")))
    }

    fn say(&self, step: impl Into<String>) {
        // Nobody listens any more when the command was interrupted.
        let _ = self.steps.send(step.into());
    }
}

fn text(document: &serde_json::Value, key: &str) -> String {
    document[key].as_str().unwrap_or_default().to_owned()
}

/// Enough to be in the middle of something.
const SYNCS: u64 = 4;
