//! Who waits for syncs and snapshots of a daemon, and when each has its answer.
//!
//! A snapshot is asked for once a sync has brought up what was committed before the request, so that an image which was
//! under way already, and holds less, is not taken for the answer.

use super::account::{Account, What};
use super::ledger::Ledger;
use crate::control::{Answer, Answers, Done, Failed, Image};
use crate::exit::{Failure, Kind};
use crate::output::format_timestamp;
use engine::replicate::{Notice, SourceId, SyncId};
use engine::store::StoreError;
use engine::types::Txid;
use io_real::driver::Handle;
use io_real::sqlite::Session;
use io_real::wake::Armed;
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// All of them.
#[derive(Default)]
pub(super) struct Waits {
    waits: Vec<Wait>,
    syncs: u64,
}

/// What is waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wanted {
    /// A sync, but not for its end.
    Nothing,
    /// What is committed is in the store.
    Sync,
    /// And a full image of it.
    Snapshot,
}

/// Somebody who waits.
struct Wait {
    answers: Answers,
    wanted: Wanted,
    open: BTreeMap<SourceId, Step>,
    done: Vec<Done>,
    asked_at: Instant,
    patience: Duration,
}

/// What comes next for one database.
#[derive(Clone, Copy)]
enum Step {
    /// The sync of this number.
    Sync(SyncId),
    /// An image that holds this slot.
    Image(Txid),
}

/// Each is a client that is connected.
const WAITS_MAX: usize = 256;

impl Waits {
    pub(super) fn is_empty(&self) -> bool {
        self.waits.is_empty()
    }

    /// Asks the databases for what is wanted.
    pub(super) fn begin(
        &mut self,
        answers: Answers,
        wanted: Wanted,
        patience: Duration,
        databases: &[(SourceId, &Account)],
        handle: &Handle<Armed<Session>>,
    ) {
        if wanted != Wanted::Nothing && self.waits.len() >= WAITS_MAX {
            let failure = Failure::new(Kind::Unavailable, "too many wait for this daemon");
            return answers.end(Answer::Failed(Failed::from(&failure)));
        }
        let asked_at = Instant::now();
        let mut wait = Wait { answers, wanted, open: BTreeMap::new(), done: Vec::new(), asked_at, patience };
        for (id, account) in databases {
            if let Some(failure) = &account.end {
                wait.done.push(failed(account, failure));
                continue;
            }
            self.syncs += 1;
            handle.sync(*id, SyncId(self.syncs));
            match wanted {
                Wanted::Nothing => wait.done.push(done(account, false, None)),
                Wanted::Sync | Wanted::Snapshot => {
                    wait.open.insert(*id, Step::Sync(SyncId(self.syncs)));
                }
            }
        }
        self.waits.push(wait);
        self.answer_settled();
    }

    /// Something was said of a database, and noted.
    pub(super) fn heard(
        &mut self,
        id: SourceId,
        notice: &Notice,
        ledger: &Ledger,
        handle: &Handle<Armed<Session>>,
    ) {
        let Some(account) = ledger.account(id) else { return };
        for wait in &mut self.waits {
            let Some(step) = wait.open.get(&id).copied() else { continue };
            match after(step, wait.wanted, notice, account) {
                After::Same => {}
                After::Image(txid) => {
                    handle.snapshot(id);
                    wait.open.insert(id, Step::Image(txid));
                }
                After::Done(done) => {
                    wait.open.remove(&id);
                    wait.done.push(*done);
                }
            }
        }
        self.answer_settled();
    }

    /// Time passed: tells who waits that it goes on, or that it does not.
    pub(super) fn tick(&mut self, now: Instant, ledger: &Ledger) {
        for wait in &mut self.waits {
            let vain: Vec<(SourceId, Failure)> = wait
                .open
                .keys()
                .filter_map(|id| Some((*id, in_vain(ledger.account(*id)?, wait, now)?)))
                .collect();
            for (id, failure) in vain {
                wait.open.remove(&id);
                wait.done.extend(ledger.account(id).map(|account| failed(account, &failure)));
            }
            wait.answers.waiting();
        }
        self.waits.retain(|wait| !wait.answers.is_closed());
        self.answer_settled();
    }

    fn answer_settled(&mut self) {
        for wait in self.waits.extract_if(.., |wait| wait.open.is_empty()) {
            let mut databases = wait.done;
            databases.sort_by(|a, b| a.name.cmp(&b.name));
            wait.answers.end(match wait.wanted {
                Wanted::Nothing | Wanted::Sync => Answer::Synced { databases },
                Wanted::Snapshot => Answer::Snapshots { databases },
            });
        }
    }
}

/// What a notice means for who waits at a step.
enum After {
    Same,
    /// The sync is done, and the image is next.
    Image(Txid),
    Done(Box<Done>),
}

fn after(step: Step, wanted: Wanted, notice: &Notice, account: &Account) -> After {
    let done = |image| After::Done(Box::new(done(account, true, image)));
    let failed = |failure: &Failure| After::Done(Box::new(failed(account, failure)));
    let ended = || {
        Failure::new(Kind::Unavailable, "the daemon ended before everything was done")
            .database(&account.name)
            .hint(format!("{}   # continues where the store ends", account.again.watch))
    };
    match (step, notice) {
        (Step::Sync(number), Notice::Synced { id, txid }) if number <= *id => match wanted {
            Wanted::Snapshot => After::Image(*txid),
            Wanted::Nothing | Wanted::Sync => done(None),
        },
        (Step::Image(slot), Notice::Snapshot { txid, timestamp, size_bytes })
            if holds(*txid, size_bytes.is_none(), slot) =>
        {
            let image = Image {
                txid: txid.to_string(),
                timestamp: format_timestamp(*timestamp),
                size_bytes: *size_bytes,
            };
            done(Some(image))
        }
        (Step::Image(_), Notice::SnapshotRefused { pages, count }) => failed(&account.rotten(pages, *count)),
        (Step::Image(_), Notice::SnapshotFailed { why }) => failed(&account.no_image(why)),
        (Step::Sync(_), Notice::Stopped { complete: true, .. }) if wanted != Wanted::Snapshot => done(None),
        (_, Notice::Stopped { complete: true, .. }) => {
            failed(&ended().cause("everything is in the store, but no snapshot of it"))
        }
        (_, Notice::Stopped { complete: false, .. }) => failed(&ended().cause(account.what_is_open(None))),
        _ => match &account.end {
            Some(failure) => failed(failure),
            None => After::Same,
        },
    }
}

/// Whether the image up to `txid` holds what the slot does. One that was there already may lie below a slot that changes
/// nothing: that of a claim.
fn holds(txid: Txid, was_there: bool, slot: Txid) -> bool {
    txid >= slot || was_there && txid + 1 == slot
}

/// Why something is not waited for any longer: nothing has become durable for so long and something fails, or a person
/// must mend the store.
fn in_vain(account: &Account, wait: &Wait, now: Instant) -> Option<Failure> {
    let trouble = account.trouble.as_ref()?;
    let since = account.durable_heard_at.map_or(wait.asked_at, |heard| heard.max(wait.asked_at));
    let is_fatal = matches!(trouble.what, What::Store(StoreError::Fatal { .. }, _));
    let is_vain = now.duration_since(since) >= wait.patience || (is_fatal && trouble.last >= wait.asked_at);
    is_vain.then(|| account.given_up(&trouble.what).cause(account.what_is_open(None)))
}

fn done(account: &Account, durable: bool, snapshot: Option<Image>) -> Done {
    Done {
        name: account.name.clone(),
        path: account.path.display().to_string(),
        txid: account.durable.map(|txid| txid.to_string()),
        durable,
        snapshot,
        failed: None,
    }
}

fn failed(account: &Account, failure: &Failure) -> Done {
    Done { failed: Some(Failed::from(failure)), ..done(account, false, None) }
}

#[cfg(test)]
mod tests;
