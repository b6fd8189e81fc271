//! What a restore says in the end: as text for people, as the documented JSON for programs.

use super::list_report::ObjectLine;
use crate::args::Verify;
use crate::exit::Failure;
use crate::output::{Printer, format_timestamp, human_size};
use engine::restore::Plan;
use io_real::restore::{Proof, Restored};
use serde::Serialize;
use std::path::Path;
use std::time::Duration;

/// A database was restored.
pub(super) fn restored(
    printer: &Printer,
    name: &str,
    output: &Path,
    verify: Verify,
    (done, elapsed): (&Restored, Duration),
) -> Result<(), Failure> {
    let verified = verified(verify, done);
    if printer.is_json() {
        return printer.document(&Document {
            name,
            output: output.to_string_lossy(),
            restored: true,
            txid: done.txid.to_string(),
            timestamp: format_timestamp(done.time),
            page_size: done.page_size.into_inner(),
            page_count: done.page_count,
            size_bytes: done.size_bytes,
            objects: done.objects_count,
            downloaded_bytes: done.downloaded_bytes,
            elapsed_ms: u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX),
            verified,
            unchained_links: done.unchained_count,
            checksum: done.checksum.to_string(),
        });
    }
    let objects = plural(done.objects_count, "object");
    printer.data(format!(
        "restored {name} to {}\n  state     TXID {} of {}\n  size      {}, {} pages of {} bytes\n  read      \
         {objects}, {} in {:.1} s\n  verified  {}",
        output.display(),
        done.txid,
        format_timestamp(done.time),
        human_size(done.size_bytes),
        done.page_count,
        done.page_size,
        human_size(done.downloaded_bytes),
        elapsed.as_secs_f64(),
        proof(done),
    ))
}

/// A restore was planned, and no more.
pub(super) fn planned(printer: &Printer, name: &str, output: &Path, plan: &Plan) -> Result<(), Failure> {
    let (txid, timestamp) = (plan.txid().to_string(), format_timestamp(plan.time()));
    if printer.is_json() {
        return printer.document(&PlanDocument {
            name,
            output: output.to_string_lossy(),
            dry_run: true,
            txid,
            timestamp,
            page_size: plan.page_size().into_inner(),
            page_count: plan.page_count(),
            size_bytes: plan.database_bytes(),
            objects: plan
                .objects()
                .iter()
                .map(|object| PlanLine { object: ObjectLine::of(&object.info), link: object.link.word() })
                .collect(),
            objects_bytes: plan.objects_bytes(),
            unchained_links: plan.unchained_count(),
        });
    }
    printer.data(format!("{plan}\nwould restore {name} as of {timestamp} to {}", output.display()))
}

/// Nothing was done, and that is right.
pub(super) fn nothing(printer: &Printer, name: &str, output: &Path, why: &str) -> Result<(), Failure> {
    if printer.is_json() {
        let output = output.to_string_lossy();
        return printer.document(&NothingDocument { name, output, restored: false, reason: why });
    }
    printer.note(format!("nothing restored: {why}"));
    Ok(())
}

/// What was proven, at most what was asked for. Objects of other tools prove their own bytes only.
fn verified(asked: Verify, done: &Restored) -> Verify {
    match (asked, done.proof) {
        (Verify::None, _) => Verify::None,
        (Verify::Full, _) if done.integrity_checked => Verify::Full,
        (_, Proof::Database(_)) => Verify::Checksum,
        (_, Proof::Objects) => Verify::None,
    }
}

fn proof(done: &Restored) -> String {
    let checksums = match done.proof {
        Proof::Database(_) => "the database's checksum equals the writer's".to_owned(),
        Proof::Objects => {
            let links = match done.unchained_count {
                0 => String::new(),
                count => format!(", {} without checksums", plural(count, "link")),
            };
            format!("the checksum of every object{links}: another tool wrote them")
        }
    };
    if done.integrity_checked { format!("{checksums}; integrity_check is ok") } else { checksums }
}

fn plural(count: usize, noun: &str) -> String {
    format!("{count} {noun}{}", if count == 1 { "" } else { "s" })
}

type Text<'a> = std::borrow::Cow<'a, str>;

#[derive(Serialize)]
struct Document<'a> {
    name: &'a str,
    output: Text<'a>,
    restored: bool,
    txid: String,
    timestamp: String,
    page_size: u32,
    page_count: u32,
    size_bytes: u64,
    objects: usize,
    downloaded_bytes: u64,
    elapsed_ms: u64,
    verified: Verify,
    unchained_links: usize,
    checksum: String,
}

#[derive(Serialize)]
struct PlanDocument<'a> {
    name: &'a str,
    output: Text<'a>,
    dry_run: bool,
    txid: String,
    timestamp: String,
    page_size: u32,
    page_count: u32,
    size_bytes: u64,
    objects: Vec<PlanLine>,
    objects_bytes: u64,
    unchained_links: usize,
}

#[derive(Serialize)]
struct PlanLine {
    #[serde(flatten)]
    object: ObjectLine,
    link: &'static str,
}

#[derive(Serialize)]
struct NothingDocument<'a> {
    name: &'a str,
    output: Text<'a>,
    restored: bool,
    reason: &'a str,
}
