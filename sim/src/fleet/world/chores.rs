//! `walsync compact` and `walsync cleanup`: the engine's machine for them, beside daemons and each other, with the faults of the
//! store, and ends in the middle. What is deleted is judged as that of daemons is; what is told is compared with what happened.

use super::*;
use crate::fleet::by_hand::Chore;
use crate::fleet::source::Stager;
use crate::fleet::watch::is_read;
use crate::oracle::pace::Pace;
use crate::world::transfer::{Next, Transfer, Uploads};
use engine::key::{Layout, ObjectKey};
use engine::replicate::{
    Notice, Outcome as Told, RequestId, Solo, SoloOutput, StoreAnswer, StoreRequest, Task, UpkeepConfig,
};
use engine::retention::{Policy, Retention};
use engine::store::StoreError;
use engine::types::{Level, NodeId};
use io_sim::network;
use std::collections::BTreeSet;

/// What is to be done.
#[derive(Clone, Copy, Debug)]
pub(super) struct What {
    pub(super) place: usize,
    /// By whose clock.
    pub(super) machine: usize,
    pub(super) chore: Chore,
    pub(super) dry_run: bool,
}

/// A run under way.
pub(super) struct Run {
    what: What,
    policy: Policy,
    solo: Solo,
    transfers: BTreeMap<network::RequestId, Transfer<Stager>>,
    uploads: Uploads,
    pace: Pace,
    wake_at: Option<Instant>,
    /// When the store did last what it was asked for.
    succeeded_at: Instant,
    /// What it has asked for that changes the place, and with which of these it is killed, or just after it.
    writes: u64,
    killed_at_write: Option<u64>,
    /// What went because of it alone.
    deleted: BTreeSet<String>,
    /// The place at each beginning of its listings.
    begun: Vec<Begun>,
}

/// A place when a run began to list it.
struct Begun {
    points: BTreeSet<u64>,
    /// Objects that had gone, and those because of the run.
    gone: usize,
    own: usize,
    /// Objects that had come.
    arrivals: usize,
}

impl World<'_> {
    pub(super) fn begin_chore(&mut self, what: What, killed_at_write: Option<u64>) -> Checked {
        let upkeep = self.settings.upkeep.clone();
        let Some((upkeep, writers)) = upkeep.and_then(|upkeep| Some((upkeep.clone(), upkeep.policy?))) else {
            return Ok(());
        };
        let (task, policy) = match what.chore {
            Chore::Compact { up_to } => {
                (Task::Compact { up_to: Level::new(up_to).expect("1 to 4") }, writers)
            }
            Chore::CleanUp { keeps } => (Task::Retain, keeps.policy(writers)),
        };
        self.clients += 1;
        let client = ClientId(self.clients);
        let node = NodeId::new(self.hands.next_u64() | 1).expect("not zero");
        let database = daemons::random_database(&mut self.hands);
        let upkeep = UpkeepConfig { policy: Some(policy), ..upkeep };
        let config = self.config((what.machine, what.place), (node, database), TakeOver::Never, upkeep);
        let now = self.machines[what.machine].clock.now();
        let run = Run {
            what,
            policy,
            solo: Solo::start(now, config, task, what.dry_run),
            transfers: BTreeMap::new(),
            uploads: Uploads::new(),
            pace: Pace::default(),
            wake_at: None,
            succeeded_at: now.mono,
            writes: 0,
            killed_at_write,
            deleted: BTreeSet::new(),
            begun: Vec::new(),
        };
        self.trace.record("start by hand", &format!("{what:?}"), &[("client", client.0.into())], &[]);
        self.chores.insert(client, run);
        self.go_on_by_hand(client)
    }

    /// It ends at once. What it has asked for is on its way.
    pub(super) fn kill_chore(&mut self, client: ClientId) {
        if self.end_chore(client).is_some() {
            self.coverage.reached(Reached::SoloKilled);
        }
    }

    fn end_chore(&mut self, client: ClientId) -> Option<Run> {
        self.by_hand.disconnect(client);
        self.chores.remove(&client)
    }

    /// When the next of them wants to look at the clock.
    pub(super) fn next_chore(&self) -> Option<(Instant, ClientId)> {
        let wakes = self.chores.iter().filter_map(|(client, run)| Some((run.wake_at?, *client)));
        wakes.min()
    }

    pub(super) fn chore_wakes(&mut self, client: ClientId) -> Checked {
        self.happened += 1;
        let run = self.chores.get_mut(&client).expect("one that waits");
        run.solo.time_passed(self.machines[run.what.machine].clock.now());
        self.go_on_by_hand(client)
    }

    /// An answer came from the network to something that is done by hand.
    pub(super) fn handed(&mut self, answered: Answered) -> Checked {
        self.happened += 1;
        if self.is_for_reader(&answered) {
            return Ok(());
        }
        let client = answered.client;
        let Some(run) = self.chores.get_mut(&client) else { return Ok(()) };
        let mut transfer = run.transfers.remove(&answered.id).expect("an answer to what was sent");
        let next = transfer.answered(answered.answer, &mut run.uploads, LockByte::SQLITE);
        self.send_by_hand(client, transfer, next);
        self.go_on_by_hand(client)
    }

    /// Does what a run wants, until it waits or is over.
    fn go_on_by_hand(&mut self, client: ClientId) -> Checked {
        // The store may have been too much for it.
        while let Some(run) = self.chores.get_mut(&client) {
            match run.solo.poll() {
                SoloOutput::Request(id, request) => self.asked_by_hand(client, id, request)?,
                SoloOutput::Notice(notice) => self.told_by_hand(client, &notice),
                SoloOutput::Wait(at) => {
                    run.wake_at = at;
                    return Ok(());
                }
                SoloOutput::Done(told) => {
                    self.check_changes()?;
                    let run = self.end_chore(client).expect("just asked");
                    return self.done_by_hand(&run, &told);
                }
            }
        }
        Ok(())
    }

    fn asked_by_hand(&mut self, client: ClientId, id: RequestId, request: StoreRequest) -> Checked {
        self.happened += 1;
        if let StoreRequest::List { after: None, .. } = &request {
            self.check_changes()?;
        }
        let list_keys_max = self.settings.list_keys_max;
        let part_bytes = part_bytes(self.settings);
        let run = self.chores.get_mut(&client).expect("it asks");
        let custody = &self.places[run.what.place].custody;
        let now = self.machines[run.what.machine].clock.now();
        run.pace.asks(id, &request, now.mono)?;
        if !is_read(&request) {
            if run.what.dry_run {
                return Err(Violation::new(8, format!("a dry run asks for {request:?}")));
            }
            run.writes += 1;
        }
        let kills = !is_read(&request) && run.killed_at_write == Some(run.writes);
        match &request {
            StoreRequest::List { after: None, .. } => run.begun.push(Begun {
                points: custody.points_without(&BTreeSet::new()),
                gone: custody.gone.0 + custody.gone.1,
                own: run.deleted.len(),
                arrivals: custody.arrivals,
            }),
            StoreRequest::Delete { keys } => self.orders.hand_deletes(keys, client, run.policy),
            StoreRequest::Merge { key, .. } => self.orders.hand_makes(key),
            _ => {}
        }
        let (transfer, next) = Transfer::start(
            id,
            request,
            |_, _| unreachable!("there is no source"),
            &mut run.uploads,
            list_keys_max,
            part_bytes,
        );
        self.send_by_hand(client, transfer, next);
        if kills {
            let after = Duration::from_micros(self.hands.below(KILLED_WITHIN_US));
            self.plan(after, Due::KillChore(client));
        }
        Ok(())
    }

    fn send_by_hand(&mut self, client: ClientId, transfer: Transfer<Stager>, next: Next) {
        let now = self.clock.mono();
        let run = self.chores.get_mut(&client).expect("it lives");
        match next {
            Next::Send(request) => {
                let id = self.by_hand.submit(now, client, request);
                run.transfers.insert(id, transfer);
            }
            Next::Encode => unreachable!("nothing is staged but what was merged"),
            Next::Answer(result) => self.answered_by_hand(client, transfer.id, result),
        }
    }

    fn answered_by_hand(&mut self, client: ClientId, id: RequestId, result: Result<StoreAnswer, StoreError>) {
        let run = self.chores.get_mut(&client).expect("it lives");
        let now = self.machines[run.what.machine].clock.now();
        run.pace.answered(id, now.mono, result.as_ref().err());
        // As io-real's driver has it.
        let is_trouble = match &result {
            Ok(StoreAnswer::DeletedMany(each)) => !each.is_empty() && each.iter().all(Result::is_err),
            Ok(_) => false,
            Err(error) => !matches!(error, StoreError::Missing | StoreError::Refused | StoreError::Conflict),
        };
        if !is_trouble {
            run.succeeded_at = now.mono;
        } else if now.mono.since(run.succeeded_at) >= PATIENCE {
            self.end_chore(client);
            return;
        }
        run.solo.answered(now, id, result);
    }

    fn told_by_hand(&mut self, client: ClientId, notice: &Notice) {
        let place = self.chores[&client].what.place;
        self.trace.record("told by hand", &format!("{notice:?}"), &[("client", client.0.into())], &[]);
        if let Notice::ObjectDamaged { .. } = notice {
            self.places[place].custody.doubted = true;
        }
    }

    /// What a run says that it did, or would do, is what happened.
    fn done_by_hand(&mut self, run: &Run, told: &Told) -> Checked {
        let numbers = [
            ("place", run.what.place as u64),
            ("made", told.compacted.len() as u64),
            ("deleted", told.deleted.len() as u64),
            ("refused", told.refused as u64),
            ("gave up", told.gave_up.into()),
        ];
        self.trace.record("done by hand", "", &numbers, &[]);
        let custody = &self.places[run.what.place].custody;
        if run.what.dry_run && !(told.deleted.is_empty() && told.refused == 0) {
            return Err(Violation::new(8, format!("a dry run says that it deleted {:?}", told.deleted)));
        }
        let made = told.compacted.iter().map(|compaction| compaction.output);
        if let Some(key) = made.filter(|_| !run.what.dry_run).find(|key| custody.is_there(*key).is_none()) {
            return Err(Violation::new(11, format!("{key} is said to be made, and never came")));
        }
        let place = &self.places[run.what.place].place;
        let key_of = |name: &String| ObjectKey::parse(Layout::S3, place.name_of(name)?);
        let gone: BTreeSet<ObjectKey> = run.deleted.iter().filter_map(key_of).collect();
        // One that acted and was answered with an error, and was refused when it was asked once more, is told as refused.
        let untold = gone.iter().filter(|key| !told.deleted.contains(*key));
        if let Some(key) = untold.clone().next().filter(|_| untold.count() > told.refused) {
            return Err(Violation::new(8, format!("{key} was deleted by a run that does not say so")));
        }
        if let Some(retention) = &told.retention {
            self.names_every_point(run, retention)?;
        }
        if !run.what.dry_run && !told.compacted.is_empty() {
            self.coverage.reached(Reached::SoloMerged);
        }
        if !gone.is_empty() {
            self.coverage.reached(Reached::SoloDeleted);
        }
        Ok(())
    }

    /// `cleanup` and `cleanup --dry-run` name every point that goes. Looked at where nothing else went meanwhile.
    fn names_every_point(&mut self, run: &Run, retention: &Retention) -> Checked {
        let custody = &self.places[run.what.place].custody;
        let [begun] = &run.begun[..] else { return Ok(()) };
        let own = run.deleted.len() - begun.own;
        let alone = custody.gone.0 + custody.gone.1 == begun.gone + own;
        if !alone || custody.doubted || custody.has_spoiled() {
            return Ok(());
        }
        let goes = match run.what.dry_run {
            true => retention.deletes().map(|decision| decision.info.key).collect(),
            false => BTreeSet::new(),
        };
        let named: BTreeSet<u64> =
            retention.points_removed.iter().map(|point| point.txid.into_inner()).collect();
        let left = custody.points_without(&goes);
        // A first image counts by its claim, which who counts here does not look at.
        let is_point = |n: &&u64| **n > 1;
        if let Some(n) = begun.points.difference(&left).filter(is_point).find(|n| !named.contains(n)) {
            let message = format!("point {n} goes with what a run deletes, and is not named: {:?}", run.what);
            return Err(Violation::new(8, message));
        }
        let all_went = run.what.dry_run || retention.deletes().count() == own;
        // What came meanwhile may lead there anew.
        let as_seen = all_went && custody.arrivals == begun.arrivals;
        if let Some(n) = named.iter().find(|n| as_seen && left.contains(n)) {
            let message = format!("point {n} is said to go, and restores: {:?}", run.what);
            return Err(Violation::new(8, message));
        }
        if !named.is_empty() {
            self.coverage.reached(Reached::SoloNamesPoints);
        }
        Ok(())
    }

    /// Without faults every run comes to its end.
    pub(super) fn chores_end(&mut self) -> Checked {
        let begun_at = self.clock.mono();
        while let Some(run) = self.chores.values().next() {
            if self.clock.mono().since(begun_at) > CHORES_END {
                return Err(Violation::new(29, format!("{:?} does not end", run.what)));
            }
            self.pass(Duration::from_secs(1))?;
        }
        Ok(())
    }
}

impl Run {
    /// An object went, and nobody else wanted that.
    pub(super) fn has_deleted(&mut self, key: &str) {
        self.deleted.insert(key.to_owned());
    }
}

/// It gives up a store that gives nothing but errors for so long, as the command does.
const PATIENCE: Duration = Duration::from_secs(30);
/// On the way to the store, in it, on the way back, and after that.
const KILLED_WITHIN_US: u64 = 100_000;
/// Pauses, five listings anew, all of the levels.
const CHORES_END: Duration = Duration::from_secs(600);
