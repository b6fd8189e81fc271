//! Signals: the first ends in order, the second at once.

use crate::exit::{Failure, Kind, exit_code_of_signal};
use tokio::signal::unix::{Signal, SignalKind, signal};

/// What was asked for by signal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Asked {
    /// SIGTERM or SIGINT.
    End,
    /// SIGHUP.
    Reload,
}

/// The signals of this process.
pub(super) struct Signals {
    terminate: Signal,
    interrupt: Signal,
    hang_up: Signal,
    ending: bool,
}

impl Signals {
    /// From now on they no longer end the process by themselves.
    pub(super) fn listen() -> Result<Signals, Failure> {
        let of = |kind| {
            signal(kind)
                .map_err(|error| Failure::new(Kind::Unavailable, "cannot listen for signals").because(&error))
        };
        Ok(Signals {
            terminate: of(SignalKind::terminate())?,
            interrupt: of(SignalKind::interrupt())?,
            hang_up: of(SignalKind::hangup())?,
            ending: false,
        })
    }

    /// Waits for the next. The second request to end is obeyed here and now: nothing that is under way may
    /// hold it up, and the next start heals what it leaves.
    pub(super) async fn next(&mut self) -> Asked {
        let number = tokio::select! {
            _ = self.terminate.recv() => TERMINATE,
            _ = self.interrupt.recv() => INTERRUPT,
            _ = self.hang_up.recv() => return Asked::Reload,
        };
        if self.ending {
            std::process::exit(i32::from(exit_code_of_signal(number)));
        }
        self.ending = true;
        Asked::End
    }
}

const INTERRUPT: u8 = 2;
const TERMINATE: u8 = 15;
