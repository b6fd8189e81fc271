//! What a writer makes of the place when it lists it: the first thing of a life, and after every doubt. It is
//! what `engine/src/replicate/{start,head,claim,database}.rs` decide.

use super::object::{Key, Object, Txid};
use super::restore::Listing;
use super::rule::Rule;
use super::scenario::TakeOver;
use super::state::{Model, State};
use super::writer::{Memory, Next, Phase, Writer};
use std::fmt;

/// What it found.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Finding {
    /// Nothing is there.
    Nobodys,
    /// Nothing but our own claim.
    ClaimedByUs,
    /// Nothing but another's claim.
    ClaimedByAnother,
    /// The head is ours.
    Ours(Txid),
    /// The head is ours, and its answer was lost.
    Adopted(Txid),
    /// The head is below what we know, or no chain leads to it.
    Broken(Txid),
    /// Another's head, which we may continue.
    TakesOver(Txid),
    /// Another's head.
    Fenced(Txid),
    /// Another's claim on an empty place.
    Refused,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Finding::Nobodys => write!(f, "the place is empty"),
            Finding::ClaimedByUs => write!(f, "empty, and ours"),
            Finding::ClaimedByAnother => write!(f, "empty, claimed by another, takes over"),
            Finding::Ours(txid) => write!(f, "head {txid} is ours"),
            Finding::Adopted(txid) => write!(f, "head {txid} is ours by its record"),
            Finding::Broken(txid) => write!(f, "head {txid} cannot be continued"),
            Finding::TakesOver(txid) => write!(f, "takes over at head {txid}"),
            Finding::Fenced(txid) => write!(f, "head {txid} is another's, fenced"),
            Finding::Refused => write!(f, "empty, claimed by another, refused"),
        }
    }
}

/// How the head stands to the local state.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Standing {
    Ours,
    Adopted,
    Copied,
    Foreign,
}

impl Model {
    /// The writer lists the place and decides what goes up next.
    pub fn look(&self, state: &mut State, index: usize) -> Finding {
        let now = state.now;
        let writer = &mut state.writers[index];
        let held = writer.memory.holds;
        writer.memory = Memory { checked_at: now, holds: held, ..Memory::default() };
        writer.phase = Phase::Running;
        let listing = Listing::new(&state.store, &self.rules);
        match listing.head(self.rules.has(Rule::HeadOverLevels)) {
            None => self.look_at_empty(state, index),
            Some(head) => {
                let (key, object) = (head.key, head.object);
                self.look_at_head(state, index, key, object)
            }
        }
    }

    fn look_at_empty(&self, state: &mut State, index: usize) -> Finding {
        let manifest = state.store.manifest;
        let writer = &mut state.writers[index];
        let used = if self.rules.has(Rule::HeadOverState) { writer.directory.confirmed_txid() } else { 0 };
        match manifest {
            None => {
                writer.memory.next =
                    if self.rules.has(Rule::ManifestFirst) { Next::Manifest } else { Next::FirstImage };
                Finding::Nobodys
            }
            Some(id) if writer.directory.owns(id) => {
                writer.memory.head = used;
                writer.memory.next = if used > 0 { Next::Image { claim: false } } else { Next::FirstImage };
                Finding::ClaimedByUs
            }
            Some(id) if used == 0 && self.scenario.take_over[index] == TakeOver::Never => {
                writer.fence(Some(id));
                Finding::Refused
            }
            Some(_) => {
                writer.memory.head = used.max(1);
                writer.memory.next = Next::Image { claim: true };
                if !self.rules.has(Rule::StrangersBeginAtTwo) {
                    (writer.memory.head, writer.memory.next) = (0, Next::FirstImage);
                }
                Finding::ClaimedByAnother
            }
        }
    }

    fn look_at_head(&self, state: &mut State, index: usize, key: Key, object: Object) -> Finding {
        let txid = key.max();
        let standing = self.standing(&state.writers[index], key, &object);
        let reachable = Listing::new(&state.store, &self.rules).linked(txid) == Some(object.after);
        let snapshot =
            state.store.objects().iter().any(|o| matches!(o.key, Key::Snapshot(max) if max >= txid));
        let writer = &mut state.writers[index];
        let used = if self.rules.has(Rule::HeadOverState) { writer.directory.confirmed_txid() } else { 0 };
        writer.memory.head = txid.max(used);
        writer.memory.base = object.after;
        match standing {
            Standing::Copied => {
                writer.fence(None);
                return Finding::Fenced(txid);
            }
            Standing::Foreign => return self.look_at_foreign(state, index, txid, object),
            Standing::Ours | Standing::Adopted => {}
        }
        writer.memory.holds = true;
        let lacks_snapshot =
            key.is_slot() && object.before.is_none() && !snapshot && self.rules.has(Rule::SnapshotBeforeNext);
        let broken = txid < used || !reachable && self.rules.has(Rule::ImageOnBrokenHead) && key.max() > 1;
        if broken || lacks_snapshot {
            writer.memory.next = Next::Image { claim: false };
            return Finding::Broken(txid);
        }
        writer.memory.next = if key == Key::Snapshot(1) {
            Next::FirstClaim
        } else if self.must_settle(writer, txid) {
            Next::Settle
        } else {
            Next::Difference
        };
        if key != Key::Snapshot(1) {
            writer.announce(txid, object.after);
            self.save(writer, txid, object);
        }
        if standing == Standing::Adopted { Finding::Adopted(txid) } else { Finding::Ours(txid) }
    }

    /// Whether a slot above the head was sent in an earlier life and may still land.
    fn must_settle(&self, writer: &Writer, head: Txid) -> bool {
        self.rules.has(Rule::Settle) && writer.directory.records.iter().any(|(txid, _)| *txid > head)
    }

    fn look_at_foreign(&self, state: &mut State, index: usize, head: Txid, object: Object) -> Finding {
        let writer = &mut state.writers[index];
        let sticky = self.rules.has(Rule::FencedStays)
            && (writer.memory.holds || writer.directory.fenced_by.is_some());
        let proof = writer.proof.filter(|(txid, content)| {
            !self.rules.has(Rule::ExactProof) || *txid == head && *content == object.after
        });
        let allowed = match self.scenario.take_over[index] {
            TakeOver::Never => false,
            TakeOver::IfIdentical => writer.database == object.after || proof.is_some(),
            TakeOver::Always => true,
        };
        if sticky || !allowed {
            writer.fence(Some(object.writer));
            return Finding::Fenced(head);
        }
        if let Some((_, content)) = proof {
            writer.memory.base = content;
        }
        // Numbers that this writer used itself are gone for good: only an image goes on top of a hole.
        let hole = writer.memory.head > head || self.scenario.unreadable;
        writer.memory.next = match (self.rules.has(Rule::ClaimFirst), hole) {
            (true, false) => Next::Claim,
            (true, true) => Next::Image { claim: true },
            (false, _) => Next::Difference,
        };
        Finding::TakesOver(head)
    }

    fn standing(&self, writer: &Writer, key: Key, object: &Object) -> Standing {
        let directory = &writer.directory;
        if !directory.owns(object.writer) {
            let asked = self.rules.has(Rule::TakeOverAsked);
            return if asked { Standing::Foreign } else { Standing::Ours };
        }
        // Levels above 0 hold acknowledged slots only, and the first image comes before any slot.
        if !key.is_slot() {
            return Standing::Ours;
        }
        let txid = key.max();
        let known = match directory.confirmed {
            Some((confirmed, after)) if txid == confirmed => after == object.after,
            Some((confirmed, _)) if txid < confirmed => true,
            _ => {
                let recorded = directory.records.contains(&(txid, *object));
                let believed = recorded || !self.rules.has(Rule::Records);
                return if believed { Standing::Adopted } else { Standing::Copied };
            }
        };
        if known { Standing::Ours } else { Standing::Copied }
    }

    /// The state directory learns that a slot is confirmed.
    pub fn save(&self, writer: &mut Writer, txid: Txid, object: Object) {
        if !self.scenario.saved_late {
            writer.directory.confirm(txid, object.after);
        }
    }
}
