//! What a writer does beside its slots: compaction, snapshots, retention. Each begins with a listing and ends
//! with a request whose answer changes nothing, so nobody waits for it. The engine does not have it yet; this
//! is docs/design.md section 6.

use super::message::Request;
use super::object::{Key, Object, Txid};
use super::restore::Listing;
use super::rule::Rule;
use super::state::{Model, State};
use super::store::Stored;
use super::writer::{Next, Phase, Sending};

/// What a pass of upkeep may send, or that the writer finds itself fenced.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Upkeep {
    /// The listing shows another's head.
    HeadIsAnothers,
    /// One request of a pass.
    Sends(Request),
}

impl Model {
    /// Whether the writer follows and has nothing else to settle first.
    fn follows(&self, state: &State, index: usize) -> bool {
        let writer = &state.writers[index];
        writer.phase == Phase::Running && writer.memory.next == Next::Difference && writer.memory.holds
    }

    /// What the listing at the begin of a pass says about the head.
    fn head_is_anothers(&self, state: &State, index: usize) -> bool {
        let writer = &state.writers[index];
        let listing = Listing::new(&state.store, &self.rules);
        let anothers = |head: &Stored| !writer.directory.owns(head.object.writer);
        self.rules.has(Rule::ListingChecksHead)
            && listing.head(self.rules.has(Rule::HeadOverLevels)).is_some_and(anothers)
    }

    /// A compaction of the slots since the last one.
    pub fn compaction(&self, state: &State, index: usize) -> Option<Upkeep> {
        if !self.follows(state, index) {
            return None;
        }
        if self.head_is_anothers(state, index) {
            return Some(Upkeep::HeadIsAnothers);
        }
        let listing = Listing::new(&state.store, &self.rules);
        let compacted = listing.objects().filter(|o| matches!(o.key, Key::Compacted(..)));
        let begin = compacted.map(|o| o.key.max()).max().unwrap_or(1) + 1;
        let mut min = begin;
        let mut inputs: Vec<Object> = Vec::new();
        for txid in begin..=self.last_for_upper_levels(state, index).0 {
            let stored = listing.objects().find(|o| o.key == Key::Slot(txid)).map(|o| o.object);
            let Some(object) = stored.or_else(|| self.unacknowledged(state, index, txid)) else { break };
            if object.before.is_none() && self.rules.has(Rule::ImageEndsChain) {
                if !inputs.is_empty() {
                    break;
                }
                min = txid + 1;
                continue;
            }
            let last = inputs.last();
            let breaks = last.is_some_and(|last| object.before != Some(last.after));
            if breaks && self.rules.has(Rule::CompactionLinks) {
                break;
            }
            inputs.push(object);
        }
        let (first, last) = (inputs.first()?, inputs.last()?);
        let max = min + u8::try_from(inputs.len()).expect("a few slots") - 1;
        let pages = inputs.iter().skip(1).fold(first.pages, |pages, next| next.pages.over(pages));
        let object = Object { pages, before: first.before, claim: false, ..self.made_by(state, index, last) };
        let if_absent = self.rules.has(Rule::UpperIfAbsent);
        Some(Upkeep::Sends(Request::Put { key: Key::Compacted(min, max), object, if_absent }))
    }

    /// A snapshot of the head.
    pub fn snapshot(&self, state: &State, index: usize) -> Option<Upkeep> {
        if !self.follows(state, index) {
            return None;
        }
        if self.head_is_anothers(state, index) {
            return Some(Upkeep::HeadIsAnothers);
        }
        let (txid, after) = self.last_for_upper_levels(state, index);
        let key = Key::Snapshot(txid);
        if state.store.get(key).is_some() {
            return None;
        }
        let last = Object { pages: after, before: None, after, ..Object::default() };
        let object = self.made_by(state, index, &last);
        let if_absent = self.rules.has(Rule::UpperIfAbsent);
        Some(Upkeep::Sends(Request::Put { key, object, if_absent }))
    }

    /// The last slot that levels above 0 may hold, and the database after it.
    fn last_for_upper_levels(&self, state: &State, index: usize) -> (Txid, super::object::Pages) {
        let memory = &state.writers[index].memory;
        match memory.sending {
            Some(Sending { key: Some(Key::Slot(txid)), object, .. })
                if !self.rules.has(Rule::Acknowledged) =>
            {
                (txid, object.after)
            }
            _ => (memory.head, memory.base),
        }
    }

    fn unacknowledged(&self, state: &State, index: usize, txid: Txid) -> Option<Object> {
        let sending = state.writers[index].memory.sending?;
        let is_it = !self.rules.has(Rule::Acknowledged) && sending.key == Some(Key::Slot(txid));
        is_it.then_some(sending.object)
    }

    fn made_by(&self, state: &State, index: usize, object: &Object) -> Object {
        let machine = u8::try_from(index).expect("a few writers");
        Object { writer: state.writers[index].id, machine, ..*object }
    }

    /// Every delete that a retention pass of this writer may send.
    pub fn retention(&self, state: &State, index: usize) -> Vec<Upkeep> {
        if !self.follows(state, index) {
            return Vec::new();
        }
        if self.head_is_anothers(state, index) {
            return vec![Upkeep::HeadIsAnothers];
        }
        let deletable = state.store.objects().iter().filter(|stored| self.may_go(state, stored));
        deletable.map(|stored| Upkeep::Sends(Request::Delete(stored.key))).collect()
    }

    fn may_go(&self, state: &State, stored: &Stored) -> bool {
        let store = &state.store;
        let others = || store.objects().iter().filter(|other| other.key != stored.key);
        match stored.key {
            Key::Slot(_) if self.rules.has(Rule::LateIsDead) && store.is_late(stored.key) => true,
            Key::Slot(txid) => {
                let newest = others().all(|o| !o.key.is_slot() || o.key.max() < txid);
                let kept = newest && self.rules.has(Rule::NewestStays)
                    || stored.object.claim && self.rules.has(Rule::ClaimsStay);
                let contained = others().any(|o| {
                    matches!(o.key, Key::Compacted(..)) && o.key.contains(txid) && self.is_aged(state, o)
                });
                !kept && (contained || !self.rules.has(Rule::Contained))
            }
            _ if !self.scenario.thinning => false,
            _ if self.rules.has(Rule::ConvictionStays) && store.alone_convicts(stored.key) => false,
            Key::Compacted(_, max) => others().any(|o| matches!(o.key, Key::Snapshot(n) if n >= max)),
            Key::Snapshot(txid) => {
                let forward = self.rules.has(Rule::SnapshotsThinForward);
                others().any(|o| matches!(o.key, Key::Snapshot(n) if n > txid || !forward))
            }
        }
    }

    /// Whether an object is as old as retention wants, by the store's dates.
    fn is_aged(&self, state: &State, stored: &Stored) -> bool {
        let ticks = match (self.scenario.clocks_kept, self.scenario.coarse_dates) {
            (true, _) => 2,
            (false, true) => 1,
            (false, false) => 0,
        };
        state.now >= stored.arrived + ticks || !self.rules.has(Rule::Aged)
    }
}
