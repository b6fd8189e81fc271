//! Signals to a command that does one thing: undo what was begun, then end as if by the signal.

use crate::exit::exit_code_of_signal;
use std::future::Future;
use tokio::signal::unix::{SignalKind, signal};

/// Does `work`; at SIGINT or SIGTERM drops it, which cleans up, and ends the process with 128 + n.
pub(super) async fn unless_interrupted<T>(work: impl Future<Output = T>) -> T {
    let done = tokio::select! {
        done = work => Ok(done),
        () = heard(SignalKind::interrupt()) => Err(SIGINT),
        () = heard(SignalKind::terminate()) => Err(SIGTERM),
    };
    // By now `work` is dropped.
    done.unwrap_or_else(|number| std::process::exit(i32::from(exit_code_of_signal(number))))
}

async fn heard(kind: SignalKind) {
    match signal(kind) {
        Ok(mut signal) => {
            signal.recv().await;
        }
        // Then the signal ends the process by itself.
        Err(_) => std::future::pending().await,
    }
}

const SIGINT: u8 = 2;
const SIGTERM: u8 = 15;
