//! The daemon's side: takes requests, hands them to its loop, and writes what it answers. Nothing that a client does, or
//! leaves undone, holds up the daemon or another client.

use super::message::{Answer, Failed, Request};
use super::socket::{Bound, SocketError};
use super::wire::{self, LineError};
use crate::exit::Failure;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::BufReader;
use tokio::net::UnixStream;
use tokio::sync::Semaphore;
use tokio::sync::mpsc::{Receiver, Sender, channel};
use tokio::task::{JoinHandle, JoinSet};

/// A request, and where its answers go.
#[derive(Clone, Debug)]
pub(crate) struct Asked {
    pub(crate) request: Request,
    pub(crate) answers: Answers,
}

/// Takes the answers to one request.
#[derive(Clone, Debug)]
pub(crate) struct Answers(Sender<Answer>);

impl Answers {
    /// Answers, and where they arrive.
    pub(crate) fn channel() -> (Answers, Receiver<Answer>) {
        let (sender, answers) = channel(ANSWERS_MAX);
        (Answers(sender), answers)
    }

    /// Says that it goes on.
    pub(crate) fn waiting(&self) {
        // One that is not taken yet says the same; the last place is for the answer.
        if self.0.capacity() > 1 {
            let _ = self.0.try_send(Answer::Waiting);
        }
    }

    /// The answer; nothing is said after it.
    pub(crate) fn end(&self, answer: Answer) {
        // Who asked may be gone.
        let _ = self.0.try_send(answer);
    }

    /// Whether nobody waits for it any more.
    pub(crate) fn is_closed(&self) -> bool {
        self.0.is_closed()
    }
}

/// Listens until it is dropped, with every client.
#[derive(Debug)]
pub(crate) struct Server {
    requests: Receiver<Asked>,
    listening: JoinHandle<()>,
}

/// Clients at one time; more wait at the door.
const CLIENTS_MAX: usize = 128;
/// Requests that wait for the daemon's loop.
const REQUESTS_MAX: usize = 16;
/// Answers that wait to be written.
const ANSWERS_MAX: usize = 4;
/// A request has one name in it.
const REQUEST_BYTES_MAX: u64 = 16 << 10;
/// For a client to ask, and to take an answer.
const PATIENCE: Duration = Duration::from_secs(10);
const ACCEPT_DELAY: Duration = Duration::from_millis(100);

impl Server {
    /// Listens in the state directory.
    ///
    /// # Errors
    /// There can be no socket there.
    pub(crate) fn start(state_dir: &Path) -> Result<Server, SocketError> {
        let bound = Bound::bind(state_dir)?;
        let (sender, requests) = channel(REQUESTS_MAX);
        Ok(Server { requests, listening: tokio::task::spawn(listen(bound, sender)) })
    }

    /// Waits for the next request.
    pub(crate) async fn next(&mut self) -> Asked {
        match self.requests.recv().await {
            Some(asked) => asked,
            // It listens as long as this is there; a panic in it must not spin the daemon.
            None => std::future::pending().await,
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.listening.abort();
    }
}

async fn listen(bound: Bound, requests: Sender<Asked>) {
    let permits = Arc::new(Semaphore::new(CLIENTS_MAX));
    let mut clients = JoinSet::new();
    loop {
        let permit = permits.clone().acquire_owned().await.expect("the semaphore is never closed");
        match bound.listener.accept().await {
            Ok((stream, _)) => {
                let requests = requests.clone();
                clients.spawn(async move {
                    serve(stream, &requests).await;
                    drop(permit);
                });
            }
            // Too many open files, mostly: it passes.
            Err(error) => {
                tracing::debug!(%error, "the control socket takes nobody");
                tokio::time::sleep(ACCEPT_DELAY).await;
            }
        }
        while clients.try_join_next().is_some() {}
    }
}

/// One client: request, answers, request, ...
async fn serve(stream: UnixStream, requests: &Sender<Asked>) {
    let (from, mut to) = stream.into_split();
    let mut from = BufReader::new(from);
    loop {
        let request = match wire::read::<Request>(&mut from, REQUEST_BYTES_MAX, PATIENCE).await {
            Ok(Some(request)) => request,
            Ok(None) | Err(LineError::Io(_) | LineError::Late(_)) => return,
            Err(error) => {
                let failure = Failure::usage("the daemon does not understand the request")
                    .because(&error)
                    .hint("use the walsync that the daemon is of: walsync version");
                let _ = wire::write(&mut to, &Answer::Failed(Failed::from(&failure)), PATIENCE).await;
                return;
            }
        };
        let (to_client, mut answers) = Answers::channel();
        if requests.send(Asked { request, answers: to_client }).await.is_err() {
            return;
        }
        loop {
            // A client that has gone is noticed when it is told that it goes on.
            let Some(answer) = answers.recv().await else { return };
            let is_last = answer != Answer::Waiting;
            if wire::write(&mut to, &answer, PATIENCE).await.is_err() {
                return;
            }
            if is_last {
                break;
            }
        }
    }
}
