//! What is said about an event: a line in the log, and under `--json` a line on standard output.

use super::account::Account;
use crate::config::{Collision, DatabaseSpec};
use crate::exit::Failure;
use crate::output::{Printer, format_timestamp};
use engine::replicate::{HealReason, Notice, SourceId, Status};
use engine::types::Pgno;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// Says what happens. Trouble with the store is said once, and then at most so often per database.
#[derive(Debug)]
pub(super) struct Events {
    /// Lines on standard output under `--json`.
    lines: bool,
    store_trouble: BTreeMap<SourceId, (Instant, u32)>,
}

const STORE_TROUBLE_EVERY: Duration = Duration::from_secs(30);

impl Events {
    /// `lines`: under `--json` with lines on standard output, which are the answer.
    pub(super) fn new(lines: bool) -> Events {
        Events { lines, store_trouble: BTreeMap::new() }
    }

    /// Says what a notice means. `failure`: what it means for the end, where it does.
    ///
    /// # Errors
    /// Standard output does not take the line.
    pub(super) fn tell(
        &mut self,
        id: SourceId,
        account: &Account,
        notice: &Notice,
        failure: Option<&Failure>,
        printer: &Printer,
        now: Instant,
    ) -> Result<(), Failure> {
        self.log(id, account, notice, failure, now);
        if self.lines && printer.is_json() {
            printer.document(&document(account, notice, failure))?;
        }
        Ok(())
    }

    fn log(
        &mut self,
        id: SourceId,
        account: &Account,
        notice: &Notice,
        failure: Option<&Failure>,
        now: Instant,
    ) {
        let database = account.name.as_str();
        if let Some(failure) = failure {
            let causes = failure.causes().join(": ");
            tracing::error!(database, causes, hint = failure.hint_text(), "{}", failure.headline());
            return;
        }
        match notice {
            Notice::Status(Status::Following) => {
                self.store_trouble.remove(&id);
                tracing::info!(database, "following");
            }
            // Said with what the store has.
            Notice::Status(Status::Stopped) => {}
            Notice::Status(status) => tracing::info!(database, "{}", state(*status)),
            Notice::Durable { txid, .. } => tracing::debug!(database, %txid, "durable"),
            Notice::Synced { txid, .. } => tracing::debug!(database, %txid, "synced on request"),
            Notice::EnteredWalMode => tracing::info!(database, "entered WAL mode"),
            Notice::Healed { reason, txid, pages, of } => {
                tracing::info!(database, %txid, "{}: {pages} of {of} pages go up", why(*reason));
            }
            Notice::Store { error, key, attempt } => {
                if let Some(unsaid) = self.is_due(id, now) {
                    tracing::warn!(database, key, attempt, unsaid, %error, "trouble with the store, trying again");
                }
            }
            Notice::Source { error, .. } => tracing::warn!(database, %error, "trouble with the database"),
            Notice::LogLetGo { wal_bytes, wal_bytes_max } => tracing::warn!(
                %database, wal_bytes, wal_bytes_max,
                "the log has become too long while the store takes nothing: let go of it; what changed is compared when the store is back"
            ),
            Notice::BudgetSpent { bytes_max } => tracing::warn!(
                database,
                "changes wait in the WAL: {bytes_max} bytes of them in memory are not uploaded yet"
            ),
            Notice::ClockBehind { head, ahead } => tracing::warn!(
                database,
                head = format_timestamp(*head),
                hint = CLOCK_HINT,
                "the newest slot is {} s ahead of this host's clock",
                ahead.as_secs()
            ),
            Notice::State { message } => {
                tracing::warn!(database, "the local state cannot be kept: {message}")
            }
            Notice::Corrupt { key, message } => tracing::error!(database, key, "damaged: {message}"),
            Notice::Compacted { object, inputs, bytes } => {
                tracing::debug!(database, %object, inputs, bytes, "compacted");
            }
            Notice::ObjectDamaged { key, message } => {
                tracing::error!(database, key, "damaged: {message}");
            }
            Notice::CompactionStopped { level, stop } => {
                tracing::error!(database, %level, "cannot be compacted any further: {stop}");
            }
            Notice::Retained { objects, bytes, points, refused } => {
                if *refused > 0 {
                    tracing::warn!(database, refused, "the store does not let these credentials delete");
                }
                tracing::debug!(database, objects, bytes, points, "deleted what the policy does not keep");
            }
            Notice::RetentionStopped { trouble } => {
                tracing::error!(database, "nothing is deleted around it: {trouble}");
            }
            Notice::Snapshot { txid, size_bytes: Some(size_bytes), .. } => {
                tracing::info!(database, %txid, size_bytes, "snapshot");
            }
            Notice::Snapshot { txid, size_bytes: None, .. } => {
                tracing::info!(database, %txid, "nothing has changed since this snapshot");
            }
            Notice::SnapshotRefused { pages, count } => tracing::error!(
                database,
                pages = page_numbers(pages, *count),
                hint = ROT_HINT,
                "no snapshot: {count} pages of the database file are not what was written: bit rot"
            ),
            Notice::SnapshotFailed { why } => tracing::warn!(database, "no snapshot this time: {why}"),
            Notice::SnapshotDue { at } => {
                tracing::debug!(database, at = at.map(format_timestamp), "next snapshot");
            }
            Notice::Stopped { durable, complete } => {
                let txid = durable.map(tracing::field::display);
                tracing::info!(database, txid, complete, "stopped");
            }
            Notice::Fenced(_) | Notice::TooNew { .. } | Notice::OfLitestream03 => {}
        }
    }

    /// Whether trouble is said now, and how often it was not since the last time.
    fn is_due(&mut self, id: SourceId, now: Instant) -> Option<u32> {
        match self.store_trouble.get_mut(&id) {
            Some((said, unsaid)) if now.duration_since(*said) < STORE_TROUBLE_EVERY => {
                *unsaid += 1;
                None
            }
            Some((said, unsaid)) => {
                *said = now;
                Some(std::mem::take(unsaid))
            }
            None => {
                self.store_trouble.insert(id, (now, 0));
                Some(0)
            }
        }
    }
}

/// The JSON line of a notice.
pub(super) fn document(account: &Account, notice: &Notice, failure: Option<&Failure>) -> Value {
    let mut line = match notice {
        Notice::Status(status) => json!({ "event": "status", "state": state(*status) }),
        Notice::Durable { txid, timestamp } => {
            json!({ "event": "durable", "txid": txid.to_string(), "timestamp": format_timestamp(*timestamp) })
        }
        Notice::Synced { txid, .. } => json!({ "event": "synced", "txid": txid.to_string() }),
        Notice::EnteredWalMode => json!({ "event": "entered_wal_mode" }),
        Notice::Healed { reason, txid, pages, of } => json!({
            "event": "healed", "txid": txid.to_string(), "reason": why(*reason), "pages": pages, "of": of,
        }),
        Notice::Fenced(fenced) => json!({
            "event": "fenced",
            "txid": fenced.txid.to_string(),
            "by": fenced.by.map(|id| id.to_string()),
            "host": fenced.host,
            "claimed_by": fenced.claimed_by,
            "timestamp": fenced.at.map(format_timestamp),
            "identical": fenced.identical,
            "copied_state": fenced.copied_state,
            "restored_txid": fenced.restored.map(|from| from.txid.to_string()),
            "restored_is_newest": fenced.restored.map(|from| from.is_newest),
        }),
        Notice::Source { error, fatal } => {
            json!({ "event": "database_trouble", "error": error.to_string(), "fatal": fatal })
        }
        Notice::Store { error, key, attempt } => {
            json!({ "event": "store_trouble", "error": error.to_string(), "object": key, "attempt": attempt })
        }
        Notice::LogLetGo { wal_bytes, wal_bytes_max } => {
            json!({ "event": "log_let_go", "wal_bytes": wal_bytes, "max_wal_bytes": wal_bytes_max })
        }
        Notice::BudgetSpent { bytes_max } => json!({ "event": "budget_spent", "bytes_max": bytes_max }),
        Notice::ClockBehind { head, ahead } => json!({
            "event": "clock_behind", "head": format_timestamp(*head), "ahead_seconds": ahead.as_secs(), "hint": CLOCK_HINT,
        }),
        Notice::State { message } => json!({ "event": "state_trouble", "error": message }),
        Notice::Corrupt { key, message } => json!({ "event": "corrupt", "object": key, "error": message }),
        Notice::Compacted { object, inputs, bytes } => {
            json!({ "event": "compacted", "object": object.to_string(), "inputs": inputs, "size_bytes": bytes })
        }
        Notice::ObjectDamaged { key, message } => {
            json!({ "event": "object_damaged", "object": key, "error": message })
        }
        Notice::CompactionStopped { level, stop } => {
            json!({ "event": "compaction_stopped", "level": level.get(), "error": stop.to_string() })
        }
        Notice::Retained { objects, bytes, points, refused } => json!({
            "event": "retained", "objects": objects, "size_bytes": bytes, "points_removed": points, "refused": refused,
        }),
        Notice::RetentionStopped { trouble } => {
            json!({ "event": "retention_stopped", "error": trouble.to_string() })
        }
        Notice::TooNew { format } => json!({ "event": "too_new", "format": format }),
        Notice::OfLitestream03 => json!({ "event": "of_litestream_0_3" }),
        Notice::Snapshot { txid, timestamp, size_bytes } => json!({
            "event": "snapshot", "txid": txid.to_string(), "timestamp": format_timestamp(*timestamp), "size_bytes": size_bytes,
        }),
        Notice::SnapshotRefused { pages, count } => json!({
            "event": "snapshot_refused",
            "pages": pages.iter().map(|pgno| pgno.into_inner()).collect::<Vec<_>>(),
            "pages_count": count,
            "hint": ROT_HINT,
        }),
        Notice::SnapshotFailed { why } => json!({ "event": "snapshot_failed", "error": why.to_string() }),
        Notice::SnapshotDue { at } => json!({ "event": "snapshot_due", "at": at.map(format_timestamp) }),
        Notice::Stopped { durable, complete } => json!({
            "event": "stopped", "durable_txid": durable.map(|txid| txid.to_string()), "complete": complete,
        }),
    };
    line["database"] = json!(account.name);
    if let Some(failure) = failure {
        line["hint"] = json!(failure.hint_text());
    }
    line
}

/// Says that a file that appeared is not replicated, because another one has its place; why, in words.
///
/// # Errors
/// Standard output does not take the line.
pub(super) fn refused(collision: &Collision, printer: &Printer) -> Result<String, Failure> {
    let Collision { place, first, second } = collision;
    let (first, second) = (first.path.display(), second.path.display());
    let error = format!("its place is the one of {first}");
    tracing::error!(
        database = %place,
        path = %second,
        causes = error,
        hint = REFUSED_HINT,
        "the file is not replicated"
    );
    if !printer.is_json() {
        return Ok(error);
    }
    printer.document(&json!({
        "event": "refused",
        "database": place.to_string(),
        "path": second.to_string(),
        "state": state(Status::Failed),
        "error": error,
        "hint": REFUSED_HINT,
    }))?;
    Ok(error)
}

/// Says that a file that appeared is not replicated, because as many are open as may be; why, in words.
///
/// # Errors
/// Standard output does not take the line.
pub(super) fn no_room(spec: &DatabaseSpec, open_max: u64, printer: &Printer) -> Result<String, Failure> {
    let (database, path) = (spec.place.to_string(), spec.path.display().to_string());
    let error = format!("limits.open_databases is {open_max}, and so many are open");
    tracing::error!(database, path, causes = error, hint = NO_ROOM_HINT, "the file is not replicated");
    if !printer.is_json() {
        return Ok(error);
    }
    let state = state(Status::Failed);
    printer.document(&json!({
        "event": "refused", "database": database, "path": path, "state": state, "error": error, "hint": NO_ROOM_HINT,
    }))?;
    Ok(error)
}

const NO_ROOM_HINT: &str = "raise limits.open_databases, then reload: kill -HUP PID";

const CLOCK_HINT: &str = "look at the clock (`timedatectl`): until it is past that time, new slots get the time of the newest and a little";

pub(super) const ROT_HINT: &str = "look at the disk, and at the database with `PRAGMA integrity_check`; the store has what was written: `walsync restore` it beside the database and compare";

/// As many as are named.
pub(super) fn page_numbers(pages: &[Pgno], count: u32) -> String {
    let named: Vec<String> = pages.iter().map(Pgno::to_string).collect();
    let more = if (named.len() as u64) < u64::from(count) { ", ..." } else { "" };
    named.join(", ") + more
}

const REFUSED_HINT: &str = "give each `[[databases]]` entry a `prefix` or `name` of its own";

/// The word for a state, as `status` shows it.
pub(super) fn state(status: Status) -> &'static str {
    match status {
        Status::Starting => "starting",
        Status::Following => "following",
        Status::Degraded => "degraded",
        Status::Fenced => "fenced",
        Status::Missing => "missing",
        Status::Failed => "failed",
        Status::Stopped => "stopped",
    }
}

fn why(reason: HealReason) -> &'static str {
    match reason {
        HealReason::FirstImage => "first image",
        HealReason::LogGone => "the log went on without us",
        HealReason::StoreAhead => "the database was behind the store",
        HealReason::Replaced => "the files were replaced or written to without us",
        HealReason::PageSize => "the page size changed",
        HealReason::Adopted => "an earlier sync is in the store although its answer was lost",
        HealReason::HeadLost => "the newest objects of the place were gone",
        HealReason::TakeOver => "took the place over",
        HealReason::Overwritten => "the newest object was overwritten by somebody else",
    }
}
