//! `demo`: a self-contained tour in a scratch directory.
//!
//! Everything in it is real: SQLite, the daemon as a process of its own, SIGKILL, the restore. It uses nothing
//! but the command line that users have, and touches nothing outside of its directory.

use crate::exit::{Failure, Kind, exit_code_of_signal};
use crate::output::Printer;
use scratch::Stop;
use story::Story;
use tokio::signal::unix::{SignalKind, signal};

mod daemon;
mod scratch;
mod story;
mod writer;

/// Writes, replicates, is killed, restores, and proves that the restored database equals the source.
///
/// # Errors
/// As in the table of exit codes.
pub async fn run(printer: &Printer) -> Result<(), Failure> {
    let stop = Stop::default();
    let (steps, mut told) = tokio::sync::mpsc::unbounded_channel();
    let story = tokio::task::spawn_blocking({
        let stop = stop.clone();
        move || Story::begin(stop, steps)?.tell()
    });
    let listen = |kind| {
        signal(kind).map_err(|error| Failure::new(Kind::Bug, "cannot listen for signals").because(&error))
    };
    let (mut interrupt, mut terminate) = (listen(SignalKind::interrupt())?, listen(SignalKind::terminate())?);
    let mut ended_by = None;
    loop {
        tokio::select! {
            step = told.recv() => match step {
                Some(step) if printer.is_json() => drop::<String>(step),
                Some(step) => printer.data(step)?,
                None => break,
            },
            _ = interrupt.recv() => ended_by = Some(2),
            _ = terminate.recv() => ended_by = Some(15),
        }
        if ended_by.is_some() {
            stop.now();
        }
    }
    let ended = story.await.map_err(|error| Failure::new(Kind::Bug, "the demo broke off").because(&error))?;
    // The story has ended its children and removed its directory by now.
    if let Some(number) = ended_by {
        std::process::exit(i32::from(exit_code_of_signal(number)));
    }
    let outcome = ended?;
    if printer.is_json() { printer.document(&outcome) } else { Ok(()) }
}
