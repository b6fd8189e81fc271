//! What an answer, or the lack of one, means: `engine/src/replicate/upload.rs`.

use super::look::Finding;
use super::message::Answer;
use super::object::{Key, Object};
use super::restore::Listing;
use super::rule::Rule;
use super::state::{Model, State};
use super::store::Store;
use super::writer::{Next, Sending};
use std::fmt;

/// What a writer did about an answer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Reaction {
    /// It goes on; something more has to come before anything is announced.
    GoesOn,
    /// It announces the slot.
    Announces,
    /// The same again.
    SendsAgain,
    /// It believes to be fenced.
    Fenced,
    /// It lists the place.
    Looks(Finding),
}

impl fmt::Display for Reaction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Reaction::GoesOn => write!(f, "goes on"),
            Reaction::Announces => write!(f, "announces it durable"),
            Reaction::SendsAgain => write!(f, "sends again"),
            Reaction::Fenced => write!(f, "takes itself for fenced"),
            Reaction::Looks(finding) => write!(f, "lists the place: {finding}"),
        }
    }
}

impl Model {
    /// The writer handles the answer that has come.
    pub fn answered(&self, state: &mut State, index: usize, answer: Answer) -> Reaction {
        let sending = state.writers[index].memory.sending.expect("an answer to something");
        self.record(&mut state.writers[index], true);
        match answer {
            Answer::Done => self.acknowledged(state, index, sending),
            Answer::Conflict if self.rules.has(Rule::ConflictRetried) => {
                self.send_again(state, index, true);
                Reaction::SendsAgain
            }
            Answer::Missing => {
                self.send_again(state, index, false);
                Reaction::SendsAgain
            }
            Answer::Refused | Answer::Conflict if !self.rules.has(Rule::ReadBack) => {
                state.writers[index].fence(None);
                Reaction::Fenced
            }
            Answer::Refused | Answer::Conflict => self.read_back(state, index, sending, true),
        }
    }

    /// No answer came in time.
    pub fn timed_out(&self, state: &mut State, index: usize) -> Reaction {
        let sending = state.writers[index].memory.sending.expect("something is sent");
        self.record(&mut state.writers[index], true);
        self.read_back(state, index, sending, false)
    }

    fn read_back(&self, state: &mut State, index: usize, sending: Sending, refused: bool) -> Reaction {
        let Some(key) = sending.key else {
            return match state.store.manifest {
                Some(_) => Reaction::Looks(self.look(state, index)),
                None => {
                    self.send_again(state, index, false);
                    Reaction::SendsAgain
                }
            };
        };
        match state.store.get(key) {
            Some(there) if *there == sending.object => self.acknowledged(state, index, sending),
            None if !refused => {
                self.send_again(state, index, false);
                Reaction::SendsAgain
            }
            // Another's, or what was there is gone: the place tells.
            Some(_) | None => Reaction::Looks(self.look(state, index)),
        }
    }

    /// Our bytes are in the store.
    fn acknowledged(&self, state: &mut State, index: usize, sending: Sending) -> Reaction {
        let now = state.now;
        let late = self.scenario.clocks_kept && sending.sent_at != now;
        if late && self.rules.has(Rule::LateAnswer) {
            return Reaction::Looks(self.look(state, index));
        }
        let writer = &mut state.writers[index];
        let memory = &mut writer.memory;
        memory.sending = None;
        memory.checked_at = sending.sent_at;
        let Some(key) = sending.key else {
            memory.next = Next::FirstImage;
            return Reaction::GoesOn;
        };
        let object = sending.object;
        memory.head = key.max();
        memory.base = object.after;
        let sent = memory.next;
        memory.next = self.then(sent);
        if sent == Next::Claim && self.rules.has(Rule::ClaimRechecked) {
            return Reaction::Looks(self.look(state, index));
        }
        if sent == (Next::Image { claim: true }) && self.rules.has(Rule::ImageRechecked) {
            if !self.is_head(&state.store, key, &object) {
                return Reaction::Looks(self.look(state, index));
            }
            state.writers[index].memory.checked_at = now;
        }
        let writer = &mut state.writers[index];
        writer.memory.holds = true;
        if key.is_slot() {
            self.save(&mut state.writers[index], key.max(), object);
        }
        let writer = &mut state.writers[index];
        let announces = match sent {
            Next::FirstImage => !self.rules.has(Rule::DurableAfterClaim),
            Next::Image { .. } => writer.memory.next == Next::Difference,
            Next::Snapshot { .. } | Next::FirstClaim | Next::Claim | Next::Settle | Next::Difference => true,
            Next::Manifest => false,
        };
        if !announces {
            return Reaction::GoesOn;
        }
        writer.announce(key.max(), object.after);
        if sent == (Next::Snapshot { claim: true }) && self.rules.has(Rule::ClaimRechecked) {
            return Reaction::Looks(self.look(state, index));
        }
        Reaction::Announces
    }

    /// Whether a listing shows this object as the head.
    fn is_head(&self, store: &Store, key: Key, object: &Object) -> bool {
        let listing = Listing::new(store, &self.rules);
        let head = listing.head(self.rules.has(Rule::HeadOverLevels));
        head.is_some_and(|head| head.key == key && head.object == *object)
    }

    /// What comes after something is in the store.
    fn then(&self, sent: Next) -> Next {
        match sent {
            Next::FirstImage => Next::FirstClaim,
            Next::Image { claim } if self.rules.has(Rule::SnapshotBeforeNext) => Next::Snapshot { claim },
            _ => Next::Difference,
        }
    }
}
