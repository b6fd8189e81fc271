//! What must hold in every state, whatever the writers believe.

use super::look::Finding;
use super::object::{Key, Pages, Txid};
use super::restore::Listing;
use super::rule::Rule;
use super::state::{Model, State};
use super::step::{Step, name};
use super::writer::{Phase, Writer};
use std::fmt;

/// A broken promise.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Violation {
    /// A slot was announced durable, and the history has something else there, or nothing.
    AnnouncedLost(usize, Txid),
    /// The newest state does not restore, though a slot was announced.
    NewestBroken,
    /// The newest state that restores is older than what was announced.
    NewestOlder(Txid),
    /// The newest restore yields a database that is not the history's.
    NewestWrong(Txid),
    /// A restore point yields a database that is not the history's.
    PointWrong(Txid),
    /// A restore point that is listed does not restore.
    PointBroken(Txid),
    /// Litestream's restore of this store yields a database that is not the history's.
    LitestreamWrong(Txid),
    /// Litestream restores nothing, or something older than what was announced.
    LitestreamOlder,
    /// A writer is fenced, and nobody else ever wrote to the place.
    FencedByItself(usize),
    /// A writer continues a slot of another machine as its own.
    AnothersAdopted(usize, Txid),
    /// A writer continues a head that nothing restores.
    BrokenContinued(usize, Txid),
    /// A writer sends a slot whose number it knows to be used.
    NumberReused(usize, Txid),
    /// A writer that lost the place took it back without being asked to.
    TakenBack(usize),
    /// A writer has nothing to send, and yet an old request of the same writer is the newest state.
    RestsBehind(usize),
    /// A writer has something to send and can do nothing.
    Stuck(usize),
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Violation::AnnouncedLost(w, txid) => {
                write!(f, "slot {txid}, which {} announced durable, is not in the history", name(*w))
            }
            Violation::NewestBroken => write!(f, "the newest state does not restore"),
            Violation::NewestOlder(txid) => {
                write!(f, "the newest restore is {txid}, older than what was announced")
            }
            Violation::NewestWrong(txid) => write!(f, "the newest restore, {txid}, is a wrong database"),
            Violation::PointWrong(txid) => {
                write!(f, "the restore point {txid} yields a database of no history")
            }
            Violation::PointBroken(txid) => write!(f, "the restore point {txid} is listed and broken"),
            Violation::LitestreamWrong(txid) => {
                write!(f, "Litestream's newest restore, {txid}, is a wrong database")
            }
            Violation::LitestreamOlder => {
                write!(f, "Litestream's newest restore is older than what was announced, or none")
            }
            Violation::FencedByItself(w) => {
                write!(f, "{} is fenced, and nobody else ever wrote here", name(*w))
            }
            Violation::AnothersAdopted(w, txid) => {
                write!(f, "{} continues slot {txid}, which another machine wrote, as its own", name(*w))
            }
            Violation::BrokenContinued(w, txid) => {
                write!(f, "{} continues head {txid}, which nothing restores", name(*w))
            }
            Violation::NumberReused(w, txid) => {
                write!(f, "{} knows that slot {txid} was used, and uses it again", name(*w))
            }
            Violation::TakenBack(w) => write!(f, "{} lost the place and takes it back by itself", name(*w)),
            Violation::RestsBehind(w) => {
                write!(f, "{} rests, and an old request of its own is the newest state", name(*w))
            }
            Violation::Stuck(w) => write!(f, "{} has something to send and can do nothing", name(*w)),
        }
    }
}

impl Model {
    /// What a step broke.
    pub fn violation(&self, before: &State, step: &Step, after: &State) -> Option<Violation> {
        let same = before.store == after.store
            && before.writers.iter().zip(&after.writers).all(|(b, a)| b.announced == a.announced);
        let stored = if same { None } else { self.stored(after) };
        stored.or_else(|| (0..after.writers.len()).find_map(|index| self.behaved(before, step, after, index)))
    }

    /// What restores from the store, against what was announced and what the history is.
    fn stored(&self, state: &State) -> Option<Violation> {
        let mut announced_max = 0;
        for (index, writer) in state.writers.iter().enumerate() {
            for (txid, content) in &writer.announced {
                announced_max = announced_max.max(*txid);
                if state.history_at(*txid) != Some(*content) {
                    return Some(Violation::AnnouncedLost(index, *txid));
                }
            }
        }
        if announced_max > 0 && !state.vandalised {
            let Some((txid, content)) = self.newest(state) else { return Some(Violation::NewestBroken) };
            if txid < announced_max {
                return Some(Violation::NewestOlder(txid));
            }
            if state.history_at(txid) != Some(content) {
                return Some(Violation::NewestWrong(txid));
            }
        }
        self.litestream(state, announced_max).or_else(|| self.points(state))
    }

    /// What Litestream, which knows names only, restores from it.
    fn litestream(&self, state: &State, announced_max: Txid) -> Option<Violation> {
        if !self.rules.has(Rule::RestoreLinks) || state.vandalised {
            return None;
        }
        match Listing::of_litestream(&state.store).by_names(Txid::MAX) {
            Some((txid, content)) if state.history_at(txid) != Some(content) => {
                Some(Violation::LitestreamWrong(txid))
            }
            Some((txid, _)) if txid >= announced_max => None,
            None if announced_max == 0 => None,
            _ => Some(Violation::LitestreamOlder),
        }
    }

    fn points(&self, state: &State) -> Option<Violation> {
        let listing = Listing::new(&state.store, &self.rules);
        listing.points().into_iter().find_map(|txid| {
            let restored: Option<Pages> = if self.rules.has(Rule::RestoreLinks) {
                listing.linked(txid)
            } else {
                listing.by_names(txid).map(|(_, content)| content)
            };
            match restored {
                None if state.vandalised => None,
                None => Some(Violation::PointBroken(txid)),
                Some(content) if state.history_at(txid) == Some(content) => None,
                Some(_) => Some(Violation::PointWrong(txid)),
            }
        })
    }

    /// What one writer did.
    fn behaved(&self, before: &State, step: &Step, after: &State, index: usize) -> Option<Violation> {
        let (was, is) = (&before.writers[index], &after.writers[index]);
        let others_wrote = (0..after.wrote.len()).any(|other| other != index && after.wrote[other]);
        if is.phase == Phase::Fenced && was.phase != Phase::Fenced && !others_wrote && !is.forgetful {
            return Some(Violation::FencedByItself(index));
        }
        if let Some(txid) = self.adopted(before, step, was, index) {
            return Some(Violation::AnothersAdopted(index, txid));
        }
        if let Some(Finding::Ours(txid) | Finding::Adopted(txid)) = step.finding(index)
            && txid > 1
            && Listing::new(&before.store, &self.rules).linked(txid).is_none()
        {
            return Some(Violation::BrokenContinued(index, txid));
        }
        if let Step::Sends(sender, Some(Key::Slot(txid)), _) = step
            && *sender == index
            && *txid <= was.directory.confirmed_txid()
        {
            return Some(Violation::NumberReused(index, *txid));
        }
        if was.memory.holds && matches!(step.finding(index), Some(Finding::TakesOver(_))) {
            return Some(Violation::TakenBack(index));
        }
        let newest = after.store.objects().iter().filter(|o| o.key.is_slot()).max_by_key(|o| o.key.max());
        if is.is_at_rest()
            && let Some(newest) = newest
            && usize::from(newest.object.machine) == index
            && newest.key.max() > is.memory.head
        {
            return Some(Violation::RestsBehind(index));
        }
        None
    }

    /// A writer that can do nothing although it should: `moves` is all that may happen.
    pub fn stuck(&self, state: &State, moves: &[(Step, State)]) -> Option<Violation> {
        if moves.iter().any(|(step, _)| step.is_progress()) {
            return None;
        }
        let waits = |writer: &&(usize, &Writer)| {
            let writer = writer.1;
            writer.phase == Phase::Running
                && !writer.is_at_rest()
                && writer.memory.head < self.scenario.txid_max
        };
        let writers: Vec<(usize, &Writer)> = state.writers.iter().enumerate().collect();
        writers.iter().find(waits).map(|(index, _)| Violation::Stuck(*index))
    }

    /// A head that the writer takes for its own, that another machine wrote, and that its state directory did
    /// not know.
    fn adopted(&self, before: &State, step: &Step, was: &Writer, index: usize) -> Option<Txid> {
        let (Finding::Ours(head) | Finding::Adopted(head)) = step.finding(index)? else { return None };
        let listing = Listing::new(&before.store, &self.rules);
        let object = listing.head(self.rules.has(Rule::HeadOverLevels))?.object;
        let confirmed = head <= was.directory.confirmed_txid();
        let known = confirmed || was.directory.records.contains(&(head, object));
        // The image of an empty place is no commit yet: the claim slot on top decides.
        (usize::from(object.machine) != index && !known && head > 1).then_some(head)
    }
}
