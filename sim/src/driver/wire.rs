//! The network as something to await: a request is sent when it is polled first, and acts on the store whether anybody
//! still waits for its answer or not.

#![expect(
    clippy::disallowed_types,
    reason = "ports must be Sync; a world has one thread, and nobody ever waits"
)]

use super::time::Time;
use engine::types::Instant;
use io_sim::network::{ClientId, Network, RequestId};
use io_sim::s3::{Answer, Request};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::{Notify, oneshot};

/// A handle to the network of a world.
#[derive(Clone)]
pub(super) struct Wire(Arc<Inner>);

struct Inner {
    time: Time,
    state: Mutex<State>,
    changed: Notify,
}

struct State {
    network: Network,
    waiting: BTreeMap<RequestId, oneshot::Sender<Answer>>,
}

impl Wire {
    pub(super) fn new(network: Network, time: &Time) -> Wire {
        let state = Mutex::new(State { network, waiting: BTreeMap::new() });
        Wire(Arc::new(Inner { time: time.clone(), state, changed: Notify::new() }))
    }

    /// Sends a request and waits for its answer; for ever, when its client is disconnected before.
    pub(super) async fn send(&self, client: ClientId, request: Request) -> Answer {
        let answered = self.submit(client, request);
        match answered.await {
            Ok(answer) => answer,
            Err(_) => std::future::pending().await,
        }
    }

    fn submit(&self, client: ClientId, request: Request) -> oneshot::Receiver<Answer> {
        let now = self.0.time.in_step();
        let (answer, answered) = oneshot::channel();
        let mut state = self.lock();
        let id = state.network.submit(now, client, request);
        state.waiting.insert(id, answer);
        self.0.changed.notify_one();
        answered
    }

    /// Lets everything happen that is on its way. Never ends.
    pub(super) async fn pump(self) {
        loop {
            let now = self.0.time.in_step();
            while let Some((answer, to)) = self.next(now) {
                // Whoever asked may be gone.
                let _ = to.send(answer);
            }
            let next = self.lock().network.next_at();
            let sleeps = async {
                match next {
                    Some(at) => tokio::time::sleep(at.since(now)).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                biased;
                () = self.0.changed.notified() => {}
                () = sleeps => {}
            }
        }
    }

    /// A client is dead: what it sent is on its way, and nobody hears of it.
    pub(super) fn disconnect(&self, client: ClientId) {
        self.lock().network.disconnect(client);
    }

    /// Changes what goes wrong.
    pub(super) fn with<T>(&self, change: impl FnOnce(&mut Network) -> T) -> T {
        let changed = change(&mut self.lock().network);
        self.0.changed.notify_one();
        changed
    }

    fn next(&self, now: Instant) -> Option<(Answer, oneshot::Sender<Answer>)> {
        let mut state = self.lock();
        loop {
            let answered = state.network.poll(now)?;
            if let Some(to) = state.waiting.remove(&answered.id) {
                return Some((answered.answer, to));
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
