//! One state of the model: the store, the requests under way, the writers, and what may still go wrong.

use super::message::{Message, Request};
use super::object::{Key, Object, Pages, Txid, WriterId};
use super::rule::Rules;
use super::scenario::{Faults, Scenario, Start};
use super::store::Store;
use super::writer::{Memory, Phase, Writer};
use sha2::{Digest, Sha256};
use std::hash::{Hash, Hasher};

/// What does not change while a space is searched.
#[derive(Clone, Debug)]
pub struct Model {
    /// The rules that the writers follow.
    pub rules: Rules,
    /// What may happen.
    pub scenario: Scenario,
}

/// A state.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct State {
    /// The store.
    pub store: Store,
    /// Requests under way, ordered so that equal sets are equal states.
    pub network: Vec<Message>,
    /// The writers.
    pub writers: Vec<Writer>,
    /// The content of each slot, as the first object that extended the history with it says.
    pub history: Vec<(Txid, Pages)>,
    /// What may still go wrong.
    pub left: Faults,
    /// Ticks of every clock.
    pub now: u8,
    /// Somebody deleted what was promised, and no image was put on top since.
    pub vandalised: bool,
    /// Whether each machine has ever written to the place.
    pub wrote: [bool; WRITERS_MAX],
    next_writer: u8,
    next_value: u8,
    next_upload: u8,
}

impl State {
    /// Where a scenario begins.
    pub fn initial(scenario: &Scenario) -> State {
        let writers = scenario.commits.iter().take(scenario.writers).map(|left| Writer::new(*left)).collect();
        let mut state = State {
            store: Store::new(scenario.coarse_dates),
            network: Vec::new(),
            writers,
            history: Vec::new(),
            left: scenario.faults,
            now: 0,
            vandalised: false,
            wrote: [false; WRITERS_MAX],
            next_writer: 1,
            next_value: FIRST_COMMITTED,
            next_upload: 1,
        };
        for (index, writer) in (1..).zip(&mut state.writers) {
            let has_database = scenario.start != Start::FollowingAlone || index == 1;
            writer.database = if has_database { Pages([index, index]) } else { Pages::NONE };
        }
        if scenario.start != Start::Empty {
            state.follow_already();
        }
        state
    }

    /// The first writer has claimed the place and follows.
    fn follow_already(&mut self) {
        let (id, content) = (self.new_writer_id(), self.writers[0].database);
        let image =
            Object { pages: content, before: None, after: content, writer: id, machine: 0, claim: false };
        let claim = Object { pages: content.first(), before: Some(content), claim: true, ..image };
        self.store.manifest = Some(id);
        self.put(Key::Snapshot(1), image, true);
        self.put(Key::Slot(2), claim, true);
        let writer = &mut self.writers[0];
        writer.phase = Phase::Running;
        writer.id = id;
        writer.directory.own.push(id);
        writer.directory.confirm(2, content);
        writer.memory = Memory { head: 2, base: content, holds: true, ..Memory::default() };
        writer.announce(2, content);
    }

    /// An id that no life had before.
    pub fn new_writer_id(&mut self) -> WriterId {
        self.next_writer += 1;
        WriterId(self.next_writer - 1)
    }

    /// Content that no page had before.
    pub fn new_value(&mut self) -> u8 {
        self.next_value += 1;
        self.next_value - 1
    }

    /// The name of a new multipart upload.
    pub fn new_upload_id(&mut self) -> u8 {
        self.next_upload += 1;
        self.next_upload - 1
    }

    /// Puts a request on its way.
    pub fn send(&mut self, from: usize, attempt: Option<u8>, request: Request) {
        let life = self.writers[from].life;
        let from = u8::try_from(from).expect("a few writers");
        let message = Message { request, from, life, attempt };
        let at = self.network.partition_point(|other| *other < message);
        self.network.insert(at, message);
    }

    /// The store takes an object, or refuses it; what extends the history becomes part of it.
    pub fn put(&mut self, key: Key, object: Object, if_absent: bool) -> bool {
        let done = self.store.put(key, object, if_absent, self.now);
        let last = self.history.last().map_or(0, |(txid, _)| *txid);
        if done {
            self.remember(key, object, last);
        }
        if done {
            self.wrote[usize::from(object.machine)] = true;
            self.vandalised &= !matches!(key, Key::Snapshot(max) if max >= last);
        }
        done
    }

    /// What a new object means for the history: the first that extends it decides.
    fn remember(&mut self, key: Key, object: Object, last: Txid) {
        // A snapshot is of an acknowledged slot, unless what follows tells that it never was.
        let denied = |next: Txid| {
            self.store.get(Key::Slot(next)).is_some_and(|slot| match slot.before {
                Some(before) => before != object.after,
                None => slot.claim,
            })
        };
        let extends = match key {
            Key::Slot(txid) => txid > last,
            Key::Snapshot(txid) => self.history_at(txid).is_none() && !denied(txid + 1),
            Key::Compacted(..) => false,
        };
        if !extends {
            return;
        }
        // A claim of an empty place begins a history of its own: an image before it counts for nothing.
        if object.claim && object.before.is_none() && last <= 1 {
            self.history.clear();
        }
        self.history.push((key.max(), object.after));
        self.history.sort_unstable();
    }

    /// Objects are deleted from outside, and with them the promises about them.
    pub fn wipe(&mut self, keys: &[Key]) {
        keys.iter().for_each(|key| self.store.delete(*key));
        let left = self.store.objects().iter().map(|stored| stored.key.max()).max().unwrap_or(0);
        self.history.retain(|(txid, _)| *txid <= left);
        self.writers.iter_mut().for_each(|writer| writer.announced.retain(|(txid, _)| *txid <= left));
        self.vandalised = true;
    }

    /// The content of a slot in the history.
    pub fn history_at(&self, txid: Txid) -> Option<Pages> {
        self.history.iter().find(|(slot, _)| *slot == txid).map(|(_, content)| *content)
    }

    /// 128 bits that tell states apart.
    pub fn fingerprint(&self) -> u128 {
        let mut bytes = Bytes(Vec::with_capacity(512));
        self.hash(&mut bytes);
        let digest = Sha256::digest(&bytes.0);
        digest.iter().take(16).fold(0, |sum, byte| sum << 8 | u128::from(*byte))
    }
}

/// Takes the bytes of a `Hash`, to give them to a real hash.
struct Bytes(Vec<u8>);

impl Hasher for Bytes {
    fn write(&mut self, bytes: &[u8]) {
        self.0.extend_from_slice(bytes);
    }

    fn finish(&self) -> u64 {
        unreachable!("only the bytes are wanted")
    }
}

/// Writers that a scenario may have.
pub const WRITERS_MAX: usize = 3;
/// Values below are those that the databases begin with.
const FIRST_COMMITTED: u8 = 11;
