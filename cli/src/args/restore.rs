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
    #[arg(value_name = "NAME|URL", required_unless_present = "all", conflicts_with = "all")]
    name: Option<String>,
    #[command(flatten)]
    store: StoreArgs,
    /// Where to write [default: the configured path of NAME]; with --all a directory
    #[arg(short, long, value_name = "OUT")]
    output: Option<PathBuf>,
    /// Every database of the store, NAME to DIR/NAME.db; one that fails keeps no other from being restored
    #[arg(long, requires = "output")]
    all: bool,
    /// This point: 16 hex digits, or a decimal number
    #[arg(long, value_name = "TXID", conflicts_with_all = ["timestamp", "all"])]
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

/// What is to be restored, and where to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum What {
    /// One database, to this file; `None`: to its configured path.
    One(Target, Option<PathBuf>),
    /// `--all`: every database of the store, below this directory.
    All(PathBuf),
}

/// What `restore` was asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RestoreRequest {
    /// Which databases, and where to.
    pub what: What,
    /// The same for each of them.
    pub how: How,
    /// Keys set by flags.
    pub flags: Flags,
}

/// How a database is to be restored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct How {
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
}

impl TryFrom<RestoreArgs> for RestoreRequest {
    type Error = Failure;

    fn try_from(args: RestoreArgs) -> Result<RestoreRequest, Failure> {
        let later = [("--follow", args.follow), ("--interval", args.interval.is_some())];
        if let Some((flag, _)) = later.into_iter().find(|(_, given)| *given) {
            return Err(
                Failure::not_in_this_version(format!("restore {flag}")).hint("walsync restore --help")
            );
        }
        if args.output.as_ref().is_some_and(|output| output.as_os_str().is_empty()) {
            return Err(Failure::usage("the path after -o is empty").hint("walsync restore --help"));
        }
        let what = match (args.all, args.output) {
            (true, dir) => What::All(dir.expect("--all requires -o")),
            (false, output) => What::One(Target::parse(args.name.unwrap_or_default())?, output),
        };
        let points = |failure: Failure| match &what {
            What::One(Target::Named(name) | Target::Url(name), _) => {
                failure.hint(format!("walsync list {name} --points"))
            }
            What::All(_) => failure.hint("walsync restore --help"),
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
        let how = How {
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
        };
        Ok(RestoreRequest { what, how, flags: args.store.flags() })
    }
}
