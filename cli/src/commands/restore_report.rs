//! What a restore says in the end: as text for people, as the documented JSON for programs.

use super::list_report::ObjectLine;
use super::restore_place::Outcome;
use crate::args::Verify;
use crate::exit::Failure;
use crate::output::{Printer, format_timestamp, human_size};
use io_real::restore::{Proof, Restored};
use serde::Serialize;
use std::path::Path;
use std::time::Duration;

/// What came of one database.
pub(super) struct Report<'a> {
    pub(super) name: &'a str,
    pub(super) output: &'a Path,
    pub(super) verify: Verify,
    pub(super) outcome: &'a Outcome,
}

impl<'a> Report<'a> {
    /// Prints it.
    ///
    /// # Errors
    /// As [`Printer::data`].
    pub(super) fn print(&self, printer: &Printer) -> Result<(), Failure> {
        if printer.is_json() {
            return printer.document(&self.document());
        }
        let (name, output) = (self.name, self.output.display());
        match self.outcome {
            Outcome::Restored(done, elapsed) => printer.data(self.restored(done, *elapsed)),
            Outcome::Planned(plan) => {
                let timestamp = format_timestamp(plan.time());
                printer.data(format!("{plan}\nwould restore {name} as of {timestamp} to {output}"))
            }
            Outcome::Nothing(why) => {
                printer.note(format!("nothing restored: {why}"));
                Ok(())
            }
        }
    }

    fn restored(&self, done: &Restored, elapsed: Duration) -> String {
        let objects = plural(done.objects_count, "object");
        format!(
            "restored {} to {}\n  state     TXID {} of {}\n  size      {}, {} pages of {} bytes\n  read      \
             {objects}, {} in {:.1} s\n  verified  {}",
            self.name,
            self.output.display(),
            done.txid,
            format_timestamp(done.time),
            human_size(done.size_bytes),
            done.page_count,
            done.page_size,
            human_size(done.downloaded_bytes),
            elapsed.as_secs_f64(),
            proof(done),
        )
    }

    /// The documented fields.
    pub(super) fn document(&self) -> Document<'a> {
        let (name, output) = (self.name, self.output.to_string_lossy());
        match self.outcome {
            Outcome::Restored(done, elapsed) => Document::Restored(RestoredDocument {
                name,
                output,
                restored: true,
                txid: done.txid.to_string(),
                timestamp: format_timestamp(done.time),
                page_size: done.page_size.into_inner(),
                page_count: done.page_count,
                size_bytes: done.size_bytes,
                objects: done.objects_count,
                downloaded_bytes: done.downloaded_bytes,
                elapsed_ms: u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX),
                verified: verified(self.verify, done),
                unchained_links: done.unchained_count,
                checksum: done.checksum.to_string(),
            }),
            Outcome::Planned(plan) => Document::Planned(PlanDocument {
                name,
                output,
                dry_run: true,
                txid: plan.txid().to_string(),
                timestamp: format_timestamp(plan.time()),
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
            }),
            Outcome::Nothing(reason) => {
                Document::Nothing(NothingDocument { name, output, restored: false, reason })
            }
        }
    }
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

/// One database as a program reads it.
#[derive(Serialize)]
#[serde(untagged)]
pub(super) enum Document<'a> {
    Restored(RestoredDocument<'a>),
    Planned(PlanDocument<'a>),
    Nothing(NothingDocument<'a>),
}

#[derive(Serialize)]
pub(super) struct RestoredDocument<'a> {
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
pub(super) struct PlanDocument<'a> {
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
pub(super) struct NothingDocument<'a> {
    name: &'a str,
    output: Text<'a>,
    restored: bool,
    reason: &'a str,
}
