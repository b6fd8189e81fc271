//! The whole command line as clap sees it: global flags and the list of commands.

use super::explain::ExplainArgs;
use super::import::ImportRequest;
use super::list::ListArgs;
use super::restore::RestoreArgs;
use super::status::StatusArgs;
use super::store::StoreArgs;
use super::sync::{SnapshotArgs, SyncArgs};
use super::upkeep::{CleanupArgs, CompactArgs};
use super::verify::VerifyArgs;
use super::watch::WatchArgs;
use crate::output::{Color, LogFormat, Verbosity};
use clap::{ArgAction, Args, CommandFactory as _, Parser, Subcommand};
use std::ffi::OsString;
use std::path::PathBuf;

/// The clap definition, for help, completions and tests.
pub fn command() -> clap::Command {
    CommandLine::command()
}

/// Continuous replication of SQLite databases to object storage
#[derive(Parser, Debug)]
#[command(
    name = "walsync",
    bin_name = "walsync",
    version,
    max_term_width = 100,
    disable_help_subcommand = true
)]
pub(super) struct CommandLine {
    #[command(flatten)]
    pub(super) global: GlobalArgs,
    #[command(subcommand)]
    pub(super) command: CommandArgs,
}

#[derive(Args, Debug)]
#[command(next_help_heading = "Global options")]
pub(super) struct GlobalArgs {
    /// Answer with JSON on standard output, fail with a JSON line on standard error
    #[arg(long, global = true)]
    json: bool,
    /// Configuration file [default: ./walsync.toml, else /etc/walsync/walsync.toml; env: WALSYNC_CONFIG]
    #[arg(long, global = true, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Where this host keeps its state [env: WALSYNC_STATE_DIR]
    #[arg(long, global = true, value_name = "DIR")]
    state_dir: Option<String>,
    /// Colours on standard error
    #[arg(long, global = true, value_name = "WHEN", default_value = "auto", value_parser = ["auto", "always", "never"])]
    color: String,
    /// Say nothing but errors on standard error
    #[arg(short, long, global = true, conflicts_with = "verbose")]
    quiet: bool,
    /// Say more; twice: everything
    #[arg(short, long, global = true, action = ArgAction::Count)]
    verbose: u8,
    /// Form of the log [default: text, with --json: json]
    #[arg(long, global = true, value_name = "FORMAT", value_parser = ["text", "json"])]
    log_format: Option<String>,
}

/// Global flags, checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Global {
    /// `--json`.
    pub json: bool,
    /// `--config`.
    pub config: Option<PathBuf>,
    /// `--state-dir`.
    pub state_dir: Option<String>,
    /// `--color`.
    pub color: Color,
    /// `-q` and `-v`.
    pub verbosity: Verbosity,
    /// `--log-format`.
    pub log_format: LogFormat,
}

impl From<GlobalArgs> for Global {
    fn from(args: GlobalArgs) -> Global {
        let log_format = args.log_format.as_deref().unwrap_or(if args.json { "json" } else { "text" });
        Global {
            json: args.json,
            config: args.config,
            state_dir: args.state_dir,
            color: match args.color.as_str() {
                "always" => Color::Always,
                "never" => Color::Never,
                _ => Color::Auto,
            },
            verbosity: match args.verbose {
                _ if args.quiet => Verbosity::Quiet,
                0 => Verbosity::Normal,
                1 => Verbosity::Verbose,
                _ => Verbosity::Trace,
            },
            log_format: if log_format == "json" { LogFormat::Json } else { LogFormat::Text },
        }
    }
}

#[derive(Subcommand, Debug)]
pub(super) enum CommandArgs {
    /// Replicate databases continuously
    Watch(WatchArgs),
    /// Restore a database to a file
    Restore(RestoreArgs),
    /// List the databases in the store, or what can be restored of one
    List(ListArgs),
    /// Check that what the store holds is whole and restores
    Verify(VerifyArgs),
    /// Merge small objects into larger ones now
    Compact(CompactArgs),
    /// Delete what the retention policy does not keep, now
    Cleanup(CleanupArgs),
    /// Show how the running daemons and their databases stand
    Status(StatusArgs),
    /// Sync now, through the running daemon, or alone where none runs
    Sync(SyncArgs),
    /// Take a full image now, through the running daemon, or alone where none runs
    Snapshot(SnapshotArgs),
    /// Show on a scratch database that replication and restore work
    Demo,
    /// Show what the configuration amounts to: when what is done, which points stay, what a month costs
    Explain(ExplainArgs),
    /// Check, show or import the configuration
    Config {
        #[command(subcommand)]
        command: ConfigArgs,
    },
    /// Print the version; with --verbose also those of SQLite and of the format
    Version,
    #[command(hide = true, disable_help_flag = true)]
    Replicate(LaterArgs),
    #[command(hide = true, disable_help_flag = true)]
    Serve(LaterArgs),
    #[command(hide = true, disable_help_flag = true)]
    Promote(LaterArgs),
    #[command(hide = true, disable_help_flag = true)]
    Pause(LaterArgs),
    #[command(hide = true, disable_help_flag = true)]
    Resume(LaterArgs),
    #[command(hide = true, disable_help_flag = true)]
    Add(LaterArgs),
    #[command(hide = true, disable_help_flag = true)]
    Remove(LaterArgs),
    #[command(hide = true, disable_help_flag = true)]
    Rekey(LaterArgs),
    #[command(hide = true, disable_help_flag = true)]
    Completions(LaterArgs),
    #[command(hide = true, disable_help_flag = true)]
    Man(LaterArgs),
}

#[derive(Subcommand, Debug)]
pub(super) enum ConfigArgs {
    /// Report all problems of the configuration at once
    Check(ConfigFileArgs),
    /// Show the effective values and where each came from, secrets masked
    Show(ConfigFileArgs),
    /// Turn Litestream's configuration (litestream.yml) into one of walsync's
    Import(ImportRequest),
}

#[derive(Args, Debug)]
pub(super) struct ConfigFileArgs {
    /// The configuration file, instead of --config
    #[arg(value_name = "FILE", conflicts_with = "config")]
    pub(super) file: Option<PathBuf>,
    #[command(flatten)]
    pub(super) store: StoreArgs,
}

/// Whatever follows a command whose turn has not come.
#[derive(Args, Debug)]
pub(super) struct LaterArgs {
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, hide = true)]
    rest: Vec<OsString>,
}
