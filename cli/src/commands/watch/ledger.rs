//! How each database stands, and what that means for the end of the run. Knows no clock and prints nothing.

use super::again::Again;
use crate::commands::restore_failure::word;
use crate::exit::{Failure, Kind};
use crate::output::format_timestamp;
use engine::replicate::{Fenced, Notice, RestoredHere, SourceError, SourceId, Status};
use engine::store::StoreError;
use engine::types::Txid;
use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// All databases of a run.
#[derive(Debug, Default)]
pub(super) struct Ledger {
    databases: BTreeMap<SourceId, Account>,
}

/// One database.
#[derive(Debug)]
pub(super) struct Account {
    /// Its NAME.
    pub(super) name: String,
    pub(super) path: PathBuf,
    again: Again,
    status: Status,
    durable: Option<Txid>,
    /// Why it cannot go on, if it cannot.
    end: Option<Failure>,
    /// What an end left undone without any other failure to name.
    undone: Option<Failure>,
    /// The last failure of store or database since something last went right.
    trouble: Option<Trouble>,
}

/// Failures without anything that went right between them.
#[derive(Debug)]
struct Trouble {
    since: Instant,
    last: Instant,
    what: What,
}

#[derive(Clone, Debug)]
enum What {
    Store(StoreError, String),
    Source(SourceError),
    State(Box<str>),
}

/// Longer than from one failure of a request to its next: after such a silence something went right.
const SILENCE: Duration = Duration::from_secs(120);

impl Ledger {
    pub(super) fn add(&mut self, id: SourceId, name: String, path: PathBuf, again: Again) {
        let account = Account {
            name,
            path,
            again,
            status: Status::Starting,
            durable: None,
            end: None,
            undone: None,
            trouble: None,
        };
        self.databases.insert(id, account);
    }

    pub(super) fn account(&self, id: SourceId) -> Option<&Account> {
        self.databases.get(&id)
    }

    /// The database at this path.
    pub(super) fn id_of(&self, path: &Path) -> Option<SourceId> {
        self.databases.iter().find(|(_, account)| account.path == path).map(|(id, _)| *id)
    }

    pub(super) fn is_fenced(&self, id: SourceId) -> bool {
        self.account(id).is_some_and(|account| account.status == Status::Fenced)
    }

    /// Forgets a database; its path.
    pub(super) fn remove(&mut self, id: SourceId) -> Option<PathBuf> {
        self.databases.remove(&id).map(|account| account.path)
    }

    /// Takes note. The failure, if this notice is why the database cannot go on.
    pub(super) fn note(&mut self, id: SourceId, notice: &Notice, now: Instant) -> Option<Failure> {
        let account = self.databases.get_mut(&id)?;
        match notice {
            Notice::Status(status) => account.status(*status),
            Notice::Durable { txid, .. } => {
                account.durable = Some(*txid);
                account.trouble = None;
            }
            Notice::Healed { .. } | Notice::EnteredWalMode => account.trouble = None,
            Notice::BudgetSpent { .. } | Notice::LogLetGo { .. } | Notice::ClockBehind { .. } => {}
            Notice::Store { error, key, .. } => {
                account.failed(now, What::Store(error.clone(), key.clone()));
            }
            Notice::Fenced(fenced) => return account.ended(account.fenced(fenced)),
            Notice::TooNew { format } => return account.ended(account.too_new(*format)),
            // A missing file is waited for, but a run that ends meanwhile must say so.
            Notice::Source { error, fatal } if *fatal || *error == SourceError::Missing => {
                return account.ended(account.source(error));
            }
            Notice::Source { error, .. } => account.failed(now, What::Source(error.clone())),
            // Looked at again and again, but a run that ends meanwhile must say so.
            Notice::Corrupt { key, message } => return account.ended(account.damaged(key, message)),
            Notice::State { message } => account.failed(now, What::State(message.clone())),
            Notice::Stopped { durable, complete } => account.stopped(*durable, *complete),
        }
        None
    }

    /// Whether nothing can go on without a person: then a daemon ends.
    pub(super) fn is_over(&self) -> bool {
        let over = |account: &Account| matches!(account.status, Status::Fenced | Status::Failed);
        !self.databases.is_empty() && self.databases.values().all(over)
    }

    /// Why databases cannot go on, the gravest last.
    pub(super) fn failures(&self) -> Vec<Failure> {
        let mut all: Vec<Failure> = self.databases.values().filter_map(Account::why).collect();
        all.sort_by_key(Failure::kind);
        all
    }

    /// What databases left undone that came to an end while nothing could be done about them.
    pub(super) fn undone(&self) -> Option<Failure> {
        self.databases.values().find_map(|account| account.undone.clone())
    }

    /// Why a run that is to end ends now although databases are open, the gravest last: each of them has failed
    /// again after trying in vain for this long, or a person must mend the store. One that may still get on keeps
    /// the run alive. A single failure, however long ago, proves nothing: a long upload may be going well since.
    pub(super) fn given_up(&self, patience: Duration) -> Option<Vec<Failure>> {
        let is_open = |account: &&Account| account.status != Status::Stopped;
        let vain: Option<Vec<Failure>> =
            self.databases.values().filter(is_open).map(|account| account.in_vain(patience)).collect();
        let mut all = vain.filter(|failures| !failures.is_empty())?;
        all.extend(self.databases.values().filter(|account| !is_open(account)).filter_map(Account::why));
        all.sort_by_key(Failure::kind);
        Some(all)
    }

    /// What an orderly end did not get done in time.
    pub(super) fn unfinished(&self) -> Option<Failure> {
        let open: Vec<&Account> =
            self.databases.values().filter(|a| a.status != Status::Stopped && a.end.is_none()).collect();
        let first = open.first()?;
        let mut failure = Failure::new(Kind::Unavailable, "not everything could be made durable in time");
        if open.len() == 1 {
            failure = failure.database(&first.name);
        }
        let again = &first.again.watch;
        for account in &open {
            failure = failure.cause(account.what_is_open());
            if let Some(trouble) = &account.trouble {
                failure = failure.cause(format!("{}: {}", account.name, trouble.what));
            }
        }
        Some(failure.hint(format!("{again}   # continues where the store ends")))
    }
}

impl Account {
    fn status(&mut self, status: Status) {
        self.status = status;
        if status == Status::Following {
            self.end = None;
            self.trouble = None;
        }
    }

    fn failed(&mut self, now: Instant, what: What) {
        let before = self.trouble.as_ref().filter(|trouble| now.duration_since(trouble.last) < SILENCE);
        let since = before.map_or(now, |trouble| trouble.since);
        self.trouble = Some(Trouble { since, last: now, what });
    }

    /// Incomplete while following only says that the application went on writing. Otherwise nobody knows what is
    /// missing, and no failure may have said so.
    fn stopped(&mut self, durable: Option<Txid>, complete: bool) {
        self.durable = self.durable.max(durable);
        if !complete && self.status != Status::Following && self.end.is_none() {
            let failure = Failure::new(Kind::Unavailable, "not everything could be made durable")
                .database(&self.name)
                .cause(self.what_is_open())
                .hint(format!("{}   # continues where the store ends", self.again.watch));
            self.undone = Some(failure);
        }
    }

    fn damaged(&self, key: &str, message: &str) -> Failure {
        Failure::new(Kind::Corrupt, "an object of the place is damaged, nothing is replicated")
            .database(&self.name)
            .object(key)
            .cause(message)
            .hint(format!("{}   # shows what still restores", self.again.list))
    }

    fn ended(&mut self, failure: Failure) -> Option<Failure> {
        self.end = Some(failure.clone());
        Some(failure)
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
        let by = fenced
            .by
            .map_or_else(|| "a writer without an id (Litestream)".to_owned(), |id| format!("writer {id}"));
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

    fn too_new(&self, format: u32) -> Failure {
        Failure::usage("a newer walsync wrote to this place")
            .database(&self.name)
            .cause(format!("its format is {format}, which this version does not know; nothing was written"))
            .hint("install the newer version")
    }

    fn source(&self, error: &SourceError) -> Failure {
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
            | SourceError::Io(_) => {
                (Kind::Unavailable, "the database cannot be read", format!("ls -l {path}"))
            }
        };
        Failure::new(kind, what).database(&self.name).cause(self.path.display()).because(error).hint(hint)
    }

    fn why(&self) -> Option<Failure> {
        self.end.clone().or_else(|| self.undone.clone())
    }

    /// What it has failed at for this long, or what waiting does not mend.
    fn in_vain(&self, patience: Duration) -> Option<Failure> {
        let trouble = self.trouble.as_ref()?;
        let is_fatal = matches!(trouble.what, What::Store(StoreError::Fatal { .. }, _));
        let is_vain = is_fatal || trouble.last.duration_since(trouble.since) >= patience;
        is_vain.then(|| self.given_up(&trouble.what))
    }

    fn given_up(&self, what: &What) -> Failure {
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

    fn what_is_open(&self) -> String {
        let name = &self.name;
        match self.durable {
            Some(txid) => format!("{name}: commits after slot {txid} are not known to be in the store"),
            None => format!("{name}: nothing of this run is known to be in the store"),
        }
    }
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
