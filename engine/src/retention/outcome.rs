//! What a plan says: of each object whether it stays, and why; and which points go.

use super::promise::Promise;
use super::trouble::Trouble;
use crate::key::{ObjectInfo, ObjectKey};
use crate::mutants::{Mutant, mutated};
use crate::restore::Point;
use crate::types::{Level, Txid};
use std::collections::BTreeMap;
use std::fmt;

/// What is to be done with a place.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Retention {
    /// Every object of the listing, by level, min and max; late arrivals among them.
    pub decisions: Vec<Decision>,
    /// The points that are there and will not be, ascending.
    pub points_removed: Vec<Point>,
    /// The points that the policy keeps, ascending, and why. Others may restore as well, for as long as their objects are
    /// needed for something else.
    pub promised: Vec<(Txid, Promise)>,
    /// What is wrong in the place; around it nothing is deleted.
    pub troubles: Vec<Trouble>,
}

/// What becomes of one object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decision {
    /// The object as listed: delete this version, or none.
    pub info: ObjectInfo,
    /// Whether it arrived late (see [`crate::key::PlaceListing::late_arrivals`]).
    pub is_late: bool,
    /// Whether it stays.
    pub action: Action,
}

/// Whether an object stays, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// It stays.
    Keep(Keep),
    /// It goes.
    Delete(Delete),
}

/// Why an object stays.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Keep {
    /// Something is wrong with the chain that it belongs to.
    Broken(Trouble),
    /// A claim slot: whoever it fenced must find it, however long that takes.
    Claim,
    /// The newest slot: a start compares itself with it.
    NewestSlot,
    /// A slot that is in no compacted object.
    NotCompacted,
    /// A slot that was compacted less than `l0` ago.
    CompactedLately,
    /// It has been there for less than `l0`: not everybody has seen it.
    Young,
    /// The store does not tell when it arrived, and nobody has seen it before.
    AgeUnknown,
    /// A point that stays needs it.
    Needed {
        /// The newest such point.
        txid: Txid,
        /// Why that point stays.
        promise: Promise,
    },
    /// It shows that a slot came late, and that slot stays for now.
    Convicts,
    /// A full image that an object was merged across.
    Crossed {
        /// That object.
        within: ObjectKey,
    },
}

/// Why an object goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Delete {
    /// A slot that came after an object that contains it: its writer did not know that this number was settled.
    Late,
    /// Another object contains it, and no point between their ends stays.
    Contained {
        /// That object.
        within: ObjectKey,
    },
    /// No point from it up to the next snapshot stays.
    OutOfPolicy,
}

impl Retention {
    /// The objects that go, in stages. A stage begins when every delete of the one before was confirmed: so what is left is
    /// sound wherever it ends. Late arrivals are the first, what convicts them and what others need the last.
    pub fn stages(&self) -> Vec<Vec<&ObjectInfo>> {
        let mut stages: BTreeMap<(bool, Level), Vec<&ObjectInfo>> = BTreeMap::new();
        for decision in self.deletes() {
            let stage = (!decision.is_late, decision.info.key.level());
            stages.entry(stage).or_default().push(&decision.info);
        }
        if mutated(Mutant::RetentionBasesFirst) {
            return stages.into_values().rev().collect();
        }
        stages.into_values().collect()
    }

    /// The objects that go.
    pub fn deletes(&self) -> impl Iterator<Item = &Decision> {
        self.decisions.iter().filter(|decision| decision.is_delete())
    }

    /// Size of what goes, in bytes.
    pub fn deleted_bytes(&self) -> u64 {
        self.deletes().map(|decision| decision.info.size_bytes).fold(0, u64::saturating_add)
    }
}

impl Decision {
    /// Whether the object goes.
    pub fn is_delete(&self) -> bool {
        matches!(self.action, Action::Delete(_))
    }
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Action::Keep(why) => why.fmt(f),
            Action::Delete(why) => why.fmt(f),
        }
    }
}

impl fmt::Display for Keep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Keep::Broken(trouble) => write!(f, "its chain is not sound: {trouble}"),
            Keep::Claim => f.write_str("a claim slot is never deleted"),
            Keep::NewestSlot => f.write_str("the newest slot is never deleted"),
            Keep::NotCompacted => f.write_str("not compacted"),
            Keep::CompactedLately => f.write_str("compacted less than `l0` ago"),
            Keep::Young => f.write_str("written less than `l0` ago"),
            Keep::AgeUnknown => f.write_str("the store does not tell how old it is"),
            Keep::Needed { txid, promise } => write!(f, "TXID {txid} needs it: {promise}"),
            Keep::Convicts => f.write_str("it shows that a slot came late"),
            Keep::Crossed { within } => write!(f, "{within} was merged across it"),
        }
    }
}

impl fmt::Display for Delete {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Delete::Late => f.write_str("written after an object that contains it"),
            Delete::Contained { within } => write!(f, "{within} contains it"),
            Delete::OutOfPolicy => f.write_str("no point that stays needs it"),
        }
    }
}
