//! `walsync watch`.

use super::store::StoreArgs;
use crate::config::{Flags, TakeOver};
use crate::exit::Failure;
use clap::Args;
use std::ffi::OsString;
use std::path::PathBuf;

#[derive(Args, Debug)]
pub(super) struct WatchArgs {
    /// Database files, or patterns in quotes; instead of [[databases]] of the configuration
    #[arg(value_name = "DB")]
    databases: Vec<PathBuf>,
    #[command(flatten)]
    store: StoreArgs,
    /// Replicate what is pending, then end
    #[arg(long)]
    once: bool,
    /// Continue after another writer; bare: if-identical [default: never; env: WALSYNC_TAKE_OVER]
    #[arg(long, value_name = "WHEN", num_args = 0..=1, require_equals = true,
          default_missing_value = "if-identical", value_parser = clap::builder::PossibleValuesParser::new(TakeOver::WORDS))]
    take_over: Option<String>,
    #[arg(long, hide = true)]
    push_to: Vec<OsString>,
    #[arg(long, hide = true)]
    ack: Option<OsString>,
    #[arg(long, hide = true)]
    dashboard_port: Option<OsString>,
    #[arg(long, hide = true)]
    exec: Option<OsString>,
}

/// What `watch` was asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WatchRequest {
    /// DB arguments; empty: those of the configuration.
    pub databases: Vec<PathBuf>,
    /// End after one sync of each.
    pub once: bool,
    /// Keys set by flags.
    pub flags: Flags,
}

impl TryFrom<WatchArgs> for WatchRequest {
    type Error = Failure;

    fn try_from(args: WatchArgs) -> Result<WatchRequest, Failure> {
        let later = [
            ("--push-to", !args.push_to.is_empty()),
            ("--ack", args.ack.is_some()),
            ("--dashboard-port", args.dashboard_port.is_some()),
            ("--exec", args.exec.is_some()),
        ];
        if let Some((flag, _)) = later.into_iter().find(|(_, given)| *given) {
            return Err(Failure::not_in_this_version(format!("watch {flag}")).hint("walsync watch --help"));
        }
        for database in &args.databases {
            let text = database.to_string_lossy();
            if text.is_empty() || text.contains("://") {
                return Err(Failure::usage(format!("`{text}` is not the path of a database"))
                    .cause("watch replicates local files; the store is given with --store")
                    .hint("walsync watch app.db --store s3://BUCKET/PREFIX"));
            }
        }
        let mut flags = args.store.flags();
        flags.set("store.take_over", "--take-over", args.take_over.as_deref());
        Ok(WatchRequest { databases: args.databases, once: args.once, flags })
    }
}
