//! `walsync restore`.

use super::store::StoreArgs;
use super::target::Target;
use crate::config::Flags;
use crate::exit::Failure;
use crate::output::parse_timestamp;
use clap::Args;
use engine::types::{Timestamp, Txid, parse_txid};
use serde::Serialize;
use std::ffi::OsString;
use std::path::PathBuf;

#[derive(Args, Debug)]
pub(super) struct RestoreArgs {
    /// The database: its name in the store, its local path, or the URL of its place
    #[arg(value_name = "NAME|URL", required_unless_present = "all")]
    name: Option<String>,
    #[command(flatten)]
    store: StoreArgs,
    /// Where to write [default: the configured path of NAME]
    #[arg(short, long, value_name = "OUT")]
    output: Option<PathBuf>,
    /// This point: 16 hex digits, or a decimal number
    #[arg(long, value_name = "TXID", conflicts_with = "timestamp")]
    txid: Option<String>,
    /// The newest point at or before this time, as 2026-01-31T12:00:00Z
    #[arg(long, value_name = "TIME")]
    timestamp: Option<String>,
    /// Replace OUT if it exists
    #[arg(long, conflicts_with = "if_missing")]
    force: bool,
    /// Say what would be restored, write nothing
    #[arg(long)]
    dry_run: bool,
    /// Do nothing if OUT exists
    #[arg(long)]
    if_missing: bool,
    /// Do nothing if the store has nothing
    #[arg(long)]
    allow_empty: bool,
    /// How to prove the result: checksum compares pages with the writer's, full also runs integrity_check
    #[arg(long, value_name = "HOW", default_value = "checksum", value_parser = ["none", "checksum", "full"])]
    verify: String,
    #[arg(long, hide = true)]
    all: bool,
    #[arg(long, hide = true)]
    follow: bool,
    #[arg(long, hide = true)]
    interval: Option<OsString>,
}

/// Which state is wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Point {
    /// The newest.
    Latest,
    /// Exactly this one.
    Txid(Txid),
    /// The newest whose time is not later.
    AtOrBefore(Timestamp),
}

/// What to do if the output exists.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Existing {
    /// Exit 2.
    Refuse,
    /// `--force`.
    Replace,
    /// `--if-missing`: exit 0.
    LeaveAlone,
}

/// How the result is proven.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Verify {
    /// Not beyond the checksums of the objects.
    None,
    /// The database's checksum equals the writer's.
    Checksum,
    /// And `PRAGMA integrity_check`.
    Full,
}

/// What `restore` was asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RestoreRequest {
    /// Which database.
    pub target: Target,
    /// Where to.
    pub output: Option<PathBuf>,
    /// Which state.
    pub point: Point,
    /// If the output exists.
    pub existing: Existing,
    /// Only say what would be done.
    pub dry_run: bool,
    /// An empty store is exit 0.
    pub allow_empty: bool,
    /// How the result is proven.
    pub verify: Verify,
    /// Keys set by flags.
    pub flags: Flags,
}

impl TryFrom<RestoreArgs> for RestoreRequest {
    type Error = Failure;

    fn try_from(args: RestoreArgs) -> Result<RestoreRequest, Failure> {
        let later = [("--all", args.all), ("--follow", args.follow), ("--interval", args.interval.is_some())];
        if let Some((flag, _)) = later.into_iter().find(|(_, given)| *given) {
            return Err(
                Failure::not_in_this_version(format!("restore {flag}")).hint("walsync restore --help")
            );
        }
        if args.output.as_ref().is_some_and(|output| output.as_os_str().is_empty()) {
            return Err(Failure::usage("the path after -o is empty").hint("walsync restore --help"));
        }
        let target = Target::parse(args.name.unwrap_or_default())?;
        let points = |failure: Failure| match &target {
            Target::Named(name) | Target::Url(name) => failure.hint(format!("walsync list {name} --points")),
        };
        let point = match (args.txid, args.timestamp) {
            (Some(text), _) => Point::Txid(
                parse_txid(&text).map_err(|error| points(Failure::usage(format!("--txid: {error}"))))?,
            ),
            (None, Some(text)) => Point::AtOrBefore(
                parse_timestamp(&text)
                    .map_err(|error| points(Failure::usage(format!("--timestamp: {error}"))))?,
            ),
            (None, None) => Point::Latest,
        };
        Ok(RestoreRequest {
            target,
            output: args.output,
            point,
            existing: match (args.force, args.if_missing) {
                (true, _) => Existing::Replace,
                (false, true) => Existing::LeaveAlone,
                (false, false) => Existing::Refuse,
            },
            dry_run: args.dry_run,
            allow_empty: args.allow_empty,
            verify: match args.verify.as_str() {
                "none" => Verify::None,
                "full" => Verify::Full,
                _ => Verify::Checksum,
            },
            flags: args.store.flags(),
        })
    }
}
