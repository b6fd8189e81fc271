//! From argument strings to an invocation.

use super::command_line::{CommandArgs, CommandLine, ConfigArgs, ConfigFileArgs, Global};
use super::error;
use super::explain::ExplainRequest;
use super::import::ImportRequest;
use super::list::ListRequest;
use super::restore::RestoreRequest;
use super::status::StatusRequest;
use super::sync::{SnapshotRequest, SyncRequest};
use super::upkeep::UpkeepRequest;
use super::verify::VerifyRequest;
use super::watch::WatchRequest;
use crate::config::Flags;
use crate::exit::Failure;
use clap::Parser as _;
use clap::error::ErrorKind;
use std::ffi::OsString;
use std::path::PathBuf;

/// What a command line asks for.
#[derive(Clone, Debug, PartialEq)]
pub struct Invocation {
    /// Flags that every command takes.
    pub global: Global,
    /// The command.
    pub command: Command,
}

/// A command of this version, its arguments checked.
#[derive(Clone, Debug, PartialEq)]
pub enum Command {
    /// `watch`.
    Watch(WatchRequest),
    /// `restore`.
    Restore(RestoreRequest),
    /// `list`.
    List(ListRequest),
    /// `verify`.
    Verify(VerifyRequest),
    /// `compact` or `cleanup`.
    Upkeep(UpkeepRequest),
    /// `status`.
    Status(StatusRequest),
    /// `sync`.
    Sync(SyncRequest),
    /// `snapshot`.
    Snapshot(SnapshotRequest),
    /// `explain`.
    Explain(ExplainRequest),
    /// `demo`.
    Demo,
    /// `config check`.
    ConfigCheck {
        /// The file, instead of `--config`.
        file: Option<PathBuf>,
        /// Keys set by flags.
        flags: Flags,
    },
    /// `config show`.
    ConfigShow {
        /// The file, instead of `--config`.
        file: Option<PathBuf>,
        /// Keys set by flags.
        flags: Flags,
    },
    /// `config import`.
    ConfigImport(ImportRequest),
    /// `version`; with `--verbose` if the global flag says so.
    Version,
}

/// What came of reading a command line.
#[derive(Clone, Debug, PartialEq)]
pub enum Parsed {
    /// Do this.
    Run(Box<Invocation>),
    /// Print this (help, version) and end with 0.
    Print(String),
}

/// Reads a command line; the first argument is the program's name.
///
/// # Errors
/// Exit 2 with a hint: unknown, missing or contradictory arguments, and everything `not in this version`.
pub fn parse(arguments: &[OsString]) -> Result<Parsed, Failure> {
    let line = match CommandLine::try_parse_from(arguments) {
        Ok(line) => line,
        Err(error) if matches!(error.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion) => {
            return Ok(Parsed::Print(error.render().to_string().trim_end().to_owned()));
        }
        Err(error) => return Err(error::failure(&error, arguments)),
    };
    let command = match line.command {
        CommandArgs::Watch(args) => Command::Watch(args.try_into()?),
        CommandArgs::Restore(args) => Command::Restore(args.try_into()?),
        CommandArgs::List(args) => Command::List(args.try_into()?),
        CommandArgs::Verify(args) => Command::Verify(args.try_into()?),
        CommandArgs::Compact(args) => Command::Upkeep(args.try_into()?),
        CommandArgs::Cleanup(args) => Command::Upkeep(args.try_into()?),
        CommandArgs::Status(args) => Command::Status(args.try_into()?),
        CommandArgs::Sync(args) => Command::Sync(args.try_into()?),
        CommandArgs::Snapshot(args) => Command::Snapshot(args.try_into()?),
        CommandArgs::Explain(args) => Command::Explain(args.try_into()?),
        CommandArgs::Demo => Command::Demo,
        CommandArgs::Config { command: ConfigArgs::Check(ConfigFileArgs { file, store }) } => {
            Command::ConfigCheck { file, flags: store.flags() }
        }
        CommandArgs::Config { command: ConfigArgs::Show(ConfigFileArgs { file, store }) } => {
            Command::ConfigShow { file, flags: store.flags() }
        }
        CommandArgs::Config { command: ConfigArgs::Import(request) } => Command::ConfigImport(request),
        CommandArgs::Version => Command::Version,
        CommandArgs::Replicate(_) => return Err(later("replicate")),
        CommandArgs::Serve(_) => return Err(later("serve")),
        CommandArgs::Promote(_) => return Err(later("promote")),
        CommandArgs::Pause(_) => return Err(later("pause")),
        CommandArgs::Resume(_) => return Err(later("resume")),
        CommandArgs::Add(_) => return Err(later("add")),
        CommandArgs::Remove(_) => return Err(later("remove")),
        CommandArgs::Rekey(_) => return Err(later("rekey")),
        CommandArgs::Completions(_) => return Err(later("completions")),
        CommandArgs::Man(_) => return Err(later("man")),
    };
    Ok(Parsed::Run(Box::new(Invocation { global: line.global.into(), command })))
}

/// Whether `--json` was given, also on a command line that cannot be read otherwise.
pub fn wants_json(arguments: &[OsString]) -> bool {
    arguments.iter().skip(1).take_while(|argument| *argument != "--").any(|argument| argument == "--json")
}

fn later(command: &str) -> Failure {
    Failure::not_in_this_version(command)
}
