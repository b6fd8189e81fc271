//! How the outside talks to a running driver.

use super::message::Message;
use crate::port::Source;
use engine::mutants::{Mutant, mutated};
use engine::replicate::{DatabaseConfig, Hint, SourceId, Standing, SyncId};
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::Notify;
use tokio::sync::mpsc::UnboundedSender;
use tokio::sync::oneshot;

/// Adds, stops and wakes the databases of a driver. Calls after the driver's end do nothing.
pub struct Handle<S> {
    messages: UnboundedSender<Message<S>>,
    poker: Poker,
    next: Arc<AtomicU32>,
}

impl<S> Clone for Handle<S> {
    fn clone(&self) -> Handle<S> {
        Handle { messages: self.messages.clone(), poker: self.poker.clone(), next: self.next.clone() }
    }
}

impl<S: Source> Handle<S> {
    pub(super) fn new(messages: UnboundedSender<Message<S>>, poker: Poker) -> Handle<S> {
        Handle { messages, poker, next: Arc::default() }
    }

    /// Follows a database. `state_key` is its key in the local state: the path without symbolic links.
    pub fn add(&self, config: DatabaseConfig, source: S, state_key: String) -> SourceId {
        let id = SourceId(self.next.fetch_add(1, Ordering::Relaxed));
        self.send(Message::Add(id, Box::new(config), source, state_key));
        id
    }

    /// Gives a database other values; what belongs to its history and its store stays as it was added.
    pub fn reconfigure(&self, id: SourceId, config: DatabaseConfig) {
        self.send(Message::Reconfigure(id, Box::new(config)));
    }

    /// Other bounds for requests to the store: how many at a time (at least 1), and the bandwidth of uploads (0: no
    /// bound). What is in flight goes on.
    pub fn bound(&self, requests_in_flight: usize, upload_bytes_per_second: u64) {
        let requests_in_flight = requests_in_flight.max(1);
        self.send(Message::Bound { requests_in_flight, upload_bytes_per_second });
    }

    /// The files of a database may have changed.
    pub fn poke(&self, id: SourceId, hint: Hint) {
        self.poker.poke(id, hint);
    }

    /// What only pokes: for the watcher of the files.
    pub fn poker(&self) -> Poker {
        self.poker.clone()
    }

    /// Syncs what is committed by now, without waiting for an interval; `sync` is larger than in every earlier call for this
    /// database. `Notice::Synced` says when it is done.
    pub fn sync(&self, id: SourceId, sync: SyncId) {
        self.send(Message::Sync(id, sync));
    }

    /// How the databases that are not stopped stand; none after the driver's end.
    pub fn standings(&self) -> impl Future<Output = BTreeMap<SourceId, Standing>> + Send + 'static {
        let (sender, standings) = oneshot::channel();
        self.send(Message::Standings(sender));
        async move { standings.await.unwrap_or_default() }
    }

    /// A full image of the database is wanted now. A notice answers.
    pub fn snapshot(&self, id: SourceId) {
        self.send(Message::Snapshot(id));
    }

    /// Syncs what is pending, then stops following this database.
    pub fn stop(&self, id: SourceId) {
        self.send(Message::Stop(id));
    }

    /// The same for all databases; then the driver ends. What is added later is not followed.
    pub fn finish(&self) {
        self.send(Message::Finish);
    }

    fn send(&self, message: Message<S>) {
        // An error says that the driver has ended.
        let _ = self.messages.send(message);
    }
}

/// Hints that files changed, coalesced: a thousand for one database are one.
#[derive(Clone, Default)]
pub struct Poker(Arc<Hints>);

#[derive(Default)]
struct Hints {
    ids: Mutex<BTreeMap<SourceId, Hint>>,
    there: Notify,
}

impl Poker {
    /// The files of a database may have changed.
    pub fn poke(&self, id: SourceId, hint: Hint) {
        let mut ids = self.0.ids.lock().unwrap_or_else(PoisonError::into_inner);
        let before = ids.get(&id).copied();
        if before < Some(hint) {
            ids.insert(id, hint);
        }
        drop(ids);
        if before.is_none() {
            self.0.there.notify_one();
        }
    }

    /// Waits for hints.
    pub(crate) async fn wait(&self) -> BTreeMap<SourceId, Hint> {
        self.0.there.notified().await;
        let hints = std::mem::take(&mut *self.0.ids.lock().unwrap_or_else(PoisonError::into_inner));
        let heeded = if mutated(Mutant::HintsLost) { 1 } else { hints.len() };
        hints.into_iter().take(heeded).collect()
    }
}
