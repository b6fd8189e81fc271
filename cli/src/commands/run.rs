//! One run of the program: arguments in, exit code out.

use super::{
    config_check, config_import, config_show, demo, explain, list, restore, restore_all, snapshot, status,
    sync, upkeep, verify, version, watch,
};
use crate::args::{Command, Global, Invocation, Parsed, What, parse, wants_json};
use crate::config::{Config, Flags, Loaded, Surroundings};
use crate::exit::{Failure, Kind};
use crate::output::{Color, Printer, Streams, Verbosity, install_log};
use std::ffi::OsString;
use std::future::Future;
use std::time::Duration;

/// Runs one command line and gives its exit code. Everything that the run learns of its process is in
/// `surroundings` and `streams`; only a run on the process's own streams installs the log.
pub fn run(arguments: &[OsString], surroundings: &Surroundings, streams: Streams) -> u8 {
    let json = wants_json(arguments);
    let color_by_default = surroundings.stderr_is_terminal
        && surroundings.environment.non_empty("NO_COLOR").is_none()
        && surroundings.environment.get("TERM") != Some("dumb");
    let parsed = parse(arguments);
    let (color, verbosity) = match &parsed {
        Ok(Parsed::Run(invocation)) => (invocation.global.color, invocation.global.verbosity),
        _ => (Color::Auto, Verbosity::Normal),
    };
    let color = match color {
        Color::Auto => color_by_default,
        Color::Always => true,
        Color::Never => false,
    };
    let is_process = streams.is_of_process();
    let printer = Printer::new(streams, json, verbosity, color, surroundings.stderr_is_terminal);
    let result = parsed.and_then(|parsed| match parsed {
        Parsed::Print(text) => printer.data(text),
        Parsed::Run(invocation) => {
            if is_process {
                install_log(verbosity, invocation.global.log_format, color);
            }
            execute(*invocation, surroundings, &printer)
        }
    });
    match result {
        Ok(()) => 0,
        Err(failure) => {
            printer.failure(&failure);
            failure.kind().exit_code()
        }
    }
}

fn execute(invocation: Invocation, surroundings: &Surroundings, printer: &Printer) -> Result<(), Failure> {
    let Invocation { global, command } = invocation;
    let configured = |flags: &Flags| configured(&global, flags, surroundings, printer);
    match command {
        Command::Watch(request) => {
            let job = watch::WatchJob::plan(&request, &configured(&request.flags)?, printer)?;
            block_on(watch::run(job, printer))
        }
        Command::Restore(request) => {
            let config = configured(&request.flags)?;
            match &request.what {
                What::One(target, output) => {
                    let job = restore::RestoreJob::plan(target, output.as_deref(), request.how, &config)?;
                    block_on(restore::run(job, printer))
                }
                What::All(dir) => {
                    let job = restore_all::RestoreAllJob::plan(dir, request.how, &config)?;
                    block_on(restore_all::run(job, printer))
                }
            }
        }
        Command::List(request) => {
            let job = list::ListJob::plan(&request, &configured(&request.flags)?)?;
            block_on(list::run(job, printer))
        }
        Command::Verify(request) => {
            let job = verify::VerifyJob::plan(&request, &configured(&request.flags)?)?;
            block_on(verify::run(job, printer))
        }
        Command::Upkeep(request) => {
            let job = upkeep::UpkeepJob::plan(&request, &configured(&request.flags)?)?;
            block_on(upkeep::run(job, printer))
        }
        Command::Status(request) => {
            let job = status::StatusJob::plan(&request, &configured(&Flags::default())?);
            block_on(status::run(job, printer))
        }
        Command::Sync(request) => {
            let job = sync::SyncJob::plan(&request, configured(&request.flags)?)?;
            block_on(sync::run(job, printer))
        }
        Command::Snapshot(request) => {
            let job = snapshot::SnapshotJob::plan(&request, configured(&request.flags)?)?;
            block_on(snapshot::run(job, printer))
        }
        Command::Explain(request) => {
            let all = global.verbosity > Verbosity::Normal;
            let config = configured(&request.flags)?;
            block_on(explain::run(&request, &config, all, printer))
        }
        Command::Demo => block_on(demo::run(printer)),
        Command::ConfigCheck { file, flags } => {
            let file = file.as_deref().or(global.config.as_deref());
            let loaded = Loaded::of(file, &with_state_dir(&flags, &global), surroundings)?;
            config_check::run(loaded, printer)
        }
        Command::ConfigShow { file, flags } => {
            let global = Global { config: file.or(global.config.clone()), ..global.clone() };
            config_show::run(&self::configured(&global, &flags, surroundings, printer)?, printer)
        }
        Command::ConfigImport(request) => config_import::run(&request, surroundings, printer),
        Command::Version => version::run(global.verbosity > Verbosity::Normal, printer),
    }
}

/// The configuration, after its warnings were printed.
fn configured(
    global: &Global,
    flags: &Flags,
    surroundings: &Surroundings,
    printer: &Printer,
) -> Result<Config, Failure> {
    let flags = with_state_dir(flags, global);
    let (config, warnings) = Loaded::of(global.config.as_deref(), &flags, surroundings)?.into_config()?;
    printer.warn_of(&warnings);
    Ok(config)
}

fn with_state_dir(flags: &Flags, global: &Global) -> Flags {
    let mut flags = flags.clone();
    flags.set("state.dir", "--state-dir", global.state_dir.as_deref());
    flags
}

/// They wait for the store and for each other; what computes or blocks has threads of its own.
const WORKER_THREADS_MAX: usize = 4;

/// Runs a command that talks to the store. TLS gets its cryptography here, once per process.
fn block_on(work: impl Future<Output = Result<(), Failure>>) -> Result<(), Failure> {
    // The error says that it was installed already, by an earlier run in the same process.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let threads =
        std::thread::available_parallelism().map_or(1, std::num::NonZero::get).min(WORKER_THREADS_MAX);
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(threads).enable_all().build();
    let runtime = runtime.map_err(|error| {
        Failure::new(Kind::Unavailable, "cannot start the worker threads").because(&error)
    })?;
    let result = runtime.block_on(work);
    // A thread that hangs in a system call must not hold the end up; what it does is void.
    runtime.shutdown_timeout(Duration::from_secs(1));
    result
}
