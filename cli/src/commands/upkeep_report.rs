//! What `compact` and `cleanup` did, or would do: lines for people, the documented JSON for programs.

use super::find::Found;
use crate::config::{StoreSettings, StoreUrl};
use crate::exit::{Failure, Kind};
use crate::output::{Printer, format_timestamp, human_size};
use engine::key::{Layout, ObjectKey};
use engine::replicate::Outcome;
use engine::types::Level;
use serde::Serialize;

/// What came of one place.
pub(super) struct Kept {
    actions: Vec<Action>,
    points_removed: Vec<PointLine>,
    /// What keeps it from being done.
    troubles: Vec<String>,
    refused: usize,
    gave_up: bool,
}

#[derive(Serialize)]
struct Document<'a> {
    dry_run: bool,
    actions: Vec<&'a Action>,
    points_removed: Vec<&'a PointLine>,
}

#[derive(Serialize)]
struct Action {
    action: &'static str,
    /// The whole key below the store's root.
    object: String,
    reason: String,
    size_bytes: u64,
}

#[derive(Serialize)]
struct PointLine {
    name: String,
    txid: String,
    timestamp: Option<String>,
    reason: &'static str,
}

impl Kept {
    pub(super) fn of(found: &Found, store: &StoreSettings, outcome: Outcome) -> Kept {
        let layout = match store.url {
            StoreUrl::S3 { .. } => Layout::S3,
            StoreUrl::File { .. } => Layout::Tree,
        };
        let key = |key: ObjectKey| found.place.object_key(layout, key);
        let Outcome { compacted, stops, retention, deleted, refused, gave_up, .. } = outcome;
        let mut actions: Vec<Action> = compacted
            .iter()
            .map(|made| Action {
                action: "write",
                object: key(made.output),
                reason: format!(
                    "merged from {} of level {}",
                    counted(made.inputs.len(), "object"),
                    made.inputs.iter().map(|input| input.key.level()).max().expect("it has inputs")
                ),
                size_bytes: made.inputs.iter().map(|input| input.size_bytes).sum(),
            })
            .collect();
        let mut troubles: Vec<String> = stops
            .iter()
            .map(|(level, stop)| format!("level {level} cannot be made any further: {stop}"))
            .collect();
        let mut points_removed = Vec::new();
        if let Some(retention) = retention {
            let name = &found.name;
            actions.extend(retention.decisions.iter().map(|decision| Action {
                action: if decision.is_delete() { "delete" } else { "keep" },
                object: key(decision.info.key),
                reason: decision.action.to_string(),
                size_bytes: decision.info.size_bytes,
            }));
            troubles.extend(
                retention.troubles.iter().map(|trouble| format!("nothing goes around it: {trouble}")),
            );
            let is_done = retention.deletes().all(|decision| deleted.contains(&decision.info.key));
            let points = if is_done || deleted.is_empty() { &retention.points_removed[..] } else { &[] };
            points_removed.extend(points.iter().map(|point| PointLine {
                name: name.clone(),
                txid: point.txid.to_string(),
                timestamp: point.time.map(format_timestamp),
                reason: match point.timed_by.level() {
                    Level::L0 => "a single sync, compacted longer ago than `l0`",
                    _ => "older than `pitr`, and the last of no hour, day, week or month that is kept",
                },
            }));
        }
        Kept { actions, points_removed, troubles, refused, gave_up }
    }
}

/// Prints what came of all databases.
///
/// # Errors
/// Exit 1 where something in a place keeps it from being done, exit 3 where the store refused; a database that could not be
/// looked at, its own failure, if that is worse.
pub(super) fn print(
    printer: &Printer,
    dry_run: bool,
    all: Vec<(String, Result<Kept, Failure>)>,
) -> Result<(), Failure> {
    let kept: Vec<(&String, &Kept)> =
        all.iter().filter_map(|(name, kept)| Some((name, kept.as_ref().ok()?))).collect();
    if printer.is_json() {
        printer.document(&Document {
            dry_run,
            actions: kept.iter().flat_map(|(_, kept)| &kept.actions).collect(),
            points_removed: kept.iter().flat_map(|(_, kept)| &kept.points_removed).collect(),
        })?;
    } else {
        for (name, kept) in &kept {
            text(printer, dry_run, name, kept)?;
        }
    }
    let failures = all.iter().filter_map(|(name, kept)| match kept {
        Err(failure) => Some(failure.clone()),
        Ok(kept) => kept.failure(name),
    });
    let mut failures: Vec<Failure> = failures.collect();
    failures.sort_by_key(Failure::kind);
    let Some(worst) = failures.pop() else { return Ok(()) };
    failures.iter().for_each(|failure| printer.failure(failure));
    Err(worst)
}

impl Kept {
    fn failure(&self, name: &str) -> Option<Failure> {
        if self.refused > 0 {
            let what = format!("the store refused to delete {}", counted(self.refused, "object"));
            return Some(
                Failure::new(Kind::Unavailable, what)
                    .database(name)
                    .cause("these credentials may not delete")
                    .hint("allow s3:DeleteObject, or leave it to a host that may"),
            );
        }
        if self.gave_up {
            let what = "the place changed again and again while it was looked at";
            return Some(Failure::new(Kind::Unavailable, what).database(name).hint("run the command again"));
        }
        let failure = Failure::no("something in the place is wrong").database(name);
        (!self.troubles.is_empty()).then(|| {
            let failure = self.troubles.iter().fold(failure, |failure, trouble| failure.cause(trouble));
            failure.hint(format!("walsync verify {name}"))
        })
    }
}

fn text(printer: &Printer, dry_run: bool, name: &str, kept: &Kept) -> Result<(), Failure> {
    let shown = kept.actions.iter().filter(|action| dry_run || action.action != "keep");
    let lines: Vec<String> = shown
        .map(|Action { action, object, reason, .. }| format!("{action:<6}  {object}  {reason}"))
        .collect();
    if !lines.is_empty() {
        printer.data(lines.join("\n"))?;
    }
    for point in &kept.points_removed {
        let time = point.timestamp.as_deref().unwrap_or("of unknown time");
        printer.data(format!("point   {}  {}  {time}  {}", point.name, point.txid, point.reason))?;
    }
    let of = |word: &str| {
        let all = kept.actions.iter().filter(|action| action.action == word);
        (all.clone().count(), all.map(|action| action.size_bytes).sum::<u64>())
    };
    let ((deletes, bytes), (writes, _)) = (of("delete"), of("write"));
    let would = if dry_run { "would be " } else { "" };
    printer.note(format!(
        "{name}: {} {would}written, {} ({}) {would}deleted, {} {would}gone",
        counted(writes, "object"),
        counted(deletes, "object"),
        human_size(bytes),
        counted(kept.points_removed.len(), "point"),
    ));
    Ok(())
}

fn counted(count: usize, thing: &str) -> String {
    if count == 1 { format!("1 {thing}") } else { format!("{count} {thing}s") }
}
