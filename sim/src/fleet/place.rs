//! One place of the store: the databases that are replicated to it, on up to two machines, and the oracles that look at it.

use super::custody::Custody;
use super::database::Database;
use super::mirror::{Applied, Mirror};
use super::mischief::{Paper, Refusal};
use super::page::Version;
use super::state::SavedState;
use super::world::Undo;
use crate::oracle::image::Image as Observed;
use crate::oracle::manifest::Claimed;
use crate::oracle::ownership::{Ownership, Writer};
use crate::oracle::states::States;
use crate::outcome::Violation;
use crate::world::Asked;
use engine::key::ObjectKey;
use engine::replicate::TakeOver;
use engine::store::Sha256;
use engine::types::{Instant, NodeId, Txid};
use io_sim::s3::SimS3;
use std::collections::BTreeSet;
use std::time::Duration;

/// Machines in a run.
pub const MACHINES: usize = 2;

/// What one machine has of a place.
pub struct Copy {
    /// `None`: this machine has no such database.
    pub database: Option<Database>,
    /// What its daemons have saved.
    pub saved: SavedState,
    /// Its daemons' lives.
    pub lives: Vec<WriterLife>,
    /// What the configuration says.
    pub take_over: TakeOver,
    /// An operator's word for one life.
    pub insists: bool,
    /// Its newest life was fenced.
    pub fenced: bool,
    /// A life that had followed the place was told that it lost it, and has saved that.
    pub knows_loss: bool,
    /// It is to be followed whenever its machine's daemon runs.
    pub wanted: bool,
    /// Its number in the life of the daemon that follows it.
    pub seat: Option<usize>,
    /// What lives that are over asked of the store.
    pub asked: Asked,
    /// How many lives there were.
    pub starts: u64,
    /// Its files cannot be used until then.
    pub refused: Option<(Refusal, Instant)>,
    /// The state that it was restored to.
    pub restored: Option<Sha256>,
    /// Earlier images, for operators who want one back.
    pub kept: Vec<Vec<Version>>,
}

/// One life of a writer.
#[derive(Clone, Copy, Debug)]
pub struct WriterLife {
    /// Its id.
    pub node: NodeId,
    /// The states that its database had gone through when it began.
    pub states: usize,
    /// What it was told of places that are another's.
    pub take_over: TakeOver,
}

/// A place.
pub struct PlaceModel {
    /// Its folder.
    pub place: engine::key::Place,
    /// By machine.
    pub copies: [Copy; MACHINES],
    /// The states of each machine's database.
    pub states: [States; MACHINES],
    /// Ids that the second machine has because its local state is a copy.
    pub copied: Vec<NodeId>,
    copied_until: Option<Txid>,
    /// The history as it is restored.
    pub mirror: Mirror,
    /// Who may write.
    pub ownership: Ownership,
    /// Its manifest.
    pub claimed: Claimed,
    /// Slots that were announced, and that nothing was done to.
    pub announced: BTreeSet<Txid>,
    /// What others did to it.
    pub harm: Harm,
    /// Its manifest was of a newer version once.
    pub was_newer: bool,
    /// Slots that were compacted and deleted: what is written there comes too late.
    pub freed: BTreeSet<Txid>,
    /// Slots whose states are no points any more.
    let_go: BTreeSet<Txid>,
    /// The second machine's first slot is to be held back.
    pub races: bool,
    /// A manifest that comes just before the first claim, for a while.
    pub paper: Option<(Paper, Duration)>,
    /// What others will undo.
    pub(super) undo: Vec<Undo>,
    /// What a policy promises.
    pub custody: Custody,
}

/// What people and other programs did to a place.
#[derive(Clone, Copy, Debug, Default)]
pub struct Harm {
    /// Anything.
    pub any: bool,
    /// Objects are gone.
    pub lost: bool,
    /// Objects are damaged where they lie.
    pub rotted: bool,
    /// An object is another.
    pub rewritten: bool,
    /// The manifest was another.
    pub manifest: bool,
    /// No image since: what is announced may rest on what is gone.
    pub stays: bool,
}

impl PlaceModel {
    /// An empty place, which `database` of the first machine will be replicated to.
    pub fn new(number: u64, database: Database, take_over: TakeOver, store: &SimS3) -> PlaceModel {
        let place = engine::key::Place::new(&format!("fleet/{number:05}")).expect("a legal folder");
        let mirror = Mirror::new(place.clone(), number, store);
        let mut model = PlaceModel {
            place,
            copies: [Copy::new(Some(database), take_over), Copy::new(None, TakeOver::Never)],
            states: Default::default(),
            copied: Vec::new(),
            copied_until: None,
            mirror,
            ownership: Ownership::default(),
            claimed: Claimed::default(),
            announced: BTreeSet::new(),
            harm: Harm::default(),
            was_newer: false,
            freed: BTreeSet::new(),
            let_go: BTreeSet::new(),
            races: false,
            paper: None,
            undo: Vec::new(),
            custody: Custody::default(),
        };
        model.copies[0].wanted = true;
        model.committed(0);
        model
    }

    /// Notes the state that a machine's database is in now.
    pub fn committed(&mut self, machine: usize) {
        let database = self.copies[machine].database.as_ref();
        if let Some(image) = database.and_then(Database::image) {
            self.states[machine].now(image.digest(), Observed::Copied(Vec::new()));
        }
    }

    /// The second machine gets a copy of the first one's database, and perhaps of its local state.
    pub fn copy_to_second(&mut self, take_over: TakeOver, clones_state: bool) -> bool {
        let [first, second] = &mut self.copies;
        let copy = first.database.as_ref().and_then(|database| database.copy(2));
        if second.database.is_some() || self.mirror.txid().is_none() || copy.is_none() {
            return false;
        }
        *second = Copy::new(copy, take_over);
        second.wanted = true;
        if clones_state {
            second.saved = first.saved.clone();
            self.copied = first.nodes().collect();
            self.copied_until = self.mirror.txid();
        }
        self.committed(1);
        true
    }

    /// Properties 1, 5, 7, 9 and 10 at the moment of an announcement.
    pub fn durable(&mut self, machine: usize, txid: Txid) -> Result<(), Violation> {
        let copies = &self.copies;
        let writer_of = |node: NodeId| copies.iter().position(|copy| copy.nodes().any(|own| own == node));
        let mut own: Vec<NodeId> = copies[machine].nodes().collect();
        if machine == 1 {
            own.extend(&self.copied);
        }
        self.mirror.announced(txid, &own, &mut self.states, &writer_of)?;
        for applied in self.mirror.take_applied() {
            if applied.begins_anew {
                self.harm.stays = false;
            }
            self.owns(applied)?;
        }
        self.custody.announced(txid);
        self.ownership.announced(machine);
        // One that was compacted before its writer heard of it is no point any more.
        if !self.harm.stays && !self.let_go.contains(&txid) {
            self.announced.insert(txid);
        }
        Ok(())
    }

    /// A slot counts: was its writer allowed to write it?
    fn owns(&mut self, applied: Applied) -> Result<(), Violation> {
        let Applied { txid, machine, node, head, .. } = applied;
        let copy = &self.copies[machine];
        let life = copy.lives.iter().find(|life| life.node == node).expect("a life of this machine");
        // Who equals the head may continue it also after it was fenced.
        if !copy.knows_loss || life.take_over == TakeOver::IfIdentical {
            self.ownership.was_not_told(machine);
        }
        let known = self.copied_until.filter(|until| machine == 1 && txid <= *until + KNOWN_TO_A_COPY);
        let writer = Writer { machine, take_over: life.take_over, is_copy_of: known.map(|_| 0) };
        let (states, restored) = (&self.states[machine], copy.restored);
        self.ownership
            .slot(txid, writer, head, |head| states.was_since(life.states, head) || restored == Some(head))
    }

    /// A slot is in a compacted object only.
    pub fn was_freed(&mut self, txid: Txid) {
        self.freed.insert(txid);
        self.mirror.was_touched(ObjectKey::slot(txid));
        self.harm.any = true;
    }

    /// Its state lies inside a compacted object from now on.
    pub fn is_no_point(&mut self, txid: Txid) {
        self.let_go.insert(txid);
        self.announced.remove(&txid);
    }

    /// Whether an object is damaged where it lies.
    pub fn is_rotted(&self) -> bool {
        self.harm.rotted || self.custody.has_spoiled()
    }

    /// Points that went by a policy.
    pub fn forget_gone_points(&mut self) {
        let reached = self.custody.reached();
        self.announced.retain(|txid| reached.contains(&txid.into_inner()));
    }

    /// Somebody worked at it.
    pub fn was_harmed(&mut self, how: impl FnOnce(&mut Harm)) {
        let harm = &mut self.harm;
        harm.any = true;
        how(harm);
        if harm.lost || harm.rotted || harm.rewritten {
            harm.stays = true;
            self.announced.clear();
            self.mirror.was_harmed();
        }
    }

    /// Whether the store holds what this machine's database is.
    pub fn is_stored(&self, machine: usize) -> bool {
        let database = self.copies[machine].database.as_ref();
        database.and_then(Database::image).is_some_and(|image| image == self.mirror.image())
    }
}

impl Copy {
    /// The ids of its daemons' lives.
    pub fn nodes(&self) -> impl Iterator<Item = NodeId> + '_ {
        self.lives.iter().map(|life| life.node)
    }

    fn new(database: Option<Database>, take_over: TakeOver) -> Copy {
        Copy {
            database,
            saved: SavedState::default(),
            lives: Vec::new(),
            take_over,
            insists: false,
            fenced: false,
            knows_loss: false,
            wanted: false,
            seat: None,
            asked: Asked::default(),
            starts: 0,
            refused: None,
            restored: None,
            kept: Vec::new(),
        }
    }
}

/// What a copied state directory knows beyond the newest slot of its time is the record of the one that was on its way;
/// the slot after that is the last one that its new owner may take for the next of its own.
const KNOWN_TO_A_COPY: u64 = 2;
