//! One database: how it stands, what went wrong, and the failure that it is. Knows no clock and prints nothing.

use super::again::Again;
use super::images::{Images, in_one_line};
use super::upkeep_done::UpkeepDone;
use crate::commands::restore_failure::word;
use crate::exit::{Failure, Kind};
use crate::output::{format_timestamp, human_size};
use engine::replicate::{Fenced, RestoredHere, SourceError, Standing, Status};
use engine::store::StoreError;
use engine::types::{Timestamp, Txid};
use std::fmt;
use std::path::PathBuf;
use std::time::{Duration, Instant};

/// One database.
#[derive(Debug)]
pub(super) struct Account {
    /// Its NAME.
    pub(super) name: String,
    pub(super) path: PathBuf,
    pub(super) again: Again,
    pub(super) status: Status,
    /// Since when; `None`: nothing was heard of it yet.
    pub(super) status_since: Option<Instant>,
    pub(super) durable: Option<Txid>,
    /// The time of that slot.
    pub(super) synced_at: Option<Timestamp>,
    /// When that was heard.
    pub(super) durable_heard_at: Option<Instant>,
    /// Who owns the place.
    pub(super) fenced_by: Option<String>,
    /// Why it cannot go on, if it cannot.
    pub(super) end: Option<Failure>,
    /// Whether more may be committed than the store has, where it cannot go on.
    holds_commits: bool,
    /// It came to an end, and more may be committed than the store has.
    undone: bool,
    /// The last failure of store or database since something last went right.
    pub(super) trouble: Option<Trouble>,
    /// Full images of it.
    pub(super) images: Images,
    pub(super) upkeep: UpkeepDone,
}

/// Failures without anything that went right between them.
#[derive(Debug)]
pub(super) struct Trouble {
    since: Instant,
    pub(super) last: Instant,
    pub(super) what: What,
}

#[derive(Clone, Debug)]
pub(super) enum What {
    Store(StoreError, String),
    Source(SourceError),
    State(Box<str>),
}

/// Longer than from one failure of a request to its next: after such a silence something went right.
const SILENCE: Duration = Duration::from_secs(120);

impl Account {
    pub(super) fn new(name: String, path: PathBuf, again: Again) -> Account {
        Account {
            name,
            path,
            again,
            status: Status::Starting,
            status_since: None,
            durable: None,
            synced_at: None,
            durable_heard_at: None,
            fenced_by: None,
            end: None,
            holds_commits: false,
            undone: false,
            trouble: None,
            images: Images::default(),
            upkeep: UpkeepDone::default(),
        }
    }

    pub(super) fn entered(&mut self, status: Status, now: Instant) {
        self.status = status;
        self.status_since = Some(now);
        if status == Status::Following {
            self.end = None;
            self.trouble = None;
            self.fenced_by = None;
        }
    }

    pub(super) fn durable(&mut self, txid: Txid, timestamp: Timestamp, now: Instant) {
        self.durable = Some(txid);
        self.synced_at = Some(timestamp);
        self.durable_heard_at = Some(now);
        self.trouble = None;
    }

    pub(super) fn failed(&mut self, now: Instant, what: What) {
        let before = self.trouble.as_ref().filter(|trouble| now.duration_since(trouble.last) < SILENCE);
        let since = before.map_or(now, |trouble| trouble.since);
        self.trouble = Some(Trouble { since, last: now, what });
    }

    /// Incomplete while following only says that the application went on writing. Otherwise nobody knows what is
    /// missing.
    pub(super) fn stopped(&mut self, durable: Option<Txid>, complete: bool) {
        self.durable = self.durable.max(durable);
        let ends_well = complete || self.status == Status::Following;
        self.undone = !ends_well && (self.end.is_none() || self.holds_commits);
    }

    /// It was not stopped, and may still get on.
    pub(super) fn is_open(&self) -> bool {
        self.status != Status::Stopped && (self.end.is_none() || self.holds_commits)
    }

    pub(super) fn is_undone(&self) -> bool {
        self.undone
    }

    pub(super) fn damaged(&self, key: &str, message: &str) -> Failure {
        Failure::new(Kind::Corrupt, "an object of the place is damaged, nothing is replicated")
            .database(&self.name)
            .object(key)
            .cause(message)
            .hint(format!("{}   # shows what still restores", self.again.list))
    }

    /// It cannot go on. `holds_commits`: more may be committed than the store has.
    pub(super) fn ended(&mut self, failure: Failure, holds_commits: bool) -> Option<Failure> {
        self.end = Some(failure.clone());
        self.holds_commits = holds_commits;
        Some(failure)
    }

    pub(super) fn lost_place(&mut self, fenced: &Fenced) -> Option<Failure> {
        let host = fenced.host.as_ref().map_or_else(String::new, |host| format!(" on host {host}"));
        self.fenced_by = Some(format!("{}{host}", writer(fenced)));
        self.ended(self.fenced(fenced), true)
    }

    fn fenced(&self, fenced: &Fenced) -> Failure {
        let watch = &self.again.watch;
        if fenced.copied_state {
            return Failure::new(Kind::Fenced, "a copy of this host's state is writing to the place")
                .database(&self.name)
                .txid(fenced.txid)
                .cause("the newest slot carries our id and bytes that we did not send")
                .hint(format!(
                    "end the copy, then: {} --take-over --state-dir NEW_DIR",
                    self.again.watch_anew
                ));
        }
        let by = writer(fenced);
        let host = fenced.host.as_ref().map_or_else(String::new, |host| format!(" on host {host}"));
        let at = fenced.at.map_or_else(String::new, |at| format!(" at {}", format_timestamp(at)));
        let identical = match fenced.identical {
            Some(true) => "this database is identical to the newest state there",
            Some(false) => "this database differs from the newest state there",
            None => "whether this database equals the newest state there is not known",
        };
        let continues = fenced.restored.is_some_and(|from| from.is_newest);
        let identical_goes_on = (fenced.identical == Some(true) || continues) && !fenced.needs_image;
        let flag = if identical_goes_on { "--take-over" } else { "--take-over=always" };
        let mut failure = Failure::new(Kind::Fenced, "another writer owns the place")
            .database(&self.name)
            .txid(fenced.txid)
            .cause(format!("the newest slot was written by {by}{host}{at}"))
            .cause(identical);
        if let Some(host) = &fenced.claimed_by {
            failure = failure.cause(format!("the place was claimed by host {host}"));
        }
        if let Some(from) = fenced.restored {
            failure = failure.cause(restored(from, fenced.txid));
        }
        failure.hint(format!("if that writer has ended for good: {watch} {flag}"))
    }

    pub(super) fn too_new(&self, format: u32) -> Failure {
        Failure::usage("a newer walsync wrote to this place")
            .database(&self.name)
            .cause(format!("its format is {format}, which this version does not know; nothing was written"))
            .hint("install the newer version")
    }

    pub(super) fn source(&self, error: &SourceError) -> Failure {
        let path = word(&self.path);
        let (kind, what, hint) = match error {
            SourceError::Missing => (Kind::Usage, "the database does not exist", format!("ls -l {path}")),
            SourceError::Denied(_) => {
                (Kind::Usage, "the database may not be read or written", format!("ls -l {path}"))
            }
            SourceError::NotWal(_) => (
                Kind::Usage,
                "the database is not in WAL mode",
                format!("sqlite3 {path} 'PRAGMA journal_mode=WAL'"),
            ),
            SourceError::Library(_) => {
                (Kind::Usage, "this SQLite library cannot be used", "walsync version --verbose".to_owned())
            }
            SourceError::NotADatabase(_) => (
                Kind::Corrupt,
                "the file is not a SQLite database",
                format!("sqlite3 {path} 'PRAGMA integrity_check'"),
            ),
            SourceError::Held(_) => (
                Kind::Fenced,
                "another walsync holds this database",
                format!("end it first, or see who has it: fuser {path}"),
            ),
            SourceError::Busy
            | SourceError::Replaced(_)
            | SourceError::BadFrame { .. }
            | SourceError::Unstable(_)
            | SourceError::Rotten { .. }
            | SourceError::Io(_) => {
                (Kind::Unavailable, "the database cannot be read", format!("ls -l {path}"))
            }
        };
        Failure::new(kind, what).database(&self.name).cause(self.path.display()).because(error).hint(hint)
    }

    /// Why a run that tried everything is no success.
    pub(super) fn why(&self) -> Option<Failure> {
        let undone = || {
            Failure::new(Kind::Unavailable, "not everything could be made durable")
                .database(&self.name)
                .cause(self.what_is_open(None))
                .hint(format!("{}   # continues where the store ends", self.again.watch))
        };
        self.end.clone().or_else(|| self.undone.then(undone))
    }

    /// What is wrong now, in one line.
    pub(super) fn what_is_wrong(&self) -> Option<String> {
        let trouble = || self.trouble.as_ref().map(|trouble| trouble.what.to_string());
        self.end.as_ref().map(in_one_line).or_else(trouble)
    }

    /// What it has failed at for this long, or what waiting does not mend.
    pub(super) fn in_vain(&self, patience: Duration) -> Option<Failure> {
        let trouble = self.trouble.as_ref()?;
        let is_fatal = matches!(trouble.what, What::Store(StoreError::Fatal { .. }, _));
        let is_vain = is_fatal || trouble.last.duration_since(trouble.since) >= patience;
        is_vain.then(|| self.given_up(&trouble.what))
    }

    pub(super) fn given_up(&self, what: &What) -> Failure {
        match what {
            What::Source(error) => self.source(error),
            What::State(message) => Failure::new(Kind::Unavailable, "the local state cannot be kept")
                .database(&self.name)
                .cause(message)
                .hint(&self.again.elsewhere),
            What::Store(error, key) => {
                let failure = Failure::of_store("the store cannot be used", error).database(&self.name);
                let failure = if key.is_empty() { failure } else { failure.object(key) };
                failure.hint(&self.again.show_config)
            }
        }
    }

    /// What of it may not be in the store, and how much.
    pub(super) fn what_is_open(&self, standing: Option<&Standing>) -> String {
        let name = &self.name;
        let mut text = match self.durable {
            Some(txid) => format!("{name}: commits after slot {txid} are not known to be in the store"),
            None => format!("{name}: nothing of this run is known to be in the store"),
        };
        if let Some(standing) = standing.filter(|standing| standing.unsent_pages > 0) {
            text += &format!(", {} pages of them were read", standing.unsent_pages);
        }
        if let Some(bytes) = standing.and_then(|standing| standing.wal_bytes) {
            text += &format!(", the WAL holds {}", human_size(bytes));
        }
        text
    }
}

fn writer(fenced: &Fenced) -> String {
    fenced.by.map_or_else(|| "a writer without an id (Litestream)".to_owned(), |id| format!("writer {id}"))
}

/// Where a database comes from that may not continue the place, whose newest slot is `newest`.
fn restored(from: RestoredHere, newest: Txid) -> String {
    let slot = from.txid;
    if from.is_newest {
        format!(
            "it was restored here from slot {slot}, the newest there is: what was written since continues it"
        )
    } else if slot == newest {
        format!("it was restored here from slot {slot}, which holds another state now")
    } else {
        format!(
            "it was restored here from slot {slot}, which is not the newest: going on from it undoes the slots since"
        )
    }
}

impl fmt::Display for What {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            What::Store(error, _) => error.fmt(f),
            What::Source(error) => error.fmt(f),
            What::State(message) => message.fmt(f),
        }
    }
}
