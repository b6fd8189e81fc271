//! Property 24, and what else can be seen of the driver from the store's side: how many requests are under way at one
//! time, which uploads it has opened and what became of them, whether anything goes on after its end.

#![expect(
    clippy::disallowed_types,
    reason = "ports must be Sync; a world has one thread, and nobody ever waits"
)]

use super::mischief::Mischief;
use crate::coverage::Reached;
use crate::outcome::Violation;
use io_sim::s3::UploadId;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::watch;

/// The requests of one life; cheap to clone.
#[derive(Clone)]
pub(super) struct Traffic(Arc<Inner>);

struct Inner {
    in_flight_max: usize,
    mischief: Mischief,
    state: Mutex<State>,
    /// Requests wait before they are sent.
    held: watch::Sender<bool>,
}

#[derive(Default)]
struct State {
    next: u64,
    under_way: BTreeMap<u64, Kind>,
    has_ended: bool,
    uploads: BTreeMap<UploadId, UploadSeen>,
    /// Keys of writes whose outcome is not known, and that nobody has looked at since.
    unclear: BTreeSet<String>,
}

/// What a request is, as far as the end of a life in the middle of it matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Read,
    Write,
    Part(UploadId),
    Complete(UploadId),
}

struct UploadSeen {
    database: String,
    /// Slots and full images go up beside each other.
    level: String,
    has_ended: bool,
    was_given_up: bool,
    /// The outcome of its completion is not known.
    is_unclear: bool,
}

/// A request under way, from its first poll until it is answered or dropped.
pub(super) struct UnderWay {
    traffic: Traffic,
    number: u64,
    is_answered: bool,
}

impl Traffic {
    pub(super) fn new(in_flight_max: usize, mischief: &Mischief) -> Traffic {
        let (state, held) = (Mutex::default(), watch::Sender::new(false));
        Traffic(Arc::new(Inner { in_flight_max, mischief: mischief.clone(), state, held }))
    }

    /// A request begins; `None`: the driver has ended, and this must not be sent.
    pub(super) fn begin(&self, kind: Kind) -> Option<UnderWay> {
        let mut state = self.lock();
        if state.has_ended {
            return None;
        }
        let number = state.next;
        state.next += 1;
        state.under_way.insert(number, kind);
        let (count, max) = (state.under_way.len(), self.0.in_flight_max);
        drop(state);
        if count == max {
            self.0.mischief.reached(Reached::QueueFull);
        }
        if count > max {
            self.0.mischief.broken(Violation::new(24, format!("{count} requests at one time, not {max}")));
        }
        Some(UnderWay { traffic: self.clone(), number, is_answered: false })
    }

    /// Waits while requests are held back.
    pub(super) async fn may_go(&self) {
        // The sender is in this very value.
        let _ = self.0.held.subscribe().wait_for(|held| !*held).await;
    }

    /// Holds requests back, or lets them go.
    pub(super) fn hold(&self, held: bool) {
        self.0.held.send_replace(held);
    }

    /// How many are under way.
    pub(super) fn count(&self) -> usize {
        self.lock().under_way.len()
    }

    /// The driver ends now: notes in the middle of what.
    pub(super) fn ends(&self) {
        let mut state = self.lock();
        state.has_ended = true;
        let is_sent = |upload: UploadId| state.under_way.values().any(|kind| *kind == Kind::Part(upload));
        let open = state.uploads.iter().filter(|(_, seen)| !seen.has_ended);
        let between = open.clone().any(|(upload, _)| !is_sent(*upload));
        let mischief = &self.0.mischief;
        for kind in state.under_way.values() {
            mischief.reached(match kind {
                Kind::Read => Reached::DroppedReading,
                Kind::Write => Reached::DroppedWriting,
                Kind::Part(_) => Reached::DroppedInPart,
                Kind::Complete(_) => Reached::DroppedCompleting,
            });
        }
        if between {
            mischief.reached(Reached::DroppedBetweenParts);
        }
    }

    /// Whether an upload in parts is under way.
    pub(super) fn has_upload(&self) -> bool {
        self.lock().uploads.values().any(|seen| !seen.has_ended && !seen.was_given_up)
    }

    /// Property 14: nobody writes again, at once or by the completion of an upload, before he looks what became of a write
    /// whose outcome is not known.
    pub(super) fn writes(&self, key: &str) {
        // Not known, until it is answered.
        if !self.lock().unclear.insert(key.to_owned()) {
            let message = format!("{key} is written again, and what became of the write before is not known");
            self.0.mischief.broken(Violation::new(14, message));
        }
    }

    /// A write was answered by something that tells, or somebody looks at the key.
    pub(super) fn is_clear(&self, key: &str) {
        self.lock().unclear.remove(key);
    }

    /// An upload has begun. Before another one of the same database and level begins, the driver gives the last one up.
    pub(super) fn upload_started(&self, upload: UploadId, key: &str) {
        let folders: Vec<&str> = key.split('/').collect();
        let (database, level) =
            (folders[..folders.len() - 2].join("/"), folders[folders.len() - 2].to_owned());
        let mut state = self.lock();
        let is_open = |seen: &&UploadSeen| !seen.has_ended && !seen.was_given_up;
        let of_both = |seen: &&UploadSeen| seen.database == database && seen.level == level && is_open(seen);
        let forgotten = state.uploads.values().filter(of_both).count();
        let seen = UploadSeen { database, level, has_ended: false, was_given_up: false, is_unclear: false };
        state.uploads.insert(upload, seen);
        drop(state);
        if forgotten > 0 {
            let message = format!("{forgotten} uploads are open when that of {key} begins");
            self.0.mischief.broken(Violation::new(24, message));
        }
    }

    pub(super) fn upload_ended(&self, upload: UploadId) {
        self.with_upload(upload, |seen| seen.has_ended = true);
    }

    /// Its completion was not answered, or by nothing that tells.
    pub(super) fn upload_is_unclear(&self, upload: UploadId, unclear: bool) {
        self.with_upload(upload, |seen| seen.is_unclear = unclear);
    }

    /// Its end was asked for, whatever came of it.
    pub(super) fn upload_given_up(&self, upload: UploadId) {
        self.with_upload(upload, |seen| seen.was_given_up = true);
    }

    /// A database is not followed any more: what it may still have open is left to the sweep.
    pub(super) fn database_stops(&self, database: &str) {
        for seen in self.lock().uploads.values_mut().filter(|seen| seen.database == database) {
            // An end waits for no full image.
            seen.was_given_up |= seen.is_unclear || seen.level == "0009";
        }
    }

    fn with_upload(&self, upload: UploadId, note: impl FnOnce(&mut UploadSeen)) {
        if let Some(seen) = self.lock().uploads.get_mut(&upload) {
            note(seen);
        }
    }

    /// Uploads of this life that nobody completed and nobody gave up. One whose completion is unclear may be wanted
    /// until the object is found to be there: the sweep ends it.
    pub(super) fn uploads_left(&self) -> Vec<UploadId> {
        let state = self.lock();
        let left = state
            .uploads
            .iter()
            .filter(|(_, seen)| !seen.has_ended && !seen.was_given_up && !seen.is_unclear);
        left.map(|(upload, _)| *upload).collect()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl UnderWay {
    pub(super) fn is_answered(&mut self) {
        self.is_answered = true;
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        let mut state = self.traffic.lock();
        let kind = state.under_way.remove(&self.number);
        let lives = !state.has_ended;
        // Who panics gives nothing up: that is left to the sweep.
        if let (true, Some(Kind::Part(upload) | Kind::Complete(upload))) = (std::thread::panicking(), kind)
            && let Some(seen) = state.uploads.get_mut(&upload)
        {
            seen.was_given_up = true;
        }
        drop(state);
        let mischief = &self.traffic.0.mischief;
        // Nobody but the driver's time limit drops a request of a living driver.
        if lives && !self.is_answered && !mischief.is_doomed() && !std::thread::panicking() {
            mischief.reached(Reached::TimedOut);
        }
    }
}
