//! The commands' side: the daemons of a state directory, and what they answer.

use super::message::{Answer, Request};
use super::report::DaemonReport;
use super::socket::{self, check_length};
use super::wire::{self, LineError};
use crate::exit::{Failure, Kind};
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::io::BufReader;
use tokio::net::UnixStream;

/// A daemon that listens, or listened.
#[derive(Clone, Debug)]
pub(crate) struct Daemon {
    pub(crate) pid: u32,
    socket: PathBuf,
}

/// For a status: it is read from memory.
const STATUS_PATIENCE: Duration = Duration::from_secs(5);
/// A daemon that is at it says so every half second.
const SILENCE_MAX: Duration = Duration::from_secs(10);
/// Thousands of databases.
const ANSWER_BYTES_MAX: u64 = 64 << 20;

/// The daemons of a state directory that are there, each with how it stands or why it did not say.
///
/// # Errors
/// Exit 2: this user may not look.
pub(crate) async fn daemons(
    state_dir: &Path,
) -> Result<Vec<(Daemon, Result<DaemonReport, Failure>)>, Failure> {
    let sockets = socket::list(state_dir).map_err(|error| {
        let kind = match error.kind() {
            io::ErrorKind::PermissionDenied | io::ErrorKind::NotADirectory => Kind::Usage,
            _ => Kind::Unavailable,
        };
        Failure::new(kind, format!("cannot look for daemons in {}", state_dir.display()))
            .because(&error)
            .hint("run it as the user of the daemon, or with its --state-dir")
    })?;
    let asked = sockets.into_iter().map(|(pid, socket)| async move {
        let daemon = Daemon { pid, socket };
        let answer = tokio::time::timeout(STATUS_PATIENCE, daemon.ask(&Request::Status)).await;
        let report = match answer {
            Ok(Ok(None)) => return None,
            Ok(Ok(Some(Answer::Status(report)))) => Ok(*report),
            Ok(Ok(Some(_))) => Err(daemon.silent("it answers something else")),
            Ok(Err(failure)) => Err(failure),
            Err(_) => Err(daemon.silent(format!("no answer within {} s", STATUS_PATIENCE.as_secs()))),
        };
        Some((daemon, report))
    });
    Ok(futures::future::join_all(asked).await.into_iter().flatten().collect())
}

impl Daemon {
    /// Asks, and waits for the answer however long the daemon is at it; `None`: nobody listens.
    ///
    /// # Errors
    /// The daemon said why not, or went away, or is silent.
    pub(crate) async fn ask(&self, request: &Request) -> Result<Option<Answer>, Failure> {
        let broken = |error: LineError| self.silent(error);
        check_length(&self.socket).map_err(|error| self.silent(error))?;
        let stream = match UnixStream::connect(&self.socket).await {
            Ok(stream) => stream,
            // It ended, now or long ago.
            Err(error)
                if matches!(error.kind(), io::ErrorKind::ConnectionRefused | io::ErrorKind::NotFound) =>
            {
                return Ok(None);
            }
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
                return Err(Failure::usage(format!("the daemon {} may not be asked", self.pid))
                    .because(&error)
                    .hint("run it as the user of the daemon"));
            }
            Err(error) => return Err(self.silent(error)),
        };
        let (from, mut to) = stream.into_split();
        wire::write(&mut to, request, SILENCE_MAX).await.map_err(broken)?;
        let mut from = BufReader::new(from);
        loop {
            match wire::read(&mut from, ANSWER_BYTES_MAX, SILENCE_MAX).await.map_err(broken)? {
                Some(Answer::Waiting) => {}
                Some(Answer::Failed(failed)) => return Err(failed.into()),
                Some(answer) => return Ok(Some(answer)),
                None => return Err(self.silent("it ended before it answered")),
            }
        }
    }

    fn silent(&self, why: impl std::fmt::Display) -> Failure {
        Failure::new(Kind::Unavailable, format!("the daemon {} does not answer", self.pid))
            .cause(why)
            .hint(format!("see whether it still runs: ps -p {}", self.pid))
    }
}
