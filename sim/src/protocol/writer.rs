//! A writer: the application's database, the state directory, and what the daemon has in memory.

use super::message::Answer;
use super::object::{Key, Object, Pages, Txid, WriterId};

/// One machine with one database.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Writer {
    /// Whether the daemon runs.
    pub phase: Phase,
    /// Which life this is; answers to requests of earlier ones reach nobody.
    pub life: u8,
    /// The id of this life.
    pub id: WriterId,
    /// The application's database.
    pub database: Pages,
    /// What survives a crash.
    pub directory: StateDirectory,
    /// What a restore left here: position and content.
    pub proof: Option<(Txid, Pages)>,
    /// What does not survive a crash.
    pub memory: Memory,
    /// What was announced durable, newest last; the last two are kept.
    pub announced: Vec<(Txid, Pages)>,
    /// Commits that the application may still make.
    pub commits_left: u8,
    /// Whether the state directory was lost: then being refused by one's own objects is right.
    pub forgetful: bool,
}

/// Whether the daemon runs.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Phase {
    /// No daemon.
    Down,
    /// It runs.
    Running,
    /// It has stopped for good: the place is another's.
    Fenced,
}

/// What is kept on the writer's disk.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Default)]
pub struct StateDirectory {
    /// Ids of the lives.
    pub own: Vec<WriterId>,
    /// The last slot that is known to be confirmed.
    pub confirmed: Option<(Txid, Pages)>,
    /// Slots that were sent and not confirmed.
    pub records: Vec<(Txid, Object)>,
    /// Who fenced this writer.
    pub fenced_by: Option<WriterId>,
}

/// What a running daemon knows.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Memory {
    /// The newest slot of the place, as far as known.
    pub head: Txid,
    /// The database at the head.
    pub base: Pages,
    /// What goes up next.
    pub next: Next,
    /// The request whose answer is awaited.
    pub sending: Option<Sending>,
    /// When the store was last known to agree.
    pub checked_at: u8,
    /// Whether the head was this writer's in this life.
    pub holds: bool,
}

/// What goes up next.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Next {
    /// `manifest.json`: the place is empty and nobody's.
    Manifest,
    /// L9 `1-1`: the place is empty and ours.
    FirstImage,
    /// The claim slot on top of the first image.
    FirstClaim,
    /// The claim slot on top of another's head.
    Claim,
    /// A slot with all pages, which ends the old chain.
    Image {
        /// It claims an empty place.
        claim: bool,
    },
    /// The snapshot of such a slot.
    Snapshot {
        /// The slot was a claim.
        claim: bool,
    },
    /// The next slot, also when nothing changed: one that was sent in an earlier life may still land.
    Settle,
    /// The next slot, when something changed.
    Difference,
}

/// A request whose answer is awaited.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Sending {
    /// Where it goes; `None`: `manifest.json`.
    pub key: Option<Key>,
    /// What goes there.
    pub object: Object,
    /// Counts the times it was sent.
    pub attempt: u8,
    /// What was answered.
    pub answer: Option<Answer>,
    /// When it was sent last.
    pub sent_at: u8,
    /// The multipart upload, where it is one, and which parts it waits for.
    pub upload: Option<(u8, [bool; 2])>,
    /// The parts are there and the completion is under way.
    pub completing: bool,
}

impl Writer {
    /// A machine whose daemon has never run.
    pub fn new(commits_left: u8) -> Writer {
        Writer {
            phase: Phase::Down,
            life: 0,
            id: WriterId(0),
            database: Pages::NONE,
            directory: StateDirectory::default(),
            proof: None,
            memory: Memory::default(),
            announced: Vec::new(),
            commits_left,
            forgetful: false,
        }
    }

    /// Whether it runs and everything that its application committed is in the store, as it believes.
    pub fn is_at_rest(&self) -> bool {
        let memory = &self.memory;
        self.phase == Phase::Running
            && memory.next == Next::Difference
            && memory.sending.is_none()
            && self.database == memory.base
    }

    /// Tells that everything up to a slot is durable.
    pub fn announce(&mut self, txid: Txid, content: Pages) {
        self.announced.retain(|(announced, _)| *announced != txid);
        self.announced.push((txid, content));
        if self.announced.len() > ANNOUNCED_MAX {
            self.announced.remove(0);
        }
    }

    /// Stops for good.
    pub fn fence(&mut self, by: Option<WriterId>) {
        self.phase = Phase::Fenced;
        self.memory = Memory::default();
        self.directory.fenced_by = by.or(self.directory.fenced_by);
    }

    /// The process dies.
    pub fn die(&mut self) {
        self.phase = Phase::Down;
        self.life += 1;
        self.memory = Memory::default();
    }
}

impl StateDirectory {
    /// Whether a life of this writer has the id.
    pub fn owns(&self, id: WriterId) -> bool {
        self.own.contains(&id)
    }

    /// The last confirmed slot, 0 if none.
    pub fn confirmed_txid(&self) -> Txid {
        self.confirmed.map_or(0, |(txid, _)| txid)
    }

    /// Notes a slot that is about to be sent.
    pub fn record(&mut self, txid: Txid, object: Object) {
        if !self.records.contains(&(txid, object)) {
            self.records.push((txid, object));
            self.records.sort_unstable();
        }
    }

    /// Notes a confirmed slot, and drops the records up to it.
    pub fn confirm(&mut self, txid: Txid, content: Pages) {
        self.confirmed = Some((txid, content));
        self.records.retain(|(recorded, _)| *recorded > txid);
    }
}

impl Default for Memory {
    fn default() -> Memory {
        Memory {
            head: 0,
            base: Pages::NONE,
            next: Next::Difference,
            sending: None,
            checked_at: 0,
            holds: false,
        }
    }
}

/// Announcements that are remembered for each writer.
const ANNOUNCED_MAX: usize = 2;
