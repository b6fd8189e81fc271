//! Listings: tables for people, the documented JSON for programs.

use crate::exit::Failure;
use crate::output::{Printer, format_timestamp, human_size, table};
use engine::key::{ObjectInfo, PlaceListing};
use engine::restore::Point;
use engine::types::{Level, Txid};
use serde::Serialize;

/// One database of a store.
#[derive(Serialize)]
pub(super) struct DatabaseLine {
    pub(super) name: String,
    min_txid: Option<String>,
    max_txid: Option<String>,
    updated_at: Option<String>,
    snapshots: usize,
    objects: usize,
    size_bytes: u64,
}

/// One object.
#[derive(Serialize)]
pub(super) struct ObjectLine {
    level: u8,
    min_txid: String,
    max_txid: String,
    size_bytes: u64,
    created_at: String,
}

impl DatabaseLine {
    /// From what a place holds, and what restores of it.
    pub(super) fn of(name: String, listing: &PlaceListing, points: &[Point]) -> DatabaseLine {
        let newest = listing.objects().iter().filter(|object| Some(object.key.max()) == listing.head());
        let txid = |point: Option<&Point>| point.map(|point| point.txid.to_string());
        DatabaseLine {
            name,
            min_txid: txid(points.first()),
            max_txid: txid(points.last()),
            // Compactions of the newest state came later than the state.
            updated_at: newest.map(|object| object.modified).min().map(format_timestamp),
            snapshots: listing.level(Level::SNAPSHOT).len(),
            objects: listing.objects().len(),
            size_bytes: size_bytes(listing.objects()),
        }
    }
}

impl ObjectLine {
    pub(super) fn of(info: &ObjectInfo) -> ObjectLine {
        ObjectLine {
            level: info.key.level().get(),
            min_txid: info.key.min().to_string(),
            max_txid: info.key.max().to_string(),
            size_bytes: info.size_bytes,
            created_at: format_timestamp(info.modified),
        }
    }
}

/// All databases of a store.
pub(super) fn databases(printer: &Printer, store: &str, lines: &[DatabaseLine]) -> Result<(), Failure> {
    if printer.is_json() {
        return printer.document(&Databases { databases: lines });
    }
    if lines.is_empty() {
        printer.note(format!("{store} holds no database"));
        return Ok(());
    }
    let head = ["NAME", "OLDEST POINT", "NEWEST POINT", "UPDATED", "SNAPSHOTS", "OBJECTS", "SIZE"];
    let rows = lines.iter().map(|line| {
        [
            line.name.clone(),
            line.min_txid.clone().unwrap_or_else(none),
            line.max_txid.clone().unwrap_or_else(none),
            line.updated_at.clone().unwrap_or_else(none),
            line.snapshots.to_string(),
            line.objects.to_string(),
            human_size(line.size_bytes),
        ]
    });
    printer.data(table(head, rows, 4))
}

/// One database.
pub(super) fn database(
    printer: &Printer,
    name: String,
    listing: &PlaceListing,
    points: &[Point],
    with_points: bool,
) -> Result<(), Failure> {
    let objects: Vec<ObjectLine> = listing.objects().iter().map(ObjectLine::of).collect();
    if printer.is_json() {
        let line = DatabaseLine::of(name, listing, points);
        let points = with_points.then(|| points.iter().map(PointLine::of).collect());
        let updated_at = line.updated_at;
        let snapshots = line.snapshots;
        return printer.document(&Document { name: line.name, updated_at, snapshots, points, objects });
    }
    if with_points {
        let rows = points.iter().map(|point| [point.txid.to_string(), time_of(point).unwrap_or_else(none)]);
        return printer.data(table(["TXID", "TIME"], rows, 2));
    }
    let snapshots = listing.level(Level::SNAPSHOT).iter().map(|snapshot| {
        let key = snapshot.key;
        [key.max().to_string(), format_timestamp(snapshot.modified), human_size(snapshot.size_bytes)]
    });
    let levels = Level::all().filter(|level| !listing.level(*level).is_empty()).map(|level| {
        let objects = listing.level(level);
        let txid = |txid: Option<Txid>| txid.map_or_else(none, |txid| txid.to_string());
        [
            level.to_string(),
            txid(objects.iter().map(|object| object.key.min()).min()),
            txid(objects.iter().map(|object| object.key.max()).max()),
            objects.len().to_string(),
            human_size(size_bytes(objects)),
        ]
    });
    let snapshots = table(["SNAPSHOT", "TAKEN", "SIZE"], snapshots, 2);
    let levels = table(["LEVEL", "FIRST TXID", "LAST TXID", "OBJECTS", "SIZE"], levels, 3);
    let restorable = match (points.first(), points.last()) {
        (Some(first), Some(last)) => {
            format!("{} restore points, {} to {}", points.len(), first.txid, last.txid)
        }
        _ => "no restore point".to_owned(),
    };
    printer.data(format!("{name}\n\n{snapshots}\n\n{levels}\n\n{restorable}"))?;
    printer.note("all of them: --points");
    Ok(())
}

#[derive(Serialize)]
struct Databases<'a> {
    databases: &'a [DatabaseLine],
}

#[derive(Serialize)]
struct Document {
    name: String,
    updated_at: Option<String>,
    snapshots: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    points: Option<Vec<PointLine>>,
    objects: Vec<ObjectLine>,
}

#[derive(Serialize)]
struct PointLine {
    txid: String,
    timestamp: Option<String>,
}

impl PointLine {
    fn of(point: &Point) -> PointLine {
        PointLine { txid: point.txid.to_string(), timestamp: time_of(point) }
    }
}

fn time_of(point: &Point) -> Option<String> {
    point.time.map(format_timestamp)
}

fn size_bytes(objects: &[ObjectInfo]) -> u64 {
    objects.iter().map(|object| object.size_bytes).fold(0, u64::saturating_add)
}

fn none() -> String {
    "-".to_owned()
}
